"""What the findings of :mod:`rnnparity.diagnosis.tensor_findings` say."""

from rnnparity.diagnosis import tensor_findings as findings
from rnnparity.diagnosis.findings import TENSORS
from rnnparity.diagnosis.sentences import sentence
from rnnparity.diagnosis.vocabulary import Vocabulary

_NEAR, _APART = 0.7, 0.3
"""Correlations above which kernels are near each other, and below which they have nothing in common."""


@sentence.register
def _(finding: findings.WeightsDiffer, words: Vocabulary) -> str:
    which = (
        "all weights are others" if finding.tensors == "xhb" else f"the {TENSORS[finding.tensors]} is another"
    )
    if finding.tensors in ("xb", "hb"):
        which = f"the {TENSORS[finding.tensors]} are others"
    size = f"{finding.relative:.2g} times as large as the weights themselves"
    source = "another seed, another checkpoint or some steps of training"
    if finding.alike is not None and finding.alike > _NEAR:
        source = f"another checkpoint of the same training (their correlation is {finding.alike:.2g})"
    if finding.alike is not None and abs(finding.alike) < _APART:
        source = "another seed or another training: they have nothing in common with those that were given"
    return f"{which}: the change is {size}, as from {source}"


@sentence.register
def _(finding: findings.BiasAdded, words: Vocabulary) -> str:
    low, high = float(finding.change.min()), float(finding.change.max())
    return f"a constant for each unit, from {low:.3g} to {high:.3g}, is added to every gate"


@sentence.register
def _(finding: findings.BiasSwapped, words: Vocabulary) -> str:
    return "the input and the recurrent bias stand in each other's place"


@sentence.register
def _(finding: findings.UnitOrder, words: Vocabulary) -> str:
    if isinstance(finding.order, str):
        return f"the units of the {finding.what} are {finding.order}"
    return f"the units of the {finding.what} stand in the order {', '.join(map(str, finding.order))}"


@sentence.register
def _(finding: findings.Quantised, words: Vocabulary) -> str:
    return f"the {TENSORS[finding.tensors]} are rounded to {finding.levels} levels for each {finding.group}"


@sentence.register
def _(finding: findings.ExtraParameter, words: Vocabulary) -> str:
    place = f"of the {words.gate(finding.gate)}" if finding.gate else f"row {finding.row}"
    return f"{finding.tensor} {place}, unit {finding.unit} is larger by {finding.change:.6g}"


@sentence.register
def _(finding: findings.PeepholesUnrecorded, words: Vocabulary) -> str:
    return f"the cell has peepholes, up to {abs(finding.values).max():.3g}, which are not in the recording"
