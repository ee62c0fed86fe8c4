"""Compare two hidden trajectories without their weights: where they differ, and what that may mean."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from rnnparity.errors import InputError
from rnnparity.judge.compare import compare_hidden
from rnnparity.judge.comparison import Difference
from rnnparity.recordings.trajectory import HiddenTrajectory

_AGREE = "no step differs by more than rounding does"
_LATER = (
    "step 0 agrees and later ones do not: only what multiplies the previous state can differ, "
    "if that was zero at the start (forget-bias, forget-bias-after-sigmoid, coupled-gates; "
    "of the recurrent kernel: kernel-transposed, gate-order; of a GRU without recurrent bias: reset-gate)"
)
_ALL = (
    "already step 0 differs: the input kernel, the bias, the order of the gates, an activation, "
    "or the initial state (gate-order, bias-dropped, recurrent-activation, activation, initial-state)"
)
_LATE = (
    "the first {} steps agree: what acts only on large or late states can differ (cell-clip, masking past a "
    "length, time-shift of the end), or rounding that a chaotic recurrence amplifies"
)
_ROWS = (
    "only batch rows {} differ: lengths, masking, or the axes of batch and time (masking, batch-time-axes)"
)
_UNITS = "only units {} differ: one parameter, one direction of two, or a slice of the weights (parameter)"
_NEXT = (
    "to tell which, record the weights, the inputs and both states of one of the two (rnnparity.record) "
    "and run `rnnparity check`; without weights, a run with c0 != 0 and h0 = 0 moves only the forget "
    "terms, and one with h0 != 0 and c0 = 0 only the recurrent ones"
)


_DTYPES = (
    "{} is {}, {} is {}: compared as far as the coarser one can tell; to see more, run both in one dtype"
)
_TWICE = "one direction of it: compare `hidden[..., :{0}]` and `hidden[..., {0}:]`, each by itself"
_SWAPPED = "[B, T, U] in both: store `hidden.swapaxes(0, 1)` of one of them"


@dataclass(frozen=True)
class Symptom:
    """Two hidden trajectories ``[B, T, U]``, how they differ, and in ``readings`` what that may mean.

    ``difference`` is None where their shapes differ, but a known change turns one into the other. ``notes``
    are remarks that hold whether they agree or not.
    """

    one: HiddenTrajectory
    other: HiddenTrajectory
    difference: Difference | None
    readings: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def agree(self) -> bool:
        """Whether rounding explains the whole difference."""
        return self.difference is not None and self.difference.first_step is None


def diff(one: HiddenTrajectory, other: HiddenTrajectory) -> Symptom:
    """Compare two trajectories ``[B, T, U]``.

    Raises :class:`~rnnparity.errors.InputError`, with what to do, where the shapes differ and no known change
    turns one into the other.
    """
    notes = []
    if one.arithmetic != other.arithmetic:
        notes.append(_DTYPES.format(one.name, one.arithmetic, other.name, other.arithmetic))
    relation = _relation(one, other)
    if one.hidden.shape != other.hidden.shape:
        if not relation:
            raise _misfit(one, other)
        return Symptom(one, other, None, (relation,), tuple(notes))
    difference = compare_hidden(one.hidden, other.hidden, (one.arithmetic, other.arithmetic))
    readings = tuple(_readings(one, other, difference, relation))
    return Symptom(one, other, difference, readings, tuple(notes))


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


def _readings(
    one: HiddenTrajectory, other: HiddenTrajectory, difference: Difference, relation: str
) -> Iterator[str]:
    first = difference.first_step
    if first is None:
        yield _AGREE
        return
    yield _ALL if first == 0 else _LATER if first == 1 else _LATE.format(first)
    away = np.abs(_wide(one) - _wide(other))
    beyond = away > away.max() * 1e-3  # a thousandth of the largest difference is too little to count
    for axis, text in ((0, _ROWS), (2, _UNITS)):
        others = tuple(n for n in range(3) if n != axis)
        touched = np.flatnonzero(beyond.any(axis=others))
        if len(touched) < away.shape[axis]:
            yield text.format(", ".join(map(str, touched[:8])))
    if relation:
        yield relation
    yield _NEXT


def _wide(trajectory: HiddenTrajectory) -> np.ndarray:
    return trajectory.hidden.astype(np.float64)


def _halves(hidden: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    half = hidden.shape[2] // 2
    return hidden[..., :half], hidden[..., half:]


def _interleaved(hidden: np.ndarray) -> np.ndarray:
    """``[B, T, U]`` with units of the first and of the second half in turn."""
    return np.stack(_halves(hidden), axis=-1).reshape(hidden.shape)


def _second_turned(hidden: np.ndarray) -> np.ndarray:
    forward, backward = _halves(hidden)
    return np.concatenate([forward, backward[:, ::-1]], axis=2)


Change = Callable[[np.ndarray], np.ndarray]

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


def _relation(one: HiddenTrajectory, other: HiddenTrajectory) -> str:
    """A sentence on the change that turns one trajectory into the other, or nothing."""
    # Four roundings of the coarser dtype, and at least 1e-5: correct float32 runs differ by about 1e-6.
    limit = max(1e-5, 4 * one.element, 4 * other.element) * max(1.0, float(np.abs(_wide(one)).max()))

    def same(changed: np.ndarray, wanted: np.ndarray, limit: float = limit) -> bool:
        return changed.shape == wanted.shape and np.allclose(changed, wanted, rtol=0, atol=limit)

    if same(_wide(one), _wide(other), 10 * limit):  # too close together to tell one change from another
        return ""
    orders = ((one, other), (other, one))
    for first, second in orders:
        hidden, wanted = _wide(second), _wide(first)
        even = hidden.shape[2] % 2 == 0
        for said, change in (*_RELATIONS, *(_OF_HALVES if even else ())):
            if same(change(hidden), wanted):
                return said.format(first.name, second.name)
    # Shifts of up to eight steps, as long as at least two steps remain to compare.
    for k in range(1, min(9, one.hidden.shape[1] - 1)):
        for first, second in orders:
            if same(_wide(second)[:, :-k], _wide(first)[:, k:]):
                return f"{first.name} is {second.name} {k} step{'s' * (k > 1)} late (time-shift)"
    return ""
