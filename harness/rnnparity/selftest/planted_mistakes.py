"""Mistakes to plant: an LSTM in float32, and one thing wrong with it."""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnnparity.reference.case import Case
from rnnparity_adapters.layout import Weights

Float32 = NDArray[np.float32]
Function = Callable[[Float32], Float32]


class Trajectory(NamedTuple):
    """Hidden and cell state, each ``[B, T, U]`` float32."""

    hidden: Float32
    cell: Float32


def _sigmoid(z: Float32) -> Float32:
    value: Float32 = np.float32(1) / (np.float32(1) + np.exp(-z))
    return value


def _hard_sigmoid(slope: float) -> Function:
    return lambda z: np.clip(np.float32(slope) * z + np.float32(0.5), 0, 1, dtype=np.float32)


def _identity(z: Float32) -> Float32:
    return z


@dataclass(frozen=True)
class Cell:
    """An LSTM in float32, with a place for each mistake that is not one of weights or states.

    ``round_state`` and ``round_factor`` lower the precision of what is stored, and of what is multiplied.
    """

    gate: Function = _sigmoid
    candidate: Function = np.tanh
    output: Function = np.tanh
    added_after: float = 0.0
    round_state: Function = _identity
    round_factor: Function = _identity

    def run(self, case: Case) -> Trajectory:
        """The trajectory of a float32 case."""
        kernel, bias = self.round_factor(case.weights.kernel), case.weights.bias
        forget_bias, after = np.float32(case.equation.forget_bias), np.float32(self.added_after)
        h: Any = case.initial_hidden
        c: Any = case.initial_cell
        states = []
        with np.errstate(over="ignore", invalid="ignore"):  # a mistake may grow without bound
            for x in case.inputs.swapaxes(0, 1):
                xh: Any = np.concatenate([x, h], 1)
                gates: list[Any] = np.split(self.round_factor(xh) @ kernel + bias, 4, 1)
                i, j, f, o = gates
                c = (self.gate(f + forget_bias) + after) * c + self.gate(i) * self.candidate(j)
                c = self.round_state(c)
                h = self.round_state(self.gate(o) * self.output(c))
                states.append((h, c))
        return Trajectory(*(np.stack(state, axis=1) for state in zip(*states, strict=True)))


CORRECT = Cell()
Mistake = Callable[[Case, np.random.RandomState], Trajectory]


def _blocks(array: Float32) -> Float32:
    """``[..., 4U]`` -> ``[..., 4, U]``, gates i, j, f, o."""
    return array.reshape(*array.shape[:-1], 4, array.shape[-1] // 4)


def _reordered(array: Float32, order: tuple[int, ...]) -> Float32:
    return _blocks(array)[..., order, :].reshape(array.shape)


def _with(case: Case, kernel: Float32 | None = None, bias: Float32 | None = None) -> Trajectory:
    old = case.weights
    weights = Weights(old.kernel if kernel is None else kernel, old.bias if bias is None else bias)
    return CORRECT.run(replace(case, weights=weights))


def _gate_order(kernel: str, bias: bool, order: tuple[int, ...]) -> Mistake:
    """Gates in a wrong order, in all rows of the kernel, the recurrent ones or none, and in the bias."""

    def run(case: Case, _: np.random.RandomState) -> Trajectory:
        changed, biases = case.weights.kernel.copy(), case.weights.bias
        first = {"all": 0, "recurrent": case.input_size, "none": len(changed)}[kernel]
        changed[first:] = _reordered(changed[first:], order)
        return _with(case, changed, _reordered(biases, order) if bias else biases)

    return run


def _transposed(case: Case, _: np.random.RandomState) -> Trajectory:
    kernel = case.weights.kernel.copy()
    recurrent = _blocks(kernel[case.input_size :])
    kernel[case.input_size :] = recurrent.transpose(2, 1, 0).reshape(case.units, -1)
    return _with(case, kernel)


def _bias_times(factor: float) -> Mistake:
    """Of two biases that add up to 3/4 and 1/4 of the bias, one dropped or doubled."""
    return lambda case, _: _with(case, bias=case.weights.bias * np.float32(factor))


def _forget_bias(factor: float, after: float) -> Mistake:
    def run(case: Case, _: np.random.RandomState) -> Trajectory:
        bias = case.equation.forget_bias
        changed = replace(case, equation=replace(case.equation, forget_bias=factor * bias))
        return Cell(added_after=after * bias).run(changed)

    return run


def _cell(cell: Cell) -> Mistake:
    return lambda case, _: cell.run(case)


def _states_zeroed(case: Case, _: np.random.RandomState) -> Trajectory:
    zeros = np.zeros_like(case.initial_hidden)
    return CORRECT.run(replace(case, initial_hidden=zeros, initial_cell=zeros))


def _states_swapped(case: Case, _: np.random.RandomState) -> Trajectory:
    return CORRECT.run(replace(case, initial_hidden=case.initial_cell, initial_cell=case.initial_hidden))


def _states_carried(case: Case, _: np.random.RandomState) -> Trajectory:
    hidden, cell = CORRECT.run(case)
    return CORRECT.run(replace(case, initial_hidden=hidden[:, -1], initial_cell=cell[:, -1]))


def _reversed(case: Case, _: np.random.RandomState) -> Trajectory:
    return CORRECT.run(replace(case, inputs=case.inputs[:, ::-1]))


def _shifted(case: Case, _: np.random.RandomState) -> Trajectory:
    return Trajectory(*(np.roll(state, 1, axis=1) for state in CORRECT.run(case)))


def _keep_bits(bits: int) -> Function:
    """Round float32 to ``bits`` bits of mantissa, half to even."""
    drop = 23 - bits

    def rounded(values: Float32) -> Float32:
        whole = np.ascontiguousarray(values, np.float32).view(np.uint32)
        half = np.uint32((1 << (drop - 1)) - 1) + ((whole >> np.uint32(drop)) & np.uint32(1))
        kept: Float32 = ((whole + half) & np.uint32(0xFFFFFFFF << drop & 0xFFFFFFFF)).view(np.float32)
        return kept

    return rounded


ROUNDED: Mapping[str, Function] = {
    "bfloat16": _keep_bits(7),
    "float16": lambda values: values.astype(np.float16).astype(np.float32),
    "tf32": _keep_bits(10),
}
"""float32 rounded to what these formats can hold."""


class Nudge(NamedTuple):
    """One weight of the kernel, and what is added to it."""

    row: int
    column: int
    change: np.float32


def nudge(case: Case, random: np.random.RandomState, relative: float) -> Nudge:
    """One weight off by ``relative`` times the RMS of its kernel: the recurrent one half of the time."""
    rows = slice(case.input_size, None) if random.rand() < 0.5 else slice(0, case.input_size)
    kernel = case.weights.kernel[rows]
    row, column = (random.randint(length) for length in kernel.shape)
    change = relative * np.sqrt(np.mean(kernel**2)) * (1 if random.rand() < 0.5 else -1)
    return Nudge((rows.start or 0) + row, column, np.float32(change))


def one_weight_off(case: Case, weight: Nudge) -> Trajectory:
    """The trajectory with that weight changed."""
    kernel = case.weights.kernel.copy()
    kernel[weight.row, weight.column] += weight.change
    return _with(case, kernel)


_ORDERS = list(itertools.permutations(range(4)))[1:]

STRUCTURAL: Mapping[str, list[Mistake]] = {
    "gate order, kernel and bias": [_gate_order("all", True, order) for order in _ORDERS],
    "gate order, recurrent": [_gate_order("recurrent", False, order) for order in _ORDERS],
    "gate order, bias": [_gate_order("none", True, order) for order in _ORDERS],
    "recurrent kernel transposed": [_transposed],
    "a bias dropped": [_bias_times(0.75), _bias_times(0.25), _bias_times(0.0)],
    "a bias doubled": [_bias_times(1.75), _bias_times(1.25), _bias_times(2.0)],
    "forget bias missing, halved": [_forget_bias(0, 0), _forget_bias(0.5, 0)],
    "forget bias after sigmoid": [_forget_bias(0, 1)],
    "hard_sigmoid": [_cell(Cell(gate=_hard_sigmoid(slope))) for slope in (1 / 5, 1 / 6)],
    "activations swapped": [_cell(Cell(gate=np.tanh, candidate=_sigmoid))],
    "activation dropped": [_cell(Cell(output=_identity)), _cell(Cell(candidate=_identity))],
    "states zeroed or swapped": [_states_zeroed, _states_swapped],
    "states carried over": [_states_carried],
    "time reversed": [_reversed],
    "shifted by one step": [_shifted],
    "bfloat16, float16, TF32": [
        *(_cell(Cell(round_state=ROUNDED[name])) for name in ("bfloat16", "float16")),
        _cell(Cell(round_factor=ROUNDED["tf32"])),
    ],
}
"""Mistakes that no tolerance excuses: all of them must be noticed."""
