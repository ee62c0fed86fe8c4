"""``.npz`` files. The same arrays always give the same file, and a file from anybody can be read safely.

Nothing is unpickled, and no size that a file claims is trusted before it is checked. The format is described
at https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
"""

import contextlib
import io
import os
import struct
import tempfile
import tokenize
import zipfile
import zlib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

import numpy as np

from rnnparity.errors import InputError
from rnnparity.files.sequence import Sequence
from rnnparity.files.source import open_source
from rnnparity.files.whole import whole

MAX_BYTES = 2**31
"""All arrays of a file together may have 2 GiB: far more than any recording, and less than most memories."""
_MAX_ENTRIES = 4096
"""A file may have this many arrays, hundreds of times as many as a recording: their headers take time."""
_SUSPICIOUS = (2**26, 200)
"""More than so many bytes of arrays may not be packed to less than a 200th: random numbers never are, zip
bombs are. See https://docs.python.org/3/library/zipfile.html#decompression-pitfalls
"""
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip entry can have; every entry gets it, so that files do not depend on the clock.
"""
_BROKEN = (
    zipfile.BadZipFile, zlib.error, EOFError, struct.error, ValueError, NotImplementedError, RuntimeError,
    SyntaxError, MemoryError, OverflowError, TypeError, KeyError, OSError, tokenize.TokenError,
)  # fmt: skip
"""What zipfile, zlib and numpy raise for files that are not what they should be."""


def write_npz(path: str | Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays ``[...]`` by name. The same arrays in the same order give the same bytes.

    Large files are not compressed, so that they never look like what :func:`read_npz` refuses. Raises
    ValueError for an array of objects, and :class:`~rnnparity.errors.Unwritable` where the file cannot be
    written.
    """
    small = sum(array.nbytes for array in arrays.values()) <= _SUSPICIOUS[0]
    method = zipfile.ZIP_DEFLATED if small else zipfile.ZIP_STORED
    with whole(path) as file, zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, np.asarray(array, order="C"), allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy", _EPOCH)
            archive.writestr(entry, buffer.getbuffer(), method)


def read_npz(path: str | Path) -> dict[str, np.ndarray]:
    """Every array ``[...]`` of the file, by name.

    All sizes are checked before any array is read: those in the archive, and those in the arrays' headers.
    Raises :class:`~rnnparity.errors.InputError` for a file that is unsafe, broken or cannot be read.
    """
    with open_source(path, MAX_BYTES) as file:
        return read_npz_stream(file)


_LARGE = 2**23
"""Bytes of an array from which on it is left in its file until a part of it is needed."""


def may_be_large(path: str | Path) -> bool:
    """Whether a file may hold an array that :func:`open_npz` leaves there."""
    try:
        return Path(path).suffix == ".npz" and os.stat(path).st_size > _LARGE
    except (OSError, ValueError):
        return False


@contextlib.contextmanager
def open_npz(path: str | Path, sequences: Collection[str]) -> Iterator[dict[str, np.ndarray | Sequence]]:
    """As :func:`read_npz`, but large ``sequences`` ``[B, T, n]`` are read part by part while this is open."""
    with open_source(path, MAX_BYTES) as file, contextlib.ExitStack() as opened:
        try:
            with zipfile.ZipFile(file) as archive:
                entries = archive.infolist()
                _check_sizes(entries)
                headers = {entry: _check_header(archive, entry) for entry in entries}
                found: dict[str, np.ndarray | Sequence] = {}
                for entry, header in headers.items():
                    name = entry.filename[: -len(".npy")]
                    if name in sequences and entry.file_size > _LARGE and header.plain:
                        found[name] = _sequence(archive, entry, header, opened)
                    else:
                        found[name] = _array(archive, entry)
        except InputError:
            raise
        except _BROKEN as error:
            raise _not_whole(error) from None
        yield found


def read_npz_stream(stream: IO[bytes]) -> dict[str, np.ndarray]:
    """As :func:`read_npz`, from an open file: every array ``[...]`` by name."""
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
        raise _not_whole(error) from None


def _not_whole(error: BaseException) -> InputError:
    said = str(error).partition("\n")[0][:80]
    return InputError("file", f"{type(error).__name__}: {said}", "a whole .npz file")


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


class _Header(NamedTuple):
    """What an entry says of its array, which begins after ``size`` bytes."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[Any]
    size: int

    @property
    def plain(self) -> bool:
        """Whether its rows lie one after the other, in numbers as they are used."""
        return len(self.shape) == 3 and not self.fortran and self.dtype.byteorder != ">"


def _check_header(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> _Header:
    """Refuse an entry whose header does not promise exactly the bytes that follow it, as numbers or text."""
    with archive.open(entry) as stream:
        start = io.BytesIO(stream.read(min(entry.file_size, 2**16)))
    version = np.lib.format.read_magic(start)
    reader = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in reader:
        raise InputError("file", f"npy format {version}", "1.0 or 2.0")
    shape, fortran, dtype = reader[version](start)
    name = entry.filename[:-4][:60]
    if dtype.hasobject:
        raise InputError(name, "a pickled object, which is never opened", "an array of numbers")
    count = 1
    for length in shape:
        count *= int(length)
    follows = entry.file_size - start.tell()
    if count * dtype.itemsize != follows:
        raise InputError(name, f"a header for {count * dtype.itemsize} bytes", f"for the {follows} there are")
    return _Header(shape, fortran, dtype, start.tell())


_LOCAL = struct.Struct("<26x2H")
"""The header of an entry within the archive: 30 bytes, the lengths of a name and of more that follow last:
https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, 4.3.7.
"""


def _sequence(
    archive: zipfile.ZipFile, entry: zipfile.ZipInfo, header: _Header, opened: contextlib.ExitStack
) -> Sequence:
    """A large array, left in the archive if it is stored there as it is, or else in a file of its own.

    It is read once in any case: only then it is known whether it is whole.
    """
    packed = entry.compress_type != zipfile.ZIP_STORED
    file = cast(IO[bytes], archive.fp)
    if packed:
        file = cast(IO[bytes], opened.enter_context(tempfile.TemporaryFile()))  # noqa: SIM115  # it does
    with archive.open(entry) as stream:
        while block := stream.read(2**20):
            if packed:
                file.write(block)
    start = 0
    if packed:
        file.flush()
    else:
        file.seek(entry.header_offset)
        start = entry.header_offset + _LOCAL.size + sum(_LOCAL.unpack(file.read(_LOCAL.size)))
    return Sequence(file.fileno(), start + header.size, header.shape, header.dtype)


def _array(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> np.ndarray:
    with archive.open(entry) as stream:
        array: np.ndarray = np.lib.format.read_array(stream, allow_pickle=False)
    if array.dtype.byteorder == ">":
        array = array.astype(array.dtype.newbyteorder("="))
    return array
