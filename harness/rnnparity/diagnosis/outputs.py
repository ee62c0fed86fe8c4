"""Explain a trajectory by its outputs alone: the states were right, what was returned of them is not.

Steps past a length are zeroed or held, units, rows or steps are zero, outputs are dropped out or go through a
function. Each explanation says what every output should have been, and all of them are compared with that.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnnparity.diagnosis.findings import Dropout, Finding, Masking, Precision
from rnnparity.diagnosis.output_findings import DeadRow, DeadUnit, OutputFunction, ZeroedStep
from rnnparity.diagnosis.teacher_forcing import Setting
from rnnparity.judge import compare
from rnnparity.judge.comparison import AGREE, Comparison
from rnnparity.reference.formats import ROUNDED
from rnnparity.reference.forward import Reference
from rnnparity.reference.noise import LIMIT, Array
from rnnparity_adapters.adapter import CELL, HIDDEN

Mask = NDArray[np.bool_]

_DEVIATIONS = 5.0
"""Standard deviations by which the share of zeros may be off the rate that the other outputs tell. A right
one is beyond that once in two million cases.
"""

_UNCERTAIN = 0.25
"""Of so few outputs that the share of zeros may be off by more than this, it says nothing about the rate."""


class Explained(NamedTuple):
    """``findings``, and the outputs ``[B, T, P]`` that they lead to, as a reference of their own.

    ``constants`` were estimated from the trajectory. ``untouched`` ``[B, T]`` are the steps whose cell states
    are those of the reference.
    """

    findings: tuple[Finding, ...]
    expected: Reference
    constants: int = 0
    untouched: Mask | None = None


def explanations(setting: Setting, base: Reference) -> Iterator[Explained]:
    """Everything that might have become of the outputs ``[B, T, P]`` of ``base``."""
    if setting.mask is None:  # lengths are known where there is a mask, and what is past them does not count
        yield from _held(setting, base)
    yield from _zeroed(setting, base)
    yield from _dropped_out(setting, base)
    for name, function in FUNCTIONS.items():
        yield from _through(setting, base, name, function)


def compare_with(setting: Setting, explained: Explained) -> Comparison:
    """Compare a trajectory ``[B, T, P]``, with its cell states where known, with what is expected."""
    expected, counts = explained.expected, _counting(setting)[:, :, None] & _before(explained.expected)
    compared = _compared(setting.hidden, expected.hidden, expected.hidden_noise, counts, HIDDEN)
    if compared.verdict != AGREE or setting.cell is None:
        return compared
    if explained.untouched is not None:
        counts = counts & explained.untouched[:, :, None]
    return compared.followed_by(_compared(setting.cell, expected.cell, expected.cell_noise, counts, CELL))


def _compared(seen: Array, own: Array, noise: Array, counts: Mask, name: str) -> Comparison:
    # The comparison takes the error of each of two trajectories, and the reference has none.
    return compare.compare_recorded(np.where(counts, seen, own), own, noise / np.sqrt(2), name)


# Zeros in a pattern, and held steps.


def _zeroed(setting: Setting, base: Reference) -> Iterator[Explained]:
    """Dead units and rows, zeroed steps and zeros past lengths, alone or together."""
    zero, counts = setting.hidden == 0, _counting(setting)
    # A zero only means something where the reference is clearly not zero.
    telling = zero & (_away(setting) > 0)
    dead_rows = zero.all(axis=(1, 2)) & telling.any(axis=(1, 2))
    rest = zero[~dead_rows]
    if not len(rest):  # nothing is left of which to say that it is right
        return
    dead_units = rest.all(axis=(0, 1)) & telling.any(axis=(0, 1))
    if dead_units.all():
        return
    empty = zero[:, :, ~dead_units].all(axis=2) & counts
    empty[~telling.any(axis=(1, 2)) | dead_rows] = False
    steps = setting.case.steps
    lengths = steps - np.cumprod(empty[:, ::-1], axis=1).sum(axis=1)
    tails: Mask = np.arange(steps) >= lengths[:, None]
    inner: Mask = empty & ~tails & telling.any(axis=2)
    found: list[Finding] = []
    if dead_units.any():
        found.append(DeadUnit(_positions(dead_units)))
    if dead_rows.any() and not tails.any():
        found.append(DeadRow(_positions(dead_rows)))
    if inner.any():
        found.append(_zeroed_steps(inner))
    gone = dead_units[None, None] | (dead_rows[:, None] | inner | tails)[:, :, None]
    if not found and not tails.any():
        return
    expected = replace(base, hidden=np.where(gone, 0.0, base.hidden))
    untouched = ~(dead_rows[:, None] | inner | tails)
    past = [Masking("zeroed", tuple(np.where(dead_rows, 0, lengths).tolist()))] if tails.any() else []
    yield Explained((*past, *found), expected, untouched=untouched)
    if tails.any() and not found and len(set(lengths.tolist())) == 1:  # the same steps in every row
        yield Explained((_zeroed_steps(tails),), expected, untouched=untouched)


def _zeroed_steps(empty: Mask) -> ZeroedStep:
    """The finding that the steps ``[B, T]`` that are ``empty`` are zero."""
    rows = empty.any(axis=1)
    everywhere = bool((empty == empty.any(axis=0)).all())
    return ZeroedStep(_positions(empty.any(axis=0)), () if everywhere else _positions(rows))


def _held(setting: Setting, base: Reference) -> Iterator[Explained]:
    """Steps past lengths, at which the last state within them is returned again."""
    hidden, steps = setting.hidden, setting.case.steps
    same = np.zeros(hidden.shape[:2], bool)
    same[:, 1:] = (hidden[:, 1:] == hidden[:, :-1]).all(axis=2)
    lengths = steps - np.cumprod(same[:, ::-1], axis=1).sum(axis=1)
    # They are held only where the reference still moves: a state that has settled stays as it is.
    tails = np.arange(steps) >= lengths[:, None]
    moving = tails & (_away(setting) > 0).any(axis=2)
    lengths = np.where(moving.any(axis=1), lengths, steps)
    if np.all(lengths == steps) or not hidden[moving].any():
        return
    last = np.minimum(np.arange(steps), lengths[:, None] - 1)[:, :, None]
    expected = replace(
        base,
        hidden=np.take_along_axis(base.hidden, last, axis=1),
        hidden_noise=np.take_along_axis(base.hidden_noise, last, axis=1),
    )
    yield Explained((Masking("held", tuple(lengths.tolist())),), expected, untouched=~tails)


# Zeros without a pattern.


def _dropped_out(setting: Setting, base: Reference) -> Iterator[Explained]:
    """Outputs are zero here and there, and the others larger by 1 / (1 - rate)."""
    alive = (np.abs(base.hidden) > LIMIT * base.hidden_noise) & _counting(setting)[:, :, None]
    zero = (setting.hidden == 0) & alive
    kept = alive & (setting.hidden != 0)
    if zero.sum() < 2 or kept.sum() < 2 or not _irregular(zero, alive, base.hidden):
        return
    ratio = float(np.median(setting.hidden[kept] / base.hidden[kept]))
    rate = 1 - 1 / ratio if ratio > 1 else 0.0
    number = int(alive.sum())
    off = _DEVIATIONS * float(np.sqrt(rate * (1 - rate) / number))
    if off > _UNCERTAIN or abs(zero.sum() / number - rate) > off:
        return
    gone = setting.hidden == 0
    expected = replace(
        base, hidden=np.where(gone, 0.0, ratio * base.hidden), hidden_noise=ratio * base.hidden_noise
    )
    yield Explained((Dropout(float(zero.sum() / number), ratio),), expected, constants=1)


def _irregular(zero: Mask, alive: Mask, values: Array) -> bool:
    """Whether ``zero`` places ``[B, T, P]`` are no matter of the sign or of the size of the ``values``."""
    rate = zero.sum() / alive.sum()
    sizes = np.abs(values)
    halves = (values > 0, values < 0, sizes > np.median(sizes[alive]), sizes <= np.median(sizes[alive]))
    for half in halves:
        number = (half & alive).sum()
        off = abs((zero & half).sum() - rate * number)
        if off > _DEVIATIONS * np.sqrt(rate * (1 - rate) * number):
            return False
    return True


# Functions.


class _Function(NamedTuple):
    """A function of an output ``[...]`` and a constant, and how the constant is estimated, if it has one.

    ``estimate`` takes the outputs and the reference's states ``[N]``, and gives the constants to try.
    """

    apply: Callable[[Array, float], Array]
    estimate: Callable[[Array, Array], list[float]] | None = None


def _scales(seen: Array, own: Array) -> list[float]:
    return _with_round_ones(float(seen @ own / (own @ own)))


def _offsets(seen: Array, own: Array) -> list[float]:
    return _with_round_ones(float(np.median(seen - own)))


def _limits(seen: Array, own: Array) -> list[float]:
    return [float(np.abs(seen).max())]


def _thresholds(seen: Array, own: Array) -> list[float]:
    """Between the largest state that is gone and the smallest one that is there."""
    gone, kept = np.abs(own[seen == 0]), np.abs(own[seen != 0])
    if not len(gone) or not len(kept) or gone.max() > kept.min():
        return []
    least, most = float(gone.max()), float(kept.min())
    round_ones = (math.ceil(least * 10**digits) / 10**digits for digits in range(1, 5))
    return [*[value for value in round_ones if least < value < most][:1], (least + most) / 2]


def _grids(seen: Array, own: Array) -> list[float]:
    return [10.0**-digits for digits in range(1, 5)]


def _with_round_ones(value: float) -> list[float]:
    """A value, after the round numbers that are close to it."""
    return [*(rounded for digits in (2, 3) if (rounded := round(value, digits)) not in (0.0, 1.0)), value]


FUNCTIONS: Mapping[str, _Function] = {
    "relu": _Function(lambda h, _: np.maximum(h, 0.0)),
    "tanh": _Function(lambda h, _: np.tanh(h)),
    "sigmoid": _Function(lambda h, _: 1 / (1 + np.exp(-h))),
    "abs": _Function(lambda h, _: np.abs(h)),
    "scale": _Function(lambda h, factor: factor * h, _scales),
    "offset": _Function(lambda h, constant: h + constant, _offsets),
    "clip": _Function(lambda h, limit: np.clip(h, -limit, limit), _limits),
    "threshold": _Function(lambda h, least: np.where(np.abs(h) > least, h, 0.0), _thresholds),
    "round": _Function(lambda h, grid: np.round(h / grid) * grid, _grids),
    "float16": _Function(lambda h, _: ROUNDED["float16"](h)),
    "bfloat16": _Function(lambda h, _: ROUNDED["bfloat16"](h)),
}
"""What outputs may go through: ``scale`` and ``offset`` by a constant, ``clip`` to a limit, zero below a
``threshold``, ``round`` to multiples of a grid, or to another format.
"""


def _through(setting: Setting, base: Reference, name: str, function: _Function) -> Iterator[Explained]:
    """The outputs go through one function, with each constant that may be."""
    near = np.isfinite(setting.hidden) & _counting(setting)[:, :, None] & _before(base)
    if len(np.unique(setting.hidden[near])) < 2:  # one number again and again may come from anything
        return
    seen, own = setting.hidden[near], base.hidden[near]
    constants = [0.0] if function.estimate is None else function.estimate(seen, own)
    for value in constants:
        made = function.apply(base.hidden, value)
        if not np.isfinite(made).all() or np.array_equal(made, base.hidden):
            continue
        expected = replace(base, hidden=made, hidden_noise=_carried(base, function, value))
        constant = None if function.estimate is None else value
        finding = Precision(name, "outputs") if name in ROUNDED else OutputFunction(name, constant)
        yield Explained((finding,), expected, 0 if constant is None else 1)


def _carried(base: Reference, function: _Function, value: float) -> Array:
    """The noise ``[B, T, P]`` behind a function; across a jump it is as large as the jump."""
    reach, made = LIMIT * base.hidden_noise, function.apply(base.hidden, value)
    away = [np.abs(function.apply(base.hidden + sign * reach, value) - made) for sign in (-1, 1)]
    rounding = base.arithmetic.element * np.abs(made) + base.arithmetic.smallest
    noise: Array = np.maximum(*away) / LIMIT + rounding
    return noise


def _counting(setting: Setting) -> Mask:
    """The steps that count ``[B, T]``."""
    return np.ones(setting.hidden.shape[:2], bool) if setting.mask is None else setting.mask


def _away(setting: Setting) -> Array:
    return np.zeros(setting.hidden.shape) if setting.away is None else setting.away


def _before(base: Reference) -> Mask:
    """Whether a step of a row ``[B, T, 1]`` is before the row's horizon."""
    before: Mask = (np.arange(base.hidden.shape[1]) < base.horizon[:, None])[:, :, None]
    return before


def _positions(flags: Mask | np.bool_) -> tuple[int, ...]:
    return tuple(np.flatnonzero(flags).tolist())
