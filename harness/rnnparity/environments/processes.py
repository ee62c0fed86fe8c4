"""Child processes that end with the run that started them."""

import contextlib
import os
import secrets
import signal
import subprocess
import threading
from collections.abc import Sequence
from typing import Any, cast

from rnnparity.errors import InputError

MAX_JOBS = 16 * (os.cpu_count() or 1)
"""More processes than this at a time only wait for each other, and take memory."""


def check_jobs(jobs: object) -> None:
    """Raise :class:`~rnnparity.errors.InputError` for a number of jobs out of range."""
    if isinstance(jobs, bool) or not isinstance(jobs, int) or not 1 <= jobs <= MAX_JOBS:
        raise InputError("jobs", repr(jobs), f"an integer from 1 to {MAX_JOBS}")


class Stopped(Exception):
    """A process should have been started after all had been stopped."""


_MARK = "RNNPARITY_STARTED"
"""An environment variable, inherited by the children of a process: it finds those that have left its group.
"""


class Processes:
    """The processes of one run. Each is the leader of a group of its own, so that its children end with it.

    ``stopped`` is true after :meth:`stop`: then nothing that is waited for will come.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[subprocess.Popen[bytes], str] = {}
        self.stopped = False

    def start(self, arguments: Sequence[str], **options: Any) -> subprocess.Popen[bytes]:
        """Start ``subprocess.Popen`` in a group of its own. Raises :class:`Stopped` after :meth:`stop`."""
        with self._lock:
            if self.stopped:
                raise Stopped
            mark = secrets.token_hex(8)
            options["env"] = {**options.get("env", os.environ), _MARK: mark}
            started = subprocess.Popen(arguments, start_new_session=True, **options)
            process = cast("subprocess.Popen[bytes]", started)
            self._running[process] = mark
            return process

    def end(self, process: subprocess.Popen[bytes]) -> int:
        """Kill what is left of a process and its children, and return its exit status."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        status = process.wait()
        with self._lock:
            mark = self._running.pop(process, None)
        if mark:
            _kill_marked(mark)
        return status

    def stop(self) -> None:
        """Kill every process, and refuse to start more."""
        with self._lock:
            self.stopped = True
            running = list(self._running)
        for process in running:
            self.end(process)


def _kill_marked(mark: str) -> None:
    """Kill the processes that have inherited a mark: children in sessions of their own."""
    import psutil

    for process in psutil.process_iter():
        # They end by themselves, or belong to others, who do not show their variables.
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(_MARK) == mark:
                process.kill()
