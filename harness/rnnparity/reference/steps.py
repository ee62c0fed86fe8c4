"""One step of a cell in float64, with the noise carried alongside: what every kind of cell shares.

A step has three parts, for N rows at once: the gates, which x and the state before decide; the new cell
state; the new hidden state. They are apart because an observed trajectory can be judged part by part. The
kinds of cell are in modules of their own, and :mod:`rnnparity.reference.cells` lists them.
"""

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import numpy as np

from rnnparity.reference import noise
from rnnparity.reference.activations import Activation
from rnnparity.reference.case import Case
from rnnparity.reference.noise import Arithmetic, Array
from rnnparity.reference.sensitivities import LocalErrors, Sensitivity

EXACT = Arithmetic(element=0.0, accumulation=0.0, factor=0.0, activation=0.0, smallest=0.0)
"""No rounding at all."""


class Estimate(NamedTuple):
    """A float64 value and the variance of a framework's value about it, of one shape."""

    value: Array
    variance: Array


class State(NamedTuple):
    """``hidden`` ``[N, P]`` and ``cell`` ``[N, U]``, of zero units where the cell has no cell state."""

    hidden: Estimate
    cell: Estimate


class Gate(NamedTuple):
    """An activated gate ``[N, U]``: value, variance, derivative by its pre-activation, and the standard error
    that the activation added itself.
    """

    value: Array
    variance: Array
    derivative: Array
    own_error: Array


def exactly(value: np.ndarray) -> Estimate:
    """A value that is known."""
    wide = np.asarray(value, np.float64)
    return Estimate(wide, np.zeros_like(wide))


def squashed(activation: Activation, z: Array, variance: Array, a: Arithmetic) -> Gate:
    """A pre-activation through its function."""
    value = activation.function(z)
    derivative = activation.derivative(z, value)
    error = noise.activation_error(value, activation.middle, a)
    return Gate(value, derivative * derivative * variance + error * error, derivative, error)


class Affine:
    """``v kernel + bias``, and its noise. ``also`` is a constant that is added to the bias each time."""

    def __init__(self, kernel: Array, bias: Array | float, a: Arithmetic, also: Array | float = 0.0) -> None:
        self._kernel, self._squared, self._arithmetic = kernel, kernel * kernel, a
        self._bias, self._size = bias + np.asarray(also), np.abs(bias) + np.abs(also)

    def __call__(self, v: Estimate) -> Estimate:
        """``v`` ``[N, rows]`` -> ``[N, columns]``. Without rounding there is no noise to compute."""
        products = v.value @ self._kernel
        a = self._arithmetic
        if a is EXACT:
            return Estimate(products + self._bias, np.zeros_like(products))
        variance = noise.dot(v.value, v.variance, self._squared, a)
        variance = noise.summed(products, variance, v.value.shape[1], self._size, a)
        return Estimate(products + self._bias, variance)


class Step(ABC):
    """One step of a case's cell, without noise if no arithmetic is given.

    A kind of cell is one subclass: its equations, and how its parameters show in its states. Everywhere x is
    ``[N, I]``, hidden states ``[N, P]`` and cell states ``[N, U]``, float64.
    """

    def __init__(self, case: Case, arithmetic: Arithmetic | None) -> None:
        self.equation, self.a = case.equation, arithmetic or EXACT
        self.kernel, self.bias = (np.asarray(array, np.float64) for array in case.weights)
        self.input_size, self.units = case.input_size, case.units
        self.prepare(case)

    @abstractmethod
    def prepare(self, case: Case) -> None:
        """Take the weights apart."""

    @abstractmethod
    def gates(self, x: Array, before: State) -> Any:
        """The gates, which ``x`` ``[N, I]`` and the state before decide."""

    def cell(self, gates: Any, before: State) -> Estimate:
        """The new cell state ``[N, U]``; that of the state before, of zero units, where there is none."""
        return before.cell

    @abstractmethod
    def hidden(self, gates: Any, before: State, cell: Estimate) -> Estimate:
        """The new hidden state ``[N, P]``, where the new cell state is ``cell``."""

    @abstractmethod
    def sensitivities(
        self, x: Array, gates: Any, before: State, after: State, errors: LocalErrors
    ) -> dict[str, Sensitivity]:
        """Gate -> how its parameters show in the local ``errors`` of a step from ``before`` to ``after``."""

    def advance(self, x: Array, before: State) -> State:
        """A whole step."""
        gates = self.gates(x, before)
        cell = self.cell(gates, before)
        return State(self.hidden(gates, before, cell), cell)


def joined(x: Array, hidden: Estimate) -> Estimate:
    """[x, h] ``[N, I+P]``, x being exact."""
    variance = np.concatenate([np.zeros_like(x), hidden.variance], axis=1)
    return Estimate(np.concatenate([x, hidden.value], axis=1), variance)
