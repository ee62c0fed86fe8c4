"""Fit the constants of an equation to the data."""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from rnnparity.diagnosis.teacher_forcing import TeacherForced
from rnnparity.judge.matched_filter import SCORE_LIMIT
from rnnparity.reference.noise import Array
from rnnparity_adapters.equation import Equation

CLIP = "clip"
"""What limits the gates and c' on its way to h as well, as ONNX's ``clip`` does."""


class Constant(NamedTuple):
    """One constant: ``apply`` puts a value into an equation, ``starts`` are the values where a fit begins."""

    apply: Callable[[Equation, float], Equation]
    starts: Callable[[TeacherForced, Equation], list[float]]


class Fitted(NamedTuple):
    """The best value for each setting ``[S]``, and the RMS of the errors that remain with it ``[S]``."""

    values: Array
    left: Array


def _limits(forced: TeacherForced, equation: Equation) -> list[float]:
    """Limits at which the cell state may have been clipped.

    If cell states were observed, the limit is the largest of them. Otherwise it is guessed: quantiles of the
    cell states of a run without a limit.
    """
    if forced.cell is not None:
        return [float(np.abs(forced.cell).max())]
    _, cell = forced.predict(replace(equation, cell_clip=None))
    sizes = np.abs(cell).reshape(-1)
    return [float(size) for size in np.quantile(sizes, (0.98, 0.9, 0.75, 0.5, 0.25)) if size > 0]


def _outputs(forced: TeacherForced, equation: Equation) -> list[float]:
    """The limit at which hidden states may have been clipped: the largest of them."""
    return [float(np.abs(forced.hidden).max())]


def _gate_limits(forced: TeacherForced, equation: Equation) -> list[float]:
    """Limits at which pre-activations may have been clipped: quantiles of their sizes without a limit."""
    sizes = np.abs(forced.z).reshape(-1)
    return [float(size) for size in np.quantile(sizes, (0.98, 0.9, 0.75, 0.5, 0.25)) if size > 0]


# The 1e-9 keeps a fit from a limit of zero or less, which an equation cannot have.
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
    "gate_clip": Constant(
        lambda equation, value: replace(equation, gate_clip=max(value, 1e-9)), _gate_limits
    ),
    CLIP: Constant(
        lambda equation, value: replace(equation, gate_clip=max(value, 1e-9), output_clip=max(value, 1e-9)),
        _gate_limits,
    ),
    "projection_clip": Constant(
        lambda equation, value: replace(equation, projection_clip=max(value, 1e-9)), _outputs
    ),
}
"""The constants that can be fitted, by the name of the equation's field, or by a name for several fields."""
ROUNDS = 8
"""The most rounds of Gauss-Newton in any fit. Close to the solution a round doubles the number of right
digits, so four rounds reach those of float64. The other four are for coming close, from zero and through
functions that saturate.
"""
_STEP = 1e-5
"""The change of a constant by which a derivative is measured."""
LONGEST_MOVE = 2.0
"""A round of Gauss-Newton changes a value by no more: where functions saturate, it would go much too far."""
_LARGEST = 30.0
"""The largest forget bias that is tried: sigmoid(30) is 1 in float32, so a larger one makes no difference."""
_BEST = 2
"""The number of starts, the best ones, from which a fit goes on: the best one may lead to a local minimum."""


def fit(forced: TeacherForced, equation: Equation, name: str, start: float | None = None) -> Fitted:
    """Fit the constant ``name`` by Gauss-Newton: values and remaining RMS, ``[S]`` each.

    The forget bias is fitted for all settings together, other constants only where there is a single setting.
    """
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
    return np.clip(move, -LONGEST_MOVE, LONGEST_MOVE)


def _fit_each(forced: TeacherForced, equation: Equation, name: str, near: float | None) -> Fitted:
    """The fit for a single setting; with several, values of zero and an infinite RMS."""
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


def is_certain(forced: TeacherForced, equation: Equation, name: str, value: float, noise: float) -> bool:
    """Whether a constant is large against its uncertainty.

    The uncertainty is that of least squares: the ``noise`` of the states ``[1, B, T, U]``, over the norm of
    their derivatives.
    """
    apply = CONSTANTS[name].apply
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        one, other = (forced.residual(apply(equation, at)) for at in (value, value + _STEP))
    return abs(value) * float(np.linalg.norm(other - one)) / _STEP > SCORE_LIMIT * noise


def nice(value: float) -> Iterator[float]:
    """Round numbers close to a fitted one, those with the fewest decimals first."""
    for digits in (1, 2, 3, 4):
        rounded = round(value, digits)
        if math.isclose(rounded, value, rel_tol=2e-4, abs_tol=2e-5):
            yield rounded
