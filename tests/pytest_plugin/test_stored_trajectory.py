"""Recordings to compare with: of them only the hidden trajectory is needed."""

from pathlib import Path

import numpy as np
import pytest

from rnnparity.errors import InputError
from rnnparity.pytest_plugin import stored_trajectory
from rnnparity.pytest_plugin.stored_trajectory import Taken


def test_everything_comes_back(tmp_path: Path) -> None:
    arrays = {"hidden": np.array([[[np.nan, -0.0, np.inf]]], "float32"), "mine": np.arange(3)}
    path = tmp_path / "new" / "folder" / "a.npz"
    stored_trajectory.record(Taken(arrays, {"provenance": {"python": "3.11"}}), path)
    stored = stored_trajectory.read_stored(path)
    assert stored.meta["provenance"] == {"python": "3.11"}
    assert not stored_trajectory.differences(Taken(arrays, {}), stored)
    assert stored_trajectory.differences(Taken({**arrays, "mine": np.arange(1, 4)}, {}), stored)


def test_a_user_s_savez_is_a_recording(tmp_path: Path) -> None:
    np.savez(tmp_path / "mine.npz", hidden=np.zeros((1, 2, 3)), meta='{"recording": 1}')
    assert stored_trajectory.read_stored(tmp_path / "mine.npz").arrays["hidden"].shape == (1, 2, 3)


@pytest.mark.parametrize("meta", ["", "[]", "{}", '{"recording": 2}'])
def test_what_is_no_recording(meta: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", hidden=np.zeros(3), meta=meta)
    with pytest.raises(InputError, match="meta: got"):
        stored_trajectory.read_stored(tmp_path / "other.npz")
    np.savez(tmp_path / "without.npz", hidden=np.zeros(3))
    with pytest.raises(InputError, match="meta: got none"):
        stored_trajectory.read_stored(tmp_path / "without.npz")
    with pytest.raises(InputError, match="No such file"):
        stored_trajectory.read_stored(tmp_path / "none.npz")
