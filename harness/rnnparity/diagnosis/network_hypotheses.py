"""Hypotheses on networks: on how they are made of their cells, and what may be true of some of these.

Each changes the layers of a segment. What can be said of one cell may be true of all of them, of a layer, of
a direction, or of a single one.
"""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from rnnparity.diagnosis import weight_hypotheses
from rnnparity.diagnosis.findings import Finding, GateOrder, InitialState
from rnnparity.diagnosis.fitted_constants import CONSTANTS
from rnnparity.diagnosis.hypothesis import EquationHypothesis, Hypothesis
from rnnparity.diagnosis.kinds import equations_for
from rnnparity.diagnosis.network_findings import (
    DirectionsSwapped,
    LayersSwapped,
    Merged,
    ReadsForward,
    StatesSwapped,
)
from rnnparity.diagnosis.segment import Segment, Where
from rnnparity.diagnosis.teacher_forcing import Setting
from rnnparity.reference.network import CONCAT, MERGES, REVERSED, Direction, Layer

_CONSTANTS = (-1.0, 1.0, -2.0, 2.0)
"""What may be added to a forget bias: tried first, as it takes no fit."""


class Tried(NamedTuple):
    """``layers`` that were changed in the cells ``where``, so that the findings would be true."""

    findings: tuple[Finding, ...]
    where: Where
    layers: tuple[Layer, ...]


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


def of_the_network(segment: Segment) -> Iterator[Tried]:
    """How the network is made of its cells, and where it starts from."""
    cells = _cells(segment.layers)
    yield from _swapped_directions(segment)
    yield from _swapped_layers(segment)
    for number, layer in enumerate(segment.layers):
        if len(layer.directions) == 1:
            continue
        here = tuple(cell for cell in cells if cell[0] == number)
        apart = (CONCAT, REVERSED)
        for merge in MERGES:
            if merge != layer.merge and (merge in apart) == (layer.merge in apart):
                yield Tried((Merged(merge),), here, _with(segment, number, replace(layer, merge=merge)))
    for where in _parts(segment):
        directions = [segment.layers[k].directions[d] for k, d in where]
        if all(each.backwards for each in directions):
            layers = _changed(segment, where, lambda _, one: replace(one, backwards=False))
            assert layers is not None
            yield Tried((ReadsForward(),), where, layers)
    for finding, states in _initial(segment):
        for where in _parts(segment):
            layers = _changed(segment, where, states)
            if layers is not None:
                yield Tried((finding,), where, layers)
    yield from _swapped_states(segment)


def _with(segment: Segment, number: int, layer: Layer) -> tuple[Layer, ...]:
    return tuple(layer if k == number else each for k, each in enumerate(segment.layers))


def _swapped_directions(segment: Segment) -> Iterator[Tried]:
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
            yield Tried((DirectionsSwapped(),), where, swapped(numbers))


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


def _swapped_layers(segment: Segment) -> Iterator[Tried]:
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
                yield Tried((swapped,), where, tuple(found))


_Change = Callable[[Setting, Direction], Direction | None]


def _initial(segment: Segment) -> Iterator[tuple[Finding, _Change]]:
    """Other initial states than those given."""

    def zeroed(hidden: bool, cell: bool) -> _Change:
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


def _swapped_states(segment: Segment) -> Iterator[Tried]:
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
            yield Tried((StatesSwapped(tuple(int(n) for n in order)),), cells, layers)


# Hypotheses on cells.


def everywhere(segment: Segment) -> Iterator[Tried]:
    """What may be true of every cell, the common before the rare."""
    cells = _cells(segment.layers)
    if len(cells) > 1:
        for rare in (False, True):
            yield from _of_cells(segment, cells, rare)


def in_parts(segment: Segment) -> Iterator[Tried]:
    """What may be true of a layer, a direction or a single cell, the common before the rare."""
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


def _of_cells(segment: Segment, where: Where, rare: bool) -> Iterator[Tried]:
    """What may be true of these cells; what is ``rare`` is apart: gates in another order in some tensors."""
    settings = [segment.settings[k][d] for k, d in where]
    of_kinds = {setting.case.equation.cell: setting.case for setting in settings}
    kinds = list(of_kinds)
    extras = [*weight_hypotheses.of_extras(settings[0])] if len(kinds) == 1 else []
    tables = [
        {one.findings: one for table in weight_hypotheses.tables_for(case) for one in table}
        for case in of_kinds.values()
    ]
    tables[0] |= {one.findings: one for one in extras}
    for findings in tables[0]:  # in cells of several kinds only what can be said of all
        first = tables[0][findings]
        is_rare = isinstance(findings[0], GateOrder) and not weight_hypotheses.is_permutation(first)
        if is_rare == rare and all(findings in table for table in tables):
            by_kind = {kind: table[findings] for kind, table in zip(kinds, tables, strict=True)}
            layers = _changed(segment, where, _by(by_kind))
            if layers is not None:
                yield Tried(findings, where, layers)
    for equation in equations_for(settings[0]) if len(kinds) == 1 and not rare else ():
        if equation.fitted not in ("", "forget_bias"):
            continue
        for constant in _CONSTANTS if equation.fitted else (0.0,):
            layers = _changed(segment, where, _computing(equation, constant))
            if layers is not None:
                yield Tried(equation.findings(constant), where, layers)


def constants_of_cells(segment: Segment) -> Iterator[Callable[[float], Tried | None]]:
    """What may be true of some cells with a constant: its value -> what is tried, if that can be made."""
    for where in _parts(segment):
        settings = [segment.settings[k][d] for k, d in where]
        if len({setting.case.equation.cell for setting in settings}) > 1:
            continue
        for equation in equations_for(settings[0]):
            if equation.fitted:
                yield functools.partial(_with_constant, segment, where, equation)


def _with_constant(
    segment: Segment, where: Where, hypothesis: EquationHypothesis, value: float
) -> Tried | None:
    layers = _changed(segment, where, _computing(hypothesis, value))
    return None if layers is None else Tried(hypothesis.findings(value), where, layers)


def _by(hypotheses: Mapping[str, Hypothesis]) -> _Change:
    """The change of a hypothesis, by the kind of cell."""

    def change(setting: Setting, direction: Direction) -> Direction | None:
        changed = hypotheses[setting.case.equation.cell].change(setting)
        return None if changed is None else replace(direction, cell=changed.case)

    return change


def _computing(hypothesis: EquationHypothesis, constant: float) -> _Change:
    def change(setting: Setting, direction: Direction) -> Direction | None:
        equation = replace(setting.case.equation, **hypothesis.fields)
        if hypothesis.fitted:
            equation = CONSTANTS[hypothesis.fitted].apply(equation, constant)
        return replace(direction, cell=replace(direction.cell, equation=equation))

    return change
