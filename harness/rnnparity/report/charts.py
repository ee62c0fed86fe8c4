"""What a report draws of a row: error curves and heatmaps, small enough to keep, without losing a maximum."""

from typing import Any

import numpy as np

from rnnparity.judge import comparison
from rnnparity.judge.compare_outputs import of_cell
from rnnparity.judge.comparison import Difference, Heat
from rnnparity.live.result import Row, Run
from rnnparity.report.numbers import number
from rnnparity_adapters.adapter import STEPPED_HIDDEN

POINTS = 500
"""A curve has at most this many points: more cannot be told apart on a screen."""

_ALWAYS = ("hidden", "cell", *comparison.LOCAL)
_DRAWN = (*_ALWAYS, STEPPED_HIDDEN)


def charts(row: Row) -> dict[Run, dict[str, Any]]:
    """The worst run of each direction with its curves, the worst of them with heatmaps, in JSON's terms."""
    directions = dict.fromkeys(run.direction for run in row.runs)
    chosen = [
        max((run for run in row.runs if run.direction == direction), key=_badness) for direction in directions
    ]
    drawn = {run: {"curves": _curves(run)} for run in chosen if run.comparison.differences}
    if drawn:
        worst = max(drawn, key=_badness)
        drawn[worst]["heatmaps"] = [
            _heatmap(difference.observed, difference.heat)
            for difference in worst.comparison.differences
            if of_cell(difference.observed) in _DRAWN and difference.heat is not None
        ]
    return drawn


def _badness(run: Run) -> tuple[int, float]:
    differences = run.comparison.differences
    return comparison.VERDICTS.index(run.comparison.verdict), max(
        (d.noise for d in differences), default=-1.0
    )


def _curves(run: Run) -> list[dict[str, Any]]:
    """The errors of the whole run and the local ones; those of the stepped run if beyond the limit."""
    return [
        _curve(difference)
        for difference in run.comparison.differences
        if of_cell(difference.observed) in _ALWAYS
        or (of_cell(difference.observed) in _DRAWN and difference.first_step is not None)
    ]


def _curve(difference: Difference) -> dict[str, Any]:
    width = -(-len(difference.by_step) // POINTS)
    points = np.maximum.reduceat(difference.by_step, np.arange(0, len(difference.by_step), width))
    return {
        "observed": difference.observed,
        "steps_per_point": width * difference.every,
        "noise": [_short(value, 4) for value in points],
    }


def _heatmap(observed: str, heat: Heat) -> dict[str, Any]:
    return {
        "observed": observed,
        "steps_per_cell": heat.steps,
        "units_per_cell": heat.units,
        "noise": [[_short(value, 2) for value in cells] for cells in heat.noise],
    }


def _short(value: float, digits: int) -> float | str:
    """To so many significant digits; large ones as integers, which JSON writes shorter."""
    rounded = float(f"{value:.{digits}g}")
    whole = rounded.is_integer() and abs(rounded) < 1e15
    return int(rounded) if whole else number(rounded)
