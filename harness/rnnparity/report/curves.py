"""The error over time in a line of text: of the run from the first step on, and of each step by itself."""

import itertools
from collections.abc import Iterator

import numpy as np

from rnnparity.judge import comparison
from rnnparity.judge.compare_outputs import of_cell
from rnnparity.judge.comparison import Comparison
from rnnparity.live.result import Row
from rnnparity.reference.noise import LIMIT, Array

_NAMED = 20
"""Characters of a name, unless one is longer."""
_WIDTH = 60
"""Characters of a line at most, so that it fits a terminal with the name before it."""
_RAMP = ".:-=+*#"
_SCALE = f"error by step, within the limit {_RAMP[0]}, then ten times more each: {_RAMP[1:]}"
_NAMES = {
    "hidden": "hidden, whole run",
    "cell": "cell, whole run",
    comparison.LOCAL_HIDDEN: "hidden, step alone",
    comparison.LOCAL_CELL: "cell, step alone",
}


def curves(row: Row) -> Iterator[str]:
    """Lines for the first run of a row that diverges; none if there is none."""
    diverging = (run.comparison for run in row.runs if run.comparison.first_step is not None)
    for first in itertools.islice(diverging, 1):
        yield from lines(first)


def lines(compared: Comparison) -> Iterator[str]:
    """A line of text for each state, of the whole run and of each step alone."""
    named = ((_name(difference.observed), difference.by_step) for difference in compared.differences)
    shown = [(name, by_step) for name, by_step in named if name]
    width = max((len(name) for name, _ in shown), default=0)
    yield _SCALE
    for name, by_step in shown:
        yield f"{name:{max(width, _NAMED)}s} {_line(by_step)}"


def _name(observed: str) -> str:
    """What a line is called: ``hidden, whole run``, ``hidden_l1_reverse, whole run``; empty without one."""
    state = of_cell(observed)
    how = _NAMES.get(state, "").partition(", ")[2]
    what = _NAMES.get(state, "").partition(", ")[0] + observed.removeprefix(state)
    return f"{what}, {how}" if how else ""


def _line(by_step: Array) -> str:
    """The errors by step ``[T]``, in noise units: one character for each step, or the largest of a few."""
    groups = np.array_split(by_step, min(_WIDTH, len(by_step)))
    largest = np.array([group.max() for group in groups]) / LIMIT
    with np.errstate(divide="ignore"):
        levels = np.ceil(np.log10(largest)).clip(0, len(_RAMP) - 1)
    return "".join(_RAMP[int(level)] for level in levels)
