"""What the tests share: random cases, and the real frameworks."""

import signal
from collections.abc import Iterable, Iterator

import numpy as np
import pytest
from support import needs
from support.cases import SIZES, RunLive
from support.needs import pytest_terminal_summary

import rnnparity
from rnnparity import Case, Result, Target
from rnnparity.live.workers import Pool
from rnnparity.reference import forward
from rnnparity_adapters import layout, layouts
from rnnparity_adapters.equation import Equation
from rnnparity_adapters.layout import Weights

__all__ = ["pytest_terminal_summary"]  # at the end of a run, what was not tried

# A script that starts pytest with & has it ignore Ctrl-C, and so do the processes that tests interrupt then:
# "Signals and Error Handling" in https://pubs.opengroup.org/onlinepubs/9799919799/utilities/V3_chap02.html
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


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
def live() -> Iterator[RunLive]:
    """``rnnparity.run`` for a test that needs every api that it names. Workers are kept for the next one."""
    pool = Pool()

    def run(cases: Case | Iterable[Case], apis: str | Target | Iterable[str | Target] = "*") -> Result:
        result = rnnparity.run(cases, apis, pool=pool)
        for row in result:
            needs.row(row)
        return result

    with pool:
        yield run
