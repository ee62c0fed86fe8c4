"""Hidden and cell states of different runs are told as such, and from what they might be taken for."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from support.writer import Arrays, written

import rnnparity
from rnnparity import Case
from rnnparity.apis.catalogue import APIS
from rnnparity.diagnosis.causes import CONFIRMED, SUSPECT
from rnnparity.diagnosis.search import search
from rnnparity.judge.comparison import AGREE
from rnnparity.recordings.check import check
from rnnparity.recordings.recording import from_arrays
from rnnparity.selftest import plain_cells
from rnnparity.selftest.plain_cells import Trajectory
from rnnparity_adapters.layout import Weights

SIZES: dict[str, Any] = {"batch": 4, "steps": 20, "input_size": 5, "units": 7}


def others(case: Case) -> dict[str, Case]:
    """Cases of the same sizes, whose runs are others."""
    again = rnnparity.make_case(case.seed + 100, **SIZES)
    swapped = case.weights.kernel.reshape(-1, 4, case.units)[:, [0, 2, 1, 3]].reshape(
        case.weights.kernel.shape
    )
    return {
        "inputs": replace(case, inputs=again.inputs),
        "states": replace(case, initial_hidden=again.initial_hidden, initial_cell=again.initial_cell),
        "weights": replace(case, weights=again.weights),
        "order": replace(case, weights=Weights(swapped, case.weights.bias)),
        "forget bias": replace(case, equation=replace(case.equation, forget_bias=0.0)),
    }


@pytest.mark.parametrize("other", ["inputs", "states", "weights", "order", "forget bias"])
@pytest.mark.parametrize("right", ["hidden", "cell"])
def test_the_states_of_another_run_are_told(right: str, other: str) -> None:
    for seed in range(1):
        case = rnnparity.make_case(seed, **SIZES)
        one, two = plain_cells.run(case), plain_cells.run(others(case)[other])
        mixed = Trajectory(one.hidden, two.cell) if right == "hidden" else Trajectory(two.hidden, one.cell)
        cause = search(case, *mixed)[0]
        if right == "hidden" or cause.id == "mixed-runs":
            assert (cause.id, cause.about) == ("mixed-runs", {"right": right}), other
            # Hidden states that are not those of the cell states may be outputs that were changed afterwards.
            assert cause.status == (CONFIRMED if right == "hidden" else SUSPECT)
        else:  # where it can be told what is wrong in the run of the hidden states
            known = {"order": "gate-order", "forget bias": "forget-bias"}[other]
            assert (cause.id, cause.status) == (f"{known} + mixed-runs", CONFIRMED)


def test_two_right_runs_of_a_chaotic_cell() -> None:
    """Rounding alone makes them different. This was called fast activations."""
    case = rnnparity.make_case(1, batch=4, steps=120, input_size=8, units=24, scale=12.0)
    moved = case.initial_hidden * np.float32(1 + 2**-22)
    one, two = plain_cells.run(case), plain_cells.run(replace(case, initial_hidden=moved))
    assert np.abs(one.hidden[:, -1] - two.hidden[:, -1]).max() > 0.1
    cause = search(case, one.hidden, two.cell)[0]
    assert (cause.id, cause.status) == ("mixed-runs", CONFIRMED)


@pytest.mark.parametrize("mistake", ["order", "forget bias"])
def test_what_is_wrong_in_the_run_of_the_hidden_states_is_told_too(mistake: str) -> None:
    case = rnnparity.make_case(5, **SIZES)
    wrong = others(case)[mistake]
    one, two = plain_cells.run(wrong), plain_cells.run(replace(wrong, inputs=others(case)["inputs"].inputs))
    cause = search(case, one.hidden, two.cell)[0]
    known = {"order": "gate-order", "forget bias": "forget-bias"}[mistake]
    assert (cause.id, cause.status) == (f"{known} + mixed-runs", CONFIRMED)


def recorded(case: Case, run: Trajectory, **more: np.ndarray) -> Arrays:
    options = {"forget_bias": case.equation.forget_bias}
    return {**written(APIS["canonical"], case, run.hidden, run.cell, options), **more}


def test_the_fix_makes_them_agree() -> None:
    """To record one run, or the hidden states of the run of the cell states too."""
    case = rnnparity.make_case(2, **SIZES)
    one, two = plain_cells.run(case), plain_cells.run(others(case)["inputs"])
    found = check(from_arrays(recorded(case, Trajectory(one.hidden, two.cell))))
    assert found.causes[0].fix.startswith("in what ran, record `hidden` and `cell` of one and the same run")
    assert check(from_arrays(recorded(case, one))).verdict == AGREE
    chaotic = rnnparity.make_case(1, batch=4, steps=40, input_size=8, units=24)
    moved = chaotic.initial_hidden * np.float32(1 + 2**-24)
    runs = [plain_cells.run(each) for each in (chaotic, replace(chaotic, initial_hidden=moved))]
    with_both = recorded(chaotic, Trajectory(runs[0].hidden, runs[1].cell), stepped_hidden=runs[1].hidden)
    assert check(from_arrays(with_both)).verdict == AGREE
