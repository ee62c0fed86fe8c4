"""Files of named arrays, by their suffix: ``.safetensors``, or else ``.npz``."""

from pathlib import Path

import numpy as np

from rnnparity.files import npz, safetensors_file
from rnnparity.files.safetensors_file import Stored

_SAFETENSORS = ".safetensors"


def read(path: str | Path) -> Stored:
    """Every array of the file. Raises :class:`~rnnparity.errors.InputError` for anything unsafe or broken."""
    if Path(path).suffix == _SAFETENSORS:
        return safetensors_file.read(Path(path))
    return Stored(npz.read(path), frozenset())


def write(path: str | Path, arrays: dict[str, np.ndarray]) -> None:
    """Write arrays of numbers, and the text ``meta``. Raises OSError."""
    if Path(path).suffix == _SAFETENSORS:
        safetensors_file.write(Path(path), arrays)
    else:
        npz.write(path, arrays)
