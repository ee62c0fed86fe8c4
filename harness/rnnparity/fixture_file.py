"""A recording in a file: native weights, inputs, states and the trajectory that came of them.

An ``.npz`` with ``inputs`` ``[B, T, I]``, ``hidden`` and ``cell`` ``[B, T, U]``, ``initial_hidden`` and
``initial_cell`` ``[B, U]``, ``weights/<native name>``, and ``meta``, a JSON text. All but ``hidden`` and
``meta`` may be missing. The same recording gives the same bytes.
"""

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rnnparity.errors import InputError

_EPOCH = (1980, 1, 1, 0, 0, 0)


class Recording(NamedTuple):
    """Arrays by name, and what is known of them: ``recording``, ``api``, ``version``, ``provenance``."""

    arrays: dict[str, np.ndarray]
    meta: dict[str, Any]


def write(path: Path, arrays: Mapping[str, np.ndarray], meta: Mapping[str, Any]) -> None:
    """Write a recording; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"recording": 1, **meta}, indent=1, sort_keys=True)
    named = {**arrays, "meta": np.array(text)}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in named.items():
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, np.asarray(array, order="C"), allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy", _EPOCH)  # no clock in the file
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, buffer.getvalue())


def read(path: Path) -> Recording:
    """Read a recording. Raises :class:`~rnnparity.errors.InputError` for a file that is none."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        meta = json.loads(str(arrays.pop("meta")))
        if meta["recording"] != 1:
            raise ValueError(meta["recording"])
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise InputError("recording", f"{path} ({error})", "a file that rnnparity recorded") from error
    return Recording(arrays, meta)
