"""Mistakes that no diagnosis knows: odd functions, corrupted states, weights, inputs and outputs.

None of them has a name among the causes, or only one of those in ``ids``. What a diagnosis confirms of them
beyond that is wrong.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from rnnparity.reference.case import Case
from rnnparity.selftest import plain_cells
from rnnparity.selftest.plain_cells import FUNCTIONS, Array, Function, Rounding, Trajectory
from rnnparity_adapters import equation as eq
from rnnparity_adapters.layout import Weights
from support import odd_cells
from support.outside_ids import LITTLE, OF_LITTLE, OF_ONE_GATE, OF_ONE_UNIT, OTHER_IDS

Random = np.random.RandomState
Wrong = Callable[[Case, Random], Trajectory]
"""A case -> what a run with the mistake gives."""


@dataclass(frozen=True)
class Outside:
    """A mistake of ``cells``; ``ids`` are the causes that describe it rightly, if any does."""

    name: str
    cells: tuple[str, ...]
    run: Wrong
    ids: tuple[str, ...] = ()

    def known(self, case: Case) -> tuple[str, ...]:
        """The causes that describe it rightly in a case: of one unit, say, some are the same as others."""
        alone = OF_ONE_GATE if case.equation.cell == "rnn" and self.ids else ()
        same = OF_ONE_UNIT.get(self.name, ()) if case.units == 1 else ()
        once = ("output-function",) if case.steps == 1 and self.name in _STATES else ()
        little = OF_LITTLE.get(self.name, ()) if case.batch * case.steps * case.units < LITTLE else ()
        return (*self.ids, *alone, *same, *once, *little)


ALL, GATED, L = ("lstm", "gru", "rnn"), ("lstm", "gru"), ("lstm",)


# How a mistake is made.


def functions(**others: Function) -> Wrong:
    """Other functions, by the names that an equation has for them."""
    return lambda case, random: plain_cells.run(case, functions={**FUNCTIONS, **others})


def states(change: Callable[[Array, Random], Array]) -> Wrong:
    """Every state that is stored, h and c ``[B, U]``, is changed."""
    return lambda case, random: plain_cells.run(
        case, Rounding(states=lambda a: change(a, random).astype(a.dtype))
    )


def fed_back(change: Callable[[Array, Array, int, Random], tuple[Array, Array]]) -> Wrong:
    """What a step gives is returned, and changed before the next one: h and c ``[B, U]`` and the step."""

    def run(case: Case, random: Random) -> Trajectory:
        h, c = case.initial_hidden, case.initial_cell
        steps = []
        for t in range(case.steps):
            now = replace(case, inputs=case.inputs[:, t : t + 1], initial_hidden=h, initial_cell=c)
            steps.append(plain_cells.run(now))
            h, c = steps[-1].hidden[:, 0], steps[-1].cell[:, 0]
            h, c = (state.astype(case.dtype) for state in change(h.copy(), c.copy(), t, random))
        return Trajectory(*(np.concatenate(state, axis=1) for state in zip(*steps, strict=True)))

    return run


def inputs(change: Callable[[Array, Random], Array]) -> Wrong:
    """Other inputs ``[B, T, I]``."""
    return lambda case, random: plain_cells.run(
        replace(case, inputs=change(case.inputs.copy(), random).astype(case.dtype))
    )


def kernel(change: Callable[[Array, int, Random], Array]) -> Wrong:
    """Another kernel ``[I+U, G, U]``, given I."""

    def run(case: Case, random: Random) -> Trajectory:
        old = np.array(case.weights.kernel)
        new = change(old.reshape(len(old), len(case.gates), -1).copy(), case.input_size, random)
        weights = Weights(np.ascontiguousarray(new.reshape(old.shape), old.dtype), case.weights.bias)
        return plain_cells.run(replace(case, weights=weights))

    return run


def bias(change: Callable[[Array, Random], Array]) -> Wrong:
    """Another bias ``[G, U]``."""

    def run(case: Case, random: Random) -> Trajectory:
        old = case.weights.bias
        new = change(old.reshape(len(case.kind.bias_gates), -1).copy(), random)
        weights = Weights(case.weights.kernel, new.reshape(-1).astype(old.dtype))
        return plain_cells.run(replace(case, weights=weights))

    return run


def outputs(change: Callable[[Array, Random], Array]) -> Wrong:
    """What is returned as h ``[B, T, U]`` is changed; the cell went on with the right ones."""

    def run(case: Case, random: Random) -> Trajectory:
        made = plain_cells.run(case)
        return made._replace(hidden=change(made.hidden.copy(), random).astype(case.dtype))

    return run


def cell_outputs(change: Callable[[Array, Random], Array]) -> Wrong:
    """What is returned as c ``[B, T, U]`` is changed."""

    def run(case: Case, random: Random) -> Trajectory:
        made = plain_cells.run(case)
        return made._replace(cell=change(made.cell.copy(), random).astype(case.dtype))

    return run


def placed(array: Array, place: Any, value: Any) -> Array:
    """The array with ``value`` at ``place``."""
    array[place] = value
    return array


# Other functions.


def _pade(z: Array) -> Array:
    value: Array = np.clip(z * (27 + z * z) / (27 + 9 * z * z), -1, 1)
    return value


_TANHS: Mapping[str, Function] = {
    "hard tanh": lambda z: np.clip(z, -1, 1),
    "LeCun's tanh": lambda z: 1.7159 * np.tanh(2 / 3 * z),
    "elu": lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0))),
    "gelu": lambda z: z / (1 + np.exp(-1.702 * z)),
    "silu": lambda z: z / (1 + np.exp(-z)),
    "sine": np.sin,
    "arctan": np.arctan,
    "leaky relu": lambda z: np.where(z > 0, z, 0.01 * z),
    "relu6": lambda z: np.clip(z, 0, 6) / 6,
    "cube": lambda z: np.clip(z, -1, 1) ** 3,
    "absolute": np.abs,
    "tanh in a table": lambda z: np.round(np.tanh(z) * 64) / 64,
    "tanh by Padé": _pade,
    "tanh(z) + 0.01": lambda z: np.tanh(z) + 0.01,
    "tanh(0.99 z)": lambda z: np.tanh(0.99 * z),
    "tanh(z) of rounded z": lambda z: np.tanh(np.round(z, 2)),
    "tanh, z at most 1": lambda z: np.tanh(np.minimum(z, 1)),
}
_SIGMOIDS: Mapping[str, Function] = {
    "sigmoid(2 z)": lambda z: odd_cells.s(2 * z),
    "sigmoid(z / 2)": lambda z: odd_cells.s(z / 2),
    "hard sigmoid 1/4": lambda z: np.clip(z / 4 + 0.5, 0, 1),
    "hard sigmoid at 0.48": lambda z: np.clip(z / 5 + 0.48, 0, 1),
    "sigmoid + 0.01": lambda z: odd_cells.s(z) + 0.01,
    "sigmoid with 2 for e": lambda z: 1 / (1 + 2 ** (-z)),
    "softplus": lambda z: np.log1p(np.exp(np.minimum(z, 30))),
    "step function": lambda z: (z > 0).astype(z.dtype),
    "gates in a table": lambda z: np.round(odd_cells.s(z) * 256) / 256,
    "softsign gates": lambda z: 0.5 + 0.5 * z / (1 + np.abs(z)),
    "arctan gates": lambda z: 0.5 + np.arctan(z) / np.pi,
    "sigmoid squared": lambda z: odd_cells.s(z) ** 2,
    "sigmoid of rounded z": lambda z: odd_cells.s(np.round(z, 1)),
}

# Other states, returned and fed back.

_STATES: Mapping[str, Callable[[Array, Random], Array]] = {
    "states 1 % smaller": lambda a, r: 0.99 * a,
    "states 1 % larger": lambda a, r: 1.01 * a,
    "states + 0.01": lambda a, r: a + 0.01,
    "states clipped below": lambda a, r: np.maximum(a, -0.2),
    "states rounded to 0.01": lambda a, r: np.round(a, 2),
    "states rounded to 0.001": lambda a, r: np.round(a, 3),
    "states truncated to 1/1024": lambda a, r: np.trunc(a * 1024) / 1024,
    "states in int8": lambda a, r: np.round(a * 100) / 100,
    "states with noise 1e-2": lambda a, r: a + 1e-2 * r.standard_normal(a.shape),
    "states with noise 1e-4": lambda a, r: a + 1e-4 * r.standard_normal(a.shape),
    "states with noise 1e-5": lambda a, r: a + 1e-5 * r.standard_normal(a.shape),
    "states with relative noise": lambda a, r: a * (1 + 1e-3 * r.standard_normal(a.shape)),
    "states with biased noise": lambda a, r: a + 1e-3 * r.rand(*a.shape),
    "unit 0 of the states negated": lambda a, r: placed(a, np.s_[:, :1], -a[:, :1]),
    "states rolled by a unit": lambda a, r: np.roll(a, 1, axis=1),
    "states normalised over units": lambda a, r: (
        (a - a.mean(1, keepdims=True)) / (a.std(1, keepdims=True) + 0.1)
    ),
    "states of unit length": lambda a, r: a / np.sqrt(np.sum(a * a, axis=1, keepdims=True) + 0.1),
    "states averaged over rows": lambda a, r: 0.9 * a + 0.1 * a.mean(axis=0),
    "states fed through a square root": lambda a, r: np.sign(a) * np.sqrt(np.abs(a)),
}

_FED_BACK: Mapping[str, Callable[[Array, Array, int, Random], tuple[Array, Array]]] = {
    "zoneout": lambda h, c, t, r: (h * (r.rand(*h.shape) > 0.2), c),
    "state dropout": lambda h, c, t, r: (h * (r.rand(*h.shape) > 0.2) / 0.8, c),
    "h fed back 1 % smaller": lambda h, c, t, r: (0.99 * h, c),
    "h fed back clipped": lambda h, c, t, r: (np.clip(h, -0.2, 0.2), c),
    "h fed back with noise": lambda h, c, t, r: (h + 1e-4 * r.standard_normal(h.shape), c),
    "units 0 and 1 fed back in turn": lambda h, c, t, r: (np.roll(h, 1, axis=1), c),
    "rows fed back to each other": lambda h, c, t, r: (np.roll(h, 1, axis=0), np.roll(c, 1, axis=0)),
    "states reset every third step": lambda h, c, t, r: (h * (t % 3 != 2), c * (t % 3 != 2)),
    "states reset once": lambda h, c, t, r: (h * (t != 3), c * (t != 3)),
    "states halved once": lambda h, c, t, r: (h * (1 - 0.5 * (t == 3)), c),
    "a row's state reset once": lambda h, c, t, r: (
        h * (1 - (t == 3) * (np.arange(len(h)) == 0))[:, None],
        c,
    ),
    "h fed back through tanh": lambda h, c, t, r: (np.tanh(h), c),
}

# Other weights.

_KERNELS: Mapping[str, Callable[[Array, int, Random], Array]] = {
    "kernel's columns shuffled": lambda k, n, r: k.reshape(len(k), -1)[:, r.permutation(k[0].size)].reshape(
        k.shape
    ),
    "kernel's rows shuffled": lambda k, n, r: k[r.permutation(len(k))],
    "kernel sorted": lambda k, n, r: np.sort(k, axis=0),
    "kernel with noise": lambda k, n, r: k + 1e-2 * r.standard_normal(k.shape),
    "kernel with little noise": lambda k, n, r: k + 1e-4 * r.standard_normal(k.shape),
    "kernel 10 % larger": lambda k, n, r: 1.1 * k,
    "recurrent kernel 10 % smaller": lambda k, n, r: placed(k, np.s_[n:], 0.9 * k[n:]),
    "kernel clipped": lambda k, n, r: np.clip(k, -0.2, 0.2),
    "a tenth of the kernel zero": lambda k, n, r: k * (r.rand(*k.shape) > 0.1),
    "kernel negated": lambda k, n, r: -k,
    "kernel positive": lambda k, n, r: np.abs(k),
    "kernel in int8": lambda k, n, r: np.round(k / np.abs(k).max() * 127) / 127 * np.abs(k).max(),
    "recurrent kernel triangular": lambda k, n, r: placed(
        k, np.s_[n:], k[n:] * np.triu(np.ones((len(k) - n,) * 2))[:, None]
    ),
    "recurrent rows rolled": lambda k, n, r: placed(k, np.s_[n:], np.roll(k[n:], 1, axis=0)),
    "recurrent units reversed": lambda k, n, r: placed(k, np.s_[n:], k[n:][::-1].copy()),
    "half of the units in another gate": lambda k, n, r: placed(
        k, np.s_[:, :, ::2], np.roll(k[:, :, ::2], 1, axis=1)
    ),
    "one gate's kernel for all": lambda k, n, r: placed(k, np.s_[n:], k[n:, :1]),
    "three weights off": lambda k, n, r: placed(
        k, (r.randint(0, len(k), 3), 0, r.randint(0, k.shape[2], 3)), 0.3
    ),
    "kernels squared": lambda k, n, r: k * np.abs(k),
}
_BIASES: Mapping[str, Callable[[Array, Random], Array]] = {
    "bias + 0.01": lambda b, r: b + 0.01,
    "bias + 0.001": lambda b, r: b + 0.001,
    "bias squared": lambda b, r: b * b,
    "bias shuffled": lambda b, r: r.permutation(b.ravel()).reshape(b.shape),
    "bias negated": lambda b, r: -b,
    "bias with noise": lambda b, r: b + 1e-2 * r.standard_normal(b.shape),
    "bias 10 % larger": lambda b, r: 1.1 * b,
    "a unit's biases doubled": lambda b, r: placed(b, np.s_[:, 0], 2 * b[:, 0]),
    "bias rolled by a unit": lambda b, r: np.roll(b, 1, axis=1),
}

# Other inputs.

_INPUTS: Mapping[str, Callable[[Array, Random], Array]] = {
    "inputs clipped": lambda x, r: np.clip(x, -0.7, 0.7),
    "inputs halved": lambda x, r: 0.5 * x,
    "inputs + 0.1": lambda x, r: x + 0.1,
    "inputs normalised": lambda x, r: (x - x.mean(2, keepdims=True)) / (x.std(2, keepdims=True) + 0.1),
    "features reversed": lambda x, r: x[..., ::-1],
    "a feature missing": lambda x, r: placed(x, np.s_[..., 0], 0),
    "inputs with noise": lambda x, r: x + 1e-2 * r.standard_normal(x.shape),
    "inputs with little noise": lambda x, r: x + 1e-5 * r.standard_normal(x.shape),
    "inputs dropped out": lambda x, r: x * (r.rand(*x.shape) > 0.2) / 0.8,
    "inputs through tanh": lambda x, r: np.tanh(x),
    "inputs smoothed": lambda x, r: 0.5 * (x + np.roll(x, 1, axis=1)),
    "inputs of another row": lambda x, r: np.roll(x, 1, axis=0),
    "inputs rounded": lambda x, r: np.round(x, 1),
    "every second input twice": lambda x, r: x[:, np.arange(x.shape[1]) // 2 * 2],
    "an input missing": lambda x, r: placed(x, np.s_[:, x.shape[1] // 2], 0),
    "inputs shuffled in time": lambda x, r: x[:, r.permutation(x.shape[1])],
    "inputs absolute": lambda x, r: np.abs(x),
}

# What is returned.

_OUTPUTS: Mapping[str, Callable[[Array, Random], Array]] = {
    "relu on the outputs": lambda h, r: np.maximum(h, 0),
    "outputs below a threshold zero": lambda h, r: h * (np.abs(h) > 0.1),
    "outputs clipped": lambda h, r: np.clip(h, -0.2, 0.2),
    "outputs rounded": lambda h, r: np.round(h, 2),
    "outputs 1.25 times as large": lambda h, r: 1.25 * h,
    "outputs 1 % smaller": lambda h, r: 0.99 * h,
    "outputs negated": lambda h, r: -h,
    "outputs + 0.01": lambda h, r: h + 0.01,
    "outputs through tanh": lambda h, r: np.tanh(h),
    "outputs squared": lambda h, r: h * np.abs(h),
    "softmax of the outputs": lambda h, r: np.exp(h) / np.exp(h).sum(2, keepdims=True),
    "outputs with noise 1e-2": lambda h, r: h + 1e-2 * r.standard_normal(h.shape),
    "outputs with noise 1e-5": lambda h, r: h + 1e-5 * r.standard_normal(h.shape),
    "outputs with relative noise": lambda h, r: h * (1 + 1e-3 * r.standard_normal(h.shape)),
    "a dead unit": lambda h, r: placed(h, np.s_[..., 0], 0),
    "every third unit dead": lambda h, r: placed(h, np.s_[..., ::3], 0),
    "a dead row": lambda h, r: placed(h, np.s_[0], 0),
    "first step zero": lambda h, r: placed(h, np.s_[:, 0], 0),
    "a step zero": lambda h, r: placed(h, np.s_[:, h.shape[1] // 2], 0),
    "last step zero": lambda h, r: placed(h, np.s_[:, -1], 0),
    "zeros, the others 3 times as large": lambda h, r: 3 * h * (r.rand(*h.shape) > 0.2),
    "zeros, the others as they are": lambda h, r: h * (r.rand(*h.shape) > 0.2),
    "every second unit larger": lambda h, r: placed(h, np.s_[..., ::2], 1.25 * h[..., ::2]),
    "units sorted": lambda h, r: np.sort(h, axis=2),
    "units reversed": lambda h, r: h[..., ::-1],
    "rows reversed": lambda h, r: h[::-1],
    "outputs averaged in time": lambda h, r: 0.5 * (h + np.roll(h, 1, axis=1)),
    "every second step held": lambda h, r: h[:, np.arange(h.shape[1]) // 2 * 2],
    "two steps swapped": lambda h, r: placed(h, np.s_[:, 1:3], h[:, 1:3][:, ::-1].copy()),
    "huge from a step on": lambda h, r: placed(h, np.s_[:, h.shape[1] // 2 :], 1e6),
    "a spike": lambda h, r: placed(h, np.s_[0, h.shape[1] // 2, 0], 0.7),
    "a small spike": lambda h, r: placed(h, np.s_[0, h.shape[1] // 2, 0], h[0, h.shape[1] // 2, 0] + 1e-4),
    "garbage here and there": lambda h, r: np.where(r.rand(*h.shape) < 0.1, r.uniform(-1, 1, h.shape), h),
    "garbage": lambda h, r: r.uniform(-1, 1, h.shape),
    "a row of garbage": lambda h, r: placed(h, np.s_[0], r.uniform(-1, 1, h[0].shape)),
    "constant outputs": lambda h, r: 0 * h + 0.5,
    "nothing but zeros": lambda h, r: 0 * h,
    "a row 1 % larger": lambda h, r: placed(h, np.s_[0], 1.01 * h[0]),
    "noise from a step on": lambda h, r: placed(
        h,
        np.s_[:, h.shape[1] // 2 :],
        h[:, h.shape[1] // 2 :] + 1e-3 * r.standard_normal(h[:, h.shape[1] // 2 :].shape),
    ),
    "units mixed": lambda h, r: 0.9 * h + 0.1 * h[..., ::-1],
    "steps added up": lambda h, r: np.cumsum(h, axis=1) / h.shape[1],
    "truncated like bfloat16": lambda h, r: (
        np.ascontiguousarray(h, "float32").view("uint32") & np.uint32(0xFFFF0000)
    ).view("float32"),
    "a sign lost": lambda h, r: np.abs(h),
}
_CELLS: Mapping[str, Callable[[Array, Random], Array]] = {
    "c 1 % smaller": lambda c, r: 0.99 * c,
    "c with noise": lambda c, r: c + 1e-3 * r.standard_normal(c.shape),
    "c of the step before": lambda c, r: np.roll(c, 1, axis=1),
    "c through tanh": lambda c, r: np.tanh(c),
}


def _all() -> Iterator[Outside]:
    groups: tuple[tuple[tuple[str, ...], tuple[str, ...], Mapping[str, Wrong]], ...] = (
        (ALL, (), {name: functions(**{eq.TANH: function}) for name, function in _TANHS.items()}),
        (GATED, (), {name: functions(**{eq.SIGMOID: function}) for name, function in _SIGMOIDS.items()}),
        (ALL, (), {name: states(change) for name, change in _STATES.items()}),
        (ALL, ("state-replaced",), {name: fed_back(change) for name, change in _FED_BACK.items()}),
        (ALL, ("weights-differ",), {name: kernel(change) for name, change in _KERNELS.items()}),
        (ALL, ("bias-added", "weights-differ"), {name: bias(change) for name, change in _BIASES.items()}),
        (ALL, ("input-changed",), {name: inputs(change) for name, change in _INPUTS.items()}),
        (ALL, ("output-function",), {name: outputs(change) for name, change in _OUTPUTS.items()}),
        (L, (), {name: cell_outputs(change) for name, change in _CELLS.items()}),
        *(((cell,), (), {name: _stepped(odd) for name, odd in odds.items()})
          for cell, odds in odd_cells.CELLS.items()),
    )  # fmt: skip
    for cells, ids, some in groups:
        for name, run in some.items():
            yield Outside(name, cells, run, (*ids, *OTHER_IDS.get(name, ())))


def _stepped(odd: odd_cells.Odd) -> Wrong:
    return lambda case, random: odd_cells.run(case, odd)


OUTSIDE: Mapping[str, Outside] = {mistake.name: mistake for mistake in _all()}
"""By name."""
