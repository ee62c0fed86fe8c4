"""An LSTM of which only h was observed: every step has an error of its own, and chaos hides nothing."""

from dataclasses import replace

import numpy as np
import pytest

import rnnparity
from rnnparity import Case
from rnnparity.judge import compare, comparison, local_errors
from rnnparity.judge.comparison import Comparison
from rnnparity.reference import forward, noise
from rnnparity.selftest import plain_cells
from rnnparity.selftest.planted_weights import nudge, one_weight_off
from rnnparity_adapters import equation as equations
from rnnparity_adapters.adapter import HIDDEN

FLOAT32 = noise.ARITHMETICS["float32"]


def judged(case: Case, hidden: np.ndarray) -> Comparison:
    return compare.compare_recording({HIDDEN: hidden}, forward.run(case))


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"coupled": True},
        {"input_coupled": True},
        {"gate_clip": 0.5},
        {"cell_clip": 0.5},
        {"activation": equations.RELU},
    ],
)
@pytest.mark.parametrize("seed", range(4))
def test_errors_of_a_clean_run_are_noise(change: dict[str, object], seed: int) -> None:
    """Of an independent loop in float32, for any equation."""
    case = rnnparity.make_case(seed, batch=3, steps=40, input_size=5, units=7)
    case = replace(case, equation=replace(case.equation, **change))  # type: ignore[arg-type]
    hidden = plain_cells.run(case).hidden
    found = local_errors.analyse(case, hidden, None, FLOAT32)
    assert found.cell.size == 0
    assert np.abs(found.hidden).max() < noise.LIMIT
    assert 0.05 < np.sqrt(np.mean(found.hidden**2)) < 1
    assert found.significance < 1


@pytest.mark.parametrize("tensor", "xhb")
@pytest.mark.parametrize("seed", range(3))
def test_one_weight_off_is_noticed_and_named(tensor: str, seed: int) -> None:
    case = rnnparity.make_case(seed, batch=8, steps=50, input_size=12, units=16)
    weight = nudge(case, np.random.RandomState(seed), 1e-4, tensor)
    found = judged(case, plain_cells.run(one_weight_off(case, weight)).hidden)
    assert found.verdict == comparison.DIVERGE
    parameter = found.parameter
    assert parameter is not None
    place = case.gates[weight.column // 16], weight.row, weight.column % 16
    assert (parameter.gate, parameter.row, parameter.unit) == place
    assert parameter.change == pytest.approx(weight.change, rel=0.5)


def test_a_state_that_was_changed_shows_at_its_step_alone() -> None:
    case = rnnparity.make_case(3, batch=4, steps=60, input_size=7, units=9)
    hidden, cell = plain_cells.run(case)
    cut = cell[:, 29].copy()
    cut[2, 4] += np.float32(0.5)
    rest = replace(case, inputs=case.inputs[:, 30:], initial_hidden=hidden[:, 29], initial_cell=cut)
    observed = np.concatenate([hidden[:, :30], plain_cells.run(rest).hidden], axis=1)
    found = local_errors.analyse(case, observed, None, FLOAT32)
    assert np.argwhere(np.abs(found.hidden) > noise.LIMIT).tolist() == [[2, 30, 4]]


def test_chaos_does_not_hide_a_mistake() -> None:
    """From some step on two correct runs have nothing in common; a mistake after that is still one."""
    case = rnnparity.make_case(0, batch=4, steps=200, input_size=16, units=48, scale=30)
    hidden = plain_cells.run(case).hidden
    clean = judged(case, hidden)
    assert clean.verdict == comparison.CHAOTIC
    assert 0 < clean.judged < 0.5
    wrong = hidden.copy()
    wrong[1, 150, 7] *= np.float32(0.99)
    assert judged(case, wrong).verdict == comparison.DIVERGE


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_what_the_equation_does_not_allow_is_not_chaotic(cell: str) -> None:
    case = rnnparity.make_case(0, cell=cell, batch=4, steps=200, input_size=16, units=48, scale=30)
    expected = forward.run(case)
    assert expected.horizon.min() < 150
    hidden = expected.hidden.astype("float32")
    hidden[:, 150:] = 1e6
    found = compare.compare_whole_run(hidden, expected)
    assert found.verdict == comparison.DIVERGE
    assert found.first_step == 150
