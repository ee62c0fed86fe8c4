"""Which format, and what is rounded to it: planted in each place, and not taken for what it is not."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import rnnparity
from rnnparity import Case
from rnnparity.diagnosis.causes import CONFIRMED
from rnnparity.diagnosis.search import search
from rnnparity.reference.formats import ROUNDED
from rnnparity.selftest import plain_cells
from rnnparity.selftest.plain_cells import Rounding, Trajectory
from rnnparity_adapters.layout import Weights


def weights(name: str) -> Callable[[Case], Trajectory]:
    """A run with weights that were stored in a format."""
    to = ROUNDED[name]
    return lambda case: plain_cells.run(replace(case, weights=Weights(*map(to, case.weights))))


def rounding(name: str, place: str) -> Callable[[Case], Trajectory]:
    return lambda case: plain_cells.run(case, Rounding(**{place: ROUNDED[name]}))


def everything(name: str) -> Callable[[Case], Trajectory]:
    """Weights, factors, states and every result of a function are rounded; sums of products are not."""
    to = ROUNDED[name]

    def run(case: Case) -> Trajectory:
        functions = {k: lambda z, f=f: to(f(to(z))) for k, f in plain_cells.FUNCTIONS.items()}
        stored = replace(case, weights=Weights(*map(to, case.weights)))
        return plain_cells.run(stored, Rounding(to, to), functions)

    return run


def outputs(name: str) -> Callable[[Case], Trajectory]:
    def run(case: Case) -> Trajectory:
        made = plain_cells.run(case)
        return made._replace(hidden=ROUNDED[name](made.hidden))

    return run


PLANTED = {
    f"{name} {place}": (made, name, place)
    for name in ("float16", "bfloat16")
    for place, made in (
        ("weights", weights(name)),
        ("states", rounding(name, "states")),
        ("outputs", outputs(name)),
        ("everything", everything(name)),
    )
} | {
    "tf32 products": (rounding("tf32", "factors"), "tf32", "products"),
    "bfloat16 products": (rounding("bfloat16", "factors"), "bfloat16", "products"),
}


def draw(kind: str, seed: int = 5, **sizes: Any) -> Case:
    return rnnparity.make_case(
        seed, **{"batch": 4, "steps": 12, "input_size": 7, "units": 9, "cell": kind, **sizes}
    )


@pytest.mark.parametrize("with_cell", [True, False])
@pytest.mark.parametrize("kind", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize(("made", "name", "place"), PLANTED.values(), ids=PLANTED)
def test_the_format_and_what_it_holds(
    made: Callable[[Case], Trajectory], name: str, place: str, kind: str, with_cell: bool
) -> None:
    case = draw(kind)
    hidden, cell = made(case)
    cause = search(case, hidden, cell if with_cell and cell.size else None)[0]
    assert (cause.id, cause.status) == ("precision", CONFIRMED)
    assert cause.about["arithmetic"].startswith(name)
    assert cause.about["rounded"] == place


def shifted(case: Case) -> Trajectory:
    old = case.weights
    return plain_cells.run(replace(case, weights=old._replace(bias=old.bias + np.float32(0.01))))


def truncated(states: np.ndarray) -> np.ndarray:
    found: np.ndarray = np.trunc(states * 1024) / 1024
    return found


NONE = {
    "bias + 0.01": shifted,
    "fixed point": lambda case: plain_cells.run(case, Rounding(states=truncated)),
    "tanh in a table": lambda case: plain_cells.run(
        case, functions={**plain_cells.FUNCTIONS, "tanh": lambda z: np.round(np.tanh(z) * 64) / 64}
    ),
    "noise": lambda case: plain_cells.run(
        case,
        Rounding(states=lambda a: a + np.float32(1e-3) * np.float32(np.random.RandomState(0).rand(*a.shape))),
    ),
}


@pytest.mark.parametrize("scale", [1, 10, 30])
@pytest.mark.parametrize("kind", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize("made", NONE.values(), ids=NONE)
def test_other_errors_are_no_format(made: Callable[[Case], Trajectory], kind: str, scale: float) -> None:
    """Nor where rounding alone decides the trajectory, and every format agrees."""
    case = draw(kind, scale=scale, steps=30)
    for causes in (search(case, *made(case)) if kind == "lstm" else [], search(case, made(case).hidden)):
        assert not any(cause.status == CONFIRMED and cause.id == "precision" for cause in causes)


@pytest.mark.parametrize("kind", ["lstm", "gru", "rnn"])
def test_products_of_float32_in_float64(kind: str) -> None:
    """As Keras on PyTorch multiplies: no state is a number of float32."""
    case = draw(kind, dtype="float64")
    hidden, cell = plain_cells.run(case, Rounding(factors=ROUNDED["float32"]))
    cause = search(case, hidden, cell if cell.size else None)[0]
    assert (cause.id, cause.status, cause.about["arithmetic"]) == ("precision", CONFIRMED, "float32")
