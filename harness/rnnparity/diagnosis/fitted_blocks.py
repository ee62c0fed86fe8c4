"""A whole block of weights that differs: one gate's bias, input kernel or recurrent kernel, by least squares.

With each previous state given, a unit's trajectory depends on its own columns only, so the units are solved
one by one, all at once. A block can be told where there are more steps than rows.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from rnnparity.diagnosis.findings import Block
from rnnparity.diagnosis.fitted_constants import ROUNDS
from rnnparity.diagnosis.kinds import in_full, kind_of, teacher_forced
from rnnparity.diagnosis.teacher_forcing import BlockInput, Setting, Units, Window, whole
from rnnparity.reference.noise import Array

_SPARE = 4
"""More steps than unknowns, at least: with as many, anything would fit."""
_STEP = 1e-6
"""By how much a parameter is nudged to see how the errors follow."""
_LONGEST = 2.0
"""A round of Gauss-Newton moves a parameter no further: functions that saturate mislead it beyond."""
_UNITS = 6
"""Units that are tried first: a block that does not explain these need not be solved for the others."""
_NUMBERS = 2**22
"""That one array may have: 32 MiB."""
_PER_ROW = 4
"""Steps for each unknown, at most: more add time, and no certainty."""
_MIXED = 512
"""Unknowns that are solved together where units mix: each is one more run."""


class Solved(NamedTuple):
    """A block, and whether it is ``certain``: more steps tell of each unit's part than that has numbers."""

    block: Block
    certain: bool


def solve(setting: Setting, noise: float) -> Iterator[Solved]:
    """The blocks that leave about the ``noise`` where the difference is largest, the smallest block first.

    Each has the change of the canonical weights ``[rows, U]`` that explains the trajectory.
    """
    if setting.case.projection is not None:
        return
    setting = _enough(setting)
    everything = in_full(setting)
    predicted, _ = everything.predict(setting.case.equation)
    units = np.argsort(-np.abs(predicted - everything.hidden)[0].max(axis=(0, 1)), kind="stable")
    order = np.sort(units[:_UNITS]), np.sort(units[_UNITS:])
    for unknown in sorted(kind_of(setting).forced.blocks(setting), key=lambda block: block.v.shape[2]):
        if setting.case.batch * setting.case.steps < unknown.v.shape[2] + _SPARE:
            continue
        if unknown.mixes:
            if unknown.v.shape[2] * setting.case.units > _MIXED:
                continue
            change, left = _fit_mixed(setting, unknown)
            if left <= noise:
                yield Solved(Block(unknown.tensor, unknown.gate, change), certain=True)
            continue
        problem = _Problem(setting, unknown, order[0])
        first, left = _fit(problem)
        if left > noise:
            continue
        certain = problem.steps_that_tell(first) >= unknown.v.shape[2] + _SPARE
        change = np.zeros((unknown.v.shape[2], setting.case.units))
        change[:, order[0]] = first
        together = max(_UNITS, _NUMBERS // (4 * unknown.v.size))
        for start in range(0, len(order[1]), together):
            chunk = order[1][start : start + together]
            change[:, chunk], _ = _fit(_Problem(setting, unknown, chunk))
        yield Solved(Block(unknown.tensor, unknown.gate, change), certain)


def _enough(setting: Setting) -> Setting:
    """The steps and batch rows that so many unknowns need."""
    case = setting.case
    needed = _PER_ROW * max(case.input_size, case.units) + _SPARE
    steps = min(case.steps, needed)
    rows = min(case.batch, -(-needed // steps))
    cell = None if setting.cell is None else setting.cell[:rows, :steps]
    shorter = replace(
        case,
        inputs=case.inputs[:rows, :steps],
        initial_hidden=case.initial_hidden[:rows],
        initial_cell=case.initial_cell[:rows],
    )
    return replace(setting, case=shorter, hidden=setting.hidden[:rows, :steps], cell=cell)


def _fit_mixed(setting: Setting, unknown: BlockInput) -> tuple[Array, float]:
    """As :func:`_fit`, of all units together."""
    change, left = _fit(_Mixed(setting, unknown, np.arange(setting.case.units)))
    return change.reshape(unknown.v.shape[2], -1), left


def _fit(problem: "_Problem") -> tuple[Array, float]:
    """Gauss-Newton for each unit: the change ``[rows, units]``, and the RMS of what it leaves."""
    change = np.zeros(problem.shape)
    errors = problem.errors(change[None])
    best, left = change, _rms(errors)
    for _ in range(ROUNDS):
        move = _least_squares(problem.slopes(change, errors), -errors[0].T)
        change += (move * np.minimum(1, _LONGEST / np.maximum(np.abs(move).max(axis=1), 1e-300))[:, None]).T
        errors = problem.errors(change[None])
        if _rms(errors) >= 0.9 * left:
            break
        best, left = change.copy(), _rms(errors)
    return best, left


def _least_squares(slopes: Array, target: Array) -> Array:
    """The ``[units, rows]`` that ``slopes`` ``[units, rows, N]`` turn into ``target`` ``[units, N]``, nearly.

    By the normal equations: the rounds of Gauss-Newton make up for the digits that these lose.
    """
    square = slopes @ slopes.swapaxes(1, 2)
    ridge = 1e-13 * np.trace(square, axis1=1, axis2=2)[:, None, None] * np.eye(square.shape[1])
    right = slopes @ target[:, :, None]
    move: Array = np.linalg.solve(square + ridge + 1e-300 * np.eye(square.shape[1]), right)[:, :, 0]
    return move


def _rms(errors: Array) -> float:
    return float(np.sqrt(np.mean(np.square(errors))))


class _Problem:
    """What is left of some units' trajectories, given a change of a block."""

    def __init__(self, setting: Setting, unknown: BlockInput, units: Units) -> None:
        self._equation, self._unknown = setting.case.equation, unknown
        everything = whole(setting)
        forced = teacher_forced([setting], Window(everything.rows, units, everything.steps))
        self._forced, self._columns = forced.for_units(units, self._equation)
        self.shape = unknown.v.shape[2], len(units)
        # Without a cell state that is carried along, a step's error comes from that step alone.
        self._instant = setting.complete

    def errors(self, changes: Array, added: float = 0.0) -> Array:
        """``changes`` ``[S, rows, units]``, and a constant, -> ``[S, N, units]``."""
        z = np.repeat(self._forced.z, len(changes), axis=0)
        moved = np.einsum("btr,sru->sbtu", self._unknown.v, changes) + added
        z[:, self._unknown.position, :, :, self._columns] += np.moveaxis(moved, -1, 0)
        residual = replace(self._forced, z=z).residual(self._equation)
        return residual.reshape(len(changes), -1, changes.shape[2])

    def slopes(self, change: Array, errors: Array) -> Array:
        """How the errors, which are ``errors`` at ``change``, follow each parameter: ``[units, rows, N]``."""
        if not self._instant:
            nudged = change[None] + _STEP * np.eye(len(change))[:, :, None]
            return np.moveaxis((self.errors(nudged) - errors) / _STEP, 2, 0)
        v = self._unknown.v.reshape(-1, len(change))
        slope = ((self.errors(change[None], _STEP) - errors) / _STEP)[0]
        states = len(slope) // len(v)  # hidden, and cell where there is one
        found: Array = slope.T[:, None, :] * np.tile(v, (states, 1)).T[None]
        return found

    def steps_that_tell(self, change: Array) -> int:
        """At how many steps the errors follow the pre-activation: behind a relu many do not.

        Of several units the fewest, ``change`` being ``[rows, units]``.
        """
        follows = self.errors(change[None], _STEP)[0] != self.errors(change[None])[0]
        states = len(follows) // self._unknown.v[..., 0].size  # hidden, and cell where there is one
        return int(follows.reshape(states, -1, follows.shape[1]).any(axis=0).sum(axis=0).min())


class _Mixed(_Problem):
    """The same where a block reaches every unit: one column of all its parameters."""

    def __init__(self, setting: Setting, unknown: BlockInput, units: Units) -> None:
        super().__init__(setting, unknown, units)
        self._block, self._instant = self.shape, False
        self.shape = self._block[0] * self._block[1], 1

    def errors(self, changes: Array, added: float = 0.0) -> Array:
        """``changes`` ``[S, rows units, 1]`` -> ``[S, N, 1]``."""
        return super().errors(changes.reshape(-1, *self._block), added).reshape(len(changes), -1, 1)
