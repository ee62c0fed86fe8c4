"""What stands at the steps that do not count: zeros, the state before them, or what was computed there."""

import numpy as np
from numpy.typing import NDArray

from rnnparity.apis.api import ANYTHING, COMPUTED, HELD, ZEROED
from rnnparity.diagnosis import explain
from rnnparity.diagnosis.causes import CONFIRMED, Cause
from rnnparity.diagnosis.findings import Masking
from rnnparity.diagnosis.vocabulary import Vocabulary
from rnnparity.recordings.recording import Recording
from rnnparity.reference.forward import Reference
from rnnparity.reference.noise import LIMIT

NEITHER = "neither zeroed, held nor computed"
"""What may have become of masked steps, beside what apis do."""


def wrong(recording: Recording, hidden: np.ndarray, expected: Reference) -> Cause | None:
    """The cause if the steps that do not count are not what the api returns there, else None.

    ``hidden`` ``[B, T, P]`` is in the order of computation.
    """
    counts = recording.counts
    if counts is None or counts.all() or ANYTHING in recording.fills:
        return None
    assert recording.mask is not None
    past: NDArray[np.bool_] = ~recording.mask
    away = np.abs(hidden - expected.hidden)[past] / expected.hidden_noise[past]
    returned = recording.turned_back(recording.hidden)
    if recording.in_order_of_computation:
        returned, counts = hidden, recording.mask
    elif recording.order.backwards:  # as it was read, from the last step to the first
        returned, counts = returned[:, ::-1], counts[:, ::-1]
    own, padding = returned[~counts], recording.options.get("padding_value", 0.0)
    # Before its first step that counts a row has zeros or its initial state: Keras returned the latter until
    # 2.2.4, and zeros later.
    zero = np.zeros_like(returned[:, 0])
    first = zero if recording.initial_hidden is None else recording.initial_hidden.astype(zero.dtype)
    held = any(np.array_equal(own, _held(returned, counts, start)[~counts]) for start in (zero, first))
    # Generous, because this only has to tell computed states from others, which are far away.
    computed = bool(np.all(away < 10 * LIMIT))
    ways = ((ZEROED, bool(np.all(own == padding))), (HELD, held), (COMPUTED, computed))
    holds = [how for how, is_so in ways if is_so]
    if set(recording.fills) & set(holds):
        return None
    lengths = tuple(counts.sum(axis=1).tolist())
    # In a network either may be: by itself, the cell's api does one of the two.
    alone = recording.known.masked_by(recording.options)
    usual = alone if alone in recording.fills else recording.fills[0]
    finding = Masking(holds[0] if holds else NEITHER, lengths, usual)
    return explain.told([Cause((finding,), CONFIRMED, float(away.max()), 0.0)], words(recording))[0]


def _held(returned: np.ndarray, counts: NDArray[np.bool_], start: np.ndarray) -> np.ndarray:
    """``returned`` ``[B, T, P]``, with the last step that counts repeated after it; ``start`` before one."""
    rows, steps = np.arange(len(counts))[:, None], np.arange(counts.shape[1])
    last = np.maximum.accumulate(np.where(counts, steps, -1), axis=1)
    return np.where((last >= 0)[:, :, None], returned[rows, last], start[:, None])


def words(recording: Recording) -> Vocabulary:
    """The words in which causes are told of a recording."""
    return Vocabulary(
        recording.known, recording.equation, recording.names, recording.version, recording.options
    )
