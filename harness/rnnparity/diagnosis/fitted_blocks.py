"""Fit a whole block of weights by least squares: one gate's bias, input kernel or recurrent kernel.

With each previous state given, a unit's trajectory depends on its own columns of the weights only. So the
units are independent problems, which are solved together. A block can be found if there are more steps than
rows.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from rnnparity.diagnosis.findings import Block
from rnnparity.diagnosis.fitted_constants import LONGEST_MOVE, ROUNDS
from rnnparity.diagnosis.kinds import in_full, kind_of, teacher_forced
from rnnparity.diagnosis.parts import first_steps
from rnnparity.diagnosis.teacher_forcing import BlockInput, Setting, Units, Window, whole
from rnnparity.reference.noise import Array

_SPARE = 4
"""There must be at least so many more steps than unknowns: with as many steps as unknowns anything fits."""
NUDGE = 1e-6
"""The change of a parameter by which a derivative is measured: small beside any weight, and large beside the
rounding of float64.
"""
_UNITS = 6
"""The units that are solved first. A block that does not explain these need not be solved for the others."""
_NUMBERS = 2**22
"""The numbers that one array may have: 32 MiB."""
_PER_ROW = 4
"""Steps that are used for each unknown, at most: more take time and add no certainty."""
_MIXED = 512
"""The most unknowns that are solved together where units mix: each takes one run of the cell."""


class Solved(NamedTuple):
    """A block ``[rows, U]``, and whether it is ``certain``, because enough steps depend on it."""

    block: Block
    certain: bool


def solve(setting: Setting, noise: float) -> Iterator[Solved]:
    """Find blocks whose change explains the trajectory, the ones with the fewest rows first.

    A block explains it if the RMS of the errors that remain, in the units that differ most, is at most
    ``noise``. The result has the change ``[rows, U]`` of the canonical weights.
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
    """The setting, cut to the steps and batch rows that its number of unknowns needs."""
    return shortened(setting, _PER_ROW * max(setting.case.input_size, setting.case.units) + _SPARE)


def shortened(setting: Setting, needed: int) -> Setting:
    """The setting, cut to the first steps and batch rows, so that ``needed`` steps are left if there are."""
    case = setting.case
    steps = min(case.steps, needed)
    rows = min(case.batch, -(-needed // steps))
    return first_steps(setting, steps, rows)


def _fit_mixed(setting: Setting, unknown: BlockInput) -> tuple[Array, float]:
    """As :func:`_fit`, for all units together: the change ``[rows, U]``, and the RMS that remains."""
    change, left = _fit(_Mixed(setting, unknown, np.arange(setting.case.units)))
    return change.reshape(unknown.v.shape[2], -1), left


def _fit(problem: "_Problem") -> tuple[Array, float]:
    """Gauss-Newton for each unit: the change ``[rows, units]``, and the RMS of the errors that remain."""
    change = np.zeros(problem.shape)
    errors = problem.errors(change[None])
    best, left = change, _rms(errors)
    for _ in range(ROUNDS):
        move = _least_squares(problem.slopes(change, errors), -errors[0].T)
        change += (
            move * np.minimum(1, LONGEST_MOVE / np.maximum(np.abs(move).max(axis=1), 1e-300))[:, None]
        ).T
        errors = problem.errors(change[None])
        if _rms(errors) >= 0.9 * left:  # a round that gains less than a tenth is the last
            break
        best, left = change.copy(), _rms(errors)
    return best, left


def _least_squares(slopes: Array, target: Array) -> Array:
    """The change ``[units, rows]`` with which ``slopes`` ``[units, rows, N]`` come closest to ``target``.

    ``target`` is ``[units, N]``. Normal equations lose digits, but the next round of Gauss-Newton recovers
    them.
    """
    # The ridge and the 1e-300 keep a matrix regular whose rows are zero or nearly dependent.
    square = slopes @ slopes.swapaxes(1, 2)
    ridge = 1e-13 * np.trace(square, axis1=1, axis2=2)[:, None, None] * np.eye(square.shape[1])
    right = slopes @ target[:, :, None]
    move: Array = np.linalg.solve(square + ridge + 1e-300 * np.eye(square.shape[1]), right)[:, :, 0]
    return move


def _rms(errors: Array) -> float:
    return float(np.sqrt(np.mean(np.square(errors))))


class _Problem:
    """The errors that remain in some units' trajectories after a change of one block."""

    def __init__(self, setting: Setting, unknown: BlockInput, units: Units) -> None:
        self._equation, self._unknown = setting.case.equation, unknown
        everything = whole(setting)
        forced = teacher_forced([setting], Window(everything.rows, units, everything.steps))
        self._forced, self._columns = forced.for_units(units, self._equation)
        self.shape = unknown.v.shape[2], len(units)
        # Where every state is known, a step's error depends on that step alone.
        self._instant = setting.complete

    def errors(self, changes: Array, added: float = 0.0) -> Array:
        """The errors ``[S, N, units]`` after ``changes`` ``[S, rows, units]`` of the block.

        ``added`` is added to the gate's pre-activation.
        """
        z = np.repeat(self._forced.z, len(changes), axis=0)
        difference = np.einsum("btr,sru->sbtu", self._unknown.v, changes) + added
        z[:, self._unknown.position, :, :, self._columns] += np.moveaxis(difference, -1, 0)
        residual = replace(self._forced, z=z).residual(self._equation)
        return residual.reshape(len(changes), -1, changes.shape[2])

    def slopes(self, change: Array, errors: Array) -> Array:
        """The derivatives ``[units, rows, N]`` of the errors by the parameters of the block.

        They are those at ``change`` ``[rows, units]``, where the errors are ``errors`` ``[1, N, units]``.
        """
        if not self._instant:
            nudged = change[None] + NUDGE * np.eye(len(change))[:, :, None]
            return np.moveaxis((self.errors(nudged) - errors) / NUDGE, 2, 0)
        v = self._unknown.v.reshape(-1, len(change))
        slope = ((self.errors(change[None], NUDGE) - errors) / NUDGE)[0]
        states = len(slope) // len(v)  # hidden, and cell where there is one
        found: Array = slope.T[:, None, :] * np.tile(v, (states, 1)).T[None]
        return found

    def steps_that_tell(self, change: Array) -> int:
        """The number of steps at which the errors depend on the pre-activation, after a relu often only some.

        It is that of the unit with the fewest. ``change`` is ``[rows, units]``.
        """
        follows = self.errors(change[None], NUDGE)[0] != self.errors(change[None])[0]
        states = len(follows) // self._unknown.v[..., 0].size  # hidden, and cell where there is one
        return int(follows.reshape(states, -1, follows.shape[1]).any(axis=0).sum(axis=0).min())


class _Mixed(_Problem):
    """The same for a block that acts on every unit: all its parameters form one column."""

    def __init__(self, setting: Setting, unknown: BlockInput, units: Units) -> None:
        super().__init__(setting, unknown, units)
        self._block, self._instant = self.shape, False
        self.shape = self._block[0] * self._block[1], 1

    def errors(self, changes: Array, added: float = 0.0) -> Array:
        """The errors ``[S, N, 1]`` after ``changes`` ``[S, rows units, 1]``."""
        return super().errors(changes.reshape(-1, *self._block), added).reshape(len(changes), -1, 1)
