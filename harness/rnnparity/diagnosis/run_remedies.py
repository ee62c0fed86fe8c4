"""What to do where a cell was run in another way."""

from rnnparity.diagnosis import findings, output_findings, run_findings
from rnnparity.diagnosis.actions import (
    RAN,
    Edit,
    Exchange,
    FillPast,
    FindOut,
    LeaveOut,
    RecordLengths,
    Rerun,
    StartAt,
    Turn,
)
from rnnparity.diagnosis.changes import Changes, changes
from rnnparity.diagnosis.findings import Finding
from rnnparity.diagnosis.vocabulary import Vocabulary

OUTPUTS = ("hidden", "cell", "stepped_hidden")
"""The arrays of a recording that what ran returned."""
_INPUTS = ("inputs",)
_STATES = ("initial_hidden", "initial_cell")


@changes.register
def _(finding: findings.InitialState, words: Vocabulary) -> Changes:
    if finding.hidden == "kept":
        return (), (Rerun("carry"),)
    again = (Rerun("initial state"),)
    if finding.hidden == "swapped":
        return (Exchange(*_STATES),), again
    asked = dict(zip(_STATES, (finding.hidden, finding.cell), strict=True))
    zero = [name for name, how in asked.items() if how == "zero"]
    return (LeaveOut(tuple(zero[: None if words.layout.kind.has_cell_state else 1])),), again


@changes.register
def _(finding: findings.StateCarried, words: Vocabulary) -> Changes:
    return (), (Rerun("reset"),)


@changes.register
def _(finding: findings.Direction, words: Vocabulary) -> Changes:
    again = (Rerun("direction"),)
    if finding.padding:  # lengths count from the first step, where the outputs have the padding
        return (() if finding.outputs else (Edit(_INPUTS, "b[:, ::-1]"),)), again
    outputs = (Turn(OUTPUTS, RAN),) * finding.outputs
    return (*((Turn(_INPUTS),) * finding.inputs), *outputs), again if finding.inputs else outputs


@changes.register
def _(finding: findings.BatchTimeAxes, words: Vocabulary) -> Changes:
    form = "b.reshape(T, B, -1).swapaxes(0, 1)" if finding.reshaped else "b.swapaxes(0, 1)"
    zero = (LeaveOut(_STATES),) if finding.states == "zero" else ()
    return (Edit(_INPUTS, form), *zero, Edit(OUTPUTS, form, RAN)), (Rerun("axes"),)


@changes.register
def _(finding: findings.TimeShift, words: Vocabulary) -> Changes:
    again, by = (Rerun("steps"),), abs(finding.steps)
    if finding.steps > 0:
        return (Edit(_INPUTS, f"b[:, :-{by}]"), Edit(OUTPUTS, f"b[:, {by}:]", RAN)), again
    # The first state that is there can only be an initial one where all of it is.
    return (() if words.layout.kind.has_cell_state else (StartAt(by),)), again


@changes.register
def _(finding: findings.Masking, words: Vocabulary) -> Changes:
    usual = finding.usual or words.api.masked  # a backward run zeroes what others hold
    filled = () if finding.steps == usual else (FillPast(usual),)
    if finding.usual:
        return filled, filled
    return (RecordLengths(finding.lengths), *filled), (Rerun("masking"),)


@changes.register
def _(finding: findings.Dropout, words: Vocabulary) -> Changes:
    return (), (Rerun("dropout"),)


@changes.register
def _(finding: findings.Precision, words: Vocabulary) -> Changes:
    return (), (Rerun("precision", {"arithmetic": finding.arithmetic}),)


@changes.register
def _(finding: findings.Unknown, words: Vocabulary) -> Changes:
    what = finding.record
    if what == "states" and not words.layout.kind.has_cell_state:
        what = "state"
    return (), (FindOut(what),)


@changes.register(output_findings.DeadUnit)
@changes.register(output_findings.DeadRow)
@changes.register(output_findings.ZeroedStep)
@changes.register(output_findings.OutputFunction)
def _(finding: Finding, words: Vocabulary) -> Changes:
    after = {
        output_findings.DeadUnit: ": what zeroes units comes after it",
        output_findings.DeadRow: ", and give no row a length of 0",
        output_findings.ZeroedStep: ": what zeroes steps comes after it",
        output_findings.OutputFunction: ", without the function",
    }
    return (), (Rerun("outputs", {"after": after[type(finding)]}),)


@changes.register
def _(finding: run_findings.StateReplaced, words: Vocabulary) -> Changes:
    first = finding.steps == (0,)
    return (), (Rerun("initial state") if first else Rerun("states", {"steps": finding.steps}),)


@changes.register
def _(finding: run_findings.StateDropout, words: Vocabulary) -> Changes:
    return (), (Rerun("dropout"),)


@changes.register
def _(finding: run_findings.MixedRuns, words: Vocabulary) -> Changes:
    return (), (Rerun("one run"),)


@changes.register
def _(finding: run_findings.PaddingFirst, words: Vocabulary) -> Changes:
    return (), (Rerun("padding"),)


@changes.register
def _(finding: run_findings.MaskUnused, words: Vocabulary) -> Changes:
    return (LeaveOut(("mask", "lengths")),), (Rerun("mask"),)


@changes.register
def _(finding: run_findings.EmptyRows, words: Vocabulary) -> Changes:
    return (), (Rerun("empty rows"),)


_AS_THEY_WERE = {
    "scaled": "{0} * b", "permuted": "b[:, :, {1}]",
    "missing": "np.where(np.isin(np.arange(I), {1}), 0, b)",
    "divided by 255": "b / 255", "halved": "b / 2", "doubled": "2 * b", "of the other sign": "-b",
    "reversed": "b[:, :, ::-1]", "one feature late": "np.roll(b, 1, axis=2)",
    "one feature early": "np.roll(b, -1, axis=2)", "added up from step to step": "b.cumsum(axis=1)",
}  # fmt: skip
"""What became of the inputs, as expressions of ``b``; of other changes only what ran can be changed."""


@changes.register
def _(finding: run_findings.InputChanged, words: Vocabulary) -> Changes:
    form = _AS_THEY_WERE.get(finding.what, "").format(finding.value, list(finding.features))
    known = finding.what != "scaled" or finding.value is not None
    return (Edit(_INPUTS, form),) if form and known else (), (Rerun("inputs"),)


@changes.register
def _(finding: run_findings.RowOrder, words: Vocabulary) -> Changes:
    arrays = (*_INPUTS, *_STATES) if finding.whole else _INPUTS
    return (Edit(arrays, f"b[{list(finding.rows)}]"),), (Rerun("rows"),)
