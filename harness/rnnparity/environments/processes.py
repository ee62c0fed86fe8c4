"""Child processes that never outlive the run that started them."""

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Sequence
from typing import Any, cast


class Stopped(Exception):
    """A process was to be started after everything had been stopped."""


class Processes:
    """The processes of one run, each the leader of its own group, so that its children end with it.

    ``stopped`` tells whoever waits for something else that there is nothing to wait for any more.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self.stopped = False

    def start(self, arguments: Sequence[str], **options: Any) -> subprocess.Popen[bytes]:
        """``subprocess.Popen`` in a group of its own. Raises :class:`Stopped` after :meth:`stop`."""
        with self._lock:
            if self.stopped:
                raise Stopped
            started = subprocess.Popen(arguments, start_new_session=True, **options)
            process = cast("subprocess.Popen[bytes]", started)
            self._running.add(process)
            return process

    def end(self, process: subprocess.Popen[bytes]) -> int:
        """Kill what is left of a process and its children; its exit status."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        status = process.wait()
        with self._lock:
            self._running.discard(process)
        return status

    def stop(self) -> None:
        """Kill every process and start no more."""
        with self._lock:
            self.stopped = True
            running = list(self._running)
        for process in running:
            self.end(process)
