"""Trajectory against reference: the only place that decides whether two things are equal."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnnparity.errors import InputError
from rnnparity.noise import LIMIT, Array, assumed, roundoff
from rnnparity.reference import Reference
from rnnparity_adapters.adapter import CELL, HIDDEN, LAST_CELL, STEPPED_HIDDEN
from rnnparity_adapters.layout import GATES, Weights

AGREE = "agree"
DIVERGE = "diverge"
NONFINITE = "nonfinite"
UNSUPPORTED = "unsupported"
UNAVAILABLE = "unavailable"
FAILED = "failed"
CRASHED = "crashed"
TIMEOUT = "timeout"

VERDICTS = (AGREE, UNSUPPORTED, UNAVAILABLE, DIVERGE, NONFINITE, FAILED, TIMEOUT, CRASHED)
"""From the best to the worst: of several runs of an api, the worst one is the api's verdict."""


class Place(NamedTuple):
    """One element of a trajectory."""

    batch: int
    step: int
    unit: int


@dataclass(frozen=True)
class Difference:
    """How far one observed array is from the reference.

    ``absolute`` is the largest |difference|, ``noise`` the largest |difference| / standard error, found at
    ``place``; ``first_step`` is the first step with an element beyond the limit, None if there is none.
    """

    observed: str
    state: str
    absolute: float
    noise: float
    place: Place
    first_step: int | None


@dataclass(frozen=True)
class Comparison:
    """A verdict, why, and the differences behind it (empty where shapes or dtypes are wrong already)."""

    verdict: str
    reason: str = ""
    differences: tuple[Difference, ...] = ()

    def followed_by(self, later: "Comparison") -> "Comparison":
        """The verdict of this if it is not ``agree``, else the later one; the later one's differences."""
        return later if self.verdict == AGREE else replace(self, differences=later.differences)

    @property
    def first_step(self) -> int | None:
        """The first step at which anything is beyond the limit."""
        return first_step(self.differences)


def worst(differences: Iterable[Difference], state: str) -> Difference | None:
    """The one of ``hidden`` or of ``cell`` that is largest in noise, with the largest absolute of all."""
    of_state = [difference for difference in differences if difference.state == state]
    if not of_state:
        return None
    largest = max(of_state, key=lambda difference: difference.noise)
    return replace(largest, absolute=max(difference.absolute for difference in of_state))


def first_step(differences: Iterable[Difference]) -> int | None:
    """The first step at which any of them is beyond the limit."""
    return min((d.first_step for d in differences if d.first_step is not None), default=None)


class _Quantity(NamedTuple):
    """What an observed array is compared with."""

    state: str
    steps: slice


_QUANTITIES = {
    HIDDEN: _Quantity(HIDDEN, slice(None)),
    STEPPED_HIDDEN: _Quantity(HIDDEN, slice(None)),
    CELL: _Quantity(CELL, slice(None)),
    LAST_CELL: _Quantity(CELL, slice(-1, None)),
}
_REQUIRED = {HIDDEN, CELL}


def compare(observed: Mapping[str, NDArray[np.floating]], reference: Reference, dtype: str) -> Comparison:
    """Compare what an api returned with the reference: names, shapes and dtypes first, then values.

    ``observed`` has ``hidden`` and ``cell`` ``[B, T, U]``, and for a layer ``stepped_hidden`` ``[B, T, U]``
    and ``last_cell`` ``[B, U]``. A wrong name, shape or dtype is ``failed``; a NaN or an infinity on
    either side is ``nonfinite``; a difference beyond the limit is ``diverge``.
    """
    wrong = _wrong_form(observed, reference, dtype)
    if wrong:
        return Comparison(FAILED, wrong)
    differences = tuple(_against(reference, name, array) for name, array in observed.items())
    for difference in differences:
        if not np.isfinite(difference.absolute):
            where = _where(difference.observed, difference.place)
            return Comparison(NONFINITE, f"{where} is not finite", differences)
    beyond = [difference for difference in differences if difference.first_step is not None]
    if not beyond:
        return Comparison(AGREE, "", differences)
    first = min(beyond, key=lambda difference: (difference.first_step, -difference.noise))
    reason = (
        f"{first.observed} differs from step {first.first_step} on; "
        f"largest at {_where(first.observed, first.place)}: {first.noise:.3g} times the noise"
    )
    return Comparison(DIVERGE, reason, differences)


def compare_weights(extracted: Weights, loaded: Weights) -> Comparison:
    """Weights read back from a framework against those loaded into it: bit for bit."""
    for name, got, expected in zip(Weights._fields, extracted, loaded, strict=True):
        same = got.astype(expected.dtype).view(np.uint8) == expected.view(np.uint8)
        if not same.all():
            columns = ~same.reshape(*expected.shape, -1).all(axis=-1).reshape(-1, expected.shape[-1]).all(
                axis=0
            )
            gates = [g for g, block in zip(GATES, columns.reshape(4, -1), strict=True) if block.any()]
            reason = f"{name} read back is not the {name} loaded, in gate {', '.join(gates)}"
            return Comparison(DIVERGE, reason)
    return Comparison(AGREE)


def compare_hidden(observed: NDArray[np.floating], other: NDArray[np.floating]) -> Difference:
    """Two hidden trajectories ``[B, T, U]`` of one dtype whose weights are not known.

    Neither is a reference, and what error to expect can only be assumed from the values themselves.
    Raises :class:`~rnnparity.errors.InputError` for different shapes or dtypes.
    """
    if (observed.shape, observed.dtype) != (other.shape, other.dtype):
        forms = [f"{list(array.shape)} {array.dtype}" for array in (observed, other)]
        raise InputError("hidden", forms[0], f"as the other one: {forms[1]}")
    u = roundoff(str(other.dtype))
    expected = other.astype(np.float64)
    error = np.hypot(assumed(expected, u), assumed(observed.astype(np.float64), u))
    return _difference(HIDDEN, HIDDEN, observed, expected, error)


def _wrong_form(observed: Mapping[str, np.ndarray], reference: Reference, dtype: str) -> str:
    missing = _REQUIRED - set(observed)
    unknown = set(observed) - set(_QUANTITIES)
    if missing or unknown:
        return (
            f"returned {sorted(observed)}, but should return {sorted(_REQUIRED)} (of {sorted(_QUANTITIES)})"
        )
    batch, _, units = reference.hidden.shape
    for name, array in observed.items():
        expected = (batch, units) if name == LAST_CELL else reference.hidden.shape
        if array.shape != expected:
            return f"{name} has shape {list(array.shape)}, but should have {list(expected)}"
        if array.dtype != dtype:
            return f"{name} has dtype {array.dtype}, but should have {dtype}"
    return ""


def _against(reference: Reference, name: str, observed: np.ndarray) -> Difference:
    quantity = _QUANTITIES[name]
    expected: Array = getattr(reference, quantity.state)[:, quantity.steps]
    noise: Array = getattr(reference, quantity.state + "_noise")[:, quantity.steps]
    first_step = quantity.steps.indices(reference.hidden.shape[1])[0]
    return _difference(name, quantity.state, observed.reshape(expected.shape), expected, noise, first_step)


def _difference(
    name: str, state: str, observed: np.ndarray, expected: Array, noise: Array, start: int = 0
) -> Difference:
    """``observed``, ``expected`` and ``noise`` ``[B, T, U]``, whose step 0 is step ``start`` of the run."""
    difference = np.abs(observed.astype(np.float64) - expected)
    difference[np.isnan(difference)] = np.inf
    # An element that errs by nothing where no error is expected is equal; by anything, infinitely wrong.
    with np.errstate(divide="ignore", invalid="ignore"):
        in_noise = np.where(difference == 0, 0, difference / noise)
    batch, step, unit = (int(n) for n in np.unravel_index(np.argmax(in_noise), in_noise.shape))
    beyond = np.flatnonzero((in_noise > LIMIT).any(axis=(0, 2)))
    return Difference(
        observed=name,
        state=state,
        absolute=float(difference.max()),
        noise=float(in_noise[batch, step, unit]),
        place=Place(batch, start + step, unit),
        first_step=start + int(beyond[0]) if beyond.size else None,
    )


def _where(name: str, place: Place) -> str:
    return f"{name}[batch {place.batch}, step {place.step}, unit {place.unit}]"
