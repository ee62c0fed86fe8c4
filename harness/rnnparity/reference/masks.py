"""Masks ``[B, T]``: which steps of which rows count. The steps that count are the first ones of each row."""

import numpy as np
from numpy.typing import NDArray


def turned(sequence: np.ndarray, mask: NDArray[np.bool_] | None = None) -> np.ndarray:
    """A sequence ``[B, T, ...]`` from the last step to the first.

    Where there is a ``mask`` ``[B, T]``, each row is turned within its own length, and what is past that
    stays where it is.
    """
    if mask is None:
        return sequence[:, ::-1]
    steps, lengths = np.arange(mask.shape[1]), mask.sum(axis=1)[:, None]
    order = np.where(steps < lengths, lengths - 1 - steps, steps)
    return np.take_along_axis(sequence, order[:, :, None], axis=1)
