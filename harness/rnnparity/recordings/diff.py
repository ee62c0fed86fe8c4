"""Compare two hidden trajectories without their weights: where they differ, and what that may mean.

Without weights nobody knows how large the rounding errors are. What is certain is that each state was
rounded: differences of that size agree. What is certain, too, is that rounding is not larger than what a
very large cell would make of it, and that no cell makes more than some times as much of it at the next step:
beyond that they diverge. In between it cannot be told.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnnparity.errors import InputError
from rnnparity.judge.compare import compare_hidden
from rnnparity.judge.comparison import AGREE, DIVERGE, Difference
from rnnparity.recordings.relations import relation
from rnnparity.recordings.trajectory import HiddenTrajectory
from rnnparity.reference.noise import ARITHMETICS, LIMIT, Array

CANNOT_TELL = "cannot tell"
"""The verdict where a difference may be rounding or not."""

_PRODUCTS = 4096
"""Products that a pre-activation sums up at most, if there are no more units than half of that."""
_TERMS = 4.0
"""Their root of the sum of squares at most, where states are of order one."""
_HALF = ("float16", "bfloat16")
"""Formats whose products are summed in float32 by every library that has them."""
_GROWTH = 64.0
"""A step makes at most so many times as much of a difference before it: measured, with weights up to 30 times
as large as they are drawn, it is 20.
"""

_IDENTICAL = "they are the same, bit for bit"
_WITHIN = "no step differs by more than rounding does"
_LATER = (
    "step 0 agrees and later ones do not. If the state was zero at the start, most often something that acts"
    " on the previous state (forget-bias, forget-bias-after-sigmoid, coupled-gates; of the recurrent kernel:"
    " kernel-transposed, gate-order; of a GRU: reset-gate); otherwise what begins later (state-replaced, "
    "masking, input-changed)"
)
_ALL = (
    "already step 0 differs. Most often the kernels, the biases, the order of the gates, an activation or "
    "the initial state (gate-order, kernel-transposed, bias-dropped, recurrent-activation, activation, "
    "initial-state); but also other inputs, another order of rows or units, a coarser format, or all weights"
    " (input-changed, row-order, unit-order, precision, weights-differ)"
)
_LATE = (
    "the first {} steps agree. Most often what acts only on large or late states (cell-clip, masking past a "
    "length, time-shift of the end), a state that was reset or replaced there (state-replaced), or inputs "
    "that are others from there on (input-changed)"
)
_ROWS = (
    "in batch rows {} alone: often lengths, masking, rows in another order, or a state (masking, row-order)"
)
_UNITS = "in units {} alone: often one parameter, one direction of two, or a slice of the weights (parameter)"
_NEXT = (
    "to tell which, record the weights, the inputs and both states of one of the two (rnnparity.record) and "
    "run `rnnparity check`, or of both and run `rnnparity diff` on them; without weights, a run with c0 != 0"
    " and h0 = 0 moves only the forget terms, and one with h0 != 0 and c0 = 0 only the recurrent ones"
)
_SILENT = (
    "all numbers are so small (up to {:.1e}) that the rounding of a pre-activation of order one could make "
    "each of them"
)
_BETWEEN = (
    "differences of up to {:.1e} are more than the rounding of a state, and less than rounding can become in"
    " a large cell: without weights they tell from {:.1e} on, at step {}"
)

_DTYPES = (
    "{} is {}, {} is {}: compared as far as the coarser one can tell; to see more, run both in one dtype"
)
_TWICE = "one direction of it: compare `hidden[..., :{0}]` and `hidden[..., {0}:]`, each by itself"
_SWAPPED = "[B, T, U] in both: store `hidden.swapaxes(0, 1)` of one of them"
_NUMBERS = 8
"""Rows or units that are named; of more, only these and how many there are."""


@dataclass(frozen=True)
class Symptom:
    """Two hidden trajectories ``[B, T, U]``, how they differ, and in ``readings`` what that may mean.

    ``verdict`` is ``agree``, ``diverge`` or ``cannot tell``. ``difference`` is None where their shapes
    differ, but a known change turns one into the other. ``first_step`` is the first step that certainly
    differs, None if none does. ``notes`` are remarks that hold whether they agree or not.
    """

    one: HiddenTrajectory
    other: HiddenTrajectory
    verdict: str
    difference: Difference | None
    readings: tuple[str, ...]
    notes: tuple[str, ...]
    first_step: int | None = None

    @property
    def agree(self) -> bool:
        """Whether rounding explains the whole difference."""
        return self.verdict == AGREE


@dataclass(frozen=True)
class _Bounds:
    """By step ``[T]``: the largest difference, and that from which one certainly is no rounding.

    ``certain`` ``[B, T, U]`` are the elements that differ by more than the rounding of the state itself.
    """

    largest: Array
    beyond: Array
    differs: NDArray[np.bool_]
    certain: NDArray[np.bool_]


def diff(one: HiddenTrajectory, other: HiddenTrajectory) -> Symptom:
    """Compare two trajectories ``[B, T, U]``.

    Raises :class:`~rnnparity.errors.InputError`, with what to do, where the shapes differ and no known change
    turns one into the other.
    """
    notes = []
    if one.arithmetic != other.arithmetic:
        notes.append(_DTYPES.format(one.name, one.arithmetic, other.name, other.arithmetic))
    found = relation(one, other)
    if one.hidden.shape != other.hidden.shape:
        if not found:
            raise _misfit(one, other)
        return Symptom(one, other, DIVERGE, None, (found,), tuple(notes))
    notes += _exactly(one, other)
    first, second = one.hidden.astype(np.float64), other.hidden.astype(np.float64)
    same = (first == second) | (np.isnan(first) & np.isnan(second))
    finite = np.isfinite(first) & np.isfinite(second)
    broken = ~same & ~finite
    first, second = (np.where(finite, each, 0.0) for each in (first, second))
    difference = compare_hidden(first, second, (one.arithmetic, other.arithmetic))
    bounds = _bounds(one, other, first, second, broken)
    certain = np.flatnonzero(bounds.certain.any(axis=(0, 2)))
    step = int(certain[0]) if len(certain) else None
    verdict, readings = _verdict(same, step, bounds, (one, other))
    if verdict == DIVERGE:
        readings += _readings(step or 0, bounds.certain)
    if verdict != AGREE:
        readings += ((found,) if found else ()) + (_NEXT,)
    return Symptom(one, other, verdict, difference, readings, tuple(notes), step)


def _verdict(
    same: NDArray[np.bool_],
    step: int | None,
    bounds: _Bounds,
    both: tuple[HiddenTrajectory, HiddenTrajectory],
) -> tuple[str, tuple[str, ...]]:
    if same.all():
        return AGREE, (_IDENTICAL,)
    if step is not None:
        return DIVERGE, ()
    size = max(float(np.nan_to_num(np.abs(each.hidden.astype(np.float64))).max()) for each in both)
    if size <= LIMIT * max(each.element for each in both):
        return CANNOT_TELL, (_SILENT.format(size),)
    if not bounds.differs.any():
        return AGREE, (_WITHIN,)
    where = int(np.argmax(np.where(bounds.differs.any(axis=(0, 2)), bounds.largest / bounds.beyond, 0)))
    largest = float(bounds.largest.max())
    return CANNOT_TELL, (_BETWEEN.format(largest, bounds.beyond[where], where),)


def _bounds(
    one: HiddenTrajectory, other: HiddenTrajectory, first: Array, second: Array, broken: NDArray[np.bool_]
) -> _Bounds:
    """What rounding certainly is, and what it can be, for two trajectories ``[B, T, U]``."""
    away, sizes = np.abs(first - second), np.maximum(np.abs(first), np.abs(second))
    # A unit whose states are all small was rounded at their size.
    scale = np.minimum(1.0, sizes.max(axis=(0, 1)))
    rounding = LIMIT * np.sqrt(2) * max(one.element, other.element) * np.maximum(3 * sizes, scale)
    grown = np.maximum.accumulate(np.maximum(1.0, sizes.max(axis=2)), axis=1)
    local = float(np.hypot(_largest(one), _largest(other))) * grown
    by_row = away.max(axis=2)
    before = np.maximum.accumulate(by_row, axis=1)
    before = np.concatenate([np.zeros((len(before), 1)), before[:, :-1]], axis=1)
    beyond = local + _GROWTH * before
    differs = (away > rounding) | broken
    certain = (differs & (away > beyond[:, :, None])) | broken
    return _Bounds(by_row.max(axis=0), beyond.min(axis=0), differs, certain)


def _largest(trajectory: HiddenTrajectory) -> float:
    """The largest error that a step adds to states of order one."""
    a = ARITHMETICS[trajectory.arithmetic]
    sums = ARITHMETICS["float32"].accumulation if trajectory.arithmetic in _HALF else a.accumulation
    products = max(_PRODUCTS, 2 * trajectory.hidden.shape[2])
    return LIMIT * _TERMS * float(np.hypot(sums * np.sqrt(products / 3), a.element))


def _exactly(one: HiddenTrajectory, other: HiddenTrajectory) -> Iterator[str]:
    """What is exactly zero, or no number, in either: remarks that no rounding explains."""
    zeros = one.hidden == 0, other.hidden == 0
    for named, own, others in ((one, *zeros), (other, *zeros[::-1])):
        alone = own & ~others
        if own.shape == others.shape and alone.any():
            values = np.abs((other if named is one else one).hidden[alone])
            where = f"{int(alone.sum())} of {alone.size} numbers"
            there = f"the other is not (there up to {values.max():.1e})"
            yield f"{named.name} is exactly 0 in {where} where {there}"
        for axes, what in (((1, 2), "batch rows"), ((0, 2), "steps"), ((0, 1), "units")):
            dead = np.flatnonzero(own.all(axis=axes))
            if 0 < len(dead) < own.shape[({0, 1, 2} - set(axes)).pop()]:
                yield f"{what} {_named(dead)} of {named.name} are 0 throughout"
    for named in (one, other):
        count = int((~np.isfinite(named.hidden)).sum())
        if count:
            yield f"{named.name} has {count} numbers that are NaN or infinite"
    missing = np.isnan(one.hidden)
    if missing.any() and np.array_equal(missing, np.isnan(other.hidden)):
        yield "both have NaN at the same places, which count as equal"


def _misfit(one: HiddenTrajectory, other: HiddenTrajectory) -> InputError:
    """The error for shapes that cannot be compared, with what to do about it."""
    small, large = sorted((one, other), key=lambda each: each.hidden.size)
    (batch, steps, units), shape = small.hidden.shape, large.hidden.shape
    what = f"hidden [B, T, U] of {large.name}"
    allowed = f"{[batch, steps, units]} as in {small.name}"
    if shape == (batch, steps, 2 * units):
        return InputError(what, f"{list(shape)}", f"{allowed}, or {_TWICE.format(units)}")
    if shape == (steps, batch, units):
        return InputError(what, f"{list(shape)}", f"{allowed}: {_SWAPPED}")
    return InputError(what, f"{list(shape)}", f"{allowed}: record both with the same inputs and units")


def _readings(step: int, certain: NDArray[np.bool_]) -> tuple[str, ...]:
    """What it may mean that ``certain`` elements ``[B, T, U]`` differ, ``step`` being the first."""
    said = [_ALL if step == 0 else _LATER if step == 1 else _LATE.format(step)]
    for axis, text in ((0, _ROWS), (2, _UNITS)):
        others = tuple(n for n in range(3) if n != axis)
        touched = np.flatnonzero(certain.any(axis=others))
        if len(touched) < certain.shape[axis]:
            said.append(text.format(_named(touched)))
    return tuple(said)


def _named(positions: NDArray[np.signedinteger]) -> str:
    """Positions by number, and how many more there are."""
    more = len(positions) - _NUMBERS
    return ", ".join(map(str, positions[:_NUMBERS])) + (f" and {more} more" if more > 0 else "")
