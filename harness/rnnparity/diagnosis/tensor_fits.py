"""Fit what no table can hold: whole tensors, a bias for every gate, peepholes, a projection's number.

With each previous state given, a unit's states depend on its own columns of the weights alone, so that each
unit is a small problem of least squares, and all units are solved together.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from rnnparity.diagnosis.findings import Finding
from rnnparity.diagnosis.fitted_blocks import shortened
from rnnparity.diagnosis.forced_cells import TeacherForcedLstm
from rnnparity.diagnosis.hypothesis import Found, bias_of, blocks, kernel_of, rows_of, with_weights
from rnnparity.diagnosis.kinds import in_full, teacher_forced
from rnnparity.diagnosis.teacher_forcing import (
    Setting,
    TeacherForced,
    Units,
    Window,
    counting,
    vectors,
    whole,
)
from rnnparity.diagnosis.tensor_findings import (
    PEEPHOLES,
    PROJECTION,
    BiasAdded,
    ExtraParameter,
    PeepholesUnrecorded,
    WeightsDiffer,
)
from rnnparity.reference.forward import Reference
from rnnparity.reference.noise import LIMIT, Array
from rnnparity_adapters.kinds import PEEPHOLES as PEEPHOLE_GATES

_SPARE = 1.25
"""There must be so many more observations of a unit than unknowns: with as many anything fits."""
_NUMBERS = 2**23
"""The numbers that one array of derivatives may have: 64 MiB."""
_ROUNDS, _PATIENCE, _NUDGE = 40, 10, 1e-6
"""Rounds of damped least squares, those within which most of the error must be gone, and the change by which
a derivative is measured.
"""
_FIRST = 3
"""The units that are solved first. What does not explain these need not be solved for the others."""
_TOGETHER = 12
"""The other units that are solved together."""
_PER_UNKNOWN = 4
"""Steps that are used for each unknown of a unit, at most: more take time and add no certainty."""
_NEAR = 3 * LIMIT
"""What is left, in RMS and noise units, of a fit that the reference may confirm."""
_BEST = 4
"""The places, the best ones, whose number is fitted."""
_TENSORS = ("b", "x", "h", "xb", "hb", "xhb")
"""The tensors that may be others together, from few numbers to many."""


class _Fit:
    """The errors of a setting as a function of changes ``[K, U]`` of K numbers of each unit."""

    def __init__(self, setting: Setting, base: Reference, units: Units) -> None:
        everything = whole(setting)
        forced = teacher_forced([setting], Window(everything.rows, units, everything.steps))
        self.setting, self.units = setting, units
        self.forced, _ = forced.for_units(units, setting.case.equation)
        self.noise = np.sqrt(np.mean(np.square(base.hidden_noise[..., units]), axis=(0, 1)))

    def errors(self, forced: TeacherForced) -> Array:
        """``[S, N, U]``: of the hidden states, then of the cell states."""
        residual = forced.residual(self.setting.case.equation)
        return residual.reshape(len(residual), -1, len(self.units))

    def solve(self, change_of: Callable[[Array], TeacherForced], unknowns: int) -> tuple[Array, Array]:
        """The change ``[K, U]`` that leaves least, by damped least squares, and the RMS ``[U]`` it leaves.

        ``change_of`` makes the teacher-forced cells of changes ``[S, K, U]``.
        """
        units = len(self.units)
        change = np.zeros((unknowns, units))
        here = self.errors(change_of(change[None]))[0]
        left = np.square(here).sum(axis=0)
        damping = np.full(units, 1e-3)
        steps = _NUDGE * np.eye(unknowns)[:, :, None]
        slopes = (self.errors(change_of(change[None] + steps)) - here) / _NUDGE
        first = left.sum()
        for number in range(_ROUNDS):
            if number == _PATIENCE and left.sum() > 0.1 * first:
                break
            matrix = slopes.transpose(2, 0, 1)  # [U, K, N]
            square = matrix @ matrix.swapaxes(1, 2)
            diagonal = np.einsum("ukk->uk", square)
            ridge = damping[:, None] * diagonal + 1e-14 * diagonal.max(axis=1, keepdims=True) + 1e-300
            right = np.einsum("ukn,nu->uk", matrix, here)
            move = np.linalg.solve(square + ridge[:, :, None] * np.eye(unknowns), right[:, :, None])[
                :, :, 0
            ].T
            tried = self.errors(change_of((change - move)[None]))[0]
            after = np.square(tried).sum(axis=0)
            better = after < left
            change = np.where(better, change - move, change)
            gain = bool(np.any(after < 0.999 * left))
            here, left = np.where(better, tried, here), np.minimum(left, after)
            damping = np.clip(np.where(better, damping / 5, damping * 4), 1e-12, 1e6)
            if np.all(np.sqrt(left / len(here)) < 0.3 * self.noise) or damping.min() >= 1e6:
                break
            if gain or better.any():
                slopes = (self.errors(change_of(change[None] + steps)) - here) / _NUDGE
        return change, np.sqrt(left / len(here))


def bias_added(setting: Setting, base: Reference) -> Iterator[Found]:
    """One constant for each unit ``[U]``, added to every gate."""
    case = setting.case
    if case.projection is not None or len(case.gates) < 2 or _mixes(setting):
        return
    fit, gates = _Fit(setting, base, np.arange(case.units)), len(case.gates)

    def change_of(changes: Array) -> TeacherForced:
        z = np.repeat(fit.forced.z, len(changes), axis=0)
        z[:, :gates] += changes[:, 0][:, None, None, None]
        return replace(fit.forced, z=z)

    change, left = fit.solve(change_of, 1)
    if np.median(left / fit.noise) < _NEAR:
        bias = bias_of(setting)
        bias[:gates] += change[0]
        yield Found(BiasAdded(change[0]), with_weights(setting, bias=bias.reshape(-1)), change.size)


def weights_differ(setting: Setting, base: Reference) -> Iterator[Found]:
    """Whole tensors that are others, where there are enough observations to find them."""
    case = setting.case
    if case.projection is not None or _mixes(setting):
        return
    observations = int(counting(setting).sum()) * (2 if setting.cell is not None else 1)
    width = len(case.weights.kernel)
    inputs, states = rows_of(setting).values()
    rows = {"x": inputs, "h": slice(states.start, width), "b": slice(width, width + 1)}
    error = np.abs(setting.hidden - base.hidden).max(axis=(0, 1))
    order = np.argsort(-error, kind="stable")
    for tensors in _TENSORS:
        columns = np.concatenate([np.arange(len(case.weights.kernel) + 1)[rows[token]] for token in tensors])
        unknowns = len(case.gates) * len(columns) + _inner(setting, tensors)
        if observations < _SPARE * unknowns + 2:
            continue
        part = shortened(setting, _PER_UNKNOWN * unknowns)
        if unknowns * part.hidden[..., 0].size * _FIRST * len(case.gates) > _NUMBERS:
            continue
        own = replace(base, hidden_noise=base.hidden_noise[: part.case.batch, : part.case.steps])
        change = np.zeros((unknowns, case.units))
        chunks = [order[:_FIRST], *(order[n : n + _TOGETHER] for n in range(_FIRST, len(order), _TOGETHER))]
        for chunk in chunks:
            fit = _Fit(part, own, np.sort(chunk))
            change[:, fit.units], left = fit.solve(_changed(part, fit, columns), unknowns)
            if np.median(left / fit.noise) >= _NEAR:
                break
        else:
            changed, relative = _with(setting, change, columns)
            alike = _alike(*(kernel_of(each)[columns[columns < width]] for each in (setting, changed)))
            yield Found(WeightsDiffer(tensors, relative, alike), changed, change.size)


def _alike(given: Array, found: Array) -> float | None:
    """The correlation of two kernels ``[rows, G U]``; None where there are few numbers, or one is a multiple.

    That of kernels which have nothing in common is one over the root of how many numbers they have.
    """
    one, two = given.reshape(-1), found.reshape(-1)
    if one.size < _ENOUGH or not one.any() or not two.any():
        return None
    left = two - float(one @ two) / float(one @ one) * one
    if float(left @ left) < _MULTIPLE * float((two - one) @ (two - one)):
        return None
    return float(np.corrcoef(one, two)[0, 1])


_ENOUGH = 100
"""The numbers of a kernel of which a correlation tells something."""
_MULTIPLE = 0.01
"""The part of the squared change that a factor leaves, at most, where that is what the change is."""


def _inner(setting: Setting, tensors: str) -> int:
    """1 where a GRU's m is among the biases."""
    return int("b" in tensors and "m" in setting.case.kind.bias_gates)


def _mixes(setting: Setting) -> bool:
    """Whether a gate acts on other units than its own: a GRU's reset gate before the product."""
    return setting.case.equation.cell == "gru" and not setting.case.equation.reset_after


def _changed(setting: Setting, fit: _Fit, columns: Units) -> Callable[[Array], TeacherForced]:
    """Changes ``[S, K, U]`` of the blocks of all gates, a GRU's m the last -> the cells."""
    case = setting.case
    v = vectors(setting, np.arange(case.batch), case.steps)
    v = np.concatenate([v, np.ones((*v.shape[:2], 1))], axis=2)[..., columns]
    gates = case.gates
    of_h = (columns >= case.input_size) & (columns < len(case.weights.kernel))
    parted = "m" in case.kind.bias_gates  # n's rows of h add to m

    def change_of(changes: Array) -> TeacherForced:
        z = np.repeat(fit.forced.z, len(changes), axis=0)
        for position, gate in enumerate(gates):
            block = changes[:, position * v.shape[2] : (position + 1) * v.shape[2]]
            if parted and gate == "n":
                z[:, position] += _product(v[..., ~of_h], block[:, ~of_h])
                z[:, 3] += _product(v[..., of_h], block[:, of_h])
            else:
                z[:, position] += _product(v, block)
        if changes.shape[1] > len(gates) * v.shape[2]:
            z[:, 3] += changes[:, -1][:, None, None]
        return replace(fit.forced, z=z)

    return change_of


def _product(v: Array, block: Array) -> Array:
    """``[B, T, rows]`` times ``[S, rows, U]`` -> ``[S, B, T, U]``."""
    made: Array = np.tensordot(v, block, axes=([2], [1]))
    return np.moveaxis(made, 2, 0)


def _with(setting: Setting, change: Array, columns: Units) -> tuple[Setting, float]:
    """The setting with the changed tensors, and the RMS of the change beside that of the tensors."""
    case = setting.case
    kernel, bias, count = kernel_of(setting), bias_of(setting), len(case.gates)
    by_gate = blocks(kernel, count)
    old = []
    for position in range(count):
        block = change[position * len(columns) : (position + 1) * len(columns)]
        for row, values in zip(columns, block, strict=True):
            target = bias[position] if row == len(kernel) else by_gate[row, position]
            old.append(target.copy())
            target += values
    if len(change) > count * len(columns):
        old.append(bias[-1].copy())
        bias[-1] += change[-1]
    size = float(np.sqrt(np.mean(np.square(old))))
    relative = float(np.sqrt(np.mean(np.square(change)))) / max(size, 1e-12)
    return with_weights(setting, kernel, bias.reshape(-1)), relative


# What only some LSTMs have.


def peepholes_unrecorded(setting: Setting, base: Reference) -> Iterator[Found]:
    """Peepholes ``[3, U]`` of an LSTM that is claimed to have none."""
    case = setting.case
    if not case.has_cell_state or case.peepholes is not None or case.projection is not None:
        return
    none = np.zeros((len(PEEPHOLE_GATES), case.units))
    seeing = replace(setting, case=replace(case, peepholes=none))
    fit = _Fit(seeing, base, np.arange(case.units))
    lstm = fit.forced
    assert isinstance(lstm, TeacherForcedLstm)

    def change_of(changes: Array) -> TeacherForced:
        return replace(lstm, z=np.repeat(lstm.z, len(changes), axis=0), peepholes=changes[:, :, None])

    change, left = fit.solve(change_of, len(none))
    if np.median(left / fit.noise) < _NEAR:
        found = replace(setting, case=replace(case, peepholes=change))
        yield Found(PeepholesUnrecorded(change), found, change.size)


def extra_parameters(setting: Setting, base: Reference) -> Iterator[Found]:
    """One number of the peepholes ``[3, U]``, or of the projection ``[U, P]``."""
    case = setting.case
    for name, values in ((PEEPHOLES, case.peepholes), (PROJECTION, case.projection)):
        if values is None or values.size * setting.hidden.size * 4 > _NUMBERS:
            continue
        lstm = in_full(setting)
        assert isinstance(lstm, TeacherForcedLstm)
        yield from _single(setting, lstm, name, np.asarray(values, np.float64))


def _single(setting: Setting, lstm: TeacherForcedLstm, name: str, values: Array) -> Iterator[Found]:
    def errors(changed: Array) -> Array:
        """``[S, N]`` for tensors ``[S, rows, columns]``."""
        several = replace(lstm, z=np.repeat(lstm.z, len(changed), axis=0))
        if name == PEEPHOLES:
            several = replace(several, peepholes=changed[:, :, None])
        else:
            several = replace(several, projection=changed[:, None])
        return several.residual(setting.case.equation)

    single = np.eye(values.size).reshape(values.size, *values.shape)
    here = errors(values[None])[0]
    slopes = (errors(values + _NUDGE * single) - here) / _NUDGE
    square = np.square(slopes).sum(axis=1)
    score = np.where(square > 0, np.square(slopes @ here) / np.where(square > 0, square, 1), 0)
    for place in np.argsort(-score)[:_BEST]:
        change = 0.0
        for _ in range(8):
            tried = errors((values + change * single[place])[None])[0]
            slope = (errors((values + (change + _NUDGE) * single[place])[None])[0] - tried) / _NUDGE
            change -= float(slope @ tried) / max(float(slope @ slope), 1e-300)
        row, column = divmod(int(place), values.shape[1])
        made = values + change * single[place]
        finding: Finding
        if name == PEEPHOLES:
            finding = ExtraParameter(name, column, change, gate=PEEPHOLE_GATES[row])
            yield Found(finding, replace(setting, case=replace(setting.case, peepholes=made)), 1)
        else:
            finding = ExtraParameter(name, column, change, row=row)
            yield Found(finding, replace(setting, case=replace(setting.case, projection=made)), 1)
