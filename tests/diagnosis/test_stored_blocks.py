"""Blocks as they are stored, read in a wrong order, the forget bias among them."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

import rnnparity
from rnnparity.apis.catalogue import APIS
from rnnparity.diagnosis import explain
from rnnparity.diagnosis.causes import CONFIRMED, Cause
from rnnparity.selftest import plain_cells
from rnnparity_adapters.layout import Layout, Tensor, Weights, extract, load

LSTMS = [
    name
    for name, api in APIS.items()
    if api.layout.cell == "lstm"
    and {gate for tensor in api.layout.tensors for gate in tensor.gates} == {*"ijfo"}
]
ORDERS = list(itertools.permutations("ijfo"))[1:]


def misread(layout: Layout, order: tuple[str, ...]) -> Layout:
    """The layout of an author who takes each gate's block for another one's."""
    taken = dict(zip("ijfo", order, strict=True))
    tensors = tuple(
        Tensor(tensor.name, tensor.axes, "".join(taken[gate] for gate in tensor.gates))
        for tensor in layout.tensors
    )
    return replace(layout, tensors=tensors, forget_bias="equation")


def diagnosed(name: str, order: tuple[str, ...], forget_bias: float, added_by: str) -> list[Cause]:
    """The causes of a port of this api that reads the blocks in ``order``."""
    api = APIS[name]
    case = rnnparity.make_case(3, batch=3, steps=8, input_size=5, units=6, forget_bias=forget_bias)
    case = replace(case, equation=replace(api.equation({}), forget_bias=forget_bias))
    tensors = load(api.layout, case.weights, forget_bias)
    read = extract(misread(api.layout, order), tensors)
    really = replace(case, weights=Weights(*(array.astype("float32") for array in read)))
    if added_by == "tensors":
        really = replace(really, equation=replace(case.equation, forget_bias=0.0))
    hidden, cell = plain_cells.run(really)
    return explain.diagnose(api, case, hidden, cell, weights=tensors)


@pytest.mark.parametrize("name", LSTMS)
def test_every_wrong_order_of_the_stored_blocks_is_named(name: str) -> None:
    """With a forget bias of one, which some apis store and others add."""
    for order in ORDERS:
        added_by = "tensors" if APIS[name].layout.forget_bias == "bias" else "cell"
        causes = diagnosed(name, order, 1.0, added_by)
        assert (causes[0].id, causes[0].status) == ("gate-order", CONFIRMED), (order, causes)
        assert "forget bias" not in causes[0].detail


def test_the_ones_that_a_converter_moves_along_are_told() -> None:
    """Whoever adds the forget bias to TensorFlow's bias first, and reorders then, moves the ones as well."""
    api = APIS["tf.nn.rnn_cell.LSTMCell"]
    case = rnnparity.make_case(3, batch=3, steps=8, input_size=5, units=6)
    tensors = load(api.layout, case.weights, 1.0)
    bias = case.weights.bias.reshape(4, -1) + np.array([0, 0, 1, 0], "float32")[:, None]
    order = [0, 2, 1, 3]
    kernel = case.weights.kernel.reshape(len(case.weights.kernel), 4, -1)[:, order]
    moved = Weights(kernel.reshape(len(kernel), -1), bias[order].reshape(-1))
    really = replace(case, weights=moved, equation=replace(case.equation, forget_bias=0.0))
    hidden, cell = plain_cells.run(really)
    (cause,) = explain.diagnose(api, case, hidden, cell, weights=tensors)
    assert (cause.id, cause.status) == ("gate-order", CONFIRMED)
    assert cause.detail.endswith("and the forget bias went along with its block")


@pytest.mark.parametrize("factors", [(1, 0), (0, 1), (0, 0), (2, 2)])
def test_a_dropped_bias_takes_its_part_of_the_forget_bias_along(factors: tuple[int, int]) -> None:
    api = APIS["torch.nn.LSTMCell"]
    case = rnnparity.make_case(3, batch=3, steps=8, input_size=5, units=6)
    tensors = load(api.layout, case.weights, 1.0)
    pairs = zip(factors, ("bias_ih", "bias_hh"), strict=True)
    used = tensors | {name: factor * tensors[name] for factor, name in pairs}
    read = extract(replace(api.layout, forget_bias=""), used)
    really = replace(case, weights=Weights(*read), equation=replace(case.equation, forget_bias=0.0))
    hidden, cell = plain_cells.run(really)
    cause = explain.diagnose(api, case, hidden, cell, weights=tensors)[0]
    assert cause.id == ("bias-doubled" if 2 in factors else "bias-dropped")
    assert cause.status == CONFIRMED
    assert (cause.about["input"], cause.about["recurrent"]) == factors
