"""Frames between the harness and a worker: a mark, a number, a length; a header in JSON, the bytes of arrays.

A request has a number, and its answer has the same, so that an answer is never taken for that to another
request. The header holds the message and, in the order of the bytes, each array's name, dtype and shape.
Nothing is pickled, so reading a frame can never run code. An npz file would be as safe, but writing its zip
takes a third of the time that a fast framework needs. execnet, which also talks to other interpreters,
dropped Python 3.7 in version 2.1: https://github.com/pytest-dev/execnet/blob/master/CHANGELOG.rst
"""

import json
import struct
from typing import Any, BinaryIO, Dict, NamedTuple, Optional, Tuple, Union

import numpy as np

HEAD = struct.Struct("<4sQQ")
"""What every frame begins with: the mark, the number of the request, and how many bytes follow."""
_HEADER = struct.Struct("<Q")
_MARK = b"rnnp"
_ALIGNED = 64  # bytes: the arrays of a frame are used where they lie, and begin at a multiple of this
_KINDS = "biufc"  # of dtypes: numbers only, because an array of objects would have to be unpickled


class Frame(NamedTuple):
    """A message, which JSON can hold, and arrays ``[...]`` by name."""

    message: Dict[str, Any]
    arrays: Dict[str, np.ndarray]


class WireError(Exception):
    """Bytes were read that are no frame."""


def encode(number: int, frame: Frame) -> bytes:
    """The bytes of a frame: head, header, then the arrays in the order of the header.

    Raises :class:`WireError` for an array that does not hold numbers.
    """
    arrays = {name: np.asarray(array, order="C") for name, array in frame.arrays.items()}
    for name, array in arrays.items():
        if array.dtype.kind not in _KINDS:
            raise WireError("%s has dtype %s, which are no numbers" % (name, array.dtype))
    forms = [(name, array.dtype.str, array.shape) for name, array in arrays.items()]
    header = json.dumps([frame.message, forms]).encode("utf-8")
    header += b" " * (-(_HEADER.size + len(header)) % _ALIGNED)
    length = _HEADER.size + len(header) + size(arrays)
    start = HEAD.pack(_MARK, number, length), _HEADER.pack(len(header)), header
    return b"".join([*start, *(array.data for array in arrays.values())])


def size(arrays: Dict[str, np.ndarray]) -> int:
    """The bytes of arrays ``[...]``."""
    return sum(array.nbytes for array in arrays.values())


def head(start: Union[bytes, bytearray]) -> Tuple[int, int]:
    """The number of a frame, and the length of its body, from its first ``HEAD.size`` bytes.

    Raises :class:`WireError` for bytes that do not begin a frame.
    """
    mark, number, length = HEAD.unpack(start)
    if mark != _MARK:
        raise WireError("not a frame: %r" % bytes(start))
    return number, length


def read(stream: BinaryIO) -> Optional[Tuple[int, bytearray]]:
    """The number and the body of the next frame, or None where the stream ends.

    Raises :class:`WireError` as :func:`head` does.
    """
    start = stream.read(HEAD.size)
    if len(start) < HEAD.size:
        return None
    number, length = head(start)
    body = bytearray(length)
    complete = stream.readinto(body) == length  # type: ignore[attr-defined]
    return (number, body) if complete else None


def decode(body: bytearray) -> Frame:
    """The frame in a body, whose arrays lie in it and can be written. Raises :class:`WireError`."""
    try:
        (length,) = _HEADER.unpack_from(body)
        place = _HEADER.size + length
        message, forms = json.loads(body[_HEADER.size : place].decode("utf-8"))
        arrays = {}
        for name, form, shape in forms:
            dtype = np.dtype(form)
            if dtype.kind not in _KINDS:
                raise ValueError("%s is no number" % form)
            arrays[name] = np.frombuffer(body, dtype, int(np.prod(shape)), place).reshape(shape)
            place += arrays[name].nbytes
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
