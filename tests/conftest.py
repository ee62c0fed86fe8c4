"""What the tests share: random cases, and the real frameworks."""

import os
from collections.abc import Iterable

import numpy as np
import pytest
from support.cases import SIZES, Live

import rnnparity
from rnnparity import Case, Result, Target
from rnnparity.judge import comparison
from rnnparity.reference import forward
from rnnparity_adapters import layout, layouts
from rnnparity_adapters.equation import Equation
from rnnparity_adapters.layout import Weights


@pytest.fixture(scope="session")
def case() -> Case:
    """A small case with nothing symmetric, zero or equal in it."""
    return rnnparity.make_case(seed=7, **SIZES)


@pytest.fixture
def arrays(case: Case) -> dict[str, np.ndarray]:
    """The arrays of a good recording of torch.nn.LSTM, without its meta."""
    native = layout.load(layouts.TORCH_LAYER, case.weights, case.equation.forget_bias)
    run = forward.run(case)
    return {
        "inputs": case.inputs,
        "hidden": run.hidden.astype("float32"),
        "cell": run.cell.astype("float32"),
        "initial_hidden": case.initial_hidden,
        "initial_cell": case.initial_cell,
        **{f"weights/{name}": tensor for name, tensor in native.items()},
    }


@pytest.fixture(scope="session")
def article_case() -> Case:
    """The case of the article's second answer: NumPy's legacy generator seeded with 0, inputs drawn first."""
    random = np.random.RandomState(0)
    inputs = random.normal(size=(1, 7, 4)).astype("float32")
    limit = np.sqrt(6 / (7 + 12))
    kernel = random.uniform(-limit, limit, size=(7, 12)).astype("float32")
    zeros = np.zeros((1, 3), "float32")
    return Case(Equation(forget_bias=1.0), Weights(kernel, np.zeros(12, "float32")), inputs, zeros, zeros)


@pytest.fixture(scope="session")
def live() -> Live:
    """``rnnparity.run`` that skips where an interpreter is missing, but never in continuous integration."""

    def run(cases: Case | Iterable[Case], apis: str | Target | Iterable[str | Target] = "*") -> Result:
        result = rnnparity.run(cases, apis)
        missing = [row.reason for row in result if row.verdict == comparison.UNAVAILABLE]
        if missing and not os.environ.get("CI"):
            pytest.skip(missing[0])
        assert not missing
        return result

    return run
