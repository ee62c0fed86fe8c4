"""Plain cells and the reference: two opinions, of whatever the catalogue claims or really runs."""

import dataclasses

import numpy as np
import pytest

import rnnparity
from rnnparity.judge import compare, comparison
from rnnparity.reference import forward
from rnnparity.selftest import plain_cells
from rnnparity.selftest.planted_mistakes import MISTAKES, Mistake
from rnnparity.selftest.planted_weights import split
from rnnparity_adapters.layout import Weights

PLANTED = [
    pytest.param(mistake, cell, id=f"{name}-{cell}")
    for name, mistake in MISTAKES.items()
    for cell in mistake.cells
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("mistake", "cell"), PLANTED)
def test_two_opinions_agree(mistake: Mistake, cell: str, dtype: str) -> None:
    case = rnnparity.make_case(5, batch=3, steps=8, input_size=5, units=6, cell=cell, dtype=dtype)
    random, shares = np.random.RandomState(5), split(case, two=True)
    claimed = mistake.claim(case, shares, random)
    for each in (claimed, mistake.really(claimed, shares, random)):
        run = plain_cells.run(each)
        assert run.hidden.dtype == run.cell.dtype == dtype
        observed = run._asdict() if each.has_cell_state else {"hidden": run.hidden}
        compared = compare.compare(observed, forward.run(each))
        assert compared.verdict == comparison.AGREE, compared.reason


def test_a_projection_may_be_narrow() -> None:
    case = rnnparity.make_case(6, batch=3, steps=8, input_size=5, units=6)
    kernel = case.weights.kernel[:9]
    narrow = dataclasses.replace(
        case,
        weights=Weights(kernel, case.weights.bias),
        initial_hidden=case.initial_hidden[:, :4],
        projection=case.weights.kernel[5:11, :4].astype("float64"),
    )
    run = plain_cells.run(narrow)
    assert run.hidden.shape == (3, 8, 4)
    assert compare.compare(run._asdict(), forward.run(narrow)).verdict == comparison.AGREE
