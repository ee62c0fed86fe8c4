"""What the findings of :mod:`rnnparity.diagnosis.run_findings` say."""

from collections.abc import Sequence

from rnnparity.diagnosis import run_findings as findings
from rnnparity.diagnosis.run_findings import GIVEN, LAST, OTHER_ROW, SWAPPED, ZERO
from rnnparity.diagnosis.sentences import sentence
from rnnparity.diagnosis.vocabulary import Vocabulary

_FEW = 6
"""Numbers that are said one by one; of more only how many there are."""

_BY = {
    ZERO: "zero",
    GIVEN: "the given initial state",
    SWAPPED: "the hidden and the cell state in each other's place",
    OTHER_ROW: "that of another row",
    LAST: "the last state of a row",
}


def listed(numbers: Sequence[int], word: str) -> str:
    """``step 3``, ``steps 3, 4 and 5`` or ``17 steps``."""
    if len(numbers) > _FEW:
        return f"{len(numbers)} {word}s"
    texts = [str(number) for number in numbers]
    if len(texts) == 1:
        return f"{word} {texts[0]}"
    return f"{word}s {', '.join(texts[:-1])} and {texts[-1]}"


def _state(finding: findings.StateReplaced, words: Vocabulary) -> str:
    if not words.layout.kind.has_cell_state or (finding.hidden and finding.cell):
        return "the state"
    return "the hidden state" if finding.hidden else "the cell state"


@sentence.register
def _(finding: findings.StateReplaced, words: Vocabulary) -> str:
    whole = len(finding.rows) == finding.batch
    rows = "in every row" if whole else f"in {listed(finding.rows, 'row')} of {finding.batch}"
    by = " or ".join(_BY.get(one, "one that is not known") for one in finding.by.split(" or "))
    state, steps = _state(finding, words), listed(finding.steps, "step")
    # A step that is wrong by itself may have had another input as well as another state.
    other = ", or its input by another" if findings.NONE in finding.by else ""
    return (
        f"made only at {steps}, {rows}: {state} before it was replaced by {by}{other}; "
        "every later step agrees from its own state"
    )


@sentence.register
def _(finding: findings.StateDropout, words: Vocabulary) -> str:
    return (
        f"{finding.zero:.0%} of the hidden states are zero on their way into the gates, the others "
        f"{finding.ratio:.4g} times as large"
    )


@sentence.register
def _(finding: findings.MixedRuns, words: Vocabulary) -> str:
    right, other = ("hidden", "cell") if finding.right == "hidden" else ("cell", "hidden")
    return (
        f"the {right} states agree by themselves; the {other} states are not theirs, but of another run, or "
        "changed after it"
    )


@sentence.register
def _(finding: findings.PaddingFirst, words: Vocabulary) -> str:
    return "the run begins with the steps past the lengths, not at each row's last step"


@sentence.register
def _(finding: findings.MaskUnused, words: Vocabulary) -> str:
    return "the mask is not used: every step is computed, whether it counts or not"


@sentence.register
def _(finding: findings.EmptyRows, words: Vocabulary) -> str:
    found = "zero" if finding.zero else "others"
    return f"the last states of a row of no steps are {found}, where its initial states should have been held"


_INPUTS = {
    "scaled": "the inputs are {value:.6g} times as large",
    "shifted": "the inputs are larger by {value:.6g}",
    "dropped out": "{value:.0%} of the inputs are zero, the others larger by as much",
    "others": "the inputs are others than those recorded, and follow no known rule",
}


@sentence.register
def _(finding: findings.InputChanged, words: Vocabulary) -> str:
    if finding.what in ("missing", "permuted"):
        which = listed(finding.features, "feature")
        if finding.what == "missing":
            return f"the inputs are without {which}"
        return f"the features of the inputs stand in the order {', '.join(map(str, finding.features))}"
    if finding.what == "shifted" and finding.value is None:
        return "the inputs are shifted, each feature by a constant"
    said = _INPUTS.get(finding.what, f"the inputs are {finding.what}")
    return said.format(value=finding.value)


@sentence.register
def _(finding: findings.RowOrder, words: Vocabulary) -> str:
    moved = [row for row, other in enumerate(finding.rows) if row != other]
    there = ", ".join(str(finding.rows[row]) for row in moved[:_FEW]) + (", ..." if len(moved) > _FEW else "")
    what = "runs" if finding.whole else "inputs"
    return f"in {listed(moved, 'row')} stand the {what} of {there}"
