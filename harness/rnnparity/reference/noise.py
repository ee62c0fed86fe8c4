"""The rounding error to be expected at each element, carried along a trajectory.

Each operation of a framework errs a little. The errors are independent enough that their *variances* add
up (Higham & Mary 2019 have the same model). These functions give the variance of one operation's result
from the variances of its operands; the reference applies them next to each operation it does. What is
correlated, above all the bias of an approximated activation, is kept apart: see :func:`systematic`.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

LIMIT = 6.0
"""A difference of more than this many standard errors is a divergence."""

HORIZON = 2.0**-4
"""A hidden state with a standard error above this carries no information: |h| is at most 1."""


@dataclass(frozen=True)
class Arithmetic:
    """How precisely a framework computes.

    ``element`` is the unit roundoff of states and of each product and sum of gates, ``accumulation`` that of
    the sums in a matrix product, ``factor`` that to which a matrix product first rounds its factors (0 where
    it does not), ``activation`` the relative error of an activation. Below ``smallest``, the smallest normal
    number, no result is relatively precise.
    """

    element: float
    accumulation: float
    factor: float
    activation: float
    smallest: float


def _plain(u: float, smallest: float) -> Arithmetic:
    """Everything in one dtype; libraries compute activations to about two roundings."""
    return Arithmetic(element=u, accumulation=u, factor=0.0, activation=2 * u, smallest=smallest)


_HALF, _BRAIN = _plain(2.0**-11, 2.0**-14), _plain(2.0**-8, 2.0**-126)
_SINGLE, _DOUBLE = _plain(2.0**-24, 2.0**-126), _plain(2.0**-53, 2.0**-1022)

ARITHMETICS = {
    "float64": _DOUBLE,
    "float32": _SINGLE,
    "float16": _HALF,
    "bfloat16": _BRAIN,
    # The same with products summed in float32: tensor cores, oneDNN.
    "float16-float32": replace(_HALF, accumulation=_SINGLE.accumulation),
    "bfloat16-float32": replace(_BRAIN, accumulation=_SINGLE.accumulation),
    # NVIDIA's TF32: factors keep 10 bits of mantissa, all else is float32.
    "tf32": replace(_SINGLE, factor=2.0**-11),
    # float32 with the activations of a GPU's special function unit (PTX tanh.approx: 2**-11).
    "float32-fast-activation": replace(_SINGLE, activation=2.0**-11),
}
"""By name; the dtype of a case is the default for the case."""


def dot(vector: Array, vector_variance: Array | float, squared_matrix: Array, a: Arithmetic) -> Array:
    """Variance of ``vector @ matrix``, but for its value's share: ``[N, n]`` and ``[n, m]`` -> ``[N, m]``.

    Each of the n products is rounded, and the partial sums about n/3 times more, as far as they wander;
    how far their end pulls them, :func:`summed` adds. Factors that are rounded first bring two errors.
    """
    each = a.accumulation**2 * vector.shape[-1] / 3 + a.factor**2 * 2 / 3
    variance: Array = (each * vector * vector + vector_variance) @ squared_matrix
    return variance


def summed(products: Array, variance: Array, terms: int, bias: Array, a: Arithmetic) -> Array:
    """Variance of a sum of ``terms`` products, to which biases of together the size ``bias`` are added.

    Partial sums that end at ``products`` go there on average: the k-th is at k/n of it. Each addition of a
    bias is rounded, whatever is left when the two have cancelled.
    """
    rounding = a.element**2 * (products**2 + bias**2)
    return variance + rounding + a.accumulation**2 * terms / 9 * products * products


def rounded(value: Array, variance: Array, a: Arithmetic) -> Array:
    """Variance of a value after one more rounding."""
    return variance + (a.element * value) ** 2


def activation_error(value: Array, middle: float, a: Arithmetic) -> Array:
    """The standard error that an activation itself adds to its value.

    It is relative to the value, or to ``middle`` where that is larger: libraries compute sigmoids about 1/2,
    by tanh or by a clipped polynomial, so that a small one has lost its last digits.
    """
    return a.activation * np.maximum(np.abs(value), middle)


def product(x: Array, x_variance: Array, y: Array, y_variance: Array | float, a: Arithmetic) -> Array:
    """Variance of ``x * y``, rounded."""
    return x * x * y_variance + y * y * x_variance + (a.element * x * y) ** 2


def error(variance: Array, a: Arithmetic) -> Array:
    """The standard error of a variance, which underflow makes no smaller than the dtype can hold."""
    return np.sqrt(variance) + a.smallest


def assumed(hidden: Array, a: Arithmetic) -> Array:
    """The standard error of a hidden state of which only the value is known.

    h = o tanh(c) has the errors of two activations and a product; what the pre-activations bring is
    taken for one rounding of a number of order one.
    """
    return np.sqrt((2 * a.activation**2 + a.element**2) * hidden * hidden + a.element**2)
