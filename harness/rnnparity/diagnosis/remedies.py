"""The change to make for a cause, written for the api at hand."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rnnparity.diagnosis.causes import UNKNOWN, Cause, single
from rnnparity_adapters import equation as equations
from rnnparity_adapters.equation import Equation
from rnnparity_adapters.layout import GATES, Layout, Tensor

_OPTION_NAMES = {
    equations.HARD_SIGMOID_5: "hard_sigmoid",
    equations.HARD_SIGMOID_6: "hard_sigmoid",
}


@dataclass(frozen=True)
class Api:
    """What a remedy needs to know: the api's ``name``, ``layout`` and ``options``, the ``equation`` it ran,
    and how its tensors are called where they are stored.
    """

    name: str
    layout: Layout
    options: tuple[str, ...]
    equation: Equation
    names: Mapping[str, str]

    def tensors(self, rows: str, gate: str = "") -> list[Tensor]:
        """Those that multiply ``x`` or ``h``, or the biases if ``rows`` is empty, with a gate."""
        return [
            tensor
            for tensor in self.layout.tensors
            if (rows in tensor.rows if rows else not tensor.rows) and (not gate or gate in tensor.gates)
        ]

    def called(self, tensors: list[Tensor]) -> str:
        """The tensors as the user knows them."""
        return " and ".join(f"`{self.names.get(tensor.name, tensor.name)}`" for tensor in tensors)

    def slice(self, tensor: Tensor, gate: str) -> str:
        """A gate's part of a bias: ``bias_ih_l0[U:2*U]``."""
        name = self.names.get(tensor.name, tensor.name)
        position = tensor.gates.index(gate)
        if len(tensor.gates) == 1:
            return f"`{name}`"
        if ["gate", "unit"] not in tensor.groups:
            before = ", ".join("0" for group in tensor.groups if group == ["1"])
            return f"`{name}[{before}{', ' if before else ''}{position}]`"
        bounds = ["" if n == 0 else "U" if n == 1 else f"{n}*U" for n in (position, position + 1)]
        return f"`{name}[{'0, ' * (tensor.groups[0] == ['1'])}{bounds[0]}:{bounds[1]}]`"


def remedy(cause: Cause, api: Api) -> str:
    """The change under which ``api``, with the recorded weights, computes what was observed."""
    parts = [_REMEDIES[id_](cause, api) for id_ in single(cause.id) if id_ in _REMEDIES]
    return "; ".join(dict.fromkeys(parts))


def _forget_bias(cause: Cause, api: Api) -> str:
    value = float(cause.about.get("value", 0))
    if "forget_bias" in api.options:
        return f"pass `forget_bias={api.equation.forget_bias + value:.6g}`"
    verb = f"add {value:.6g} to" if value > 0 else f"subtract {-value:.6g} from"
    return f"{verb} {api.slice(api.tensors('', 'f')[0], 'f')}"


def _option(field: str) -> Callable[[Cause, Api], str]:
    def say(cause: Cause, api: Api) -> str:
        value = cause.about.get("equation", {}).get(field, cause.about.get("value"))
        shown = _OPTION_NAMES.get(value, value) if isinstance(value, str) else value
        shown = f"{shown:.6g}" if isinstance(shown, float) else repr(shown)
        if field in api.options:
            return f"pass `{field}={shown}`"
        return (
            f"{api.name} has no option for it: use the same {field.replace('_', ' ')} on both sides ({shown})"
        )

    return say


def _gate_order(cause: Cause, api: Api) -> str:
    order, which = str(cause.about["order"]), str(cause.about["tensors"])
    rows = [row for row, words in (("x", ("kernels", "input kernel")), ("h", ("kernels", "recurrent kernel")))
            if any(which.startswith(word) for word in words)]  # fmt: skip
    tensors = [t for row in rows for t in api.tensors(row)] + (api.tensors("") if "bias" in which else [])
    tensors = list(dict.fromkeys(tensors))
    if order == "interleaved":
        return f"de-interleave gates and units in {api.called(tensors)}"
    gates = GATES[api.layout.cell]
    if any(len(tensor.gates) < len(gates) for tensor in tensors):
        return f"rename the tensors: {', '.join(f'{gates[k]} is {g}' for k, g in enumerate(order) if gates[k] != g)}"
    native = tensors[0].gates
    blocks = [native.index(order[gates.index(gate)]) if gate in gates else k for k, gate in enumerate(native)]
    only = {"input kernel": " (rows of x only)", "recurrent kernel": " (rows of h only)"}
    note = "".join(
        text for words, text in only.items() if which.startswith(words) and tensors[0].rows == "xh"
    )
    return f"reorder the gate blocks of {api.called(tensors)}{note}: take blocks {blocks}"


def _transposed(cause: Cause, api: Api) -> str:
    token = {"recurrent kernel": "h", "input kernel": "x"}.get(str(cause.about.get("tensor")), "")
    tensors = list(dict.fromkeys(t for row in (token or "xh") for t in api.tensors(row)))
    return f"load {api.called(tensors)} transposed ({cause.detail.partition(';')[0]})"


def _dropped(cause: Cause, api: Api) -> str:
    biases = api.tensors("")
    which = str(cause.about.get("bias", ""))
    gate = cause.about.get("gate")
    chosen = (
        biases
        if gate == "m"
        else biases[:1]
        if "input" in which
        else biases[1:]
        if "recurrent" in which
        else biases
    )
    places = [api.slice(t, gate) for t in chosen if gate in t.gates] if gate else [api.called(chosen)]
    return f"set {' and '.join(places)} to zero, or let the other side use it"


def _doubled(cause: Cause, api: Api) -> str:
    return f"count each bias once on the other side ({cause.detail.partition(';')[0]}): {api.called(api.tensors(''))}"


def _reset_gate(cause: Cause, api: Api) -> str:
    after = bool(cause.about.get("equation", {}).get("reset_after"))
    for name, value in (("reset_after", after), ("linear_before_reset", int(after))):
        if name in api.options:
            return f"pass `{name}={value}`"
    return f"{api.name} has no option for it: no weights make up for it, choose a cell that resets {'after' if after else 'before'} the recurrent kernel"


def _parameter(cause: Cause, api: Api) -> str:
    if "change" in cause.about and not isinstance(cause.about["change"], list):
        gate, unit, change = cause.about["gate"], cause.about["unit"], cause.about["change"]
        rows = {"input kernel": "x", "recurrent kernel": "h"}.get(str(cause.about["tensor"]), "")
        place = f"row {cause.about['row']} of {rows}, " if rows else ""
        verb = f"add {change:.6g} to" if change > 0 else f"subtract {-change:.6g} from"
        return f"{verb} {api.called(api.tensors(rows, gate)[:1])} at {place}gate {gate}, unit {unit}"
    return f"compare this with what was loaded: {cause.detail}"


def _say(text: str) -> Callable[[Cause, Api], str]:
    return lambda cause, api: text


_REMEDIES: Mapping[str, Callable[[Cause, Api], str]] = {
    "forget-bias": _forget_bias,
    "forget-bias-after-sigmoid": _say("add the forget bias before the sigmoid: sigmoid(f + b), not sigmoid(f) + b"),
    "recurrent-activation": _option("recurrent_activation"),
    "activation": _option("activation"),
    "output-activation": _option("output_activation"),
    "coupled-gates": _say("use an api whose forget gate is (or is not) 1 - i on both sides"),
    "cell-clip": _option("cell_clip"),
    "gate-order": _gate_order,
    "kernel-transposed": _transposed,
    "concat-order": _say("move the rows of the kernel: those of x first, then those of h"),
    "bias-dropped": _dropped,
    "bias-doubled": _doubled,
    "bias-folded": _say("keep the two biases of the new state apart: b_in + r * (h R + b_hn), not b_in + b_hn + r * (h R)"),
    "reset-gate": _reset_gate,
    "update-gate-inverted": _say("negate the update gate's kernel, recurrent kernel and bias on one side: sigmoid(-a) = 1 - sigmoid(a)"),
    "projection": _say("multiply o * act(c) by the projection before it becomes h: [B, U] @ [U, P], in the cell and for the next step"),
    "peephole-dropped": _say("pass `use_peepholes=False`, or use the peepholes on the other side"),
    "peephole-order": _say("reorder the peephole vectors"),
    "peephole-previous": _say("let the output gate's peephole see the new cell state on both sides"),
    "initial-state": _say("pass the same initial state on both sides, hidden and cell each in its place"),
    "state-carried": _say("reset the states between calls"),
    "direction": _say("turn the sequence round on one side, and its outputs with it"),
    "batch-time-axes": _say("transpose the first two axes: inputs are [B, T, I] here (`batch_first`, `time_major`)"),
    "time-shift": _say("align the two trajectories: compare the same steps"),
    "masking": _say("compare steps within the lengths only, or treat those past them alike"),
    "dropout": _say("switch dropout off: inference mode (`eval()`, `training=False`)"),
    "precision": _say("compute in the same precision on both sides"),
    "parameter": _parameter,
    UNKNOWN: _say("record a run with h0 = c0 = 0, one with c0 only and one with h0 only, cell states included"),
}  # fmt: skip
