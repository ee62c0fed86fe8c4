"""Tensors that are others altogether, permuted, rounded, added to or not recorded."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import rnnparity
from rnnparity import Case
from rnnparity.apis.catalogue import APIS
from rnnparity.diagnosis.causes import CONFIRMED, Cause
from rnnparity.diagnosis.explain import told
from rnnparity.diagnosis.search import search
from rnnparity.diagnosis.vocabulary import Vocabulary
from rnnparity.selftest import plain_cells
from rnnparity_adapters.layout import Weights

KINDS = [("lstm", True), ("lstm", False), ("gru", False), ("rnn", False)]
Change = Callable[[Case, np.random.RandomState], Case]


def draw(cell: str, **sizes: Any) -> Case:
    sizes = {"batch": 4, "steps": 10, "input_size": 4, "units": 6, **sizes}
    return rnnparity.make_case(4, cell=cell, **sizes)


def found(case: Case, really: Case, with_cell: bool) -> list[Cause]:
    name = {"lstm": "canonical", "gru": "canonical.gru", "rnn": "canonical.rnn"}[case.equation.cell]
    observed = plain_cells.run(really)
    causes = search(case, observed.hidden, observed.cell if with_cell else None)
    return told(causes, Vocabulary(APIS[name], case.equation))


def gates(case: Case) -> np.ndarray:
    """A copy of the kernel ``[I+U, G, U]``."""
    return case.weights.kernel.copy().reshape(len(case.weights.kernel), len(case.gates), -1)


def with_kernel(case: Case, kernel: np.ndarray) -> Case:
    return replace(case, weights=Weights(kernel.reshape(len(kernel), -1), case.weights.bias))


def int8(case: Case, random: np.random.RandomState) -> Case:
    kernel = case.weights.kernel.copy()
    for rows in (slice(0, case.input_size), slice(case.input_size, None)):
        scale = np.abs(kernel[rows]).max() / 127
        kernel[rows] = np.round(kernel[rows] / scale) * scale
    return with_kernel(case, kernel)


def int8_by_channel(case: Case, random: np.random.RandomState) -> Case:
    kernel = case.weights.kernel.copy()
    for rows in (slice(0, case.input_size), slice(case.input_size, None)):
        scale = np.abs(kernel[rows]).max(axis=0) / 127
        kernel[rows] = np.round(kernel[rows] / scale) * scale
    return with_kernel(case, kernel)


def rows_reversed(case: Case, random: np.random.RandomState) -> Case:
    kernel = gates(case)
    kernel[case.input_size :] = kernel[case.input_size :][::-1]
    return with_kernel(case, kernel)


def columns_interleaved(case: Case, random: np.random.RandomState) -> Case:
    order = np.arange(case.units).reshape(2, -1).T.reshape(-1)
    bias = case.weights.bias.reshape(-1, case.units)[:, order].reshape(-1)
    made = with_kernel(case, gates(case)[..., order])
    return replace(made, weights=made.weights._replace(bias=bias))


CHANGES: dict[str, tuple[Change, dict[str, Any]]] = {
    "int8": (int8, {"levels": 255, "grid": "tensor"}),
    "int8 by channel": (int8_by_channel, {"levels": 255, "grid": "column"}),
    "rows reversed": (rows_reversed, {"order": "reversed", "tensors": "rows of the recurrent kernel"}),
    "interleaved": (columns_interleaved, {"order": "interleaved", "tensors": "kernels and bias"}),
}


@pytest.mark.parametrize(("cell", "with_cell"), KINDS)
@pytest.mark.parametrize("name", CHANGES)
def test_other_tensors_are_named(name: str, cell: str, with_cell: bool) -> None:
    case = draw(cell)
    change, about = CHANGES[name]
    cause = found(case, change(case, np.random.RandomState(1)), with_cell)[0]
    assert (cause.id, cause.status) == ("quantised" if "int8" in name else "unit-order", CONFIRMED), cause
    assert {key: cause.about[key] for key in about} == about


@pytest.mark.parametrize(("cell", "with_cell"), KINDS)
def test_units_of_the_outputs_in_another_order(cell: str, with_cell: bool) -> None:
    case, order = draw(cell), [3, 0, 5, 1, 2, 4]
    observed = plain_cells.run(case)
    name = {"lstm": "canonical", "gru": "canonical.gru", "rnn": "canonical.rnn"}[cell]
    states = observed.cell[..., order] if with_cell else None
    causes = told(search(case, observed.hidden[..., order], states), Vocabulary(APIS[name], case.equation))
    assert (causes[0].id, causes[0].status, causes[0].about["order"]) == ("unit-order", CONFIRMED, order)


@pytest.mark.parametrize(("cell", "with_cell"), KINDS[:3])
def test_a_constant_for_each_unit_in_every_gate(cell: str, with_cell: bool) -> None:
    case = draw(cell)
    added = np.random.RandomState(2).uniform(-0.4, 0.4, case.units).astype("float32")
    bias = case.weights.bias.reshape(-1, case.units).copy()
    bias[: len(case.gates)] += added
    cause = found(case, replace(case, weights=case.weights._replace(bias=bias.reshape(-1))), with_cell)[0]
    assert (cause.id, cause.status) == ("bias-added", CONFIRMED)
    assert cause.about["change"] == pytest.approx(added.tolist(), abs=1e-4)


def test_the_two_biases_of_a_gru_in_each_others_place() -> None:
    case = draw("gru")
    bias = case.weights.bias.reshape(4, -1)[[0, 1, 3, 2]].reshape(-1)
    cause = found(case, replace(case, weights=case.weights._replace(bias=bias)), False)[0]
    assert (cause.id, cause.status) == ("bias-swapped", CONFIRMED)


@pytest.mark.parametrize(("cell", "with_cell"), KINDS)
def test_weights_of_another_checkpoint(cell: str, with_cell: bool) -> None:
    case = draw(cell, batch=8, steps=24)
    random = np.random.RandomState(3)
    moved = (array + 0.05 * random.standard_normal(array.shape).astype("float32") for array in case.weights)
    cause = found(case, replace(case, weights=Weights(*moved)), with_cell)[0]
    assert (cause.id, cause.status, cause.about["tensors"]) == (
        "weights-differ",
        CONFIRMED,
        "kernels and bias",
    )
    assert 0.05 < cause.about["relative"] < 0.6
    if "correlation" in cause.about:  # there are enough numbers
        assert "another checkpoint of the same training" in cause.detail


def test_weights_of_another_seed_have_nothing_in_common() -> None:
    sizes: dict[str, Any] = {"batch": 8, "steps": 24, "input_size": 8, "units": 8}
    case, other = draw("rnn", **sizes), rnnparity.make_case(77, cell="rnn", **sizes)
    near = case.weights.kernel + np.float32(0.05) * np.random.RandomState(3).uniform(-1, 1, (16, 8))
    for kernel, said in (
        (other.weights.kernel, "another seed"),
        (near, "same training"),
        (None, "some steps"),
    ):
        changed = case.weights.kernel * np.float32(0.77) if kernel is None else kernel.astype("float32")
        cause = found(case, replace(case, weights=case.weights._replace(kernel=changed)), False)[0]
        assert (cause.id, cause.status) == ("weights-differ", CONFIRMED)
        assert said in cause.detail
        assert ("correlation" in cause.about) == (kernel is not None)


@pytest.mark.parametrize("with_cell", [True, False])
@pytest.mark.parametrize("tensor", ["peepholes", "projection"])
def test_one_number_of_the_peepholes_or_the_projection(tensor: str, with_cell: bool) -> None:
    """Wider than the cell, too: there are more hidden states than units then."""
    for width in (4, 9):
        case, random = draw("lstm"), np.random.RandomState(5)
        if tensor == "peepholes":
            values = random.uniform(-1, 1, (3, 6)).astype("float32").astype(float)
            case = replace(case, peepholes=values)
        else:
            values = random.uniform(-0.6, 0.6, (6, width)).astype("float32").astype(float)
            kernel = random.uniform(-0.5, 0.5, (4 + width, 24)).astype("float32")
            hidden = random.uniform(-0.5, 0.5, (4, width)).astype("float32")
            weights = case.weights._replace(kernel=kernel)
            case = replace(case, weights=weights, initial_hidden=hidden, projection=values)
        changed = values.copy()
        changed[1, 2] += 0.1
        is_peephole = tensor == "peepholes"
        really = replace(case, peepholes=changed) if is_peephole else replace(case, projection=changed)
        cause = found(case, really, with_cell)[0]
        assert (cause.id, cause.status, cause.about["tensor"]) == ("parameter", CONFIRMED, tensor)
        assert (cause.about["unit"], cause.about["change"]) == (2, pytest.approx(0.1, rel=1e-3))


@pytest.mark.parametrize("with_cell", [True, False])
def test_peepholes_that_are_not_in_the_recording(with_cell: bool) -> None:
    case = draw("lstm", steps=16)
    values = np.random.RandomState(5).uniform(-1, 1, (3, 6)).astype("float32").astype(float)
    cause = found(case, replace(case, peepholes=values), with_cell)[0]
    assert (cause.id, cause.status) == ("peephole-dropped", CONFIRMED)
    assert np.allclose(cause.about["values"], values, atol=1e-2)
