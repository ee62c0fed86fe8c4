"""Recordings and trajectories in ``.safetensors``: as in ``.npz``, and refused in one line if broken."""

import contextlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from rnnparity import Case
from rnnparity.cli import commands
from rnnparity.errors import InputError, Unwritable
from rnnparity.recordings.check import check
from rnnparity.recordings.recording import Recording, read_recording
from rnnparity.recordings.stored import record
from rnnparity.reference import forward
from rnnparity_adapters import layouts
from rnnparity_adapters.equation import Equation

Tensors = dict[str, tuple[str, np.ndarray]]
"""By name, the format's dtype and the array whose bytes are stored."""

NAMES = {"float16": "F16", "float32": "F32", "float64": "F64", "int64": "I64"}
META = {"recording": 1, "api": "torch.nn.LSTM", "version": "2.13.0", "options": {}}


def stored(tensors: Mapping[str, tuple[str, "np.ndarray | Shaped"]], metadata: object) -> bytes:
    """By the description of the format: the length of a JSON header, the header, the bytes of the arrays."""
    header: dict[str, Any] = {} if metadata is None else {"__metadata__": metadata}
    body = b""
    for name, (dtype, array) in tensors.items():
        content = array.tobytes()
        offsets = [len(body), len(body) + len(content)]
        header[name] = {"dtype": dtype, "shape": array.shape, "data_offsets": offsets}
        body += content
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + body


class Shaped(NamedTuple):
    """No number, in a shape."""

    shape: tuple[int, ...]

    def tobytes(self) -> bytes:
        return b""


def bfloat16(array: np.ndarray) -> tuple[str, np.ndarray]:
    """Rounded to bfloat16, to nearest and ties to even, as its 16 bits."""
    bits = array.astype("<f4").view("<u4").astype(np.uint64)
    return "BF16", ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2")


def plain(array: np.ndarray) -> tuple[str, np.ndarray]:
    return NAMES[str(array.dtype)], array


@pytest.fixture
def tensors(arrays: dict[str, np.ndarray]) -> Tensors:
    return {name: plain(array) for name, array in arrays.items()}


def written(path: Path, tensors: Tensors, meta: object = META) -> Path:
    path.write_bytes(stored(tensors, {"meta": json.dumps(meta)}))
    return path


def recorded(path: Path, arrays: dict[str, np.ndarray]) -> Recording:
    weights = {n.removeprefix("weights/"): a for n, a in arrays.items() if n.startswith("weights/")}
    others = {name: a for name, a in arrays.items() if not name.startswith("weights/")}
    made = record(path, "torch.nn.LSTM", weights, **others, version="2.13.0")  # type: ignore[arg-type]
    assert isinstance(made, Recording)
    return made


def test_both_formats_hold_the_same(tmp_path: Path, arrays: dict[str, np.ndarray]) -> None:
    arrays["lengths"] = np.array([7, 7, 7])
    for suffix in (".npz", ".safetensors"):
        recorded(tmp_path / f"a{suffix}", arrays)
    one, other = read_recording(tmp_path / "a.npz"), read_recording(tmp_path / "a.safetensors")
    assert (tmp_path / "a.safetensors").read_bytes()[8:9] == b"{"
    assert (one.api, one.version, one.options) == (other.api, other.version, other.options)
    for name in ("inputs", "hidden", "cell", "initial_hidden", "initial_cell", "lengths"):
        first, second = getattr(one, name), getattr(other, name)
        assert first.dtype == second.dtype
        np.testing.assert_array_equal(first, second)
    assert list(one.weights) == list(layouts.TORCH_LAYER.names)
    for name, tensor in one.weights.items():
        np.testing.assert_array_equal(tensor, other.weights[name])


def test_what_others_write_is_read(tmp_path: Path, tensors: Tensors) -> None:
    """Not with the library that reads it: by hand, from the description of the format."""
    path = written(tmp_path / "a.safetensors", tensors)
    assert check(path).verdict == "agree"
    assert commands.main(["check", str(path)]) == 0


def test_a_divergence_has_its_cause(
    tmp_path: Path, tensors: Tensors, case: Case, capsys: pytest.CaptureFixture[str]
) -> None:
    run = forward.run(replace(case, equation=Equation(forget_bias=2.0)))
    changed = {
        **tensors,
        "hidden": plain(run.hidden.astype("float32")),
        "cell": plain(run.cell.astype("float32")),
    }
    assert commands.main(["check", str(written(tmp_path / "a.safetensors", changed))]) == 1
    assert "forget-bias (confirmed): 1 is added" in capsys.readouterr().out


def test_bfloat16_is_judged_as_bfloat16(tmp_path: Path, tensors: Tensors, case: Case) -> None:
    """The same numbers pass as bfloat16 and diverge as float32; a wrong equation diverges in bfloat16 too."""
    names = ("hidden", "cell")
    run = forward.run(case)
    halves = {name: bfloat16(getattr(run, name)) for name in names}
    checked = check(written(tmp_path / "a.safetensors", {**tensors, **halves}))
    assert isinstance(checked.recording, Recording)
    assert checked.recording.arithmetic == "bfloat16"
    assert checked.recording.hidden.dtype == np.float32
    assert np.abs(checked.recording.hidden - run.hidden).max() > 1e-4
    assert checked.verdict == "agree"

    wide = {name: plain((halves[name][1].astype("<u4") << 16).view("<f4")) for name in names}
    checked = check(written(tmp_path / "b.safetensors", {**tensors, **wide}))
    assert isinstance(checked.recording, Recording)
    assert checked.recording.arithmetic == "float32"
    assert checked.verdict == "diverge"

    wrong = forward.run(replace(case, equation=Equation(forget_bias=2.0)))
    other = {name: bfloat16(getattr(wrong, name)) for name in names}
    assert check(written(tmp_path / "c.safetensors", {**tensors, **other})).verdict == "diverge"


BROKEN: dict[str, bytes] = {
    "no byte": b"",
    "no header": b"hello",
    "absurd header size": (2**62).to_bytes(8, "little") + b"{}",
    "header larger than the file": (10**6).to_bytes(8, "little") + b"{}",
    "no JSON": (4).to_bytes(8, "little") + b"{x}}",
    "JSON that is a list": (2).to_bytes(8, "little") + b"[]",
    "deep JSON": (60000).to_bytes(8, "little") + b'{"a":' + b"[" * 59995,
    "no UTF-8": (2).to_bytes(8, "little") + b"\xff\xfe",
    "metadata that is no object": stored({}, [1]),
    "metadata that is no text": stored({}, {"meta": 1}),
    "unknown dtype": stored({"inputs": ("F33", np.zeros(3, "float32"))}, {"meta": json.dumps(META)}),
    "dtype that numpy has not": stored(
        {"inputs": ("F8_E4M3", np.zeros(3, "int8"))}, {"meta": json.dumps(META)}
    ),
    "a shape that lies": stored({"inputs": ("F64", np.zeros(3, "float32"))}, {"meta": json.dumps(META)}),
    "no arrays": stored({}, {"meta": json.dumps(META)}),
    "an absurd shape": stored({"inputs": ("F32", Shaped((0, 2**62, 2**62)))}, {"meta": json.dumps(META)}),
    "too many axes": stored({"inputs": ("F32", Shaped((0,) * 70))}, {"meta": json.dumps(META)}),
    "empty": stored({"hidden": ("F32", np.zeros((3, 0, 4), "float32"))}, {"meta": json.dumps(META)}),
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("command", [("check",), ("diff",)])
def test_broken_files_get_one_line(
    tmp_path: Path, content: bytes, command: tuple[str], capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(content)
    files = [str(path)] * (2 if command == ("diff",) else 1)
    assert commands.main([*command, *files]) == commands.BAD_INPUT
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert len(err) < 400
    assert " got " in err


CHANGED: dict[str, tuple[Callable[[Tensors], Tensors], object, str]] = {
    "complex": (
        lambda t: {**t, "inputs": ("C64", np.zeros((3, 7, 5), "c8"))},
        META,
        "dtype C64, but should be F16",
    ),
    "truth values": (lambda t: {**t, "inputs": ("BOOL", np.zeros((3, 7, 5), "?"))}, META, "dtype BOOL"),
    "NaN": (lambda t: {**t, "inputs": plain(np.full((3, 7, 5), np.nan))}, META, "inputs: got NaN"),
    "a missing tensor": (lambda t: {n: v for n, v in t.items() if "bias_hh" not in n}, META, "bias_hh_l0"),
    "an array called meta": (lambda t: {**t, "extra": plain(np.zeros(3))}, META, "arrays: got cell, extra"),
    "another format": (dict, {**META, "recording": 2}, "recording 2"),
    "unknown api": (dict, {**META, "api": "torch.nn.LTSM"}, "torch.nn.LSTM or "),
}


@pytest.mark.parametrize(("change", "meta", "said"), CHANGED.values(), ids=CHANGED)
def test_wrong_content_gets_one_line(
    tmp_path: Path, tensors: Tensors, change: Callable[[Tensors], Tensors], meta: object, said: str
) -> None:
    with pytest.raises(InputError, match=re.escape(said)) as caught:
        read_recording(written(tmp_path / "a.safetensors", change(tensors), meta))
    assert "\n" not in str(caught.value)


def test_without_meta_it_is_no_recording(tmp_path: Path, tensors: Tensors) -> None:
    for metadata in (None, {}, {"format": "pt"}):
        (tmp_path / "a.safetensors").write_bytes(stored(tensors, metadata))
        with pytest.raises(InputError, match="meta: got none, but should be a JSON text"):
            read_recording(tmp_path / "a.safetensors")
    assert commands.main(["diff", str(tmp_path / "a.safetensors"), str(tmp_path / "a.safetensors")]) == 0


def test_every_truncation_and_many_corruptions_are_refused(tmp_path: Path, tensors: Tensors) -> None:
    """No byte sequence brings anything but a recording or an InputError of one line."""
    path = written(tmp_path / "a.safetensors", tensors)
    whole = path.read_bytes()
    header = int.from_bytes(whole[:8], "little")
    for length in range(0, len(whole), 37):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError):
            read_recording(path)
    random = np.random.RandomState(0)
    for _ in range(500):
        broken = bytearray(whole)
        broken[random.randint(8 + header)] ^= 1 << random.randint(8)
        path.write_bytes(broken)
        with contextlib.suppress(InputError):
            read_recording(path)


def test_files_that_are_not_there(tmp_path: Path, arrays: dict[str, np.ndarray]) -> None:
    with pytest.raises(InputError, match="No such file"):
        read_recording(tmp_path / "absent.safetensors")
    (tmp_path / "folder.safetensors").mkdir()
    with pytest.raises(InputError, match="a folder"):
        read_recording(tmp_path / "folder.safetensors")
    with pytest.raises(Unwritable, match="No such file"):
        recorded(tmp_path / "absent" / "a.safetensors", arrays)


def test_trajectories_may_be_in_either(tmp_path: Path, arrays: dict[str, np.ndarray]) -> None:
    recorded(tmp_path / "a.npz", arrays)
    changed = arrays["hidden"].copy()
    changed[1, 3, 2] += 1e-3
    recorded(tmp_path / "b.safetensors", {**arrays, "hidden": changed})
    recorded(tmp_path / "c.safetensors", arrays)
    assert commands.main(["diff", str(tmp_path / "a.npz"), str(tmp_path / "b.safetensors")]) == 1
    assert commands.main(["diff", str(tmp_path / "a.npz"), str(tmp_path / "c.safetensors")]) == 0


def test_trajectories_in_bfloat16(
    tmp_path: Path, arrays: dict[str, np.ndarray], capsys: pytest.CaptureFixture[str]
) -> None:
    one, other = tmp_path / "a.safetensors", str(tmp_path / "b.npy")
    one.write_bytes(stored({"hidden": bfloat16(arrays["hidden"])}, None))
    np.save(other, arrays["hidden"])
    assert commands.main(["diff", str(one), other]) == 0
    assert "a.safetensors is bfloat16, " in capsys.readouterr().out
    np.save(other, arrays["hidden"] + np.float32(0.1))
    assert commands.main(["diff", str(one), other]) == 1


def test_it_is_imported_where_it_is_used() -> None:
    import subprocess
    import sys

    script = "import sys, rnnparity; rnnparity.record; rnnparity.check; print('safetensors' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "False"
