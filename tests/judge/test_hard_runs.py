"""Clean runs that rounding makes hard to judge, drawn live: none is accused.

Opposing biases, equal rows, constants, zeros, denormals, impulses, saturation, sizes from 1 to 1024, and
four dtypes. ``RNNPARITY_HARD_RUNS=3500`` draws so many of each framework instead of a few.
"""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.interpreters import files_of

from rnnparity.judge import compare, comparison
from rnnparity.judge.comparison import Comparison
from rnnparity.recordings.recording import Recording, read_recording
from rnnparity.reference import forward, noise
from rnnparity.reference.forward import Reference

SCRIPT = Path(__file__).parents[1] / "support" / "hard_recordings.py"
COUNT = int(os.environ.get("RNNPARITY_HARD_RUNS", "40"))
FIRST = 1_000_000
"""Numbers of draws from here on have never been looked at while the noise was written."""

pytestmark = pytest.mark.frameworks


@pytest.fixture(scope="module", params=["torch", "keras-tf", "keras-torch"])
def recorded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The files that the framework of an environment wrote."""
    folder: Path = tmp_path_factory.mktemp(request.param)
    files = files_of(request.param, SCRIPT, folder, request.param, folder, FIRST, COUNT)
    assert len(files) > 0.9 * COUNT  # some overflow
    return files


def judged(recording: Recording, expected: Reference) -> Comparison:
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        return compare.compare_recording(recording.trajectory, expected)


def test_none_is_accused_and_each_that_is_wrong_is(recorded: list[Path]) -> None:
    accused, missed = [], []
    for file in recorded:
        recording = read_recording(file)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            expected = forward.run(recording.case, recording.arithmetic)
        found = judged(recording, expected)
        if found.verdict not in (comparison.AGREE, comparison.CHAOTIC):
            accused.append((file.name, found.reason))
        if not expected.horizon[0]:
            continue
        # Long before anything is chaotic, one state is off by a few times what is called different.
        hidden = recording.hidden.astype("float64")
        hidden[0, 0, 0] += 5 * noise.LIMIT * expected.hidden_noise[0, 0, 0]
        wrong = replace(recording, hidden=hidden.astype(recording.hidden.dtype), cell=None)
        if judged(replace(wrong, stepped_hidden=None), expected).verdict != comparison.DIVERGE:
            missed.append(file.name)
    assert not accused
    assert not missed
