"""Hidden trajectories in files of several formats."""

import csv
import io
import os
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnnparity.errors import InputError
from rnnparity.files import array_file, npz
from rnnparity.files.source import read_bytes, read_text
from rnnparity.printable import one_line
from rnnparity.reference.noise import ARITHMETICS

STORED_DTYPES = ("float16", "float32", "float64")
"""The dtypes that a stored state may have. bfloat16 is widened to float32 where it is read."""


@dataclass(frozen=True, eq=False)
class HiddenTrajectory:
    """A hidden trajectory ``[B, T, U]``, the name to call it by, and its precision.

    ``arithmetic`` is the name of its dtype, or ``bfloat16``, for which numpy has no dtype.
    """

    name: str
    hidden: NDArray[np.floating]
    arithmetic: str

    @property
    def element(self) -> float:
        """The unit roundoff of its elements."""
        return ARITHMETICS[self.arithmetic].element


def trajectory_of(name: str, hidden: NDArray[np.floating], bfloat16: bool = False) -> HiddenTrajectory:
    """A trajectory from an array ``[B, T, U]``, or ``[T, U]`` for B = 1.

    ``bfloat16`` says that the array was stored in that format. Raises :class:`~rnnparity.errors.InputError`
    for other shapes and dtypes.
    """
    if str(hidden.dtype) not in STORED_DTYPES or hidden.ndim not in (2, 3) or hidden.size == 0:
        given = f"{hidden.dtype} {list(hidden.shape)}"
        raise InputError("trajectory", given, f"[B, T, U] or [T, U] of {', '.join(STORED_DTYPES)}")
    arithmetic = "bfloat16" if bfloat16 else str(hidden.dtype)
    return HiddenTrajectory(one_line(name), hidden if hidden.ndim == 3 else hidden[None], arithmetic)


def read_trajectory(path: str | Path) -> HiddenTrajectory:
    """The hidden trajectory ``[B, T, U]`` in a file. An array of two axes is taken for ``[T, U]``.

    In a recording, or any other ``.npz`` or ``.safetensors``, it is the array ``hidden``, or the only array.
    A ``.csv`` has a row for each step and a column for each unit, read as float32. Other columns and comments
    are ignored. ``FILE:NAME`` picks the array NAME, or the rows of a csv that begin with NAME.

    Raises :class:`~rnnparity.errors.InputError` for a file that holds no such trajectory.
    """
    given, name = str(path), ""
    if not os.path.exists(path) and ":" in given:  # unlike Path's, it takes any text
        path, _, name = given.rpartition(":")
    kind = Path(path).suffix
    if kind not in _READERS:
        raise InputError("trajectory", str(path), "a file " + ", ".join(_READERS))
    array, bfloat16 = _READERS[kind](Path(path), name)
    return trajectory_of(given, array, bfloat16)


def _from_arrays(path: Path, name: str) -> tuple[np.ndarray, bool]:
    arrays, bfloat16 = array_file.read_arrays(path)
    numbers = [each for each in arrays if each != "meta"]
    wanted = name or (numbers[0] if len(numbers) == 1 else "hidden")
    if wanted not in arrays:
        raise InputError("trajectory", ", ".join(arrays) or "no array", f"an array {wanted}")
    return arrays[wanted], wanted in bfloat16


def _from_npy(path: Path, name: str) -> tuple[np.ndarray, bool]:
    """Read a ``.npy`` as the only entry of an archive, so that it is checked like an ``.npz``."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("hidden.npy", read_bytes(path, npz.MAX_BYTES))
    return npz.read_npz_stream(stream)["hidden"], False


def _from_csv(path: Path, name: str) -> tuple[np.ndarray, bool]:
    lines = [line for line in read_text(path).splitlines() if line and not line.startswith("#")]
    try:
        rows = [row for row in csv.reader(lines) if row]
    except csv.Error as error:
        raise InputError("csv", f"{path} ({error})", "rows of numbers") from None
    header = rows[0] if rows and not _is_number(rows[0][-1]) else []
    body = rows[1:] if header else rows
    keep = (
        [k for k, title in enumerate(header or rows[0]) if not header or title.startswith("unit")]
        if rows
        else []
    )
    keep = keep or list(range(len(rows[0]) if rows else 0))
    if name:
        body = [row for row in body if row[0] == name]
    try:
        wide = np.array([[float(row[k]) for k in keep] for row in body])
        with np.errstate(over="ignore"):
            narrow = wide.astype(np.float32)
        if np.isinf(narrow).any():  # a number that is too large for float32, if not an infinity
            raise InputError("csv", str(path), "numbers that float32 can hold")
        return narrow, False
    except (ValueError, IndexError):
        raise InputError(
            "csv", str(path), "a row of numbers for each step, or FILE:NAME for one source"
        ) from None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


_READERS: Mapping[str, Callable[[Path, str], tuple[np.ndarray, bool]]] = {
    ".npz": _from_arrays,
    ".safetensors": _from_arrays,
    ".npy": _from_npy,
    ".csv": _from_csv,
}
"""The reader for each suffix: it returns the array, and whether that was stored in bfloat16."""
