"""The two pipes to a worker, served by a thread of their own.

What is sent waits here until the worker reads it, and what the worker writes is taken at once, so neither
waits for the other. Nothing here waits for the end of a pipe, which a child of the worker may hold open for
ever.
"""

import os
import selectors
import threading
from collections import deque
from queue import SimpleQueue
from typing import IO, NamedTuple

from rnnparity_adapters import wire


class Answer(NamedTuple):
    """The number of the request, and the body of the frame that answers it."""

    number: int
    body: bytearray


class Pipes:
    """Frames to ``requests`` and from ``responses``, both unbuffered.

    ``answers`` gets each frame as it comes; None where the pipe ends, or a
    :class:`~rnnparity_adapters.wire.WireError` for what is no frame. After either nothing more comes.
    """

    def __init__(self, requests: IO[bytes], responses: IO[bytes]) -> None:
        self.answers: SimpleQueue[Answer | wire.WireError | None] = SimpleQueue()
        self._requests, self._responses = requests, responses
        self._largest: dict[int, int] = {}
        self._waiting: deque[memoryview] = deque()
        self._wake, self._awaken = os.pipe()
        self._closed = False
        self._start, self._body = bytearray(wire.HEAD.size), bytearray()
        self._number: int | None = None
        self._rest = memoryview(self._start)
        for descriptor in (requests.fileno(), responses.fileno(), self._wake):
            os.set_blocking(descriptor, False)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def send(self, number: int, frame: bytes, largest: int) -> None:
        """Send a frame, to whose ``number`` an answer of at most ``largest`` bytes may come."""
        self._largest[number] = largest
        self._waiting.append(memoryview(frame))
        os.write(self._awaken, b"!")

    def close(self) -> None:
        """Close both pipes, whoever else may hold them open."""
        if self._closed:
            return
        self._closed = True
        os.write(self._awaken, b"!")
        self._thread.join()
        for descriptor in (self._wake, self._awaken):
            os.close(descriptor)
        self._requests.close()
        self._responses.close()

    def _serve(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._wake, selectors.EVENT_READ)
            selector.register(self._responses, selectors.EVENT_READ)
            writing = False
            while not self._closed:
                if bool(self._waiting) != writing:
                    writing = not writing
                    if writing:
                        selector.register(self._requests, selectors.EVENT_WRITE)
                    else:
                        selector.unregister(self._requests)
                for key, _ in selector.select():
                    if key.fileobj is self._requests:
                        self._write()
                    elif key.fileobj is self._responses:
                        if not self._read():
                            selector.unregister(self._responses)
                    else:
                        os.read(self._wake, 2**10)

    def _write(self) -> None:
        try:
            count = os.write(self._requests.fileno(), self._waiting[0])
        except BlockingIOError:
            return
        except OSError:  # the worker has ended, which its other pipe tells
            self._waiting.clear()
            return
        self._waiting[0] = self._waiting[0][count:]
        if not self._waiting[0]:
            self._waiting.popleft()

    def _read(self) -> bool:
        """Take what has come; whether more can come."""
        try:
            count = os.readv(self._responses.fileno(), [self._rest])
        except BlockingIOError:
            return True
        except OSError:
            count = 0
        self._rest = self._rest[count:]
        if not count:
            self.answers.put(None)
            return False
        if not self._rest:
            try:
                self._next()
            except wire.WireError as error:
                self.answers.put(error)
                return False
        return True

    def _next(self) -> None:
        """Go on behind a head with its body, and behind a body with the next head."""
        if self._number is None:
            self._number, length = wire.head(self._start)
            if not 0 < length <= self._largest.get(self._number, 0):
                raise wire.WireError(f"an answer of {length} bytes to request {self._number}")
            self._body = bytearray(length)
            self._rest = memoryview(self._body)
        else:
            self.answers.put(Answer(self._number, self._body))
            self._number = None
            self._rest = memoryview(self._start)
