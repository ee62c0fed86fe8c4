"""Workers: processes, each in one environment, that run many cases. They are started, fed and ended here."""

import contextlib
import itertools
import os
import queue
import signal
import subprocess
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, BinaryIO, Self, cast

import rnnparity_adapters
from rnnparity.environments.processes import Processes
from rnnparity.errors import WorkerCrashed, WorkerError, WorkerTimeout
from rnnparity_adapters import wire
from rnnparity_adapters.wire import Frame

_BOOT = Path(rnnparity_adapters.__file__).with_name("boot.py")
_LOG_LINES = 15
"""An error shows so many last lines of a worker's stderr: a traceback's end, but not a whole screen."""
_PIPE = 2**20
"""Bytes that a pipe holds, so that a worker need not wait until its answer is read. Linux allows this much
without privileges: https://man7.org/linux/man-pages/man7/pipe.7.html
"""
_VARIABLES = {"OMP_NUM_THREADS": "1"}
"""One thread for each worker. There is a worker for each CPU, and idle OpenMP threads spin, which would keep
the CPUs from the other workers.
"""
_AHEAD = 2
"""Cases that a worker has: the one that it runs, and the next one, so that it never waits for it."""


class Worker:
    """A running worker. Frames may be sent before earlier ones are answered; answers keep the order.

    ``python`` is the environment's interpreter, ``variables`` are added to the environment variables.
    """

    def __init__(self, python: Path, variables: Mapping[str, str], processes: Processes) -> None:
        self._processes = processes
        # A file, because a pipe that nobody reads would stop the worker.
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        self._process = processes.start(
            [str(python), "-I", str(_BOOT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={**_VARIABLES, **os.environ, **variables},
            pipesize=_PIPE,
        )
        self._answers: queue.SimpleQueue[bytes | wire.WireError | None] = queue.SimpleQueue()
        self._collector = threading.Thread(target=self._collect, daemon=True)
        self._collector.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def send(self, frame: Frame) -> None:
        """Send a frame. If the worker has ended, :meth:`receive` will raise the error."""
        stdin = cast(BinaryIO, self._process.stdin)
        with contextlib.suppress(BrokenPipeError):
            stdin.write(wire.encode(frame))
            stdin.flush()

    def receive(self, timeout: float) -> Frame:
        """The next answer, for which the worker has ``timeout`` seconds.

        Raises :class:`WorkerCrashed` or :class:`WorkerTimeout`. After either the worker cannot be used any
        more.
        """
        try:
            answer = self._answers.get(timeout=timeout)
            if isinstance(answer, bytes):
                return wire.decode(answer)
        except queue.Empty:
            self._processes.end(self._process)
            raise WorkerTimeout(f"no answer in {timeout:g} s", self._tail()) from None
        except wire.WireError as error:
            answer = error
        status = self._wait() if answer is None else self._processes.end(self._process)
        summary = f"the worker wrote {answer}" if answer else _ending(status)
        raise WorkerCrashed(summary, self._tail())

    def close(self) -> None:
        """End the worker's process, and close its pipes and its log."""
        self._processes.end(self._process)
        self._collector.join()
        for stream in (self._process.stdin, self._process.stdout, self._log):
            with contextlib.suppress(BrokenPipeError):
                cast(IO[bytes], stream).close()

    def _collect(self) -> None:
        """Read answers from the pipe as they come, so that the worker never waits to write one."""
        try:
            while body := wire.read(cast(BinaryIO, self._process.stdout)):
                self._answers.put(body)
            self._answers.put(None)
        except wire.WireError as error:
            self._answers.put(error)

    def _wait(self) -> int:
        """The exit status of a process that has closed its pipe, given a moment to end by itself."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=5)
        return self._processes.end(self._process)

    def _tail(self) -> str:
        self._log.seek(0)
        lines = self._log.read().decode("utf-8", "replace").splitlines()
        return "\n".join(lines[-_LOG_LINES:])


class Pool:
    """Workers that are kept for the next run, one for each environment. Leaving the context ends them."""

    def __init__(self) -> None:
        self.processes = Processes()
        self._waiting: dict[str, Worker] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._waiting.values():
            worker.close()

    def lend(self, environment: str, start: Callable[[], Worker]) -> Callable[[], Worker]:
        """A function that returns the kept worker of an environment, or starts one if there is none."""
        return lambda: self._waiting.pop(environment, None) or start()

    def keep(self, environment: str, worker: Worker) -> None:
        """Keep a worker that has answered everything for the next run."""
        self._waiting[environment] = worker


def answers(
    start: Callable[[], Worker],
    requests: Iterable[Frame],
    timeout: float,
    end: Callable[[Worker], None] = Worker.close,
) -> Iterator[Frame | WorkerError]:
    """Send ``requests`` to a worker, one ahead, and yield the answer to each, in their order.

    For a request that ends its worker the error is yielded, and a new worker goes on with the next one.
    ``end`` is called with the worker that has answered everything.
    """
    coming = iter(requests)
    sent: deque[Frame] = deque()
    worker = start()
    try:
        while True:
            for request in itertools.islice(coming, _AHEAD - len(sent)):
                worker.send(request)
                sent.append(request)
            if not sent:
                break
            try:
                answer: Frame | WorkerError = worker.receive(timeout)
            except WorkerError as error:
                answer = error
            sent.popleft()
            yield answer
            if isinstance(answer, WorkerError):
                worker.close()
                worker = start()
                for request in sent:
                    worker.send(request)
    except BaseException:
        worker.close()
        raise
    end(worker)


def _ending(status: int) -> str:
    """An exit status in words."""
    if status < 0:
        return f"the worker was ended by {signal.Signals(-status).name}"
    return f"the worker exited with status {status}"
