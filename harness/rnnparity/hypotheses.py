"""What may be wrong, as data: each hypothesis changes a setting into one that would explain the trajectory."""

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from rnnparity.forced import Setting
from rnnparity.noise import Array
from rnnparity.reference import Reference
from rnnparity_adapters import equation as equations
from rnnparity_adapters.equation import Equation
from rnnparity_adapters.layout import GATE_NAMES, GATES, Weights

Change = Callable[[Setting], Setting | None]


@dataclass(frozen=True)
class Hypothesis:
    """A cause of causes.md: its ``id``, a ``detail`` for a person, and the ``change`` to a setting, which
    returns None where it cannot apply. ``about`` are the details for a machine.
    """

    id: str
    detail: str
    change: Change
    about: Mapping[str, Any]


@dataclass(frozen=True)
class EquationHypothesis:
    """Another equation: ``fields`` of it are replaced. ``fitted`` is a constant of it that the data tell."""

    id: str
    detail: str
    fields: Mapping[str, Any]
    fitted: str = ""


def _kernel(setting: Setting) -> Array:
    return np.asarray(setting.case.weights.kernel, np.float64)


def with_weights(setting: Setting, kernel: Array | None = None, bias: Array | None = None) -> Setting:
    """The setting with another kernel ``[I+U, 4U]`` or bias ``[4U]``."""
    old = setting.case.weights
    weights = Weights(old.kernel if kernel is None else kernel, old.bias if bias is None else bias)
    return replace(setting, case=replace(setting.case, weights=weights))


def _reordered(array: Array, order: tuple[int, ...]) -> Array:
    return array.reshape(*array.shape[:-1], 4, -1)[..., order, :].reshape(array.shape)


def _gate_order(order: tuple[int, ...], scope: str) -> Change:
    def change(setting: Setting) -> Setting:
        kernel, size = _kernel(setting).copy(), setting.case.input_size
        for token, rows in (("x", slice(0, size)), ("h", slice(size, None))):
            if token in scope:
                kernel[rows] = _reordered(kernel[rows], order)
        bias = setting.case.weights.bias
        return with_weights(setting, kernel, _reordered(bias, order) if "b" in scope else bias)

    return change


def _interleaved(inverse: bool) -> Change:
    """Blocks of gates read as blocks of units, or the other way round."""

    def swap(array: Array) -> Array:
        shape = (-1, 4) if inverse else (4, -1)
        blocks = array.reshape(*array.shape[:-1], *(n if n > 0 else array.shape[-1] // 4 for n in shape))
        return blocks.swapaxes(-1, -2).reshape(array.shape)

    return lambda setting: with_weights(setting, swap(_kernel(setting)), swap(setting.case.weights.bias))


def _each_gate(transform: Callable[[Array], Array | None]) -> Callable[[Array], Array | None]:
    def every(block: Array) -> Array | None:
        changed = [transform(part) for part in np.split(block, 4, axis=1)]
        found = [part for part in changed if part is not None]
        return np.concatenate(found, axis=1) if len(found) == 4 else None

    return every


def _square(block: Array) -> Array | None:
    return block.T if block.shape[0] == block.shape[1] else None


_TRANSPOSITIONS: Mapping[str, Callable[[Array], Array | None]] = {
    "each gate's block transposed": _each_gate(_square),
    "each gate's block transposed and reshaped back": _each_gate(lambda b: b.T.reshape(b.shape)),
    "each gate's block reshaped to its transpose's shape, and transposed": _each_gate(
        lambda b: b.reshape(b.shape[::-1]).T
    ),
    "transposed and reshaped back": lambda block: block.T.reshape(block.shape),
    "reshaped to its transpose's shape, and transposed": lambda block: block.reshape(block.shape[::-1]).T,
}
_TENSORS = {"h": "recurrent kernel", "x": "input kernel", "xh": "both kernels"}


def _transposed(tokens: str, transform: Callable[[Array], Array | None]) -> Change:
    def change(setting: Setting) -> Setting | None:
        kernel, size = _kernel(setting).copy(), setting.case.input_size
        for token, rows in (("x", slice(0, size)), ("h", slice(size, None))):
            if token in tokens:
                block = transform(kernel[rows])
                if block is None:
                    return None
                kernel[rows] = block
        return with_weights(setting, kernel)

    return change


def _one_gate_transposed(gate: str) -> Change:
    def change(setting: Setting) -> Setting:
        kernel, size, units = _kernel(setting).copy(), setting.case.input_size, setting.case.units
        columns = slice(GATES.index(gate) * units, (GATES.index(gate) + 1) * units)
        kernel[size:, columns] = kernel[size:, columns].T
        return with_weights(setting, kernel)

    return change


def _concatenated(setting: Setting) -> Setting:
    kernel, units = _kernel(setting), setting.case.units
    return with_weights(setting, np.concatenate([kernel[units:], kernel[:units]]))


def _bias(factors: Callable[[int], list[float]], gates: str = GATES) -> Change:
    """The shares of the bias times factors, in some gates."""

    def change(setting: Setting) -> Setting | None:
        times = factors(len(setting.shares))
        if not times:
            return None
        units = setting.case.units
        chosen = np.repeat([gate in gates for gate in GATES], units)
        pairs = zip(times, setting.shares, strict=True)
        bias = np.where(chosen, sum(factor * share for factor, share in pairs), setting.case.weights.bias)
        return with_weights(setting, bias=bias)

    return change


def _candidate_bias_everywhere(setting: Setting) -> Setting:
    bias = setting.case.weights.bias
    return with_weights(setting, bias=bias + np.tile(bias.reshape(4, -1)[1], 4))


def _two(first: float, second: float) -> Callable[[int], list[float]]:
    return lambda shares: [first, second] if shares == 2 else []


def _all(factor: float) -> Callable[[int], list[float]]:
    return lambda shares: [factor] * shares


def _zeroed(token: str) -> Change:
    def change(setting: Setting) -> Setting:
        kernel, size = _kernel(setting).copy(), setting.case.input_size
        kernel[{"x": slice(0, size), "h": slice(size, None)}[token]] = 0
        return with_weights(setting, kernel)

    return change


def _orders() -> Iterator[Hypothesis]:
    scopes = {
        "xhb": "kernels and bias", "xh": "kernels", "h": "recurrent kernel", "x": "input kernel", "b": "bias",
        "hb": "recurrent kernel and bias", "xb": "input kernel and bias",
    }  # fmt: skip
    for scope, tensors in scopes.items():
        for order in list(itertools.permutations(range(4)))[1:]:
            name = "".join(GATES[position] for position in order)
            about = {"order": name, "tensors": tensors}
            detail = f"where i, j, f, o belong, the {tensors} have {', '.join(name)}"
            yield Hypothesis("gate-order", detail, _gate_order(order, scope), about)
    for inverse, detail in (
        (False, "unit by unit instead of gate by gate"),
        (True, "gate by gate instead of unit by unit"),
    ):
        about = {"order": "interleaved", "tensors": "kernels and bias"}
        yield Hypothesis("gate-order", f"the blocks are read {detail}", _interleaved(inverse), about)


def _layouts() -> Iterator[Hypothesis]:
    for (tokens, tensor), (how, transform) in itertools.product(_TENSORS.items(), _TRANSPOSITIONS.items()):
        yield Hypothesis(
            "kernel-transposed", f"the {tensor} {how}", _transposed(tokens, transform), {"tensor": tensor}
        )
    for gate in GATES:
        detail = f"the {GATE_NAMES[gate]}'s block of the recurrent kernel transposed"
        yield Hypothesis(
            "kernel-transposed", detail, _one_gate_transposed(gate), {"tensor": _TENSORS["h"], "gate": gate}
        )
    yield Hypothesis("concat-order", "kernel rows taken as [h, x] instead of [x, h]", _concatenated, {})


def _biases() -> Iterator[Hypothesis]:
    for id_, detail, factors in (
        ("bias-dropped", "no bias at all", _all(0)),
        ("bias-dropped", "the recurrent bias", _two(1, 0)),
        ("bias-dropped", "the input bias", _two(0, 1)),
        ("bias-doubled", "the whole bias", _all(2)),
        ("bias-doubled", "the input bias, with the recurrent bias", _two(2, 1)),
        ("bias-doubled", "the recurrent bias, with the input bias", _two(1, 2)),
        ("bias-doubled", "the input bias, in place of the recurrent bias", _two(2, 0)),
        ("bias-doubled", "the recurrent bias, in place of the input bias", _two(0, 2)),
    ):
        yield Hypothesis(id_, detail, _bias(factors), {"bias": detail})
    for gate in GATES:
        for id_, factors, which in (
            ("bias-dropped", _all(0), "bias"), ("bias-dropped", _two(1, 0), "recurrent bias"),
            ("bias-dropped", _two(0, 1), "input bias"), ("bias-doubled", _all(2), "bias"),
        ):  # fmt: skip
            detail = f"the {GATE_NAMES[gate]}'s {which}"
            yield Hypothesis(id_, detail, _bias(factors, gate), {"bias": which, "gate": gate})
    yield Hypothesis(
        "bias-doubled",
        "the new input's bias added to every gate",
        _candidate_bias_everywhere,
        {"bias": "all", "gate": "j"},
    )
    for token in "hx":
        yield Hypothesis(
            "parameter",
            f"the {_TENSORS[token]} is not used",
            _zeroed(token),
            {"tensor": _TENSORS[token], "size": 0},
        )


def _states(hidden: str, cell: str, last: Reference) -> Change:
    def change(setting: Setting) -> Setting:
        case = setting.case
        known = {
            "given": (case.initial_hidden, case.initial_cell), "swapped": (case.initial_cell, case.initial_hidden),
            "zero": (0 * case.initial_hidden, 0 * case.initial_cell),
            "carried": (last.hidden[:, -1], last.cell[:, -1]),
        }  # fmt: skip
        changed = replace(case, initial_hidden=known[hidden][0], initial_cell=known[cell][1])
        return replace(setting, case=changed)

    return change


def _turned(inputs: bool, outputs: bool) -> Change:
    def change(setting: Setting) -> Setting:
        case, hidden, cell = setting.case, setting.hidden, setting.cell
        if inputs:
            case = replace(case, inputs=case.inputs[:, ::-1])
        if outputs:
            hidden, cell = hidden[:, ::-1], None if cell is None else cell[:, ::-1]
        return replace(setting, case=case, hidden=hidden, cell=cell)

    return change


def _swapped_axes(reshape: bool, states: str) -> Change:
    """[B, T] read as [T, B]: rows of the batch are taken for steps."""

    def change(setting: Setting) -> Setting | None:
        case = setting.case
        batch, steps = case.batch, case.steps
        if steps < 2:
            return None

        def read(array: np.ndarray) -> np.ndarray:
            if reshape:
                return array.reshape(steps, batch, -1).swapaxes(0, 1)
            return array.swapaxes(0, 1)

        hidden = case.initial_hidden
        if not reshape and batch != steps:
            if states == "given":
                return None
            hidden = np.zeros((steps, case.units), hidden.dtype)
        zero = 0 * hidden
        first, second = (hidden, case.initial_cell) if states == "given" else (zero, zero)
        changed = replace(case, inputs=read(case.inputs), initial_hidden=first, initial_cell=second)
        cell = None if setting.cell is None else read(setting.cell)
        return replace(setting, case=changed, hidden=read(setting.hidden), cell=cell)

    return change


def _shifted(steps: int, run: Reference) -> Change:
    """The trajectory is late by ``steps``, or early where that is negative. What has no partner is left out."""

    def change(setting: Setting) -> Setting | None:
        case = setting.case
        if case.steps <= abs(steps) + 1:
            return None
        if steps > 0:
            late = slice(steps, None)
            cell = None if setting.cell is None else setting.cell[:, late]
            return replace(
                setting,
                case=replace(case, inputs=case.inputs[:, :-steps]),
                hidden=setting.hidden[:, late],
                cell=cell,
            )
        hidden, cell = (
            None if seen is None else np.concatenate([own[:, :-steps], seen[:, :steps]], axis=1)
            for seen, own in ((setting.hidden, run.hidden), (setting.cell, run.cell))
        )
        assert hidden is not None
        return replace(setting, hidden=hidden, cell=cell)

    return change


def runtime(steps: int, base: Reference) -> Iterator[Hypothesis]:
    """Hypotheses on how the cell was run, for a trajectory of so many steps; ``base`` is how it should be."""
    for hidden, cell, detail in (
        ("zero", "zero", "zero instead of the given state"), ("zero", "given", "hidden state zero instead of given"),
        ("given", "zero", "cell state zero instead of given"), ("swapped", "swapped", "hidden and cell state swapped"),
    ):  # fmt: skip
        yield Hypothesis(
            "initial-state", detail, _states(hidden, cell, base), {"hidden": hidden, "cell": cell}
        )
    carried = (
        ("carried", "carried", "both states"),
        ("carried", "given", "the hidden state"),
        ("given", "carried", "the cell state"),
    )
    for hidden, cell, detail in carried:
        yield Hypothesis(
            "state-carried",
            f"{detail} of an earlier call with the same inputs",
            _states(hidden, cell, base),
            {"state": detail},
        )
    yield Hypothesis(
        "direction",
        "the sequence runs backwards, outputs not turned back",
        _turned(True, False),
        {"inputs": "reversed"},
    )
    yield Hypothesis(
        "direction",
        "the sequence runs backwards, outputs turned back",
        _turned(True, True),
        {"inputs": "reversed", "outputs": "reversed"},
    )
    yield Hypothesis(
        "direction", "the outputs are turned round", _turned(False, True), {"outputs": "reversed"}
    )
    for reshape, states in itertools.product((False, True), ("given", "zero")):
        how = "reshaped to" if reshape else "read as"
        detail = f"[B, T] {how} [T, B]" + ("" if states == "given" else ", from a zero state")
        yield Hypothesis("batch-time-axes", detail, _swapped_axes(reshape, states), {"states": states})
    for k in sorted(set(range(-8, 9)) - {0}, key=abs):
        if abs(k) < steps - 1:
            yield Hypothesis(
                "time-shift",
                f"the trajectory is {abs(k)} steps {'late' if k > 0 else 'early'}",
                _shifted(k, base),
                {"steps": k},
            )


def peepholes(setting: Setting) -> Iterator[Hypothesis]:
    """Where the cell has any."""
    if setting.case.peepholes is None:
        return

    def reordered(order: tuple[int, ...]) -> Change:
        def change(setting: Setting) -> Setting:
            assert setting.case.peepholes is not None
            return replace(setting, case=replace(setting.case, peepholes=setting.case.peepholes[list(order)]))

        return change

    # As zeros: settings that are compared together have all of them or none.
    yield Hypothesis(
        "peephole-dropped",
        "the peepholes are not used",
        lambda s: replace(s, case=replace(s.case, peepholes=np.zeros((3, s.case.units)))),
        {},
    )
    for order in list(itertools.permutations(range(3)))[1:]:
        name = "".join("ifo"[k] for k in order)
        yield Hypothesis(
            "peephole-order",
            f"where i, f, o belong, there are {', '.join(name)}",
            reordered(order),
            {"order": name},
        )


ORDERS = tuple(_orders())
LAYOUTS = tuple(_layouts())
BIASES = tuple(_biases())

_FUNCTIONS = (equations.TANH, equations.RELU, equations.LINEAR, equations.SOFTSIGN, equations.SIGMOID)
_GATES = (
    equations.SIGMOID,
    equations.HARD_SIGMOID_5,
    equations.HARD_SIGMOID_6,
    equations.TANH,
    equations.LINEAR,
)

_RECURRENT = tuple(
    EquationHypothesis("recurrent-activation", f"the gates go through {name}", {"recurrent_activation": name})
    for name in _GATES
)
_NEW_INPUT = tuple(
    EquationHypothesis(
        "activation",
        f"the new input goes through {name}",
        {"activation": name, "output_activation": equations.TANH},
    )
    for name in _FUNCTIONS
)
_OUTPUT = (
    *(
        EquationHypothesis(
            "output-activation", f"c goes through {name} on its way to h", {"output_activation": name}
        )
        for name in _FUNCTIONS
    ),
    EquationHypothesis(
        "output-activation",
        "h is o alone",
        {"output_activation": equations.ONE},
    ),
)

EQUATIONS = (
    EquationHypothesis("forget-bias", "", {}, "forget_bias"),
    *_RECURRENT,
    *(EquationHypothesis("activation", f"new input and output go through {name}", {"activation": name, "output_activation": None}) for name in _FUNCTIONS),
    *_OUTPUT,
    EquationHypothesis("coupled-gates", "the forget gate is 1 - i", {"coupled": True}),
    EquationHypothesis("coupled-gates", "the forget gate is its own, not 1 - i", {"coupled": False}),
    EquationHypothesis("forget-bias-after-sigmoid", "", {"forget_bias": 0.0}, "forget_bias_after"),
    EquationHypothesis("forget-bias-after-sigmoid", "", {}, "forget_bias_after"),
    EquationHypothesis("cell-clip", "", {}, "cell_clip"),
    EquationHypothesis("cell-clip", "the cell state is not clipped", {"cell_clip": None}),
    EquationHypothesis("peephole-previous", "the output gate's peephole sees the previous cell state", {"output_peephole_previous": True}),
    EquationHypothesis("activation", "gates and new input have each other's function", {"recurrent_activation": equations.TANH, "activation": equations.SIGMOID, "output_activation": equations.TANH}),
    *_NEW_INPUT,
)  # fmt: skip


def _together(*some: EquationHypothesis) -> EquationHypothesis:
    """All at once; of one field, the last has its way."""
    fields = {name: value for each in some for name, value in each.fields.items()}
    return EquationHypothesis(" + ".join(e.id for e in some), "; ".join(e.detail for e in some), fields)


def several_functions(base: Equation) -> Iterator[EquationHypothesis]:
    """Two of the three functions of a cell, or all of them, other than those of ``base``."""
    own = (
        (_RECURRENT, "recurrent_activation", base.recurrent_activation),
        (_NEW_INPUT, "activation", base.activation),
        (_OUTPUT, "output_activation", base.output),
    )
    others = [[h for h in some if h.fields[name] != function] for some, name, function in own]
    for number in (2, 3):
        for functions in itertools.combinations(others, number):
            for chosen in itertools.product(*functions):
                yield _together(*chosen)
