"""Check a recording: compare it with the reference, and say why it differs."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnnparity.apis.api import HELD, ZEROED
from rnnparity.diagnosis import explain
from rnnparity.diagnosis.causes import CONFIRMED, Cause
from rnnparity.diagnosis.findings import Masking
from rnnparity.diagnosis.vocabulary import Vocabulary
from rnnparity.judge import compare
from rnnparity.judge.comparison import DIVERGE, Comparison
from rnnparity.recordings.recording import Recording, read_recording
from rnnparity.reference import forward
from rnnparity.reference.forward import Reference
from rnnparity.reference.noise import LIMIT
from rnnparity_adapters.adapter import CELL, HIDDEN, STEPPED_HIDDEN

COMPUTED, NEITHER = "computed", "neither zeroed, held nor computed"
"""What may have become of masked steps, beside :data:`~rnnparity.apis.api.ZEROED` and ``HELD``."""


@dataclass(frozen=True)
class Check:
    """The result for one recording. ``causes`` are sorted, the best first, and empty unless it diverges."""

    file: str
    recording: Recording
    comparison: Comparison
    causes: tuple[Cause, ...]

    @property
    def verdict(self) -> str:
        """``agree``, ``diverge``, ``chaotic`` or ``nonfinite``."""
        return self.comparison.verdict


def check(recording: str | Path | Recording) -> Check:
    """Check a recording, or the file that holds one.

    Raises :class:`~rnnparity.errors.InputError` for a file that is no recording.
    """
    file = "" if isinstance(recording, Recording) else str(recording)
    if not isinstance(recording, Recording):
        recording = read_recording(recording)
    case, observed = recording.case, recording.trajectory
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        expected = forward.run(case, recording.arithmetic)
    masked = _masking(recording, observed[HIDDEN], expected)
    compared, causes = against(expected, observed, recording.mask, recording, recording.arithmetic)
    if masked is not None:
        compared = replace(compared, verdict=DIVERGE, reason=masked.detail)
        causes = [masked, *causes]
    return Check(file, recording, compared, tuple(causes))


def against(
    expected: Reference,
    observed: Mapping[str, np.ndarray],
    mask: NDArray[np.bool_] | None,
    given: Recording,
    arithmetic: str,
) -> tuple[Comparison, list[Cause]]:
    """Compare ``observed`` states ``[B, T, ...]`` with a reference whose weights and options are ``given``.

    ``mask`` ``[B, T]`` says which steps count, all if it is None. Returns the comparison, and the causes if
    it diverges.
    """
    counted = dict(observed)
    if mask is not None:
        for name, state in observed.items():
            known = expected.cell if name == CELL else expected.hidden
            counted[name] = np.where(mask[:, :, None], state, known).astype(state.dtype)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        compared = compare.compare_recording(counted, expected)
    causes = [] if compared.verdict != DIVERGE else explain.diagnose(
        given.known, expected.case, counted.get(STEPPED_HIDDEN, counted[HIDDEN]), counted.get(CELL),
        weights=given.weights, names=given.names, version=given.version, options=given.options,
        mask=mask, arithmetic=arithmetic,
    )  # fmt: skip
    return compared, causes


def _masking(recording: Recording, hidden: np.ndarray, expected: Reference) -> Cause | None:
    """The cause if the steps past each row's length ``[B]`` are not what the api returns there, else None.

    ``hidden`` ``[B, T, P]`` is in the order of computation.
    """
    if recording.mask is None or recording.lengths is None or recording.mask.all():
        return None
    past = ~recording.mask
    own = hidden[past]
    # A row of no steps has no last one, and every framework returns zeros for it.
    last = hidden[np.arange(len(past)), recording.lengths - 1] * (recording.lengths > 0)[:, None]
    held = np.broadcast_to(last[:, None], hidden.shape)[past]
    away = np.abs(own - expected.hidden[past]) / expected.hidden_noise[past]
    # Generous, because this only has to tell computed states from others, which are far away.
    computed = bool(np.all(away < 10 * LIMIT))
    padding = recording.options.get("padding_value", 0.0)
    ways = ((ZEROED, bool(np.all(own == padding))), (HELD, np.array_equal(own, held)), (COMPUTED, computed))
    holds = [how for how, is_so in ways if is_so]
    # Past the last step of a backward run there is what it returned before the first one: nothing to hold.
    usual = ZEROED if recording.padding_first else recording.known.masked
    if usual in holds:
        return None
    finding = Masking(holds[0] if holds else NEITHER, tuple(recording.lengths.tolist()), usual)
    cause = Cause((finding,), CONFIRMED, float(away.max()), 0.0)
    words = Vocabulary(
        recording.known, recording.equation, recording.names, recording.version, recording.options
    )
    return explain.told([cause], words)[0]
