"""Files written whole: the one place that writes results.

A file is written beside its place and renamed when it is complete. So a full disk, a limit or a kill leaves
what was there before, never half of something.
"""

import contextlib
import errno
import os
import secrets
import stat
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

from rnnparity.errors import Unwritable

_LONGEST = 100
"""Bytes of a name that its temporary one keeps, so that this one is not too long."""


@contextlib.contextmanager
def whole(path: str | Path) -> Iterator[IO[bytes]]:
    """A new file that takes the place of ``path`` where the block ends without an exception.

    A device or a FIFO cannot be replaced and is written as it is. Raises
    :class:`~rnnparity.errors.Unwritable` where the file cannot be written.
    """
    place = _place(path)
    try:
        if place.exists() and not place.is_file():
            with place.open("wb") as file:
                yield file
            return
        with _beside(place) as file:
            yield file
    except OSError as error:
        raise _unwritable(path, error) from None


@contextlib.contextmanager
def _beside(place: Path) -> Iterator[IO[bytes]]:
    start = os.fsdecode(os.fsencode(place.name)[:_LONGEST])
    made = place.with_name(f".{start}.{secrets.token_hex(4)}")
    try:
        with made.open("xb") as file:
            yield file
        if place.exists():
            made.chmod(stat.S_IMODE(place.stat().st_mode))
        made.replace(place)
    finally:
        made.unlink(missing_ok=True)  # only there if it is incomplete


def write_texts(texts: Mapping[Path, str]) -> None:
    """Write texts in UTF-8, all of them or, where one cannot be written, none.

    Raises :class:`~rnnparity.errors.Unwritable`.
    """
    with contextlib.ExitStack() as stack:
        for path, text in texts.items():
            file = stack.enter_context(whole(path))
            file.write(text.encode("utf-8", "backslashreplace"))
            file.flush()


def check_place(path: str | Path) -> None:
    """Raise :class:`~rnnparity.errors.Unwritable` where no file could be written at ``path``."""
    place = _place(path)
    try:
        if place.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if place.exists() and not os.access(place, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        if place.is_file() or not place.exists():
            with tempfile.TemporaryFile(dir=place.parent):
                pass
    except OSError as error:
        raise _unwritable(path, error) from None


def _place(path: str | Path) -> Path:
    """What a link leads to: that is replaced, not the link."""
    try:
        return Path(os.path.realpath(path))
    except (OSError, ValueError) as error:  # a loop of links, a NUL in the name
        raise _unwritable(path, error) from None


def _unwritable(path: str | Path, error: Exception) -> Unwritable:
    return Unwritable(path, getattr(error, "strerror", None) or str(error))
