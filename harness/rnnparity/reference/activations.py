"""The functions that gates and states go through, in float64, and what is needed for their rounding error."""

import functools
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from rnnparity.reference.noise import Array
from rnnparity_adapters import equation as equations
from rnnparity_adapters.equation import Equation


class Jump(NamedTuple):
    """Where a function jumps, and by how much."""

    at: float
    by: float


class Activation(NamedTuple):
    """A function of arrays of any shape ``[...]``, float64 in and out.

    ``function`` takes the pre-activation z. ``derivative`` takes z and the function's value there. ``middle``
    is the value around which libraries compute the function: see
    :func:`rnnparity.reference.noise.activation_error`. ``steepest`` takes z and how far it may be off, and
    gives the place within that reach where the derivative is largest. ``bound`` is the largest absolute value
    of the function. A ``kinked`` function has a derivative that jumps from nothing at zero, where z often is;
    some have a ``jump`` themselves. That of a ``smooth`` one changes by no more than z does, nearly.
    """

    function: Callable[[Array], Array]
    derivative: Callable[[Array, Array], Array]
    middle: float
    steepest: Callable[[Array, Array], Array]
    bound: float = np.inf
    kinked: bool = False
    jump: Jump | None = None
    smooth: bool = False


def _inwards(z: Array, reach: Array) -> Array:
    """Move z ``[...]`` towards zero: there an S-shaped function is steepest."""
    moved: Array = z - np.clip(z, -reach, reach)
    return moved


def _upwards(z: Array, reach: Array) -> Array:
    return z + reach


def _sigmoid(z: Array) -> Array:
    """1 / (1 + exp(-z)) ``[...]``, correct to rounding for every z."""
    with np.errstate(over="ignore"):  # where exp(-z) is infinite, this is 0
        value: Array = np.exp(-z)
    value += 1
    return 1 / value


def _softsign(z: Array) -> Array:
    # https://docs.pytorch.org/docs/stable/generated/torch.nn.Softsign.html
    value: Array = z / (1 + np.abs(z))
    return value


def _downwards(z: Array, reach: Array) -> Array:
    return z - reach


def _hard_sigmoid(alpha: float, beta: float) -> Activation:
    """clip(alpha z + beta, 0, 1)."""
    # Close to a kink, rounding may put z on either side of it. The derivative there is the steeper one, so
    # the noise is not underestimated: the slope is taken to reach a thousandth further than it does.
    middle = (0.5 - beta) / alpha if alpha else 0.0
    return Activation(
        lambda z: np.clip(alpha * z + beta, 0, 1),
        lambda z, value: np.where(np.abs(alpha * z + beta - 0.5) < 0.5 * 1.001, alpha, 0.0),
        middle=abs(beta),
        steepest=lambda z, reach: middle + _inwards(z - middle, reach),
        bound=1.0,
    )


def _bent_at_zero(alpha: float) -> Activation:
    """The function of z: z above zero, alpha z below."""
    return Activation(
        lambda z: np.where(z < 0, alpha * z, z),
        lambda z, value: np.where(z < 0, alpha, 1.0),
        middle=0.0,
        steepest=_upwards if abs(alpha) < 1 else _downwards,
        kinked=True,
    )


def _thresholded_relu(alpha: float) -> Activation:
    """The function of z: z from alpha on, nothing below."""
    return Activation(
        lambda z: np.where(z < alpha, 0.0, z),
        lambda z, value: np.where(z < alpha, 0.0, 1.0),
        middle=0.0,
        steepest=_upwards,
        kinked=True,
        jump=Jump(alpha, abs(alpha)),
    )


def _elu(alpha: float) -> Activation:
    """The function of z: z above zero, alpha (exp(z) - 1) below."""

    def below(z: Array) -> Array:
        return np.minimum(z, 0.0)

    # Libraries compute exp(z) - 1, so that a small one has lost its last digits.
    return Activation(
        lambda z: np.where(z > 0, z, alpha * np.expm1(below(z))),
        lambda z, value: np.where(z > 0, 1.0, alpha * np.exp(below(z))),
        middle=abs(alpha),
        steepest=_upwards if abs(alpha) <= 1 else _inwards,
        kinked=alpha != 1,
    )


def _affine(alpha: float, beta: float) -> Activation:
    return Activation(
        lambda z: alpha * z + beta,
        lambda z, value: np.full_like(z, alpha),
        middle=abs(beta),
        steepest=_inwards,
    )


def _scaled_tanh(alpha: float, beta: float) -> Activation:
    """The function alpha tanh(beta z).

    onnxruntime computes 2 sigmoid(2 beta z) - 1, where a small one has lost its last digits.
    """
    return Activation(
        lambda z: alpha * np.tanh(beta * z),
        lambda z, value: alpha * beta * (1 - np.tanh(beta * z) ** 2),
        middle=abs(alpha),
        steepest=_inwards,
        bound=abs(alpha),
    )


_FAMILIES: Mapping[str, Callable[..., Activation]] = {
    equations.AFFINE: _affine,
    equations.LEAKY_RELU: _bent_at_zero,
    equations.THRESHOLDED_RELU: _thresholded_relu,
    equations.SCALED_TANH: _scaled_tanh,
    equations.HARD_SIGMOID: _hard_sigmoid,
    equations.ELU: _elu,
}
"""The functions of a family by alpha and, where it has one, beta."""
_SINGLE: Mapping[str, Activation] = {
    equations.SIGMOID: Activation(
        _sigmoid, lambda z, value: value * (1 - value), 0.5, _inwards, bound=1.0, smooth=True
    ),
    equations.TANH: Activation(
        np.tanh, lambda z, value: 1 - value * value, 0.0, _inwards, bound=1.0, smooth=True
    ),
    equations.RELU: Activation(
        lambda z: np.maximum(z, 0.0),
        lambda z, value: np.where(z > 0, 1.0, 0.0),
        middle=0.0,
        steepest=_upwards,
        kinked=True,
    ),
    equations.LINEAR: Activation(lambda z: z, lambda z, value: np.ones_like(z), 0.0, _inwards, smooth=True),
    equations.SOFTSIGN: Activation(
        _softsign,
        lambda z, value: (1.0 - np.abs(value)) * (1.0 - np.abs(value)),
        middle=0.0,
        steepest=_inwards,
        bound=1.0,
    ),
    # Libraries compute log(1 + exp(z)): where that is small, it has lost its last digits.
    equations.SOFTPLUS: Activation(
        lambda z: np.logaddexp(0.0, z), lambda z, value: _sigmoid(z), middle=1.0, steepest=_upwards
    ),
    equations.ONE: Activation(np.ones_like, lambda z, value: np.zeros_like(z), 0.0, _inwards, bound=1.0),
}


@functools.cache
def activation(name: str, limit: float | None = None) -> Activation:
    """The activation of that name in :mod:`rnnparity_adapters.equation`.

    With a ``limit`` the absolute value of what goes into it is limited to that.
    """
    found = _SINGLE.get(name)
    if found is None:
        member = equations.member(name)
        if member is None:
            raise KeyError(name)
        found = _FAMILIES[member.family](*(n for n in member[1:] if n is not None))
    return found if limit is None else _limited(found, limit)


_EXACT = 1 + 1e-12
_MARGIN = 2.0**-8
"""How far beyond a limit the derivative is taken to be that at the limit, as rounding may be on either side.
Where rounding reaches further, the steepest place within that reach counts anyway.
"""


def _limited(inner: Activation, limit: float) -> Activation:
    """``inner``, into which nothing larger than ``limit`` goes."""

    def inside(z: Array) -> Array:
        return np.clip(z, -limit, limit)

    def derivative(z: Array, value: Array) -> Array:
        return np.where(np.abs(z) <= limit + _MARGIN, inner.derivative(inside(z), value), 0.0)

    def steepest(z: Array, reach: Array) -> Array:
        nearest = z + np.clip(inside(z) - z, -reach, reach)
        moved = inside(inner.steepest(inside(nearest), reach - np.abs(nearest - z)))
        return np.where(np.abs(nearest) <= limit * _EXACT, moved, nearest)

    ends = np.array([-limit, limit])
    bound = min(inner.bound, float(np.abs(inner.function(ends)).max()))
    return inner._replace(
        function=lambda z: inner.function(inside(z)),
        derivative=derivative,
        steepest=steepest,
        bound=bound,
        smooth=False,
    )


class Functions(NamedTuple):
    """The activations of an equation: of its gates, its new input or state, c' and the projection."""

    gate: Activation
    new: Activation
    output: Activation
    projection: Activation


def functions(equation: Equation) -> Functions:
    """The activations of an equation, within its limits."""
    named = (
        (equation.recurrent_activation, equation.gate_clip),
        (equation.activation, equation.gate_clip),
        (equation.output, equation.output_clip),
        (equation.projection_activation, equation.projection_clip),
    )
    found = (activation(name, limit) for name, limit in named)
    if not equation.tanh_middle:
        return Functions(*found)
    return Functions(
        *(
            each._replace(middle=equation.tanh_middle) if name == equations.TANH else each
            for each, (name, _) in zip(found, named, strict=True)
        )
    )
