"""Frames between the harness and a worker: a mark, eight bytes of length, then an npz.

npz carries arrays bit for bit between numpy 1.18 and 2.4 and, read with ``allow_pickle=False``, can
never run code. What is not an array travels as JSON under the key ``message``.
"""

import io
import json
import struct
from typing import Any, BinaryIO, Dict, NamedTuple, Optional

import numpy as np

_HEAD = struct.Struct("<4sQ")
_MARK = b"rnnp"
_MESSAGE = "message"


class Frame(NamedTuple):
    """A JSON-able message and named arrays."""

    message: Dict[str, Any]
    arrays: Dict[str, np.ndarray]


class WireError(Exception):
    """Bytes that are no frame."""


def encode(frame: Frame) -> bytes:
    """A frame as bytes, head first."""
    text = json.dumps(frame.message).encode("utf-8")
    buffer = io.BytesIO()
    buffer.write(_HEAD.pack(_MARK, 0))
    named: Any = dict(frame.arrays, **{_MESSAGE: np.frombuffer(text, np.uint8)})
    np.savez(buffer, **named)
    body = buffer.getbuffer().nbytes - _HEAD.size
    buffer.seek(0)
    buffer.write(_HEAD.pack(_MARK, body))
    return buffer.getvalue()


def read(stream: BinaryIO) -> Optional[bytes]:
    """The bytes of the next frame, or None where the stream ends. Raises :class:`WireError`."""
    head = stream.read(_HEAD.size)
    if len(head) < _HEAD.size:
        return None
    mark, length = _HEAD.unpack(head)
    if mark != _MARK:
        raise WireError("not a frame: %r" % head)
    body = stream.read(length)
    return body if len(body) == length else None


def decode(body: bytes) -> Frame:
    """The inverse of :func:`encode`, for a body that :func:`read` returned."""
    try:
        with np.load(io.BytesIO(body), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        return Frame(json.loads(arrays.pop(_MESSAGE).tobytes().decode("utf-8")), arrays)
    except Exception as error:
        raise WireError("not a frame: %s: %s" % (type(error).__name__, error)) from error


def prefixed(prefix: str, arrays: Dict[str, np.ndarray]) -> Dict[str, np.ndarray]:
    """``arrays`` with ``prefix/`` before each name, to put several groups into one frame."""
    return {"%s/%s" % (prefix, name): array for name, array in arrays.items()}


def group(prefix: str, arrays: Dict[str, np.ndarray]) -> Dict[str, np.ndarray]:
    """The inverse of :func:`prefixed`."""
    start = prefix + "/"
    return {name[len(start) :]: array for name, array in arrays.items() if name.startswith(start)}
