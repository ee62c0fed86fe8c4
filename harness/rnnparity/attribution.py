"""Causes that are no structure: what is irregular, coarse, or one parameter; and what is known otherwise."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnnparity.forced import Setting, Window, force, vectors
from rnnparity.hypotheses import with_weights
from rnnparity.local import local_errors
from rnnparity.noise import ARITHMETICS, LIMIT, Array
from rnnparity.reference import Reference
from rnnparity_adapters.layout import GATE_NAMES, GATES

_COARSER = (
    "float64", "float32", "float32-fast-activation", "tf32", "float16-float32", "float16",
    "bfloat16-float32", "bfloat16",
)  # fmt: skip


_ENOUGH = 3
"""Steps, of all rows together, from which a parameter can be told: one would fit anything."""


class Found(NamedTuple):
    """A cause, in words and for a machine, and the setting that it would make."""

    id: str
    detail: str
    about: dict[str, Any]
    setting: Setting


def irregular(setting: Setting, base: Reference) -> Iterator[Found]:
    """Steps past a length that were zeroed or held, and outputs that were dropped."""
    tails = _tails(setting.hidden)
    for how, lengths in tails.items():
        if np.all(lengths == setting.case.steps):
            continue
        past = np.arange(setting.case.steps) >= lengths[:, None]
        detail = f"steps past lengths {lengths.tolist()} are {how}"
        yield Found(
            "masking",
            detail,
            {"lengths": lengths.tolist(), "steps": how},
            _filled(setting, base, past[:, :, None]),
        )
    zero = setting.hidden == 0
    rate = float(zero.mean())
    if 0.02 < rate < 0.98:
        ratio = float(np.median((setting.hidden / base.hidden)[~zero & (np.abs(base.hidden) > 1e-3)]))
        if ratio > 0:
            kept = replace(setting, hidden=np.where(zero, base.hidden, setting.hidden / ratio), cell=None)
            detail = f"{rate:.0%} of the outputs are zero, the others {ratio:.4g} times too large"
            yield Found("dropout", detail, {"rate": round(1 - 1 / ratio, 4) if ratio > 1 else rate}, kept)


def _tails(hidden: Array) -> dict[str, Array]:
    """For each row ``[B]``, from which step on its states are zero, and from which they no longer change."""
    steps = hidden.shape[1]
    zero = np.all(hidden == 0, axis=2)
    held = np.concatenate(
        [np.zeros((len(hidden), 1), bool), np.all(hidden[:, 1:] == hidden[:, :-1], axis=2)], 1
    )

    def start(flags: Array) -> Array:
        first: Array = steps - np.cumprod(flags[:, ::-1], axis=1).sum(axis=1)
        return first

    return {"zeroed": start(zero), "held": np.where(start(zero) < steps, steps, start(held))}


def _filled(setting: Setting, base: Reference, past: NDArray[np.bool_]) -> Setting:
    cell = None if setting.cell is None else np.where(past, base.cell, setting.cell)
    return replace(setting, hidden=np.where(past, base.hidden, setting.hidden), cell=cell)


def coarser(setting: Setting, base: Reference) -> Iterator[str]:
    """Arithmetics that err more than that of the reference."""
    for name in _COARSER:
        arithmetic = ARITHMETICS[name]
        if (
            max(arithmetic.element, arithmetic.factor, arithmetic.activation / 2)
            > 4 * base.arithmetic.element
        ):
            yield name


def is_rounding(setting: Setting, name: str) -> bool:
    """Whether the error is what rounding in that arithmetic makes: in every unit, and of its size."""
    rows, units = (np.arange(setting.hidden.shape[axis]) for axis in (0, 2))
    whole = force([setting], Window(rows, units, setting.hidden.shape[1]))
    predicted, _ = whole.predict(setting.case.equation)
    error = (predicted - whole.hidden)[0]
    a = ARITHMETICS[name]
    size = max(a.element, a.activation, a.factor) * 0.5
    by_unit = np.sqrt(np.mean(error * error, axis=(0, 1)))
    return bool(
        np.median(by_unit) > size / 12
        and by_unit.min() > np.median(by_unit) / 12
        and by_unit.max() < 12 * np.median(by_unit)
    )


def single(setting: Setting, base: Reference) -> Iterator[Found]:
    """One parameter of another value, if there is enough to tell it from."""
    if setting.case.batch * setting.case.steps < _ENOUGH:
        return
    errors = _errors(setting, base)
    wrong = np.flatnonzero(errors > LIMIT)
    if setting.cell is not None and not len(wrong):
        wrong = np.flatnonzero(errors >= errors.max())
    if len(wrong) <= 2:
        for unit in wrong[np.argsort(-errors[wrong])]:
            yield from _single(setting, int(unit))


def blocks(setting: Setting) -> Iterator[Found]:
    """One gate's bias, if there is enough to tell it from."""
    if setting.case.batch * setting.case.steps >= _ENOUGH:
        for gate in GATES:
            yield _bias_block(setting, gate)


def _errors(setting: Setting, base: Reference) -> Array:
    """Of each unit ``[U]``, in noise units, made at single steps."""
    if setting.cell is not None:
        local = local_errors(setting.case, setting.hidden, setting.cell, base.arithmetic)
        both = np.maximum(np.abs(local.hidden), np.abs(local.cell))
        if both.max() <= LIMIT:
            score: Array = np.zeros(setting.case.units)
            score[local.parameter.unit] = LIMIT
            return score
        largest: Array = both.max(axis=(0, 1))
        return largest
    rows, units = (np.arange(setting.hidden.shape[axis]) for axis in (0, 2))
    hidden, _ = force([setting], Window(rows, units, setting.hidden.shape[1])).predict(setting.case.equation)
    worst: Array = (np.abs(hidden[0] - setting.hidden) / base.hidden_noise).max(axis=(0, 1))
    return worst


def _single(setting: Setting, unit: int) -> Iterator[Found]:
    """The parameters of one unit, each fitted by itself, those that leave least."""
    rows, steps = np.arange(setting.hidden.shape[0]), setting.hidden.shape[1]
    window = Window(rows, np.array([unit]), steps)
    v = np.concatenate([vectors(setting, rows, steps), np.ones((len(rows), steps, 1))], axis=2)
    equation = setting.case.equation
    forced = force([setting], window)
    residual = forced.residual(equation)[0]
    candidates = []
    for number in range(len(GATES)):
        for row in range(v.shape[2]):
            slope = (_moved(forced, number, v[:, :, row], 1e-6, equation) - residual) / 1e-6
            square = float(slope @ slope)
            if square > 0:
                change = -float(slope @ residual) / square
                left = _moved(forced, number, v[:, :, row], change, equation)
                candidates.append((float(left @ left), number, row, change))
    for _, number, row, first in sorted(candidates)[:4]:
        change = first
        for _ in range(5):
            left = _moved(forced, number, v[:, :, row], change, equation)
            slope = (_moved(forced, number, v[:, :, row], change + 1e-6, equation) - left) / 1e-6
            square = float(slope @ slope)
            change -= float(slope @ left) / square if square else 0.0
        yield _changed(setting, GATES[number], row, unit, change)


def _moved(forced: Any, gate: int, by: Array, size: float, equation: Any) -> Array:
    z = forced.z.copy()
    z[:, gate] += size * by[None, :, :, None]
    moved: Array = replace(forced, z=z).residual(equation)[0]
    return moved


def _changed(setting: Setting, gate: str, row: int, unit: int, change: float) -> Found:
    units, size = setting.case.units, setting.case.input_size
    kernel, bias = (np.array(a, np.float64) for a in setting.case.weights)
    column = GATES.index(gate) * units + unit
    where = (
        "bias"
        if row == len(kernel)
        else f"input kernel row {row}"
        if row < size
        else f"recurrent kernel row {row - size}"
    )
    if row == len(kernel):
        bias[column] += change
    else:
        kernel[row, column] += change
    detail = f"{where}, {GATE_NAMES[gate]}, unit {unit} is larger by {change:.6g}"
    about = {"tensor": where.partition(" row")[0], "gate": gate, "unit": unit, "change": change}
    if row < len(kernel):
        about["row"] = row if row < size else row - size
    return Found("parameter", detail, about, with_weights(setting, kernel, bias))


def _bias_block(setting: Setting, gate: str) -> Found:
    """One gate's bias, fitted in every unit."""
    rows, units = (np.arange(setting.hidden.shape[axis]) for axis in (0, 2))
    forced = force([setting], Window(rows, units, setting.hidden.shape[1]))
    number, equation = GATES.index(gate), setting.case.equation
    change = np.zeros(setting.case.units)

    def residual(by: Array) -> Array:
        z = forced.z.copy()
        z[:, number] += by
        errors = replace(forced, z=z).residual(equation)[0]
        split: Array = errors.reshape(-1, len(units))
        return split

    for _ in range(6):
        left = residual(change)
        slope = (residual(change + 1e-6) - left) / 1e-6
        square = np.sum(slope * slope, axis=0)
        change -= np.clip(np.sum(slope * left, axis=0) / np.where(square > 0, square, 1), -2, 2)
    bias = np.array(setting.case.weights.bias, np.float64).reshape(4, -1)
    bias[number] += change
    detail = f"the {GATE_NAMES[gate]}'s bias is larger by {change.min():.3g} to {change.max():.3g}"
    about = {"tensor": "bias", "gate": gate, "change": [float(c) for c in change]}
    return Found("parameter", detail, about, with_weights(setting, bias=bias.reshape(-1)))


def known(setting: Setting, base: Reference) -> str:
    """What can be said of a difference that nothing explains."""
    in_noise = np.abs(setting.hidden - base.hidden) / base.hidden_noise
    beyond = in_noise > LIMIT
    if not beyond.any():
        return "only all elements together differ, none by itself"
    steps = np.flatnonzero(beyond.any(axis=(0, 2)))
    errors = np.flatnonzero(_errors(setting, base) > LIMIT)
    rows = np.flatnonzero(beyond.any(axis=(1, 2)))
    batch, _, units = setting.hidden.shape
    said = [
        f"none of the known causes; from step {steps[0]} on",
        f"{len(rows)} of {batch} batch rows",
        f"made in {len(errors)} of {units} units"
        + (f" ({', '.join(map(str, errors))})" if len(errors) <= 4 else ""),
    ]
    if setting.cell is not None:
        local = local_errors(setting.case, setting.hidden, setting.cell, base.arithmetic)
        said.append(f"most of it in the {GATE_NAMES[local.parameter.gate]}")
    return ", ".join(said)
