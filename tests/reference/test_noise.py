"""The noise of every arithmetic, on runs that are really computed in it; and how far it can be trusted."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
from support.cases import Sizes

import rnnparity
from rnnparity import Case
from rnnparity.judge import compare, comparison
from rnnparity.reference import forward, noise
from rnnparity.reference.formats import ROUNDED
from rnnparity.selftest import plain_cells
from rnnparity.selftest.plain_cells import FUNCTIONS, Array, Function, Rounding, Trajectory
from rnnparity_adapters.numpy_adapter import lstm_cell


def in_float16(case: Case) -> Trajectory:
    """Weights, inputs, states and every operation in float16."""
    with np.errstate(over="ignore"):
        return _stepped(case, np.float16)


def in_float64(case: Case) -> Trajectory:
    return _stepped(case, np.float64)


def _stepped(case: Case, dtype: type[np.floating]) -> Trajectory:
    kernel, bias = (array.astype(dtype) for array in case.weights)
    h, c = case.initial_hidden.astype(dtype), case.initial_cell.astype(dtype)
    states = []
    for x in case.inputs.astype(dtype).swapaxes(0, 1):
        h, c = lstm_cell(kernel, bias, dtype(case.equation.forget_bias), x, h, c)  # type: ignore[arg-type]
        states.append((h, c))
    return Trajectory(*(np.stack(state, axis=1) for state in zip(*states, strict=True)))


def fast(function: Function) -> Function:
    """An activation that errs by up to 2**-11 of its value, like a GPU's special function unit."""
    random = np.random.RandomState(0)
    return lambda z: (function(z) * (1 + random.uniform(-1, 1, z.shape) * 2.0**-11)).astype(np.float32)


def stored(name: str) -> Callable[[Case], Trajectory]:
    """float32 arithmetic on factors and states that are kept in a shorter format."""
    return lambda case: plain_cells.run(case, Rounding(states=ROUNDED[name], factors=ROUNDED[name]))


COMPUTED: dict[str, Callable[[Case], Trajectory]] = {
    "float64": in_float64,
    "float32": plain_cells.run,
    "float16": in_float16,
    "float16-float32": stored("float16"),
    "bfloat16-float32": stored("bfloat16"),
    "tf32": lambda case: plain_cells.run(case, Rounding(factors=ROUNDED["tf32"])),
    "float32-fast-activation": lambda case: plain_cells.run(
        case, functions={name: fast(function) for name, function in FUNCTIONS.items()}
    ),
}


def exactly(case: Case, name: str) -> Case:
    """The case with inputs, weights and states that the format holds exactly, as storage does it first."""
    format_ = name.partition("-")[0]
    if format_ not in ("float16", "bfloat16"):
        return case
    rounded: Callable[[Array], Array] = ROUNDED[format_]
    return dataclasses.replace(
        case,
        inputs=rounded(case.inputs),
        weights=type(case.weights)(*(rounded(array) for array in case.weights)),
        initial_hidden=rounded(case.initial_hidden),
        initial_cell=rounded(case.initial_cell),
    )


@pytest.mark.parametrize("name", COMPUTED)
@pytest.mark.parametrize("seed", range(8))
def test_the_noise_of_an_arithmetic_fits_it(name: str, seed: int) -> None:
    """Never accused in its own arithmetic, and accused in float32's, where that is another."""
    dtype = "float64" if name == "float64" else "float32"
    sizes = Sizes(batch=3, steps=20, input_size=6, units=10)
    case = exactly(rnnparity.make_case(seed, **sizes, dtype=dtype), name)
    observed = {key: array.astype(dtype) for key, array in COMPUTED[name](case)._asdict().items()}
    verdict = compare.compare(observed, forward.run(case, name)).verdict
    assert verdict in (comparison.AGREE, comparison.CHAOTIC)
    if name not in ("float64", "float32"):
        assert compare.compare(observed, forward.run(case, "float32")).verdict == comparison.DIVERGE


def test_bfloat16_arithmetic_is_in_the_table() -> None:
    """Nothing here computes in it; its noise is float16's, for three bits less."""
    half, brain = noise.ARITHMETICS["float16"], noise.ARITHMETICS["bfloat16"]
    assert brain.element == 8 * half.element
    assert brain.smallest == noise.ARITHMETICS["float32"].smallest


@pytest.mark.parametrize(
    ("sizes", "scale"),
    [
        ({"batch": 1, "steps": 1, "input_size": 1, "units": 1}, 1.0),
        ({"batch": 1, "steps": 5000, "input_size": 2, "units": 3}, 1.0),
        ({"batch": 2, "steps": 3, "input_size": 8, "units": 1024}, 2.0),
        ({"batch": 64, "steps": 20, "input_size": 16, "units": 16}, 0.05),
        ({"batch": 8, "steps": 200, "input_size": 8, "units": 64}, 6.0),
        ({"batch": 8, "steps": 100, "input_size": 32, "units": 48}, 20.0),
    ],
)
def test_a_clean_run_is_never_accused(sizes: dict[str, int], scale: float) -> None:
    for seed in range(3):
        case = rnnparity.make_case(seed, **sizes, scale=scale)  # type: ignore[arg-type]
        compared = compare.compare(plain_cells.run(case)._asdict(), forward.run(case))
        assert compared.verdict in (comparison.AGREE, comparison.CHAOTIC), compared.reason


def test_chaos_is_said() -> None:
    """Loud weights: past some step two correct runs have nothing in common, but each step still agrees."""
    case = rnnparity.make_case(0, batch=4, steps=300, input_size=16, units=48, scale=12)
    expected = forward.run(case)
    observed = plain_cells.run(case)._asdict()
    compared = compare.compare(observed, expected)
    assert compared.verdict == comparison.CHAOTIC
    assert np.abs(observed["hidden"] - expected.hidden)[:, -1].max() > 0.1
    wrong = {key: array.copy() for key, array in observed.items()}
    wrong["cell"][1, 250, 7] += np.float32(1e-3) * max(1, abs(wrong["cell"][1, 250, 7]))
    found = compare.compare(wrong, expected)
    assert found.verdict == comparison.DIVERGE
    assert found.first_step == 250


def test_a_long_memory_is_no_divergence() -> None:
    """Errors that a cell keeps for a hundred steps line up; the noise alone would take that for a mistake."""
    case = rnnparity.make_case(
        199058060, batch=32, steps=119, input_size=3, units=12, scale=1.4755505, forget_bias=5
    )
    expected = forward.run(case)
    observed = plain_cells.run(case)._asdict()
    beyond = np.abs(observed["hidden"] - expected.hidden) > noise.LIMIT * expected.hidden_noise
    assert beyond.any()
    assert compare.compare(observed, expected).verdict == comparison.AGREE
    wrong = {**observed, "stepped_hidden": observed["hidden"], "hidden": observed["hidden"].copy()}
    wrong["hidden"][3, 60, 5] += np.float32(1e-4)
    compared = compare.compare(wrong, expected)
    assert compared.verdict == comparison.DIVERGE
    assert compared.reason.endswith("step by step it agrees")


def test_an_unknown_arithmetic_is_refused(case: Case) -> None:
    with pytest.raises(rnnparity.errors.InputError, match="tf32"):
        rnnparity.run(case, "numpy.*", arithmetic="tf23")
