"""Causes that change no structure: coarse numbers, single parameters and blocks."""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from rnnparity.diagnosis import fitted_blocks
from rnnparity.diagnosis.findings import Block, Finding, Parameter, Unknown
from rnnparity.diagnosis.fitted_blocks import NUDGE
from rnnparity.diagnosis.fitted_constants import ROUNDS
from rnnparity.diagnosis.hypothesis import bias_of, blocks, kernel_of, rows_of, with_weights
from rnnparity.diagnosis.kinds import in_full, teacher_forced
from rnnparity.diagnosis.teacher_forcing import Setting, TeacherForced, Window, apart, counting, vectors
from rnnparity.judge import local_errors
from rnnparity.judge.local_errors import LocalAnalysis
from rnnparity.judge.matched_filter import Explanation
from rnnparity.reference.forward import Reference
from rnnparity.reference.noise import LIMIT, Array
from rnnparity_adapters.equation import Equation

ENOUGH = 3
"""The steps, of all rows together, that a parameter needs to be found: a single step fits any parameter."""

_NAMED = 4
"""The number of gates, the best ones, whose best parameter is fitted: an LSTM has so many."""
_SOME = 0.05
"""The part of the squared errors that a parameter explains at first, as far off as its change may be."""
_CORRECTIONS = 12
"""The most corrections of a fitted parameter. The matched filter is linear, so each adds only a digit or two.
"""


class Found(NamedTuple):
    """A finding, the setting ``[B, T, U]`` that it leads to, and whether the data make it ``certain``."""

    finding: Finding
    setting: Setting
    certain: bool = True


def touched(setting: Setting, other: Setting, base: Reference) -> int:
    """The number of steps, of all rows together, whose state ``[U]`` changes by more than the noise.

    ``other`` is ``setting`` with other weights; both start each step from the observed state.
    """
    one, two = (in_full(each).predict(each.case.equation)[0][0] for each in (setting, other))
    shown = np.any(np.abs(one - two) > base.hidden_noise, axis=2)
    return int(np.sum(shown if setting.mask is None else shown & setting.mask))


def single(setting: Setting, base: Reference) -> Iterator[Found]:
    """Find one parameter of the kernel ``[I+P, G U]`` or bias ``[G U]`` with another value."""
    if setting.case.batch * setting.case.steps < ENOUGH:
        return
    local = _local(setting, base) if setting.complete else None
    if local and _is_near(local):
        yield from _followed(setting, base, local)
    if not setting.case.has_cell_state or setting.case.projection is not None:
        return
    errors = _errors(setting, base, local)
    wrong = np.flatnonzero(errors > LIMIT)
    if setting.cell is not None and not len(wrong):
        wrong = np.flatnonzero(errors >= errors.max())
    if len(wrong) <= 2:
        for unit in wrong[np.argsort(-errors[wrong])]:
            yield from _single(setting, int(unit))


def _is_near(local: LocalAnalysis) -> bool:
    """Whether the parameter that the matched filter names explains some of what rounding does not."""
    errors = np.concatenate([local.hidden.reshape(-1), local.cell.reshape(-1)])
    beyond = float(errors @ errors) - errors.size * LIMIT**2
    return local.parameter.score**2 > _SOME * beyond


def _followed(setting: Setting, base: Reference, first: LocalAnalysis) -> Iterator[Found]:
    """The parameters that the matched filter names, each corrected until nothing remains to be explained."""
    for named in sorted(first.parameters.values(), key=lambda p: -p.score)[:_NAMED]:
        if named.gate == "p":
            continue
        place, change, found = _place(setting, named), 0.0, named
        for _ in range(_CORRECTIONS):
            change += found.change
            if abs(found.change) < 1e-7 * abs(change):
                break
            found = _local(_with_change(setting, place, change), base).parameters[named.gate]
            if (found.row, found.unit) != (named.row, named.unit):
                break
        yield _found(setting, place, change)


def _local(setting: Setting, base: Reference) -> LocalAnalysis:
    if setting.mask is not None:
        setting = apart(setting)
        base = replace(base, cell=np.zeros((*setting.hidden.shape[:2], 0)))
    cell = base.cell if setting.cell is None else setting.cell
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        return local_errors.analyse(setting.case, setting.hidden, cell, base.arithmetic)


def block(setting: Setting, noise: float) -> Iterator[Found]:
    """Find one gate's bias ``[1, U]`` or kernel ``[rows, U]`` that leaves an RMS of at most ``noise``."""
    for found, certain in fitted_blocks.solve(setting, noise):
        yield Found(found, _with_block(setting, found), certain)


def _with_block(setting: Setting, found: Block) -> Setting:
    gates, names = setting.case.gates, setting.case.kind.bias_gates
    kernel, bias = kernel_of(setting), bias_of(setting)
    if found.tensor == "b":
        bias[names.index(found.gate)] += found.change[0]
    else:
        rows = rows_of(setting)[found.tensor]
        blocks(kernel, len(gates))[rows, gates.index(found.gate)] += found.change
    return with_weights(setting, kernel, bias.reshape(-1))


def _errors(setting: Setting, base: Reference, local: LocalAnalysis | None) -> Array:
    """The largest local error of each unit ``[U]``, in noise units; ``local`` where every state is known."""
    if local:
        states = [np.abs(errors).max(axis=(0, 1)) for errors in (local.hidden, local.cell) if errors.size]
        largest: Array = np.maximum.reduce([errors for errors in states if len(errors) == len(states[-1])])
        if largest.max() <= LIMIT:
            largest = np.zeros(max(setting.case.units, setting.hidden.shape[2]))
            largest[local.parameter.unit] = LIMIT
        return largest
    hidden, _ = in_full(setting).predict(setting.case.equation)
    errors = np.abs(hidden[0] - setting.hidden) / base.hidden_noise
    if setting.mask is not None:
        errors = np.where(setting.mask[:, :, None], errors, 0)
    worst: Array = errors.max(axis=(0, 1))
    return worst


def _single(setting: Setting, unit: int) -> Iterator[Found]:
    """The four parameters of one unit that, each fitted by itself, leave the smallest errors."""
    rows, steps = np.arange(setting.hidden.shape[0]), setting.hidden.shape[1]
    window = Window(rows, np.array([unit]), steps)
    v = np.concatenate([vectors(setting, rows, steps), np.ones((len(rows), steps, 1))], axis=2)
    equation = setting.case.equation
    forced = teacher_forced([setting], window)
    residual = forced.residual(equation)[0]
    candidates = []
    for number in range(len(setting.case.gates)):
        for row in range(v.shape[2]):
            slope = (_changed(forced, number, v[:, :, row], NUDGE, equation) - residual) / NUDGE
            square = float(slope @ slope)
            if square > 0:
                change = -float(slope @ residual) / square
                left = _changed(forced, number, v[:, :, row], change, equation)
                candidates.append((float(left @ left), number, row, change))
    for _, number, row, first in sorted(candidates)[:4]:
        change = first
        for _ in range(ROUNDS):
            left = _changed(forced, number, v[:, :, row], change, equation)
            slope = (_changed(forced, number, v[:, :, row], change + NUDGE, equation) - left) / NUDGE
            square = float(slope @ slope)
            change -= float(slope @ left) / square if square else 0.0
        place = _Place(setting.case.gates[number], None if row == v.shape[2] - 1 else row, unit)
        yield _found(setting, place, change)


def _changed(forced: TeacherForced, gate: int, by: Array, size: float, equation: Equation) -> Array:
    """The residual ``[N]`` after ``size`` times ``by`` ``[B, T]`` is added to a gate's pre-activation."""
    z = forced.z.copy()
    z[:, gate] += size * by[None, :, :, None]
    residual: Array = replace(forced, z=z).residual(equation)[0]
    return residual


class _Place(NamedTuple):
    """One parameter: its gate, its row in the kernel ``[I+P, G U]`` (None for the bias), and its unit."""

    gate: str
    row: int | None
    unit: int


def _place(setting: Setting, parameter: Explanation) -> _Place:
    """The place of the parameter that the matched filter names. The rows of gate m are n's in the kernel."""
    gate = "n" if parameter.gate == "m" and parameter.row is not None else parameter.gate
    return _Place(gate, parameter.row, parameter.unit)


def _with_change(setting: Setting, place: _Place, change: float) -> Setting:
    kernel, bias = kernel_of(setting), bias_of(setting)
    if place.row is None:
        bias[setting.case.kind.bias_gates.index(place.gate), place.unit] += change
    else:
        gates = setting.case.gates
        blocks(kernel, len(gates))[place.row, gates.index(place.gate), place.unit] += change
    return with_weights(setting, kernel, bias.reshape(-1))


def _found(setting: Setting, place: _Place, change: float) -> Found:
    size, row = setting.case.input_size, place.row
    tensor = "b" if row is None else "h" if row >= size else "x"
    inner = None if row is None else row - size * (tensor == "h")
    finding = Parameter(tensor, place.gate, place.unit, change, inner)
    return Found(finding, _with_change(setting, place, change))


def unknown(setting: Setting, base: Reference) -> Unknown:
    """Where the trajectory ``[B, T, P]`` differs, for a difference that no hypothesis explains."""
    beyond = np.abs(setting.hidden - base.hidden) / base.hidden_noise > LIMIT
    if not beyond.any():
        return Unknown(None)
    local = _local(setting, base) if setting.complete else None
    batch, _, width = setting.hidden.shape
    return Unknown(
        first_step=int(np.flatnonzero(beyond.any(axis=(0, 2)))[0]),
        rows=int(beyond.any(axis=(1, 2)).sum()),
        batch=batch,
        units=tuple(np.flatnonzero(_errors(setting, base, local) > LIMIT).tolist()),
        width=width,
        gate=local.parameter.gate if local else "",
        numbers=tuple(np.flatnonzero(beyond.any(axis=(1, 2))).tolist()),
        record=_to_record(setting),
    )


def _to_record(setting: Setting) -> str:
    """What to record next: see :class:`~rnnparity.diagnosis.findings.Unknown`."""
    case = setting.case
    if not setting.complete:
        return "cell"
    observed = int(counting(setting).sum()) * (2 if case.has_cell_state else 1)
    unknowns = len(case.gates) * (len(case.weights.kernel) + 1)
    return "longer" if observed < 2 * unknowns else "states"
