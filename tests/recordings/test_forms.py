"""Forms of recordings: directions with lengths, rows of no steps, ONNX's lists, missing biases."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from support.writer import Arrays, written

import rnnparity
from rnnparity import Case
from rnnparity.apis.catalogue import APIS
from rnnparity.errors import InputError
from rnnparity.judge.comparison import AGREE, DIVERGE
from rnnparity.recordings.check import check
from rnnparity.recordings.recording import from_arrays, read_recording
from rnnparity.recordings.stored import record
from rnnparity.selftest import plain_cells

LENGTHS = np.array([8, 3, 5, 0])


def draw(api: str, options: dict[str, Any] | None = None) -> Case:
    known = APIS[api]
    equation = known.equation(options or {})
    case = rnnparity.make_case(2, batch=4, steps=8, input_size=5, units=6, cell=known.layout.cell)
    bias = case.weights.bias.copy()
    if "m" in case.kind.bias_gates and not any("m" in t.gates for t in known.layout_for(equation).biases):
        bias[-6:] = 0
    weights = case.weights._replace(bias=bias)
    return Case(equation, weights, case.inputs, case.initial_hidden, case.initial_cell)


def arrays_of(api: str, case: Case, hidden: np.ndarray, options: dict[str, Any], **more: Any) -> Arrays:
    return {**written(APIS[api], case, hidden, None, options), **more}


def turned(sequence: np.ndarray) -> np.ndarray:
    """Each row the other way round, within its length."""
    made = sequence.copy()
    for row, length in enumerate(LENGTHS):
        made[row, :length] = sequence[row, :length][::-1]
    return made


def masked(hidden: np.ndarray, value: float = 0.0) -> np.ndarray:
    past = np.arange(8) >= LENGTHS[:, None]
    return np.where(past[:, :, None], np.float32(value), hidden)


@pytest.mark.parametrize("api", ["onnx.LSTM", "onnx.GRU", "onnx.RNN"])
def test_a_reverse_run_with_lengths_turns_each_row_within_its_own(api: str) -> None:
    case, options = draw(api), {"direction": "reverse"}
    hidden = masked(plain_cells.run(case).hidden)
    arrays = arrays_of(api, case, turned(hidden), options, lengths=LENGTHS)
    arrays["inputs"] = turned(case.inputs)
    assert check(from_arrays(arrays)).verdict == AGREE
    arrays["inputs"] = case.inputs
    found = check(from_arrays(arrays))
    assert (found.verdict, found.causes[0].id) == (DIVERGE, "direction")


def test_keras_reads_the_padding_first() -> None:
    """Its mask is turned with the sequence, so a backward layer returns zeros until the first real step."""
    case, options = draw("keras.layers.GRU"), {"go_backwards": True}
    hidden = masked(plain_cells.run(case).hidden)
    rolled = np.stack([np.roll(row, 8 - n, axis=0) for row, n in zip(hidden, LENGTHS, strict=True)])
    for states in (rolled, hidden):
        arrays = arrays_of("keras.layers.GRU", case, states, options, lengths=LENGTHS)
        arrays["inputs"] = turned(case.inputs)
        found = check(from_arrays(arrays))
        # What is past the lengths is zero there only where the padding was read first.
        assert found.verdict == (AGREE if states is rolled else DIVERGE)
        assert {cause.id for cause in found.causes} <= {"masking"}


@pytest.mark.parametrize(
    ("api", "activations", "alpha"),
    [
        ("onnx.LSTM", ["Sigmoid", "Relu", "Softsign"], None),
        ("onnx.LSTM", ["HardSigmoid", "Tanh", "Tanh"], [1 / 6]),
        ("onnx.GRU", ["HardSigmoid", "Softsign"], None),
        ("onnx.RNN", ["relu"], None),
    ],
)
def test_onnx_lists_its_activations(api: str, activations: list[str], alpha: list[float] | None) -> None:
    options: dict[str, Any] = {"activations": activations}
    options |= {} if alpha is None else {"activation_alpha": alpha}
    case = draw(api, options)
    hidden = plain_cells.run(case).hidden
    assert check(from_arrays(arrays_of(api, case, hidden, options))).verdict == AGREE
    assert check(from_arrays(arrays_of(api, case, hidden, {}))).verdict == DIVERGE


def test_a_list_of_activations_is_refused_with_what_is_allowed() -> None:
    case = draw("onnx.LSTM")
    hidden = plain_cells.run(case).hidden
    for listed, said in ((["Sigmoid", "Gelu", "Tanh"], "Gelu"), (["Tanh"], "3 functions")):
        with pytest.raises(InputError, match=said):
            from_arrays(arrays_of("onnx.LSTM", case, hidden, {"activations": listed}))


def test_biases_that_an_api_need_not_have_may_be_missing() -> None:
    for api in ("onnx.LSTM", "torch.nn.GRU", "PF.rnn"):
        case = draw(api)
        case = replace(case, weights=case.weights._replace(bias=0 * case.weights.bias))
        hidden = plain_cells.run(case).hidden
        arrays = written(APIS[api], case, hidden, None, {}, biases=False)
        assert check(from_arrays(arrays)).verdict == AGREE
    api = "tf.nn.rnn_cell.GRUCell"  # which always has some
    case = draw(api)
    with pytest.raises(InputError, match="gates/bias"):
        from_arrays(written(APIS[api], case, plain_cells.run(case).hidden, None, {}, biases=False))


def test_a_padding_value_is_what_stands_past_the_lengths() -> None:
    case = draw("torch.nn.GRU")
    hidden = masked(plain_cells.run(case).hidden, -1.0)
    arrays = arrays_of("torch.nn.GRU", case, hidden, {"padding_value": -1.0}, lengths=LENGTHS)
    assert check(from_arrays(arrays)).verdict == AGREE
    arrays = arrays_of("torch.nn.GRU", case, hidden, {}, lengths=LENGTHS)
    assert check(from_arrays(arrays)).causes[0].id == "masking"


def test_stepped_states_are_recorded(tmp_path: Any) -> None:
    case = draw("torch.nn.LSTM")
    hidden, cell = plain_cells.run(case)
    file = tmp_path / "run.npz"
    weights = {
        name.rpartition("/")[2]: array
        for name, array in written(APIS["torch.nn.LSTM"], case, hidden, cell, {}).items()
        if name.startswith("weights/")
    }
    record(
        file, "torch.nn.LSTM", weights, case.inputs, hidden, cell,
        initial_hidden=case.initial_hidden, initial_cell=case.initial_cell, stepped_hidden=hidden,
    )  # fmt: skip
    assert np.array_equal(read_recording(file).trajectory["stepped_hidden"], hidden)
    assert check(file).verdict == AGREE
    assert json.loads(str(np.load(file)["meta"]))["api"] == "torch.nn.LSTM"
