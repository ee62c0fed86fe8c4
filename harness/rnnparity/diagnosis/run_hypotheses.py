"""Hypotheses on how the cell was run: its states, directions, axes and steps."""

import itertools
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from rnnparity.diagnosis.findings import BatchTimeAxes, Direction, InitialState, StateCarried, TimeShift
from rnnparity.diagnosis.hypothesis import Change, Hypothesis
from rnnparity.diagnosis.input_hypotheses import rules
from rnnparity.diagnosis.run_findings import PaddingFirst
from rnnparity.diagnosis.state_hypotheses import lengths_of, padding_first
from rnnparity.diagnosis.teacher_forcing import Setting, filled
from rnnparity.reference.forward import Reference
from rnnparity.reference.masks import turned
from rnnparity.reference.noise import Array


def _states(hidden: str, cell: str, last: Reference) -> Change:
    def change(setting: Setting) -> Setting | None:
        case = setting.case
        rows, ends = np.arange(case.batch), np.maximum(lengths_of(setting) - 1, 0)
        known = {
            "given": (case.initial_hidden, case.initial_cell),
            "swapped": (case.initial_cell, case.initial_hidden),
            "zero": (0 * case.initial_hidden, 0 * case.initial_cell),
            "carried": (last.hidden[rows, ends], last.cell[rows, ends]),
        }  # fmt: skip
        first, second = known[hidden][0], known[cell][1]
        if first.shape != case.initial_hidden.shape:  # a projection: h and c cannot be swapped
            return None
        changed = replace(case, initial_hidden=first, initial_cell=second)
        return replace(setting, case=changed)

    return change


def _turned(inputs: bool, outputs: bool) -> Change:
    def change(setting: Setting) -> Setting:
        case = setting.case
        if inputs:
            case = replace(case, inputs=turned(case.inputs, setting.mask))
        return setting.moved(case, lambda array: turned(array, setting.mask) if outputs else array)

    return change


def _over_padding(inputs: bool, outputs: bool) -> Change:
    """As :func:`_turned`, where whole rows are turned, and what is past their lengths comes first."""

    def change(setting: Setting) -> Setting | None:
        if setting.mask is None:
            return None
        case = setting.case
        if inputs:
            case = replace(case, inputs=case.inputs[:, ::-1])
        return setting.moved(case, lambda array: array[:, ::-1] if outputs else array)

    return change


def _swapped_axes(reshape: bool, states: str) -> Change:
    """[B, T] is read as [T, B]: batch rows are taken for steps."""

    def change(setting: Setting) -> Setting | None:
        case = setting.case
        batch, steps = case.batch, case.steps
        if steps < 2:
            return None

        def read(array: np.ndarray) -> np.ndarray:
            if reshape:
                return array.reshape(steps, batch, -1).swapaxes(0, 1)
            return array.swapaxes(0, 1)

        first, second = case.initial_hidden, case.initial_cell
        if not reshape and batch != steps:
            if states == "given":
                return None
            first, second = (np.zeros((steps, state.shape[1]), state.dtype) for state in (first, second))
        if states == "zero":
            first, second = 0 * first, 0 * second
        changed = replace(case, inputs=read(case.inputs), initial_hidden=first, initial_cell=second)
        return setting.moved(changed, read)

    return change


def _shifted(steps: int, run: Reference) -> Change:
    """The trajectory is late by ``steps``, or early if that is negative.

    Steps without a counterpart are left out, or do not count.
    """

    def change(setting: Setting) -> Setting | None:
        case = setting.case
        if case.steps <= abs(steps) + 1:
            return None
        if steps > 0:
            return setting.moved(
                replace(case, inputs=case.inputs[:, :-steps]), lambda array: array[:, steps:]
            )
        early = setting.moved(case, lambda array: np.roll(array, -steps, axis=1))
        there = np.broadcast_to(np.arange(case.steps) >= -steps, early.hidden.shape[:2])
        return filled(replace(early, mask=there if early.mask is None else there & early.mask), run)

    return change


def _always_initial(setting: Setting) -> Setting | None:
    """Each step starts from the initial state: the setting becomes a batch of B T sequences of one step."""
    case = setting.case
    if case.steps < 2:
        return None

    def single(array: np.ndarray) -> np.ndarray:
        return array.reshape(case.batch * case.steps, 1, -1)

    first, second = (np.repeat(s, case.steps, axis=0) for s in (case.initial_hidden, case.initial_cell))
    changed = replace(case, inputs=single(case.inputs), initial_hidden=first, initial_cell=second)
    return setting.moved(changed, single)


_PROBE = 64
"""The steps that are compared to find a shift: enough that no other shift fits by chance."""
USUAL_SHIFTS = (1, -1, 2, -2)
"""Those that happen together with other mistakes, which hide how far the trajectory is shifted."""
_SHIFTS = 4
"""The number of shifts, the most likely ones, that become hypotheses."""
# Hidden and cell state. A cell without cell state has the first line of each table.
_INITIAL = (("zero", "zero"), ("zero", "given"), ("given", "zero"), ("swapped", "swapped"))
_CARRIED = ((True, True), (True, False), (False, True))


def _shifts(seen: Array, own: Array) -> list[int]:
    """The numbers of steps, the best first, by which ``seen`` may be late, or early if negative.

    ``seen`` and ``own`` are ``[B, T, U]``. For each shift the first steps of one are compared with the
    shifted ones of the other, in a few rows and units. Shifts that fit equally well are sorted by their
    length.
    """
    few = (slice(0, 4), slice(None), slice(0, 16))
    late, early = (seen[few], own[few]), (own[few], seen[few])
    distances = {}
    for k in range(1, own.shape[1] - 1):
        for sign, (later, earlier) in ((1, late), (-1, early)):
            part = later[:, k : k + _PROBE]
            distances[sign * k] = float(np.median(np.abs(part - earlier[:, : part.shape[1]])))
    # A shift fits if its distance is not far from the smallest, or is no more than rounding in float32.
    enough = 10 * min(distances.values(), default=0.0) + 1e-6
    return sorted(distances, key=lambda k: (distances[k] > enough and distances[k], abs(k)))[:_SHIFTS]


def usual_shifts(base: Reference) -> Iterator[Hypothesis]:
    """The hypotheses that a run that should be ``base`` is shifted by a step or two."""
    for steps in USUAL_SHIFTS:
        yield Hypothesis((TimeShift(steps),), _shifted(steps, base))


def run_hypotheses(base: Reference, hidden_seen: Array) -> Iterator[Hypothesis]:
    """All hypotheses on how a cell was run that should have run as ``base``.

    ``hidden_seen`` ``[B, T, P]`` is the observed trajectory, in which shifts are looked for.
    """
    two = base.case.has_cell_state
    for hidden, cell in _INITIAL if two else _INITIAL[:1]:
        yield Hypothesis((InitialState(hidden, cell),), _states(hidden, cell, base))
    yield Hypothesis((InitialState("kept", "kept"),), _always_initial)
    for carried in _CARRIED if two else _CARRIED[:1]:
        hidden, cell = ("carried" if each else "given" for each in carried)
        yield Hypothesis((StateCarried(*carried),), _states(hidden, cell, base))
    yield Hypothesis((PaddingFirst(),), padding_first)
    for inputs, outputs in ((True, False), (True, True), (False, True)):
        yield Hypothesis((Direction(inputs, outputs),), _turned(inputs, outputs))
        yield Hypothesis((Direction(inputs, outputs, padding=True),), _over_padding(inputs, outputs))
    for reshaped, states in itertools.product((False, True), ("given", "zero")):
        yield Hypothesis((BatchTimeAxes(reshaped, states),), _swapped_axes(reshaped, states))
    for steps in _shifts(hidden_seen, base.hidden):
        yield Hypothesis((TimeShift(steps),), _shifted(steps, base))
    yield from rules(base.case.inputs)
