"""Child processes that end with the run that started them."""

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Sequence
from typing import Any, cast


class Stopped(Exception):
    """A process should have been started after all had been stopped."""


class Processes:
    """The processes of one run. Each is the leader of a group of its own, so that its children end with it.

    ``stopped`` is true after :meth:`stop`: then nothing that is waited for will come.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self.stopped = False

    def start(self, arguments: Sequence[str], **options: Any) -> subprocess.Popen[bytes]:
        """Start ``subprocess.Popen`` in a group of its own. Raises :class:`Stopped` after :meth:`stop`."""
        with self._lock:
            if self.stopped:
                raise Stopped
            started = subprocess.Popen(arguments, start_new_session=True, **options)
            process = cast("subprocess.Popen[bytes]", started)
            self._running.add(process)
            return process

    def end(self, process: subprocess.Popen[bytes]) -> int:
        """Kill what is left of a process and its children, and return its exit status."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        status = process.wait()
        with self._lock:
            self._running.discard(process)
        return status

    def stop(self) -> None:
        """Kill every process, and refuse to start more."""
        with self._lock:
            self.stopped = True
            running = list(self._running)
        for process in running:
            self.end(process)
