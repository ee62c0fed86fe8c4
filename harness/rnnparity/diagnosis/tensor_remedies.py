"""What to do where tensors are others than those that ran, permuted, rounded, added to or not recorded."""

from rnnparity.diagnosis import tensor_findings as findings
from rnnparity.diagnosis.actions import RAN, Add, Edit, Feed, Move, Rerun
from rnnparity.diagnosis.changes import Changes, changes
from rnnparity.diagnosis.findings import TENSORS
from rnnparity.diagnosis.run_remedies import OUTPUTS
from rnnparity.diagnosis.vocabulary import Vocabulary


@changes.register
def _(finding: findings.WeightsDiffer, words: Vocabulary) -> Changes:
    return (), (Rerun("checkpoint", {"tensors": TENSORS[finding.tensors]}),)


@changes.register
def _(finding: findings.BiasAdded, words: Vocabulary) -> Changes:
    places = [words.places("", gate)[0] for gate in words.layout.kind.gates if words.places("", gate)]

    def added(times: int) -> tuple[Add, ...]:
        return tuple(Add(place, finding.change, times, "change") for place in places)

    return added(1), (Feed(added(-1)),)


@changes.register
def _(finding: findings.BiasSwapped, words: Vocabulary) -> Changes:
    one, other = (words.places("", gate) for gate in "nm")
    moves = (Move(((one[0], other[0]), (other[0], one[0]))),) if one and other else ()
    return moves, (Feed(moves),) if moves else (Rerun("fold"),)


@changes.register
def _(finding: findings.UnitOrder, words: Vocabulary) -> Changes:
    if isinstance(finding.order, str):
        return (), (Rerun("units", {"what": finding.what}),)
    back = [finding.order.index(unit) for unit in range(len(finding.order))]
    return (Edit(OUTPUTS, f"b[:, :, {back}]", RAN),), (Rerun("units", {"what": finding.what}),)


@changes.register
def _(finding: findings.Quantised, words: Vocabulary) -> Changes:
    return (), (Rerun("rounding", {"tensors": TENSORS[finding.tensors]}),)


@changes.register
def _(finding: findings.ExtraParameter, words: Vocabulary) -> Changes:
    if finding.tensor == findings.PEEPHOLES:
        tensor = next(t for t in words.layout.peepholes if finding.gate in t.gates)
        place = words.element(tensor, finding.gate, finding.unit, None, "")
    else:
        (tensor,) = words.layout.projection
        place = words.element(tensor, "p", finding.row or 0, finding.unit, "h")
    return (Add(place, finding.change),), (Feed((Add(place, finding.change, -1),)),)


@changes.register
def _(finding: findings.PeepholesUnrecorded, words: Vocabulary) -> Changes:
    return (), (Rerun("peepholes recorded"),)
