"""Files of named arrays, by their suffix: ``.safetensors``, or else ``.npz``."""

from pathlib import Path

import numpy as np

from rnnparity.files import npz, safetensors_file
from rnnparity.files.safetensors_file import Arrays

_SAFETENSORS = ".safetensors"


def read_arrays(path: str | Path) -> Arrays:
    """Every array of the file. Raises :class:`~rnnparity.errors.InputError` for anything unsafe or broken."""
    if Path(path).suffix == _SAFETENSORS:
        return safetensors_file.read_safetensors(Path(path))
    return Arrays(npz.read_npz(path), frozenset())


def write_arrays(path: str | Path, arrays: dict[str, np.ndarray]) -> None:
    """Write arrays of numbers, and the text ``meta``. Raises OSError."""
    if Path(path).suffix == _SAFETENSORS:
        safetensors_file.write_safetensors(Path(path), arrays)
    else:
        npz.write_npz(path, arrays)
