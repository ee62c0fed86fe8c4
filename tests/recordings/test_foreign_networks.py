"""Recordings of networks by the real frameworks, written as the README says."""

import json
from pathlib import Path

import numpy as np
import pytest
from support.interpreters import files_of

from rnnparity.diagnosis.causes import CONFIRMED
from rnnparity.judge.comparison import AGREE, DIVERGE
from rnnparity.recordings.check import check
from rnnparity.recordings.network_recording import NetworkRecording
from rnnparity.recordings.stored import from_arrays

SCRIPT = Path(__file__).parents[1] / "support" / "foreign_networks.py"
HOW_MANY = {
    "torch": 18,
    "keras-tf": 26,
    "keras-torch": 26,
    "tf1": 12,
    "nnabla": 9,
    "jax": 4,
    "onnxruntime": 6,
}

pytestmark = pytest.mark.frameworks


@pytest.fixture(scope="session", params=HOW_MANY)
def recorded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The files that the framework of an environment wrote."""
    folder: Path = tmp_path_factory.mktemp(request.param)
    files = files_of(request.param, SCRIPT, folder, request.param, folder)
    assert len(files) == HOW_MANY[request.param]
    return files


def arrays_of(file: Path) -> dict[str, np.ndarray]:
    with np.load(file) as stored:
        return dict(stored)


def test_they_agree(recorded: list[Path]) -> None:
    for file in recorded:
        found = check(file)
        assert isinstance(found.recording, NetworkRecording)
        assert found.verdict == AGREE, (file.name, found.comparison.reason)


def test_biases_counted_twice_are_named_in_every_cell(recorded: list[Path]) -> None:
    for file in recorded[::5]:
        arrays = arrays_of(file)
        for name in arrays:
            if name == "weights/B" or (name.startswith("weights/") and "bias" in name):
                arrays[name] = arrays[name] / np.float32(2)
        found = check(from_arrays(arrays))
        assert found.verdict == DIVERGE, file.name
        cause = found.causes[0]
        assert (cause.id, cause.status) == ("bias-doubled", CONFIRMED), (file.name, cause)
        assert isinstance(found.recording, NetworkRecording)
        every = [(layer, direction) for layer, direction, _ in found.recording.cells]
        assert sorted(cell for one in found.causes for cell in one.cells) == every, (file.name, found.causes)


def test_states_that_were_not_given_are_noticed(recorded: list[Path]) -> None:
    for file in recorded[2::5]:
        arrays = arrays_of(file)
        if "initial_hidden" in arrays:
            found = check(from_arrays({n: a for n, a in arrays.items() if not n.startswith("initial")}))
            assert found.verdict == DIVERGE, file.name


def test_a_last_state_that_is_wrong_is_noticed(recorded: list[Path]) -> None:
    for file in recorded[1::5]:
        arrays = arrays_of(file)
        if "last_hidden" in arrays:
            arrays["last_hidden"][0, 1, 2] += np.float32(0.01)
            found = check(from_arrays(arrays))
            assert (found.verdict, "last_hidden" in found.comparison.reason) == (DIVERGE, True), file.name


def test_what_is_between_the_layers_tells_which_is_at_fault(recorded: list[Path]) -> None:
    for file in recorded:
        if "inner" not in file.name:
            continue
        arrays = arrays_of(file)
        meta = json.loads(str(arrays["meta"]))
        middle = meta["options"]["layers"][1]["name"]
        for name in arrays:
            if middle in name and "recurrent_kernel" in name:
                arrays[name] = np.roll(arrays[name], 7, axis=1)
        found = check(from_arrays(arrays))
        assert found.verdict == DIVERGE
        assert {cell[0] for cause in found.causes for cell in cause.cells} == {1}
        assert found.causes[0].id == "gate-order", found.causes
