"""Compare the gradients of a run with those of the reference, tensor by tensor."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from rnnparity.judge.comparison import AGREE, DIVERGE, FAILED, NONFINITE, Comparison, GradientDifference
from rnnparity.reference import backward
from rnnparity.reference.backward import Gradients
from rnnparity.reference.case import Case
from rnnparity.reference.forward import Reference
from rnnparity.reference.noise import LIMIT, Array
from rnnparity_adapters import layout, wire
from rnnparity_adapters.adapter import INPUTS, STATES, WEIGHTS
from rnnparity_adapters.kinds import GATE_NAMES
from rnnparity_adapters.layout import Layout, Tensor

Sizes = tuple[int, int, int]
"""I, U and P."""


_DOUBTFUL = 1e4
"""Noise units up to which a difference may be rounding that the noise underestimates: where a recurrence is
nearly chaotic, 150 were seen, of which the ensemble explained all but 4. It costs sixteen runs.
"""


class Expected(NamedTuple):
    """A native gradient's ``value`` ``[...]`` and its standard ``error`` ``[...]``."""

    value: Array
    error: Array


_KNOWN: "WeakKeyDictionary[Reference, Gradients]" = WeakKeyDictionary()
"""Many apis are compared with one reference, whose gradients take longer than itself."""


def of_reference(reference: Reference) -> Gradients:
    """The gradients of a reference, computed once."""
    if reference not in _KNOWN:
        _KNOWN[reference] = backward.run(reference)
    return _KNOWN[reference]


def native(stored_as: Layout, found: Gradients) -> dict[str, Expected]:
    """Gradients by the names that an adapter returns: those by weights are in its layout."""
    parts = []
    for part in Expected._fields:
        by_weights, peepholes, projection = found.weights(part)
        states = {name: getattr(getattr(found, name), part)[None] for name in stored_as.kind.states}
        tensors = layout.adjoint(stored_as, by_weights, peepholes, projection)
        named = wire.prefixed(STATES, states) | wire.prefixed(WEIGHTS, tensors)
        parts.append({INPUTS: getattr(found.inputs, part), **named})
    return {name: Expected(value, parts[1][name]) for name, value in parts[0].items()}


def with_gradients(
    compared: Comparison,
    observed: Mapping[str, NDArray[np.floating]],
    reference: Reference,
    stored_as: Layout,
) -> Comparison:
    """A comparison of a trajectory, and of the gradients that were ``observed`` along with it.

    These are named and shaped as :func:`rnnparity_adapters.adapter.derivatives` says. Unless the trajectory
    agrees, they are not judged: they are those of another function, or rounding alone decides them too.
    """
    if compared.verdict != AGREE:
        return compared
    expected = native(stored_as, of_reference(reference))
    wrong = _wrong_form(observed, expected, reference.case.dtype)
    if wrong:
        return replace(compared, verdict=FAILED, reason=wrong)
    for name, array in observed.items():
        if not np.isfinite(array).all():
            return replace(compared, verdict=NONFINITE, reason=f"{said_by(name)} is not finite")
    found = compare(observed, expected, stored_as, reference.case)
    if LIMIT < max(each.noise for each in found) < _DOUBTFUL:  # the noise may be too small
        wider = backward.ensemble(reference, of_reference(reference))
        found = compare(observed, native(stored_as, wider), stored_as, reference.case)
    judged = replace(compared, gradients=found)
    if max(each.noise for each in found) <= LIMIT:
        return judged
    gates = tuple(dict.fromkeys(gate for each in found for gate in each.gates))
    return replace(judged, verdict=DIVERGE, reason=_divergence(found), gates=gates)


def compare(
    observed: Mapping[str, NDArray[np.floating]],
    expected: Mapping[str, Expected],
    stored_as: Layout,
    case: Case,
) -> tuple[GradientDifference, ...]:
    """How far each gradient ``[...]`` of a case is from the one expected."""
    tensors, sizes = tensors_of(stored_as), sizes_of(case)
    return tuple(
        _difference(name, observed[name], expected[name], tensors.get(name), sizes) for name in expected
    )


def tensors_of(stored_as: Layout) -> dict[str, Tensor]:
    """The native tensors by the names of their gradients."""
    return {f"{WEIGHTS}/{tensor.name}": tensor for tensor in stored_as.tensors + stored_as.optional}


def sizes_of(case: Case) -> Sizes:
    """I, U and P of a case."""
    return case.input_size, case.units, int(case.initial_hidden.shape[1])


def in_noise(observed: NDArray[np.floating], expected: Expected) -> Array:
    """|observed - expected| ``[...]`` in units of the noise."""
    return np.abs(observed.astype(np.float64) - expected.value) / expected.error


def _difference(
    name: str, observed: NDArray[np.floating], expected: Expected, tensor: Tensor | None, sizes: Sizes
) -> GradientDifference:
    noise = in_noise(observed, expected)
    if not noise.size:
        return GradientDifference(name, 0.0, 0.0, (), (), None)
    place = tuple(int(k) for k in np.unravel_index(int(noise.argmax()), noise.shape))
    beyond = noise > LIMIT
    last = int(np.flatnonzero(beyond.any(axis=(0, 2)))[-1]) if name == INPUTS and beyond.any() else None
    blocks = {} if tensor is None else by_gate(tensor, beyond, sizes)
    gates = tuple(gate for gate, block in blocks.items() if block.any())
    absolute = float(np.abs(observed - expected.value).max())
    return GradientDifference(name, absolute, float(noise.max()), place, gates, last)


def by_gate(tensor: Tensor, native_array: NDArray[Any], sizes: Sizes) -> dict[str, NDArray[Any]]:
    """The elements ``[rows, U]`` of a native tensor that belong to each gate, those of a bias ``[U]``."""
    block = tensor.from_native(native_array, *sizes)
    return {gate: block[..., k, :] for k, gate in enumerate(tensor.gates)}


def _wrong_form(
    observed: Mapping[str, NDArray[np.floating]], expected: Mapping[str, Expected], dtype: str
) -> str:
    if set(observed) != set(expected):
        return f"returned gradients by {sorted(observed)}, but should by {sorted(expected)}"
    for name, array in observed.items():
        shape = expected[name].value.shape
        if array.shape != shape:
            return f"{said_by(name)} has shape {list(array.shape)}, but should have {list(shape)}"
        if array.dtype != dtype:
            return f"{said_by(name)} has dtype {array.dtype}, but should have {dtype}"
    return ""


def said_by(name: str) -> str:
    """``the gradient by weight_ih_l0``, in words."""
    group, _, rest = name.rpartition("/")
    return f"the gradient by {f'the initial {rest} state' if group == STATES else rest}"


def _divergence(found: Iterable[GradientDifference]) -> str:
    """Which gradients differ, the worst first, in a sentence."""
    beyond = sorted((each for each in found if each.noise > LIMIT), key=lambda each: -each.noise)
    worst, *others = beyond
    names = ", ".join(GATE_NAMES[gate] for gate in worst.gates)
    gates = f" in the {names}" if names else ""
    steps = [each.step for each in beyond if each.step is not None]
    until = f"; of the inputs from step {steps[0]} back" if steps else ""
    more = ", ".join(each.tensor.rpartition("/")[2] for each in others)
    so_do = f"; so do those by {more}" if len(others) > 1 else f"; so does that by {more}" if others else ""
    return (
        f"{said_by(worst.tensor)} differs{gates}; largest at {list(worst.place)}: "
        f"{worst.noise:.3g} times the noise{so_do}{until}"
    )
