"""Files of others, opened for reading: regular files of a limited size only, and their text and JSON.

A FIFO would be waited for, an endless device would be read for ever. What a text may hold is limited too:
JSON of any depth and numbers of any length would be read, and then break what works with them.
"""

import json
import math
import os
import stat
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from rnnparity.errors import InputError
from rnnparity.printable import one_line

MAX_TEXT = 2**28
"""256 MiB: texts become Python objects, which take several times as much."""
_NAME = 200
"""Characters of a file's name in a message, so that there is room for what is wrong with it."""
_DEEPEST = 50
_DIGITS = 30
"""JSON may be nested as deep as this, and an integer may have as many digits: far more than any of ours."""


def open_source(path: str | Path, largest: int, what: str = "file") -> BinaryIO:
    """Open a regular file of at most ``largest`` bytes.

    Raises :class:`~rnnparity.errors.InputError` about ``what`` for anything else.
    """
    name = one_line(path, _NAME)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # which does not wait for a FIFO's writer
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or error
        raise InputError(what, f"{name} ({said})", "a file that can be read") from None
    status = os.fstat(descriptor)
    if stat.S_ISREG(status.st_mode) and status.st_size <= largest:
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise InputError(what, f"{name} ({_kind(status.st_mode)})", "a regular file")
    raise InputError(what, f"{name} ({status.st_size} bytes)", f"a file of at most {largest}")


def read_bytes(path: str | Path, largest: int, what: str = "file") -> bytes:
    """All bytes of a file. Raises :class:`~rnnparity.errors.InputError` as :func:`open_source` does."""
    with open_source(path, largest, what) as file:
        try:
            return file.read(largest)  # no more, even if the file grows
        except OSError as error:
            raise InputError(
                what, f"{one_line(path, _NAME)} ({error.strerror})", "a file that can be read"
            ) from None


def read_text(path: str | Path, what: str = "file", largest: int = MAX_TEXT) -> str:
    """The text of a file in UTF-8. Raises :class:`~rnnparity.errors.InputError` for anything else."""
    try:
        return read_bytes(path, largest, what).decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(
            what, f"{one_line(path, _NAME)} ({error.reason} at byte {error.start})", "text in UTF-8"
        ) from None


def parse_json(text: str) -> Any:
    """What a JSON text of others says.

    Raises ValueError for anything else, for NaN and numbers too large for a float or an int of 30 digits, and
    for what is nested deeper than 50.
    """
    try:
        parsed = json.loads(text, parse_int=_integer, parse_float=_finite, parse_constant=_no_number)
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    level = [parsed]
    for _ in range(_DEEPEST):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return parsed
    raise ValueError("it is nested too deep")


def _inside(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _integer(text: str) -> int:
    if len(text) > _DIGITS:
        raise ValueError(f"a number of {len(text)} digits")
    return int(text)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        _no_number(text)
    return value


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text[:_DIGITS]} is no number")


def _kind(mode: int) -> str:
    kinds = {
        stat.S_IFDIR: "a folder", stat.S_IFIFO: "a FIFO", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device",
    }  # fmt: skip
    return kinds.get(stat.S_IFMT(mode), "no file")
