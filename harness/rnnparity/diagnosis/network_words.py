"""What the findings of :mod:`rnnparity.diagnosis.network_findings` say, and what to do about them."""

from collections.abc import Sequence

from rnnparity.diagnosis import network_findings as findings
from rnnparity.diagnosis.actions import FindOut, Rerun
from rnnparity.diagnosis.changes import Changes, changes
from rnnparity.diagnosis.findings import Finding
from rnnparity.diagnosis.sentences import sentence
from rnnparity.diagnosis.vocabulary import Vocabulary
from rnnparity.reference.network import DIRECTIONS

Cells = Sequence[tuple[int, int]]
"""Cells of a network, each by the numbers of its layer and direction."""


def place(cells: Cells, every: Cells) -> str:
    """Which of ``every`` cell of a network these are: ``layer 1, backward``, ``every layer``."""
    layers, directions = sorted({k for k, _ in cells}), sorted({d for _, d in cells})
    two = any(d for k, d in every if k in layers)
    side = f", {DIRECTIONS[directions[0]]}" if two and len(directions) == 1 else ""
    if len(layers) == 1:
        both = ", both directions" if len(directions) == 2 else side
        return f"layer {layers[0]}{both}"
    if set(layers) == {k for k, _ in every}:
        return f"every layer{side or (' and direction' if two else '')}"
    return f"layers {', '.join(map(str, layers[:-1]))} and {layers[-1]}{side}"


@sentence.register
def _(finding: findings.LayersSwapped, words: Vocabulary) -> str:
    one, other = finding.layers
    return f"layers {one} and {other} have each other's weights"


@sentence.register
def _(finding: findings.DirectionsSwapped, words: Vocabulary) -> str:
    return "the two directions have each other's weights"


@sentence.register
def _(finding: findings.StatesSwapped, words: Vocabulary) -> str:
    order = ", ".join(map(str, finding.order))
    return f"the initial states of layers and directions stand in the order {order}"


@sentence.register
def _(finding: findings.Merged, words: Vocabulary) -> str:
    return f"the two directions are merged by {finding.merge}"


@sentence.register
def _(finding: findings.ReadsForward, words: Vocabulary) -> str:
    return "the backward direction reads from the first step to the last"


@sentence.register
def _(finding: findings.UnknownInside, words: Vocabulary) -> str:
    shown = "" if finding.first_step is None else f"; it shows from step {finding.first_step} on"
    return f"none of the known causes{shown}"


@changes.register
def _(finding: findings.UnknownInside, words: Vocabulary) -> Changes:
    return (), (FindOut("layers"),)


_AGAIN = {
    findings.LayersSwapped: "layers",
    findings.DirectionsSwapped: "directions",
    findings.StatesSwapped: "states of layers",
    findings.Merged: "merge",
    findings.ReadsForward: "backwards",
}


@changes.register(findings.LayersSwapped)
@changes.register(findings.DirectionsSwapped)
@changes.register(findings.StatesSwapped)
@changes.register(findings.Merged)
@changes.register(findings.ReadsForward)
def _(finding: Finding, words: Vocabulary) -> Changes:
    return (), (Rerun(_AGAIN[type(finding)]),)
