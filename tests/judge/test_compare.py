"""The comparison, on trajectories with one planted fault each."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from support.tables import table

from rnnparity import Case
from rnnparity.judge import compare, comparison
from rnnparity.reference import forward
from rnnparity.reference.forward import Reference
from rnnparity_adapters.layout import Weights

FIXTURES = Path(__file__).parents[2] / "fixtures"
Observed = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def expected(case: Case) -> Reference:
    return forward.run(case)


@pytest.fixture
def observed(expected: Reference) -> Observed:
    """What a perfect layer returns: the reference, rounded to float32."""
    hidden, cell = expected.hidden.astype("float32"), expected.cell.astype("float32")
    last = {"last_hidden": hidden[None, :, -1].copy(), "last_cell": cell[None, :, -1].copy()}
    return {"hidden": hidden, "cell": cell, "stepped_hidden": hidden.copy(), **last}


def test_a_rounded_reference_agrees(observed: Observed, expected: Reference) -> None:
    compared = compare.compare(observed, expected)
    assert compared.verdict == comparison.AGREE
    assert compared.reason == ""
    assert compared.first_step is None
    worst = comparison.worst(compared.differences, "hidden")
    assert worst is not None
    assert 0 < worst.absolute < 1e-7


@pytest.mark.parametrize("name", ["hidden", "stepped_hidden", "cell"])
def test_one_wrong_element_is_found(name: str, observed: Observed, expected: Reference) -> None:
    observed[name][2, 4, 1] += 1e-4
    compared = compare.compare(observed, expected)
    assert compared.verdict == comparison.DIVERGE
    assert compared.first_step == 4
    assert compared.reason.startswith(
        f"{name} differs from step 4 on; largest at {name}[batch 2, step 4, unit 1]"
    )


@pytest.mark.parametrize("name", ["last_hidden", "last_cell"])
def test_a_wrong_last_state_is_found(name: str, observed: Observed, expected: Reference) -> None:
    observed[name][0, 0, 3] += 1e-4
    compared = compare.compare(observed, expected)
    assert compared.verdict == comparison.DIVERGE
    assert compared.first_step == 6
    assert f"{name}[batch 0, step 6, unit 3]" in compared.reason


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["hidden", "stepped_hidden", "cell", "last_hidden", "last_cell"])
def test_what_is_not_finite_never_agrees(
    name: str, value: float, observed: Observed, expected: Reference
) -> None:
    observed[name].flat[-1] = value
    compared = compare.compare(observed, expected)
    assert compared.verdict == comparison.NONFINITE
    assert compared.reason.startswith(name)


def test_a_reference_that_is_not_finite_never_agrees(observed: Observed, expected: Reference) -> None:
    broken = dataclasses.replace(expected, hidden=expected.hidden.copy())
    broken.hidden[0, 0, 0] = np.nan
    observed["hidden"][0, 0, 0] = np.nan
    assert compare.compare(observed, broken).verdict == comparison.NONFINITE


FORMS: dict[str, tuple[Callable[[Observed], object], str]] = {
    "one step too few": (lambda o: o.update(hidden=o["hidden"][:, :-1]), "hidden has shape [3, 6, 4]"),
    "time-major": (lambda o: o.update(cell=o["cell"].swapaxes(0, 1)), "cell has shape [7, 3, 4]"),
    "float64": (lambda o: o.update(cell=o["cell"].astype("float64")), "cell has dtype float64"),
    "no cell": (lambda o: o.pop("cell"), "returned ['hidden', "),
    "unknown name": (lambda o: o.update(output=o["hidden"]), "'output'"),
    "empty": (lambda o: o.clear(), "returned []"),
}


@pytest.mark.parametrize(("break_it", "reason"), FORMS.values(), ids=FORMS.keys())
def test_form_comes_before_values(
    break_it: Callable[[Observed], object], reason: str, observed: Observed, expected: Reference
) -> None:
    break_it(observed)
    compared = compare.compare(observed, expected)
    assert compared.verdict == comparison.FAILED
    assert reason in compared.reason
    assert compared.differences == ()


def test_weights_are_compared_bit_for_bit(case: Case) -> None:
    kernel, bias = case.weights
    assert compare.compare_weights(case.weights, case.weights).verdict == comparison.AGREE
    nudged = kernel.copy()
    nudged[2, 5] = np.nextafter(nudged[2, 5], np.float32(9))
    compared = compare.compare_weights(Weights(nudged, bias), case.weights)
    assert compared.verdict == comparison.DIVERGE
    assert compared.reason == "kernel read back is not the kernel loaded, in gate j"


def test_the_seeded_table_is_the_reference_s(article_case: Case) -> None:
    expected = forward.run(article_case)
    printed = {"hidden": table("lstmcell_seeded.csv")["tensorflow"], "cell": expected.cell.astype("float32")}
    assert compare.compare(printed, expected).verdict == comparison.AGREE
    other = dataclasses.replace(article_case.equation, forget_bias=0.0)
    without = forward.run(dataclasses.replace(article_case, equation=other))
    compared = compare.compare({**printed, "cell": without.cell.astype("float32")}, without)
    assert compared.verdict == comparison.DIVERGE
    assert compared.first_step == 1


def test_the_asker_s_table_is_told_apart_at_step_1() -> None:
    """Exact at step 0, where c = 0 hides the forget gate; different from step 1 on."""
    tables = table("lstmcell_without_forget_bias.csv")
    single = ("float32", "float32")
    difference = compare.compare_hidden(tables["numpy"], tables["tensorflow"], single)
    assert difference.first_step == 1
    first = compare.compare_hidden(tables["numpy"][:, :1], tables["tensorflow"][:, :1], single)
    assert first.first_step is None
