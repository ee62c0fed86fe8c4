"""An array in a file, of which some steps are read at a time."""

import os

import numpy as np

from rnnparity.errors import InputError


class Sequence:
    """An array ``[B, T, n]`` of a ``dtype`` that begins ``start`` bytes after that of an open ``file``."""

    def __init__(self, file: int, start: int, shape: tuple[int, ...], dtype: "np.dtype[np.generic]") -> None:
        self._file, self._start = file, start
        self.shape, self.dtype = shape, dtype

    def steps(self, now: slice) -> np.ndarray:
        """The steps ``now``, an array ``[B, t, n]``. Raises :class:`~rnnparity.errors.InputError`."""
        batch, steps, width = self.shape
        start, stop, _ = now.indices(steps)
        one, count = width * self.dtype.itemsize, stop - start
        found = np.empty((batch, count, width), self.dtype)
        for row in range(batch):
            read = os.pread(self._file, count * one, self._start + (row * steps + start) * one)
            if len(read) != count * one:
                raise InputError("file", "an end that was not there before", "a file that is left alone")
            found[row] = np.frombuffer(read, self.dtype).reshape(count, width)
        return found


def steps_of(array: "np.ndarray | Sequence", now: slice) -> np.ndarray:
    """The steps ``now`` of an array ``[B, T, n]``, in memory or in a file."""
    return array.steps(now) if isinstance(array, Sequence) else array[:, now]
