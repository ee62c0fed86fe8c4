"""Why a test fails, in pytest's own output."""

from collections.abc import Iterator

import numpy as np

from rnnparity.judge.comparison import Difference
from rnnparity.live.result import Run
from rnnparity.reference.noise import LIMIT
from rnnparity.report import cause_text
from rnnparity.report.curves import lines

_AROUND = 3
"""Steps that are shown from the first wrong one on."""


def text(what: str, run: Run, api: str) -> str:
    """What is wrong, the numbers around the first wrong step, the error by step, and why, for ``api``."""
    return "\n".join([f"{what}: {_case(run)}: {run.comparison.reason}", *_details(run), *_why(run, api)])


def around(difference: Difference, observed: np.ndarray, expected: np.ndarray) -> Iterator[str]:
    """The unit with the largest difference, at the steps about the first wrong one: got, and expected.

    ``observed`` and ``expected`` are ``[B, T, U]``.

    Beside them, the largest difference of any unit at that step, in noise units.
    """
    batch, _, unit = difference.place
    first = difference.first_step or 0
    yield f"{difference.observed} of batch {batch}, unit {unit}:"
    yield f"{'step':>10s} {'got':>14s} {'expected':>14s} {'worst, in noise units':>22s}"
    for step in range(max(0, first - 1), min(observed.shape[1], first + _AROUND)):
        worst = difference.by_step[step // difference.every]
        mark = ">" if worst > LIMIT else " "
        got, wanted = observed[batch, step, unit], expected[batch, step, unit]
        yield f"{mark} {step:8d} {got:14.8f} {wanted:14.8f} {worst:22.3g}"


def _details(run: Run) -> Iterator[str]:
    wrong = [d for d in run.comparison.differences if d.first_step is not None and d.observed in _STATES]
    if not wrong or run.observed is None or run.reference is None:
        return
    first = min(wrong, key=lambda difference: (difference.first_step, -difference.noise))
    yield ""
    yield from around(first, run.observed[first.observed], getattr(run.reference, first.state))
    yield ""
    yield from lines(run.comparison)


def _why(run: Run, api: str) -> Iterator[str]:
    if run.causes:
        yield ""
        yield f"why, as a change to {api}:"
        yield from (f"    {line}" for line in cause_text.lines(run.causes))


_STATES = ("hidden", "cell", "stepped_hidden")


def _case(run: Run) -> str:
    weights = "with the case's weights" if run.direction == "loaded" else "with its own weights"
    return f"seed {run.seed}, {weights}"
