"""``.npz`` files: written the same each time, and read when somebody else made them.

Nothing is unpickled, nothing large is believed.
"""

import io
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import numpy as np

from rnnparity.errors import InputError

MAX_BYTES = 2**31
"""Of all arrays of a file together."""
_MAX_ENTRIES = 4096
_SUSPICIOUS = (2**26, 200)  # bytes that expand this many times: more than numbers ever do
_EPOCH = (1980, 1, 1, 0, 0, 0)
_BROKEN = (
    zipfile.BadZipFile, zlib.error, EOFError, struct.error, ValueError, NotImplementedError, RuntimeError,
    SyntaxError, MemoryError, OverflowError, TypeError, KeyError,
)  # fmt: skip


def write_npz(path: str | Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays by name. The same arrays in the same order give the same bytes: no clock is in them.

    What is large is not packed, so that it never looks like what :func:`read_npz` refuses. Raises ValueError
    for an array of objects.
    """
    small = sum(array.nbytes for array in arrays.values()) <= _SUSPICIOUS[0]
    method = zipfile.ZIP_DEFLATED if small else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, np.asarray(array, order="C"), allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy", _EPOCH)
            archive.writestr(entry, buffer.getbuffer(), method)


def read_npz(path: str | Path) -> dict[str, np.ndarray]:
    """Every array of the file. Raises :class:`~rnnparity.errors.InputError` for anything unsafe or broken.

    All sizes are checked, those of the archive and those of the arrays' own headers, before any is read.
    """
    try:
        with Path(path).open("rb") as file:
            return read_npz_stream(file)
    except OSError as error:
        raise InputError("file", error.strerror or str(error), "a recording that can be read") from None


def read_npz_stream(stream: IO[bytes]) -> dict[str, np.ndarray]:
    """As :func:`read_npz`, from an open file."""
    try:
        with zipfile.ZipFile(stream) as archive:
            entries = archive.infolist()
            _check_sizes(entries)
            for entry in entries:
                _check_header(archive, entry)
            return {entry.filename[: -len(".npy")]: _array(archive, entry) for entry in entries}
    except InputError:
        raise
    except _BROKEN as error:
        said = str(error).partition("\n")[0][:80]
        raise InputError("file", f"{type(error).__name__}: {said}", "a whole .npz file") from None


def _check_sizes(entries: list[zipfile.ZipInfo]) -> None:
    if len(entries) > _MAX_ENTRIES:
        raise InputError("file", f"{len(entries)} arrays", f"at most {_MAX_ENTRIES}")
    total = sum(entry.file_size for entry in entries)
    if total > MAX_BYTES:
        raise InputError("file", f"{total} bytes of arrays", f"at most {MAX_BYTES}")
    packed = sum(entry.compress_size for entry in entries)
    if total > _SUSPICIOUS[0] and total > _SUSPICIOUS[1] * packed:
        raise InputError("file", f"{packed} bytes that expand to {total}", "an archive of numbers")
    names = [entry.filename for entry in entries]
    for name in names:
        if not name.endswith(".npy"):
            raise InputError("file", f"an entry {name[:60]!r}", "arrays only: names that end with .npy")
        if names.count(name) > 1:
            raise InputError("file", f"{name[:60]!r} twice", "each array once")


def _check_header(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> None:
    """The header promises exactly the bytes that follow it, of numbers or text."""
    with archive.open(entry) as stream:
        start = io.BytesIO(stream.read(min(entry.file_size, 2**16)))
    version = np.lib.format.read_magic(start)
    reader = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in reader:
        raise InputError("file", f"npy format {version}", "1.0 or 2.0")
    shape, _, dtype = reader[version](start)
    name = entry.filename[:-4][:60]
    if dtype.hasobject:
        raise InputError(name, "a pickled object, which is never opened", "an array of numbers")
    count = 1
    for length in shape:
        count *= int(length)
    follows = entry.file_size - start.tell()
    if count * dtype.itemsize != follows:
        raise InputError(name, f"a header for {count * dtype.itemsize} bytes", f"for the {follows} there are")


def _array(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> np.ndarray:
    with archive.open(entry) as stream:
        array: np.ndarray = np.lib.format.read_array(stream, allow_pickle=False)
    if array.dtype.byteorder == ">":
        array = array.astype(array.dtype.newbyteorder("="))
    return array
