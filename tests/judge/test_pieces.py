"""A run that is judged piece after piece has the verdict and the figures of the same run as a whole."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from support.cases import SIZES, Sizes

import rnnparity
from rnnparity import Case
from rnnparity.judge import compare, differences
from rnnparity.judge.comparison import Comparison, Difference
from rnnparity.reference import forward, noise
from rnnparity.selftest import plain_cells
from rnnparity_adapters.equation import Equation
from rnnparity_adapters.layout import Weights

Observed = Mapping[str, np.ndarray]
FLOAT32 = 2.0**-12
"""Errors and their noise are computed in float32, and round otherwise if steps are cut otherwise. Errors of
one step are differences of numbers that may be a hundred times as large.
"""


def long(steps: int) -> Sizes:
    return {**SIZES, "steps": steps}


def in_pieces(case: Case, observed: Observed, steps: int) -> Comparison:
    comparing = compare.Comparing(case.steps, strict="cell" in observed or not case.has_cell_state)
    carried, before = None, (case.initial_hidden, case.initial_cell)
    for start in range(0, case.steps, steps):
        now = np.s_[:, start : start + steps]
        seen = {name: array[now] for name, array in observed.items()}
        piece = replace(case, inputs=case.inputs[now], initial_hidden=before[0], initial_cell=before[1])
        carried = comparing.add(seen, forward.run(piece, start=carried)).carried
        before = seen["hidden"][:, -1], seen["cell"][:, -1] if "cell" in seen else case.initial_cell
    return comparing.comparison()


def figures(difference: Difference) -> list[float]:
    return [difference.absolute, difference.noise, *difference.place, difference.first_step or -1]


def assert_same(one: Comparison, two: Comparison) -> None:
    assert (one.verdict, one.gates, one.judged) == (two.verdict, two.gates, two.judged)
    assert two.significance == pytest.approx(one.significance, rel=1e-3)
    for whole, cut in zip(one.differences, two.differences, strict=True):
        assert whole.observed == cut.observed
        assert figures(cut) == pytest.approx(figures(whole), rel=FLOAT32)
        np.testing.assert_allclose(cut.by_step, whole.by_step, rtol=FLOAT32)
        assert (cut.heat is None) == (whole.heat is None)
        if cut.heat and whole.heat:
            assert cut.heat[1:] == whole.heat[1:]
            np.testing.assert_allclose(cut.heat.noise, whole.heat.noise, rtol=FLOAT32)


def one_off(case: Case, by: float) -> Case:
    kernel = case.weights.kernel.copy()
    kernel[1, 2] += by
    return replace(case, weights=Weights(kernel, case.weights.bias))


@pytest.mark.parametrize("steps", [1, 13, 64, 499])
@pytest.mark.parametrize("by", [0.0, 2e-6, 1e-3])
@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_the_figures_do_not_depend_on_the_pieces(cell: str, by: float, steps: int) -> None:
    case = rnnparity.make_case(3, **long(500), cell=cell)
    observed = plain_cells.run(one_off(case, by))._asdict()
    observed = {name: array for name, array in observed.items() if array.size}
    whole = compare.compare(observed, forward.run(case))
    assert_same(whole, in_pieces(case, observed, steps))
    assert whole.verdict == ("diverge" if by > 1e-4 else whole.verdict)


@pytest.mark.parametrize("by", [0.0, 1e-3])
def test_a_filter_goes_on_from_what_it_knew(by: float) -> None:
    """Where no cell state was observed, it is estimated, and so must be handed on."""
    case = rnnparity.make_case(3, **long(3 * 512))
    hidden = plain_cells.run(one_off(case, by)).hidden
    whole = compare.compare_recording({"hidden": hidden}, forward.run(case))
    length = next(iter(forward.pieces(case))).stop  # the filter looks back no further than this
    assert_same(whole, in_pieces(case, {"hidden": hidden}, 3 * length))
    assert whole.verdict == ("diverge" if by else "agree")


def test_chaos_is_carried_on() -> None:
    """What rounding alone decides stays undecided in every later piece."""
    case = rnnparity.make_case(1, batch=3, steps=300, input_size=4, units=24, scale=12.0)
    observed = plain_cells.run(case)._asdict()
    whole = compare.compare(observed, forward.run(case))
    cut = in_pieces(case, observed, 40)
    assert whole.verdict == cut.verdict == "chaotic"
    assert whole.reason == cut.reason
    assert whole.judged == pytest.approx(cut.judged)


def test_what_is_lost_stays_lost() -> None:
    """Large inputs saturate a chaotic recurrence, and its noise vanishes, but not what it was before."""
    case = rnnparity.make_case(1, batch=3, steps=300, input_size=4, units=24, scale=12.0, cell="rnn")
    inputs = case.inputs.copy()
    inputs[:, 200:] *= 1e4
    case = replace(case, inputs=inputs)
    expected = forward.run(case)
    assert expected.hidden_noise[:, 250:].max() < noise.HORIZON < expected.hidden_noise[:, :200].max()
    observed = {"hidden": plain_cells.run(case).hidden}
    whole, cut = compare.compare(observed, expected), in_pieces(case, observed, 40)
    assert whole.verdict == cut.verdict == "chaotic"
    assert whole.judged == pytest.approx(cut.judged)


def test_a_step_that_is_wrong_is_found_in_its_piece() -> None:
    case = rnnparity.make_case(3, **long(200))
    observed = {name: array.copy() for name, array in plain_cells.run(case)._asdict().items()}
    observed["cell"][1, 131, 3] += 0.01
    whole, cut = compare.compare(observed, forward.run(case)), in_pieces(case, observed, 50)
    assert_same(whole, cut)
    assert cut.first_step == 131


def test_the_same_rounding_counts_once_in_all_pieces_together() -> None:
    """Constant inputs bring the state to rest: all later steps round alike, in whatever piece they are."""
    case = rnnparity.make_case(3, **long(4000))
    case = replace(case, inputs=np.repeat(case.inputs[:, :1], case.steps, axis=1))
    observed = plain_cells.run(case)._asdict()
    whole, cut = compare.compare(observed, forward.run(case)), in_pieces(case, observed, 500)
    assert whole.verdict == cut.verdict == "agree"
    assert cut.significance < 1.2 * whole.significance


def test_what_comes_back_after_a_piece_has_ended_is_known_again() -> None:
    """Inputs repeat with a period longer than a piece, and so do the states."""
    case = rnnparity.make_case(3, **long(3200), cell="rnn")
    case = replace(case, inputs=np.tile(case.inputs[:, :100], (1, 32, 1)), equation=Equation(cell="rnn"))
    observed = {"hidden": plain_cells.run(case).hidden}
    whole, cut = compare.compare(observed, forward.run(case)), in_pieces(case, observed, 50)
    assert whole.verdict == cut.verdict == "agree"
    assert cut.significance < 1.5 * whole.significance


def test_curves_and_pictures_of_a_long_run_do_not_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(differences, "CURVE_POINTS", 100)
    case = rnnparity.make_case(3, **long(500))
    observed = plain_cells.run(case)._asdict()
    whole = compare.compare(observed, forward.run(case))
    assert_same(whole, in_pieces(case, observed, 7))
    assert {(len(d.by_step), d.every) for d in whole.differences} == {(100, 5)}
