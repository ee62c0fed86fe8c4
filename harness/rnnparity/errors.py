"""Every exception that rnnparity raises.

::

    RnnparityError
    |-- InputError             what was asked for cannot be right; the command line exits with 2
    |   `-- CorruptEnvironment an environment on disk that is not what was made there
    |-- Unavailable            an environment that cannot be made on this machine
    |-- WorkerError            a worker that gave no answer
    |   |-- WorkerCrashed
    |   `-- WorkerTimeout
    |-- Unwritable             a result that cannot be written
    `-- Divergence             raised by ``Result.check``; also an AssertionError
"""

from rnnparity.printable import one_line

_LONGEST = 300
"""Characters of what was given, and of what is allowed, that a message has."""


class RnnparityError(Exception):
    """The base of all."""


class InputError(RnnparityError, ValueError):
    """An option or argument that cannot be right: what it is, what was given, what is allowed."""

    def __init__(self, what: str, given: object, allowed: str) -> None:
        self.what, self.given = one_line(what, _LONGEST), one_line(given, _LONGEST)
        self.allowed = one_line(allowed)
        super().__init__(f"{self.what}: got {self.given}, but should be {self.allowed}")


class CorruptEnvironment(InputError):
    """An environment on disk that is not what was made there."""


class Unavailable(RnnparityError):
    """An environment that cannot be made here: the ``reason``, and the command that would make it."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(f"{reason} To make it available: {remedy}")
        self.reason = reason
        self.remedy = remedy


class WorkerError(RnnparityError):
    """A worker that gave no answer; ``log`` is the tail of its stderr."""

    def __init__(self, summary: str, log: str) -> None:
        super().__init__(summary)
        self.log = log


class WorkerCrashed(WorkerError):
    """The worker's process ended, or wrote something that is no frame."""


class WorkerTimeout(WorkerError):
    """The worker did not answer in time, and was stopped."""


class Unwritable(RnnparityError):
    """A result that cannot be written at ``path``, and the ``reason``."""

    def __init__(self, path: object, reason: object) -> None:
        self.path, self.reason = one_line(path), one_line(reason)
        super().__init__(f"{self.path} cannot be written: {self.reason}")


class Divergence(RnnparityError, AssertionError):
    """Something does not agree, or did not run."""
