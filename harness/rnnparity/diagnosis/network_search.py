"""Search for the change under which layers that were run together reproduce their outputs.

Nothing between these layers was observed, so that no state can be taken from the observation: each hypothesis
is run through all layers from the one that it changes, in a few rows and without noise. Those that come near
are run with their noise on everything, as in :mod:`rnnparity.diagnosis.search`.

A hypothesis may be true of every cell of the network, as a converter makes its mistake in all of them, of one
layer, of one direction, or of a single cell. The last layer is searched by itself as well, from the outputs
of the reference below it, since its states were observed.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from rnnparity.diagnosis import evidence, weight_hypotheses
from rnnparity.diagnosis.causes import CONFIRMED, SUSPECT, Cause
from rnnparity.diagnosis.findings import Finding, GateOrder, InitialState
from rnnparity.diagnosis.hypothesis import EquationHypothesis, Hypothesis
from rnnparity.diagnosis.kinds import equations_for
from rnnparity.diagnosis.network_findings import (
    DirectionsSwapped,
    LayersSwapped,
    Merged,
    ReadsForward,
    StatesSwapped,
)
from rnnparity.diagnosis.teacher_forcing import Setting
from rnnparity.judge.compare_outputs import Output, compare_outputs
from rnnparity.judge.comparison import AGREE, CHAOTIC, Comparison
from rnnparity.reference import forward, network
from rnnparity.reference.network import CONCAT, MERGES, REVERSED, Direction, Layer
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
_CONSTANTS = (-1.0, 1.0, -2.0, 2.0)
"""What may be added to a forget bias, where it cannot be fitted."""
Where = tuple[tuple[int, int], ...]
"""Cells of a network, each by the numbers of its layer and direction."""


@dataclass(frozen=True, eq=False)
class Segment:
    """Layers that were run together on ``inputs`` ``[B, T, I]``, and what was observed of them.

    ``mask`` ``[B, T]`` says which steps count. ``settings`` have, for each layer and direction, the case and
    the biases as they are stored; their trajectories are not known. ``first`` is the number of the first
    layer. ``outputs`` makes, of the layers as they ran, what is compared with what was observed.
    """

    layers: tuple[Layer, ...]
    settings: tuple[tuple[Setting, ...], ...]
    inputs: np.ndarray
    mask: NDArray[np.bool_]
    arithmetic: str
    outputs: Callable[[Sequence[network.LayerReference]], list[Output]]
    first: int = 0

    def judged(self, layers: Sequence[Layer]) -> tuple[Comparison, list[Output]]:
        """What was observed, compared with other ``layers`` than those of the recording."""
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            ran = network.run(layers, self.inputs, self.mask, self.arithmetic)
            outputs = self.outputs(ran)

            def measured() -> list[Output]:
                return self.outputs(network.ensemble(layers, ran, self.mask))

            return compare_outputs(outputs, measured), outputs


class _Tried(NamedTuple):
    """``layers`` that were changed in the cells ``where``, so that the findings would be true."""

    findings: tuple[Finding, ...]
    where: Where
    layers: tuple[Layer, ...]


Found = tuple[Cause, Where]


def search(segment: Segment, of_the_last: Callable[[], list[Found]]) -> list[Found]:
    """The causes of a divergence without sentences, the best first, each with the cells that it is about.

    There are none where none is known. ``of_the_last`` searches the last layer by itself.
    """
    with threadpool_limits(1), np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        search = _Search(segment)
        return (
            search.tried(_of_the_network(segment))
            or search.tried(_everywhere(segment))
            or of_the_last()
            or search.tried(_in_parts(segment))
        )


def structure(segment: Segment) -> list[Found]:
    """As :func:`search`, but only what is about the network as a whole, not about its cells."""
    with threadpool_limits(1), np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        return _Search(segment).tried(_of_the_network(segment))


class _Search:
    """What the stages of a search share."""

    def __init__(self, segment: Segment) -> None:
        self._segment = segment
        self._before, self._outputs = segment.judged(segment.layers)
        self._few = _Few(segment, self._outputs)

    def tried(self, stage: Iterable[_Tried]) -> list[Found]:
        """The causes among what is tried."""
        until = time.monotonic() + _SECONDS
        near = [each for each in _until(until, stage) if self._few.left(each.layers) < _NEAR]
        found = (_settled(self._segment, each, self._before, self._outputs) for each in near[:_SETTLED])
        return _distinct(each for each in found if each is not None)


def _until(end: float, tried: Iterable[_Tried]) -> Iterator[_Tried]:
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


def _settled(segment: Segment, tried: _Tried, before: Comparison, outputs: Sequence[Output]) -> Found | None:
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
        # The noise of the reference as claimed need not be that of a right one.
        off = (np.abs(found - self._observed) / self._noise)[np.broadcast_to(self._counts, found.shape)]
        return float(np.nan_to_num(np.quantile(off, 0.9), nan=np.inf)) if off.size else 0.0


def _cells(layers: Sequence[Layer]) -> Where:
    return tuple((k, d) for k, layer in enumerate(layers) for d in range(len(layer.directions)))


def _changed(
    segment: Segment, where: Where, change: Callable[[Setting, Direction], Direction | None]
) -> tuple[Layer, ...] | None:
    """The layers, with a change in the cells ``where``; None if it cannot be made."""
    found = []
    for k, layer in enumerate(segment.layers):
        directions = []
        for d, direction in enumerate(layer.directions):
            new = change(segment.settings[k][d], direction) if (k, d) in where else direction
            if new is None:
                return None
            directions.append(new)
        same = all(new is old for new, old in zip(directions, layer.directions, strict=True))
        found.append(layer if same else replace(layer, directions=tuple(directions)))
    return tuple(found)


# Hypotheses on the network as a whole.


def _of_the_network(segment: Segment) -> Iterator[_Tried]:
    everywhere = _cells(segment.layers)
    yield from _swapped_directions(segment)
    yield from _swapped_layers(segment)
    for number, layer in enumerate(segment.layers):
        if len(layer.directions) == 1:
            continue
        here = tuple(cell for cell in everywhere if cell[0] == number)
        apart = (CONCAT, REVERSED)
        for merge in MERGES:
            if merge != layer.merge and (merge in apart) == (layer.merge in apart):
                yield _Tried((Merged(merge),), here, _with(segment, number, replace(layer, merge=merge)))
    for where in _parts(segment):
        directions = [segment.layers[k].directions[d] for k, d in where]
        if all(each.backwards for each in directions):
            layers = _changed(segment, where, lambda _, one: replace(one, backwards=False))
            assert layers is not None
            yield _Tried((ReadsForward(),), where, layers)
    for finding, states in _initial(segment):
        for where in _parts(segment):
            layers = _changed(segment, where, states)
            if layers is not None:
                yield _Tried((finding,), where, layers)
    yield from _swapped_states(segment)


def _with(segment: Segment, number: int, layer: Layer) -> tuple[Layer, ...]:
    return tuple(layer if k == number else each for k, each in enumerate(segment.layers))


def _swapped_directions(segment: Segment) -> Iterator[_Tried]:
    """The weights of the two directions in each other's place, in all layers or in one."""
    two = [k for k, layer in enumerate(segment.layers) if len(layer.directions) == 2]

    def swapped(numbers: Sequence[int]) -> tuple[Layer, ...]:
        found = list(segment.layers)
        for k in numbers:
            one, other = found[k].directions
            found[k] = replace(found[k], directions=(_weights_of(other, one), _weights_of(one, other)))
        return tuple(found)

    for numbers in [two, *([k] for k in two)][: None if len(two) > 1 else 1]:
        where = tuple(cell for cell in _cells(segment.layers) if cell[0] in numbers)
        if numbers:
            yield _Tried((DirectionsSwapped(),), where, swapped(numbers))


def _weights_of(source: Direction, target: Direction) -> Direction:
    """``target`` with the weights of ``source``."""
    cell = source.cell
    return replace(
        target,
        cell=replace(
            target.cell, weights=cell.weights, peepholes=cell.peepholes, projection=cell.projection,
            added_sizes=cell.added_sizes,
        ),
    )  # fmt: skip


def _swapped_layers(segment: Segment) -> Iterator[_Tried]:
    """The weights of two layers of the same sizes in each other's place."""

    def sizes(layer: Layer) -> list[tuple[int, ...]]:
        return [each.cell.weights.kernel.shape for each in layer.directions]

    layers = segment.layers
    for one in range(len(layers)):
        for other in range(one + 1, len(layers)):
            if sizes(layers[one]) == sizes(layers[other]):
                found = list(layers)
                for target, source in ((one, other), (other, one)):
                    pairs = zip(layers[source].directions, layers[target].directions, strict=True)
                    made = tuple(_weights_of(theirs, own) for theirs, own in pairs)
                    found[target] = replace(layers[target], directions=made)
                where = tuple(cell for cell in _cells(layers) if cell[0] in (one, other))
                swapped = LayersSwapped((segment.first + one, segment.first + other))
                yield _Tried((swapped,), where, tuple(found))


_StateChange = Callable[[Setting, Direction], Direction | None]


def _initial(segment: Segment) -> Iterator[tuple[Finding, _StateChange]]:
    """Other initial states than those given."""

    def zeroed(hidden: bool, cell: bool) -> _StateChange:
        def change(setting: Setting, direction: Direction) -> Direction | None:
            own = direction.cell
            if cell and not own.has_cell_state and not hidden:
                return None
            first = 0 * own.initial_hidden if hidden else own.initial_hidden
            second = 0 * own.initial_cell if cell else own.initial_cell
            return replace(direction, cell=replace(own, initial_hidden=first, initial_cell=second))

        return change

    def exchanged(setting: Setting, direction: Direction) -> Direction | None:
        own = direction.cell
        if own.initial_cell.shape != own.initial_hidden.shape:
            return None
        swapped = replace(own, initial_hidden=own.initial_cell, initial_cell=own.initial_hidden)
        return replace(direction, cell=swapped)

    yield InitialState("zero", "zero"), zeroed(True, True)
    if any(setting.case.has_cell_state for settings in segment.settings for setting in settings):
        yield InitialState("zero", "given"), zeroed(True, False)
        yield InitialState("given", "zero"), zeroed(False, True)
        yield InitialState("swapped", "swapped"), exchanged


def _swapped_states(segment: Segment) -> Iterator[_Tried]:
    """The initial states of the cells in another order: directions before layers, or from the last on."""
    cells = _cells(segment.layers)
    numbers = np.arange(len(cells))
    two = len(segment.layers[0].directions)
    orders = [numbers[::-1], *([numbers.reshape(-1, two).T.reshape(-1)] if len(cells) % two == 0 else [])]
    orders += [numbers.reshape(-1, two)[:, ::-1].reshape(-1)] if two == 2 and len(cells) % 2 == 0 else []
    for order in orders:
        sources = (cells[n] for n in order)
        given = {
            cell: segment.layers[k].directions[d].cell for cell, (k, d) in zip(cells, sources, strict=True)
        }
        alike = all(
            given[k, d].initial_hidden.shape == segment.layers[k].directions[d].cell.initial_hidden.shape
            for k, d in cells
        )
        if alike and not np.array_equal(order, numbers):
            layers = tuple(
                replace(
                    layer,
                    directions=tuple(
                        replace(
                            each,
                            cell=replace(
                                each.cell, initial_hidden=given[k, d].initial_hidden,
                                initial_cell=given[k, d].initial_cell,
                            ),
                        )
                        for d, each in enumerate(layer.directions)
                    ),
                )
                for k, layer in enumerate(segment.layers)
            )  # fmt: skip
            yield _Tried((StatesSwapped(tuple(int(n) for n in order)),), cells, layers)


# Hypotheses on cells.


def _everywhere(segment: Segment) -> Iterator[_Tried]:
    cells = _cells(segment.layers)
    if len(cells) > 1:
        for rare in (False, True):
            yield from _of_cells(segment, cells, rare)


def _in_parts(segment: Segment) -> Iterator[_Tried]:
    cells = _cells(segment.layers)
    for rare in (False, True):
        for where in _parts(segment):
            if where != cells or len(cells) == 1:
                yield from _of_cells(segment, where, rare)


def _parts(segment: Segment) -> list[Where]:
    """All cells, each layer, each direction, each cell; every set once."""
    cells = _cells(segment.layers)
    sets = [
        cells,
        *(tuple(cell for cell in cells if cell[0] == k) for k in range(len(segment.layers))),
        *(tuple(cell for cell in cells if cell[1] == d) for d in range(2)),
        *((cell,) for cell in cells),
    ]
    return [each for each in dict.fromkeys(sets) if each]


def _of_cells(segment: Segment, where: Where, rare: bool) -> Iterator[_Tried]:
    """What may be true of these cells; what is ``rare`` is apart: gates in another order in some tensors."""
    settings = [segment.settings[k][d] for k, d in where]
    kinds = list(dict.fromkeys(setting.case.equation.cell for setting in settings))
    extras = [*weight_hypotheses.of_extras(settings[0])] if len(kinds) == 1 else []
    tables = [
        {one.findings: one for table in weight_hypotheses.tables(kind) for one in table} for kind in kinds
    ]
    tables[0] |= {one.findings: one for one in extras}
    for findings in tables[0]:  # in cells of several kinds only what can be said of all
        first = tables[0][findings]
        is_rare = isinstance(findings[0], GateOrder) and not weight_hypotheses.is_permutation(first)
        if is_rare == rare and all(findings in table for table in tables):
            by_kind = {kind: table[findings] for kind, table in zip(kinds, tables, strict=True)}
            layers = _changed(segment, where, _by(by_kind))
            if layers is not None:
                yield _Tried(findings, where, layers)
    for equation in equations_for(settings[0]) if len(kinds) == 1 and not rare else ():
        if equation.fitted not in ("", "forget_bias"):
            continue
        for constant in _CONSTANTS if equation.fitted else (0.0,):
            layers = _changed(segment, where, _computing(equation, constant))
            if layers is not None:
                yield _Tried(equation.findings(constant), where, layers)


def _by(hypotheses: Mapping[str, Hypothesis]) -> _StateChange:
    """The change of a hypothesis, by the kind of cell."""

    def change(setting: Setting, direction: Direction) -> Direction | None:
        changed = hypotheses[setting.case.equation.cell].change(setting)
        return None if changed is None else replace(direction, cell=changed.case)

    return change


def _computing(hypothesis: EquationHypothesis, constant: float) -> _StateChange:
    def change(setting: Setting, direction: Direction) -> Direction | None:
        fields = dict(hypothesis.fields)
        if hypothesis.fitted:
            fields["forget_bias"] = setting.case.equation.forget_bias + constant
        equation = replace(setting.case.equation, **fields)
        return replace(direction, cell=replace(direction.cell, equation=equation))

    return change
