"""Mistakes in recordings with lengths: what is past them has no say."""

from typing import Any

import numpy as np
import pytest
from support.writer import written

import rnnparity
from rnnparity.apis.catalogue import APIS
from rnnparity.diagnosis.causes import CONFIRMED, Cause
from rnnparity.recordings.check import check
from rnnparity.recordings.recording import from_arrays
from rnnparity.selftest.planted_mistakes import MISTAKES

NAMES = {"lstm": "torch.nn.LSTM", "gru": "torch.nn.GRU", "rnn": "torch.nn.RNN"}
LEFT_OUT = {
    # These claim what PyTorch does not have, or need a forget bias, which it has not.
    "forget bias missing", "forget bias halved", "forget bias moved after",
    "1/6 for 1/5", "not coupled", "input not coupled", "the other one coupled", "reset after",
    "tanh for relu", "a block of a reset gate before",
    "gates not clipped", "not clipped as ONNX says", "onnxruntime's clip",
    # These are about the very steps that are missing here.
    "zeroed past lengths", "held past lengths", "shifted", "axes", "state carried", "dropout",
}  # fmt: skip
PLANTED = [
    (name, cell, with_cell)
    for name, mistake in MISTAKES.items()
    for cell in mistake.cells
    for with_cell in ((True, False) if cell == "lstm" else (False,))
    if name not in LEFT_OUT and "peephole" not in name and "projection" not in name
]


def causes_of(mistake: str, cell: str, with_cell: bool, **sizes: Any) -> tuple[Cause, ...]:
    """The causes of a recording that ends at another step in each row, with zeros past that."""
    case = rnnparity.make_case(5, **{"batch": 4, "steps": 9, "input_size": 5, "units": 6, **sizes}, cell=cell)
    api = APIS[NAMES[cell]]
    equation = api.equation({})
    case = rnnparity.Case(
        equation, case.weights, case.inputs, case.initial_hidden, case.initial_cell, case.seed
    )
    claimed, (hidden, state) = MISTAKES[mistake].plant(case, np.random.RandomState(5))
    lengths = np.array([9, 4, 7, 5])
    past = (np.arange(9) >= lengths[:, None])[:, :, None]
    kept = np.where(past, 0, state).astype("float32") if with_cell and cell == "lstm" else None
    arrays = written(api, claimed, np.where(past, 0, hidden).astype("float32"), kept, {})
    return check(from_arrays({**arrays, "lengths": lengths})).causes


@pytest.mark.parametrize(("mistake", "cell", "with_cell"), PLANTED)
def test_the_cause_is_first(mistake: str, cell: str, with_cell: bool) -> None:
    causes = causes_of(mistake, cell, with_cell)
    assert causes, mistake
    assert causes[0].id in MISTAKES[mistake].ids, causes
    assert causes[0].status == CONFIRMED
