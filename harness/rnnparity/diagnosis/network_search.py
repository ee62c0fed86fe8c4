"""Search for the change under which layers that were run together reproduce their outputs.

Nothing between these layers was observed, so that no state can be taken from the observation: each hypothesis
is run through all layers from the one that it changes, in a few rows and without noise. Those that come near
are run with their noise on everything, as in :mod:`rnnparity.diagnosis.search`.

A hypothesis may be true of every cell of the network, as a converter makes its mistake in all of them, of one
layer, of one direction, or of a single cell. The last layer is searched by itself as well, from the outputs
of the reference below it, since its states were observed.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np
from threadpoolctl import threadpool_limits

from rnnparity.diagnosis import evidence, network_constants
from rnnparity.diagnosis.causes import CONFIRMED, SUSPECT, Cause
from rnnparity.diagnosis.network_hypotheses import Tried, everywhere, in_parts, of_the_network
from rnnparity.diagnosis.segment import Segment, Where
from rnnparity.judge.compare_outputs import Output
from rnnparity.judge.comparison import AGREE, CHAOTIC, Comparison
from rnnparity.reference import forward, network
from rnnparity.reference.network import Direction, Layer
from rnnparity.reference.noise import LIMIT, Array

_ROWS = 2
"""Batch rows in which hypotheses are tried."""
_NEAR = 4 * LIMIT
"""A hypothesis that leaves less than this many times the noise there is run on everything."""
_SETTLED = 8
"""The most that are run so."""
_STEPS = 16
"""Steps in which they are tried, from the first that differs on, where every direction is forward."""
_SECONDS = 20.0
"""After so long nothing further is tried."""

Found = tuple[Cause, Where]


def search(segment: Segment, of_the_last: Callable[[], list[Found]]) -> list[Found]:
    """The causes of a divergence without sentences, the best first, each with the cells that it is about.

    There are none where none is known. ``of_the_last`` searches the last layer by itself.
    """
    with threadpool_limits(1), np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        search = _Search(segment)
        return (
            search.tried(of_the_network(segment))
            or search.tried(everywhere(segment))
            or of_the_last()
            or search.tried(in_parts(segment))
            or search.tried(search.fitted())
        )


def structure(segment: Segment) -> list[Found]:
    """As :func:`search`, but only what is about the network as a whole, not about its cells."""
    with threadpool_limits(1), np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        return _Search(segment).tried(of_the_network(segment))


class _Search:
    """What the stages of a search share."""

    def __init__(self, segment: Segment) -> None:
        self._segment = segment
        self._before, self._outputs = segment.judged(segment.layers)
        self._few = _Few(segment, self._outputs)

    def fitted(self) -> Iterator[Tried]:
        """What may be true of cells with a constant."""
        return network_constants.fitted(self._segment, self._few.residual)

    def tried(self, stage: Iterable[Tried]) -> list[Found]:
        """The causes among what is tried."""
        until = time.monotonic() + _SECONDS
        near = [each for each in _until(until, stage) if self._few.left(each.layers) < _NEAR]
        found = (_settled(self._segment, each, self._before, self._outputs) for each in near[:_SETTLED])
        return _distinct(each for each in found if each is not None)


def _until(end: float, tried: Iterable[Tried]) -> Iterator[Tried]:
    for each in tried:
        if time.monotonic() > end:
            return
        yield each


def _distinct(found: Iterable[Found]) -> list[Found]:
    first: dict[str, Found] = {}
    for cause, where in found:
        first.setdefault(cause.id, (cause, where))
    equals = tuple(first) if len(first) > 1 else ()
    return [(replace(cause, equals=equals), where) for cause, where in first.values()]


def _settled(segment: Segment, tried: Tried, before: Comparison, outputs: Sequence[Output]) -> Found | None:
    """The cause, if everything that was observed agrees under the hypothesis."""
    after, now = segment.judged(tried.layers)
    if after.verdict not in (AGREE, CHAOTIC):
        return None
    sure = sum(map(_bits, outputs, now)) >= evidence.ENOUGH_BITS
    was, left = (max(each.noise for each in one.differences) for one in (before, after))
    return Cause(tried.findings, CONFIRMED if sure else SUSPECT, was, left), tried.where


def _bits(before: Output, after: Output) -> float:
    """What an output that was away before a change and is not any more says for it: see `evidence`."""
    distance, units = before.in_noise
    noise = after.expected.noise
    assert noise is not None
    known = (units > LIMIT) & after.known[:, :, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        told = np.log2(np.minimum(distance, 1.0) / (LIMIT * noise)).clip(0, 20)
    values, first = np.unique(np.asarray(before.observed)[known], return_index=True)
    return float(told[known][first].sum()) if len(values) else 0.0


class _Few:
    """A few rows of a segment, in which hypotheses are tried by their values alone.

    What the layers as claimed compute there is kept: a hypothesis is run from the layer on that it changes.
    """

    def __init__(self, segment: Segment, outputs: Sequence[Output]) -> None:
        away = np.max([one.in_noise[1].max(axis=(1, 2)) for one in outputs], axis=0)
        self._rows = np.argsort(-away, kind="stable")[:_ROWS]
        last = outputs[0]
        steps = segment.inputs.shape[1]
        if not any(one.backwards for layer in segment.layers for one in layer.directions):
            beyond = np.flatnonzero(last.in_noise[1][self._rows].max(axis=(0, 2)) > LIMIT)
            steps = min(steps, (int(beyond[0]) if beyond.size else 0) + _STEPS)
        part = self._rows, slice(0, steps)
        assert last.expected.noise is not None
        self._mask, self._inputs = segment.mask[part], [np.asarray(segment.inputs[part], np.float64)]
        self._observed, self._noise = last.observed[part].astype(np.float64), last.expected.noise[part]
        self._counts = last.known[part][:, :, None]
        self._layers = segment.layers
        self._returned: list[list[Array]] = []
        for layer in segment.layers:
            self._returned.append([self._run(each, self._inputs[-1]) for each in layer.directions])
            self._inputs.append(network.merged_values(layer, self._returned[-1]))

    def _run(self, direction: Direction, inputs: Array) -> Array:
        own = direction.cell
        few = replace(
            own, initial_hidden=own.initial_hidden[self._rows], initial_cell=own.initial_cell[self._rows]
        )
        case = replace(direction, cell=few).case(network.Sequences(inputs), self._mask)
        return direction.returned(forward.values(case).hidden, self._mask)

    def left(self, layers: Sequence[Layer]) -> float:
        """How many times the noise of the reference these layers leave, in nine of ten numbers."""
        off = np.abs(self.residual(layers))
        return float(np.nan_to_num(np.quantile(off, 0.9), nan=np.inf)) if off.size else 0.0

    def residual(self, layers: Sequence[Layer]) -> Array:
        """What these layers return minus what was observed ``[N]``, in units of the noise of the reference.

        The noise of the reference as claimed need not be that of a right one.
        """
        now: Array | None = None
        for k, (layer, own) in enumerate(zip(layers, self._layers, strict=True)):
            if now is None and layer is own:
                continue
            read = self._inputs[k] if now is None else now
            ran = [
                self._returned[k][d] if now is None and one is own.directions[d] else self._run(one, read)
                for d, one in enumerate(layer.directions)
            ]
            now = network.merged_values(layer, ran)
        found = self._inputs[-1] if now is None else now
        off: Array = ((found - self._observed) / self._noise)[np.broadcast_to(self._counts, found.shape)]
        return off
