"""Two trajectories whose weights nobody knows: where they part, and what that says."""

import csv
import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnnparity import npz
from rnnparity.compare import Difference, compare_hidden
from rnnparity.errors import InputError
from rnnparity.noise import LIMIT

_MAX_CSV = 2**28
_AGREE = "no step differs by more than rounding does"
_LATER = (
    "step 0 agrees and later ones do not: only what multiplies the previous state can differ, "
    "if that was zero at the start (forget-bias, forget-bias-after-sigmoid, coupled-gates; "
    "of the recurrent kernel: kernel-transposed, gate-order)"
)
_ALL = (
    "already step 0 differs: the input kernel, the bias, the order of the gates, an activation, "
    "or the initial state (gate-order, bias-dropped, recurrent-activation, activation, initial-state)"
)
_LATE = (
    "the first {} steps agree: what acts only on large or late states can differ (cell-clip, masking past a "
    "length, time-shift of the end), or rounding that a chaotic recurrence amplifies"
)
_ROWS = (
    "only batch rows {} differ: lengths, masking, or the axes of batch and time (masking, batch-time-axes)"
)
_UNITS = "only units {} differ: one parameter, one direction of two, or a slice of the weights (parameter)"
_NEXT = (
    "to tell which, record the weights, the inputs and both states of one of the two (rnnparity.record) "
    "and run `rnnparity check`; without weights, a run with c0 != 0 and h0 = 0 moves only the forget "
    "terms, and one with h0 != 0 and c0 = 0 only the recurrent ones"
)


@dataclass(frozen=True)
class Symptom:
    """Two hidden trajectories ``[B, T, U]`` compared, and what the places at which they differ say."""

    difference: Difference
    readings: tuple[str, ...]

    @property
    def agree(self) -> bool:
        """Whether rounding explains all of it."""
        return self.difference.first_step is None


def read_trajectory(path: str | Path) -> NDArray[np.floating]:
    """A hidden trajectory ``[B, T, U]``: of a recording or ``.npz`` (array ``hidden``, or the only one), a
    ``.npy`` or ``.csv`` file (a row for each step, a column for each unit, other columns and comments
    ignored); ``FILE:NAME`` picks the rows of a csv whose first column, or the array of an npz, is NAME.

    Two axes are taken for ``[T, U]``. Raises :class:`~rnnparity.errors.InputError`.
    """
    name = ""
    if not Path(path).exists() and ":" in str(path):
        path, _, name = str(path).rpartition(":")
    kind = Path(path).suffix
    if kind not in _READERS:
        raise InputError("trajectory", str(path), "a file " + ", ".join(_READERS))
    array = _READERS[kind](Path(path), name)
    if array.dtype.kind != "f" or array.ndim not in (2, 3) or array.size == 0:
        raise InputError("trajectory", f"{array.dtype} {list(array.shape)}", "floats [B, T, U] or [T, U]")
    if not np.all(np.isfinite(array)):
        raise InputError("trajectory", "NaN or infinity", "finite numbers")
    return array if array.ndim == 3 else array[None]


def diff(one: NDArray[np.floating], other: NDArray[np.floating]) -> Symptom:
    """Compare two hidden trajectories ``[B, T, U]``. Raises InputError for different shapes."""
    single = np.float32 if np.float32 in (one.dtype, other.dtype) else np.float64
    one, other = one.astype(single), other.astype(single)
    difference = compare_hidden(one, other)
    return Symptom(difference, tuple(_readings(one, other, difference)))


def _readings(one: np.ndarray, other: np.ndarray, difference: Difference) -> list[str]:
    first = difference.first_step
    if first is None:
        return [_AGREE]
    readings = [_ALL if first == 0 else _LATER if first == 1 else _LATE.format(first)]
    beyond = np.abs(one - other) > np.abs(one - other).max() * 1e-3
    for axis, text in ((0, _ROWS), (2, _UNITS)):
        others = tuple(n for n in range(3) if n != axis)
        touched = np.flatnonzero(beyond.any(axis=others))
        if len(touched) < one.shape[axis]:
            readings.append(text.format(", ".join(map(str, touched[:8]))))
    same = _relation(one, other)
    return [*readings, *([same] if same else []), _NEXT]


def _relation(one: np.ndarray, other: np.ndarray) -> str:
    """What turns one trajectory into the other exactly, if anything does."""
    limit = 1e-5 * max(1.0, float(np.abs(one).max()))
    if np.allclose(one[:, ::-1], other, rtol=0, atol=limit):
        return "one is the other with its steps reversed (direction)"
    for k in range(1, min(9, one.shape[1] - 1)):
        for early, late in ((one, other), (other, one)):
            if np.allclose(early[:, :-k], late[:, k:], rtol=0, atol=limit):
                return f"one is the other {k} step{'s' * (k > 1)} late (time-shift)"
    return ""


def _from_npz(path: Path, name: str) -> np.ndarray:
    arrays = npz.read(path)
    wanted = name or (
        "hidden" if "hidden" in arrays else next(iter(arrays), "") if len(arrays) == 1 else "hidden"
    )
    if wanted not in arrays:
        raise InputError("trajectory", ", ".join(arrays) or "no array", f"an array {wanted}")
    return arrays[wanted]


def _from_npy(path: Path, name: str) -> np.ndarray:
    """Through the same checks as a recording: as the one entry of an archive."""
    stream = io.BytesIO()
    try:
        if path.stat().st_size > npz.MAX_BYTES:
            raise InputError("file", f"{path.stat().st_size} bytes", f"at most {npz.MAX_BYTES}")
        with zipfile.ZipFile(stream, "w") as archive:
            archive.writestr("hidden.npy", path.read_bytes())
    except OSError as error:
        raise InputError("file", error.strerror or str(error), "a file that can be read") from None
    return npz.read_stream(stream)["hidden"]


def _from_csv(path: Path, name: str) -> np.ndarray:
    try:
        if path.stat().st_size > _MAX_CSV:
            raise InputError("file", f"{path.stat().st_size} bytes", f"at most {_MAX_CSV}")
        lines = [line for line in path.read_text("utf-8").splitlines() if line and not line.startswith("#")]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError("file", str(error).partition("\n")[0], "a text file") from None
    rows = list(csv.reader(lines))
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
        return np.array([[float(row[k]) for k in keep] for row in body], np.float32)
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


_READERS = {".npz": _from_npz, ".npy": _from_npy, ".csv": _from_csv}


def describe(symptom: Symptom) -> str:
    """The sentences that a person reads."""
    difference = symptom.difference
    if symptom.agree:
        in_noise = f"{difference.noise:.2g} times the rounding assumed"
        return f"agree: largest difference {difference.absolute:.1e}, {in_noise}"
    place = difference.place
    steps = "".join("=" if value <= LIMIT else "#" for value in difference.by_step[:60])
    return (
        f"diverge from step {difference.first_step} on; largest difference {difference.absolute:.1e}, "
        f"at batch {place.batch}, step {place.step}, unit {place.unit}\nsteps {steps}"
    )
