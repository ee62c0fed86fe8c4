"""Workers: processes, each in one environment, that run many cases. They are started, fed and ended here."""

import contextlib
import itertools
import os
import queue
import signal
import subprocess
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Self, cast

import rnnparity_adapters
from rnnparity import printable
from rnnparity.environments.processes import Processes
from rnnparity.errors import WorkerCrashed, WorkerError, WorkerTimeout
from rnnparity.live.pipes import Answer, Pipes
from rnnparity_adapters import wire
from rnnparity_adapters.wire import Frame

_BOOT = Path(rnnparity_adapters.__file__).with_name("boot.py")
_LOG_LINES, _LOG_BYTES = 15, 2**14
"""An error shows so many last lines of a worker's stderr: a traceback's end, but not a whole screen. And so
many bytes: a line may be as long as a disk.
"""
_MESSAGE = 2**20
"""Bytes that an answer may have beside its arrays: a header, or a traceback."""
_LOOK = 0.5
"""Seconds between looks whether a silent worker still runs."""
_LETTING_GO = 30.0
"""Seconds that a worker has to close what an earlier run has left in it."""
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


CLOSE = Frame({}, {})
"""The request to close the adapter in use: a frame without a case."""


class Worker:
    """A running worker. Frames may be sent before earlier ones are answered; answers keep the order.

    ``python`` is the environment's interpreter, ``variables`` are added to the environment variables. Raises
    :class:`~rnnparity.errors.WorkerCrashed` where it cannot be started.

    ``holder`` names the adapter class and the api whose object the worker holds; it is empty if it holds
    none.
    """

    def __init__(self, python: Path, variables: Mapping[str, str], processes: Processes) -> None:
        self._processes = processes
        # A file, because a pipe that nobody reads would stop the worker.
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        try:
            self._process = processes.start(
                [str(python), "-I", str(_BOOT)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                env={**_VARIABLES, **os.environ, **variables},
                bufsize=0,
                pipesize=_PIPE,
            )
        except OSError as error:
            self._log.close()
            raise WorkerCrashed(f"{python} cannot be started: {error.strerror}", "") from None
        self._pipes = Pipes(cast(IO[bytes], self._process.stdin), cast(IO[bytes], self._process.stdout))
        self._sent = self._received = 0
        self.holder: tuple[str, ...] = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def send(self, frame: Frame) -> None:
        """Send a frame, without waiting. If the worker has ended, :meth:`receive` will raise the error."""
        message = frame.message
        self.holder = (message["adapter"], message["setup"]["name"]) if message else ()
        self._sent += 1
        self._pipes.send(self._sent, wire.encode(self._sent, frame), message.get("largest", 0) + _MESSAGE)

    def receive(self, timeout: float) -> Frame:
        """The next answer, for which the worker has ``timeout`` seconds: to read the request too.

        Raises :class:`WorkerCrashed` or :class:`WorkerTimeout`. After either the worker cannot be used any
        more.
        """
        self._received += 1
        deadline = time.monotonic() + timeout
        error: wire.WireError | None = None
        try:
            while answer := self._next(deadline):
                if answer.number == self._received:
                    return wire.decode(answer.body)
                # Otherwise an answer that came twice: the first one counted.
        except queue.Empty:
            self._processes.end(self._process)
            raise WorkerTimeout(f"no answer in {timeout:g} s", self._tail()) from None
        except wire.WireError as found:
            error = found
        status = self._processes.end(self._process) if error else self._wait()
        raise WorkerCrashed(f"the worker wrote {error}" if error else _ending(status), self._tail())

    def close(self) -> None:
        """End the worker's process, and close its pipes and its log."""
        self._processes.end(self._process)
        self._pipes.close()
        self._log.close()

    def _next(self, deadline: float) -> Answer | None:
        """What comes next; None where nothing can.

        Raises queue.Empty after the ``deadline``, and :class:`~rnnparity_adapters.wire.WireError` for what is
        no frame.
        """
        ended = False
        while True:
            try:
                answer = self._pipes.answers.get(timeout=max(0.0, min(_LOOK, deadline - time.monotonic())))
            except queue.Empty:
                if ended:  # its pipe has not, because a child of it holds it open
                    return None
                ended = self._process.poll() is not None
                if not ended and time.monotonic() >= deadline:
                    raise
            else:
                if isinstance(answer, wire.WireError):
                    raise answer
                return answer

    def _wait(self) -> int:
        """The exit status of a process that has closed its pipe, given a moment to end by itself."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=5)
        return self._processes.end(self._process)

    def _tail(self) -> str:
        """The last lines of the log, but no more bytes than a line may have: there may be no lines."""
        size = os.fstat(self._log.fileno()).st_size
        tail = os.pread(self._log.fileno(), _LOG_BYTES, max(0, size - _LOG_BYTES))
        return printable.lines("\n".join(tail.decode("utf-8", "replace").splitlines()[-_LOG_LINES:]))


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

    def lend(
        self, environment: str, holder: tuple[str, ...], start: Callable[[], Worker]
    ) -> Callable[[], Worker]:
        """A function that returns the kept worker of an environment, or starts one if there is none.

        The worker holds nothing, or what belongs to ``holder``: closing what an earlier run has left there
        must not be part of this one.
        """

        def lent() -> Worker:
            worker = self._waiting.pop(environment, None)
            return worker if worker and _emptied(worker, holder) else start()

        return lent

    def keep(self, environment: str, worker: Worker) -> None:
        """Keep a worker that has answered everything for the next run."""
        self._waiting[environment] = worker


def answers(
    start: Callable[[], Worker],
    requests: Iterable[Frame | None],
    timeout: float,
    end: Callable[[Worker], None] = Worker.close,
) -> Iterator[Frame | WorkerError]:
    """Send ``requests`` to a worker, one ahead, and yield the answer to each, in their order.

    A request of None says that the next one depends on an answer that has not been taken yet.

    For a request that ends its worker the error is yielded, and a new worker goes on with the next one.
    ``end`` is called with the worker that has answered everything.
    """
    coming = iter(requests)
    sent: deque[Frame] = deque()
    worker: Worker | None = None
    try:
        while True:
            possible = itertools.islice(coming, _AHEAD - len(sent))
            fresh = [request for request in itertools.takewhile(_is_known, possible) if request]
            sent.extend(fresh)
            if not sent:
                break
            try:
                if worker is None:
                    worker, fresh = start(), list(sent)
                for request in fresh:
                    worker.send(request)
                answer: Frame | WorkerError = worker.receive(timeout)
            except WorkerError as error:
                answer = error
                if worker is not None:
                    worker.close()
                    worker = None
            sent.popleft()
            yield answer
    except BaseException:
        if worker is not None:
            worker.close()
        raise
    if worker is not None:
        end(worker)


def _is_known(request: Frame | None) -> bool:
    return request is not None


def _emptied(worker: Worker, holder: tuple[str, ...]) -> bool:
    """Whether a worker holds nothing that belongs to another ``holder``, now or after it was told to let go.

    If it does not, it is ended.
    """
    if worker.holder in ((), holder):
        return True
    try:
        worker.send(CLOSE)
        if worker.receive(_LETTING_GO).message["ok"]:
            return True
    except WorkerError:
        pass
    worker.close()
    return False


def _ending(status: int) -> str:
    """An exit status in words."""
    if status < 0:
        return f"the worker was ended by {signal.Signals(-status).name}"
    return f"the worker exited with status {status}"
