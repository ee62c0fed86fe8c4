"""How often the same rounding error repeats.

A matched filter takes errors for independent. Equal steps round equally: rows of a batch that are equal, a
state that has come to rest, inputs that are constant. So what is equal is counted, and counts once.
"""

from collections.abc import Iterable
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray

from rnnparity.reference.case import Case
from rnnparity.reference.noise import Arithmetic, Array
from rnnparity.reference.steps import States

_PLACES = 64
"""Steps are equal if nothing in them moves by more than so many units in the last place of its sum.
Where the parts of a sum move by more, it rounds otherwise.
"""


_SLOTS = 2**25
"""A run of many pieces remembers in so many bytes which rows it had: enough for some hundred million."""


class Past:
    """What a run of ``steps`` in all remembers from piece to piece: which rows it had.

    The counts of a piece do not know of the others. So a row that repeats within its piece, or was in an
    earlier one, counts as if it were as frequent everywhere.
    """

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self._matters: Array | None = None
        self._had: list[NDArray[np.bool_]] = []

    def scale(self, matters: Array) -> Array:
        """How much each number matters ``[I+P]``: what the first piece says, so that keys compare."""
        if self._matters is None:
            self._matters = matters
        return self._matters

    def counts(self, *keys: NDArray[np.int64]) -> list[Array]:
        """How often each row of a piece repeats in the run ``[B, t]``, by each of some keys ``[2, B, t]``."""
        times = self.steps / keys[0].shape[2]
        if times == 1:
            return [_counts(key).astype(np.float64) for key in keys]
        if not self._had:
            self._had = [np.zeros((2, _SLOTS), np.bool_) for _ in keys]
        found = []
        for had, key in zip(self._had, keys, strict=True):
            places = key % _SLOTS
            again = np.logical_and(*(table[grid] for table, grid in zip(had, places, strict=True)))
            for table, grid in zip(had, places, strict=True):
                table[grid] = True
            own = _counts(key)
            found.append(np.where(again | (own > 1), own * times, own))
        return found


class Repeats:
    """The repeats in a trajectory of ``case``: ``hidden`` ``[B, T, P]`` and ``cell`` ``[B, T, U]``.

    ``a`` is the arithmetic that rounds. Without ``any`` repeats each step is one of its own. A piece of a
    longer run needs the run's ``past``.
    """

    def __init__(
        self, case: Case, hidden: np.ndarray, cell: np.ndarray, a: Arithmetic, past: Past | None = None
    ) -> None:
        past = past or Past(case.steps)
        self._rows = case.batch * past.steps
        self._shape = hidden.shape[2], cell.shape[2]
        # The cell state does not matter: where the gates stay as they are, what is added to it at each step
        # is the same, and so is what rounding takes from that until the cell state has another exponent.
        before = np.concatenate([case.initial_hidden[:, None], hidden[:, :-1]], axis=1)
        matters = past.scale(_matters(case, case.inputs, before)) / (_PLACES * max(a.element, a.factor))
        self._x, self._h = (case.inputs, matters[: case.input_size]), (before, matters[case.input_size :])
        self.any = case.added_sizes is not None
        if not self.any and past.steps == case.steps and not any(map(_may_repeat, (self._x, self._h))):
            return
        self._same_x, self._same_h = past.counts(self._x_keys, self._h_keys)
        self.any = self.any or bool(max(self._same_x.max(), self._same_h.max()) > 1)

    @cached_property
    def _x_keys(self) -> NDArray[np.int64]:
        return _keys(*self._x)

    @cached_property
    def _h_keys(self) -> NDArray[np.int64]:
        return _keys(*self._h)

    def of(self, steps: slice, variances: States, always: States, with_x: States) -> States:
        """How often each local error of some ``steps`` repeats: ``hidden`` ``[N, P]``, ``cell`` ``[N, U]``.

        ``variances`` are those of the local errors, ``always`` the parts of them that are the same at every
        step, ``with_x`` those that are the same wherever x is; the rest is where the previous state is.
        """
        same, same_x = (
            counts[:, steps].swapaxes(0, 1).reshape(-1, 1) for counts in (self._same_h, self._same_x)
        )
        found = []
        for whole, constant, known in zip(variances, always, with_x, strict=True):
            first, second = _shares(whole, constant, known)
            found.append(same + first * (self._rows - same) + second * (same_x - same))
        return States(*found)

    def drawn(self, t: int, members: int, variances: States, always: States, with_x: States) -> States:
        """Random errors of the step ``t``, with these variances, for ``members`` runs: ``[members B, ...]``.

        They are the same wherever the rounding is the same. The other arguments are those of :meth:`of`.
        """
        same = self._normal([0], members), self._normal(self._x_keys[0, :, t], members)
        each = self._normal(self._h_keys[0, :, t], members)
        found = []
        for n, (whole, constant, known) in enumerate(zip(variances, always, with_x, strict=True)):
            first, second = _shares(whole, constant, known)
            rest = np.clip(1 - first - second, 0, 1)
            error = np.sqrt(first) * same[0][n] + np.sqrt(second) * same[1][n] + np.sqrt(rest) * each[n]
            found.append((np.sqrt(whole) * error).reshape(members * len(whole), whole.shape[1]))
        return States(*found)

    def _normal(self, keys: Iterable[int], members: int) -> States:
        """Standard normal numbers ``[members, len(keys), ...]`` that depend on the key alone."""
        hidden, cell = self._shape
        numbers = np.stack(
            [
                np.random.RandomState(int(key) % 2**32).standard_normal((members, hidden + cell))
                for key in keys
            ],
            axis=1,
        )
        return States(numbers[..., :hidden], numbers[..., hidden:])


def _shares(whole: Array, constant: Array, known: Array) -> tuple[Array, Array]:
    """The parts of ``whole`` that ``constant`` and ``known`` are, all ``[N, n]``."""
    safe = np.where(whole > 0, whole, np.inf)
    return np.minimum(constant / safe, 1), np.minimum(known / safe, 1)


def _matters(case: Case, x: np.ndarray, h: np.ndarray) -> Array:
    """How much each number of [x, h] matters ``[I+P]``: by which part a sum changes if it changes by one.

    It is the part of the sum that changes most, or of h itself.
    """
    tops = np.concatenate([np.abs(array).max(axis=(0, 1), initial=0) for array in (x, h)]).astype(np.float64)
    kernel = np.abs(case.weights.kernel).astype(np.float64)
    sizes = case.bias_size[: kernel.shape[1]] + (tops[:, None] * kernel).max(axis=0)
    matters: Array = (kernel / np.where(sizes > 0, sizes, np.inf)).max(axis=1)
    own = tops[case.input_size :]
    np.maximum(matters[case.input_size :], 1 / np.where(own > 0, own, np.inf), out=matters[case.input_size :])
    return matters


_LOOK = 4
"""So many numbers of each row tell that none repeats, if they are in no other row."""


def _may_repeat(rows: tuple[np.ndarray, Array]) -> bool:
    """Whether any row may be another one again: an array ``[B, T, n]``, and ``cells`` ``[n]`` as for keys."""
    array, cells = rows
    some = slice(None, None, -(-len(cells) // _LOOK))
    keys = np.sort(_keys(array[:, :, some], cells[some]).reshape(2, -1))
    return bool(np.any(keys[:, 1:] == keys[:, :-1]))


def _keys(array: np.ndarray, cells: Array) -> NDArray[np.int64]:
    """A number ``[2, B, T]`` for each row of ``array`` ``[B, T, n]``, the same for rows nearly equal.

    A change by one moves a value by so many ``cells`` ``[n]`` of a grid. There are two grids, half a cell
    apart: values that are equal but for rounding may be parted by one of them.
    """
    scaled = np.clip(array.astype(np.float64) * cells, -(2.0**62), 2.0**62)
    factors = _factors(array.shape[2])
    with np.errstate(over="ignore"):  # a hash may wrap round
        grids = [np.floor(scaled + shift).astype(np.int64) @ factors for shift in (0.25, 0.75)]
    return np.stack(grids)


@cache
def _factors(count: int) -> NDArray[np.int64]:
    """Those of a hash ``[count]``."""
    return np.random.RandomState(0).randint(1, 2**62, count, dtype=np.int64)


def _counts(keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many rows have the same key, for each row: keys ``[2, B, T]`` -> ``[B, T]``."""
    found = []
    for grid in keys:
        _, places, counts = np.unique(grid, return_inverse=True, return_counts=True)
        found.append(counts[places.reshape(grid.shape)])
    most: NDArray[np.int64] = np.maximum(*found)
    return most
