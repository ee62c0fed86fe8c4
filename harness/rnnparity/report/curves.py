"""The error over time in a line of text: of the run from the first step on, and of each step by itself."""

import itertools
from collections.abc import Iterator

import numpy as np

from rnnparity.judge import comparison
from rnnparity.judge.comparison import Comparison
from rnnparity.live.result import Row
from rnnparity.reference.noise import LIMIT, Array

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
    shown = [(_NAMES[d.observed], d.by_step) for d in compared.differences if d.observed in _NAMES]
    yield _SCALE
    for name, by_step in shown:
        yield f"{name:20s} {_line(by_step)}"


def _line(by_step: Array) -> str:
    """The errors by step ``[T]``, in noise units: one character for each step, or the largest of a few."""
    groups = np.array_split(by_step, min(_WIDTH, len(by_step)))
    largest = np.array([group.max() for group in groups]) / LIMIT
    with np.errstate(divide="ignore"):
        levels = np.ceil(np.log10(largest)).clip(0, len(_RAMP) - 1)
    return "".join(_RAMP[int(level)] for level in levels)
