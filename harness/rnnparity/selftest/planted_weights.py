"""Changes of weights: what a mistake makes of a kernel, a bias, peepholes or a projection."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from rnnparity.reference.case import Case
from rnnparity.selftest.plain_cells import Array
from rnnparity.selftest.planted_changes import Change, Random, Shares
from rnnparity_adapters.layout import Weights


def split(case: Case, two: bool) -> Shares:
    """The bias as an api stores it that has one or ``two``: three quarters, and the rest.

    Of two, a gate that only one of them has is all there: a GRU's n and m.
    """
    bias = np.asarray(case.weights.bias, np.float64)
    if not two:
        return (bias,)
    most = (case.weights.bias * np.float32(0.75)).astype(np.float64)
    held = [[gate in gates for gate in case.kind.bias_gates] for gates in _held(case)]
    with_kernel, with_recurrent = (np.repeat(gates, case.units) for gates in held)
    first = np.where(with_kernel & with_recurrent, most, np.where(with_kernel, bias, 0.0))
    return first, bias - first


def _held(case: Case) -> tuple[str, str]:
    """The gates of the kernel's bias, and those of the recurrent kernel's."""
    return case.kind.gates, case.kind.recurrent_bias_gates


def _blocks(case: Case) -> Array:
    """A copy of the kernel ``[I+P, G, U]``."""
    return np.array(case.weights.kernel).reshape(len(case.weights.kernel), len(case.gates), -1)


def _bias_blocks(case: Case, bias: Array) -> Array:
    """A copy of a bias ``[G, U]``, a GRU's m the last."""
    return np.array(bias).reshape(len(case.kind.bias_gates), -1)


def _with(case: Case, kernel: Array | None = None, bias: Array | None = None) -> Case:
    """The case with this kernel ``[I+P, G, U]`` and this bias ``[G, U]``, its own where there is none."""
    old = case.weights
    weights = Weights(
        old.kernel if kernel is None else np.ascontiguousarray(kernel.reshape(old.kernel.shape)),
        old.bias if bias is None else np.ascontiguousarray(bias.reshape(-1)),
    )
    return replace(case, weights=weights)


def gate_order(tensors: str, order: Sequence[int] | None = None) -> Change:
    """Gates in another order in these tensors: ``x``, ``h`` and ``b``, letters as a diagnosis has them."""

    def change(case: Case, shares: Shares, random: Random) -> Case:
        kernel, size = _blocks(case), case.input_size
        every = range(len(case.gates))
        stored = [k for k in every if kernel[:, k].any()]  # no api reads a block that it does not have
        chosen = list(every if order is None or len(stored) < len(every) else order)
        while chosen == sorted(chosen):
            random.shuffle(stored)
            taken = iter(stored)
            chosen = [next(taken) if kernel[:, k].any() else k for k in every]
        for letter, rows in (("x", slice(None, size)), ("h", slice(size, None))):
            if letter in tensors:
                kernel[rows] = kernel[rows][:, chosen]
        bias = np.zeros((len(case.kind.bias_gates), case.units))
        for share, gates in zip(shares, _held(case), strict=False):
            found, places = _bias_blocks(case, share), [case.kind.bias_gates.index(gate) for gate in gates]
            found[places] = found[places][chosen]
            bias += found
        return _with(case, kernel, bias if "b" in tensors else None)

    return change


def kernel(change: Callable[[Array, int], Array]) -> Change:
    """``change`` of the kernel ``[I+P, G, U]``, given I."""
    return lambda case, shares, random: _with(case, change(_blocks(case), case.input_size))


def transposed(kernel: Array, size: int) -> Array:
    """Each gate's recurrent kernel ``[U, U]``."""
    kernel[size:] = kernel[size:].transpose(2, 1, 0).copy()
    return kernel


def flat_transposed(kernel: Array, size: int) -> Array:
    """Each gate's two kernels, read in the shapes that they should have."""
    for gate in range(kernel.shape[1]):
        for part in (kernel[:size, gate], kernel[size:, gate]):
            part[:] = part.T.reshape(part.shape).copy()
    return kernel


def rows_turned(kernel: Array, size: int) -> Array:
    """Rows of h before those of x, where those of x are expected first."""
    width = len(kernel) - size
    return np.concatenate([kernel[width:], kernel[:width]])


def shares_times(*factors: float) -> Change:
    """Each stored bias counts so many times; a single one as the first."""

    def change(case: Case, shares: Shares, random: Random) -> Case:
        counted = [factor * share for factor, share in zip(factors, shares, strict=False)]
        return _with(case, bias=np.sum(counted, axis=0))

    return change


def one_gates_bias(factor: float) -> Change:
    """One gate's bias counts so many times."""

    def change(case: Case, shares: Shares, random: Random) -> Case:
        bias = _bias_blocks(case, case.weights.bias)
        bias[random.randint(len(case.gates))] *= factor
        return _with(case, bias=bias)

    return change


def bias(change: Callable[[Array], Array]) -> Change:
    """``change`` of the bias ``[G, U]``."""
    return lambda case, shares, random: _with(case, bias=change(_bias_blocks(case, case.weights.bias)))


def without_m(bias: Array) -> Array:
    """A GRU's m ``[U]`` is zero."""
    bias[3] = 0
    return bias


def folded(bias: Array) -> Array:
    """A GRU's m ``[U]`` is part of n's bias."""
    bias[2] += bias[3]
    return without_m(bias)


def everywhere(bias: Array) -> Array:
    """The new input's bias ``[U]`` is added to every gate, its own too."""
    bias += bias[1].copy()
    return bias


def projected_as_r(case: Case, shares: Shares, random: Random) -> Case:
    """Keras 2.0.1's GRU: x_n = x_r + b_n."""
    kernel, bias = _blocks(case), _bias_blocks(case, case.weights.bias)
    kernel[: case.input_size, 2] = kernel[: case.input_size, 0]
    bias[2] += bias[0]
    return _with(case, kernel, bias)


class Nudge(NamedTuple):
    """One weight, and what is added to it: of the kernel, or in a ``column`` of the bias without ``row``."""

    row: int | None
    column: int
    change: np.float32


def nudge(case: Case, random: Random, relative: float, tensor: str) -> Nudge:
    """One weight off by ``relative`` times the RMS of its ``tensor``: ``x``, ``h`` or ``b``."""
    first = case.input_size if tensor == "h" else 0
    among = {
        "x": case.weights.kernel[: case.input_size],
        "h": case.weights.kernel[first:],
        "b": case.weights.bias[None],
    }[tensor]
    row, column = (random.randint(length) for length in among.shape)
    change = relative * np.sqrt(np.mean(among**2)) * (1 if random.rand() < 0.5 else -1)
    return Nudge(None if tensor == "b" else first + row, column, np.float32(change))


def one_weight_off(case: Case, weight: Nudge) -> Case:
    """The case with that weight changed."""
    kernel, bias = case.weights.kernel.copy(), case.weights.bias.copy()
    if weight.row is None:
        bias[weight.column] += weight.change
    else:
        kernel[weight.row, weight.column] += weight.change
    return _with(case, kernel, bias)


def one_weight(case: Case, shares: Shares, random: Random) -> Case:
    """Any weight, off by something large."""
    row, column = (random.randint(length) for length in case.weights.kernel.shape)
    change = random.choice([-1, 1]) * random.uniform(0.02, 0.4)
    return one_weight_off(case, Nudge(row, column, np.float32(change)))


def one_block(gate: str = "") -> Change:
    """Other numbers in one gate's bias, input kernel or recurrent kernel."""

    def change(case: Case, shares: Shares, random: Random) -> Case:
        kernel, bias = _blocks(case), _bias_blocks(case, case.weights.bias)
        place = case.gates.index(gate) if gate else random.randint(len(case.gates))
        parts = (bias[place], kernel[: case.input_size, place], kernel[case.input_size :, place])
        part = parts[random.randint(len(parts))]
        part += random.uniform(-0.3, 0.3, part.shape).astype(part.dtype)
        return _with(case, kernel, bias)

    return change


# Peepholes and a projection: what the claim has, and what is made of it. The claim's are numbers that the
# dtype of the case can hold, as a framework's are.


def with_peepholes(case: Case, shares: Shares, random: Random) -> Case:
    """The case with peepholes ``[3, U]``."""
    return replace(case, peepholes=_uniform(case, random, 1.0, (3, case.units)))


def with_projection(case: Case, shares: Shares, random: Random) -> Case:
    """The case with a projection ``[U, U]``."""
    return replace(case, projection=_uniform(case, random, 0.6, (case.units, case.units)))


def _uniform(case: Case, random: Random, limit: float, shape: tuple[int, ...]) -> Array:
    return random.uniform(-limit, limit, shape).astype(case.dtype).astype(np.float64)


def peepholes(change: Callable[[Array], Array]) -> Change:
    """``change`` of the peepholes ``[3, U]``."""

    def changed(case: Case, shares: Shares, random: Random) -> Case:
        assert case.peepholes is not None
        return replace(case, peepholes=change(case.peepholes))

    return changed


def projection(change: Callable[[Array], Array]) -> Change:
    """``change`` of the projection ``[U, U]``."""

    def changed(case: Case, shares: Shares, random: Random) -> Case:
        assert case.projection is not None
        return replace(case, projection=change(case.projection))

    return changed
