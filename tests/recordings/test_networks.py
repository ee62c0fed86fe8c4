"""Recordings of networks as plain cells write them, with mistakes planted in what ran."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from support.plain_networks import KINDS, SIZE, B, Network, U, Weights, suffix
from support.writer import Arrays

from rnnparity.diagnosis.causes import CONFIRMED
from rnnparity.errors import InputError
from rnnparity.judge.comparison import AGREE, CHAOTIC, DIVERGE
from rnnparity.recordings.check import check
from rnnparity.recordings.network_recording import NetworkRecording
from rnnparity.recordings.stored import from_arrays
from rnnparity.reference import network
from rnnparity.reference.case import Case

Change = Callable[[Weights], Weights]

FORMS = [(kind, layers, two) for kind in KINDS for layers, two in ((1, True), (2, False), (3, True))]


@pytest.mark.parametrize("inner", [False, True])
@pytest.mark.parametrize(("kind", "layers", "two"), FORMS)
def test_clean_networks_agree(kind: str, layers: int, two: bool, inner: bool) -> None:
    for seed in range(5):
        net = Network(kind, layers, two, seed)
        found = net.check(net.run(net.weights), inner)
        assert found.verdict == AGREE, found.comparison.reason


def rolled(gates: int, *names: str) -> Change:
    """The gate blocks of all tensors that end so, one place on."""
    return lambda weights: {
        name: np.concatenate(np.roll(np.split(array, gates), 1, axis=0)) if name.endswith(names) else array
        for name, array in weights.items()
    }


@pytest.mark.parametrize("inner", [False, True])
@pytest.mark.parametrize(("kind", "layers", "two"), [form for form in FORMS if form[0] != "RNN"])
def test_another_order_of_gates_is_named_in_every_cell(
    kind: str, layers: int, two: bool, inner: bool
) -> None:
    net = Network(kind, layers, two)
    found = net.check(net.run(rolled(KINDS[kind], "")(net.weights)), inner)
    cause = found.causes[0]
    assert (cause.id, cause.status) == ("gate-order", CONFIRMED)
    every = [(k, d) for k in range(layers) for d in range(1 + two)]
    assert list(cause.cells) == every
    assert ("every layer" in cause.detail) == (layers > 1)


@pytest.mark.parametrize("inner", [False, True])
@pytest.mark.parametrize(("kind", "layers", "two"), [form for form in FORMS if form[0] != "RNN"])
def test_another_order_of_gates_is_named_in_the_one_cell_that_has_it(
    kind: str, layers: int, two: bool, inner: bool
) -> None:
    net = Network(kind, layers, two)
    for k in range(layers):
        for d in range(1 + two):
            ran = net.run(rolled(KINDS[kind], f"h{suffix(k, d)}")(net.weights))
            found = net.check(ran, inner)
            cause = found.causes[0]
            assert (cause.id, cause.status, cause.cells) == ("gate-order", CONFIRMED, ((k, d),)), cause
            assert cause.about["cells"] == [{"layer": k, "direction": ("forward", "backward")[d]}]
            assert f"rnn.weight_ih{suffix(k, d)}" in cause.fix or "read the gate blocks" in cause.fix


@pytest.mark.parametrize(("kind", "layers", "two"), [form for form in FORMS if form[1] == 3])
def test_layers_in_each_others_place_are_named(kind: str, layers: int, two: bool) -> None:
    net = Network(kind, layers, two)
    swapped = {}
    for name, tensor in net.weights.items():
        other = {"_l1": "_l2", "_l2": "_l1"}
        key = next((old for old in other if old in name), "")
        swapped[name.replace(key, other[key]) if key else name] = tensor
    found = net.check(net.run(swapped))
    assert (found.causes[0].id, found.causes[0].status) == ("layers-swapped", CONFIRMED)
    assert found.causes[0].about["layers"] == [1, 2]


@pytest.mark.parametrize(("kind", "layers", "two"), [form for form in FORMS if form[2]])
def test_directions_in_each_others_place_are_named(kind: str, layers: int, two: bool) -> None:
    net = Network(kind, layers, two)
    swapped = {
        name.removesuffix("_reverse") if name.endswith("_reverse") else f"{name}_reverse": tensor
        for name, tensor in net.weights.items()
    }
    found = net.check(net.run(swapped))
    assert (found.causes[0].id, found.causes[0].status) == ("directions-swapped", CONFIRMED)


@pytest.mark.parametrize(("kind", "layers", "two"), [form for form in FORMS if form[2]])
def test_a_backward_direction_that_reads_forward_is_named(kind: str, layers: int, two: bool) -> None:
    net = Network(kind, layers, two)
    found = net.check(net.run(net.weights, turned=False))
    assert {cause.id for cause in found.causes} == {"direction"}
    assert found.causes[0].status == CONFIRMED


def test_directions_that_are_merged_in_another_order_are_named() -> None:
    net = Network("LSTM", 1, True)
    ran = net.run(net.weights)
    found = net.check({**ran, "hidden": np.concatenate(np.split(ran["hidden"], 2, axis=2)[::-1], axis=2)})
    assert (found.causes[0].id, found.causes[0].status) == ("direction", CONFIRMED)
    assert "merged" in found.causes[0].detail


@pytest.mark.parametrize(("kind", "layers", "two"), FORMS)
def test_initial_states_in_another_order_are_named(kind: str, layers: int, two: bool) -> None:
    net = Network(kind, layers, two)
    found = net.check(net.run(net.weights, hidden=0 * net.hidden))
    assert (found.causes[0].id, found.causes[0].status) == ("initial-state", CONFIRMED)


@pytest.mark.parametrize("cells", ["h", "h_l0"])
def test_a_forget_bias_is_named(cells: str) -> None:
    net = Network("LSTM", 2, False)
    changed = {name: tensor.copy() for name, tensor in net.weights.items()}
    for name, tensor in changed.items():
        if name.startswith("bias_ih") and cells in name:
            tensor[U : 2 * U] += 1
    cause = net.check(net.run(changed)).causes[0]
    assert (cause.id, cause.status) == ("forget-bias", CONFIRMED)
    assert cause.about["value"] == 1
    assert cause.cells == (((0, 0), (1, 0)) if cells == "h" else ((0, 0),))


@pytest.mark.parametrize(
    ("id_", "fields"), [("forget-bias", {"forget_bias": 0.73}), ("cell-clip", {"cell_clip": 0.21})]
)
def test_a_constant_of_a_hidden_layer_is_fitted(id_: str, fields: dict[str, Any]) -> None:
    net = Network("LSTM", 2, False, 4)

    def really(case: Case, place: tuple[int, int]) -> Case:
        return case if place != (0, 0) else replace(case, equation=replace(case.equation, **fields))

    found = net.check(net.run(net.weights, really=really))
    (value,) = fields.values()
    assert (found.causes[0].id, found.causes[0].status) == (id_, CONFIRMED), found.causes
    assert found.causes[0].cells == ((0, 0),)
    assert found.causes[0].about["value"] == pytest.approx(value, rel=1e-5)


def test_one_weight_of_the_last_layer_is_named() -> None:
    net = Network("GRU", 2, False)
    changed = {name: tensor.copy() for name, tensor in net.weights.items()}
    changed["weight_hh_l1"][2, 1] += np.float32(0.3)
    cause = net.check(net.run(changed)).causes[0]
    assert (cause.id, cause.status, cause.cells) == ("parameter", CONFIRMED, ((1, 0),))
    assert cause.about["change"] == pytest.approx(0.3, rel=1e-3)


def test_where_nothing_is_known_what_to_record_is_said() -> None:
    net = Network("LSTM", 2, False)
    other = Network("LSTM", 2, False, seed=1)
    mixed = {name: (other if name.endswith("_l0") else net).weights[name] for name in net.weights}
    found = net.check(net.run(mixed))
    cause = found.causes[0]
    assert (found.verdict, cause.id) == (DIVERGE, "unknown")
    assert "outputs_l0" in cause.fix
    # With what is between the layers it is the first one alone.
    found = net.check(net.run(mixed), inner=True)
    assert {cell for one in found.causes for cell in one.cells} == {(0, 0)}


def test_the_last_states_tell_which_layers_are_right() -> None:
    net = Network("RNN", 3, False)
    other = Network("RNN", 3, False, seed=1)
    mixed = {name: (other if name.endswith("_l2") else net).weights[name] for name in net.weights}
    ran = net.run(mixed)
    arrays = {**net.recorded(ran), "last_hidden": ran["last_hidden"]}
    (cause,) = check(from_arrays(arrays)).causes
    assert cause.cells == ((2, 0),)


def test_a_network_that_rounding_decides_is_not_judged() -> None:
    net = Network("RNN", 3, False)
    net.weights = {name: 12 * tensor for name, tensor in net.weights.items()}
    net.inputs = np.random.RandomState(2).standard_normal((B, 60, SIZE)).astype("float32")
    assert net.check(net.run(net.weights)).verdict in (AGREE, CHAOTIC)


@pytest.mark.parametrize(("layers", "two"), [(1, True), (2, False), (2, True)])
def test_what_stands_past_the_lengths_of_a_network_is_judged(layers: int, two: bool) -> None:
    """Zeros or the last state are what apis return there; anything else is said, whatever was recorded."""
    net, lengths = Network("GRU", layers, two), np.array([9, 4, 6])
    arrays = {**net.recorded(net.run(net.weights)), "lengths": lengths}
    recording = from_arrays(arrays)
    assert isinstance(recording, NetworkRecording)
    counts = np.arange(recording.inputs.shape[1]) < lengths[:, None]
    ran = network.run([layer.layer for layer in recording.layers], recording.inputs, counts)
    hidden = ran[-1].outputs.values.astype("float32")
    assert check(from_arrays({**arrays, "hidden": hidden})).verdict == AGREE
    other = np.where(counts[:, :, None], hidden, np.float32(0.3))
    found = check(from_arrays({**arrays, "hidden": other}))
    assert found.verdict == DIVERGE
    assert found.causes[0].id == "masking"
    assert "return zeros as `hidden` at the steps past the lengths" in found.causes[0].fix


WRONG: dict[str, tuple[Callable[[Arrays], Any], str]] = {
    "a layer too many": (lambda a: a.update({"outputs_l5": a["hidden"]}), "outputs_l5"),
    "no outputs": (lambda a: a.pop("hidden"), "hidden"),
    "one state": (lambda a: a.update(initial_hidden=a["initial_hidden"][0]), "initial_hidden"),
    "another width": (lambda a: a.update(hidden=a["hidden"][..., :3]), "units"),
    "a tensor is missing": (lambda a: a.pop("weights/rnn.weight_hh_l1"), "weight_hh"),
    "an unknown tensor": (lambda a: a.update({"weights/rnn.what": a["hidden"]}), "what"),
    "another batch": (lambda a: a.update(hidden=a["hidden"][:2]), "hidden"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_network_is_refused(name: str) -> None:
    net = Network("GRU", 2, False)
    change, said = WRONG[name]
    arrays = net.recorded(net.run(net.weights))
    change(arrays)
    with pytest.raises(InputError, match=said):
        from_arrays(arrays)
