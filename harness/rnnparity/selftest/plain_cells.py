"""Cells written plainly, in the dtype of a case: what frameworks do, and a second opinion on the reference.

Nothing here comes from :mod:`rnnparity.reference` but the case itself, so that no mistake can be in both. How
numbers are rounded to a format is said in one place, :mod:`rnnparity.reference.formats`.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnnparity.reference.case import Case
from rnnparity_adapters import equation as equations
from rnnparity_adapters.kinds import PEEPHOLES

Array = NDArray[Any]
Function = Callable[[Array], Array]


class Trajectory(NamedTuple):
    """``hidden`` ``[B, T, P]`` and ``cell`` ``[B, T, U]``, of zero units where there is no cell state."""

    hidden: Array
    cell: Array


def _sigmoid(z: Array) -> Array:
    value: Array = 1 / (1 + np.exp(-z))
    return value


def _hard_sigmoid(slope: float, offset: float = 0.5) -> Function:
    return lambda z: np.clip(slope * z + offset, 0, 1)


def _softsign(z: Array) -> Array:
    value: Array = z / (1 + np.abs(z))
    return value


def _identity(z: Array) -> Array:
    return z


FUNCTIONS: Mapping[str, Function] = {
    equations.SIGMOID: _sigmoid,
    equations.HARD_SIGMOID_5: _hard_sigmoid(1 / 5),
    equations.HARD_SIGMOID_6: _hard_sigmoid(1 / 6),
    equations.TANH: np.tanh,
    equations.RELU: lambda z: np.maximum(z, 0),
    equations.LINEAR: _identity,
    equations.SOFTSIGN: _softsign,
    equations.SOFTPLUS: lambda z: np.log1p(np.exp(-np.abs(z))) + np.maximum(z, 0),
    equations.ONE: np.ones_like,
}
"""By the names that an equation has for them."""
_FAMILIES: Mapping[str, Callable[..., Function]] = {
    equations.AFFINE: lambda a, b: lambda z: a * z + b,
    equations.LEAKY_RELU: lambda a: lambda z: np.maximum(z, 0) + a * np.minimum(z, 0),
    equations.THRESHOLDED_RELU: lambda a: lambda z: z * (z >= a),
    equations.SCALED_TANH: lambda a, b: lambda z: a * np.tanh(b * z),
    equations.HARD_SIGMOID: _hard_sigmoid,
    equations.ELU: lambda a: lambda z: np.maximum(z, 0) + a * (np.exp(np.minimum(z, 0)) - 1),
}


class _Functions(NamedTuple):
    """The functions to use, by name, and those of families beside them."""

    named: Mapping[str, Function]

    def __call__(self, name: str, limit: float | None = None) -> Function:
        """The function of that name, into which nothing larger than the limit goes."""
        member = equations.member(name)
        if name in self.named or member is None:
            function = self.named[name]
        else:
            function = _FAMILIES[member.family](*(number for number in member[1:] if number is not None))
        return function if limit is None else lambda z: function(np.clip(z, -limit, limit))


class Rounding(NamedTuple):
    """What becomes of the ``states`` that are stored, and of the ``factors`` of products of matrices."""

    states: Function = _identity
    factors: Function = _identity


UNROUNDED = Rounding()

Step = Callable[[Array, Array, Array], tuple[Array, Array]]
"""x ``[B, I]``, h ``[B, P]`` and c ``[B, U]`` -> the new h and c."""


def run(
    case: Case, rounding: Rounding = UNROUNDED, functions: Mapping[str, Function] = FUNCTIONS
) -> Trajectory:
    """The trajectory of a case in its own dtype."""
    dtype = case.inputs.dtype
    step = _STEPS[case.equation.cell](case, rounding, _Functions(functions))
    h, c = case.initial_hidden.astype(dtype), case.initial_cell.astype(dtype)
    states = []
    with np.errstate(over="ignore", invalid="ignore"):  # a mistake may grow without bound
        for x in case.inputs.swapaxes(0, 1):
            h, c = step(x, h, c)
            states.append((h, c))
    return Trajectory(*(np.stack(state, axis=1) for state in zip(*states, strict=True)))


def _lstm(case: Case, rounding: Rounding, functions: _Functions) -> Step:
    equation, dtype = case.equation, case.inputs.dtype
    kernel, bias = rounding.factors(case.weights.kernel.astype(dtype)), case.weights.bias.astype(dtype)
    gate = functions(equation.recurrent_activation, equation.gate_clip)
    candidate = functions(equation.activation, equation.gate_clip)
    output = functions(equation.output, equation.output_clip)
    project = functions(equation.projection_activation, equation.projection_clip)
    vectors = () if case.peepholes is None else case.peepholes.astype(dtype)
    peepholes: Mapping[str, Array] = dict(zip(PEEPHOLES, vectors, strict=False))
    projection = None if case.projection is None else rounding.factors(case.projection.astype(dtype))

    def seeing(name: str, z: Array, c: Array) -> Array:
        return z + peepholes[name] * c if name in peepholes else z

    def step(x: Array, h: Array, before: Array) -> tuple[Array, Array]:
        xh = rounding.factors(np.concatenate([x, h], axis=1))
        i, j, f, o = np.split(xh @ kernel + bias, 4, axis=1)
        i, f = gate(seeing("i", i, before)), gate(seeing("f", f + equation.forget_bias, before))
        f = 1 - i if equation.coupled else f
        i = 1 - f if equation.input_coupled else i
        c = (f + equation.forget_bias_after) * before + i * candidate(j)
        if equation.cell_clip is not None:
            c = np.clip(c, -equation.cell_clip, equation.cell_clip)
        c = rounding.states(c)
        h = gate(seeing("o", o, before if equation.output_peephole_previous else c)) * output(c)
        if projection is not None:
            h = project(rounding.factors(h) @ projection)
        return rounding.states(h), c

    return step


def _gru(case: Case, rounding: Rounding, functions: _Functions) -> Step:
    equation, dtype = case.equation, case.inputs.dtype
    kernel = rounding.factors(case.weights.kernel.astype(dtype))
    of_gates, of_x, of_h = (  # r and z; n's two parts
        kernel[:, : 2 * case.units],
        kernel[: case.input_size, 2 * case.units :],
        kernel[case.input_size :, 2 * case.units :],
    )
    b_r, b_z, b_n, b_m = np.split(case.weights.bias.astype(dtype), 4)
    gate = functions(equation.recurrent_activation, equation.gate_clip)
    candidate = functions(equation.activation, equation.gate_clip)

    def step(x: Array, h: Array, c: Array) -> tuple[Array, Array]:
        r, z = np.split(rounding.factors(np.concatenate([x, h], axis=1)) @ of_gates, 2, axis=1)
        r, z = gate(r + b_r), gate(z + b_z)
        if equation.reset_after:
            recurrent = r * (rounding.factors(h) @ of_h + b_m)
        else:
            recurrent = rounding.factors(r * h) @ of_h + b_m
        n = candidate(rounding.factors(x) @ of_x + b_n + recurrent)
        kept = 1 - z if equation.update_inverted else z
        return rounding.states(kept * h + (1 - kept) * n), c

    return step


def _rnn(case: Case, rounding: Rounding, functions: _Functions) -> Step:
    dtype = case.inputs.dtype
    kernel, bias = rounding.factors(case.weights.kernel.astype(dtype)), case.weights.bias.astype(dtype)
    function = functions(case.equation.activation, case.equation.gate_clip)

    def step(x: Array, h: Array, c: Array) -> tuple[Array, Array]:
        return rounding.states(function(rounding.factors(np.concatenate([x, h], axis=1)) @ kernel + bias)), c

    return step


_STEPS: Mapping[str, Callable[[Case, Rounding, _Functions], Step]] = {
    "lstm": _lstm,
    "gru": _gru,
    "rnn": _rnn,
}
"""By :attr:`Equation.cell <rnnparity_adapters.equation.Equation.cell>`."""
