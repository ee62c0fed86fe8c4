"""Files of named arrays. The suffix decides the format: ``.safetensors``, or otherwise ``.npz``."""

import contextlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rnnparity.errors import InputError
from rnnparity.files import npz, safetensors_file
from rnnparity.files.safetensors_file import Arrays
from rnnparity.files.sequence import Sequence
from rnnparity.printable import one_line

_SAFETENSORS = ".safetensors"


def read_arrays(path: str | Path) -> Arrays:
    """Every array ``[...]`` of the file, by name.

    Raises :class:`~rnnparity.errors.InputError` for a file that is unsafe, broken or cannot be read.
    """
    if Path(path).suffix == _SAFETENSORS:
        read = safetensors_file.read_safetensors(Path(path))
    else:
        read = Arrays(npz.read_npz(path), frozenset())
    _check_names(read.arrays)
    return read


class Opened(NamedTuple):
    """As :class:`~rnnparity.files.safetensors_file.Arrays`; sequences may be in the file still."""

    arrays: Mapping[str, np.ndarray | Sequence]
    bfloat16: frozenset[str]


@contextlib.contextmanager
def open_arrays(path: str | Path, sequences: Collection[str]) -> Iterator[Opened]:
    """As :func:`read_arrays`, but large ``sequences`` ``[B, T, n]`` of an ``.npz`` are left in the file."""
    if Path(path).suffix == _SAFETENSORS:
        yield Opened(*read_arrays(path))
        return
    with npz.open_npz(path, sequences) as arrays:
        _check_names(arrays)
        yield Opened(arrays, frozenset())


def _check_names(names: Iterable[str]) -> None:
    for name in names:
        if one_line(name) != name:
            raise InputError("file", f"an array {name[:60]!r}", "names that can be printed")


def write_arrays(path: str | Path, arrays: dict[str, np.ndarray]) -> None:
    """Write arrays of numbers ``[...]`` by name, and the text ``meta``, which is an array ``[]``.

    Raises :class:`~rnnparity.errors.Unwritable` where the file cannot be written.
    """
    if Path(path).suffix == _SAFETENSORS:
        safetensors_file.write_safetensors(Path(path), arrays)
    else:
        npz.write_npz(path, arrays)
