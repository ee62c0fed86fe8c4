"""What is confirmed is no chance: chaos hides nothing, and few numbers prove nothing."""

from dataclasses import replace

import numpy as np
import pytest

import rnnparity
from rnnparity.diagnosis.causes import CONFIRMED
from rnnparity.diagnosis.evidence import ENOUGH_BITS, away, bits
from rnnparity.diagnosis.search import search
from rnnparity.diagnosis.teacher_forcing import Setting
from rnnparity.reference import forward
from rnnparity.selftest import plain_cells


def test_huge_outputs_are_no_shift() -> None:
    """Shifted by most of its length, hardly anything of a trajectory is left that could disagree."""
    case = rnnparity.make_case(0, batch=3, steps=100, input_size=5, units=9, scale=30.0)
    hidden, cell = plain_cells.run(case)
    hidden[:, 20:] = 1e6
    for states in (cell, None):
        assert not any(cause.status == CONFIRMED for cause in search(case, hidden, states))


def test_bits_count_what_was_seen() -> None:
    """None where it agrees, none past the horizon, and never more than a number has."""
    case = rnnparity.make_case(0, batch=3, steps=100, input_size=5, units=9, scale=30.0)
    base = forward.run(case)
    hidden, cell = (state.astype("float64") for state in plain_cells.run(case))
    assert base.horizon.min() < 100 == base.horizon.max()
    assert not away(hidden, cell, base).any()
    far = Setting(case, hidden + 1e6, None, (), away=away(hidden + 1e6, None, base))
    told = bits(far, base)
    past = np.arange(100) >= base.horizon[:, None]
    assert not told[past].any()
    assert told[~past].any()
    assert told.max() < 24
    coarse = replace(base, hidden_noise=1024 * base.hidden_noise)
    less = bits(far, coarse)
    assert np.all(less <= told)
    assert np.median(less[less > 0]) == pytest.approx(np.median(told[less > 0]) - 10, abs=1.0)


@pytest.mark.parametrize(("units", "status"), [(1, False), (4, True)])
def test_a_constant_needs_more_numbers_than_one(units: int, status: bool) -> None:
    """One number is always explained by a constant, and none the worse by a wrong one."""
    case = rnnparity.make_case(4, batch=1, steps=1, input_size=2, units=units)
    other = replace(case, equation=replace(case.equation, forget_bias=2.5))
    causes = search(case, plain_cells.run(other).hidden)
    assert any(cause.status == CONFIRMED for cause in causes) is status
    assert ENOUGH_BITS > 21  # what a number of float32 tells at most
