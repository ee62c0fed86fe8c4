"""Networks of layers and directions, and rows of different lengths, by the real frameworks."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.cases import SIZES, RunLive

import rnnparity
from rnnparity import Target
from rnnparity.apis import forms
from rnnparity.apis.selection import TARGETS
from rnnparity.errors import InputError
from rnnparity.judge import comparison
from rnnparity.live.result import Row
from rnnparity.pytest_plugin.known_differences import read_known_differences
from rnnparity.reference.network_case import NetworkForm

FAULTY = Path(__file__).parents[1] / "support" / "faulty_networks.py"
KNOWN = read_known_differences(Path(__file__).parents[2] / "fixtures" / "known_differences.txt")
FORMS = [
    NetworkForm(2, True, True),
    NetworkForm(2, True),
    NetworkForm(1, True, True),
    NetworkForm(2, False, True),
]
"""The richest forms; a row runs the first that it has, and those of TensorFlow 1's cells the last as well."""
QUICK = ("torch", "keras-torch", "nnabla", "onnxruntime", "onnx")
"""Where every kind of cell is run: elsewhere the first run of each takes seconds."""


def network(seed: int, form: NetworkForm, **drawn: Any) -> rnnparity.NetworkCase:
    return rnnparity.make_network(seed, **form._asdict(), **SIZES, **drawn)


def forms_of(target: Target) -> list[NetworkForm]:
    has = [
        form
        for form in FORMS
        if not forms.refused(target, form.layers, 1 + form.bidirectional, bool(form.lengths))
    ]
    return has[:1] + has[-1:] if target.name.startswith("tf.nn.") else has[:1]


def first_of_each_adapter() -> list[Target]:
    found: dict[tuple[str, str, str], Target] = {}
    for target in TARGETS:
        if target.live.network and (target.cell == "lstm" or target.live.environment in QUICK):
            found.setdefault((target.live.environment, target.live.network, target.cell), target)
    return list(found.values())


ROWS = [(target, form) for target in first_of_each_adapter() for form in forms_of(target)]


@pytest.mark.frameworks
@pytest.mark.parametrize(
    ("environment", "cell"), dict.fromkeys((target.live.environment, target.cell) for target, _ in ROWS)
)
def test_networks_agree_in_both_directions(environment: str, cell: str, live: RunLive) -> None:
    """Loaded and own weights, in the richest form that a row has."""
    of_form: dict[NetworkForm, list[Target]] = {}
    for target, form in ROWS:
        if (target.live.environment, target.cell) == (environment, cell):
            of_form.setdefault(form, []).append(target)
    for form, targets in of_form.items():
        for row in live(network(1, form, cell=cell), targets):
            known = any(one.matches(row.target.key, f"seed1-lengths{form.lengths}") for one in KNOWN)
            expected = comparison.DIVERGE if known else comparison.AGREE
            assert row.verdict == expected, f"{row.target.key}: {row.reason}\n{row.log}"
            assert [run.direction for run in row.runs] == ["loaded", "own"]
            worst = row.difference("hidden")
            assert worst is not None
            assert worst.noise > 0


CELLS = [(k, d) for k in (0, 1) for d in (0, 1)]
FAULTS: dict[str, tuple[NetworkForm, str, str, list[tuple[int, int]]]] = {
    "LayersSwapped": (NetworkForm(3), "layers-swapped", "layers 1 and 2", [(1, 0), (2, 0)]),
    "DirectionsSwapped": (NetworkForm(1, True), "directions-swapped", "both directions", [(0, 0), (0, 1)]),
    "StatesByDirection": (
        NetworkForm(2, True),
        "initial-state",
        "every layer",
        [(k, d) for k in (0, 1) for d in (0, 1)],
    ),
    "LengthsUnused": (NetworkForm(1, False, True), "masking", "mask", []),
    "PaddingHeld": (NetworkForm(1, True, True), "masking", "held", [(0, 0)]),
}


def planted(name: str) -> Target:
    (target,) = rnnparity.select("torch.nn.LSTM")
    return replace(target, live=replace(target.live, network=f"{FAULTY}:{name}"))


def faulty(name: str, form: NetworkForm, live: RunLive) -> Row:
    return live(network(3, form), planted(name)).rows[0]


@pytest.mark.frameworks
@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_named_with_its_place(name: str, live: RunLive) -> None:
    form, cause, said, cells = FAULTS[name]
    row = faulty(name, form, live)
    assert row.verdict == comparison.DIVERGE
    assert [run.comparison.verdict for run in row.runs] == [comparison.DIVERGE] * 2
    first = row.causes[0]
    assert (first.id, first.status) == (cause, "confirmed"), row.causes
    assert said in first.detail
    assert list(first.cells) == cells


@pytest.mark.frameworks
def test_weights_that_were_not_loaded_are_noticed(live: RunLive) -> None:
    row = faulty("OneCellForgotten", NetworkForm(2, True), live)
    assert row.verdict == comparison.DIVERGE
    assert "layer 1, forward: kernel read back is not the kernel loaded" in row.reason
    assert row.run("own").comparison.verdict == comparison.AGREE


@pytest.mark.frameworks
@pytest.mark.parametrize("form", [NetworkForm(1, False, True), NetworkForm(2, True, True)], ids=str)
def test_last_states_at_another_step_are_noticed(form: NetworkForm, live: RunLive) -> None:
    row = faulty("LastStatesOfTheEnd", form, live)
    assert row.verdict == comparison.DIVERGE
    assert "last_hidden" in row.reason


@pytest.mark.frameworks
def test_outputs_held_past_the_length_of_a_stack_are_noticed(live: RunLive) -> None:
    row = faulty("PaddingHeld", NetworkForm(2, True, True), live)
    assert row.verdict == comparison.DIVERGE
    assert row.causes[0].id == "masking"


@pytest.mark.frameworks
def test_a_wrong_form_is_said(live: RunLive) -> None:
    row = faulty("WrongShape", NetworkForm(1, True), live)
    assert row.verdict == comparison.FAILED
    assert "hidden has shape [3, 7, 4], but should have [3, 7, 8]" in row.reason


def test_what_has_no_such_form_is_unsupported_and_says_why() -> None:
    row = rnnparity.run(network(0, NetworkForm(2)), "numpy.*").rows[0]
    assert (row.verdict, row.reason) == ("unsupported", "runs one layer in one direction, over whole rows")


def test_a_network_is_drawn_the_same_each_time_and_nothing_in_it_is_alike() -> None:
    one, again = (network(5, NetworkForm(3, True, True)) for _ in range(2))
    for first, second in zip(one.cells, again.cells, strict=True):
        np.testing.assert_array_equal(first.weights.kernel, second.weights.kernel)
        np.testing.assert_array_equal(first.initial_hidden, second.initial_hidden)
    assert one.lengths is not None
    assert again.lengths is not None
    np.testing.assert_array_equal(one.lengths, again.lengths)
    assert one.lengths.max() == one.steps
    assert len({cell.initial_hidden.tobytes() for cell in one.cells}) == 6
    assert len({cell.weights.bias.tobytes() for cell in one.cells}) == 6
    np.testing.assert_array_equal(one.inputs, rnnparity.make_case(5, **SIZES).inputs)


def test_cases_of_several_forms_are_refused() -> None:
    with pytest.raises(InputError, match="as many layers and directions"):
        rnnparity.run([network(0, NetworkForm(2)), network(0, NetworkForm(3))], "numpy.*")
    with pytest.raises(InputError, match="layers"):
        rnnparity.make_network(0, layers=0)


@pytest.mark.frameworks
@pytest.mark.parametrize("bidirectional", [False, True])
def test_rows_of_no_steps_are_held_refused_or_known(bidirectional: bool, live: RunLive) -> None:
    case = rnnparity.make_network(1, bidirectional=bidirectional, lengths=[7, 0, 3], cell="gru", **SIZES)
    refuses, holds, ends_in_zero = live(
        case, ["torch.nn.GRU", "tf.nn.rnn_cell.GRUCell", "onnx.GRU@onnxruntime"]
    )
    assert (refuses.verdict, refuses.reason) == (comparison.UNSUPPORTED, "takes no row of no steps")
    assert holds.agree, holds.reason
    assert ends_in_zero.verdict == comparison.DIVERGE
    cause = ends_in_zero.causes[0]
    assert (cause.id, cause.status, cause.about["steps"]) == ("masking", "confirmed", "zeroed")
    assert "rows of no steps" in cause.about["where"]


def test_lengths_that_fit_no_row_are_refused() -> None:
    for wrong in ([7, 0], [7, 8, 0], [-1, 2, 3], [1.5, 2, 3]):
        with pytest.raises(InputError, match="integers from 0 to 7"):
            rnnparity.make_network(0, lengths=wrong, **SIZES)  # type: ignore[arg-type]
