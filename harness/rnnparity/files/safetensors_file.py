"""``.safetensors`` files (https://github.com/huggingface/safetensors#format).

They hold the same arrays as an ``.npz``, but the text ``meta`` is in the file's own metadata.
"""

import struct
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rnnparity.errors import InputError
from rnnparity.files import npz
from rnnparity.files.source import parse_json, read_bytes
from rnnparity.files.whole import whole

_DTYPES = {
    "F16": np.float16, "F32": np.float32, "F64": np.float64, "I8": np.int8, "I16": np.int16, "I32": np.int32,
    "I64": np.int64, "U8": np.uint8, "U16": np.uint16, "U32": np.uint32, "U64": np.uint64,
}  # fmt: skip
"""numpy's dtypes by the format's names."""
_BFLOAT16 = "BF16"
"""numpy has no such dtype. A bfloat16 is the upper half of a float32, and is widened to one."""


class Arrays(NamedTuple):
    """The arrays ``[...]`` of a file, and the names of those that were widened from bfloat16 to float32."""

    arrays: dict[str, np.ndarray]
    bfloat16: frozenset[str]


def read_safetensors(path: Path) -> Arrays:
    """Every array ``[...]`` of the file, by name.

    Raises :class:`~rnnparity.errors.InputError` for a broken file and for an unknown dtype.
    """
    from safetensors import SafetensorError, deserialize

    content = read_bytes(path, npz.MAX_BYTES)
    try:
        tensors = dict(deserialize(content))
    except SafetensorError as error:
        said = str(error).removeprefix("Error while deserializing: ").partition("\n")[0][:100]
        raise InputError("file", said, "a whole .safetensors file") from None
    metadata = _metadata(content)
    arrays = {name: _array(name, **tensor) for name, tensor in tensors.items()}
    if "meta" in metadata:
        arrays["meta"] = np.array(metadata["meta"])
    widened = (name for name, tensor in tensors.items() if tensor["dtype"] == _BFLOAT16)
    return Arrays(arrays, frozenset(widened))


def write_safetensors(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write arrays of numbers ``[...]`` by name, and the text ``meta``.

    Raises :class:`~rnnparity.errors.Unwritable`.
    """
    from safetensors.numpy import save

    tensors = {name: np.ascontiguousarray(array) for name, array in arrays.items() if name != "meta"}
    with whole(path) as file:
        file.write(save(tensors, metadata={"meta": str(arrays["meta"])}))


def _metadata(content: bytes) -> dict[str, str]:
    """The metadata in the header of a file that safetensors has accepted."""
    (length,) = struct.unpack_from("<Q", content)
    try:
        header = parse_json(content[8 : 8 + length].decode("utf-8"))
    except ValueError as error:
        raise InputError("file", f"a header in which {error}", "a whole .safetensors file") from None
    return dict(header.get("__metadata__") or {})


def _array(name: str, dtype: str, shape: list[int], data: bytes) -> np.ndarray:
    if dtype == _BFLOAT16:
        array: np.ndarray = (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32)
    elif dtype in _DTYPES:
        array = np.frombuffer(data, np.dtype(_DTYPES[dtype]).newbyteorder("<"))
    else:
        raise InputError(name[:60], f"dtype {dtype}", ", ".join((*_DTYPES, _BFLOAT16)))
    try:
        return array.reshape(shape)
    except ValueError:  # an empty array of more axes, or longer ones, than numpy allows
        raise InputError(name[:60], f"{len(shape)} axes, {str(shape)[:60]}", "an array of numbers") from None
