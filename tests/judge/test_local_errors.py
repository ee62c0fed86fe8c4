"""Local errors: what one step adds, found in the gate and the parameter where it was planted."""

import dataclasses

import numpy as np
import pytest

import rnnparity
from rnnparity import Case
from rnnparity.judge import compare, comparison, local_errors
from rnnparity.reference import forward, noise
from rnnparity.selftest import plain_cells
from rnnparity.selftest.plain_cells import Trajectory
from rnnparity.selftest.planted_weights import Nudge, one_weight_off
from rnnparity_adapters.layout import Weights

GATES = "ijfo"

FLOAT32 = noise.ARITHMETICS["float32"]


@pytest.fixture(scope="module")
def long_case() -> Case:
    return rnnparity.make_case(11, batch=4, steps=60, input_size=7, units=9)


def test_a_correct_run_has_small_local_errors(long_case: Case) -> None:
    found = local_errors.analyse(long_case, *plain_cells.run(long_case), FLOAT32)
    for errors in (found.hidden, found.cell):
        assert errors.shape == (4, 60, 9)
        assert np.abs(errors).max() < noise.LIMIT
        assert 0.1 < np.sqrt(np.mean(errors**2)) < 1
    assert found.significance < 1


@pytest.mark.parametrize("gate", range(4), ids=list(GATES))
@pytest.mark.parametrize(
    "row", [0, 6, 7, 15], ids=["first input", "last input", "first hidden", "last hidden"]
)
def test_a_weight_that_is_off_is_named(gate: int, row: int, long_case: Case) -> None:
    weight = Nudge(row, gate * 9 + 5, np.float32(3e-5))
    found = local_errors.analyse(long_case, *plain_cells.run(one_weight_off(long_case, weight)), FLOAT32)
    parameter = found.parameter
    assert found.significance > 1
    assert found.gates == (GATES[gate],)
    assert (parameter.gate, parameter.row, parameter.unit) == (GATES[gate], row, 5)
    assert parameter.change == pytest.approx(3e-5, rel=0.2)


@pytest.mark.parametrize("gate", range(4), ids=list(GATES))
def test_a_bias_that_is_off_is_named(gate: int, long_case: Case) -> None:
    bias = long_case.weights.bias.copy()
    bias[gate * 9 + 2] -= np.float32(1e-4)
    changed = dataclasses.replace(long_case, weights=Weights(long_case.weights.kernel, bias))
    found = local_errors.analyse(long_case, *plain_cells.run(changed), FLOAT32)
    parameter = found.parameter
    assert found.significance > 1
    assert (parameter.gate, parameter.row, parameter.unit) == (GATES[gate], None, 2)
    assert parameter.change == pytest.approx(-1e-4, rel=0.1)


def test_an_error_is_seen_where_it_is_made_and_only_there(long_case: Case) -> None:
    """One state is changed: the whole run differs ever after, the local errors at that step and the next."""
    hidden, cell = plain_cells.run(long_case)
    first = dataclasses.replace(long_case, inputs=long_case.inputs[:, :30])
    cut = cell[:, 29].copy()
    cut[2, 4] += np.float32(1e-3)
    rest = dataclasses.replace(
        long_case, inputs=long_case.inputs[:, 30:], initial_hidden=hidden[:, 29], initial_cell=cut
    )
    after = plain_cells.run(rest)
    observed = Trajectory(
        np.concatenate([hidden[:, :30], after.hidden], 1), np.concatenate([cell[:, :30], after.cell], 1)
    )
    assert first.steps == 30
    found = local_errors.analyse(long_case, *observed, FLOAT32)
    beyond = np.argwhere(np.abs(found.cell) > noise.LIMIT)
    assert beyond.tolist() == [[2, 30, 4]]
    compared = compare.compare(observed._asdict(), forward.run(long_case))
    assert compared.verdict == comparison.DIVERGE
    assert "errors are made from step 30 on" in compared.reason


def test_parts_are_joined_without_a_seam(long_case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    observed = plain_cells.run(long_case)
    whole = local_errors.analyse(long_case, *observed, FLOAT32)
    monkeypatch.setattr(forward, "ROWS", 7)
    pieces = local_errors.analyse(long_case, *observed, FLOAT32)
    np.testing.assert_allclose(pieces.hidden, whole.hidden, rtol=1e-6, atol=1e-6)
    assert pieces.parameter.score == pytest.approx(whole.parameter.score, rel=1e-6)
    assert pieces.significance == pytest.approx(whole.significance, rel=1e-6)


def test_one_element_of_everything() -> None:
    case = rnnparity.make_case(5, batch=1, steps=1, input_size=1, units=1)
    found = local_errors.analyse(case, *plain_cells.run(case), FLOAT32)
    assert found.significance < 1
