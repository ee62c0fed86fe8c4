"""Who stands apart, with the fault planted in one api, in the reference, and in half of them."""

import numpy as np
from support.faults import claiming, fault, named

import rnnparity
from rnnparity import Case
from rnnparity.judge import comparison
from rnnparity.live.consensus import REFERENCE, Consensus


def test_one_api_stands_apart(case: Case) -> None:
    result = rnnparity.run(
        case, [fault("Sound"), named(fault("Sound"), "faults.Sound2"), fault("SwapInBoth")]
    )
    found = result.consensus
    assert found.apart == ("faults.SwapInBoth@numpy",)
    assert str(found) in str(result)
    assert str(found) == "faults.SwapInBoth@numpy stands apart: the other 3 agree with each other."


def test_the_reference_stands_apart(case: Case) -> None:
    """Three apis that compute the same, all against a reference of the wrong equation."""
    wrong = claiming(fault("Sound"), coupled=True)
    apis = [named(wrong, f"faults.Sound{number}") for number in range(3)]
    result = rnnparity.run(case, apis)
    assert {row.verdict for row in result} == {comparison.DIVERGE}
    assert result.consensus.apart == (REFERENCE,)
    assert "the reference stands apart: the other 3 agree with each other." in str(result)


def test_all_agree(case: Case) -> None:
    found = rnnparity.run(case, [fault("Sound"), fault("Chatter")]).consensus
    assert found.apart == ()
    assert str(found) == ""


def test_no_majority_is_said() -> None:
    found = Consensus((("a", "b"), ("c", REFERENCE)))
    assert found.apart == ()
    assert str(found) == "No majority: a = b; c = the reference"


def test_rows_without_a_trajectory_have_no_voice(case: Case) -> None:
    result = rnnparity.run(case, [fault("Sound"), fault("Chatter"), fault("Raise"), fault("NotFinite")])
    assert result.consensus.groups == ((REFERENCE, "faults.Sound@numpy", "faults.Chatter@numpy"),)
    assert np.isfinite(result["faults.Sound"].runs[0].comparison.residual).all()  # type: ignore[arg-type]
