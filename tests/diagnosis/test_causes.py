"""The vocabulary of causes: what the package can say is in it, and nothing else is taken for a cause."""

import re
from pathlib import Path

import pytest

from rnnparity.diagnosis import causes, remedies
from rnnparity.diagnosis.causes import Cause
from rnnparity.diagnosis.equation_hypotheses import EQUATIONS
from rnnparity.diagnosis.weight_hypotheses import tables
from rnnparity.errors import InputError
from rnnparity_adapters.layout import GATES

README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")


def test_every_hypothesis_is_a_cause_with_a_remedy() -> None:
    made = {hypothesis.id for cell in GATES for table in tables(cell) for hypothesis in table}
    made |= {hypothesis.id for table in EQUATIONS.values() for hypothesis in table}
    assert made <= set(causes.IDS)
    assert made <= set(remedies._REMEDIES) <= set(causes.IDS)


def test_the_readme_s_list_is_of_causes() -> None:
    (listed,) = re.findall(r"^Causes it knows, .*?\n\n", README, flags=re.MULTILINE | re.DOTALL)
    named = set(re.findall(r"\b[a-z]+(?:-[a-z]+)+\b", listed))
    assert len(named) > 15
    assert named <= set(causes.IDS)


def test_what_is_no_id_gets_the_nearest_names() -> None:
    for right in (*causes.IDS, "gate-order + forget-bias"):
        causes.check_id(right)
    with pytest.raises(InputError, match=r"cause: got forget-gate, but should be reset-gate or forget-bias$"):
        causes.check_id("forget-gate")
    with pytest.raises(InputError, match="cause: got bias, "):
        causes.check_id("gate-order + bias")


def test_the_ids_of_pairs_are_two() -> None:
    pair = Cause("gate-order + forget-bias", "", causes.CONFIRMED, 10, 1)
    assert causes.ids([pair]) == {"gate-order", "forget-bias"}
    assert causes.ids([]) == {causes.UNKNOWN}
