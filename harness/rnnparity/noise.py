"""The rounding error to be expected at each element, carried along a trajectory.

A framework computes in a dtype with unit roundoff u (2**-24 for float32, 2**-53 for float64). Each of
its operations errs a little; the errors are independent enough that their *variances* add up
(Higham & Mary 2019 for the same model). These functions give the variance of one operation's result
from the variances of its operands; the reference applies them next to each operation it does.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

LIMIT = 6.0
"""A difference of more than this many standard errors is a divergence.

Measured: the worst element of correct float32 runs is at 4.7 (TensorFlow 1.15, whose tanh is an
approximation), of all others below 2.
"""


def roundoff(dtype: str) -> float:
    """u: half the distance from 1 to the next larger number of ``dtype``."""
    return float(np.finfo(dtype).eps) / 2


def dot(vector: Array, vector_variance: Array, squared_matrix: Array, u: float) -> Array:
    """Variance of ``vector @ matrix``: ``[B, n]`` and ``[n, m]`` -> ``[B, m]``.

    Each of the n products is rounded, and the partial sums, as they grow, about n/3 times more.
    """
    accumulation = u * u * vector.shape[1] / 3
    variance: Array = (accumulation * vector * vector + vector_variance) @ squared_matrix
    return variance


def rounded(value: Array, variance: Array | float, u: float) -> Array:
    """Variance of a value after one more rounding."""
    return variance + (u * value) ** 2


def activated(value: Array, derivative: Array, variance: Array, u: float) -> Array:
    """Variance of ``value = activation(z)``; libraries compute activations to about two roundings."""
    return derivative * derivative * variance + (2 * u * value) ** 2


def product(a: Array, a_variance: Array, b: Array, b_variance: Array, u: float) -> Array:
    """Variance of ``a * b``, rounded."""
    return a * a * b_variance + b * b * a_variance + (u * a * b) ** 2


def assumed(hidden: Array, u: float) -> Array:
    """The standard error of a hidden state of which only the value is known.

    h = o tanh(c) has the errors of two activations and a product; what the pre-activations bring is
    taken for one rounding of a number of order one.
    """
    return np.sqrt((3 * u * hidden) ** 2 + u * u)
