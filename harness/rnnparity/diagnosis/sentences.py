"""What a finding says to a person, in the words of the api at hand: the one place for these sentences."""

from collections.abc import Callable, Iterable, Mapping
from functools import singledispatch

from rnnparity.diagnosis import findings, output_findings
from rnnparity.diagnosis.causes import Cause, single
from rnnparity.diagnosis.findings import Finding, OtherEquation
from rnnparity.diagnosis.fitted_constants import CLIP
from rnnparity.diagnosis.vocabulary import Vocabulary
from rnnparity_adapters import equation as equations
from rnnparity_adapters.kinds import PEEPHOLES


def detail(found: Iterable[Finding], words: Vocabulary) -> str:
    """What is different, in a sentence or several."""
    return "; ".join(sentence(finding, words) for finding in found)


@singledispatch
def sentence(finding: Finding, words: Vocabulary) -> str:
    """What is different, without a full stop."""
    raise TypeError(f"no sentence for {type(finding).__name__}")


@sentence.register
def _(finding: findings.GateOrder, words: Vocabulary) -> str:
    belong, canonical = words.gate_order, words.layout.kind.gates
    found = words.letters(finding.order[canonical.index(gate)] for gate in belong)
    verb = "has" if finding.tensors in ("x", "h", "b") else "have"
    said = f"where {words.letters(belong)} belong, the {findings.TENSORS[finding.tensors]} {verb} {found}"
    moved = "f" in canonical and finding.order[canonical.index("f")] != "f"
    if moved and words.equation.forget_bias and "b" in finding.tensors:
        stored = words.layout.forget_bias == "bias"
        if finding.forget_bias_too and not stored:
            return f"{said}, and the forget bias went along with its block"
        if stored and not finding.forget_bias_too:
            return f"{said}, while the forget bias is where it belongs"
    return said


@sentence.register
def _(finding: findings.GatesInterleaved, words: Vocabulary) -> str:
    ways = ("unit by unit", "gate by gate")
    found, right = ways if finding.by_unit else ways[::-1]
    return f"the blocks are read {found} instead of {right}"


@sentence.register
def _(finding: findings.GateBorrowed, words: Vocabulary) -> str:
    gate, source = words.gate(finding.gate), words.gate(finding.source)
    return f"the {gate} takes the product of the {source} with the input, its bias included"


_TRANSPOSED = {
    "whole": "each gate's block is transposed",
    "reshaped": "each gate's block is transposed and reshaped back",
    "from-reshaped": "each gate's block is reshaped to its transpose's shape, and transposed",
    "all-reshaped": "all blocks together are transposed and reshaped back",
    "all-from-reshaped": "all blocks together are reshaped to their transpose's shape, and transposed",
}


@sentence.register
def _(finding: findings.KernelTransposed, words: Vocabulary) -> str:
    both = finding.tensors == "xh"
    tensor = findings.BOTH_KERNELS if both else f"the {findings.TENSORS[finding.tensors]}"
    if finding.gate:
        return f"the block of the {words.gate(finding.gate)} in {tensor} is transposed"
    return f"in {tensor} {_TRANSPOSED[finding.how]}"


@sentence.register
def _(finding: findings.ConcatOrder, words: Vocabulary) -> str:
    return "kernel rows are taken as [h, x] instead of [x, h]"


_OF_ALL_GATES = {
    (0, 0): "no bias is used",
    (1, 0): "the recurrent bias is not used",
    (0, 1): "the input bias is not used",
    (2, 2): "the whole bias counts twice",
    (2, 1): "the input bias counts twice",
    (1, 2): "the recurrent bias counts twice",
    (2, 0): "the input bias counts twice, in place of the recurrent bias",
    (0, 2): "the recurrent bias counts twice, in place of the input bias",
}
_OF_A_GATE = {
    (0, 0): "the bias of the {} is not used",
    (1, 0): "the recurrent bias of the {} is not used",
    (0, 1): "the input bias of the {} is not used",
    (2, 2): "the bias of the {} counts twice",
}


@sentence.register(findings.BiasDropped)
@sentence.register(findings.BiasDoubled)
def _(finding: findings.BiasDropped | findings.BiasDoubled, words: Vocabulary) -> str:
    times = finding.input, finding.recurrent
    return _OF_A_GATE[times].format(words.gate(finding.gate)) if finding.gate else _OF_ALL_GATES[times]


@sentence.register
def _(finding: findings.BiasEverywhere, words: Vocabulary) -> str:
    return f"the bias of the {words.gate(finding.gate)} is added to every gate"


@sentence.register
def _(finding: findings.BiasFolded, words: Vocabulary) -> str:
    if finding.source == "m":
        return (
            "the new state's recurrent bias is folded into its input bias, outside the reset gate's product"
        )
    return "the new state's input bias is folded into its recurrent bias, inside the reset gate's product"


@sentence.register
def _(finding: findings.KernelUnused, words: Vocabulary) -> str:
    return f"the {findings.TENSORS[finding.tensors]} is not used"


@sentence.register
def _(finding: findings.PeepholesDropped, words: Vocabulary) -> str:
    return "the peepholes are not used"


@sentence.register
def _(finding: findings.PeepholeOrder, words: Vocabulary) -> str:
    return f"where {', '.join(PEEPHOLES)} belong, there are {', '.join(finding.order)}"


@sentence.register
def _(finding: findings.Projection, words: Vocabulary) -> str:
    if finding.projection == "missing":
        return "the projection is not used"
    return "the projection is on the other side: transposed"


def _activation(finding: OtherEquation, words: Vocabulary) -> str:
    fields, candidate = finding.fields, words.gate(words.layout.kind.candidate)
    if "recurrent_activation" in fields:
        return f"gates and {candidate} have each other's function"
    if "output_activation" in fields and fields["output_activation"] is None:
        return f"{candidate} and output go through {fields['activation']}"
    return f"the {candidate} goes through {fields['activation']}"


def _forget_bias(finding: OtherEquation, words: Vocabulary) -> str:
    value, own = finding.value or 0.0, words.equation.forget_bias
    if own:
        return f"the forget bias is {own + value:.6g} instead of {own:.6g}"
    verb = "added to" if value > 0 else "taken from"
    return f"{abs(value):.6g} is {verb} the forget gate before its activation"


def _clip(finding: OtherEquation, words: Vocabulary) -> str:
    if finding.value is None:
        return "the cell state is not clipped"
    return f"the cell state is clipped at {finding.value:.6g}"


def _gate_clip(finding: OtherEquation, words: Vocabulary) -> str:
    candidate = words.gate(words.layout.kind.candidate)
    gates = f"the functions of gates and {candidate}" if words.layout.kind.name != "rnn" else "the function"
    if finding.value is not None:
        every = "every function, that of c too," if finding.fitted == CLIP else gates
        return f"what goes into {every} is clipped at {finding.value:.6g}"
    if "gate_clip" in finding.fields:
        return f"what goes into {gates} is not clipped"
    return "c is not clipped on its way into its function"


def _projection(finding: OtherEquation, words: Vocabulary) -> str:
    if finding.value is not None:
        return f"the projected state is clipped at {finding.value:.6g}"
    if "projection_clip" in finding.fields:
        return "the projected state is not clipped"
    return f"the projection goes through {finding.fields['projection_activation']}"


def _output(finding: OtherEquation, words: Vocabulary) -> str:
    function = finding.fields["output_activation"]
    return "h is o alone" if function == equations.ONE else f"c goes through {function} on its way to h"


def _either(name: str, true: str, false: str) -> Callable[[OtherEquation, Vocabulary], str]:
    """A field that is one or the other."""
    return lambda finding, words: true if finding.fields[name] else false


_COUPLED = {
    (("coupled", True),): "the forget gate is 1 - i",
    (("coupled", False),): "the forget gate is its own, not 1 - i",
    (("input_coupled", True),): "the input gate is 1 - f",
    (("input_coupled", False),): "the input gate is its own, not 1 - f",
    (("coupled", True), ("input_coupled", False)): "the forget gate is 1 - i, and not the input gate 1 - f",
    (("coupled", False), ("input_coupled", True)): "the input gate is 1 - f, and not the forget gate 1 - i",
}
_EQUATIONS: Mapping[str, Callable[[OtherEquation, Vocabulary], str]] = {
    "forget-bias": _forget_bias,
    "forget-bias-after-sigmoid": lambda finding, words: (
        f"{finding.value:.6g} is added to the forget gate after its activation"
    ),
    "recurrent-activation": lambda finding, words: (
        f"the gates go through {finding.fields['recurrent_activation']}"
    ),
    "activation": _activation,
    "output-activation": _output,
    "coupled-gates": lambda finding, words: _COUPLED[tuple(finding.fields.items())],
    "cell-clip": _clip,
    "peephole-previous": lambda finding, words: "the output gate's peephole sees the previous cell state",
    "pre-activation-clip": _gate_clip,
    "projection": _projection,
    "reset-gate": _either(
        "reset_after",
        "the reset gate scales what the recurrent kernel made of h",
        "the reset gate scales h before the recurrent kernel",
    ),
    "update-gate-inverted": _either(
        "update_inverted",
        "z and 1 - z have each other's place: h' = (1 - z) h + z n",
        "z and 1 - z have each other's place: h' = z h + (1 - z) n",
    ),
}


@sentence.register
def _(finding: OtherEquation, words: Vocabulary) -> str:
    return _EQUATIONS[finding.id](finding, words)


_INITIAL = {
    ("zero", "zero"): "it starts from zero instead of the given state",
    ("zero", "given"): "the hidden state starts from zero instead of the given one",
    ("given", "zero"): "the cell state starts from zero instead of the given one",
    ("swapped", "swapped"): "the initial hidden and cell state are swapped",
    ("kept", "kept"): "each step starts from the initial state",
}


@sentence.register
def _(finding: findings.InitialState, words: Vocabulary) -> str:
    return _INITIAL[finding.hidden, finding.cell]


@sentence.register
def _(finding: findings.StateCarried, words: Vocabulary) -> str:
    state = "the hidden state" if finding.hidden else "the cell state"
    if finding.hidden and finding.cell:
        state = "both states" if words.layout.kind.has_cell_state else "the state"
    return f"it starts from {state} after an earlier call with the same inputs"


@sentence.register
def _(finding: findings.Direction, words: Vocabulary) -> str:
    padding = ", the padding first" if finding.padding else ""
    if not finding.inputs:
        return f"the outputs are turned round{padding}"
    return f"the sequence runs backwards{padding}, outputs {'' if finding.outputs else 'not '}turned back"


@sentence.register
def _(finding: findings.BatchTimeAxes, words: Vocabulary) -> str:
    how = "reshaped to" if finding.reshaped else "read as"
    return f"[B, T] is {how} [T, B]" + ("" if finding.states == "given" else ", from a zero state")


@sentence.register
def _(finding: findings.TimeShift, words: Vocabulary) -> str:
    count = abs(finding.steps)
    return f"the trajectory is {count} step{'s' * (count > 1)} {'late' if finding.steps > 0 else 'early'}"


@sentence.register
def _(finding: findings.Masking, words: Vocabulary) -> str:
    if finding.usual:
        return f"steps past the lengths are {finding.steps}, where {words.api.name} has them {finding.usual}"
    return f"steps past lengths {list(finding.lengths)} are {finding.steps}"


@sentence.register
def _(finding: findings.Dropout, words: Vocabulary) -> str:
    return f"{finding.zero:.0%} of the outputs are zero, the others {finding.ratio:.4g} times too large"


_ROUNDED = {
    "weights": "the weights are rounded to",
    "states": "states are rounded to",
    "outputs": "the outputs, and not the states, are rounded to",
    "products": "the factors of matrix products are rounded to",
    "everything": "arithmetic or storage in",
}


@sentence.register
def _(finding: findings.Precision, words: Vocabulary) -> str:
    return f"{_ROUNDED[finding.rounded]} {finding.arithmetic}"


@sentence.register
def _(finding: findings.Parameter, words: Vocabulary) -> str:
    row = "" if finding.row is None else f" row {finding.row}"
    place = f"{findings.TENSORS[finding.tensor]}{row}, {words.gate(finding.gate)}, unit {finding.unit}"
    return f"{place} is larger by {finding.change:.6g}"


@sentence.register
def _(finding: findings.Block, words: Vocabulary) -> str:
    change, part = finding.change, f"the {findings.TENSORS[finding.tensor]} of the {words.gate(finding.gate)}"
    return f"{part} is larger by {change.min():.3g} to {change.max():.3g}"


_FEW = 4
"""Units that are named; of more only the number is said."""


@sentence.register
def _(finding: findings.Unknown, words: Vocabulary) -> str:
    if finding.first_step is None:
        return "only all elements together differ, none by itself"
    units = finding.units
    named = f" ({', '.join(map(str, units))})" if len(units) <= _FEW else ""
    which = ""
    if 0 < len(finding.numbers) < finding.batch and len(finding.numbers) <= _FEW:
        which = f" ({', '.join(map(str, finding.numbers))})"
    said = [
        f"none of the known causes; from step {finding.first_step} on",
        f"{finding.rows} of {finding.batch} batch rows{which}",
        f"made in {len(units)} of {finding.width} units{named}",
    ]
    said += [f"most of it in the {words.gate(finding.gate)}"] if finding.gate else []
    said += [f"as far as the first {finding.searched} steps tell"] if finding.searched else []
    said += ["not everything was tried: the weights are too many"] if finding.untried else []
    return ", ".join(said)


@sentence.register
def _(finding: output_findings.DeadUnit, words: Vocabulary) -> str:
    units = finding.units
    return f"{_named('unit', units)} of the outputs {_is(units)} zero at every step, the others are right"


@sentence.register
def _(finding: output_findings.DeadRow, words: Vocabulary) -> str:
    rows, named = finding.rows, _named("batch row", finding.rows)
    return f"{named} of the outputs {_is(rows)} zero at every step: a length of 0, or a dead row"


@sentence.register
def _(finding: output_findings.ZeroedStep, words: Vocabulary) -> str:
    steps, rows = finding.steps, f" in {_named('batch row', finding.rows)}" if finding.rows else ""
    return f"{_named('step', steps)} of the outputs {_is(steps)} zero{rows}, the states are not"


_FUNCTIONS = {
    "scale": "the outputs are {} times as large",
    "offset": "the outputs are larger by {}",
    "clip": "the outputs are clipped at {}",
    "threshold": "outputs of at most {} are zero",
    "round": "the outputs are rounded to multiples of {}",
}


@sentence.register
def _(finding: output_findings.OutputFunction, words: Vocabulary) -> str:
    said = _FUNCTIONS.get(finding.function, f"the outputs go through {finding.function}")
    return f"{said.format(f'{finding.value or 0:.6g}')}; the states that the cell goes on with do not"


def _named(what: str, positions: tuple[int, ...]) -> str:
    """Positions by number: ``units 0 and 3``, or only how many there are."""
    if len(positions) > _FEW:
        return f"{len(positions)} {what}s"
    return f"{what}{'s' * (len(positions) > 1)} {' and '.join(map(str, positions))}"


def _is(positions: tuple[int, ...]) -> str:
    return "are" if len(positions) > 1 else "is"


_TELLING: tuple[tuple[set[str], str, str], ...] = (
    (
        {"forget-bias", "forget-bias-after-sigmoid", "coupled-gates", "cell-clip"},
        "lstm",
        "a run with c0 != 0 and h0 = 0, in which only the forget terms act on a state",
    ),
    (
        {"kernel-transposed", "gate-order", "concat-order"},
        "",
        "a run with {h0}, I != U and asymmetric weights, in which only the recurrent kernel acts on a state",
    ),
    (
        {"bias-dropped", "bias-doubled", "bias-folded"},
        "",
        "a run whose biases are random, others in each gate",
    ),
    (
        {"initial-state", "state-carried", "batch-time-axes", "direction", "time-shift"},
        "",
        "a run with random initial states that are not zero, B >= 3 and T >= 3",
    ),
)
"""Groups of causes, the kind of cell if it is one alone, and the run that separates what is in the group."""
_ANY = "a longer run with other random weights, and initial states that are not zero"


def note(cause: Cause, words: Vocabulary) -> str:
    """What else would explain the same, and which run would tell; empty if nothing would."""
    if not cause.equals:
        return ""
    kind = words.layout.kind
    h0 = "h0 != 0 and c0 = 0" if kind.has_cell_state else "h0 != 0"
    parts = {part for id_ in cause.equals for part in single(id_)}
    told = [text.format(h0=h0) for group, only, text in _TELLING if group & parts and only in ("", kind.name)]
    return (
        f"{', '.join(cause.equals)} explain these data equally well; {' or '.join(told) or _ANY} would tell"
    )
