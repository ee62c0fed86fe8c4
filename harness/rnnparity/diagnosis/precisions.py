"""Which coarser format explains a trajectory, and what was rounded to it: weights, states, products or all.

Rounding makes an error that can be computed, to the last bit for weights and factors, nearly so for states,
and in part for a whole arithmetic, in which the order of operations matters. So each format is tried in each
place, and the one whose errors are most like the observed ones is the one. Errors of another origin have
nothing in common with any.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnnparity.diagnosis.rounded_steps import Roundings, rounded
from rnnparity.diagnosis.teacher_forcing import Setting
from rnnparity.reference.formats import ROUNDED, Rounding
from rnnparity.reference.forward import Reference
from rnnparity.reference.noise import ARITHMETICS, LIMIT, Array
from rnnparity_adapters.layout import Weights

Mask = NDArray[np.bool_]

WEIGHTS, STATES, PRODUCTS, EVERYTHING = "weights", "states", "products", "everything"
"""What is rounded to a format, beside the outputs alone (:mod:`rnnparity.diagnosis.outputs`)."""

_FORMATS: Mapping[str, tuple[str, ...]] = {
    "float32": ("float32",),
    "tf32": ("tf32",),
    "float16": ("float16-float32", "float16"),
    "bfloat16": ("bfloat16-float32", "bfloat16"),
}
"""The formats from fine to coarse, each with the arithmetics that round to it, the finer one first."""

_PLACES: Mapping[str, tuple[str, ...]] = {
    PRODUCTS: ("float32", "tf32", "bfloat16"),
    WEIGHTS: ("float32", "float16", "bfloat16"),
    STATES: ("float32", "float16", "bfloat16"),
    EVERYTHING: ("float32", "float16", "bfloat16"),
}
"""The formats that may be met in each place. TF32 is no format for storage, and has as many digits as
float16: where only factors are rounded, it is TF32 that does so.
"""

_EXACTLY = 0.9
"""The share of the errors that are the computed ones but for the noise, where these are computed to the last
bit. Others were so close to the middle between two numbers that they were rounded the other way.
"""
_PARTLY = 0.3
"""The correlation with a whole arithmetic, whose operations may be in another order: at least 0.5 on
PyTorch's layers, cells and autocast in float16 and bfloat16, and at most 0.1 for the format that it is not.
"""
_SHOWN = 2.0
"""Standard deviations of chance by which rounded weights are seen in the errors of a whole arithmetic."""
_EXACT = 1e-12
"""Rounded weights that change no state by as much are the weights themselves."""
_LARGER = 4.0
"""What a whole arithmetic rounds beside the factors of products makes the error less than so much larger."""


class Rounded(NamedTuple):
    """A trajectory in ``arithmetic``, of which ``place`` was rounded; ``likeness`` is the correlation."""

    arithmetic: str
    place: str
    likeness: float


def precisions(setting: Setting, base: Reference) -> Iterator[Rounded]:
    """What was rounded in a trajectory ``[B, T, P]``, as far as its errors show it, the likeliest first."""
    counting = _counting(setting)
    own = _joined(setting, rounded(setting, Roundings()), counting)
    seen = _joined(setting, (setting.hidden, setting.cell), counting) - own
    limit = LIMIT * _joined(setting, (base.hidden_noise, base.cell_noise), counting)
    visible = np.abs(seen) > limit
    # Of independent errors the correlation has a standard deviation of 1 / sqrt(size).
    chance = LIMIT / max(1.0, float(np.count_nonzero(visible))) ** 0.5
    found = []
    for place, formats in _PLACES.items():
        for name in formats:
            arithmetics = _FORMATS[name]
            coarsest = ARITHMETICS[arithmetics[-1]]
            if max(coarsest.element, coarsest.factor) <= 4 * base.arithmetic.element:
                continue
            made = rounded(setting, _roundings(place, ROUNDED[name]))
            computed = _joined(setting, made, counting) - own
            likeness = _correlation(computed, seen)
            if likeness <= max(_PARTLY, chance):
                continue
            explained = np.abs(seen - computed)[visible] <= limit[visible]
            if float(np.mean(explained)) > _EXACTLY:
                named = (name,) if place == WEIGHTS else arithmetics
                found += [Rounded(arithmetic, place, likeness) for arithmetic in named]
            elif place in (PRODUCTS, EVERYTHING) and (
                name == "float32" or _shows_weights(setting, ROUNDED[name], own, seen, counting)
            ):
                # Factors are not all that was rounded: their sums were, and perhaps what became of these.
                found += [Rounded(arithmetic, EVERYTHING, likeness) for arithmetic in arithmetics]
    yield from sorted(found, key=lambda each: -round(each.likeness, 1))
    if base.arithmetic is ARITHMETICS["float64"] and _single(setting, counting):
        yield Rounded("float32", EVERYTHING, 1.0)


def _shows_weights(setting: Setting, to: Rounding, own: Array, seen: Array, counting: Mask) -> bool:
    """Whether rounded weights are part of the errors that were ``seen`` ``[N]``, unless they are exact.

    Rounding a state that is saturated but for some noise takes that noise away, whatever it comes from.
    """
    computed = _joined(setting, rounded(setting, Roundings(weights=to)), counting) - own
    most = float(np.abs(computed).max(initial=0.0))
    # Signs, because in a recurrence that is mostly saturated a few large errors decide a correlation.
    alike = float(np.mean(np.sign(computed) * np.sign(seen)))
    return most < _EXACT or alike > _SHOWN / float(np.sqrt(seen.size))


def with_rounded_weights(setting: Setting, arithmetic: str) -> Setting:
    """The setting with all weights, such as the kernel ``[I+P, G U]``, as numbers of a format."""
    to, case = ROUNDED[arithmetic], setting.case
    shares = tuple(to(share) for share in setting.shares)
    bias = case.weights.bias + sum(new - old for new, old in zip(shares, setting.shares, strict=True))
    peepholes, projection = (None if v is None else to(v) for v in (case.peepholes, case.projection))
    weights = Weights(to(np.asarray(case.weights.kernel, np.float64)), bias)
    changed = replace(case, weights=weights, peepholes=peepholes, projection=projection)
    return replace(setting, case=changed, shares=shares)


def _roundings(place: str, to: Rounding) -> Roundings:
    return {
        WEIGHTS: Roundings(weights=to),
        STATES: Roundings(states=to),
        PRODUCTS: Roundings(factors=to),
        EVERYTHING: Roundings(to, to, to, to),
    }[place]


def _single(setting: Setting, counting: Mask) -> bool:
    """Whether all states are numbers of float32: of one in float64 that is so once in 2**29 times."""
    states = setting.hidden[counting]
    return bool(states.size) and np.array_equal(ROUNDED["float32"](states), states)


def _joined(setting: Setting, states: tuple[Array, Array | None], counting: Mask) -> Array:
    """Hidden states, and cell states where they were observed, of the steps that count: ``[N]``."""
    hidden, cell = states
    parts = [hidden] if cell is None or setting.cell is None else [hidden, cell]
    return np.concatenate([part[counting].reshape(-1) for part in parts])


def _counting(setting: Setting) -> Mask:
    """The steps ``[B, T]`` that count and whose previous state is known."""
    if setting.mask is None:
        return np.ones(setting.hidden.shape[:2], bool)
    known = setting.mask.copy()
    known[:, 1:] &= setting.mask[:, :-1]
    return known


def _correlation(computed: Array, seen: Array) -> float:
    """That of two errors; zero where one is much larger than the other, as rounding's own are not."""
    sizes = [float(np.linalg.norm(errors)) for errors in (computed, seen)]
    if not np.isfinite(sizes).all() or max(sizes) >= _LARGER * min(sizes):
        return 0.0
    return float(computed @ seen) / (sizes[0] * sizes[1])
