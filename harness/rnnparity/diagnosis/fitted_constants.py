"""Constants of an equation, estimated from the data."""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from rnnparity.diagnosis.teacher_forcing import TeacherForced
from rnnparity.reference.noise import Array
from rnnparity_adapters.equation import Equation


class Constant(NamedTuple):
    """``apply`` puts a value into an equation; ``starts`` is where a fit begins."""

    apply: Callable[[Equation, float], Equation]
    starts: Callable[[TeacherForced, Equation], list[float]]


class Fitted(NamedTuple):
    """The best value for each setting ``[S]``, and the RMS of what it leaves ``[S]``."""

    values: Array
    left: Array


def _limits(forced: TeacherForced, equation: Equation) -> list[float]:
    """Where a cell state may have been clipped: the largest one seen, or what the hidden states imply."""
    if forced.cell is not None:
        return [float(np.abs(forced.cell).max())]
    _, cell = forced.predict(replace(equation, cell_clip=None))
    sizes = np.abs(cell).reshape(-1)
    return [float(size) for size in np.quantile(sizes, (0.98, 0.9, 0.75, 0.5, 0.25)) if size > 0]


CONSTANTS = {
    "forget_bias": Constant(
        lambda equation, value: replace(equation, forget_bias=equation.forget_bias + value),
        lambda forced, equation: [0.0],
    ),
    "forget_bias_after": Constant(
        lambda equation, value: replace(equation, forget_bias_after=value),
        lambda forced, equation: [0.5],
    ),
    "cell_clip": Constant(lambda equation, value: replace(equation, cell_clip=max(value, 1e-9)), _limits),
}
ROUNDS = 8
"""Rounds of Gauss-Newton at most, in every fit. Each doubles the digits that are right once the values are
near, so four reach those of float64; the others bring them near, from zero and through functions that
saturate.
"""
_STEP = 1e-5
"""By how much a constant is nudged to see how the errors follow."""
_LONGEST = 2.0
"""A round of Gauss-Newton moves a constant no further: functions that saturate mislead it beyond."""
_LARGEST = 30.0
"""Of a forget bias: sigmoid(30) is 1 in float32."""
_BEST = 2
"""Starts from which a fit goes on."""


def fit(forced: TeacherForced, equation: Equation, name: str, start: float | None = None) -> Fitted:
    """Fit a constant by Gauss-Newton: the forget bias of all settings at once, others one by one."""
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        if name == "forget_bias":
            return _fit_all(forced, equation, start or 0.0)
        return _fit_each(forced, equation, name, start)


def _fit_all(forced: TeacherForced, equation: Equation, start: float) -> Fitted:
    values = np.full(len(forced.z), start)
    for _ in range(ROUNDS):
        shift = values[:, None, None, None]
        residual = forced.residual(equation, shift)
        slope = (forced.residual(equation, shift + _STEP) - residual) / _STEP
        move = _newton(residual, slope)
        values = np.clip(values - move, -_LARGEST, _LARGEST)
        if np.abs(move).max() < 1e-9:
            break
    residual = forced.residual(equation, values[:, None, None, None])
    return Fitted(values, np.sqrt(np.mean(residual * residual, axis=1)))


def _newton(residual: Array, slope: Array) -> Array:
    square = np.sum(slope * slope, axis=1)
    move: Array = np.where(square > 0, np.sum(slope * residual, axis=1) / np.where(square > 0, square, 1), 0)
    return np.clip(move, -_LONGEST, _LONGEST)


def _fit_each(forced: TeacherForced, equation: Equation, name: str, near: float | None) -> Fitted:
    """One fit for all settings together: only ever asked where there is one that matters."""
    constant = CONSTANTS[name]
    best = Fitted(np.zeros(len(forced.z)), np.full(len(forced.z), np.inf))
    if len(forced.z) > 1:
        return best

    def left(value: float) -> float:
        residual = forced.residual(constant.apply(equation, value))
        return float(np.sqrt(np.mean(residual * residual)))

    starts = constant.starts(forced, equation) if near is None else [near]
    for start in sorted(starts, key=left)[:_BEST]:
        value = start
        for _ in range(ROUNDS):
            residual = forced.residual(constant.apply(equation, value))
            slope = (forced.residual(constant.apply(equation, value + _STEP)) - residual) / _STEP
            move = float(_newton(residual, slope)[0])
            value -= move
            if abs(move) < 1e-9:
                break
        if left(value) < best.left[0]:
            best = Fitted(np.array([value]), np.array([left(value)]))
    return best


def nice(value: float) -> Iterator[float]:
    """Round numbers close to a fitted one, the roundest first."""
    for digits in (1, 2, 3, 4):
        rounded = round(value, digits)
        if math.isclose(rounded, value, rel_tol=2e-4, abs_tol=2e-5):
            yield rounded
