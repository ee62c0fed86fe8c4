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


@pytest.mark.parametrize("same_at_every_step", [True, False])
@pytest.mark.parametrize("cell", ["lstm", "rnn"])
def test_dropout_of_states_on_their_way_into_the_gates(cell: str, same_at_every_step: bool) -> None:
    """As Keras does with `recurrent_dropout`: one mask for all steps, or another one at each."""
    case, random = draw(cell), np.random.RandomState(2)
    mask = (random.rand(case.steps, case.batch, case.units) > 0.3) / np.float32(0.7)
    hidden, state = case.initial_hidden, case.initial_cell
    made = []
    for t in range(case.steps):
        dropped_out = hidden * mask[0 if same_at_every_step else t]
        one = replace(
            case,
            inputs=case.inputs[:, t : t + 1],
            initial_hidden=dropped_out.astype("float32"),
            initial_cell=state,
        )
        run = plain_cells.run(one)
        hidden, state = run.hidden[:, 0], run.cell[:, 0]
        made.append((hidden, state))
    h, c = (np.stack(states, axis=1) for states in zip(*made, strict=True))
    (cause,) = search(case, h, c if cell == "lstm" else None)
    assert (cause.id, cause.status) == ("dropout", CONFIRMED)
    assert cause.about["rate"] == pytest.approx(0.3, abs=0.15)
    assert cause.about["of"] == "hidden states into the gates"
