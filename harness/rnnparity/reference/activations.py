"""The functions that gates and states go through, in float64, and what is needed for their rounding error."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from rnnparity.reference.noise import Array
from rnnparity_adapters import equation as equations


class Activation(NamedTuple):
    """A function of arrays of any shape ``[...]``, float64 in and out.

    ``function`` takes the pre-activation z. ``derivative`` takes z and the function's value there. ``middle``
    is the value around which libraries compute the function: see
    :func:`rnnparity.reference.noise.activation_error`. ``steepest`` takes z and how far it may be off, and
    gives the place within that reach where the derivative is largest. ``bound`` is the largest absolute value
    of the function. A ``kinked`` function has a derivative that jumps from nothing at zero, where z often is.
    """

    function: Callable[[Array], Array]
    derivative: Callable[[Array, Array], Array]
    middle: float
    steepest: Callable[[Array, Array], Array]
    bound: float = np.inf
    kinked: bool = False


def _inwards(z: Array, reach: Array) -> Array:
    """Move z ``[...]`` towards zero: there an S-shaped function is steepest."""
    moved: Array = z - np.clip(z, -reach, reach)
    return moved


def _upwards(z: Array, reach: Array) -> Array:
    return z + reach


def _sigmoid(z: Array) -> Array:
    """1 / (1 + exp(-z)) ``[...]``, correct to rounding for every z."""
    small = np.exp(-np.abs(z))  # of -|z|, which cannot overflow
    value: Array = np.where(z >= 0, 1.0, small) / (1 + small)
    return value


def _softsign(z: Array) -> Array:
    # https://docs.pytorch.org/docs/stable/generated/torch.nn.Softsign.html
    value: Array = z / (1 + np.abs(z))
    return value


def _hard_sigmoid(slope: float) -> Activation:
    """clip(slope z + 1/2, 0, 1)."""
    # Close to a kink, rounding may put z on either side of it. The derivative there is the steeper one, so
    # the noise is not underestimated: the slope is taken to reach a thousandth further than it does.
    reach = 0.5 / slope * 1.001
    return Activation(
        lambda z: np.clip(slope * z + 0.5, 0, 1),
        lambda z, value: np.where(np.abs(z) < reach, slope, 0.0),
        middle=0.5,
        steepest=_inwards,
        bound=1.0,
    )


ACTIVATIONS = {
    equations.SIGMOID: Activation(_sigmoid, lambda z, value: value * (1 - value), 0.5, _inwards, bound=1.0),
    equations.HARD_SIGMOID_5: _hard_sigmoid(1 / 5),
    equations.HARD_SIGMOID_6: _hard_sigmoid(1 / 6),
    equations.TANH: Activation(np.tanh, lambda z, value: 1 - value * value, 0.0, _inwards, bound=1.0),
    equations.RELU: Activation(
        lambda z: np.maximum(z, 0.0),
        lambda z, value: np.where(z > 0, 1.0, 0.0),
        middle=0.0,
        steepest=_upwards,
        kinked=True,
    ),
    equations.LINEAR: Activation(lambda z: z, lambda z, value: np.ones_like(z), 0.0, _inwards),
    equations.SOFTSIGN: Activation(
        _softsign,
        lambda z, value: (1.0 - np.abs(value)) * (1.0 - np.abs(value)),
        middle=0.0,
        steepest=_inwards,
        bound=1.0,
    ),
    equations.ONE: Activation(np.ones_like, lambda z, value: np.zeros_like(z), 0.0, _inwards, bound=1.0),
}
"""Every activation by its name in :mod:`rnnparity_adapters.equation`."""
