"""Two recordings crossed: what the weights of a port are, and what it makes of those of the original."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.writer import written

import rnnparity
from rnnparity import Case
from rnnparity.apis.catalogue import APIS
from rnnparity.cli import commands
from rnnparity.diagnosis.causes import CONFIRMED
from rnnparity.errors import InputError
from rnnparity.judge.comparison import AGREE, DIVERGE
from rnnparity.recordings.crossed import Crossing, cross
from rnnparity.recordings.recording import from_arrays
from rnnparity.selftest import plain_cells
from rnnparity_adapters.layout import Weights


def drawn(api: str, **sizes: Any) -> Case:
    case = rnnparity.make_case(3, **{"batch": 3, "steps": 8, "input_size": 5, "units": 6, **sizes})
    return replace(case, equation=APIS[api].equation({}))


def recorded(api: str, case: Case) -> dict[str, Any]:
    run = plain_cells.run(case)
    return written(APIS[api], case, run.hidden, run.cell, {})


def crossed(one: dict[str, Any], other: dict[str, Any]) -> Crossing:
    return cross(("one", "other"), (from_arrays(one), from_arrays(other)))


def reordered(case: Case, order: tuple[int, ...]) -> Case:
    kernel = case.weights.kernel.reshape(len(case.weights.kernel), 4, -1)[:, list(order)]
    bias = case.weights.bias.reshape(4, -1)[list(order)]
    return replace(case, weights=Weights(kernel.reshape(case.weights.kernel.shape), bias.reshape(-1)))


def test_the_same_cell_with_other_inputs_agrees() -> None:
    """Trajectories that have nothing in common, of layouts that have nothing in common."""
    torch, keras = drawn("torch.nn.LSTM"), drawn("keras.layers.LSTM")
    other = rnnparity.make_case(8, batch=3, steps=8, input_size=5, units=6)
    found = crossed(
        recorded("torch.nn.LSTM", torch), recorded("keras.layers.LSTM", replace(keras, inputs=other.inputs))
    )
    assert found.verdict == AGREE
    assert found.remarks == (
        "the inputs of other are others than those of one", "the weights of other are those of one",
    )  # fmt: skip


@pytest.mark.parametrize("order", [(0, 2, 1, 3), (2, 0, 3, 1), (3, 2, 1, 0)])
def test_weights_that_were_read_wrong_are_named(order: tuple[int, ...]) -> None:
    """Each agrees with itself, so that alone neither is wrong."""
    case = drawn("torch.nn.LSTM")
    port = reordered(drawn("keras.layers.LSTM"), order)
    found = crossed(recorded("torch.nn.LSTM", case), recorded("keras.layers.LSTM", port))
    assert (found.one.checked.verdict, found.other.checked.verdict) == (AGREE, AGREE)
    assert found.verdict == DIVERGE
    (remark,) = found.remarks
    belong = ", ".join("ifgo"["ifjo".index("ijfo"[k])] for k in order)
    named = dict(zip("ijfo", belong.split(", "), strict=True))
    said = ", ".join(named[gate] for gate in "ifjo")
    assert remark.endswith(f"where i, f, g, o belong, the kernels and bias have {said}")
    for way in found.ways:
        assert (way.causes[0].id, way.causes[0].status) == ("gate-order", CONFIRMED)


def test_gates_and_units_in_turn_are_named() -> None:
    case = drawn("canonical", units=12)

    def in_turn(array: np.ndarray) -> np.ndarray:
        return array.reshape(*array.shape[:-1], 4, 12).swapaxes(-1, -2).reshape(array.shape)

    port = replace(case, weights=Weights(in_turn(case.weights.kernel), in_turn(case.weights.bias)))
    found = crossed(recorded("canonical", case), recorded("canonical", port))
    assert found.remarks[0].startswith(
        "the weights of other are those of one, but the blocks are read unit by"
    )


def test_a_port_that_computes_another_function_is_named_from_both_sides() -> None:
    original, port = drawn("tf.nn.rnn_cell.LSTMCell"), drawn("torch.nn.LSTM")
    found = crossed(recorded("tf.nn.rnn_cell.LSTMCell", original), recorded("torch.nn.LSTM", port))
    assert found.remarks == ("the weights of other are those of one",)
    assert [way.causes[0].id for way in found.ways] == ["forget-bias", "forget-bias"]
    assert "pass `forget_bias=0`" in found.ways[0].causes[0].fix
    assert "add 1 to `scope/bias_ih_l0[U:2*U]`" in found.ways[1].causes[0].fix


def test_a_forget_bias_in_the_weights_is_named() -> None:
    case = drawn("torch.nn.LSTM")
    bias = case.weights.bias.copy()
    bias[12:18] += 1  # the forget gate's
    port = replace(case, weights=Weights(case.weights.kernel, bias))
    found = crossed(recorded("torch.nn.LSTM", case), recorded("torch.nn.LSTM", port))
    assert found.remarks == ("the weights of other are those of one, but its forget bias is larger by 1",)


def test_another_checkpoint_is_named() -> None:
    case, other = drawn("torch.nn.LSTM"), rnnparity.make_case(9, batch=3, steps=8, input_size=5, units=6)
    port = replace(case, weights=other.weights)
    found = crossed(recorded("torch.nn.LSTM", case), recorded("torch.nn.LSTM", port))
    assert found.remarks == ("all weights of other are others than those of one",)
    assert found.verdict == DIVERGE


def test_other_sizes_cannot_be_crossed() -> None:
    with pytest.raises(InputError, match="units of other: got 7, but should be 6, as in one"):
        crossed(
            recorded("torch.nn.LSTM", drawn("torch.nn.LSTM")),
            recorded("torch.nn.LSTM", drawn("torch.nn.LSTM", units=7)),
        )


def test_the_command_crosses_recordings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case = drawn("torch.nn.LSTM")
    np.savez(tmp_path / "a.npz", **recorded("torch.nn.LSTM", case))
    np.savez(tmp_path / "b.npz", **recorded("torch.nn.LSTM", reordered(case, (0, 2, 1, 3))))
    np.save(tmp_path / "c.npy", plain_cells.run(case).hidden)
    a, b, c = (str(tmp_path / name) for name in ("a.npz", "b.npz", "c.npy"))
    assert commands.main(["diff", a, a]) == commands.ALL_AGREE
    assert capsys.readouterr().out.startswith(f"agree: {a} and {a}, crossed\n")
    assert commands.main(["diff", a, b]) == commands.SOMETHING_DIVERGES
    printed = capsys.readouterr().out
    assert f"weights of {a} with inputs and outputs of {b}: diverge" in printed
    assert "gate-order (confirmed)" in printed
    assert commands.main(["diff", a, c]) == commands.ALL_AGREE  # without weights on one side
    assert "agree: they are the same, bit for bit" in capsys.readouterr().out
