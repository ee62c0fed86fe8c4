"""Every layout, and that a wrong one cannot pass."""

import dataclasses
import itertools

import numpy as np
import pytest
from support.cases import SIZES
from support.records import RECORDS

import rnnparity
from rnnparity import Case
from rnnparity.apis.selection import PUBLISHED_TARGETS, TARGETS
from rnnparity.judge import compare, comparison
from rnnparity_adapters import layout
from rnnparity_adapters.layout import Layout, LayoutError, Tensor, Weights
from rnnparity_adapters.layouts import (
    BLOCK_LSTM,
    KERAS,
    NNABLA_LSTM,
    NNABLA_LSTM_CELL,
    TENSORFLOW,
    TORCH_LAYER,
)

GATES = "ijfo"

LAYOUTS = {target.key: target.layout for target in (*TARGETS, *PUBLISHED_TARGETS)}


@pytest.fixture(params=list(LAYOUTS.values()), ids=list(LAYOUTS))
def any_layout(request: pytest.FixtureRequest) -> Layout:
    assert isinstance(request.param, Layout)
    return request.param


@pytest.fixture
def held(any_layout: Layout) -> Case:
    """A case of its kind of cell, with the biases that it has."""
    drawn = rnnparity.make_case(7, **SIZES, cell=any_layout.cell)
    return dataclasses.replace(drawn, weights=layout.held(any_layout, drawn.weights))


def test_round_trip_is_bit_for_bit(any_layout: Layout, held: Case) -> None:
    native = layout.load(any_layout, held.weights, held.equation.forget_bias)
    assert {name: array.shape for name, array in native.items()} == any_layout.shapes(
        held.input_size, held.units
    )
    assert {array.dtype for array in native.values()} == {held.weights.kernel.dtype}
    extracted = layout.extract(any_layout, native, held.equation.forget_bias)
    assert compare.compare_weights(extracted, held.weights, any_layout.cell).verdict == comparison.AGREE


def test_every_native_element_matters(any_layout: Layout, held: Case) -> None:
    """One changed element of any tensor changes exactly one canonical element."""
    native = layout.load(any_layout, held.weights, held.equation.forget_bias)
    before = layout.extract(any_layout, native, held.equation.forget_bias)
    for name, array in native.items():
        for position in np.ndindex(array.shape):
            changed = {**native, name: array.copy()}
            changed[name][position] += 1
            after = layout.extract(any_layout, changed, held.equation.forget_bias)
            assert sum(int((a != b).sum()) for a, b in zip(after, before, strict=True)) == 1


def test_two_biases_both_carry_weight(case: Case) -> None:
    native = layout.load(TORCH_LAYER, case.weights, 1.0)
    assert np.all(native["bias_ih_l0"] != 0)
    assert np.all(native["bias_hh_l0"] != 0)
    assert not np.array_equal(native["bias_ih_l0"], native["bias_hh_l0"])


def test_torch_by_hand() -> None:
    """I = 1, U = 1: the canonical columns i, j, f, o become PyTorch's rows i, f, g, o, with 1 added to f."""
    weights = Weights(np.array([[1.0, 2, 3, 4], [5, 6, 7, 8]]), np.array([10.0, 20, 30, 40]))
    native = layout.load(TORCH_LAYER, weights, 1.0)
    assert native["weight_ih_l0"].tolist() == [[1], [3], [2], [4]]
    assert native["weight_hh_l0"].tolist() == [[5], [7], [6], [8]]
    assert (native["bias_ih_l0"] + native["bias_hh_l0"]).tolist() == [10, 31, 20, 40]


def test_nnabla_by_hand() -> None:
    weights = Weights(np.array([[1.0, 2, 3, 4], [5, 6, 7, 8]]), np.array([10.0, 20, 30, 40]))
    assert layout.load(NNABLA_LSTM, weights, 0.0)["lstm/weight_l0"].tolist() == [
        [[[1, 5]], [[3, 7]], [[2, 6]], [[4, 8]]]
    ]
    assert layout.load(NNABLA_LSTM_CELL, weights, 0.0)["lstm/affine/W"].tolist() == [
        [[1], [4], [3], [2]],
        [[5], [8], [7], [6]],
    ]


def test_interleaved_gates() -> None:
    """``(unit gate)``: the four gates of unit 0, then the four of unit 1."""
    interleaved = Tensor("b", "(unit gate)", GATES)
    native = interleaved.to_native(np.array([[1, 2], [3, 4], [5, 6], [7, 8]]))
    assert native.tolist() == [1, 3, 5, 7, 2, 4, 6, 8]
    assert interleaved.from_native(native, 1, 2).tolist() == [[1, 2], [3, 4], [5, 6], [7, 8]]


def test_convert_is_load_after_extract(case: Case) -> None:
    keras = layout.load(KERAS, case.weights, 1.0)
    torch = layout.convert(KERAS, TORCH_LAYER, keras, 1.0)
    expected = layout.load(TORCH_LAYER, case.weights, 1.0)
    for name, array in expected.items():
        np.testing.assert_array_equal(torch[name], array)
        assert torch[name].dtype == array.dtype


@pytest.mark.parametrize("order", ["".join(p) for p in itertools.permutations(GATES) if "".join(p) != GATES])
def test_a_wrong_gate_order_is_noticed(order: str, case: Case) -> None:
    """Loaded in one order and read back in another: never bit for bit."""
    wrong = Layout((Tensor("w", "xh (gate unit)", order), Tensor("b", "(gate unit)", order)), "equation")
    native = layout.load(wrong, case.weights, 1.0)
    extracted = layout.extract(BLOCK_LSTM, native, 1.0)
    compared = compare.compare_weights(extracted, case.weights)
    assert compared.verdict == comparison.DIVERGE
    elsewhere = [gate for gate, other in zip(GATES, order, strict=True) if gate != other]
    assert compared.reason.endswith("in gate " + ", ".join(elsewhere))


def test_what_does_not_fit_is_refused(case: Case) -> None:
    native = layout.load(TENSORFLOW, case.weights, 1.0)
    with pytest.raises(LayoutError, match=r"tensors \['kernel'\], but should be \['bias', 'kernel'\]"):
        layout.extract(TENSORFLOW, {"kernel": native["kernel"]}, 1.0)
    with pytest.raises(LayoutError, match="extra"):
        layout.extract(TENSORFLOW, {**native, "extra": native["bias"]}, 1.0)
    with pytest.raises(LayoutError, match=r"kernel has shape \[16, 9\], but should have \[9, 16\]"):
        layout.extract(TENSORFLOW, {**native, "kernel": native["kernel"].T}, 1.0)


@pytest.mark.parametrize("name", RECORDS)
def test_describe_points_at_the_gates(name: str) -> None:
    """Each slice, used as an index, picks the canonical block of its gate, and together they pick everything
    once; of a bias that several tensors hold, the parts add up to it.
    """
    record = RECORDS[name]
    case = rnnparity.make_case(seed=7, **SIZES, cell=record.cell)
    gates, bias_gates = case.kind.gates, case.kind.bias_gates
    held = {gate for tensor in record.biases for gate in tensor.gates}
    in_kernels = {gate for tensor in record.tensors if tensor not in record.biases for gate in tensor.gates}
    kernel = case.weights.kernel.reshape(-1, len(gates), case.units).copy()
    kernel[:, [gate not in in_kernels for gate in gates]] = 0
    bias = {
        gate: block * (gate in held)
        for gate, block in zip(bias_gates, np.split(case.weights.bias, len(bias_gates)), strict=True)
    }
    weights = Weights(kernel.reshape(len(kernel), -1), np.concatenate(list(bias.values())))
    native = layout.load(record, weights, 0.0)
    blocks = {"x": slice(0, case.input_size), "h": slice(case.input_size, None), "xh": slice(None)}
    times = {tensor: np.zeros(array.shape) for tensor, array in native.items()}
    added = {gate: np.zeros_like(block) for gate, block in bias.items()}
    for found in layout.describe(record, case.input_size, case.units):
        arrays = {"array": native[found.tensor], "times": times[found.tensor]}
        picked = eval(f"array{found.subscript}", arrays)
        exec(f"times{found.subscript} += 1", arrays)
        if found.rows:
            expected = kernel[blocks[found.rows], gates.index(found.gate)]
            assert np.array_equal(picked, expected) or np.array_equal(picked.T, expected)
        else:
            added[found.gate] += picked
    for gate, block in bias.items():
        assert np.array_equal(added[gate], block), gate
    assert all(np.all(array == 1) for array in times.values())


def test_the_adjoint_of_extracting(any_layout: Layout, held: Case) -> None:
    """<adjoint(g), t> is <g, extract(t)> for any g and t: that is what an adjoint is."""
    random = np.random.RandomState(5)
    shapes = any_layout.shapes(held.input_size, held.units)
    tensors = {name: random.standard_normal(shape) for name, shape in shapes.items()}
    extracted = layout.extract(any_layout, tensors)
    by_weights = Weights(*(random.standard_normal(each.shape) for each in extracted))
    native = layout.adjoint(any_layout, by_weights)
    assert {name: array.shape for name, array in native.items()} == shapes
    inner = sum(float((native[name] * tensors[name]).sum()) for name in tensors)
    expected = sum(float((g * w).sum()) for g, w in zip(by_weights, extracted, strict=True))
    np.testing.assert_allclose(inner, expected, rtol=1e-12)
