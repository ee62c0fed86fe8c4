"""Frames between the harness and a worker: a mark, two lengths, a header in JSON, then the bytes of arrays.

The header holds the message and, in the order of the bytes, each array's name, dtype and shape. Nothing is
pickled, so reading a frame can never run code. An npz file would be as safe, but writing its zip takes a
third of the time that a fast framework needs. execnet, which also talks to other interpreters, dropped Python
3.7 in version 2.1: https://github.com/pytest-dev/execnet/blob/master/CHANGELOG.rst
"""

import json
import struct
from typing import Any, BinaryIO, Dict, NamedTuple, Optional

import numpy as np

_HEAD = struct.Struct("<4sQ")
_HEADER = struct.Struct("<Q")
_MARK = b"rnnp"
_KINDS = "biufc"  # of dtypes: numbers only, because an array of objects would have to be unpickled


class Frame(NamedTuple):
    """A message, which JSON can hold, and arrays ``[...]`` by name."""

    message: Dict[str, Any]
    arrays: Dict[str, np.ndarray]


class WireError(Exception):
    """Bytes were read that are no frame."""


def encode(frame: Frame) -> bytes:
    """The bytes of a frame: mark and length, header, then the arrays in the order of the header."""
    arrays = {name: np.asarray(array, order="C") for name, array in frame.arrays.items()}
    forms = [(name, array.dtype.str, array.shape) for name, array in arrays.items()]
    header = json.dumps([frame.message, forms]).encode("utf-8")
    length = _HEADER.size + len(header) + sum(array.nbytes for array in arrays.values())
    start = _HEAD.pack(_MARK, length), _HEADER.pack(len(header)), header
    return b"".join([*start, *(array.data for array in arrays.values())])


def read(stream: BinaryIO) -> Optional[bytes]:
    """The bytes of the next frame, or None where the stream ends.

    Raises :class:`WireError` for bytes that do not begin a frame.
    """
    head = stream.read(_HEAD.size)
    if len(head) < _HEAD.size:
        return None
    mark, length = _HEAD.unpack(head)
    if mark != _MARK:
        raise WireError("not a frame: %r" % head)
    body = stream.read(length)
    return body if len(body) == length else None


def decode(body: bytes) -> Frame:
    """The inverse of :func:`encode`, for a body that :func:`read` returned. Raises :class:`WireError`."""
    try:
        (length,) = _HEADER.unpack_from(body)
        place = _HEADER.size + length
        message, forms = json.loads(body[_HEADER.size : place].decode("utf-8"))
        arrays = {}
        for name, form, shape in forms:
            dtype = np.dtype(form)
            if dtype.kind not in _KINDS:
                raise ValueError("%s is no number" % form)
            array = np.frombuffer(body, dtype, int(np.prod(shape)), place).reshape(shape)
            arrays[name] = array.copy()
            place += array.nbytes
        if place != len(body):
            raise ValueError("%d bytes too many" % (len(body) - place))
        return Frame(message, arrays)
    except Exception as error:
        raise WireError("not a frame: %s: %s" % (type(error).__name__, error)) from error


def prefixed(prefix: str, arrays: Dict[str, np.ndarray]) -> Dict[str, np.ndarray]:
    """``arrays`` ``[...]`` with ``prefix/`` before each name, so that one frame can hold several groups."""
    return {"%s/%s" % (prefix, name): array for name, array in arrays.items()}


def group(prefix: str, arrays: Dict[str, np.ndarray]) -> Dict[str, np.ndarray]:
    """The inverse of :func:`prefixed`: the arrays ``[...]`` of one group, without the prefix."""
    start = prefix + "/"
    return {name[len(start) :]: array for name, array in arrays.items() if name.startswith(start)}
