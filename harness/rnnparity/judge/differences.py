"""The largest differences of a run, piece after piece: a few numbers, curves and pictures of bounded size."""

import numpy as np
from numpy.typing import NDArray

from rnnparity.judge.comparison import Difference, Heat, Place
from rnnparity.reference.noise import LIMIT, Array
from rnnparity_adapters.adapter import CELL, HIDDEN

HEAT_CELLS = 64
"""A heatmap has at most this many cells along steps, and along units, so that its size is bounded."""
CURVE_POINTS = 2**16
"""A curve has at most this many points, so that it does not grow with a run of a million steps."""


class _Maxima:
    """The maxima of ``every`` steps of arrays ``[t, ...]`` that come one after the other."""

    def __init__(self, every: int) -> None:
        self.every = every
        self._found: list[Array] = []
        self._last = -1

    def add(self, values: Array, start: int) -> None:
        """``values`` ``[t, ...]`` begin at step ``start``."""
        edges = np.arange(-start % self.every, len(values), self.every)
        if not len(edges) or edges[0]:
            edges = np.concatenate([[0], edges])
        found = np.maximum.reduceat(values, edges, axis=0)
        if self._found and start // self.every == self._last:  # a piece has ended within these steps
            self._found[-1][-1:] = np.maximum(self._found[-1][-1:], found[:1])
            found = found[1:]
        if len(found):
            self._found.append(found)
        self._last = (start + len(values) - 1) // self.every

    @property
    def all(self) -> Array:
        """The maxima ``[T', ...]``."""
        return np.concatenate(self._found)


class Differences:
    """How far one observed array is from the reference, which is known piece by piece.

    ``observed`` and ``state`` are those of the :class:`~rnnparity.judge.comparison.Difference` that it makes
    of a run of ``steps`` steps. Only what is above the limit has a picture, unless all are ``shown``.
    """

    def __init__(self, observed: str, state: str, steps: int, shown: bool) -> None:
        self._observed, self._state, self._shown = observed, state, shown
        self._absolute, self._noise, self._place = 0.0, -1.0, Place(0, 0, 0)
        self._curve, self._picture = (_Maxima(-(-steps // most)) for most in (CURVE_POINTS, HEAT_CELLS))
        self._units = 1
        self.first_step: int | None = None

    def add(self, absolute: Array, in_noise: Array, start: int) -> None:
        """|difference| and the same in noise units, both ``[B, t, U]`` and beginning at step ``start``."""
        batch, step, unit = (int(n) for n in np.unravel_index(np.argmax(in_noise), in_noise.shape))
        if not in_noise[batch, step, unit] <= self._noise:
            self._noise, self._place = float(in_noise[batch, step, unit]), Place(batch, start + step, unit)
        self._absolute = max(self._absolute, float(absolute.max()))
        of_any_row = in_noise.max(axis=0)
        by_step = of_any_row.max(axis=1)
        beyond: NDArray[np.intp] = np.flatnonzero(by_step > LIMIT)
        if beyond.size and self.first_step is None:
            self.first_step = start + int(beyond[0])
        self._curve.add(by_step, start)
        self._units = -(-of_any_row.shape[1] // HEAT_CELLS)
        if self._units > 1:
            of_any_row = np.maximum.reduceat(
                of_any_row, np.arange(0, of_any_row.shape[1], self._units), axis=1
            )
        self._picture.add(of_any_row, start)

    @property
    def finite(self) -> bool:
        """Whether no difference is infinite, which one from a NaN is too."""
        return bool(np.isfinite(self._absolute))

    def result(self) -> Difference:
        """The difference of everything that was added."""
        shown = self._shown or self.first_step is not None
        return Difference(
            observed=self._observed,
            state=self._state,
            absolute=self._absolute,
            noise=self._noise,
            place=self._place,
            first_step=self.first_step,
            by_step=self._curve.all,
            every=self._curve.every,
            heat=Heat(self._picture.all, self._picture.every, self._units) if shown else None,
        )


def difference_of(observed: str, state: str, absolute: Array, in_noise: Array) -> Difference:
    """The difference of a run in one piece: |difference| and the same in noise units, ``[B, T, U]``."""
    found = Differences(observed, state, absolute.shape[1], shown=observed in (HIDDEN, CELL))
    found.add(absolute, in_noise, 0)
    return found.result()
