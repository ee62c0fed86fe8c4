"""Recordings in files: of one layer, or of a network."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rnnparity.apis.stacks import is_network
from rnnparity.errors import InputError
from rnnparity.files import array_file
from rnnparity.recordings import network_recording
from rnnparity.recordings import recording as single
from rnnparity.recordings.meta import read_meta, write_meta
from rnnparity.recordings.network_recording import NetworkRecording
from rnnparity.recordings.recording import WEIGHTS, Recording


def read(path: str | Path) -> Recording | NetworkRecording:
    """Read a recording. Raises :class:`~rnnparity.errors.InputError`, of one line, for whatever is wrong."""
    stored = array_file.read_arrays(path)
    return from_arrays(stored.arrays, stored.bfloat16)


def from_arrays(
    arrays: Mapping[str, np.ndarray], bfloat16: Collection[str] = ()
) -> Recording | NetworkRecording:
    """A recording from the arrays ``[...]`` of its file; ``bfloat16`` names those that were stored as that.

    Raises :class:`~rnnparity.errors.InputError` for arrays that do not fit each other or the api.
    """
    meta = read_meta(arrays.get("meta"))
    if not is_network(meta["api"], meta["options"]):
        return single.from_arrays(arrays, bfloat16)
    own = {name: array for name, array in arrays.items() if name != "meta"}
    return network_recording.from_arrays(meta, own, bfloat16)


def record(
    path: str | Path,
    api: str,
    weights: object,
    inputs: object,
    hidden: object,
    cell: object = None,
    *,
    initial_hidden: object = None,
    initial_cell: object = None,
    lengths: object = None,
    mask: object = None,
    stepped_hidden: object = None,
    last_hidden: object = None,
    last_cell: object = None,
    version: str = "",
    options: Mapping[str, Any] | None = None,
) -> Recording | NetworkRecording:
    """Write a recording, and return it: a ``.safetensors`` file if that is its suffix, otherwise an ``.npz``.

    ``weights`` are arrays by native name, or a layer itself: an object with ``named_parameters()`` (PyTorch)
    or with ``weights`` that have names (Keras). The others have the shapes of :class:`Recording`, such as
    ``inputs`` ``[B, T, I]``, and may be anything that numpy can turn into an array. ``stepped_hidden`` is
    needed where ``cell`` comes from other calls than ``hidden``, one for each step. Raises
    :class:`~rnnparity.errors.InputError` where :func:`read` would.
    """
    given = {
        "inputs": inputs, "hidden": hidden, "cell": cell, "initial_hidden": initial_hidden,
        "initial_cell": initial_cell, "lengths": lengths, "mask": mask, "stepped_hidden": stepped_hidden,
        "last_hidden": last_hidden, "last_cell": last_cell,
    }  # fmt: skip
    arrays = {name: _numpy(value) for name, value in given.items() if value is not None}
    arrays |= {WEIGHTS + name: tensor for name, tensor in _live(weights).items()}
    meta = {"api": api, "version": version, "options": dict(options or {})}
    arrays["meta"] = write_meta(meta)
    recording = from_arrays(arrays)
    array_file.write_arrays(path, arrays)
    return recording


def _live(weights: Any) -> dict[str, np.ndarray]:
    """The tensors of a mapping, or of a layer, by native name."""
    if isinstance(weights, Mapping):
        return {str(name): _numpy(value) for name, value in weights.items()}
    if hasattr(weights, "weights"):  # on PyTorch a Keras layer has named_parameters too, of other names
        return {getattr(tensor, "path", tensor.name): _numpy(tensor) for tensor in weights.weights}
    if hasattr(weights, "named_parameters"):
        return {name: _numpy(value) for name, value in weights.named_parameters()}
    raise InputError("weights", type(weights).__name__, "a mapping of arrays, or a layer")


def _numpy(value: Any) -> np.ndarray:
    """An array from any tensor, including one on a GPU or one that tracks gradients."""
    held = getattr(value, "value", None)  # on PyTorch a Keras variable holds a tensor
    value = held if hasattr(held, "detach") else value
    for step in ("detach", "cpu", "numpy"):
        value = getattr(value, step)() if hasattr(value, step) else value
    return np.asarray(value)
