"""Recordings: written, read back, and refused in one line whatever is wrong with them."""

import contextlib
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnnparity import Case
from rnnparity.errors import InputError
from rnnparity.recordings.recording import Recording, read_recording
from rnnparity.recordings.stored import record
from rnnparity_adapters import layout, layouts

Arrays = dict[str, Any]


@pytest.fixture
def arrays(arrays: Arrays) -> Arrays:
    """A good recording of torch.nn.LSTM, as arrays by their names in the file."""
    meta = {"recording": 1, "api": "torch.nn.LSTM", "version": "2.13.0", "options": {}}
    return {**arrays, "meta": json.dumps(meta)}


def written(folder: Path, arrays: Arrays) -> Path:
    np.savez(folder / "recording.npz", **arrays)
    return folder / "recording.npz"


def test_what_is_written_is_read(tmp_path: Path, arrays: Arrays, case: Case) -> None:
    recording = read_recording(written(tmp_path, arrays))
    assert (recording.api, recording.version, recording.arithmetic) == ("torch.nn.LSTM", "2.13.0", "float32")
    assert np.allclose(recording.case.weights.kernel, case.weights.kernel, atol=0)
    assert recording.case.equation.forget_bias == 0
    assert np.array_equal(recording.hidden, arrays["hidden"])


def test_record_writes_what_read_reads(tmp_path: Path, arrays: Arrays) -> None:
    weights = {name.removeprefix("weights/"): a for name, a in arrays.items() if name.startswith("weights/")}
    path = tmp_path / "made.npz"
    made = record(path, "torch.nn.LSTM", weights, arrays["inputs"], arrays["hidden"], version="2.13.0")
    again = read_recording(path)
    assert again.api == made.api
    assert again.cell is None
    assert np.array_equal(again.hidden, arrays["hidden"])


def test_record_writes_the_same_bytes(tmp_path: Path, arrays: Arrays) -> None:
    weights = {name.removeprefix("weights/"): a for name, a in arrays.items() if name.startswith("weights/")}
    for name in ("one.npz", "two.npz"):
        record(tmp_path / name, "torch.nn.LSTM", weights, arrays["inputs"], arrays["hidden"])
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()


def test_record_takes_a_layer(tmp_path: Path, arrays: Arrays) -> None:
    class Layer:
        def named_parameters(self) -> list[tuple[str, Any]]:
            return [(n.removeprefix("weights/"), a) for n, a in arrays.items() if n.startswith("weights/")]

    record(tmp_path / "a.npz", "torch.nn.LSTM", Layer(), arrays["inputs"], arrays["hidden"])
    assert set(read_recording(tmp_path / "a.npz").weights) == set(layouts.TORCH_LAYER.names)


@pytest.mark.parametrize(
    ("api", "stored", "native"),
    [
        ("tf.nn.rnn_cell.BasicLSTMCell", "rnn/basic_lstm_cell/{}:0", layouts.TENSORFLOW),
        ("keras.layers.LSTM", "lstm/lstm_cell/{}", layouts.KERAS),
        ("torch.nn.LSTM", "encoder.{}", layouts.TORCH_LAYER),
        ("PF.lstm", "net/{}", layouts.NNABLA_LSTM),
    ],
)
def test_a_scope_before_the_name_is_accepted(
    tmp_path: Path, arrays: Arrays, case: Case, api: str, stored: str, native: layout.Layout
) -> None:
    tensors = layout.load(native, case.weights, case.equation.forget_bias)
    scoped = {stored.format(name): tensor for name, tensor in tensors.items()}
    recording = record(tmp_path / "a.npz", api, scoped, arrays["inputs"], arrays["hidden"])
    assert isinstance(recording, Recording)
    assert set(recording.weights) == set(native.names)
    assert recording.names[native.names[0]] == stored.format(native.names[0])
    run = recording.case.weights.bias + recording.case.equation.forget_bias * np.repeat([0, 0, 1, 0], 4)
    expected = case.weights.bias + case.equation.forget_bias * np.repeat([0, 0, 1, 0], 4)
    assert np.allclose(run, expected, atol=1e-6)


def test_onnx_holds_two_biases_in_one(tmp_path: Path, arrays: Arrays, case: Case) -> None:
    tensors = layout.load(layouts.ONNX, case.weights, 1.0)
    tensors["B"] = np.concatenate([tensors.pop("Wb"), tensors.pop("Rb")], axis=1)
    recording = record(tmp_path / "a.npz", "onnx.LSTM", tensors, arrays["inputs"], arrays["hidden"])
    assert isinstance(recording, Recording)
    forget = recording.case.weights.bias.reshape(4, -1)[2] - case.weights.bias.reshape(4, -1)[2]
    assert np.allclose(forget, 1)


@pytest.mark.parametrize(
    ("version", "expected"), [("2.2.4", "hard_sigmoid(z/5 + 1/2)"), ("2.15.0", "sigmoid"), ("", "sigmoid")]
)
def test_defaults_are_those_of_the_version(
    tmp_path: Path, arrays: Arrays, case: Case, version: str, expected: str
) -> None:
    tensors = layout.load(layouts.KERAS, case.weights, 1.0)
    path = tmp_path / "a.npz"
    made = record(path, "keras.layers.LSTM", tensors, arrays["inputs"], arrays["hidden"], version=version)
    assert isinstance(made, Recording)
    assert made.case.equation.recurrent_activation == expected


def without(name: str) -> Callable[[Arrays], Arrays]:
    return lambda arrays: {key: value for key, value in arrays.items() if key != name}


def having(name: str, value: Any) -> Callable[[Arrays], Arrays]:
    return lambda arrays: {**arrays, name: value}


def meta(**changes: Any) -> Callable[[Arrays], Arrays]:
    return lambda arrays: {**arrays, "meta": json.dumps({**json.loads(arrays["meta"]), **changes})}


BAD: dict[str, Callable[[Arrays], Arrays]] = {
    "no inputs": without("inputs"),
    "no meta": without("meta"),
    "extra array": having("outputs", np.zeros(3)),
    "missing tensor": without("weights/bias_hh_l0"),
    "extra tensor": having("weights/weight_xx_l0", np.zeros((4, 4))),
    "another layer": having("weights/weight_ih_l1", np.zeros((16, 4))),
    "another direction": having("weights/weight_ih_l0_reverse", np.zeros((16, 5))),
    "states of no layer": having("initial_hidden", np.zeros((0, 3, 4), "float32")),
    "states of two layers": having("initial_hidden", np.zeros((2, 3, 4), "float32")),
    "the same tensor twice": having("weights/a.bias_hh_l0", np.zeros(16)),
    "wrong shape": having("weights/bias_hh_l0", np.zeros(15)),
    "wrong steps": having("cell", np.zeros((3, 6, 4), "float32")),
    "no steps": having("inputs", np.zeros((3, 0, 5), "float32")),
    "inputs of another size": having("inputs", np.zeros((3, 7, 6), "float32")),
    "complex": having("inputs", np.zeros((3, 7, 5), "complex64")),
    "text": having("inputs", np.array("hello")),
    "NaN weight": having("weights/bias_hh_l0", np.full(16, np.nan)),
    "cell of another dtype": having("cell", np.zeros((3, 7, 4), "float64")),
    "lengths out of range": having("lengths", np.array([1, 2, 9])),
    "unknown api": meta(api="torch.nn.LSTMM"),
    "api that is no text": meta(api=["torch"]),
    "unknown format": meta(recording=2),
    "unknown option": meta(options={"hiden_size": 4}),
    "two layers": meta(options={"num_layers": 2}),
    "bidirectional": meta(options={"bidirectional": True}),
    "an option of another api": meta(options={"use_peepholes": True}),
    "options that are a list": meta(options=[1]),
    "meta that is no JSON": having("meta", "api=torch"),
    "meta that is a list": having("meta", "[1]"),
    "pickled": having("inputs", np.array([{"a": 1}], dtype=object)),
}


@pytest.mark.parametrize("change", BAD.values(), ids=BAD)
def test_bad_recordings_get_one_line(
    tmp_path: Path, arrays: Arrays, change: Callable[[Arrays], Arrays]
) -> None:
    with pytest.raises(InputError) as caught:
        read_recording(written(tmp_path, change(arrays)))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 700


def test_nearest_names_are_given(tmp_path: Path, arrays: Arrays) -> None:
    with pytest.raises(InputError, match=r"torch\.nn\.LSTM or "):
        read_recording(written(tmp_path, meta(api="torch.LSTM")(arrays)))


def test_other_axes_and_another_cell_are_guessed(tmp_path: Path, arrays: Arrays) -> None:
    turned = {**arrays, "hidden": arrays["hidden"].swapaxes(0, 1)}
    with pytest.raises(
        InputError, match=r"got shape \[7, 3, 4\], but should be \[3, 7, P\]: batch before time"
    ):
        read_recording(written(tmp_path, turned))
    with pytest.raises(InputError, match=r"fit torch\.nn\.GRU, .*; they would fit torch\.nn\.LSTM or paddle"):
        read_recording(written(tmp_path, meta(api="torch.nn.GRU")(arrays)))


def header(shape: str) -> bytes:
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


def zipped(**entries: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(f"{name}.npy", content)
    return stream.getvalue()


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


FILES = {
    "empty": b"",
    "no zip": b"hello, this is no zip file at all",
    "truncated": zipped(inputs=npy(np.random.RandomState(0).rand(99)))[:-40],
    "corrupt": zipped(inputs=npy(np.zeros(99))).replace(b"\x93", b"\x94", 1),
    "absurd header": zipped(inputs=header("(1000000000000, 1000000000000)")),
    "negative header": zipped(inputs=header("(-1, 4)")),
    "header that lies": zipped(inputs=header("(1000, 4)") + bytes(16)),
    "no header": zipped(inputs=b"abc"),
    "code in the header": zipped(inputs=header("__import__('os').getcwd()")),
    "bomb": zipped(inputs=header("(33554432,)") + bytes(2**27)),
    "not an array": zipped(**{"a.txt": b"x"}).replace(b"a.txt.npy", b"a.txt.npz"),
}


@pytest.mark.parametrize("content", FILES.values(), ids=FILES)
def test_bad_files_get_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_recording(tmp_path / "a.npz")
    assert "\n" not in str(caught.value)


def test_every_truncation_and_many_corruptions_are_refused(tmp_path: Path, arrays: Arrays) -> None:
    """No byte sequence brings anything but a recording or an InputError."""
    whole = written(tmp_path, arrays).read_bytes()
    random = np.random.RandomState(0)
    for length in range(0, len(whole), 197):
        (tmp_path / "b.npz").write_bytes(whole[:length])
        with pytest.raises(InputError):
            read_recording(tmp_path / "b.npz")
    for _ in range(200):
        broken = bytearray(whole)
        broken[random.randint(len(whole))] ^= 1 << random.randint(8)
        (tmp_path / "b.npz").write_bytes(broken)
        with contextlib.suppress(InputError):
            read_recording(tmp_path / "b.npz")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        read_recording(tmp_path / "absent.npz")


def test_peepholes_that_the_options_ask_for_are_needed(tmp_path: Path, arrays: Arrays, case: Case) -> None:
    tensors = layout.load(layouts.TENSORFLOW, case.weights, 1.0)
    given = (tensors, arrays["inputs"], arrays["hidden"])
    options = {"use_peepholes": True}
    with pytest.raises(InputError, match="w_i_diag"):
        record(tmp_path / "a.npz", "tf.nn.rnn_cell.LSTMCell", *given, options=options)
    tensors |= {f"rnn/w_{gate}_diag:0": np.full(4, n, "float32") for n, gate in enumerate("ifo")}
    made = record(tmp_path / "a.npz", "tf.nn.rnn_cell.LSTMCell", *given, options=options)
    assert isinstance(made, Recording)
    assert made.case.peepholes is not None
    assert made.case.peepholes[:, 0].tolist() == [0, 1, 2]
