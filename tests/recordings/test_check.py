"""``rnnparity check``: what a person reads, the JSON, the exit status."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.faults import claiming

import rnnparity
from rnnparity import Case
from rnnparity.cli import commands
from rnnparity.errors import InputError
from rnnparity.recordings.check import check
from rnnparity.reference import forward
from rnnparity_adapters import layout, layouts
from rnnparity_adapters.equation import SIGMOID, Equation
from rnnparity_adapters.layout import Layout

Made = Callable[..., str]


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """Write a recording of an api whose trajectory is that of another equation; its path."""

    def write(api: str, native: Layout, equation: Equation, **more: Any) -> str:
        case = rnnparity.make_case(11, batch=3, steps=8, input_size=5, units=6, forget_bias=0.0)
        run = forward.run(replace(case, equation=equation))
        hidden, cell = run.hidden.astype("float32"), run.cell.astype("float32")
        tensors = layout.load(native, case.weights, 0.0)
        path = str(tmp_path / f"{len(list(tmp_path.iterdir()))}.npz")
        edit = more.pop("edit", lambda array: array)
        rnnparity.record(
            path, api, tensors, case.inputs, edit(hidden), edit(cell),
            initial_hidden=case.initial_hidden, initial_cell=case.initial_cell, **more,
        )  # fmt: skip
        return path

    return write


PLAIN = Equation(forget_bias=0.0)
ONE = Equation(forget_bias=1.0)
LESS = Equation(forget_bias=-0.5)


def test_a_clean_recording_agrees(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.main(["check", made("torch.nn.LSTM", layouts.TORCH_LAYER, PLAIN)]) == 0
    assert "torch.nn.LSTM agree" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("api", "native", "equation", "fix", "options"),
    [
        ("torch.nn.LSTM", layouts.TORCH_LAYER, ONE, "add 1 to `bias_ih_l0[U:2*U]`", {}),
        ("keras.layers.LSTM", layouts.KERAS, LESS, "subtract 0.5 from `bias[U:2*U]`", {}),
        ("tf.nn.rnn_cell.LSTMCell", layouts.TENSORFLOW, PLAIN, "pass `forget_bias=0`", {}),
        ("PF.lstm_cell", layouts.NNABLA_LSTM_CELL, ONE, "add 1 to `lstm/affine/b[2]`", {}),
        ("PF.lstm", layouts.NNABLA_LSTM, ONE, "add 1 to `lstm/bias[0, 0, 1]`", {}),
        (
            "article.lstm_cell_four_affines", layouts.NNABLA_FOUR_AFFINES, ONE,
            "add 1 to `Wf/affine/b`", {},
        ),
        (
            "keras.layers.LSTM", layouts.KERAS, replace(PLAIN, recurrent_activation=SIGMOID),
            "pass `recurrent_activation='sigmoid'`", {"version": "2.2.4"},
        ),
    ],
)  # fmt: skip
def test_the_change_is_written_for_the_api(
    made: Made,
    capsys: pytest.CaptureFixture[str],
    api: str,
    native: Layout,
    equation: Equation,
    fix: str,
    options: dict[str, Any],
) -> None:
    path = made(api, native, equation, **options)
    assert check(path).causes[0].fix == f"in {api} as given, {fix}"
    assert commands.main(["check", path]) == 1
    printed = capsys.readouterr().out
    assert fix in printed
    assert "(confirmed)" in printed
    assert " -> " in printed


def test_json_is_one_object_a_recording(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    good = made("torch.nn.LSTM", layouts.TORCH_LAYER, PLAIN)
    bad = made("torch.nn.LSTM", layouts.TORCH_LAYER, replace(PLAIN, coupled=True))
    assert commands.main(["check", good, bad, "--json", "-"]) == 1
    first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert (first["file"], first["verdict"], first["causes"]) == (good, "agree", [])
    cause = second["causes"][0]
    assert (cause["id"], cause["status"]) == ("coupled-gates", "confirmed")
    assert cause["after"] < 6 < cause["before"]
    assert set(cause) == {"id", "detail", "status", "before", "after", "about", "fix", "instead", "note"}


def test_a_bad_file_does_not_stop_the_others(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = made("torch.nn.LSTM", layouts.TORCH_LAYER, PLAIN)
    (tmp_path / "bad.npz").write_bytes(b"PK")
    assert commands.main(["check", str(tmp_path / "bad.npz"), good]) == 2
    out, err = capsys.readouterr()
    assert "agree" in out
    assert err.count("\n") == 1
    assert "bad.npz: file: got BadZipFile" in err


def test_nan_is_nonfinite(made: Made) -> None:
    def broken(array: np.ndarray) -> np.ndarray:
        array = array.copy()
        array[1, 2, 3] = np.nan
        return array

    checked = check(made("torch.nn.LSTM", layouts.TORCH_LAYER, PLAIN, edit=broken))
    assert checked.verdict == "nonfinite"
    assert not checked.causes


def test_steps_past_lengths(made: Made) -> None:
    lengths = np.array([8, 3, 5])

    def zeroed(array: np.ndarray) -> np.ndarray:
        return np.where((np.arange(8) < lengths[:, None])[:, :, None], array, np.float32(0))

    torch = made("torch.nn.LSTM", layouts.TORCH_LAYER, PLAIN, edit=zeroed, lengths=lengths)
    keras = made("keras.layers.LSTM", layouts.KERAS, PLAIN, edit=zeroed, lengths=lengths)
    assert check(torch).verdict == "agree"
    assert [cause.id for cause in check(keras).causes] == ["masking"]


def test_a_faulty_row_of_a_run_is_diagnosed() -> None:
    (target,) = rnnparity.select("numpy.lstm_cell")
    faulty = claiming(target, coupled=True)
    case: Case = rnnparity.make_case(0, batch=3, steps=6, input_size=5, units=4)
    row = rnnparity.run(case, [faulty]).rows[0]
    assert row.verdict == "diverge"
    assert row.causes[0].id == "coupled-gates"
    assert row.causes[0].status == "confirmed"


def test_an_api_that_nobody_knows(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="keras"):
        rnnparity.record(tmp_path / "a.npz", "keras.LSTM", {}, np.zeros((1, 1, 1)), np.zeros((1, 1, 1)))
