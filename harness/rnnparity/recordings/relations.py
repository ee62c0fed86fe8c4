"""Whether one trajectory is another one turned, shifted, reordered or cut, in a sentence."""

from collections.abc import Callable, Iterator

import numpy as np

from rnnparity.recordings.trajectory import HiddenTrajectory
from rnnparity.reference.noise import Array

Change = Callable[[np.ndarray], np.ndarray]
"""``[B, T, U]`` -> what may have become of it."""


def _halves(hidden: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    half = hidden.shape[2] // 2
    return hidden[..., :half], hidden[..., half:]


def _interleaved(hidden: np.ndarray) -> np.ndarray:
    """``[B, T, U]`` with units of the first and of the second half in turn."""
    return np.stack(_halves(hidden), axis=-1).reshape(hidden.shape)


def _second_turned(hidden: np.ndarray) -> np.ndarray:
    forward, backward = _halves(hidden)
    return np.concatenate([forward, backward[:, ::-1]], axis=2)


_RELATIONS: tuple[tuple[str, Change], ...] = (
    ("{} is {} with its steps reversed (direction)", lambda h: h[:, ::-1]),
    ("{} is {} with batch and time swapped (batch-time-axes)", lambda h: h.swapaxes(0, 1)),
    (
        "{} is {} with batch and time swapped, and reshaped as if they were not (batch-time-axes)",
        lambda h: h.swapaxes(0, 1).reshape(h.shape),
    ),
    (
        "{} is {} reshaped to [T, B, U], which moves no number (batch-time-axes)",
        lambda h: h.reshape(h.shape[1], h.shape[0], -1),
    ),
    (
        "{} is {} with its units reversed, the axis beside that of the steps (direction)",
        lambda h: h[..., ::-1],
    ),
    ("{} is {} negated (output-activation)", lambda h: -h),
    ("{} is {} through relu (output-function)", lambda h: np.maximum(h, 0)),
    ("{} is {} through tanh (output-function)", np.tanh),
)
"""Changes of ``[B, T, U]`` that may turn the second of two trajectories into the first, with their sentences.
"""

_OF_HALVES: tuple[tuple[str, Change], ...] = (
    ("{} is the first half of the units of {}: its forward direction (direction)", lambda h: _halves(h)[0]),
    ("{} is the second half of the units of {}: its backward direction (direction)", lambda h: _halves(h)[1]),
    (
        "{} is the second half of the units of {}, its steps reversed (direction)",
        lambda h: _halves(h)[1][:, ::-1],
    ),
    ("{} has every second unit of {}, from 0 on: directions interleaved (direction)", lambda h: h[..., ::2]),
    ("{} has every second unit of {}, from 1 on: directions interleaved (direction)", lambda h: h[..., 1::2]),
    (
        "{} is {} with the halves of its units swapped: directions in the other order (direction)",
        lambda h: np.concatenate(_halves(h)[::-1], axis=2),
    ),
    ("{} is {} with the halves of its units interleaved (direction)", _interleaved),
    (
        "{} is {} with the steps of the second half of its units reversed: a backward direction (direction)",
        _second_turned,
    ),
)
"""Changes for an even number of units, which may be the two directions of a bidirectional layer side by side:
PyTorch's export to ONNX once packed them in the wrong order (https://github.com/pytorch/pytorch/pull/11368).
"""
_SHIFTS = 8
"""The most steps by which a trajectory may be late."""
_FEW = 12
"""Positions of an order that are said; of more only that there is another order."""
_CLOSE = 1e-5
"""Two correct float32 runs differ by about 1e-6. A change that turns one trajectory into the other leaves
less than ten times that.
"""


def relation(one: HiddenTrajectory, other: HiddenTrajectory) -> str:
    """A sentence on the change that turns one trajectory ``[B, T, U]`` into the other, or nothing."""
    first, second = _wide(one), _wide(other)
    # Four roundings of the coarser dtype, where that is more.
    limit = max(_CLOSE, 4 * one.element, 4 * other.element) * max(1.0, float(np.abs(first).max()))

    def same(changed: np.ndarray, wanted: np.ndarray, limit: float = limit) -> bool:
        return changed.shape == wanted.shape and np.allclose(changed, wanted, rtol=0, atol=limit)

    if same(first, second, 10 * limit):  # too close together to tell one change from another
        return ""
    for (named, wanted), (of, hidden) in (
        ((one, first), (other, second)),
        ((other, second), (one, first)),
    ):
        even = hidden.shape[2] % 2 == 0
        for said, change in (*_RELATIONS, *(_OF_HALVES if even else ())):
            if same(change(hidden), wanted):
                return said.format(named.name, of.name)
    for k in range(1, min(_SHIFTS + 1, first.shape[1] - 1)):  # as long as two steps remain to compare
        for (named, wanted), (of, hidden) in (
            ((one, first), (other, second)),
            ((other, second), (one, first)),
        ):
            if same(hidden[:, :-k], wanted[:, k:]):
                return f"{named.name} is {of.name} {k} step{'s' * (k > 1)} late (time-shift)"
    if first.shape == second.shape:
        return next(_reordered(one, other, first, second, limit), "")
    return ""


def _reordered(
    one: HiddenTrajectory, other: HiddenTrajectory, first: Array, second: Array, limit: float
) -> Iterator[str]:
    """Rows or units in another order, or all numbers larger by the same factor."""
    for axis, what, id_ in ((0, "batch rows", "row-order"), (2, "units", "unit-order")):
        order = _order(first, second, axis, limit)
        if order:
            listed = f": {order}" if len(order) <= _FEW else ""
            yield f"{one.name} is {other.name} with its {what} in another order{listed} ({id_})"
    square = float((second * second).sum())
    factor = float((first * second).sum()) / square if square else 0.0
    if factor and np.allclose(factor * second, first, rtol=0, atol=limit):
        yield f"{one.name} is {factor:.6g} times {other.name} (output-function)"


def _order(first: Array, second: Array, axis: int, limit: float) -> list[int]:
    """The positions along ``axis`` of the second ``[B, T, U]`` that make up the first; empty if none do."""
    ours, theirs = (np.moveaxis(each, axis, 0).reshape(each.shape[axis], -1) for each in (first, second))
    # Sorted by one number each, equal ones stand at the same places: no pair need be compared with all.
    weights = np.random.RandomState(0).standard_normal(ours.shape[1])
    places, there = np.argsort(ours @ weights), np.argsort(theirs @ weights)
    if not np.allclose(ours[places], theirs[there], rtol=0, atol=limit):
        return []
    order = np.empty_like(there)
    order[places] = there
    return [int(position) for position in order]


def _wide(trajectory: HiddenTrajectory) -> Array:
    return np.nan_to_num(trajectory.hidden.astype(np.float64))
