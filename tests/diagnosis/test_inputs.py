"""Inputs and rows that were others than recorded: by what rule, as far as the states tell."""

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

KINDS = [("lstm", True), ("lstm", False), ("gru", False), ("rnn", False)]
Inputs = Callable[[np.ndarray, np.random.RandomState], np.ndarray]


def dropped(inputs: np.ndarray, random: np.random.RandomState) -> np.ndarray:
    return inputs * (random.rand(*inputs.shape) > 0.3) / 0.7


def without_two(inputs: np.ndarray, random: np.random.RandomState) -> np.ndarray:
    made = inputs.copy()
    made[..., 2] = 0
    return made


CHANGES: dict[str, tuple[Inputs, dict[str, Any]]] = {
    "scaled": (lambda x, random: 1.7 * x, {"inputs": "scaled", "value": pytest.approx(1.7)}),
    "doubled": (lambda x, random: 2 * x, {"inputs": "doubled"}),
    "shifted": (lambda x, random: x + 0.25, {"inputs": "shifted", "value": pytest.approx(0.25, abs=1e-4)}),
    "missing": (without_two, {"inputs": "missing", "features": [2]}),
    "reversed": (lambda x, random: x[..., ::-1], {"inputs": "reversed"}),
    "permuted": (lambda x, random: x[..., [1, 2, 0, 3]], {"inputs": "permuted", "features": [1, 2, 0, 3]}),
    "summed": (
        lambda x, random: np.repeat(x.sum(1, keepdims=True), x.shape[1], 1),
        {"inputs": "summed over the steps"},
    ),
    "late": (
        lambda x, random: np.concatenate([0 * x[:, :1], x[:, :-1]], axis=1), {"inputs": "one step late"}
    ),
    "dropped out": (dropped, {"inputs": "dropped out"}),
    "others": (lambda x, random: random.standard_normal(x.shape), {"inputs": "others"}),
}  # fmt: skip


def draw(cell: str) -> Case:
    return rnnparity.make_case(4, batch=4, steps=10, input_size=4, units=8, cell=cell)


def found(case: Case, really: Case, with_cell: bool) -> list[Cause]:
    name = {"lstm": "canonical", "gru": "canonical.gru", "rnn": "canonical.rnn"}[case.equation.cell]
    observed = plain_cells.run(really)
    causes = search(case, observed.hidden, observed.cell if with_cell else None)
    return told(causes, Vocabulary(APIS[name], case.equation))


@pytest.mark.parametrize(("cell", "with_cell"), KINDS)
@pytest.mark.parametrize("name", CHANGES)
def test_changed_inputs_are_named(name: str, cell: str, with_cell: bool) -> None:
    case = draw(cell)
    change, about = CHANGES[name]
    inputs = change(case.inputs, np.random.RandomState(1)).astype("float32")
    cause = found(case, replace(case, inputs=inputs), with_cell)[0]
    assert (cause.id, cause.status) == ("input-changed", CONFIRMED), cause
    assert {key: cause.about[key] for key in about} == about
    assert "the inputs" in cause.detail


@pytest.mark.parametrize(("cell", "with_cell"), KINDS)
@pytest.mark.parametrize("whole", [True, False])
def test_rows_in_each_others_place_are_named(cell: str, with_cell: bool, whole: bool) -> None:
    case, order = draw(cell), [0, 2, 3, 1]
    really = replace(case, inputs=case.inputs[order])
    if whole:
        first, second = case.initial_hidden[order], case.initial_cell[order]
        really = replace(really, initial_hidden=first, initial_cell=second)
    cause = found(case, really, with_cell)[0]
    assert (cause.id, cause.status) == ("row-order", CONFIRMED), cause
    assert cause.about == {"rows": order, "of": "runs" if whole else "inputs"}
