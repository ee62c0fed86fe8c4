"""Files of named arrays. The suffix decides the format: ``.safetensors``, or otherwise ``.npz``."""

from pathlib import Path

import numpy as np

from rnnparity.errors import InputError
from rnnparity.files import npz, safetensors_file
from rnnparity.files.safetensors_file import Arrays
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
    for name in read.arrays:
        if one_line(name) != name:
            raise InputError("file", f"an array {name[:60]!r}", "names that can be printed")
    return read


def write_arrays(path: str | Path, arrays: dict[str, np.ndarray]) -> None:
    """Write arrays of numbers ``[...]`` by name, and the text ``meta``, which is an array ``[]``.

    Raises :class:`~rnnparity.errors.Unwritable` where the file cannot be written.
    """
    if Path(path).suffix == _SAFETENSORS:
        safetensors_file.write_safetensors(Path(path), arrays)
    else:
        npz.write_npz(path, arrays)
