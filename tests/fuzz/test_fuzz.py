"""Files of strangers, by the thousand: whatever is in them, they are read or refused in one line.

Hypothesis draws them, the same ones each time. ``RNNPARITY_TEST_FUZZ=5000`` draws so many of each kind, and
other ones each time: that takes minutes.
"""

import copy
import functools
import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

import rnnparity
from rnnparity.errors import InputError
from rnnparity.judge.comparison import VERDICTS
from rnnparity.printable import one_line
from rnnparity.pytest_plugin import stored_trajectory
from rnnparity.pytest_plugin.known_differences import read_known_differences
from rnnparity.recordings.check import check
from rnnparity.recordings.diff import diff
from rnnparity.recordings.recording import read_recording
from rnnparity.recordings.trajectory import read_trajectory
from rnnparity.reference import forward
from rnnparity.report import changes, json_document, markdown
from rnnparity.report.check_text import print_check
from rnnparity.report.console import console
from rnnparity.report.diff_text import text as diff_text
from rnnparity.report.phrases import told
from rnnparity_adapters import layout, layouts

Arrays = dict[str, Any]
ASKED = os.environ.get("RNNPARITY_TEST_FUZZ")
SIZES: dict[str, Any] = {"batch": 2, "steps": 3, "input_size": 2, "units": 2}


def fuzzed(share: float = 0.5) -> Callable[[Any], Any]:
    """A test of drawn files; ``share`` is smaller for those that take longer."""
    return settings(
        max_examples=max(1, round(share * int(ASKED or 60))),
        derandomize=ASKED is None,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )


def refused(read: Callable[[], Any]) -> Any:
    """What is read; None if it is refused, which must be in one line."""
    try:
        return read()
    except InputError as error:
        said = str(error)
    assert said.isprintable()
    assert len(said) < 4000
    return None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)


@st.composite
def mutated(draw: Callable[[Any], Any], valid: Any) -> Any:
    """A JSON value with a few places of it changed, removed or added to."""
    changed = copy.deepcopy(valid)
    for _ in range(draw(st.integers(1, 3))):
        outer: Any = {"": changed}
        key: Any = ""
        while isinstance(outer[key], dict | list) and outer[key] and draw(st.integers(0, 5)):
            outer = outer[key]
            key = draw(st.sampled_from(sorted(outer) if isinstance(outer, dict) else range(len(outer))))
        if isinstance(outer, dict) and outer is not changed and draw(st.booleans()) and key:
            del outer[key]
        elif key != "":
            outer[key] = draw(json_values)
        else:
            changed = draw(json_values)
    return changed


def good(version: str = "2.13.0") -> Arrays:
    """A recording of torch.nn.LSTM that agrees."""
    case = rnnparity.make_case(1, **SIZES)
    ran = forward.run(case)
    native = layout.load(layouts.TORCH_LAYER, case.weights, case.equation.forget_bias)
    return {
        "inputs": case.inputs,
        "hidden": ran.hidden.astype("float32"),
        "cell": ran.cell.astype("float32"),
        "initial_hidden": case.initial_hidden,
        "initial_cell": case.initial_cell,
        **{f"weights/{name}": tensor for name, tensor in native.items()},
        "meta": {"recording": 1, "api": "torch.nn.LSTM", "version": version, "options": {}, "provenance": {}},
    }


GOOD = good()
FORMS = (
    "float16",
    "float32",
    "float64",
    "int64",
    "complex64",
    "bool",
    "U3",
    "S2",
    ">f4",
    "M8[s]",
    "longdouble",
)
NUMBERS = (0.0, 1.0, -1.0, 1e-30, 1e30, 3e38, np.inf, np.nan, 6e4, 0.5)


@st.composite
def arrays(draw: Callable[[Any], Any]) -> np.ndarray:
    """A small array of any form."""
    shape = tuple(draw(st.lists(st.integers(0, 4), max_size=4)))
    array = np.full(shape, draw(st.sampled_from(NUMBERS)))
    with np.errstate(all="ignore"):
        return (
            array.astype("int64").astype(draw(st.sampled_from(FORMS)))
            if np.all(np.isfinite(array) & (np.abs(array) < 9))
            else array.astype(draw(st.sampled_from(FORMS[:3])))
        )


def _are_numbers(array: object) -> bool:
    return isinstance(array, np.ndarray) and array.size > 0 and array.dtype.kind == "f"


@st.composite
def recordings(draw: Callable[[Any], Any]) -> Arrays:
    """A recording of which some arrays are missing, different or new, or whose meta is."""
    made = dict(GOOD)
    for _ in range(draw(st.integers(0, 3))):
        name = draw(
            st.sampled_from([*GOOD, "lengths", "stepped_hidden", "weights/x", "weights/\x1b[2J", "a\nb"])
        )
        how = draw(st.sampled_from(("without", "other", "one number", "another dtype")))
        array: Any = made.get(name)
        if how == "without":
            made.pop(name, None)
        elif how == "other" or not _are_numbers(array):
            made[name] = draw(arrays())
        elif how == "one number":
            made[name] = array.copy()
            made[name].flat[draw(st.integers(0, array.size - 1))] = draw(st.sampled_from(NUMBERS))
        else:
            made[name] = array.astype(draw(st.sampled_from(("float16", "float64", "int64", ">f4"))))
    if draw(st.booleans()):
        api = draw(
            st.sampled_from(("torch.nn.LSTM", "keras.layers.LSTM", "torch.nn.GRU", "canonical", "\x1b[2J"))
        )
        made["meta"] = draw(mutated({**GOOD["meta"], "api": api}))
    return made


def _is_meta(name: str, value: Any) -> bool:
    return name == "meta" and not isinstance(value, np.ndarray)


def npz(made: Arrays) -> bytes:
    stream = io.BytesIO()
    written: Arrays = {}
    for name, value in made.items():
        array = np.array(json.dumps(value)) if _is_meta(name, value) else value
        written[name.replace("\x00", "")] = array
    np.savez(stream, **written)
    return stream.getvalue()


def safetensors(made: Arrays) -> bytes:
    tensors = {n: np.ascontiguousarray(a) for n, a in made.items() if isinstance(a, np.ndarray)}
    tensors = {
        n: a
        for n, a in tensors.items()
        if a.dtype.kind in "fiu" and a.dtype.isnative and a.dtype.itemsize < 9
    }
    meta = made.get("meta")
    return bytes(save(tensors, metadata={"meta": json.dumps(meta) if _is_meta("meta", meta) else "x"}))


def judged(path: Path) -> None:
    """Check a file, and print what was found."""
    checked = refused(lambda: check(path))
    if checked is not None:
        assert checked.verdict in VERDICTS
        stream = io.StringIO()
        print_check(checked, console(stream))
        assert all(line.isprintable() for line in stream.getvalue().splitlines())


@given(recordings(), st.sampled_from((".npz", ".safetensors")))
@fuzzed()
@pytest.mark.filterwarnings("ignore")
def test_recordings(tmp_path_factory: pytest.TempPathFactory, made: Arrays, suffix: str) -> None:
    path = tmp_path_factory.getbasetemp() / f"recording{suffix}"
    path.write_bytes(npz(made) if suffix == ".npz" else safetensors(made))
    judged(path)


NPZ, SAFETENSORS = npz(GOOD), safetensors(GOOD)


@st.composite
def corrupted(draw: Callable[[Any], Any], whole: bytes) -> bytes:
    """Bytes of a file, of which some are changed, removed or added."""
    broken = bytearray(whole)
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(broken)))
        end = place + draw(st.sampled_from((0, 1, 2, 8, 10**6)))
        broken[place:end] = draw(st.binary(max_size=9))
    return bytes(broken)


@given(
    corrupted(NPZ) | corrupted(SAFETENSORS) | st.binary(max_size=200),
    st.sampled_from((".npz", ".safetensors")),
)
@fuzzed(1)
@pytest.mark.filterwarnings("ignore")
def test_corrupted_recordings(tmp_path_factory: pytest.TempPathFactory, content: bytes, suffix: str) -> None:
    path = tmp_path_factory.getbasetemp() / f"corrupted{suffix}"
    path.write_bytes(content)
    refused(lambda: read_recording(path))
    if suffix == ".npz":
        refused(lambda: stored_trajectory.read_stored(path))


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=False)
    return stream.getvalue()


lines_of_csv = st.lists(
    st.lists(
        st.sampled_from(("0.5", "-1", "1e39", "nan", "x", "", '"', "step", "unit0", "unit1", "#", "\x1b[2J"))
        | st.text(max_size=5)
        | st.floats().map(repr),
        max_size=5,
    ).map(",".join),
    max_size=6,
).map("\n".join)


@given(
    lines_of_csv.map(lambda text: (".csv", text.encode("utf-8", "surrogatepass")))
    | st.binary(max_size=50).map(lambda content: (".csv", content))
    | arrays().map(lambda array: (".npy", npy(array)))
    | corrupted(npy(GOOD["hidden"])).map(lambda content: (".npy", content))
    | recordings().map(lambda made: (".npz", npz(made))),
    st.sampled_from(("", ":x", ":hidden", ":\x1b[2J")),
)
@fuzzed(1)
@pytest.mark.filterwarnings("ignore")
def test_trajectories(tmp_path_factory: pytest.TempPathFactory, made: tuple[str, bytes], name: str) -> None:
    suffix, content = made
    path = tmp_path_factory.getbasetemp() / f"trajectory\x1b[2J{suffix}"
    path.write_bytes(content)
    read = refused(lambda: read_trajectory(f"{path}{name}"))
    sound = tmp_path_factory.getbasetemp() / "sound.npy"
    sound.write_bytes(npy(GOOD["hidden"]))
    if read is not None:
        for other in (read, read_trajectory(sound)):
            found = refused(functools.partial(diff, read, other))
            assert found is None or all(line.isprintable() for line in diff_text(found).splitlines())


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """A stored run, as JSON has it."""
    case = rnnparity.make_case(1, **SIZES)
    return json.loads(json_document.text(json_document.of_result(rnnparity.run(case, "numpy.*", keep=False))))  # type: ignore[no-any-return]


@given(st.data())
@fuzzed(1)
def test_baselines(
    tmp_path_factory: pytest.TempPathFactory, document: dict[str, Any], data: st.DataObject
) -> None:
    """What is accepted can be compared with, in words and in Markdown."""
    path = tmp_path_factory.getbasetemp() / "old.json"
    path.write_text(json.dumps(data.draw(mutated(document))))
    before = refused(lambda: changes.read_baseline(path))
    if before is not None:
        found = changes.since(before, document)
        assert all(told(change).isprintable() for change in found)
        assert "<script" not in markdown.text({**document, "changes": found})


@given(corrupted(json.dumps({"schema": 1, "case": {}, "rows": []}).encode()) | st.binary(max_size=100))
@fuzzed(1)
def test_corrupted_baselines(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "old.json"
    path.write_bytes(content)
    refused(lambda: changes.read_baseline(path))


KNOWN = b"# api | case | cause | reason | link\nkeras.* | * | gate-order | why | https://example.org\n"


@given(
    corrupted(KNOWN)
    | st.text(alphabet="|#* a\n\r\x1b\u2028", max_size=60).map(str.encode)
    | st.binary(max_size=60)
)
@fuzzed(1)
def test_known_differences(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "known.txt"
    path.write_bytes(content)
    for known in refused(lambda: read_known_differences(path)) or ():
        assert all(one_line(word) == word for word in (known.api, known.case, known.reason, known.link))
        assert known.matches("keras.layers.LSTM@tf1", "seed0") in (True, False)
        assert known.explains([]) in (True, False)


@given(st.text() | st.text(alphabet="\x00\x1b\x9b\u202e\u2028\ud800\n\rab\\"))
@fuzzed(1)
def test_foreign_text_is_one_printable_line(text: str) -> None:
    shown = one_line(text)
    assert len(shown.splitlines()) <= 1
    assert shown.isprintable()
    shown.encode("utf-8")
