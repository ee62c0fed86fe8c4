"""Numbers with the rounding errors that they are expected to have.

A :class:`Noisy` array goes through sums and products as its values do, and each operation adds its own
rounding: the same model as :mod:`rnnparity.reference.noise`, for equations that are written once and
give both. Errors are taken to be independent.
"""

from typing import Any, NamedTuple

import numpy as np

from rnnparity.reference import noise
from rnnparity.reference.activations import Activation
from rnnparity.reference.noise import LIMIT, Arithmetic, Array

_NEAR = 1e-9
"""A function is looked at no closer than this: float64 could not tell its values apart."""


class Noisy:
    """``value`` ``[...]`` and its ``variance`` ``[...]`` in the arithmetic ``a``."""

    __array_ufunc__ = None  # an array times a noisy one is noisy
    __slots__ = "a", "value", "variance"

    def __init__(self, value: Array, variance: Array | float, a: Arithmetic) -> None:
        self.value, self.a = value, a
        self.variance: Array = np.broadcast_to(variance, value.shape)

    @property
    def error(self) -> Array:
        """The standard error ``[...]``."""
        return noise.error(self.variance, self.a)

    def _rounded(self, value: Array, variance: Array) -> "Noisy":
        u = self.a.element
        return Noisy(value, variance + u * u * value * value + noise.underflow(self.a), self.a)

    def __add__(self, other: "Operand") -> "Noisy":
        value, variance = _parts(other)
        return self._rounded(self.value + value, self.variance + variance)

    __radd__ = __add__

    def __neg__(self) -> "Noisy":
        return Noisy(-self.value, self.variance, self.a)

    def __sub__(self, other: "Operand") -> "Noisy":
        return self + -other

    def __rsub__(self, other: Array | float) -> "Noisy":
        return -self + other

    def __mul__(self, other: "Operand") -> "Noisy":
        value, variance = _parts(other)
        spread = self.variance * (value * value) + variance * (self.value * self.value)
        return self._rounded(self.value * value, spread)

    __rmul__ = __mul__

    def __matmul__(self, other: "Operand") -> "Noisy":
        """The product of ``[m, n]`` and ``[n, k]``."""
        value, variance = _parts(other)
        squared = value * value
        product = self.value @ value
        own = noise.dot(self.value, squared, self.a)
        made = noise.summed(product, own, self.value.shape[-1], np.zeros(()), self.a)
        made = made + self.variance @ squared
        if isinstance(other, Noisy):
            made = made + (self.value * self.value) @ variance
        return Noisy(product, made, self.a)

    def summed(self) -> "Noisy":
        """The sum over the first axis: ``[m, n]`` -> ``[1, n]``."""
        return Noisy(np.ones((1, len(self.value))), 0.0, self.a) @ self

    def __getitem__(self, index: Any) -> "Noisy":
        return Noisy(self.value[index], self.variance[index], self.a)

    def reshape(self, *shape: int) -> "Noisy":
        """The same numbers in another shape."""
        return Noisy(self.value.reshape(shape), self.variance.reshape(shape), self.a)

    @property
    def transposed(self) -> "Noisy":
        """``[m, n]`` -> ``[n, m]``."""
        return Noisy(self.value.T, self.variance.T, self.a)


Operand = Noisy | Array | float
"""What may stand beside a noisy number: another one, or numbers that are exact."""


def _parts(operand: Operand) -> tuple[Array, Array]:
    """The value and the variance of an operand."""
    if isinstance(operand, Noisy):
        return operand.value, operand.variance
    return np.asarray(operand, np.float64), np.zeros(())


def joined(parts: list[Noisy], axis: int) -> Noisy:
    """Parts one after the other along an axis."""
    value, variance = (
        np.concatenate([getattr(p, name) for p in parts], axis) for name in ("value", "variance")
    )
    return Noisy(value, variance, parts[0].a)


class Activated(NamedTuple):
    """A function's ``value`` ``[...]`` and its derivative, the ``slope`` ``[...]``."""

    value: Noisy
    slope: Noisy


def activated(activation: Activation, z: Noisy) -> Activated:
    """A function and its derivative, as frameworks compute it: from the function's value, where they can.

    Where rounding reaches across a kink, the derivative's error is the whole jump.
    """
    a, value = z.a, activation.function(z.value)
    slope = _slope(activation, z.value)
    own = noise.activation_error(value, activation.middle, a)
    found = Noisy(value, z.variance * slope * slope + own * own, a)
    error = np.sqrt(z.variance)
    reach = np.maximum(LIMIT * error, _NEAR * (1 + np.abs(z.value)))
    sides = [_slope(activation, z.value + side * reach) for side in (1, -1)]
    bent = np.maximum(*(np.abs(side - slope) for side in sides)) * error / reach
    # 1 - t * t and s (1 - s) have the error of t or s, and of one more product, times their derivative by it.
    moved = activation.function(z.value + _STEP) - activation.function(z.value - _STEP)
    by_value = _slope(activation, z.value + _STEP) - _slope(activation, z.value - _STEP)
    with np.errstate(divide="ignore", invalid="ignore"):
        often = np.where(np.abs(moved) > _FLAT, np.clip(np.abs(by_value / moved), 0, 2), 2.0)
    u = a.element
    from_value = often * often * (own * own + u * u * value * value)
    return Activated(
        found, Noisy(slope, bent * bent + from_value + 2 * (u * slope) ** 2 + noise.underflow(a), a)
    )


_STEP, _FLAT = 1e-4, 1e-11
"""How far apart a function is looked at, to see how its slope follows its value, and where it has none."""


_SURE = 1e-14
"""By more than this, relative to itself or to 1, a value moves for another reason than float64's rounding."""


def _slope(activation: Activation, z: Array) -> Array:
    """The derivative ``[...]``, but zero where the function does not move though it says that it does.

    :class:`~rnnparity.reference.activations.Activation` takes the steeper side close to a kink.
    """
    near, value = _NEAR * (1 + np.abs(z)), activation.function(z)
    slope = activation.derivative(z, value)
    still = activation.function(z + near) == activation.function(z - near)
    told = np.abs(slope) * near > _SURE * np.maximum(1, np.abs(value))
    return np.where(still & told, 0.0, slope)
