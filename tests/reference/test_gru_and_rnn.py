"""GRU and simple RNN: the reference against cells written another way, its noise, one weight off."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import rnnparity
from rnnparity import Case
from rnnparity.errors import InputError
from rnnparity.judge import compare, comparison
from rnnparity.reference import forward
from rnnparity_adapters.layout import Weights

KINDS = [("gru", True, False), ("gru", False, False), ("gru", True, True), ("rnn", True, False)]
kinds = pytest.mark.parametrize(("cell", "reset_after", "inverted"), KINDS)


def run(case: Case, dtype: str = "float32") -> Any:
    """The trajectory ``[B, T, U]`` of a plain loop in one dtype, for all that is computed."""
    kernel, bias = (np.asarray(array, dtype) for array in case.weights)
    x_rows, h_rows = np.split(kernel, [case.input_size])
    h: Any = case.initial_hidden.astype(dtype)
    states = []
    for x in case.inputs.astype(dtype).swapaxes(0, 1):
        if case.equation.cell == "rnn":
            h = np.tanh(x @ x_rows + bias + h @ h_rows)
        else:
            b_r, b_z, b_n, b_m = np.split(bias, 4)
            x_r, x_z, x_n = np.split(x @ x_rows, 3, axis=1)
            h_r, h_z, h_n = np.split(h @ h_rows, 3, axis=1)
            r, z = (1 / (1 + np.exp(-(a + b + c))) for a, b, c in ((x_r, b_r, h_r), (x_z, b_z, h_z)))
            if case.equation.reset_after:
                n = np.tanh(x_n + b_n + r * (h_n + b_m))
            else:
                n = np.tanh(x_n + b_n + (r * h) @ h_rows[:, -case.units :] + b_m)
            h = (1 - z) * h + z * n if case.equation.update_inverted else (1 - z) * n + z * h
        states.append(h)
    return np.stack(states, axis=1)


def draw(seed: int, cell: str, reset_after: bool, inverted: bool, **sizes: Any) -> Case:
    case = rnnparity.make_case(seed, cell=cell, **sizes)
    return replace(case, equation=replace(case.equation, reset_after=reset_after, update_inverted=inverted))


@kinds
def test_the_reference_computes_the_equation(cell: str, reset_after: bool, inverted: bool) -> None:
    case = draw(3, cell, reset_after, inverted, batch=3, steps=9, input_size=5, units=4)
    np.testing.assert_allclose(forward.run(case).hidden, run(case, "float64"), rtol=1e-12, atol=1e-14)


@kinds
@pytest.mark.parametrize("seed", range(5))
def test_float32_is_within_the_noise(cell: str, reset_after: bool, inverted: bool, seed: int) -> None:
    random = np.random.RandomState(seed)
    sizes = dict(
        zip(("batch", "steps", "input_size", "units"), random.randint(1, 40, 4).tolist(), strict=True)
    )
    case = draw(seed, cell, reset_after, inverted, **sizes, scale=float(random.uniform(0.1, 3)))
    found = compare.compare({"hidden": run(case)}, forward.run(case))
    assert found.verdict in (comparison.AGREE, comparison.CHAOTIC), found.reason
    assert [difference.state for difference in found.differences] == ["hidden", "local_hidden"]


@kinds
@pytest.mark.parametrize("seed", range(3))
def test_a_weight_that_is_off_is_named(cell: str, reset_after: bool, inverted: bool, seed: int) -> None:
    case = draw(seed, cell, reset_after, inverted, batch=8, steps=50, input_size=6, units=7)
    random = np.random.RandomState(seed)
    kernel = case.weights.kernel.copy()
    row, column = (random.randint(length) for length in kernel.shape)
    kernel[row, column] += np.float32(1e-3)
    found = compare.compare(
        {"hidden": run(replace(case, weights=Weights(kernel, case.weights.bias)))}, forward.run(case)
    )
    parameter = found.parameter
    assert found.verdict == comparison.DIVERGE
    assert parameter is not None
    gate = "n" if parameter.gate == "m" else parameter.gate
    assert (gate, parameter.row, parameter.unit) == (case.gates[column // 7], row, column % 7)
    assert parameter.change == pytest.approx(1e-3, rel=0.1)


def test_what_has_no_cell_state_takes_none() -> None:
    case = draw(0, "gru", True, False, batch=3, steps=4, input_size=5, units=6)
    hidden = run(case)
    found = compare.compare({"hidden": hidden, "cell": hidden}, forward.run(case))
    assert found.verdict == comparison.FAILED
    assert "should return ['hidden']" in found.reason


@kinds
def test_a_long_memory_is_no_divergence(cell: str, reset_after: bool, inverted: bool) -> None:
    """Where errors line up, runs that really err give the noise."""
    case = draw(1, cell, reset_after, inverted, batch=2, steps=400, input_size=3, units=16, scale=6.0)
    found = compare.compare({"hidden": run(case)}, forward.run(case))
    assert found.verdict in (comparison.AGREE, comparison.CHAOTIC), found.reason


def test_an_unknown_cell_is_refused() -> None:
    with pytest.raises(InputError, match="cell: got lstn, but should be lstm or gru or rnn"):
        rnnparity.make_case(cell="lstn")
