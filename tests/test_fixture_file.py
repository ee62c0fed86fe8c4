"""Recordings in files: everything comes back, in the same bytes each time."""

from pathlib import Path

import numpy as np
import pytest

from rnnparity import fixture_file
from rnnparity.errors import InputError


def test_everything_comes_back(tmp_path: Path) -> None:
    arrays = {
        "hidden": np.array([[[np.nan, -0.0, np.inf, 1e-45]]], "float32"),
        "weights/lstm/weight_l0": np.arange(6.0).reshape(3, 2).T,
    }
    for name in ("one.npz", "two.npz"):
        fixture_file.write(tmp_path / "new" / name, arrays, {"api": "torch.nn.LSTM"})
    one, two = ((tmp_path / "new" / name).read_bytes() for name in ("one.npz", "two.npz"))
    assert one == two
    recording = fixture_file.read(tmp_path / "new" / "one.npz")
    assert recording.meta == {"recording": 1, "api": "torch.nn.LSTM"}
    assert set(recording.arrays) == set(arrays)
    for name, array in arrays.items():
        assert recording.arrays[name].dtype == array.dtype
        assert recording.arrays[name].tobytes() == array.tobytes()


def test_a_user_s_savez_is_a_recording(tmp_path: Path) -> None:
    np.savez(tmp_path / "mine.npz", hidden=np.zeros((1, 2, 3)), meta='{"recording": 1}')
    assert fixture_file.read(tmp_path / "mine.npz").arrays["hidden"].shape == (1, 2, 3)


@pytest.mark.parametrize("meta", ["", "[]", "{}", '{"recording": 2}'])
def test_what_is_no_recording(meta: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", hidden=np.zeros(3), meta=meta)
    with pytest.raises(InputError, match="recording: got"):
        fixture_file.read(tmp_path / "other.npz")
    with pytest.raises(InputError, match="No such file"):
        fixture_file.read(tmp_path / "none.npz")
