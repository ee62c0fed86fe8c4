"""What nothing explains: where it is, and what to record next, for the kind of cell at hand."""

import numpy as np
import pytest

import rnnparity
from rnnparity.apis.catalogue import APIS
from rnnparity.diagnosis.causes import Cause
from rnnparity.diagnosis.explain import told
from rnnparity.diagnosis.search import search
from rnnparity.diagnosis.vocabulary import Vocabulary
from rnnparity.selftest import plain_cells


def unexplained(cell: str, with_cell: bool, steps: int = 8) -> Cause:
    """Two of four rows are noise from step 3 on."""
    case = rnnparity.make_case(1, batch=4, steps=steps, input_size=5, units=6, cell=cell)
    hidden, state = (array.copy() for array in plain_cells.run(case))
    random = np.random.RandomState(0)
    for states in (hidden, state):
        if states.size:
            states[[1, 3], 3:] += random.uniform(-0.2, 0.2, states[[1, 3], 3:].shape).astype("float32")
    name = {"lstm": "canonical", "gru": "canonical.gru", "rnn": "canonical.rnn"}[cell]
    causes = search(case, hidden, state if with_cell else None)
    return told(causes, Vocabulary(APIS[name], case.equation))[-1]


@pytest.mark.parametrize("cell", ["gru", "rnn"])
def test_nobody_without_cell_states_is_asked_for_them(cell: str) -> None:
    for steps in (8, 80):
        cause = unexplained(cell, False, steps)
        assert (cause.id, cause.about["first_step"], cause.about["numbers"]) == ("unknown", 3, (1, 3))
        assert "2 of 4 batch rows (1, 3)" in cause.detail
        assert "c0" not in cause.fix
        assert "cell state" not in cause.fix


def test_what_to_record_next_is_what_would_tell_most() -> None:
    assert "cell states too" in unexplained("lstm", False).fix
    assert "longer run" in unexplained("lstm", True).fix
    assert "c0 only" in unexplained("lstm", True, steps=60).fix
    assert "longer run" in unexplained("gru", False).fix
