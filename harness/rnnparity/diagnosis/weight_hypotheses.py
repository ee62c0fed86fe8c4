"""Hypotheses on the weights, as data: gates in another order, transposed kernels, biases, peepholes,
projections.

Each hypothesis changes a setting into one that would explain the trajectory. Public reports of each mistake
are linked in :mod:`rnnparity.diagnosis.findings`.
"""

import functools
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from rnnparity.diagnosis.findings import (
    BiasDoubled,
    BiasDropped,
    BiasEverywhere,
    BiasFolded,
    ConcatOrder,
    GateBorrowed,
    GateOrder,
    GatesInterleaved,
    KernelTransposed,
    KernelUnused,
    PeepholeOrder,
    PeepholesDropped,
    Projection,
)
from rnnparity.diagnosis.hypothesis import (
    Change,
    Hypothesis,
    bias_of,
    blocks,
    is_forget,
    kernel_of,
    rows_of,
    with_shares,
    with_weights,
)
from rnnparity.diagnosis.teacher_forcing import Setting
from rnnparity.reference.case import Case
from rnnparity.reference.noise import Array
from rnnparity_adapters.kinds import KINDS, PEEPHOLES, Kind


def _stored(kind: Kind, share: int) -> list[int]:
    """The positions in the canonical bias of the gates that a stored bias holds.

    A GRU's second bias holds m where the first one holds n.
    """
    return [kind.bias_gates.index(gate) for gate in (kind.recurrent_bias_gates if share else kind.gates)]


def _changed_shares(setting: Setting, change: Callable[[Array], Array]) -> Iterator[Array]:
    """The stored biases ``[G U]``, the blocks ``[G, U]`` of each of them changed."""
    kind = setting.case.kind
    for number, share in enumerate(setting.shares):
        changed = blocks(share.copy(), len(kind.bias_gates))
        stored = _stored(kind, number)
        changed[stored] = change(changed[stored])
        yield changed.reshape(-1)


def _gate_order(order: tuple[int, ...], tensors: str, forget_bias_too: bool) -> Change:
    def change(setting: Setting) -> Setting | None:
        kernel = kernel_of(setting)
        gates = blocks(kernel, len(order))
        for token, rows in rows_of(setting).items():
            if token in tensors:
                gates[rows] = gates[rows][:, list(order)]
        if "b" not in tensors:
            return with_weights(setting, kernel)
        own, stored = setting.case.equation.forget_bias, setting.stored_forget_bias
        if forget_bias_too and not own:
            return None  # the same as without it
        # The forget bias leaves or joins the first stored bias while the blocks are reordered.
        apart = ((own if forget_bias_too else 0.0) - stored) * is_forget(setting)
        first, *others = setting.shares
        moved = list(
            _changed_shares(
                replace(setting, shares=(first + apart, *others)), lambda share: share[list(order)]
            )
        )
        moved[0] = moved[0] + (stored - (own if forget_bias_too else 0.0)) * is_forget(setting)
        return with_shares(setting, moved, kernel)

    return change


def _interleaved(by_unit: bool) -> Change:
    """Blocks of gates are read as blocks of units, or the other way round."""

    def swap(stored: Array) -> Array:
        gates, units = stored.shape[-2:]
        flat = stored.reshape(*stored.shape[:-2], -1)
        shape = (gates, units) if by_unit else (units, gates)
        turned = flat.reshape(*flat.shape[:-1], *shape).swapaxes(-1, -2)
        return turned.reshape(stored.shape)

    def change(setting: Setting) -> Setting:
        kernel = blocks(kernel_of(setting), len(setting.case.gates))
        return with_shares(setting, _changed_shares(setting, swap), swap(kernel).reshape(len(kernel), -1))

    return change


def _each_gate(transform: Callable[[Array], Array | None]) -> Callable[[Array], Array | None]:
    def every(stored: Array) -> Array | None:
        changed = [transform(stored[:, gate]) for gate in range(stored.shape[1])]
        found = [part for part in changed if part is not None]
        return np.stack(found, axis=1) if len(found) == len(changed) else None

    return every


def _all_gates(transform: Callable[[Array], Array]) -> Callable[[Array], Array]:
    return lambda stored: transform(stored.reshape(len(stored), -1)).reshape(stored.shape)


def _square(block: Array) -> Array | None:
    return block.T if block.shape[0] == block.shape[1] else None


WHOLE = "whole"
_TRANSPOSITIONS: Mapping[str, Callable[[Array], Array | None]] = {
    WHOLE: _each_gate(_square),
    "reshaped": _each_gate(lambda b: b.T.reshape(b.shape)),
    "from-reshaped": _each_gate(lambda b: b.reshape(b.shape[::-1]).T),
    "all-reshaped": _all_gates(lambda block: block.T.reshape(block.shape)),
    "all-from-reshaped": _all_gates(lambda block: block.reshape(block.shape[::-1]).T),
}
"""The ways to transpose a kernel's blocks ``[rows, G, U]``.

Each gate's block is transposed; or transposed and reshaped back to its shape; or reshaped to the shape of its
transpose and then transposed. The last two are done with all gates side by side as well. cuDNN's files hold
transposed blocks: https://github.com/keras-team/keras/pull/8307
"""


def _transposed(tensors: str, transform: Callable[[Array], Array | None]) -> Change:
    def change(setting: Setting) -> Setting | None:
        kernel = kernel_of(setting)
        gates = blocks(kernel, len(setting.case.gates))
        for token, rows in rows_of(setting).items():
            if token in tensors:
                changed = transform(gates[rows])
                if changed is None:
                    return None
                gates[rows] = changed
        return with_weights(setting, kernel)

    return change


def _one_gate_transposed(gate: int) -> Change:
    def change(setting: Setting) -> Setting | None:
        kernel = kernel_of(setting)
        block = blocks(kernel, len(setting.case.gates))[setting.case.input_size :, gate]
        if block.shape[0] != block.shape[1]:
            return None
        block[:] = block.T.copy()
        return with_weights(setting, kernel)

    return change


def _concatenated(setting: Setting) -> Setting:
    kernel, width = kernel_of(setting), setting.case.initial_hidden.shape[1]
    return with_weights(setting, np.concatenate([kernel[width:], kernel[:width]]))


def _bias(first: int, second: int, gates: str = "") -> Change:
    """The shares of the bias are added ``first`` and ``second`` times, in some gates or in all."""

    def change(setting: Setting) -> Setting | None:
        if len(setting.shares) != 2 and first != second:
            return None
        times = (first, second) if len(setting.shares) == 2 else (first,) * len(setting.shares)
        names = setting.case.kind.bias_gates
        chosen = np.repeat([gate in (gates or names) for gate in names], setting.case.units)
        pairs = zip(times, setting.shares, strict=True)
        return with_shares(setting, [np.where(chosen, factor * share, share) for factor, share in pairs])

    return change


def _bias_everywhere(gate: str) -> Change:
    """One gate's bias is added to every gate's bias, including its own."""

    def change(setting: Setting) -> Setting:
        bias = bias_of(setting)
        everywhere = bias + bias[setting.case.kind.bias_gates.index(gate)]
        return with_weights(setting, bias=everywhere.reshape(-1))

    return change


def _folded(source: str, target: str) -> Change:
    """One gate's bias is added to another gate instead."""

    def change(setting: Setting) -> Setting:
        names, bias = setting.case.kind.bias_gates, bias_of(setting)
        bias[names.index(target)] += bias[names.index(source)]
        bias[names.index(source)] = 0
        return with_weights(setting, bias=bias.reshape(-1))

    return change


def _projected_as(source: str, target: str) -> Change:
    """A gate uses another gate's product with the input, including that gate's bias."""

    def change(setting: Setting) -> Setting:
        case = setting.case
        gates, names = case.gates, case.kind.bias_gates
        kernel, bias = kernel_of(setting), bias_of(setting)
        inputs = blocks(kernel, len(gates))[: case.input_size]
        inputs[:, gates.index(target)] = inputs[:, gates.index(source)]
        bias[names.index(target)] += bias[names.index(source)]
        return with_weights(setting, kernel, bias.reshape(-1))

    return change


def _zeroed(tensor: str) -> Change:
    def change(setting: Setting) -> Setting:
        kernel = kernel_of(setting)
        kernel[rows_of(setting)[tensor]] = 0
        return with_weights(setting, kernel)

    return change


_SCOPES = ("xhb", "xh", "h", "x", "b", "hb", "xb")
"""The sets of tensors whose gates may be in another order than in the other tensors."""


def _orders(kind: Kind) -> Iterator[Hypothesis]:
    gates = kind.gates
    if len(gates) == 1:
        return
    for tensors in _SCOPES:
        for order in [*list(itertools.permutations(range(len(gates))))[1:], *_twice(len(gates))]:
            name = "".join(gates[position] for position in order)
            moves = "b" in tensors and "f" in gates and name[gates.index("f")] != "f"
            for too in (False, True) if moves else (False,):
                yield Hypothesis(
                    (GateOrder(tensors, name, too),), _gate_order(order, tensors, too), by_unit=True
                )
    for by_unit in (True, False):
        yield Hypothesis((GatesInterleaved(by_unit),), _interleaved(by_unit))


def is_permutation(order: Hypothesis) -> bool:
    """Whether the hypothesis is that all tensors have the same other order, with each gate once."""
    (finding,) = order.findings
    return isinstance(finding, GateOrder) and finding.is_permutation


def _twice(gates: int) -> Iterator[tuple[int, ...]]:
    """Orders in which one block is in the place of another one as well as in its own."""
    for target, source in itertools.permutations(range(gates), 2):
        yield tuple(source if position == target else position for position in range(gates))


def _layouts(kind: Kind) -> Iterator[Hypothesis]:
    for tensors, (how, transform) in itertools.product(("h", "x", "xh"), _TRANSPOSITIONS.items()):
        yield Hypothesis((KernelTransposed(tensors, how),), _transposed(tensors, transform))
    for number, gate in enumerate(kind.gates if len(kind.gates) > 1 else ""):
        yield Hypothesis((KernelTransposed("h", WHOLE, gate),), _one_gate_transposed(number))
    yield Hypothesis((ConcatOrder(),), _concatenated, by_unit=True)


_Times = tuple[tuple[int, int], ...]
"""How often the input bias and the recurrent bias are added."""
_DROPPED: _Times = ((0, 0), (1, 0), (0, 1))
"""One of them, or both, are left out."""
_DOUBLED: _Times = ((2, 2), (2, 1), (1, 2), (2, 0), (0, 2))
"""One of them, or both, are added twice."""
_DOUBLED_OF_A_GATE: _Times = ((2, 2),)
"""As above, where this happens in one gate only."""


def _biases(kind: Kind) -> Iterator[Hypothesis]:
    for finding, times in ((BiasDropped, _DROPPED), (BiasDoubled, _DOUBLED)):
        for factors in times:
            yield Hypothesis((finding(*factors),), _bias(*factors), by_unit=True)
    for gate in kind.bias_gates if len(kind.bias_gates) > 1 else "":
        for finding, times in ((BiasDropped, _DROPPED), (BiasDoubled, _DOUBLED_OF_A_GATE)):
            for factors in times:
                yield Hypothesis((finding(*factors, gate),), _bias(*factors, gate), by_unit=True)
    if len(kind.gates) > 1:
        yield Hypothesis((BiasEverywhere(kind.candidate),), _bias_everywhere(kind.candidate), by_unit=True)
    if "m" in kind.bias_gates:
        for source, target in ("mn", "nm"):
            yield Hypothesis((BiasFolded(source, target),), _folded(source, target), by_unit=True)
        # Keras 2.0.1, x_h = x_r + b_h:
        # https://github.com/keras-team/keras/blob/2.0.1/keras/layers/recurrent.py
        yield Hypothesis((GateBorrowed("n", "r", "rzr"),), _projected_as("r", "n"), by_unit=True)
    for tensor in "hx":
        yield Hypothesis((KernelUnused(tensor),), _zeroed(tensor), by_unit=True)


def of_extras(setting: Setting) -> Iterator[Hypothesis]:
    """The hypotheses on peepholes ``[3, U]`` and on a projection ``[U, P]``, where the setting has them."""
    if setting.case.projection is not None:
        yield from _PROJECTIONS
    if setting.case.peepholes is None:
        return

    def reordered(order: tuple[int, ...]) -> Change:
        def change(setting: Setting) -> Setting:
            assert setting.case.peepholes is not None
            return replace(setting, case=replace(setting.case, peepholes=setting.case.peepholes[list(order)]))

        return change

    # Dropped peepholes are zeros, not None: settings that are evaluated together all have some, or none has.
    zeros = np.zeros((len(PEEPHOLES), setting.case.units))
    yield Hypothesis((PeepholesDropped(),), lambda s: replace(s, case=replace(s.case, peepholes=zeros)))
    missing = {k for k, vector in enumerate(setting.case.peepholes) if not vector.any()}
    for order in list(itertools.permutations(range(len(PEEPHOLES))))[1:]:
        if any(order[k] != k for k in missing):
            continue  # a gate without a peephole takes and gives none
        name = "".join(PEEPHOLES[k] for k in order)
        yield Hypothesis((PeepholeOrder(name),), reordered(order), by_unit=True)


def _reprojected(change_of: Callable[[Array], Array]) -> Change:
    def change(setting: Setting) -> Setting | None:
        matrix = setting.case.projection
        if matrix is None or matrix.shape[0] != matrix.shape[1]:
            return None
        return replace(setting, case=replace(setting.case, projection=change_of(matrix)))

    return change


# A missing projection is the unit matrix, not None: settings that are evaluated together all have one, or
# none.
_PROJECTIONS = (
    Hypothesis((Projection("missing"),), _reprojected(lambda p: np.eye(len(p)))),
    Hypothesis((Projection("transposed"),), _reprojected(lambda p: p.T)),
)


class Tables(NamedTuple):
    """The hypotheses for a kind of cell: on the order of gates, on the kernels, on the biases."""

    orders: tuple[Hypothesis, ...]
    layouts: tuple[Hypothesis, ...]
    biases: tuple[Hypothesis, ...]


@functools.cache
def tables(cell: str, without: str = "") -> Tables:
    """The hypotheses for a kind of cell, by its name; none reads or fills the blocks of gates ``without``."""
    kind = KINDS[cell]
    orders = (order for order in _orders(kind) if not _moves(order, kind.gates, without))
    return Tables(tuple(orders), tuple(_layouts(kind)), tuple(_biases(kind)))


def tables_for(case: Case) -> Tables:
    """The hypotheses for the cell of a case, which may be without an input gate."""
    kernel = blocks(np.asarray(case.weights.kernel), len(case.gates))
    has_none = case.equation.input_coupled and not kernel[:, case.gates.index("i")].any()
    return tables(case.equation.cell, "i" if has_none else "")


def _moves(order: Hypothesis, gates: str, without: str) -> bool:
    """Whether a hypothesis reads the block of one of these gates, or a gate in the place of one."""
    (finding,) = order.findings
    if not isinstance(finding, GateOrder):
        return bool(without)
    sources = zip(gates, finding.order, strict=True)
    return any(gate != source and (gate in without or source in without) for gate, source in sources)
