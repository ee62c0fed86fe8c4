"""Stdout and stderr that may be closed early, as by ``| head``, or be full.

What a command found out does not depend on who still reads it: the exit status must be the same.
"""

import contextlib
import io
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TextIO

from rnnparity.errors import Unwritable


class Output:
    """A stream whose reader may go: the rest is dropped then.

    Any other failure, such as a full disk, raises :class:`~rnnparity.errors.Unwritable` once, unless that
    is to be ``ignored``.
    """

    def __init__(self, stream: TextIO | None, name: str, ignored: bool = False) -> None:
        self._stream = stream or io.StringIO()  # None where the descriptor was closed from the start
        self._name, self._ignored = name, ignored
        if isinstance(stream, io.TextIOWrapper):  # file names may be no text, a terminal may know ASCII alone
            stream.reconfigure(errors="backslashreplace")

    def write(self, text: str) -> int:
        """Write text, and say its length."""
        self._try(lambda: self._stream.write(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write each line."""
        self.write("".join(lines))

    def flush(self) -> None:
        """Hand over what was written."""
        self._try(self._stream.flush)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _try(self, action: Callable[[], object]) -> None:
        try:
            action()
        except OSError as error:
            # What is buffered goes nowhere, now or when the interpreter flushes at its end.
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)
            if not isinstance(error, BrokenPipeError) and not self._ignored:
                raise Unwritable(self._name, error.strerror) from None


@contextlib.contextmanager
def guarded() -> Iterator[None]:
    """Within the block stdout and stderr are :class:`Output`."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = Output(before[0], "stdout"), Output(before[1], "stderr", ignored=True)
    try:
        yield
    finally:
        sys.stderr.flush()
        sys.stdout, sys.stderr = before
