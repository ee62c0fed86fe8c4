"""The reference's gradients against differences of its own loss, for every kind of cell and option."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import rnnparity
from rnnparity import Case
from rnnparity.reference import backward, forward
from rnnparity.reference.activations import activation
from rnnparity.reference.backward_steps import Passed
from rnnparity.reference.noise import ARITHMETICS, Array
from rnnparity.reference.noisy import Noisy, activated
from rnnparity_adapters import equation as equations
from rnnparity_adapters.layout import Weights

PARTS = ("peepholes", "projection")
FORMS: list[tuple[str, dict[str, Any], tuple[str, ...]]] = [
    ("rnn", {}, ()),
    ("rnn", {"activation": equations.RELU}, ()),
    ("rnn", {"gate_clip": 0.3}, ()),
    ("gru", {}, ()),
    ("gru", {"reset_after": False}, ()),
    ("gru", {"update_inverted": True}, ()),
    ("gru", {"update_inverted": True, "reset_after": False}, ()),
    ("gru", {"recurrent_activation": equations.HARD_SIGMOID_5, "activation": equations.SOFTPLUS}, ()),
    ("lstm", {}, ()),
    ("lstm", {}, PARTS),
    ("lstm", {"output_peephole_previous": True}, PARTS[:1]),
    ("lstm", {"coupled": True}, ()),
    ("lstm", {"input_coupled": True}, PARTS),
    ("lstm", {"forget_bias_after": 0.7}, ()),
    ("lstm", {"cell_clip": 0.5}, PARTS[:1]),
    ("lstm", {"projection_clip": 0.2, "projection_activation": equations.TANH}, PARTS[1:]),
    ("lstm", {"gate_clip": 0.4, "output_clip": 0.3}, ()),
    (
        "lstm",
        {
            "recurrent_activation": equations.HARD_SIGMOID_6,
            "activation": equations.SOFTSIGN,
            "output_activation": equations.RELU,
        },
        (),
    ),
]
forms = pytest.mark.parametrize(("cell", "fields", "parts"), FORMS)


def draw(seed: int, cell: str, fields: dict[str, Any], parts: tuple[str, ...], **sizes: Any) -> Case:
    """A case of an equation, with a cotangent; a projection is to two of its units."""
    case = rnnparity.make_case(seed, cell=cell, **sizes)
    random = np.random.RandomState(seed)
    case = replace(case, equation=replace(case.equation, **fields))
    if "peepholes" in parts:
        case = replace(case, peepholes=random.uniform(-1, 1, (3, case.units)).astype(case.dtype))
    if "projection" in parts:
        case = replace(
            case,
            projection=random.uniform(-1, 1, (case.units, 2)).astype(case.dtype),
            weights=Weights(case.weights.kernel[: case.input_size + 2], case.weights.bias),
            initial_hidden=case.initial_hidden[:, :2],
        )
    return backward.with_cotangent(case)


SMALL: dict[str, Any] = {"batch": 3, "steps": 4, "input_size": 2, "units": 3, "dtype": "float64"}
PLACES: dict[str, Callable[[Case, Array], Case]] = {
    "inputs": lambda case, array: replace(case, inputs=array),
    "hidden": lambda case, array: replace(case, initial_hidden=array),
    "cell": lambda case, array: replace(case, initial_cell=array),
    "kernel": lambda case, array: replace(case, weights=case.weights._replace(kernel=array)),
    "bias": lambda case, array: replace(case, weights=case.weights._replace(bias=array)),
    "peepholes": lambda case, array: replace(case, peepholes=array),
    "projection": lambda case, array: replace(case, projection=array),
}
"""How to put another array where a gradient is by."""


def arrays(case: Case) -> dict[str, Any]:
    return {
        "inputs": case.inputs, "hidden": case.initial_hidden, "cell": case.initial_cell,
        "kernel": case.weights.kernel, "bias": case.weights.bias,
        "peepholes": case.peepholes, "projection": case.projection,
    }  # fmt: skip


def loss(case: Case) -> float:
    assert case.cotangent is not None
    return float((forward.values(case).hidden * case.cotangent).sum())


STEP = 1e-5
"""So small that no element of these cases crosses a kink."""


def difference(case: Case, name: str, place: tuple[int, ...]) -> float:
    """The derivative by one element, by central differences of the fourth order."""

    def moved(by: float) -> float:
        array = np.array(arrays(case)[name], np.float64)
        array[place] += by
        return loss(PLACES[name](case, array))

    near, far = moved(STEP) - moved(-STEP), moved(2 * STEP) - moved(-2 * STEP)
    return (8 * near - far) / (12 * STEP)


@forms
@pytest.mark.parametrize("seed", range(2))
def test_gradients_are_the_differences_of_the_loss(
    cell: str, fields: dict[str, Any], parts: tuple[str, ...], seed: int
) -> None:
    case = draw(seed, cell, fields, parts, **SMALL)
    assert case.cotangent is not None
    found = vars(backward.run(forward.run(case)))
    # Each of 36 terms of a loss, and their sum, may be off by some roundings of float64, and so a difference.
    rounded = 20 * 2.0**-52 * float(np.abs(forward.values(case).hidden * case.cotangent).sum()) / STEP
    for name, array in arrays(case).items():
        assert (array is None) == (found[name] is None)
        for place in np.ndindex(() if array is None else array.shape):
            if array is not None:
                assert abs(found[name].value[place] - difference(case, name, place)) < rounded, (name, place)


@pytest.mark.parametrize(
    "passed",
    [Passed(hidden=False), Passed(cell=False), Passed(stopped=frozenset({2})), Passed(through_clip=True)],
)
def test_what_is_not_passed_back_shows(passed: Passed) -> None:
    reference = forward.run(draw(1, "lstm", {"cell_clip": 0.3}, (), **SMALL))
    right, wrong = backward.run(reference), backward.run(reference, passed)
    assert np.abs(right.kernel.value - wrong.kernel.value).max() > 1e-3


def test_a_stop_cuts_off_what_lies_before() -> None:
    reference = forward.run(draw(1, "gru", {}, (), **SMALL))
    right, cut = backward.run(reference), backward.run(reference, Passed(stopped=frozenset({2})))
    np.testing.assert_array_equal(right.inputs.value[:, 2:], cut.inputs.value[:, 2:])
    assert np.abs(right.inputs.value[:, :2] - cut.inputs.value[:, :2]).min(axis=(0, 2)).max() > 1e-6


@forms
def test_the_ensemble_only_widens(cell: str, fields: dict[str, Any], parts: tuple[str, ...]) -> None:
    reference = forward.run(draw(3, cell, fields, parts, batch=3, steps=9, input_size=2, units=3))
    found = backward.run(reference)
    wider = backward.ensemble(reference, found)
    for one, other in zip(found.present.values(), wider.present.values(), strict=True):
        np.testing.assert_array_equal(one.value, other.value)
        assert (other.variance >= one.variance).all()
        assert (other.error < 6 * one.error).all()


def test_a_cotangent_is_drawn_from_the_seed() -> None:
    case = rnnparity.make_case(3, **{**SMALL, "dtype": "float32"})
    first, again = (backward.with_cotangent(case).cotangent for _ in range(2))
    other = backward.with_cotangent(replace(case, seed=4)).cotangent
    assert first is not None
    assert first.shape == (3, 4, 3)
    assert first.dtype == np.float32
    np.testing.assert_array_equal(first, again)
    assert (first != other).all()


def test_a_saturated_gate_has_its_small_slope() -> None:
    """Where float64 hardly tells two values of tanh apart, its derivative is still known to all digits."""
    a = ARITHMETICS["float64"]
    z = np.array([[8.0, -9.0, 10.0]])
    slope = activated(activation(equations.TANH), Noisy(z, 0.0, a)).slope
    exact = 4 * np.exp(-2 * np.abs(z)) / (1 + np.exp(-2 * np.abs(z))) ** 2
    assert (np.abs(slope.value - exact) < 6 * slope.error).all()
    assert (slope.error < 1e-14).all()


def test_a_clipped_value_has_no_slope() -> None:
    a = ARITHMETICS["float32"]
    z = np.array([[0.39, 0.4 + 1e-6, 2.0]])
    slope = activated(activation(equations.LINEAR, 0.4), Noisy(z, 0.0, a)).slope
    np.testing.assert_array_equal(slope.value, [[1, 0, 0]])
