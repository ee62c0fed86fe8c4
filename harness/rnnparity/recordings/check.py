"""Check a recording: compare it with the reference, and say why it differs."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnnparity.diagnosis import explain, parts
from rnnparity.diagnosis.causes import CONFIRMED, Cause
from rnnparity.diagnosis.parts import Part
from rnnparity.diagnosis.run_findings import EmptyRows, MaskUnused
from rnnparity.judge import compare
from rnnparity.judge.compare import Comparing
from rnnparity.judge.comparison import AGREE, DIVERGE, Comparison
from rnnparity.recordings import check_network, padding, pieces
from rnnparity.recordings.network_recording import NetworkRecording
from rnnparity.recordings.padding import words
from rnnparity.recordings.pieces import Pieces
from rnnparity.recordings.recording import STATES, Recording
from rnnparity.recordings.stored import read
from rnnparity.reference import forward
from rnnparity.reference.forward import Reference
from rnnparity_adapters.adapter import CELL, HIDDEN, LAST_CELL, LAST_HIDDEN, STEPPED_HIDDEN


@dataclass(frozen=True)
class Check:
    """The result for one recording. ``causes`` are sorted, the best first, and empty unless it diverges."""

    file: str
    recording: Recording | NetworkRecording
    comparison: Comparison
    causes: tuple[Cause, ...]

    @property
    def verdict(self) -> str:
        """``agree``, ``diverge``, ``chaotic`` or ``nonfinite``."""
        return self.comparison.verdict


def check(recording: str | Path | Recording | NetworkRecording, explained: bool = True) -> Check:
    """Check a recording, or the file that holds one; its causes are searched if it is to be ``explained``.

    Raises :class:`~rnnparity.errors.InputError` for a file that is no recording.
    """
    file = str(recording) if isinstance(recording, str | Path) else ""
    if isinstance(recording, str | Path):
        with pieces.open_long(recording) as long:
            if long is not None:
                return _folded(file, long)
    stored = read(recording) if isinstance(recording, str | Path) else recording
    if isinstance(stored, NetworkRecording):
        of_cell = functools.partial(check_cell, explained=explained)
        compared, causes = check_network.judged(stored, of_cell, explained)
    else:
        compared, causes = check_cell(stored, explained)
    return Check(file, stored, compared, tuple(causes))


def _folded(file: str, recorded: Pieces) -> Check:
    """The check of a long recording, piece after piece: the first one that diverges says why."""
    comparing: Comparing | None = None
    looked_at: tuple[Recording, Part, int | None] | None = None
    start, carried = 0, None
    for piece in recorded.each:
        case, observed = piece.case, piece.observed
        if carried is not None and piece.cell is None:  # nobody knows better what it is by then
            case = replace(case, initial_cell=carried.values.cell.astype(case.dtype))
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            expected = forward.run(case, piece.arithmetic, carried)
            comparing = comparing or compare.of_recording(case, recorded.steps, observed)
            carried = comparing.add(compare.in_dtype(observed, case), expected).carried
        first = comparing.first_step
        if looked_at is None or (looked_at[2] is None and first is not None):
            part = parts.around(case, observed, first, start, expected.cell)
            few, hidden = part.case.inputs, part.observed[HIDDEN]  # keeps nothing else of the piece
            alone = replace(piece, inputs=few, hidden=hidden, cell=None, stepped_hidden=None)
            looked_at = alone, part, first
        start += case.steps
    assert comparing is not None
    assert looked_at is not None
    (given, part, _), compared = looked_at, comparing.comparison()
    causes = [] if compared.verdict != DIVERGE else explain.diagnose(
        given.known, part.case, part.observed.get(STEPPED_HIDDEN, part.observed[HIDDEN]),
        part.observed.get(CELL), weights=given.weights, names=given.names, version=given.version,
        options=given.options, arithmetic=given.arithmetic,
    )  # fmt: skip
    return Check(file, given, compared, tuple(parts.counted_from(causes, part.start)))


def check_cell(recording: Recording, explained: bool = True) -> tuple[Comparison, list[Cause]]:
    """One direction of one layer compared with its reference, and its causes as :func:`check` finds them."""
    case, observed = recording.case, recording.observed
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        expected = forward.run(case, recording.arithmetic)
    masked = padding.wrong(recording, observed[HIDDEN], expected)
    arithmetic = recording.arithmetic
    compared, causes = against(expected, observed, recording.mask, recording, arithmetic, explained)
    unmasked = _unmasked(recording, compared) if masked is not None or causes else None
    if unmasked is not None:
        compared, causes = replace(compared, verdict=DIVERGE), [unmasked]
    elif masked is not None:
        compared = replace(compared, verdict=DIVERGE, reason=masked.detail)
        causes = [masked, *causes]
    elif compared.verdict == DIVERGE and explained and not causes:
        causes = _empty_rows(recording, expected, compared)
    return compared, causes


def against(
    expected: Reference,
    observed: Mapping[str, np.ndarray],
    mask: NDArray[np.bool_] | None,
    given: Recording,
    arithmetic: str,
    explained: bool = True,
) -> tuple[Comparison, list[Cause]]:
    """Compare ``observed`` states ``[B, T, ...]`` with a reference whose weights and options are ``given``.

    ``mask`` ``[B, T]`` says which steps count, all if it is None. Returns the comparison, and the causes if
    it diverges and is to be ``explained``.
    """
    counted = _counted(observed, expected, mask)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        compared = compare.compare_recording(counted, expected, mask)
    causes = [] if compared.verdict != DIVERGE or not explained else explain.diagnose(
        given.known, expected.case, counted.get(STEPPED_HIDDEN, counted[HIDDEN]), counted.get(CELL),
        weights=given.weights, names=given.names, version=given.version, options=given.options,
        mask=mask, arithmetic=arithmetic,
    )  # fmt: skip
    return compared, causes


def _counted(
    observed: Mapping[str, np.ndarray], expected: Reference, mask: NDArray[np.bool_] | None
) -> dict[str, np.ndarray]:
    """What was ``observed``, with what the reference has in the place of steps that do not count."""
    counted = dict(observed)
    if mask is not None:
        for name in set(STATES) & set(observed):
            known = expected.cell if name == CELL else expected.hidden
            counted[name] = np.where(mask[:, :, None], observed[name], known).astype(observed[name].dtype)
    return counted


def _empty_rows(recording: Recording, expected: Reference, compared: Comparison) -> list[Cause]:
    """The cause if all that is wrong are the last states of rows of which no step counts; else none."""
    counts, initial = recording.counts, expected.start.values
    empty: NDArray[np.bool_] = np.zeros(0, bool) if counts is None else counts.sum(axis=1) == 0
    if not empty.any():
        return []
    ends = {LAST_HIDDEN: initial.hidden, LAST_CELL: initial.cell}
    held = _counted(recording.observed, expected, recording.mask)
    for name, first in ends.items():
        if name in held:
            held[name] = np.where(empty[:, None], first, held[name]).astype(held[name].dtype)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        after = compare.compare_recording(held, expected, recording.mask)
    if after.verdict == DIVERGE:
        return []
    zero = all(not recording.observed[name][:, empty].any() for name in ends if name in held)
    was, left = (max(d.noise for d in both.differences) for both in (compared, after))
    return explain.told([Cause((EmptyRows(zero),), CONFIRMED, was, left)], words(recording))


def _unmasked(recording: Recording, compared: Comparison) -> Cause | None:
    """The cause if the run agrees where every step counts, as if there were no mask; else None."""
    if recording.counts is None or recording.counts.all():
        return None
    alone = replace(recording, counts=None, lengths=None)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        without = compare.compare_recording(alone.observed, forward.run(alone.case, alone.arithmetic))
    if without.verdict != AGREE:
        return None
    before, after = (max(d.noise for d in both.differences) for both in (compared, without))
    return explain.told([Cause((MaskUnused(),), CONFIRMED, before, after)], words(recording))[0]
