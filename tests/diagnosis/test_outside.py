"""A part of ``bench.outside``: what no diagnosis knows is never confirmed as something else."""

from dataclasses import replace

import pytest
from bench.outside import CHAOTIC, ONE, OUT, TINY, Trial, trial
from support import outside_mistakes
from support.outside_mistakes import OUTSIDE

SOME = (
    "tanh in a table", "sigmoid + 0.01", "states truncated to 1/1024", "states with biased noise",
    "rows fed back to each other", "half of the units in another gate", "bias + 0.01", "inputs smoothed",
    "outputs with relative noise", "every second unit larger", "zeros, the others 3 times as large",
    "huge from a step on", "truncated like bfloat16",
)  # fmt: skip
CHANCE = ("truncated like bfloat16", "nothing but zeros", "states truncated to 1/1024")


def tried(group: str, name: str) -> list[Trial]:
    return [trial(group, name, cell, cell == "lstm", 0) for cell in OUTSIDE[name].cells]


@pytest.mark.parametrize("name", SOME)
def test_what_nobody_knows_is_not_confirmed(name: str) -> None:
    assert [each.wrong for each in tried(OUT, name) if each.wrong] == []


@pytest.mark.parametrize("group", [CHAOTIC, TINY, ONE])
@pytest.mark.parametrize("name", CHANCE)
def test_nor_where_everything_agrees(name: str, group: str) -> None:
    assert [each.wrong for each in tried(group, name) if each.wrong] == []


def test_a_wrong_cause_counts_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bench would see it: a mistake that is known, if it were not."""
    name = "outputs 1.25 times as large"
    assert all(each.right for each in tried(OUT, name))
    nameless = replace(OUTSIDE[name], ids=())
    monkeypatch.setattr(outside_mistakes, "OUTSIDE", {**OUTSIDE, name: nameless})
    monkeypatch.setattr("bench.outside.OUTSIDE", {**OUTSIDE, name: nameless})
    assert {each.wrong for each in tried(OUT, name)} == {"output-function"}


def test_there_are_many_kinds() -> None:
    assert len(OUTSIDE) >= 100
