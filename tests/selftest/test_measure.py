"""The selftest in small, and that it would notice a verdict that does not work."""

import numpy as np
import pytest
from support.faults import claiming

import rnnparity
from rnnparity.judge import compare, comparison
from rnnparity.judge.comparison import Comparison
from rnnparity.reference.formats import ROUNDED
from rnnparity.selftest import measure, plain_cells, planted_mistakes
from rnnparity.selftest.measure import (
    CLEAN,
    IDEAL,
    IDEAL_WITHOUT_CELL,
    RULES,
    VERDICT,
    WITHOUT_CELL,
)


@pytest.fixture(scope="module")
def scores() -> dict[str, measure.Score]:
    return {score.mistake: score for score in measure.measure(clean=150, each=46, jobs=2)}


@pytest.mark.slow
def test_no_clean_run_is_accused_and_every_mistake_is_noticed(scores: dict[str, measure.Score]) -> None:
    assert len(scores) == 1 + len(planted_mistakes.STRUCTURAL) + 3 * len(measure.RELATIVE)
    for score in scores.values():
        assert measure.as_it_should_be(score), score


@pytest.mark.slow
def test_one_weight_off_is_noticed_almost_as_often_as_can_be(scores: dict[str, measure.Score]) -> None:
    for tensor in measure.TENSORS.values():
        assert scores[f"{tensor} off by 1e-03"].noticed[VERDICT] == 46
        assert scores[f"{tensor} off by 1e-04"].noticed[VERDICT] >= 45
        assert scores[f"{tensor} off by 1e-04"].noticed[WITHOUT_CELL] >= 40
        off = scores[f"{tensor} off by 1e-05"].noticed
        assert off[IDEAL] >= off[VERDICT] >= 0.75 * 46
        assert off[IDEAL_WITHOUT_CELL] >= off[WITHOUT_CELL] >= 0.5 * 46


@pytest.mark.slow
def test_fixed_tolerances_lie_both_ways(scores: dict[str, measure.Score]) -> None:
    assert scores[CLEAN].noticed["numpy allclose"] > 0.5 * 150
    assert scores["weight of x off by 1e-04"].noticed["Polygraphy 1e-5"] < 0.9 * 46


def test_a_verdict_that_sleeps_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare, "compare", lambda observed, reference: Comparison(comparison.AGREE))
    trial = measure.structural_trial("time reversed", 0)
    assert not trial[VERDICT]
    assert all(trial[rule] for rule in RULES)
    assert not measure.as_it_should_be(measure.Score("time reversed", 1, trial))


def test_a_verdict_that_accuses_fails() -> None:
    assert not measure.as_it_should_be(measure.Score(CLEAN, 1000, {VERDICT: 1}))
    assert not measure.as_it_should_be(measure.Score("bias off by 1e-03", 60, {VERDICT: 59}, off=1e-3))
    assert measure.as_it_should_be(measure.Score("bias off by 1e-05", 60, {VERDICT: 50}, off=1e-5))


@pytest.mark.parametrize("name", planted_mistakes.STRUCTURAL)
def test_every_mistake_is_one(name: str) -> None:
    """It changes the trajectory by more than rounding: else noticing it would mean nothing."""
    case = rnnparity.make_case(1, batch=3, steps=9, input_size=5, units=4)
    clean = plain_cells.run(case)
    for mistake in planted_mistakes.STRUCTURAL[name]:
        _, wrong = mistake.plant(case, np.random.RandomState(0))
        assert wrong.hidden.shape == clean.hidden.shape
        assert wrong.hidden.dtype == np.float32
        assert np.abs(wrong.hidden - clean.hidden).max() > 1e-5


def test_short_formats_keep_what_they_can_hold() -> None:
    values = np.array([1, 1 + 2.0**-7, 1 + 2.0**-10, -3.14159265, 1e-3], np.float32)
    assert ROUNDED["bfloat16"](values)[:3].tolist() == [1, 1 + 2.0**-7, 1]
    assert ROUNDED["tf32"](values)[:3].tolist() == values[:3].tolist()
    assert ROUNDED["float16"](values)[:3].tolist() == values[:3].tolist()
    for name, bits in (("bfloat16", 8), ("float16", 11), ("tf32", 11)):
        assert np.all(np.abs(ROUNDED[name](values) - values) <= np.abs(values) * 2.0**-bits)


def test_live_comparisons_are_counted() -> None:
    (numpy,) = measure.measure_live("numpy.*", comparisons=24)
    assert numpy.comparisons == 24
    assert numpy.accused == 0
    assert 0 < numpy.error < 1
    assert 0 < numpy.score < 1


def test_live_accusations_are_counted() -> None:
    (target,) = rnnparity.select("numpy.*")
    (numpy,) = measure.measure_live(claiming(target, coupled=True), comparisons=24)
    assert numpy.accused == 24
