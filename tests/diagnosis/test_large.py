"""Large cells and long trajectories are diagnosed by parts of them, in little memory."""

import subprocess
import sys
from dataclasses import replace

import numpy as np

import rnnparity
from rnnparity.diagnosis.causes import CONFIRMED
from rnnparity.diagnosis.findings import Unknown
from rnnparity.diagnosis.search import search
from rnnparity.selftest import plain_cells
from rnnparity.selftest.planted_mistakes import MISTAKES

_PEAK = """
import resource
import numpy as np
import rnnparity
from rnnparity.diagnosis.search import search
from rnnparity.selftest.planted_mistakes import MISTAKES

case = rnnparity.make_case(0, batch=2, steps=5, input_size=512, units=512)
_, observed = MISTAKES["gate order"].plant(case, np.random.RandomState(0))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
(cause,) = search(case, observed.hidden)
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(cause.id, cause.status, (after - before) // 1024)
"""


def test_hypotheses_on_large_kernels_take_no_memory() -> None:
    """There are hundreds, and one changed kernel takes 16 MiB."""
    printed = subprocess.run([sys.executable, "-c", _PEAK], capture_output=True, text=True, check=True).stdout
    id_, status, mebibytes = printed.split()
    assert (id_, status) == ("gate-order", "confirmed")
    assert int(mebibytes) < 300


def test_a_late_difference_is_found() -> None:
    """Where the first steps agree, more are searched, and only as many as that takes."""
    case = rnnparity.make_case(0, batch=2, steps=5000, input_size=3, units=2)
    hidden, _ = plain_cells.run(case)
    hidden[0, 4500:] = 0
    cause = search(case, hidden)[0]
    assert (cause.id, cause.status, cause.about["lengths"]) == ("masking", CONFIRMED, [4500, 5000])


def test_unknown_says_how_much_was_searched() -> None:
    case = rnnparity.make_case(0, batch=2, steps=5000, input_size=3, units=2, cell="gru")
    garbage = np.random.RandomState(0).uniform(-1, 1, (2, 5000, 2)).astype("float32")
    (finding,) = search(case, garbage)[-1].findings
    assert isinstance(finding, Unknown)
    assert 0 < finding.searched < 5000
    assert not finding.untried
    short = replace(case, inputs=case.inputs[:, :50])
    (finding,) = search(short, garbage[:, :50])[-1].findings
    assert isinstance(finding, Unknown)
    assert finding.searched == 0


def test_a_pair_in_a_large_cell() -> None:
    """Tried on few units, confirmed on all."""
    case = rnnparity.make_case(0, batch=2, steps=5, input_size=64, units=96)
    claimed, observed = MISTAKES["order and forget bias"].plant(case, np.random.RandomState(0))
    assert search(claimed, observed.hidden)[0].id == "gate-order + forget-bias"
