"""Derivatives of activations, within limits too, and the noise where a function bends or jumps."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import rnnparity
from rnnparity.judge import compare, comparison
from rnnparity.reference import forward
from rnnparity.reference.activations import activation
from rnnparity.selftest import plain_cells
from rnnparity_adapters import equation as equations
from rnnparity_adapters.equation import Member

NAMES = (
    equations.SIGMOID, equations.TANH, equations.RELU, equations.LINEAR, equations.SOFTSIGN,
    equations.SOFTPLUS, equations.HARD_SIGMOID_5, equations.HARD_SIGMOID_6, equations.ONE,
    "hard_sigmoid(alpha=0.3, beta=0.4)", "affine(alpha=-0.5, beta=0.25)", "leaky_relu(alpha=0.2)",
    "leaky_relu(alpha=1.5)", "thresholded_relu(alpha=0.3)", "scaled_tanh(alpha=1.5, beta=-0.5)",
    "elu(alpha=0.5)", "elu(alpha=2.0)",
)  # fmt: skip
LIMITS = (None, 0.4, 1.7)


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("name", NAMES)
def test_a_derivative_is_that_of_the_function(name: str, limit: float | None) -> None:
    found = activation(name, limit)
    z = np.random.RandomState(0).uniform(-4, 4, 2000)
    step = 1e-6
    slope = (found.function(z + step) - found.function(z - step)) / (2 * step)
    derivative = found.derivative(z, found.function(z))
    ends = [0.0, 0.3] + ([] if limit is None else [limit, -limit])
    smooth = np.all([np.abs(z - end) > 0.01 for end in ends], axis=0)
    smooth &= np.abs(slope - derivative) < np.inf
    off = np.abs(slope - derivative) > 1e-6
    # A function that stops at 0 or 1 is taken to go on a little further.
    assert not np.any(off & smooth & (derivative == 0))
    assert np.mean(off & smooth) < 0.005
    assert np.abs(found.function(z)).max() <= found.bound


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("name", NAMES)
def test_nothing_within_reach_is_steeper(name: str, limit: float | None) -> None:
    found = activation(name, limit)
    random = np.random.RandomState(1)
    z, reach = random.uniform(-3, 3, 1000), 10.0 ** random.uniform(-4, 0, 1000)
    steepest = found.steepest(z, reach)
    inside = np.inf if limit is None else limit  # a derivative is taken to go on a little further
    assert np.all(np.abs(steepest - z) <= reach * (1 + 1e-9))
    most = np.abs(found.derivative(steepest, found.function(steepest)))
    for part in np.linspace(-1, 1, 41):
        near = z + part * reach
        near = np.where(np.abs(near) <= inside, near, steepest)
        assert np.all(np.abs(found.derivative(near, found.function(near))) <= most + 1e-9), part


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize("name", NAMES)
def test_runs_in_float32_agree(name: str, cell: str) -> None:
    """Limits are where many pre-activations are, so rounding puts some on their other side."""
    for seed, limit in ((0, None), (1, 0.3), (2, 0.05)):
        case = rnnparity.make_case(seed, batch=6, steps=20, input_size=5, units=12, cell=cell)
        for field in ("recurrent_activation", "activation"):
            changed: dict[str, Any] = {field: name, "gate_clip": limit, "output_clip": limit}
            own = replace(case, equation=replace(case.equation, **changed))
            with np.errstate(over="ignore", invalid="ignore"):
                run = plain_cells.run(own)
                if not np.isfinite(run.hidden).all() or np.abs(run.hidden).max() > 1e6:
                    continue
                expected = forward.run(own)
            observed = {"hidden": run.hidden} | ({"cell": run.cell} if case.has_cell_state else {})
            found = compare.compare_recording(observed, expected)
            assert found.verdict in (comparison.AGREE, comparison.CHAOTIC), (field, limit, found.reason)


def test_a_jump_is_a_difference_that_rounding_may_make() -> None:
    """One pre-activation is the threshold, but for rounding: it is on either side."""
    case = rnnparity.make_case(3, batch=4, steps=1, input_size=3, units=8, cell="rnn", dtype="float64")
    threshold = 0.3
    equation = replace(case.equation, activation=Member(equations.THRESHOLDED_RELU, threshold).name)
    sums = forward.run(replace(case, equation=replace(case.equation, activation=equations.LINEAR))).hidden
    bias = case.weights.bias.copy()
    bias[5] += threshold - sums[2, 0, 5]
    case = replace(case, equation=equation, weights=case.weights._replace(bias=bias))
    expected = forward.run(case)
    for value in (0.0, threshold):
        hidden = expected.hidden.copy()
        hidden[2, 0, 5] = value
        assert compare.compare_recording({"hidden": hidden}, expected).verdict != comparison.DIVERGE, value
        hidden[2, 0, 4] += 1e-9
        assert compare.compare_recording({"hidden": hidden}, expected).verdict == comparison.DIVERGE


def test_tanh_may_be_computed_around_one() -> None:
    """As onnxruntime's RNN does. Where nothing says so, a small tanh is precise."""
    case = rnnparity.make_case(4, batch=8, steps=30, input_size=4, units=8, cell="rnn", scale=0.02)
    case = replace(case, initial_hidden=0 * case.initial_hidden)
    case = replace(case, weights=case.weights._replace(bias=0 * case.weights.bias))

    def by_sigmoid(z: np.ndarray) -> np.ndarray:
        found: np.ndarray = 2 / (1 + np.exp(-2 * z)) - 1
        return found

    observed = {"hidden": plain_cells.run(case, functions={equations.TANH: by_sigmoid}).hidden}
    assert compare.compare_recording(observed, forward.run(case)).verdict == comparison.DIVERGE
    case = replace(case, equation=replace(case.equation, tanh_middle=1.0))
    assert compare.compare_recording(observed, forward.run(case)).verdict == comparison.AGREE


def test_names_of_functions_are_read_as_they_are_written() -> None:
    for name in NAMES:
        member = equations.member(name)
        assert member is None or member.name == name
    assert Member(equations.HARD_SIGMOID, 0.2, 0.5).name == equations.HARD_SIGMOID_5
    for wrong in (
        "elu(alpha=1, beta=2)",
        "gelu(alpha=1)",
        "elu(alpha=nan)",
        "affine(alpha=1)",
        "elu(alpha=x)",
    ):
        assert equations.member(wrong) is None
