"""Mistakes to plant in any cell, each with the cause that a diagnosis must name first.

A mutation takes a case, the canonical biases that add up to its bias, and a generator; it returns the case as
it is claimed to be, and the trajectory of what really ran.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from rnnparity import Case
from rnnparity.reference import forward
from rnnparity.reference.cells import CELLS
from rnnparity.reference.steps import State, exactly
from rnnparity.selftest.planted_mistakes import ROUNDED
from rnnparity_adapters import equation as eq
from rnnparity_adapters.layout import Weights

Array = Any


class Made(NamedTuple):
    """The case as claimed, and what was observed; ``cell`` has no units where there is no cell state."""

    case: Case
    hidden: Array
    cell: Array


Shares = tuple[Array, ...]
Plant = Callable[[Case, Shares, np.random.RandomState], Made]


class Mutation(NamedTuple):
    """``ids``: the cause, and any other that is provably the same function; ``cells``: to which it applies."""

    ids: tuple[str, ...]
    cells: tuple[str, ...]
    plant: Plant
    needs_state: bool = False


def ran(claimed: Case, really: Case) -> Made:
    run = forward.run(really)
    return Made(claimed, run.hidden.astype("float32"), run.cell.astype("float32"))


def equation(**fields: Any) -> Plant:
    return lambda case, shares, random: ran(case, replace(case, equation=replace(case.equation, **fields)))


def claimed(plant: Plant, **fields: Any) -> Plant:
    """The same, where the claim is another equation."""
    return lambda case, shares, random: plant(
        replace(case, equation=replace(case.equation, **fields)), shares, random
    )


def weights(case: Case, kernel: Array = None, bias: Array = None) -> Case:
    old = case.weights
    made = Weights(
        *(o if new is None else np.ascontiguousarray(new) for o, new in zip(old, (kernel, bias), strict=True))
    )
    return replace(case, weights=made)


def blocks(case: Case) -> Array:
    """A copy of the kernel ``[I+P, G, U]``."""
    return np.array(case.weights.kernel).reshape(len(case.weights.kernel), len(case.gates), -1)


def bias_blocks(case: Case, bias: Array = None) -> Array:
    """A copy of the bias ``[G, U]``."""
    names = case.kind.bias_gates
    return np.array(case.weights.bias if bias is None else bias).reshape(len(names), -1)


def flat(array: Array) -> Array:
    return array.reshape(len(array), -1)


def kernels(change: Callable[[Array, int], Array]) -> Plant:
    """``change`` of the kernel ``[I+P, G, U]``, given I."""
    return lambda case, shares, random: ran(case, weights(case, flat(change(blocks(case), case.input_size))))


def gate_order(scope: str) -> Plant:
    def plant(case: Case, shares: Shares, random: np.random.RandomState) -> Made:
        gates = len(case.gates)
        order = list(range(gates))
        while order == sorted(order):
            random.shuffle(order)
        return ran(case, reordered(case, shares, order, scope))

    return plant


def reordered(case: Case, shares: Shares, order: list[int], scope: str = "xhb") -> Case:
    kernel, size = blocks(case), case.input_size
    if "x" in scope:
        kernel[:size] = kernel[:size][:, order]
    if "h" in scope:
        kernel[size:] = kernel[size:][:, order]
    bias = np.sum([_stored(case, share, number)(order) for number, share in enumerate(shares)], axis=0)
    return weights(case, flat(kernel), bias.reshape(-1) if "b" in scope else None)


def _stored(case: Case, share: Array, number: int) -> Callable[[list[int]], Array]:
    def turn(order: list[int]) -> Array:
        found = bias_blocks(case, share)
        slots = list(range(len(case.gates)))
        if case.equation.cell == "gru" and number:
            slots[-1] = 3
        found[slots] = found[slots][order]
        return found

    return turn


def transposed(k: Array, size: int) -> Array:
    for gate in range(k.shape[1]):
        k[size:, gate] = k[size:, gate].T.copy()
    return k


def flat_transposed(k: Array, size: int) -> Array:
    """A flat transposed block read in the shape that it should have."""
    for gate in range(k.shape[1]):
        k[size:, gate] = k[size:, gate].T.reshape(k[size:, gate].shape).copy()
        k[:size, gate] = k[:size, gate].T.copy().reshape(k[:size, gate].shape)
    return k


def rows_turned(k: Array, size: int) -> Array:
    width = len(k) - size
    return np.concatenate([k[width:], k[:width]])


def shares_times(*factors: float) -> Plant:
    def plant(case: Case, shares: Shares, random: np.random.RandomState) -> Made:
        used = factors if len(shares) == 2 else factors[:1] * len(shares)
        bias = sum(factor * share for factor, share in zip(used, shares, strict=True))
        return ran(case, weights(case, bias=np.asarray(bias)))

    return plant


def one_gates_bias(factor: float) -> Plant:
    def plant(case: Case, shares: Shares, random: np.random.RandomState) -> Made:
        bias = bias_blocks(case)
        bias[random.randint(len(case.gates))] *= factor
        return ran(case, weights(case, bias=bias.reshape(-1)))

    return plant


def biases(change: Callable[[Array], Array]) -> Plant:
    return lambda case, shares, random: ran(case, weights(case, bias=change(bias_blocks(case)).reshape(-1)))


def without_m(bias: Array) -> Array:
    bias[3] = 0
    return bias


def folded(bias: Array) -> Array:
    bias[2] += bias[3]
    bias[3] = 0
    return bias


def everywhere(bias: Array) -> Array:
    return bias + bias[1]


def projected_as_r(case: Case, shares: Shares, random: np.random.RandomState) -> Made:
    """Keras 2.0.1: x_h = x_r + b_h."""
    kernel, bias = blocks(case), bias_blocks(case)
    kernel[: case.input_size, 2] = kernel[: case.input_size, 0]
    bias[2] += bias[0]
    return ran(case, weights(case, flat(kernel), bias.reshape(-1)))


def forget_bias(after: bool = False) -> Plant:
    def plant(case: Case, shares: Shares, random: np.random.RandomState) -> Made:
        constant = float(np.round(random.choice([-1, 1]) * random.uniform(0.2, 2.5), random.randint(1, 4)))
        fields = (
            {"forget_bias_after": abs(constant)}
            if after
            else {"forget_bias": case.equation.forget_bias + constant}
        )
        return equation(**fields)(case, shares, random)

    return plant


def clipped(case: Case, shares: Shares, random: np.random.RandomState) -> Made:
    limit = float(np.round(np.quantile(np.abs(forward.run(case).cell), random.uniform(0.3, 0.9)), 3))
    return equation(cell_clip=limit)(case, shares, random)


def peepholes(change: Callable[[Array], Array], **fields: Any) -> Plant:
    def plant(case: Case, shares: Shares, random: np.random.RandomState) -> Made:
        vectors = random.uniform(-1, 1, (3, case.units))
        really = replace(case, peepholes=change(vectors), equation=replace(case.equation, **fields))
        return ran(replace(case, peepholes=vectors), really)

    return plant


def projection(change: Callable[[Array], Array], **fields: Any) -> Plant:
    def plant(case: Case, shares: Shares, random: np.random.RandomState) -> Made:
        matrix = random.uniform(-0.6, 0.6, (case.units, case.units))
        really = replace(case, projection=change(matrix), equation=replace(case.equation, **fields))
        return ran(replace(case, projection=matrix), really)

    return plant


def states(hidden: str, cell: str) -> Plant:
    def plant(case: Case, shares: Shares, random: np.random.RandomState) -> Made:
        last = forward.run(case)
        known = {
            "given": (case.initial_hidden, case.initial_cell), "zero": (0 * case.initial_hidden, 0 * case.initial_cell),
            "swapped": (case.initial_cell, case.initial_hidden), "carried": (last.hidden[:, -1], last.cell[:, -1]),
        }  # fmt: skip
        return ran(case, replace(case, initial_hidden=known[hidden][0], initial_cell=known[cell][1]))

    return plant


def never_updated(case: Case, shares: Shares, random: np.random.RandomState) -> Made:
    """Each step from the initial state (Burn 0.16)."""
    steps = [forward.run(replace(case, inputs=case.inputs[:, t : t + 1])) for t in range(case.steps)]
    hidden, cell = (
        np.concatenate([getattr(step, name) for step in steps], axis=1).astype("float32")
        for name in ("hidden", "cell")
    )
    return Made(case, hidden, cell)


def turned(inputs: bool, outputs: bool) -> Plant:
    def plant(case: Case, shares: Shares, random: np.random.RandomState) -> Made:
        made = ran(case, replace(case, inputs=case.inputs[:, ::-1]) if inputs else case)
        return Made(case, *(state[:, ::-1].copy() if outputs else state for state in made[1:]))

    return plant


def swapped_axes(case: Case, shares: Shares, random: np.random.RandomState) -> Made:
    zeros = [np.zeros((case.steps, s.shape[1]), s.dtype) for s in (case.initial_hidden, case.initial_cell)]
    other = replace(case, inputs=case.inputs.swapaxes(0, 1), initial_hidden=zeros[0], initial_cell=zeros[1])
    made = ran(case, other)
    return Made(case, *(state.swapaxes(0, 1).copy() for state in made[1:]))


def shifted(case: Case, shares: Shares, random: np.random.RandomState) -> Made:
    steps, made = int(random.choice([-2, -1, 1, 2])), ran(case, case)
    return Made(case, *(np.roll(state, steps, axis=1) for state in made[1:]))


def masked(how: str) -> Plant:
    def plant(case: Case, shares: Shares, random: np.random.RandomState) -> Made:
        made = ran(case, case)
        for row in range(case.batch - 1):
            length = random.randint(2, case.steps - 1)
            for state in made[1:]:
                state[row, length:] = 0 if how == "zeroed" else state[row, length - 1]
        return made

    return plant


def dropped(case: Case, shares: Shares, random: np.random.RandomState) -> Made:
    made, rate = ran(case, case), np.float32(random.uniform(0.1, 0.6))
    kept = random.rand(*made.hidden.shape) > rate
    return made._replace(hidden=(made.hidden * kept / (1 - rate)).astype("float32"))


def rounded(name: str, factors: bool = False) -> Plant:
    """States stored in a coarser format, or the factors of products rounded to one."""

    def plant(case: Case, shares: Shares, random: np.random.RandomState) -> Made:
        coarse = ROUNDED[name]
        really = replace(case, inputs=coarse(case.inputs)) if factors else case
        really = weights(really, coarse(case.weights.kernel.astype("float32"))) if factors else really
        step = CELLS[case.equation.cell](really, None)
        state = State(exactly(case.initial_hidden), exactly(case.initial_cell))
        found = []
        for x in really.inputs.swapaxes(0, 1):
            seen = (
                state._replace(hidden=exactly(coarse(state.hidden.value.astype("float32"))))
                if factors
                else state
            )
            state = step.advance(x.astype("float64"), seen)
            if not factors:
                state = State(*(exactly(coarse(part.value.astype("float32"))) for part in state))
            found.append([part.value.astype("float32") for part in state])
        return Made(case, *(np.stack(each, axis=1) for each in zip(*found, strict=True)))

    return plant


def one_weight(case: Case, shares: Shares, random: np.random.RandomState) -> Made:
    kernel = np.array(case.weights.kernel)
    place = tuple(random.randint(length) for length in kernel.shape)
    kernel[place] += random.choice([-1, 1]) * random.uniform(0.02, 0.4)
    return ran(case, weights(case, kernel))


def one_block(case: Case, shares: Shares, random: np.random.RandomState) -> Made:
    kernel, bias = blocks(case), bias_blocks(case)
    gate, what = random.randint(len(case.gates)), random.randint(3)
    part = [bias[gate], kernel[: case.input_size, gate], kernel[case.input_size :, gate]][what]
    part += random.uniform(-0.3, 0.3, part.shape).astype(part.dtype)
    return ran(case, weights(case, flat(kernel), bias.reshape(-1)))


def a_reset_gates_block(case: Case, shares: Shares, random: np.random.RandomState) -> Made:
    kernel, bias = blocks(case), bias_blocks(case)
    part = [bias[0], kernel[: case.input_size, 0], kernel[case.input_size :, 0]][random.randint(3)]
    part += random.uniform(-0.3, 0.3, part.shape).astype(part.dtype)
    return ran(case, weights(case, flat(kernel), bias.reshape(-1)))


def both(change: Callable[[Case, Shares], Case], **fields: Any) -> Plant:
    """Other weights and another equation."""

    def plant(case: Case, shares: Shares, random: np.random.RandomState) -> Made:
        really = change(case, shares)
        return ran(case, replace(really, equation=replace(really.equation, **fields)))

    return plant


def never_updated_before(case: Case, shares: Shares, random: np.random.RandomState) -> Made:
    other = replace(case, equation=replace(case.equation, reset_after=not case.equation.reset_after))
    return never_updated(other, shares, random)._replace(case=case)


L, G, R, ALL = ("lstm",), ("gru",), ("rnn",), ("lstm", "gru", "rnn")
GATED = ("lstm", "gru")

MUTATIONS: Mapping[str, Mutation] = {
    "gate order": Mutation(("gate-order",), GATED, gate_order("xhb")),
    "gate order, recurrent": Mutation(("gate-order",), GATED, gate_order("h")),
    "gate order, input": Mutation(("gate-order",), GATED, gate_order("x")),
    "gate order, bias": Mutation(("gate-order",), GATED, gate_order("b")),
    "Keras 2.0.1's candidate": Mutation(("gate-order",), G, projected_as_r),
    "transposed": Mutation(("kernel-transposed",), ALL, kernels(transposed)),
    "flat transposed": Mutation(("kernel-transposed",), ALL, kernels(flat_transposed)),
    "[h, x]": Mutation(("concat-order",), ALL, kernels(rows_turned)),
    "no bias": Mutation(("bias-dropped",), ALL, shares_times(0, 0)),
    "recurrent bias dropped": Mutation(("bias-dropped",), ALL, shares_times(1, 0)),
    "input bias dropped": Mutation(("bias-dropped",), ALL, shares_times(0, 1)),
    "a gate's bias dropped": Mutation(("bias-dropped",), ALL, one_gates_bias(0)),
    "b_hn dropped": Mutation(("bias-dropped",), G, biases(without_m)),
    "bias doubled": Mutation(("bias-doubled",), ALL, shares_times(2, 2)),
    "input bias doubled": Mutation(("bias-doubled",), ALL, shares_times(2, 1)),
    "a gate's bias doubled": Mutation(("bias-doubled",), ALL, one_gates_bias(2)),
    "new input's bias everywhere": Mutation(("bias-doubled",), L, biases(everywhere)),
    "b_hn folded": Mutation(("bias-folded",), G, claimed(biases(folded), reset_after=True)),
    "forget bias": Mutation(("forget-bias",), L, forget_bias()),
    "forget bias after": Mutation(("forget-bias-after-sigmoid",), L, forget_bias(after=True)),
    "hard sigmoid 1/5": Mutation(("recurrent-activation",), GATED, claimed(equation(recurrent_activation=eq.HARD_SIGMOID_5), recurrent_activation=eq.SIGMOID)),
    "hard sigmoid 1/6": Mutation(("recurrent-activation",), GATED, claimed(equation(recurrent_activation=eq.HARD_SIGMOID_6), recurrent_activation=eq.SIGMOID)),
    "1/6 for 1/5": Mutation(("recurrent-activation",), GATED, claimed(equation(recurrent_activation=eq.HARD_SIGMOID_6), recurrent_activation=eq.HARD_SIGMOID_5)),
    "relu": Mutation(("activation",), ALL, equation(activation=eq.RELU)),
    "tanh for relu": Mutation(("activation",), ALL, claimed(equation(activation=eq.TANH), activation=eq.RELU)),
    "functions swapped": Mutation(("activation",), GATED, equation(activation=eq.SIGMOID, recurrent_activation=eq.TANH, output_activation=eq.TANH)),
    "h = o c": Mutation(("output-activation",), L, equation(output_activation=eq.LINEAR)),
    "output gate alone": Mutation(("output-activation",), L, equation(output_activation=eq.ONE)),
    "hard sigmoid and relu": Mutation(("recurrent-activation + activation",), L, claimed(equation(recurrent_activation=eq.HARD_SIGMOID_5, activation=eq.RELU, output_activation=eq.TANH), recurrent_activation=eq.SIGMOID)),
    "hard sigmoid, output gate alone": Mutation(("recurrent-activation + output-activation",), L, claimed(equation(recurrent_activation=eq.HARD_SIGMOID_5, output_activation=eq.ONE), recurrent_activation=eq.SIGMOID)),
    "three other functions": Mutation(("recurrent-activation + activation + output-activation",), L, claimed(equation(recurrent_activation=eq.HARD_SIGMOID_5, activation=eq.SIGMOID, output_activation=eq.LINEAR), recurrent_activation=eq.SIGMOID)),
    "coupled": Mutation(("coupled-gates",), L, equation(coupled=True)),
    "not coupled": Mutation(("coupled-gates",), L, claimed(equation(coupled=False), coupled=True)),
    "peepholes dropped": Mutation(("peephole-dropped",), L, peepholes(lambda p: 0 * p)),
    "peephole order": Mutation(("peephole-order",), L, peepholes(lambda p: p[[0, 2, 1]])),
    "peephole previous": Mutation(("peephole-previous",), L, peepholes(lambda p: p, output_peephole_previous=True)),
    "clipped": Mutation(("cell-clip",), L, clipped),
    "projection missing": Mutation(("projection",), L, projection(lambda p: np.eye(len(p)))),
    "projection transposed": Mutation(("projection",), L, projection(lambda p: p.T)),
    "projection through tanh": Mutation(("projection",), L, projection(lambda p: p, projection_activation=eq.TANH)),
    "update gate inverted": Mutation(("update-gate-inverted",), G, equation(update_inverted=True)),
    "reset before": Mutation(("reset-gate",), G, claimed(equation(reset_after=False), reset_after=True)),
    "reset after": Mutation(("reset-gate",), G, claimed(equation(reset_after=True), reset_after=False)),
    "state zero": Mutation(("initial-state",), ALL, states("zero", "zero"), needs_state=True),
    "states swapped": Mutation(("initial-state",), L, states("swapped", "swapped"), needs_state=True),
    "state never updated": Mutation(("initial-state",), ALL, never_updated),
    "state carried": Mutation(("state-carried",), ALL, states("carried", "carried")),
    "inputs reversed": Mutation(("direction",), ALL, turned(True, False)),
    "outputs turned": Mutation(("direction",), ALL, turned(False, True)),
    "both turned": Mutation(("direction",), ALL, turned(True, True)),
    "axes": Mutation(("batch-time-axes",), ALL, swapped_axes),
    "shifted": Mutation(("time-shift",), ALL, shifted),
    "zeroed past lengths": Mutation(("masking",), ALL, masked("zeroed")),
    "held past lengths": Mutation(("masking",), ALL, masked("held")),
    "dropout": Mutation(("dropout",), ALL, dropped),
    "float16 states": Mutation(("precision",), ALL, rounded("float16")),
    "bfloat16 states": Mutation(("precision",), ALL, rounded("bfloat16")),
    "TF32 products": Mutation(("precision",), ALL, rounded("tf32", factors=True)),
    "one weight": Mutation(("parameter",), ALL, one_weight),
    "one block": Mutation(("parameter",), ALL, one_block),
    "a block of a reset gate before": Mutation(("parameter",), G, claimed(a_reset_gates_block, reset_after=False)),
    "order and forget bias": Mutation(("gate-order + forget-bias",), L, both(lambda c, s: reordered(c, s, [0, 2, 1, 3]), forget_bias=2.25)),
    "order and hard sigmoid": Mutation(("gate-order + recurrent-activation",), L, claimed(both(lambda c, s: reordered(c, s, [3, 1, 0, 2]), recurrent_activation=eq.HARD_SIGMOID_5), recurrent_activation=eq.SIGMOID)),
    "order and clip": Mutation(("gate-order + cell-clip",), L, both(lambda c, s: reordered(c, s, [0, 2, 1, 3]), cell_clip=0.5)),
    "hard sigmoid and forget bias": Mutation(("recurrent-activation + forget-bias",), L, claimed(equation(recurrent_activation=eq.HARD_SIGMOID_5, forget_bias=2.25), recurrent_activation=eq.SIGMOID)),
    "order and reset": Mutation(("gate-order + reset-gate",), G, claimed(both(lambda c, s: reordered(c, s, [1, 0, 2]), reset_after=False), reset_after=True)),
    "reset before, never updated": Mutation(("initial-state + reset-gate", "reset-gate + initial-state"), G, never_updated_before, needs_state=True),
}  # fmt: skip


def split(case: Case, two: bool) -> Shares:
    """The bias in the shares of a layout with one or two biases: three quarters and the rest."""
    bias = np.asarray(case.weights.bias, np.float64)
    if not two:
        return (bias,)
    first = (case.weights.bias * np.float32(0.75)).astype(np.float64)
    second = bias - first
    if case.equation.cell == "gru":
        first.reshape(4, -1)[3], second.reshape(4, -1)[2] = 0, 0
        first.reshape(4, -1)[2], second.reshape(4, -1)[3] = bias.reshape(4, -1)[2], bias.reshape(4, -1)[3]
    return first, second
