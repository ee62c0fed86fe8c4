"""Check the recording of a network: layer by layer where what is between the layers was recorded."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnnparity.diagnosis import explain, network_search
from rnnparity.diagnosis.causes import CONFIRMED, SUSPECT, Cause, single
from rnnparity.diagnosis.network_findings import UnknownInside
from rnnparity.diagnosis.network_words import place
from rnnparity.diagnosis.segment import Segment, Where
from rnnparity.diagnosis.teacher_forcing import Setting
from rnnparity.diagnosis.vocabulary import Vocabulary
from rnnparity.judge.compare_outputs import Output
from rnnparity.judge.comparison import AGREE, CHAOTIC, DIVERGE, NONFINITE, Comparison
from rnnparity.recordings import padding
from rnnparity.recordings.network_recording import NetworkRecording, RecordedLayer
from rnnparity.recordings.recording import Recording
from rnnparity.reference import masks, network
from rnnparity.reference.network import LayerReference, Sequences, suffix
from rnnparity.reference.noise import LIMIT, Array
from rnnparity_adapters.adapter import HIDDEN, LAST_CELL, LAST_HIDDEN

_WORST = (DIVERGE, NONFINITE, CHAOTIC, AGREE)
"""The verdicts, that of the network being the first that any of its parts has."""
_BELOW = {
    "input-changed", "row-order", "state-replaced", "bias-added", "weights-differ", "quantised", "precision",
}  # fmt: skip
"""What the last layer may show where one below it is at fault, and it had other inputs than the reference."""


CheckCell = Callable[[Recording], tuple[Comparison, list[Cause]]]
"""Checks a recording of one direction of one layer."""


class Judged(NamedTuple):
    """What was found about some cells of a network."""

    cells: Where
    comparison: Comparison
    causes: tuple[Cause, ...]


def judged(
    recording: NetworkRecording, check_cell: CheckCell, explained: bool = True
) -> tuple[Comparison, list[Cause]]:
    """The comparison of a network with its reference, and its causes if they are to be ``explained``.

    ``check_cell`` checks a single direction of a single layer. Raises nothing.
    """
    every = tuple((k, d) for k, d, _ in recording.cells)
    found = list(_parts(recording, check_cell, explained))
    worst = min(found, key=lambda one: (_WORST.index(one.comparison.verdict), one.cells))
    differences = tuple(d for one in found for d in one.comparison.differences)
    reason = worst.comparison.reason
    where = place(worst.cells, every)
    comparison = replace(
        worst.comparison, differences=differences, reason=f"{where}: {reason}" if reason else "",
        judged=float(np.mean([one.comparison.judged for one in found])),
    )  # fmt: skip
    return comparison, _grouped(found, every)


def _grouped(found: Sequence[Judged], every: Where) -> list[Cause]:
    """The causes of all cells; one that is the same in several is told once."""
    groups: dict[tuple[str, str, str], tuple[Cause, list[tuple[int, int]]]] = {}
    for one in found:
        for cause in one.causes:
            where = cause.cells or one.cells
            about = repr({name: value for name, value in cause.about.items() if name != "cells"})
            key = cause.id, cause.status, about
            groups.setdefault(key, (cause, []))[1].extend(where)
    told = []
    for cause, cells in groups.values():
        told.append(explain.told_of(cause, sorted(set(cells)), every))
    return sorted(told, key=lambda cause: (cause.status != CONFIRMED, cause.cells[:1]))


def _parts(recording: NetworkRecording, check_cell: CheckCell, explained: bool) -> Iterator[Judged]:
    """The network from layer to layer, as many together as were recorded together."""
    inputs, start = recording.inputs, 0
    for end, layer in enumerate(recording.layers):
        if layer.outputs is None:
            continue
        if start == end and all(layer.seen):
            yield from _apart(recording, end, inputs, check_cell, explained)
        else:
            yield _together(recording, start, end, inputs, check_cell, explained)
        inputs, start = layer.outputs, end + 1


def _apart(
    recording: NetworkRecording, number: int, inputs: np.ndarray, check_cell: CheckCell, explained: bool
) -> list[Judged]:
    """The directions of a layer, each by itself."""
    directions = recording.layers[number].directions
    found = []
    for d, cell in enumerate(directions):
        comparison, causes = check_cell(replace(cell, inputs=inputs))
        end = suffix(number, d) if len(recording.layers) > 1 or d else ""
        named = tuple(replace(one, observed=one.observed + end) for one in comparison.differences)
        found.append(Judged(((number, d),), replace(comparison, differences=named), tuple(causes)))
    if len(directions) == 1 or not explained or all(one.comparison.verdict != DIVERGE for one in found):
        return found
    # Both together may have what neither has alone: each other's weights, or each other's outputs.
    segment, words = _segment(recording, number, number, inputs)
    of_both = [
        explain.told([cause], words[0][0])[0]
        for cause, where in network_search.structure(segment)
        if len(where) == len(directions)
    ]
    if not of_both:
        return found
    wrong = next(one for one in found if one.comparison.verdict == DIVERGE)
    others = (d for one in found if one is not wrong for d in one.comparison.differences)
    both = replace(wrong.comparison, differences=(*wrong.comparison.differences, *others))
    return [Judged(tuple((number, d) for d in range(len(directions))), both, tuple(of_both))]


def _together(
    recording: NetworkRecording,
    start: int,
    end: int,
    inputs: np.ndarray,
    check_cell: CheckCell,
    explained: bool,
) -> Judged:
    """Layers from ``start`` to ``end``, of which nothing between was recorded."""
    layers = recording.layers[start : end + 1]
    segment, words = _segment(recording, start, end, inputs)
    cells = tuple((start + k, d) for k, layer in enumerate(layers) for d in range(len(layer.directions)))
    comparison, _ = segment.judged(segment.layers)
    padded = _padded(segment, layers[-1]) if comparison.verdict == AGREE else None
    if padded is not None:
        return Judged(cells, replace(comparison, verdict=DIVERGE, reason=padded.detail), (padded,))
    if comparison.verdict != DIVERGE or not explained:
        return Judged(cells, comparison, ())
    found = []

    def of_the_last() -> list[tuple[Cause, Where]]:
        return list(_of_the_last(segment, layers[-1], check_cell))

    for cause, where in network_search.search(segment, of_the_last):
        k, d = where[0]
        told = cause if cause.detail else explain.told([cause], words[k][d])[0]
        found.append(replace(told, cells=tuple((start + k, d) for k, d in where)))
    if not found:
        found = [_unknown(comparison, words[0][0], cells)]
    return Judged(cells, comparison, tuple(found))


def _padded(segment: Segment, layer: RecordedLayer) -> Cause | None:
    """The cause if the last layer's outputs are not what they should be where the mask is, else None."""
    if segment.mask.all() or not all(layer.seen):
        return None
    ran = network.run(segment.layers, segment.inputs, segment.mask, segment.arithmetic)[-1]
    found = (
        padding.wrong(cell, cell.observed[HIDDEN], reference)
        for cell, reference in zip(layer.directions, ran.directions, strict=True)
    )
    return next((cause for cause in found if cause is not None), None)


def _segment(
    recording: NetworkRecording, start: int, end: int, inputs: np.ndarray
) -> tuple[Segment, list[list[Vocabulary]]]:
    """Layers as a search of their causes needs them, and the words for each of their cells."""
    layers, counts = recording.layers[start : end + 1], recording.counts
    mask: NDArray[np.bool_] = np.ones(inputs.shape[:2], bool) if counts is None else counts
    made = tuple(layer.layer for layer in layers)
    settings = tuple(tuple(_setting(cell) for cell in layer.directions) for layer in layers)

    def outputs(ran: Sequence[LayerReference]) -> list[Output]:
        return _outputs(layers, ran, mask, start)

    read = inputs.astype(made[0].directions[0].cell.dtype)
    segment = Segment(made, settings, read, mask, recording.arithmetic, outputs, start)
    return segment, [[padding.words(cell) for cell in layer.directions] for layer in layers]


def _of_the_last(
    segment: Segment, layer: RecordedLayer, check_cell: CheckCell
) -> Iterator[tuple[Cause, Where]]:
    """The confirmed causes in the last layer, whose states were observed, if all below it is right."""
    if not all(layer.seen):
        return
    below = network.run(segment.layers[:-1], segment.inputs, segment.mask, segment.arithmetic)
    known = below[-1].outputs if below else Sequences(segment.inputs)
    noise = None if known.noise is None else known.noise.max(axis=(0, 1), keepdims=True)
    for d, cell in enumerate(layer.directions):
        comparison, causes = check_cell(replace(cell, inputs=known.values, inputs_noise=noise))
        for cause in causes if comparison.verdict == DIVERGE else ():
            if cause.status == CONFIRMED and not _BELOW & set(single(cause.id)):
                yield cause, ((len(segment.layers) - 1, d),)


def _unknown(comparison: Comparison, words: Vocabulary, cells: Where) -> Cause:
    """What is known where no cause is: which layers are right, as far as their last states tell."""
    off = max(comparison.differences, key=lambda one: one.noise).noise
    agree = [one.observed for one in comparison.differences if one.noise <= LIMIT]
    left = list(cells)
    while left and all(LAST_HIDDEN + suffix(k, d) in agree for k, d in cells if k == left[0][0]):
        left = [cell for cell in left if cell[0] != left[0][0]]
    hidden = next(one for one in comparison.differences if one.observed == HIDDEN)
    (told,) = explain.told([Cause((UnknownInside(hidden.first_step),), SUSPECT, off, off)], words)
    return replace(told, cells=tuple(left or cells))


def _outputs(
    layers: Sequence[RecordedLayer], ran: Sequence[LayerReference], mask: NDArray[np.bool_], start: int
) -> list[Output]:
    """What was recorded of layers that ran together, beside what the reference has there."""
    last = layers[-1].outputs
    assert last is not None
    found = [Output(HIDDEN, last, ran[-1].outputs, mask)]
    anywhere: NDArray[np.bool_] = mask.sum(axis=1)[:, None] > 0
    for k, (layer, reference) in enumerate(zip(layers, ran, strict=True)):
        for d, (cell, one) in enumerate(zip(layer.directions, reference.directions, strict=True)):
            ends = np.maximum(mask.sum(axis=1)[:, None] - 1, 0)
            pairs = {
                LAST_HIDDEN: (cell.last_hidden, one.hidden, one.hidden_noise),
                LAST_CELL: (cell.last_cell, one.cell, one.cell_noise),
            }
            for name, (state, values, noise) in pairs.items():
                if state is not None:
                    expected = Sequences(masks.taken(values, ends), masks.taken(noise, ends))
                    found.append(Output(name + suffix(start + k, d), state[:, None], expected, anywhere))
    return found


def _setting(cell: Recording) -> Setting:
    """A cell whose trajectory is not known, for hypotheses on its weights."""
    case, equation = cell.case, cell.equation
    stored = equation.forget_bias if cell.layout.forget_bias == "bias" else 0.0
    nothing: Array = np.zeros((case.batch, 1, case.initial_hidden.shape[1]))
    return Setting(case, nothing, None, explain.stored_biases(cell.layout, cell.weights), stored)
