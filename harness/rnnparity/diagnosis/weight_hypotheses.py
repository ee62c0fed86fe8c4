"""What may be wrong with the weights, as data: each hypothesis changes a setting into one that would explain
the trajectory.
"""

import functools
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from rnnparity.diagnosis.teacher_forcing import Setting
from rnnparity.reference.noise import Array
from rnnparity_adapters.layout import BIAS_GATES, GATE_NAMES, GATES, Weights

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


def _kernel(setting: Setting) -> Array:
    return np.array(setting.case.weights.kernel, np.float64)


def with_weights(setting: Setting, kernel: Array | None = None, bias: Array | None = None) -> Setting:
    """The setting with another canonical kernel or bias."""
    old = setting.case.weights
    weights = Weights(old.kernel if kernel is None else kernel, old.bias if bias is None else bias)
    return replace(setting, case=replace(setting.case, weights=weights))


def _blocks(array: Array, gates: int) -> Array:
    """``[..., G U]`` -> ``[..., G, U]``, a view."""
    return array.reshape(*array.shape[:-1], gates, -1)


def _row_slices(setting: Setting) -> dict[str, slice]:
    size = setting.case.input_size
    return {"x": slice(0, size), "h": slice(size, None)}


def _stored(cell: str, share: int) -> list[int]:
    """The blocks of the canonical bias that a stored bias has: a GRU's second one has m in the place of n."""
    blocks = list(range(len(GATES[cell])))
    return [*blocks[:-1], BIAS_GATES[cell].index("m")] if cell == "gru" and share else blocks


def _changed_bias(setting: Setting, change: Callable[[Array], Array]) -> Array:
    """The bias, if the blocks ``[G, U]`` of each of its shares were changed."""
    cell = setting.case.equation.cell
    total = np.zeros_like(setting.shares[0])
    for number, share in enumerate(setting.shares):
        blocks = _blocks(share.copy(), len(BIAS_GATES[cell]))
        stored = _stored(cell, number)
        blocks[stored] = change(blocks[stored])
        total = total + blocks.reshape(-1)
    return total


def _gate_order(order: tuple[int, ...], scope: str) -> Change:
    def change(setting: Setting) -> Setting:
        kernel = _kernel(setting)
        blocks = _blocks(kernel, len(order))
        for token, rows in _row_slices(setting).items():
            if token in scope:
                blocks[rows] = blocks[rows][:, list(order)]
        bias = _changed_bias(setting, lambda share: share[list(order)]) if "b" in scope else None
        return with_weights(setting, kernel, bias)

    return change


def _interleaved(inverse: bool) -> Change:
    """Blocks of gates read as blocks of units, or the other way round."""

    def swap(blocks: Array) -> Array:
        gates, units = blocks.shape[-2:]
        flat = blocks.reshape(*blocks.shape[:-2], -1)
        shape = (units, gates) if inverse else (gates, units)
        turned = flat.reshape(*flat.shape[:-1], *shape).swapaxes(-1, -2)
        return turned.reshape(blocks.shape)

    def change(setting: Setting) -> Setting:
        kernel = _blocks(_kernel(setting), len(setting.case.gates))
        return with_weights(setting, swap(kernel).reshape(len(kernel), -1), _changed_bias(setting, swap))

    return change


def _each_gate(transform: Callable[[Array], Array | None]) -> Callable[[Array], Array | None]:
    def every(blocks: Array) -> Array | None:
        changed = [transform(blocks[:, gate]) for gate in range(blocks.shape[1])]
        found = [part for part in changed if part is not None]
        return np.stack(found, axis=1) if len(found) == len(changed) else None

    return every


def _all_gates(transform: Callable[[Array], Array]) -> Callable[[Array], Array]:
    return lambda blocks: transform(blocks.reshape(len(blocks), -1)).reshape(blocks.shape)


def _square(block: Array) -> Array | None:
    return block.T if block.shape[0] == block.shape[1] else None


_TRANSPOSITIONS: Mapping[str, Callable[[Array], Array | None]] = {
    "each gate's block transposed": _each_gate(_square),
    "each gate's block transposed and reshaped back": _each_gate(lambda b: b.T.reshape(b.shape)),
    "each gate's block reshaped to its transpose's shape, and transposed": _each_gate(
        lambda b: b.reshape(b.shape[::-1]).T
    ),
    "transposed and reshaped back": _all_gates(lambda block: block.T.reshape(block.shape)),
    "reshaped to its transpose's shape, and transposed": _all_gates(
        lambda block: block.reshape(block.shape[::-1]).T
    ),
}
_TENSORS = {"h": "recurrent kernel", "x": "input kernel", "xh": "both kernels"}


def _transposed(tokens: str, transform: Callable[[Array], Array | None]) -> Change:
    def change(setting: Setting) -> Setting | None:
        kernel = _kernel(setting)
        blocks = _blocks(kernel, len(setting.case.gates))
        for token, rows in _row_slices(setting).items():
            if token in tokens:
                changed = transform(blocks[rows])
                if changed is None:
                    return None
                blocks[rows] = changed
        return with_weights(setting, kernel)

    return change


def _one_gate_transposed(gate: int) -> Change:
    def change(setting: Setting) -> Setting | None:
        kernel = _kernel(setting)
        block = _blocks(kernel, len(setting.case.gates))[setting.case.input_size :, gate]
        if block.shape[0] != block.shape[1]:
            return None
        block[:] = block.T.copy()
        return with_weights(setting, kernel)

    return change


def _concatenated(setting: Setting) -> Setting:
    kernel, width = _kernel(setting), setting.case.initial_hidden.shape[1]
    return with_weights(setting, np.concatenate([kernel[width:], kernel[:width]]))


def _bias(factors: Callable[[int], list[float]], gates: str = "") -> Change:
    """The shares of the bias times factors, in some gates or in all."""

    def change(setting: Setting) -> Setting | None:
        times = factors(len(setting.shares))
        if not times:
            return None
        names = BIAS_GATES[setting.case.equation.cell]
        chosen = np.repeat([gate in (gates or names) for gate in names], setting.case.units)
        pairs = zip(times, setting.shares, strict=True)
        bias = np.where(chosen, sum(factor * share for factor, share in pairs), setting.case.weights.bias)
        return with_weights(setting, bias=bias)

    return change


def _bias_everywhere(gate: str) -> Change:
    """One gate's bias added to that of every gate, its own too."""

    def change(setting: Setting) -> Setting:
        names = BIAS_GATES[setting.case.equation.cell]
        blocks = _blocks(np.array(setting.case.weights.bias, np.float64), len(names))
        return with_weights(setting, bias=(blocks + blocks[names.index(gate)]).reshape(-1))

    return change


def _folded(source: str, target: str) -> Change:
    """One gate's bias moved to another one."""

    def change(setting: Setting) -> Setting:
        names = BIAS_GATES[setting.case.equation.cell]
        blocks = _blocks(np.array(setting.case.weights.bias, np.float64), len(names))
        blocks[names.index(target)] += blocks[names.index(source)]
        blocks[names.index(source)] = 0
        return with_weights(setting, bias=blocks.reshape(-1))

    return change


def _projected_as(source: str, target: str) -> Change:
    """A gate takes another one's projection of the input, its bias included."""

    def change(setting: Setting) -> Setting:
        case = setting.case
        gates, names = case.gates, BIAS_GATES[case.equation.cell]
        kernel, bias = _kernel(setting), _blocks(np.array(case.weights.bias, np.float64), len(names))
        blocks = _blocks(kernel, len(gates))[: case.input_size]
        blocks[:, gates.index(target)] = blocks[:, gates.index(source)]
        bias[names.index(target)] += bias[names.index(source)]
        return with_weights(setting, kernel, bias.reshape(-1))

    return change


def _two(first: float, second: float) -> Callable[[int], list[float]]:
    return lambda shares: [first, second] if shares == 2 else []


def _all(factor: float) -> Callable[[int], list[float]]:
    return lambda shares: [factor] * shares


def _zeroed(token: str) -> Change:
    def change(setting: Setting) -> Setting:
        kernel = _kernel(setting)
        kernel[_row_slices(setting)[token]] = 0
        return with_weights(setting, kernel)

    return change


_SCOPES = {
    "xhb": "kernels and bias", "xh": "kernels", "h": "recurrent kernel", "x": "input kernel", "b": "bias",
    "hb": "recurrent kernel and bias", "xb": "input kernel and bias",
}  # fmt: skip


def _orders(cell: str) -> Iterator[Hypothesis]:
    gates = GATES[cell]
    if len(gates) == 1:
        return
    for scope, tensors in _SCOPES.items():
        for order in [*list(itertools.permutations(range(len(gates))))[1:], *_twice(len(gates))]:
            name = "".join(gates[position] for position in order)
            about = {"order": name, "tensors": tensors}
            detail = f"where {', '.join(gates)} belong, the {tensors} have {', '.join(name)}"
            yield Hypothesis("gate-order", detail, _gate_order(order, scope), about)
    for inverse, detail in (
        (False, "unit by unit instead of gate by gate"),
        (True, "gate by gate instead of unit by unit"),
    ):
        about = {"order": "interleaved", "tensors": "kernels and bias"}
        yield Hypothesis("gate-order", f"the blocks are read {detail}", _interleaved(inverse), about)


def is_permutation(order: Hypothesis) -> bool:
    """Whether all tensors have the gates in one other order, each of them once."""
    name, tensors = order.about["order"], order.about["tensors"]
    return tensors == "kernels and bias" and len(set(name)) == len(name) and name != "interleaved"


def _twice(gates: int) -> Iterator[tuple[int, ...]]:
    """One block in the place of another as well as in its own."""
    for target, source in itertools.permutations(range(gates), 2):
        yield tuple(source if position == target else position for position in range(gates))


def _layouts(cell: str) -> Iterator[Hypothesis]:
    for (tokens, tensor), (how, transform) in itertools.product(_TENSORS.items(), _TRANSPOSITIONS.items()):
        yield Hypothesis(
            "kernel-transposed", f"the {tensor} {how}", _transposed(tokens, transform), {"tensor": tensor}
        )
    for number, gate in enumerate(GATES[cell] if len(GATES[cell]) > 1 else ""):
        detail = f"the {GATE_NAMES[gate]}'s block of the recurrent kernel transposed"
        yield Hypothesis(
            "kernel-transposed", detail, _one_gate_transposed(number), {"tensor": _TENSORS["h"], "gate": gate}
        )
    yield Hypothesis("concat-order", "kernel rows taken as [h, x] instead of [x, h]", _concatenated, {})


_FOLDED = (
    ("m", "n", "the new state's recurrent bias folded into its input bias, outside the reset gate's product"),
    ("n", "m", "the new state's input bias folded into its recurrent bias, inside the reset gate's product"),
)


def _biases(cell: str) -> Iterator[Hypothesis]:
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
    for gate in BIAS_GATES[cell] if len(BIAS_GATES[cell]) > 1 else "":
        for id_, factors, which in (
            ("bias-dropped", _all(0), "bias"), ("bias-dropped", _two(1, 0), "recurrent bias"),
            ("bias-dropped", _two(0, 1), "input bias"), ("bias-doubled", _all(2), "bias"),
        ):  # fmt: skip
            detail = f"the {GATE_NAMES[gate]}'s {which}"
            yield Hypothesis(id_, detail, _bias(factors, gate), {"bias": which, "gate": gate})
    for gate in {"lstm": "j", "gru": "n"}.get(cell, ""):
        detail = f"the {GATE_NAMES[gate]}'s bias added to every gate"
        yield Hypothesis("bias-doubled", detail, _bias_everywhere(gate), {"bias": "all", "gate": gate})
    for source, target, detail in _FOLDED if cell == "gru" else ():
        yield Hypothesis("bias-folded", detail, _folded(source, target), {"from": source, "to": target})
    if cell == "gru":
        detail = "the new state takes the reset gate's product with the input, its bias included"
        about = {"order": "rzr", "tensors": "input kernel and bias"}
        yield Hypothesis("gate-order", detail, _projected_as("r", "n"), about)
    for token in "hx":
        yield Hypothesis(
            "parameter",
            f"the {_TENSORS[token]} is not used",
            _zeroed(token),
            {"tensor": _TENSORS[token], "size": 0},
        )


def own(setting: Setting) -> Iterator[Hypothesis]:
    """On the peepholes and the projection, where the cell has any."""
    if setting.case.projection is not None:
        yield from _PROJECTIONS
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


def _reprojected(change_of: Callable[[Array], Array]) -> Change:
    def change(setting: Setting) -> Setting | None:
        matrix = setting.case.projection
        if matrix is None or matrix.shape[0] != matrix.shape[1]:
            return None
        return replace(setting, case=replace(setting.case, projection=change_of(matrix)))

    return change


# As a matrix: settings that are compared together have all of them or none.
_PROJECTIONS = (
    Hypothesis(
        "projection",
        "the projection is not used",
        _reprojected(lambda p: np.eye(len(p))),
        {"projection": "missing"},
    ),
    Hypothesis(
        "projection",
        "the projection is on the other side: transposed",
        _reprojected(lambda p: p.T),
        {"projection": "transposed"},
    ),
)


class Tables(NamedTuple):
    """What may be wrong with a kind of cell: the order of gates, the kernels, the biases."""

    orders: tuple[Hypothesis, ...]
    layouts: tuple[Hypothesis, ...]
    biases: tuple[Hypothesis, ...]


@functools.cache
def tables(cell: str) -> Tables:
    """The hypotheses for ``lstm``, ``gru`` or ``rnn``."""
    return Tables(tuple(_orders(cell)), tuple(_layouts(cell)), tuple(_biases(cell)))
