"""The steps of a cell with every result rounded: what arithmetic in a coarser format makes of them.

As in teacher forcing each step starts from the observed state, so that what a step rounds is not lost in what
earlier steps left behind. Only an LSTM's c is carried from step to step where it was not observed. No
framework rounds in exactly this order; an error in common tells the format all the same.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np

from rnnparity.diagnosis.teacher_forcing import Setting, vectors
from rnnparity.reference.activations import Activation, functions
from rnnparity.reference.formats import Rounding
from rnnparity.reference.noise import Array
from rnnparity_adapters.kinds import PEEPHOLES


def _exact(values: Array) -> Array:
    return values


class Roundings(NamedTuple):
    """What is done to the stored ``weights``, to both ``factors`` of a matrix product, to the ``results`` of
    all operations, and to the ``states`` that a step hands on; nothing unless given.
    """

    weights: Rounding = _exact
    factors: Rounding = _exact
    results: Rounding = _exact
    states: Rounding = _exact


def rounded(setting: Setting, how: Roundings) -> tuple[Array, Array]:
    """The hidden ``[B, T, P]`` and cell states ``[B, T, U]`` of all steps, each from the observed state.

    The cell state is ``[B, T, 0]`` where the cell has none.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        return _CELLS[setting.case.equation.cell](setting, how)


def _sums(setting: Setting, how: Roundings) -> Iterator[tuple[Array, Array]]:
    """What x and what h contribute to each gate, its bias included: ``[B, T, U]`` each, gates in order."""
    case = setting.case
    batch, steps, _ = setting.hidden.shape
    size, gates = case.input_size, len(case.gates)
    v = how.factors(vectors(setting, np.arange(batch), steps))
    kernel = how.factors(how.weights(np.asarray(case.weights.kernel, np.float64)))
    second = setting.shares[1] if len(setting.shares) == 2 else np.zeros_like(setting.shares[0])
    biases = [how.weights(bias) for bias in (case.weights.bias - second, second)]
    for k in range(gates):
        own = slice(k * case.units, (k + 1) * case.units)
        parts = zip((v[..., :size], v[..., size:]), (kernel[:size], kernel[size:]), biases, strict=True)
        of_x, of_h = (how.results(part @ rows[:, own] + bias[own]) for part, rows, bias in parts)
        yield of_x, of_h


def _lstm(setting: Setting, how: Roundings) -> tuple[Array, Array]:
    case, r = setting.case, how.results
    equation = case.equation
    z = dict(zip(case.gates, (r(of_x + of_h) for of_x, of_h in _sums(setting, how)), strict=True))
    z["f"] = r(z["f"] + equation.forget_bias)
    gate, candidate, output, projection = (_through(each, how) for each in functions(equation))
    vectors_ = () if case.peepholes is None else how.weights(case.peepholes)
    peepholes: Mapping[str, Array] = dict(zip(PEEPHOLES, vectors_, strict=False))

    def seeing(name: str, now: slice, c: Array) -> Array:
        return gate(r(z[name][:, now] + r(peepholes[name] * c)) if name in peepholes else z[name][:, now])

    def step(now: slice, c: Array, after: Array | None) -> tuple[Array, Array]:
        i, f = seeing("i", now, c), seeing("f", now, c)
        f = 1 - i if equation.coupled else f
        i = 1 - f if equation.input_coupled else i
        kept = f + equation.forget_bias_after
        new = r(r(kept * c) + r(i * candidate(z["j"][:, now])))
        if equation.cell_clip is not None:
            new = np.clip(new, -equation.cell_clip, equation.cell_clip)
        new = how.states(new)
        known = new if after is None else after
        o = seeing("o", now, c if equation.output_peephole_previous else known)
        return r(o * output(known)), new

    start = case.initial_cell.astype(np.float64)[:, None]
    if setting.cell is not None:
        before = np.concatenate([start, setting.cell[:, :-1]], axis=1)
        hidden, cell = step(slice(None), before, setting.cell)
    else:
        found: list[tuple[Array, Array]] = []
        for t in range(case.steps):
            found.append(step(slice(t, t + 1), found[-1][1] if found else start, None))
        hidden, cell = (np.concatenate(parts, axis=1) for parts in zip(*found, strict=True))
    if case.projection is not None:
        projected = how.factors(hidden) @ how.factors(how.weights(case.projection))
        hidden = projection(r(projected))
    return how.states(hidden), cell


def _gru(setting: Setting, how: Roundings) -> tuple[Array, Array]:
    case, r = setting.case, how.results
    equation, batch, steps = case.equation, setting.case.batch, setting.case.steps
    gate, candidate, *_ = (_through(each, how) for each in functions(equation))
    h = vectors(setting, np.arange(batch), steps)[..., case.input_size :]
    (r_x, r_h), (z_x, z_h), (own, _) = _sums(setting, how)
    reset, update = gate(r(r_x + r_h)), gate(r(z_x + z_h))
    kernel = how.factors(how.weights(np.asarray(case.weights.kernel, np.float64)))
    recurrent = kernel[case.input_size :, 2 * case.units :]
    bias = how.weights(np.asarray(case.weights.bias, np.float64))[3 * case.units :]
    if equation.reset_after:
        added = r(reset * r(how.factors(h) @ recurrent + bias))
    else:
        added = r(how.factors(r(reset * h)) @ recurrent + bias)
    new = candidate(r(own + added))
    kept = 1 - update if equation.update_inverted else update
    hidden = how.states(r(new + r(kept * r(h - new))))
    return hidden, np.zeros((batch, steps, 0))


def _rnn(setting: Setting, how: Roundings) -> tuple[Array, Array]:
    ((of_x, of_h),) = _sums(setting, how)
    hidden = _through(functions(setting.case.equation).new, how)(how.results(of_x + of_h))
    return how.states(hidden), np.zeros((*hidden.shape[:2], 0))


def _through(activation: Activation, how: Roundings) -> Callable[[Array], Array]:
    return lambda z: how.results(activation.function(z))


_CELLS: Mapping[str, Callable[[Setting, Roundings], tuple[Array, Array]]] = {
    "lstm": _lstm,
    "gru": _gru,
    "rnn": _rnn,
}
"""By :attr:`Equation.cell <rnnparity_adapters.equation.Equation.cell>`."""
