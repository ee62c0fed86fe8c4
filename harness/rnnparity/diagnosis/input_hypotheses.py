"""Inputs that were others than recorded: changes by a rule, and inputs solved from the states.

A step's inputs act on all units at once. So where there are fewer inputs than states observed, the inputs
that a step really had can be computed, and compared with those recorded.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnnparity.diagnosis.fitted_constants import nice
from rnnparity.diagnosis.forced_cells import TeacherForcedGru
from rnnparity.diagnosis.hypothesis import Change, Found, Hypothesis, blocks
from rnnparity.diagnosis.kinds import in_full
from rnnparity.diagnosis.run_findings import InputChanged, RowOrder
from rnnparity.diagnosis.teacher_forcing import Setting, apart, counting
from rnnparity.reference import forward
from rnnparity.reference.forward import Reference
from rnnparity.reference.noise import LIMIT, Array

_FEATURES = 16
"""Inputs of which each one may be missing; two of up to half as many may have changed places."""
_ROWS = 24
"""Rows that are looked for in each other's place."""
_SPARE = 2
"""There must be at least so many more states at a step than inputs."""
_NUMBERS = 2**24
"""The numbers that the derivatives by the inputs may have: 128 MiB."""
_ROUNDS, _NUDGE = 12, 1e-6
"""Rounds of Gauss-Newton, and the change by which a derivative is measured."""
_SOLVED = 0.9
"""The part of the steps whose inputs must have been found, for a rule to be read from them."""


def rules(case_inputs: np.ndarray) -> Iterator[Hypothesis]:
    """Hypotheses that the inputs ``[B, T, I]`` went through a rule."""
    for what, rule in _RULES.items():
        yield Hypothesis((InputChanged(what),), _changed(rule))
    size = case_inputs.shape[2]
    if size <= _FEATURES:
        for feature in range(size if size > 1 else 0):
            yield Hypothesis((InputChanged("missing", (feature,)),), _changed(_without(feature)))
    if size <= _FEATURES // 2:
        for pair in itertools.combinations(range(size), 2):
            order = list(range(size))
            order[pair[0]], order[pair[1]] = pair[1], pair[0]
            yield Hypothesis((InputChanged("permuted", tuple(order)),), _changed(_permuted(order)))


_Rule = Callable[[Array, NDArray[np.bool_] | None], Array]
"""Inputs ``[B, T, I]`` in float64 and the mask ``[B, T]`` -> other inputs ``[B, T, I]``."""


def _summed(inputs: Array, mask: NDArray[np.bool_] | None) -> Array:
    counted = inputs if mask is None else inputs * mask[:, :, None]
    return np.broadcast_to(counted.sum(axis=1, keepdims=True), inputs.shape)


def _standard(*axes: int) -> _Rule:
    def rule(inputs: Array, mask: NDArray[np.bool_] | None) -> Array:
        spread = inputs.std(axis=axes, keepdims=True)
        value: Array = (inputs - inputs.mean(axis=axes, keepdims=True)) / np.where(spread > 0, spread, 1)
        return value

    return rule


def _late(steps: int) -> _Rule:
    def rule(inputs: Array, mask: NDArray[np.bool_] | None) -> Array:
        moved = np.roll(inputs, steps, axis=1)
        moved[:, :steps] = 0
        return moved

    return rule


def _times(factor: float) -> _Rule:
    return lambda inputs, mask: inputs * factor


def _without(feature: int) -> _Rule:
    return lambda inputs, mask: inputs * (np.arange(inputs.shape[2]) != feature)


def _permuted(order: Sequence[int]) -> _Rule:
    return lambda inputs, mask: inputs[:, :, list(order)]


_RULES: dict[str, _Rule] = {
    "summed over the steps": _summed,
    "added up from step to step": lambda inputs, mask: np.cumsum(inputs, axis=1),
    "reversed": lambda inputs, mask: inputs[:, :, ::-1],
    "one feature late": lambda inputs, mask: np.roll(inputs, 1, axis=2),
    "one feature early": lambda inputs, mask: np.roll(inputs, -1, axis=2),
    "one step late": _late(1),
    "standardised over rows and steps": _standard(0, 1),
    "standardised over steps": _standard(1),
    "standardised over features": _standard(2),
    "divided by 255": _times(1 / 255),
    "halved": _times(0.5),
    "doubled": _times(2.0),
    "of the other sign": _times(-1.0),
}


def _changed(rule: _Rule) -> Change:
    def change(setting: Setting) -> Setting | None:
        own = setting.case.inputs.astype(np.float64)
        inputs = rule(own, setting.mask)
        return None if np.array_equal(inputs, own) else with_inputs(setting, inputs)

    return change


def with_inputs(setting: Setting, inputs: Array) -> Setting:
    """The setting with other inputs ``[B, T, I]``, in the dtype of its own."""
    return replace(setting, case=replace(setting.case, inputs=inputs.astype(setting.case.inputs.dtype)))


# Rows.


def rows(setting: Setting, base: Reference, arithmetic: str) -> Iterator[Found]:
    """Rows of the batch, whole or their inputs alone, in each other's place ``[B]``."""
    case = setting.case
    if not 1 < case.batch <= _ROWS:
        return
    steps = min(case.steps, 4)
    pairs = np.array(list(itertools.product(range(case.batch), repeat=2)))
    seen, read = pairs.T
    for states in (read, seen):
        tried = replace(
            case,
            inputs=case.inputs[read, :steps],
            initial_hidden=case.initial_hidden[states],
            initial_cell=case.initial_cell[states],
        )
        run = forward.run(tried, arithmetic)
        away = np.abs(run.hidden - setting.hidden[seen, :steps]) / run.hidden_noise
        if setting.mask is not None:
            away = away * setting.mask[seen, :steps, None]
        worst = away.max(axis=(1, 2)).reshape(case.batch, case.batch)
        order = np.where(np.diagonal(worst) <= LIMIT, np.arange(case.batch), worst.argmin(axis=1))
        fits = worst[np.arange(case.batch), order] <= LIMIT
        if not fits.all() or np.array_equal(order, np.arange(case.batch)):
            continue
        whole = states is read
        changed = replace(case, inputs=case.inputs[order])
        if whole:
            first, second = case.initial_hidden[order], case.initial_cell[order]
            changed = replace(changed, initial_hidden=first, initial_cell=second)
        yield Found(RowOrder(tuple(order.tolist()), whole), replace(setting, case=changed))


# Inputs that are solved from the states.


class _Solved(NamedTuple):
    """Inputs ``[N, I]``, those recorded, whether each step was solved ``[N]``, and the error ``[N, I]``."""

    inputs: Array
    own: Array
    found: NDArray[np.bool_]
    error: Array


def solved(setting: Setting, base: Reference) -> Iterator[Found]:
    """The inputs ``[B, T, I]`` of which a trajectory ``[B, T, U]`` was made, and their rule if any."""
    case = setting.case
    states = case.units * (2 if setting.cell is not None else 1)
    if case.projection is not None or states < case.input_size + _SPARE:
        return
    if case.input_size * len(case.gates) * case.batch * case.steps * case.units > _NUMBERS:
        return
    made = _at_once(setting, base) if setting.complete else _in_turn(setting, base)
    if made is None or made.found.mean() < _SOLVED:
        return
    chosen = counting(setting)
    for finding, inputs, constants in _read(made, case.inputs.astype(np.float64), chosen):
        yield Found(finding, with_inputs(setting, inputs), constants)


def _at_once(setting: Setting, base: Reference) -> _Solved | None:
    """All steps together, where every state is known."""
    single = apart(setting)
    noise = base.hidden_noise[
        np.ones(setting.hidden.shape[:2], bool) if setting.mask is None else setting.mask
    ]
    inputs, left, error = solve(single, noise)
    return _Solved(inputs, single.case.inputs[:, 0].astype(np.float64), left <= LIMIT, error)


def _in_turn(setting: Setting, base: Reference) -> _Solved | None:
    """Step by step, each with the cell state that the inputs of the steps before it lead to."""
    case = setting.case
    cell = case.initial_cell.astype(np.float64)
    before = case.initial_hidden.astype(np.float64)
    made = []
    for t in range(case.steps):
        one = replace(
            setting,
            case=replace(
                case, inputs=case.inputs[:, t : t + 1], initial_hidden=before, initial_cell=cell
            ),
            hidden=setting.hidden[:, t : t + 1], cell=None, mask=None, away=None,
        )  # fmt: skip
        inputs, left, error = solve(one, base.hidden_noise[:, t])
        # What is left is more than rounding after some steps, because the cell state has an error too.
        made.append(_Solved(inputs, case.inputs[:, t].astype(np.float64), left <= LIMIT * (t + 2), error))
        moved = replace(one, case=replace(one.case, inputs=inputs[:, None]))
        _, cells = in_full(moved).predict(case.equation)
        cell, before = cells[0, :, 0], setting.hidden[:, t]
        counted = np.ones(case.batch, bool) if setting.mask is None else setting.mask[:, t]
        if not made[-1].found[counted].any() and counted.any():
            return None
    chosen = counting(setting)
    found = np.stack([one.found for one in made], axis=1)[chosen]
    inputs, own, error = (
        np.stack(arrays, axis=1)[chosen]
        for arrays in zip(*((one.inputs, one.own, one.error) for one in made), strict=True)
    )
    return _Solved(inputs, own, found, error)


def solve(single: Setting, noise: Array, states: bool = False) -> tuple[Array, Array, Array]:
    """The inputs ``[N, I]`` of N sequences of one step; or their previous hidden ``states`` ``[N, P]``.

    Also what they leave ``[N]``, in units of the ``noise`` ``[N, U]``, and their error ``[N, I]``.
    """
    case = single.case
    rows = slice(case.input_size, None) if states else slice(0, case.input_size)
    recorded = case.initial_hidden if states else case.inputs[:, 0]
    forced, size = in_full(single), recorded.shape[1]
    kernel = np.asarray(case.weights.kernel, np.float64)
    own = blocks(kernel, len(case.gates))[rows]
    own = own.transpose(0, 1, 2)[:, :, None, None]  # [I, G, 1, 1, U]
    if isinstance(forced, TeacherForcedGru):  # which has m beside the gates of x
        own = np.concatenate([own, np.zeros_like(own[:, :1])], axis=1)
    inputs = np.zeros((case.batch, size))  # what is added to the recorded ones

    def errors(z: Array) -> Array:
        """``[S, N, states]``."""
        residual = replace(forced, z=z).residual(case.equation)
        parts = residual.reshape(len(z), -1, case.batch, forced.hidden.shape[3])
        return np.moveaxis(parts, 1, 2).reshape(len(z), case.batch, -1)

    best = np.full(case.batch, np.inf)
    kept = inputs
    square, ridge = np.zeros((case.batch, size, size)), np.eye(size)[None]
    for _ in range(_ROUNDS):
        z = forced.z + np.tensordot(inputs, own[:, :, 0, 0], axes=1).transpose(1, 0, 2)[None, :, :, None]
        here = errors(z)[0]
        left = np.sqrt(np.square(here).mean(axis=1))
        better = left < best
        kept, best = np.where(better[:, None], inputs, kept), np.minimum(left, best)
        slopes = (np.concatenate([errors(z + _NUDGE * one[None]) for one in own]) - here) / _NUDGE
        slopes = np.moveaxis(slopes, 0, 1)  # [N, I, states]
        square = slopes @ slopes.swapaxes(1, 2)
        ridge = (1e-12 * np.trace(square, axis1=1, axis2=2) + 1e-300)[:, None, None] * np.eye(size)
        move = np.linalg.solve(square + ridge, (slopes @ here[:, :, None]))[:, :, 0]
        longest = np.abs(move).max(axis=1, keepdims=True)
        inputs = inputs - move * np.minimum(1, 2 / np.maximum(longest, 1e-300))
    typical = np.sqrt(np.square(noise).mean(axis=1))
    covariance = np.diagonal(np.linalg.inv(square + ridge), axis1=1, axis2=2)
    error = typical[:, None] * np.sqrt(np.abs(covariance))
    return recorded.astype(np.float64) + kept, best / typical, np.asarray(error, np.float64)


def _read(made: _Solved, own: Array, chosen: NDArray[np.bool_]) -> Iterator[tuple[InputChanged, Array, int]]:
    """What the solved inputs say: the finding, all inputs ``[B, T, I]``, and the number of constants."""
    inputs, recorded, error = (array[made.found] for array in (made.inputs, made.own, made.error))
    tolerance = LIMIT * error + 1e-5 * np.abs(recorded) + 1e-7

    def fits(guess: Array) -> bool:
        return bool(np.mean(np.abs(inputs - guess) <= tolerance) > _SOLVED)

    weight = 1 / np.square(tolerance)
    scale = float((weight * inputs * recorded).sum() / max((weight * recorded**2).sum(), 1e-300))
    for value in (*nice(scale), scale):
        if fits(value * recorded):
            yield InputChanged("scaled", (), value), value * own, 1
            return
    by_feature = _regressed(inputs, recorded, weight)
    if fits(by_feature[0] * recorded + by_feature[1]):
        slope, shift = by_feature
        if np.allclose(slope, 1, atol=1e-3):
            same = np.ptp(shift) < 1e-3 * max(1e-3, float(np.abs(shift).max()))
            by = float(shift.mean()) if same else None
            yield InputChanged("shifted", (), by), own + shift, own.shape[2]
        else:
            yield InputChanged("scaled and shifted"), slope * own + shift, 2 * own.shape[2]
        return
    order = _matched(inputs, recorded, tolerance)
    if order is not None and order != list(range(len(order))):
        missing = tuple(feature for feature, source in enumerate(order) if source < 0)
        rebuilt = np.where(np.array(order) < 0, 0.0, own[:, :, np.maximum(order, 0)])
        what = InputChanged("missing", missing) if missing else InputChanged("permuted", tuple(order))
        yield what, rebuilt, 0
        return
    zero = np.abs(inputs) <= tolerance
    kept = ~zero & (np.abs(recorded) > 10 * tolerance)
    whole = own.copy()
    values = np.where(made.found[:, None], made.inputs, made.own)
    if zero.any() and kept.any():
        ratio = float(np.median(inputs[kept] / recorded[kept]))
        if fits(np.where(zero, 0, ratio * recorded)):
            dropped = np.where(np.abs(made.inputs) <= LIMIT * made.error + 1e-6, 0.0, ratio * made.own)
            whole[chosen] = dropped
            yield InputChanged("dropped out", (), float(zero.mean())), whole, 1 + int(zero.sum()) // 8
            return
    whole[chosen] = values
    yield InputChanged("others"), whole, values.size


def _regressed(inputs: Array, recorded: Array, weight: Array) -> tuple[Array, Array]:
    """The slope and the shift ``[I]`` of each feature."""
    total = weight.sum(axis=0)
    mean_x, mean_y = (weight * recorded).sum(axis=0) / total, (weight * inputs).sum(axis=0) / total
    spread = (weight * (recorded - mean_x) ** 2).sum(axis=0)
    slope = (weight * (recorded - mean_x) * (inputs - mean_y)).sum(axis=0) / np.where(spread > 0, spread, 1)
    return slope, mean_y - slope * mean_x


def _matched(inputs: Array, recorded: Array, tolerance: Array) -> list[int] | None:
    """For each feature the recorded one that it equals, -1 where it is zero; None if one is neither."""
    order = []
    for feature in range(inputs.shape[1]):
        column, limit = inputs[:, feature], tolerance[:, feature]
        equal = [np.mean(np.abs(column - other) <= limit) for other in recorded.T]
        if np.mean(np.abs(column) <= limit) > _SOLVED:
            order.append(-1)
        elif max(equal) > _SOLVED:
            order.append(feature if equal[feature] > _SOLVED else int(np.argmax(equal)))
        else:
            return None
    return order
