"""Masks ``[B, T]``: which steps of which rows count. A cell skips the others, as if they were not there.

So a run with a mask is a run over the steps that count, whatever is between them: each row is put into the
order in which its steps are read, those that count before those that do not.
"""

import numpy as np
from numpy.typing import NDArray

Order = NDArray[np.signedinteger]
"""Which step each row reads first, second and so on: ``[B, T]``."""


def order(mask: NDArray[np.bool_], backwards: bool = False) -> Order:
    """The order ``[B, T]`` in which the steps of each row are read: those that count, then the others.

    ``backwards`` is from the last one that counts to the first. The others always stay in their own order.
    """
    steps = np.arange(mask.shape[1])
    at = np.where(mask, -steps if backwards else steps, mask.shape[1] + steps)
    return np.argsort(at, axis=1, kind="stable")


def taken(sequence: np.ndarray, steps: Order) -> np.ndarray:
    """A sequence ``[B, T, ...]`` with its steps in that order."""
    rows = np.arange(len(steps))[:, None]
    found: np.ndarray = sequence[rows, steps]
    return found


def put_back(sequence: np.ndarray, steps: Order) -> np.ndarray:
    """The inverse of :func:`taken`."""
    return taken(sequence, np.argsort(steps, axis=1))


def counted_first(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The mask ``[B, T]`` of a sequence in the order of :func:`order`."""
    first: NDArray[np.bool_] = np.arange(mask.shape[1]) < mask.sum(axis=1)[:, None]
    return first


def turned(sequence: np.ndarray, mask: NDArray[np.bool_] | None = None) -> np.ndarray:
    """A sequence ``[B, T, ...]`` from the last step to the first.

    Where there is a ``mask`` ``[B, T]``, each row is turned within its own length, and what is past that
    stays where it is.
    """
    if mask is None:
        return sequence[:, ::-1]
    return taken(sequence, order(counted_first(mask), backwards=True))
