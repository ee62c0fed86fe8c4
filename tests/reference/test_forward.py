"""The reference against a naive writing of the same equations, and its noise against real rounding."""

import dataclasses
import math
from collections.abc import Callable

import numpy as np
import pytest

import rnnparity
from rnnparity import Case
from rnnparity.reference import forward, noise
from rnnparity_adapters import equation as equations
from rnnparity_adapters.equation import Equation
from rnnparity_adapters.layout import Weights


def naive(case: Case, gate: str = equations.SIGMOID) -> tuple[np.ndarray, np.ndarray]:
    """The LSTM for one row and one unit at a time, in Python's own floats."""
    functions: dict[str, Callable[[float], float]] = {
        equations.SIGMOID: lambda z: 1 / (1 + math.exp(-z)),
        equations.HARD_SIGMOID_5: lambda z: min(1.0, max(0.0, 0.2 * z + 0.5)),
        equations.HARD_SIGMOID_6: lambda z: min(1.0, max(0.0, z / 6 + 0.5)),
    }
    sigma = functions[gate]
    units = case.units
    hidden = np.zeros((case.batch, case.steps, units))
    cell = np.zeros_like(hidden)
    for b in range(case.batch):
        h = [float(value) for value in case.initial_hidden[b]]
        c = [float(value) for value in case.initial_cell[b]]
        for t in range(case.steps):
            v = [*(float(value) for value in case.inputs[b, t]), *h]
            z = [
                sum(v[k] * float(case.weights.kernel[k, n]) for k in range(len(v)))
                + float(case.weights.bias[n])
                for n in range(4 * units)
            ]
            for u in range(units):
                i, j, f, o = z[u], z[units + u], z[2 * units + u], z[3 * units + u]
                c[u] = sigma(f + case.equation.forget_bias) * c[u] + sigma(i) * math.tanh(j)
                h[u] = sigma(o) * math.tanh(c[u])
            hidden[b, t], cell[b, t] = h, c
    return hidden, cell


@pytest.mark.parametrize("gate", [equations.SIGMOID, equations.HARD_SIGMOID_5, equations.HARD_SIGMOID_6])
@pytest.mark.parametrize("forget_bias", [0.0, 1.0, -0.7])
def test_equals_the_naive_cell(gate: str, forget_bias: float) -> None:
    case = rnnparity.make_case(3, batch=3, steps=6, input_size=5, units=4, forget_bias=forget_bias)
    equation = Equation(forget_bias=case.equation.forget_bias, recurrent_activation=gate)
    expected = forward.run(dataclasses.replace(case, equation=equation))
    hidden, cell = naive(case, gate)
    np.testing.assert_allclose(expected.hidden, hidden, rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(expected.cell, cell, rtol=1e-13, atol=1e-15)


def test_the_equation_matters(case: Case) -> None:
    """Were a field of the equation ignored, the naive cell's agreement would mean nothing."""
    plain = forward.run(case).hidden
    for other in (
        dataclasses.replace(case.equation, forget_bias=0.0),
        dataclasses.replace(case.equation, recurrent_activation=equations.HARD_SIGMOID_5),
        dataclasses.replace(case.equation, recurrent_activation=equations.HARD_SIGMOID_6),
        dataclasses.replace(case.equation, activation=equations.SIGMOID),
    ):
        changed = forward.run(dataclasses.replace(case, equation=other)).hidden
        assert np.abs(changed - plain).max() > 1e-3, other


def test_extreme_gates_stay_finite(case: Case) -> None:
    loud = Weights(case.weights.kernel * 1e4, case.weights.bias * 1e4)
    expected = forward.run(dataclasses.replace(case, weights=loud))
    for array in (expected.hidden, expected.cell, expected.hidden_noise, expected.cell_noise):
        assert np.isfinite(array).all()
    assert np.abs(expected.hidden).max() <= 1


def in_float32(case: Case) -> tuple[np.ndarray, np.ndarray]:
    """The same equations in float32."""
    kernel, bias = case.weights
    h, c = case.initial_hidden, case.initial_cell
    hidden, cell = [], []
    one = np.float32(1)
    for x in case.inputs.swapaxes(0, 1):
        i, j, f, o = np.split(np.concatenate([x, h], 1) @ kernel + bias, 4, 1)
        c = one / (one + np.exp(-(f + np.float32(case.equation.forget_bias)))) * c + one / (
            one + np.exp(-i)
        ) * np.tanh(j)
        h = one / (one + np.exp(-o)) * np.tanh(c)
        hidden.append(h)
        cell.append(c)
    return np.stack(hidden, 1), np.stack(cell, 1)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("sizes", [(3, 7, 4, 3), (8, 50, 32, 64), (4, 300, 16, 32)])
def test_noise_is_the_size_of_real_rounding(seed: int, sizes: tuple[int, int, int, int]) -> None:
    """Neither too small (a false alarm) nor useless: the typical error is a fair part of it."""
    batch, steps, input_size, units = sizes
    case = rnnparity.make_case(seed, batch=batch, steps=steps, input_size=input_size, units=units)
    expected = forward.run(case)
    for observed, state in zip(in_float32(case), ("hidden", "cell"), strict=True):
        assert observed.dtype == np.float32
        errors = np.abs(observed - getattr(expected, state)) / getattr(expected, state + "_noise")
        assert errors.max() < noise.LIMIT
        assert np.sqrt(np.mean(errors**2)) > 0.1


def test_noise_follows_the_dtype(case: Case) -> None:
    double = rnnparity.make_case(7, batch=3, steps=7, input_size=5, units=4, dtype="float64")
    ratio = forward.run(case).hidden_noise / forward.run(double).hidden_noise
    assert np.all((ratio > 2.0**28) & (ratio < 2.0**30))
