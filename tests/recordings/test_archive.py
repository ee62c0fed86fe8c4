"""Frameworks that few people still port from, by what they recorded: see `fixtures/README.md`."""

from pathlib import Path

import numpy as np
import pytest

from rnnparity.diagnosis.causes import CONFIRMED
from rnnparity.judge.comparison import AGREE, DIVERGE
from rnnparity.pytest_plugin.known_differences import read_known_differences
from rnnparity.recordings.check import check
from rnnparity.recordings.stored import from_arrays

FIXTURES = Path(__file__).parents[2] / "fixtures"
FOLDER = FIXTURES / "recordings" / "archive"
FILES = sorted(file.stem for file in FOLDER.glob("*.npz"))
KNOWN = read_known_differences(FIXTURES / "known_recordings.txt")


def test_every_one_is_there() -> None:
    frameworks = [name.partition("_")[0] for name in FILES]
    assert {each: frameworks.count(each) for each in frameworks} == {"chainer": 12, "mxnet": 14, "paddle": 14}


@pytest.mark.parametrize("name", FILES)
def test_it_agrees(name: str) -> None:
    found = check(FOLDER / f"{name}.npz")
    known = [each for each in KNOWN if each.matches(found.recording.api, name)]
    if known:
        assert found.verdict == DIVERGE
        assert [(cause.id, cause.status) for cause in found.causes[:1]] == [(known[0].cause, CONFIRMED)]
        return
    assert found.verdict == AGREE, found.comparison.reason


def test_every_known_difference_is_of_a_recording() -> None:
    assert {each.case for each in KNOWN} <= set(FILES)


@pytest.mark.parametrize("name", [name for name in FILES if name not in {each.case for each in KNOWN}])
def test_biases_counted_twice_are_named_in_every_cell(name: str) -> None:
    with np.load(FOLDER / f"{name}.npz") as stored:
        arrays = dict(stored)
    biases = [key for key in arrays if key.startswith("weights/") and arrays[key].ndim == 1]
    found = check(from_arrays({**arrays, **{key: arrays[key] / np.float32(2) for key in biases}}))
    assert found.verdict == DIVERGE
    assert (found.causes[0].id, found.causes[0].status) == ("bias-doubled", CONFIRMED), found.causes
