"""A whole block of weights that differs: one gate's bias, input kernel or recurrent kernel, by least squares.

With each previous state given, a unit's trajectory depends on its own columns only, so the units are solved
one by one, all at once. A block can be told where there are more steps than rows.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnnparity.diagnosis.teacher_forcing import ForcedGru, Setting, Window, force, vectors, whole
from rnnparity.reference.activations import ACTIVATIONS
from rnnparity.reference.noise import Array

_SPARE = 4  # more steps than unknowns, at least
_ROUNDS = 8
_STEP = 1e-6
_LONGEST = 2.0
_UNITS = 6  # that are tried first
_NUMBERS = 2**22  # that one array may have
_PER_ROW = 4  # steps for each unknown, at most
_MIXED = 512  # unknowns that are solved together where units mix: each is one more run


class Block(NamedTuple):
    """A block of the canonical weights: the ``tensor`` in words, the ``gate`` by which it is called, and the
    ``change`` ``[rows, U]`` that explains the trajectory.
    """

    tensor: str
    gate: str
    change: Array


class _Unknown(NamedTuple):
    """Which pre-activation a block adds to, what its rows multiply ``[B, T, rows]``, and whether that reaches
    other units than its own.
    """

    tensor: str
    gate: str
    position: int
    v: Array
    mixed: bool = False


def solve(setting: Setting, noise: float) -> Iterator[Block]:
    """The blocks that leave about the ``noise`` where the difference is largest, the smallest block first."""
    if setting.case.projection is not None:
        return
    setting = _enough(setting)
    everything = force([setting], whole(setting))
    predicted, _ = everything.predict(setting.case.equation)
    units = np.argsort(-np.abs(predicted - everything.hidden)[0].max(axis=(0, 1)), kind="stable")
    order = np.sort(units[:_UNITS]), np.sort(units[_UNITS:])
    for unknown in sorted(_unknowns(setting), key=lambda u: u.v.shape[2]):
        if setting.case.batch * setting.case.steps < unknown.v.shape[2] + _SPARE:
            continue
        if unknown.mixed:
            change, left = _fit_mixed(setting, unknown)
            if left <= noise:
                yield Block(unknown.tensor, unknown.gate, change)
            continue
        first, left = _fit(_Problem(setting, unknown, order[0]))
        if left > noise:
            continue
        change = np.zeros((unknown.v.shape[2], setting.case.units))
        change[:, order[0]] = first
        together = max(_UNITS, _NUMBERS // (4 * unknown.v.size))
        for start in range(0, len(order[1]), together):
            chunk = order[1][start : start + together]
            change[:, chunk], _ = _fit(_Problem(setting, unknown, chunk))
        yield Block(unknown.tensor, unknown.gate, change)


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


def _unknowns(setting: Setting) -> Iterator[_Unknown]:
    case = setting.case
    batch, steps, _ = setting.hidden.shape
    v = vectors(setting, np.arange(batch), steps)
    one, size = np.ones((batch, steps, 1)), case.input_size
    x, h = v[..., :size], v[..., size:]
    names = case.gates
    for position, gate in enumerate(names):
        mixed = case.equation.cell == "gru" and gate == "r" and not case.equation.reset_after
        for tensor, rows in (("bias", one), ("input kernel", x), ("recurrent kernel", h)):
            apart = gate == "n" and tensor == "recurrent kernel" and case.equation.cell == "gru"
            if not apart and (not mixed or rows.shape[2] * case.units <= _MIXED):
                yield _Unknown(tensor, gate, position, rows, mixed)
    if case.equation.cell == "gru" and case.equation.reset_after:
        yield _Unknown("bias", "m", 3, one)
        yield _Unknown("recurrent kernel", "n", 3, h)
    elif case.equation.cell == "gru":
        everything = force([setting], whole(setting))
        reset = ACTIVATIONS[case.equation.recurrent_activation].function(everything.z[0, 0])
        yield _Unknown("recurrent kernel", "n", 2, reset * h)


def _fit_mixed(setting: Setting, unknown: _Unknown) -> tuple[Array, float]:
    """As :func:`_fit`, of all units together."""
    change, left = _fit(_Mixed(setting, unknown, np.arange(setting.case.units)))
    return change.reshape(unknown.v.shape[2], -1), left


def _fit(problem: "_Problem") -> tuple[Array, float]:
    """Gauss-Newton for each unit: the change ``[rows, units]``, and the RMS of what it leaves."""
    change = np.zeros(problem.shape)
    errors = problem.errors(change[None])
    best, left = change, _rms(errors)
    for _ in range(_ROUNDS):
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

    def __init__(self, setting: Setting, unknown: _Unknown, units: NDArray[np.signedinteger]) -> None:
        self._equation, self._unknown = setting.case.equation, unknown
        everything = whole(setting)
        self._forced = force([setting], Window(everything.rows, units, everything.steps))
        self._columns = np.arange(len(units))
        self.shape = unknown.v.shape[2], len(units)
        # Without a cell state that is carried along, a step's error comes from that step alone.
        self._instant = setting.complete
        if isinstance(self._forced, ForcedGru):
            if self._equation.reset_after:  # behind the product, each reset gate has a unit of its own
                parts = {name: getattr(self._forced, name)[..., units] for name in ("z", "before", "bias")}
                self._forced = replace(self._forced, **parts, units=self._columns)
            else:
                self._columns = units

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


class _Mixed(_Problem):
    """The same where a block reaches every unit: one column of all its parameters."""

    def __init__(self, setting: Setting, unknown: _Unknown, units: NDArray[np.signedinteger]) -> None:
        super().__init__(setting, unknown, units)
        self._block, self._instant = self.shape, False
        self.shape = self._block[0] * self._block[1], 1

    def errors(self, changes: Array, added: float = 0.0) -> Array:
        """``changes`` ``[S, rows units, 1]`` -> ``[S, N, 1]``."""
        return super().errors(changes.reshape(-1, *self._block), added).reshape(len(changes), -1, 1)
