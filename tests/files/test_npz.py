"""Arrays in files: everything comes back, in the same bytes each time, and what was written can be read."""

from pathlib import Path

import numpy as np
import pytest

from rnnparity.files import npz
from rnnparity.pytest_plugin import stored_trajectory

FIXTURES = [
    path
    for path in sorted((Path(__file__).parents[2] / "fixtures").rglob("*.npz"))
    if path.parent.name not in ("layouts", "functions")  # written by the frameworks' own numpy
]
ARRAYS = {
    "hidden": np.array([[[np.nan, -0.0, np.inf, 1e-45]]], "float32"),
    "weights/lstm/weight_l0": np.arange(6.0).reshape(3, 2).T,
    "lengths": np.array([3, 1]),
    "meta": np.array("{}"),
}


def test_everything_comes_back(tmp_path: Path) -> None:
    for name in ("one.npz", "two.npz"):
        npz.write_npz(tmp_path / name, ARRAYS)
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
    again = npz.read_npz(tmp_path / "one.npz")
    assert list(again) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert again[name].dtype == array.dtype
        assert again[name].tobytes() == array.tobytes()


def test_nothing_is_pickled(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="allow_pickle"):
        npz.write_npz(tmp_path / "a.npz", {"hidden": np.array([{}], dtype=object)})


def test_what_is_large_and_empty_can_be_read_again(tmp_path: Path) -> None:
    """Packed, it would be small enough to look like an attack."""
    npz.write_npz(tmp_path / "a.npz", {"inputs": np.zeros(2**23 + 1)})
    assert npz.read_npz(tmp_path / "a.npz")["inputs"].shape == (2**23 + 1,)


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.stem)
def test_the_fixtures_are_what_would_be_written(path: Path, tmp_path: Path) -> None:
    stored_trajectory.record(stored_trajectory.read_stored(path), tmp_path / "again.npz")
    assert (tmp_path / "again.npz").read_bytes() == path.read_bytes()
