"""Recordings of GRU, RNN and the LSTM's kin by the real frameworks, written as the README says."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.interpreters import files_of

import rnnparity
import rnnparity_adapters
from rnnparity.diagnosis.causes import CONFIRMED, Cause
from rnnparity.recordings.check import check
from rnnparity.recordings.recording import Recording, read_recording

SCRIPT = Path(__file__).parents[1] / "support" / "foreign_recordings.py"
HOW_MANY = {"torch": 11, "keras-tf": 14, "keras-torch": 9, "tf1": 22, "tf2": 7, "nnabla": 11}
ROOTS = [Path(package.__file__ or "").parents[1] for package in (rnnparity, rnnparity_adapters)]

pytestmark = pytest.mark.frameworks


@pytest.fixture(scope="session", params=HOW_MANY)
def recorded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The files that the framework of an environment wrote."""
    folder: Path = tmp_path_factory.mktemp(request.param)
    files = files_of(request.param, SCRIPT, folder, request.param, folder, *ROOTS)
    assert len(files) == HOW_MANY[request.param]
    return files


def test_they_agree(recorded: list[Path]) -> None:
    for file in recorded:
        found = check(file)
        assert found.verdict == "agree", (file.name, found.comparison.reason)


def causes_of_a_change(recording: Recording, place: int) -> tuple[Cause, ...]:
    """If one weight of the first tensor were larger by 0.3."""
    name = next(iter(recording.weights))
    changed = recording.weights[name].copy()
    changed.reshape(-1)[place] += 0.3
    return check(replace(recording, weights={**recording.weights, name: changed})).causes


def test_a_weight_that_was_changed_is_named(recorded: list[Path]) -> None:
    for file in recorded:
        recording = read_recording(file)
        # A unit behind a relu may never be seen.
        causes = next(filter(None, (causes_of_a_change(recording, place) for place in range(30))))
        if recording.cell is None and recording.case.projection is not None:
            assert causes[0].status != CONFIRMED  # a projection hides which weight it was
            continue
        assert causes[0].id == "parameter", (file.name, causes)
        if "relu" not in file.name:  # or at so few steps that any weight would do
            assert causes[0].status == CONFIRMED
            assert causes[0].about["change"] == pytest.approx(-0.3, rel=1e-3)


def test_an_option_that_was_said_wrong_is_named(recorded: list[Path]) -> None:
    for file in recorded:
        recording = read_recording(file)
        if recording.layout.cell == "rnn" or "recurrent_activation" not in recording.known.options:
            continue
        wrong = replace(recording, options={**recording.options, "recurrent_activation": "tanh"})
        assert check(wrong).causes[0].id == "recurrent-activation", file.name


def test_a_state_that_was_not_given_is_named(recorded: list[Path]) -> None:
    for file in recorded:
        recording = read_recording(file)
        assert recording.initial_hidden is not None
        wrong = replace(recording, initial_hidden=recording.initial_hidden + np.float32(0.1))
        causes = check(wrong).causes
        assert causes, file.name
        if causes[0].status == CONFIRMED and causes[0].id != "initial-state":
            # It is none that is known, in no row that which was given, and nothing is wrong after that.
            assert causes[0].id == "state-replaced", (file.name, causes)
            rows = list(range(recording.hidden.shape[0]))
            assert (causes[0].about["steps"], causes[0].about["rows"]) == ([0], rows), (file.name, causes)
