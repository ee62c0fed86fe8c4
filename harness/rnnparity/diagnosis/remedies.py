"""The change to make for a finding, written for the api at hand."""

from collections.abc import Callable, Iterable, Mapping
from functools import singledispatch
from typing import Any

from rnnparity.diagnosis import findings, output_findings
from rnnparity.diagnosis.findings import Finding, OtherEquation
from rnnparity.diagnosis.sentences import sentence
from rnnparity.diagnosis.vocabulary import Vocabulary
from rnnparity_adapters import equation as equations

_PROJECT = "multiply o * act(c) by the projection before it becomes h: [B, U] @ [U, P], in the cell and for the next step"

SAME_FOR_EVERY_API: Mapping[type[Finding], str] = {
    findings.ConcatOrder: "move the rows of the kernel: those of x first, then those of h",
    findings.BiasFolded: "keep the two biases of the new state apart: b_in + r * (h R + b_hn), not b_in + b_hn + r * (h R)",
    findings.Projection: _PROJECT,
    findings.PeepholesDropped: "pass `use_peepholes=False`, or use the peepholes on the other side",
    findings.PeepholeOrder: "reorder the peephole vectors",
    findings.InitialState: "pass the same initial state on both sides, hidden and cell each in its place",
    findings.StateCarried: "reset the states between calls",
    findings.Direction: "turn the sequence round on one side, and its outputs with it",
    findings.BatchTimeAxes: "transpose the first two axes: inputs are [B, T, I] here (`batch_first`, `time_major`)",
    findings.TimeShift: "align the two trajectories: compare the same steps",
    findings.Dropout: "switch dropout off: inference mode (`eval()`, `training=False`)",
    output_findings.DeadUnit: "return the outputs as the cell computes them: what zeroes units comes after it",
    output_findings.DeadRow: "give the row a length above 0, or return its outputs as the cell computes them",
    output_findings.ZeroedStep: "return the outputs as the cell computes them: what zeroes steps comes after it",
    output_findings.OutputFunction: "return the outputs as the cell computes them, without the function",
    findings.Precision: "compute in the same precision on both sides",
    findings.Unknown: "record a run with h0 = c0 = 0, one with c0 only and one with h0 only, cell states included",
}


def remedies(found: Iterable[Finding], words: Vocabulary) -> str:
    """The change under which the api, with the recorded weights, computes what was observed."""
    return "; ".join(dict.fromkeys(remedy(finding, words) for finding in found))


@singledispatch
def remedy(finding: Finding, words: Vocabulary) -> str:
    """The change for one finding."""
    return SAME_FOR_EVERY_API[type(finding)]


def _added(change: float) -> str:
    return f"add {change:.6g} to" if change > 0 else f"subtract {-change:.6g} from"


@remedy.register
def _(finding: findings.GateOrder, words: Vocabulary) -> str:
    tensors = [t for row in "xh" if row in finding.tensors for t in words.tensors(row)]
    tensors = list(dict.fromkeys(tensors + (words.tensors("") if "b" in finding.tensors else [])))
    gates, order = words.layout.kind.gates, finding.order
    if any(len(tensor.gates) < len(gates) for tensor in tensors):
        others = (
            f"{words.api.letter(gates[k])} is {words.api.letter(g)}"
            for k, g in enumerate(order)
            if gates[k] != g
        )
        return f"rename the tensors: {', '.join(others)}"
    native = tensors[0].gates
    blocks = [native.index(order[gates.index(gate)]) if gate in gates else k for k, gate in enumerate(native)]
    rows = "".join(row for row in "xh" if row in finding.tensors)
    only = f" (rows of {rows} only)" if tensors[0].rows == "xh" and len(rows) == 1 else ""
    return f"reorder the gate blocks of {words.called(tensors)}{only}: take blocks {blocks}"


@remedy.register
def _(finding: findings.GateBorrowed, words: Vocabulary) -> str:
    return remedy(findings.GateOrder("xb", finding.order), words)


@remedy.register
def _(finding: findings.GatesInterleaved, words: Vocabulary) -> str:
    tensors = [*words.tensors("x"), *words.tensors("h"), *words.tensors("")]
    return f"de-interleave gates and units in {words.called(dict.fromkeys(tensors))}"


@remedy.register
def _(finding: findings.KernelTransposed, words: Vocabulary) -> str:
    tensors = dict.fromkeys(tensor for row in finding.tensors for tensor in words.tensors(row))
    return f"load {words.called(tensors)} transposed ({sentence(finding, words)})"


@remedy.register
def _(finding: findings.BiasDropped, words: Vocabulary) -> str:
    biases, gate = words.tensors(""), finding.gate
    of_one = {(0, 1): biases[:1], (1, 0): biases[1:]}
    chosen = biases if gate == "m" else of_one.get((finding.input, finding.recurrent), biases)
    places = [words.slice(t, gate) for t in chosen if gate in t.gates] if gate else [words.called(chosen)]
    return f"set {' and '.join(places)} to zero, or let the other side use it"


@remedy.register(findings.BiasDoubled)
@remedy.register(findings.BiasEverywhere)
def _(finding: findings.BiasDoubled | findings.BiasEverywhere, words: Vocabulary) -> str:
    biases = words.called(words.tensors(""))
    return f"count each bias once on the other side ({sentence(finding, words)}): {biases}"


@remedy.register
def _(finding: findings.Masking, words: Vocabulary) -> str:
    if finding.usual:
        return f"treat steps past the lengths as {finding.usual}, or leave them out"
    return "compare steps within the lengths only, or treat those past them in the same way"


@remedy.register
def _(finding: findings.Parameter, words: Vocabulary) -> str:
    rows = "" if finding.row is None else finding.tensor
    row = f"row {finding.row} of {rows}, " if rows else ""
    tensors = words.called(words.tensors(rows, finding.gate)[:1])
    gate = words.api.letter(finding.gate)
    return f"{_added(finding.change)} {tensors} at {row}gate {gate}, unit {finding.unit}"


@remedy.register(findings.Block)
@remedy.register(findings.KernelUnused)
def _(finding: findings.Block | findings.KernelUnused, words: Vocabulary) -> str:
    return f"compare this with what was loaded: {sentence(finding, words)}"


_OPTION_NAMES = {equations.HARD_SIGMOID_5: "hard_sigmoid", equations.HARD_SIGMOID_6: "hard_sigmoid"}
_ForEquation = Callable[[OtherEquation, Vocabulary], str]


def _always(text: str) -> _ForEquation:
    return lambda finding, words: text


def _option(field: str) -> _ForEquation:
    def say(finding: OtherEquation, words: Vocabulary) -> str:
        value: Any = finding.fields.get(field, finding.value)
        option = words.options.get(field)
        value = option.off if option and value is None else _OPTION_NAMES.get(value, value)
        shown = f"{value:.6g}" if isinstance(value, float) else repr(value)
        if option:
            return f"pass `{field}={shown}`"
        same = f"use the same {field.replace('_', ' ')} on both sides ({shown})"
        return f"{words.api.name} has no option for it: {same}"

    return say


def _forget_bias(finding: OtherEquation, words: Vocabulary) -> str:
    value = finding.value or 0.0
    if "forget_bias" in words.options:
        return f"pass `forget_bias={words.equation.forget_bias + value:.6g}`"
    return f"{_added(value)} {words.slice(words.tensors('', 'f')[0], 'f')}"


def _reset_gate(finding: OtherEquation, words: Vocabulary) -> str:
    after = bool(finding.fields["reset_after"])
    for name, value in (("reset_after", after), ("linear_before_reset", int(after))):
        if name in words.options:
            return f"pass `{name}={value}`"
    cell = f"choose a cell that resets {'after' if after else 'before'} the recurrent kernel"
    return f"{words.api.name} has no option for it: no weights make up for it, {cell}"


EQUATIONS: Mapping[str, _ForEquation] = {
    "forget-bias": _forget_bias,
    "forget-bias-after-sigmoid": _always(
        "add the forget bias before the sigmoid: sigmoid(f + b), not sigmoid(f) + b"
    ),
    "recurrent-activation": _option("recurrent_activation"),
    "activation": _option("activation"),
    "output-activation": _option("output_activation"),
    "coupled-gates": _always("use an api whose forget gate is (or is not) 1 - i on both sides"),
    "cell-clip": _option("cell_clip"),
    "peephole-previous": _always("let the output gate's peephole see the new cell state on both sides"),
    "projection": _always(_PROJECT),
    "reset-gate": _reset_gate,
    "update-gate-inverted": _always(
        "negate the update gate's kernel, recurrent kernel and bias on one side: sigmoid(-a) = 1 - sigmoid(a)"
    ),
}
"""By the cause's id."""


@remedy.register
def _(finding: OtherEquation, words: Vocabulary) -> str:
    return EQUATIONS[finding.id](finding, words)
