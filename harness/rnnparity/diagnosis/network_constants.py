"""Fit a constant of some cells of a network, where nothing between the layers was observed.

The network is run with the constant, in a few rows, and the constant is moved by Gauss-Newton until what it
returns is what was observed: see :mod:`rnnparity.diagnosis.fitted_constants`, which does so for one cell.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from rnnparity.diagnosis.fitted_constants import LONGEST_MOVE, nice
from rnnparity.diagnosis.network_hypotheses import Tried, constants_of_cells
from rnnparity.diagnosis.segment import Segment
from rnnparity.reference.network import Layer
from rnnparity.reference.noise import Array

_STARTS = (0.25, 0.5, 1.0, -1.0, 2.0)
"""Where a fit begins: the best of these."""
_ROUNDS = 8
_STEP = 1e-6

Residual = Callable[[Sequence[Layer]], Array]
"""Layers -> what they return minus what was observed ``[N]``, in noise units."""


def fitted(segment: Segment, residual: Residual) -> Iterator[Tried]:
    """The hypotheses on cells with a constant, each with the value that leaves least, round ones first."""
    for of_value in constants_of_cells(segment):

        def left(value: float, of_value: Callable[[float], Tried | None] = of_value) -> Array | None:
            tried = of_value(value)
            return None if tried is None else residual(tried.layers).clip(-1e6, 1e6)

        value = _best(left)
        for each in () if value is None else dict.fromkeys((*nice(value), value)):
            tried = of_value(each)
            if tried is not None:
                yield tried


def _best(left: Callable[[float], Array | None]) -> float | None:
    """The value at which least is ``left``; None if there is none."""

    def size(value: float) -> float:
        found = left(value)
        return np.inf if found is None or not found.size else float(np.abs(found).mean())

    value = min(_STARTS, key=size)
    if not np.isfinite(size(value)):
        return None
    for _ in range(_ROUNDS):
        now, beside = left(value), left(value + _STEP)
        if now is None or beside is None:
            return None
        slope = (beside - now) / _STEP
        square = float(slope @ slope)
        if not square:
            return None
        move = float(np.clip(slope @ now / square, -LONGEST_MOVE, LONGEST_MOVE))
        value -= move
        if abs(move) < 1e-9:
            break
    return value
