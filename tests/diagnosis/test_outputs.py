"""Outputs that are not what the cell computed: named, and nothing else is taken for dropout or masking."""

from collections.abc import Callable

import numpy as np
import pytest

import rnnparity
from rnnparity.diagnosis.causes import CONFIRMED
from rnnparity.diagnosis.search import search
from rnnparity.selftest import plain_cells

Change = Callable[[np.ndarray], np.ndarray]


def zero(*place: int | slice) -> Change:
    """Zeros at a place of ``[B, T, U]``."""

    def change(hidden: np.ndarray) -> np.ndarray:
        hidden[place] = 0
        return hidden

    return change


ALL = slice(None)
PLANTED: dict[str, tuple[Change, str, dict[str, object]]] = {
    "unit": (zero(ALL, ALL, 2), "dead-unit", {"units": [2]}),
    "units": (zero(ALL, ALL, slice(0, None, 3)), "dead-unit", {"units": [0, 3]}),
    "row": (zero(1), "dead-row", {"rows": [1]}),
    "first step": (zero(ALL, 0), "zeroed-step", {"steps": [0]}),
    "a step": (zero(ALL, 4), "zeroed-step", {"steps": [4]}),
    "a step of a row": (zero(2, 4), "zeroed-step", {"steps": [4], "rows": [2]}),
    "relu": (lambda h: np.maximum(h, 0), "output-function", {"function": "relu"}),
    "tanh": (np.tanh, "output-function", {"function": "tanh"}),
    "threshold": (lambda h: h * (abs(h) > 0.1), "output-function", {"function": "threshold", "value": 0.1}),
    "clip": (lambda h: h.clip(-0.2, 0.2), "output-function", {"function": "clip"}),
    "round": (lambda h: h.round(2), "output-function", {"function": "round", "value": 0.01}),
    "scale": (lambda h: 1.25 * h, "output-function", {"function": "scale", "value": 1.25}),
    "a little smaller": (lambda h: 0.99 * h, "output-function", {"function": "scale", "value": 0.99}),
    "offset": (lambda h: h + 0.01, "output-function", {"function": "offset", "value": 0.01}),
}  # fmt: skip


@pytest.mark.parametrize("with_cell", [True, False])
@pytest.mark.parametrize("kind", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize(("change", "id_", "about"), PLANTED.values(), ids=PLANTED)
def test_what_became_of_the_outputs(
    change: Change, id_: str, about: dict[str, object], kind: str, with_cell: bool
) -> None:
    case = rnnparity.make_case(7, batch=3, steps=8, input_size=5, units=6, cell=kind)
    hidden, cell = plain_cells.run(case)
    changed = change(hidden.copy()).astype("float32")
    causes = search(case, changed, cell if with_cell and cell.size else None)
    assert (causes[0].id, causes[0].status) == (id_, CONFIRMED)
    assert about.items() <= causes[0].about.items()
    assert all(cause.status != CONFIRMED for cause in causes[1:])


@pytest.mark.parametrize("kind", ["lstm", "gru", "rnn"])
def test_a_lost_step_is_not_held(kind: str) -> None:
    """What a state that has settled does at every step says nothing; nor do zeros at random of any size."""
    case = rnnparity.make_case(7, batch=3, steps=8, input_size=5, units=6, cell=kind)
    hidden, _ = plain_cells.run(case)
    random = np.random.RandomState(0)
    kept = random.rand(*hidden.shape) > 0.2
    for factor, known in ((1.25, {"dropout"}), (3.0, set[str]()), (1.0, set[str]())):
        causes = search(case, (factor * hidden * kept).astype("float32"))
        confirmed = {cause.id for cause in causes if cause.status == CONFIRMED}
        assert confirmed == known, factor


def test_two_lacks_are_said_together() -> None:
    """Lengths and a dead unit in one trajectory."""
    case = rnnparity.make_case(7, batch=3, steps=8, input_size=5, units=6)
    hidden, _ = plain_cells.run(case)
    hidden[0, 5:] = 0
    hidden[:, :, 1] = 0
    (cause,) = search(case, hidden)
    assert (cause.id, cause.status) == ("masking + dead-unit", CONFIRMED)
    assert cause.about == {"lengths": [5, 8, 8], "steps": "zeroed", "units": [1]}
