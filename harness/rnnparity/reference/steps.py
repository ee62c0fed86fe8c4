"""One step of a cell in float64, with its noise: what all kinds of cell share.

A step computes N rows at once, in three parts: the gates, from x and the previous state; the new cell state;
the new hidden state. The parts are separate functions because an observed trajectory is judged part by part.
Each kind of cell has a module of its own, and :mod:`rnnparity.reference.cells` lists them.
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
"""An arithmetic without rounding, for a step whose noise nobody needs."""


class Estimate(NamedTuple):
    """A float64 ``value`` ``[...]``, and the ``variance`` ``[...]`` of a framework's value around it."""

    value: Array
    variance: Array


class State(NamedTuple):
    """``hidden`` ``[N, P]`` and ``cell`` ``[N, U]``, or ``[N, 0]`` where the cell has no cell state."""

    hidden: Estimate
    cell: Estimate


class Gate(NamedTuple):
    """An activated gate, each field ``[N, U]``.

    ``derivative`` is that of the value by the pre-activation, ``own_error`` the standard error that computing
    the activation adds.
    """

    value: Array
    variance: Array
    derivative: Array
    own_error: Array


def exactly(value: np.ndarray) -> Estimate:
    """An estimate ``[...]`` of a value that is known, so its variance is zero."""
    wide = np.asarray(value, np.float64)
    return Estimate(wide, np.zeros_like(wide))


def squashed(activation: Activation, z: Array, variance: Array, a: Arithmetic) -> Gate:
    """The gate ``[N, U]`` with the pre-activation ``z`` ``[N, U]``, known with ``variance`` ``[N, U]``."""
    value = activation.function(z)
    derivative = activation.derivative(z, value)
    error = noise.activation_error(value, activation.middle, a)
    return Gate(value, derivative * derivative * variance + error * error, derivative, error)


class Affine:
    """``v kernel + bias + also`` and its noise, with a kernel ``[rows, columns]`` and a bias ``[columns]``.

    ``also`` ``[columns]`` is a constant that the framework adds at each step, with one more rounding.
    """

    def __init__(self, kernel: Array, bias: Array | float, a: Arithmetic, also: Array | float = 0.0) -> None:
        self._kernel, self._squared, self._arithmetic = kernel, kernel * kernel, a
        self._bias, self._size = bias + np.asarray(also), np.abs(bias) + np.abs(also)

    def __call__(self, v: Estimate) -> Estimate:
        """``v`` ``[N, rows]`` -> ``[N, columns]``."""
        products = v.value @ self._kernel
        a = self._arithmetic
        if a is EXACT:  # there is no noise to compute
            return Estimate(products + self._bias, np.zeros_like(products))
        variance = noise.dot(v.value, v.variance, self._squared, a)
        variance = noise.summed(products, variance, v.value.shape[1], self._size, a)
        return Estimate(products + self._bias, variance)


class Step(ABC):
    """One step of a case's cell. Without an arithmetic the noise is zero.

    Each kind of cell is a subclass: its equations, and how its parameters show in its states. Everywhere x is
    ``[N, I]``, hidden states are ``[N, P]`` and cell states ``[N, U]``, in float64.
    """

    def __init__(self, case: Case, arithmetic: Arithmetic | None) -> None:
        self.equation, self.a = case.equation, arithmetic or EXACT
        self.kernel, self.bias = (np.asarray(array, np.float64) for array in case.weights)
        self.input_size, self.units = case.input_size, case.units
        self.prepare(case)

    @abstractmethod
    def prepare(self, case: Case) -> None:
        """Take the weights apart: ``self.kernel`` is ``[I+P, G U]``, ``self.bias`` ``[G U]``."""

    @abstractmethod
    def gates(self, x: Array, before: State) -> Any:
        """The gates, each ``[N, U]``, for inputs ``x`` ``[N, I]`` and the previous state."""

    def cell(self, gates: Any, before: State) -> Estimate:
        """The new cell state ``[N, U]``; where the cell has none, the previous one ``[N, 0]``."""
        return before.cell

    @abstractmethod
    def hidden(self, gates: Any, before: State, cell: Estimate) -> Estimate:
        """The new hidden state ``[N, P]``, where the new cell state is ``cell`` ``[N, U]``."""

    @abstractmethod
    def sensitivities(
        self, x: Array, gates: Any, before: State, after: State, errors: LocalErrors
    ) -> dict[str, Sensitivity]:
        """Gate -> how its parameters show in the local ``errors`` of N steps from ``before`` to ``after``.

        ``x`` is ``[N, I]``. Shapes as in :class:`~rnnparity.reference.sensitivities.Sensitivity`.
        """

    def advance(self, x: Array, before: State) -> State:
        """A whole step: ``x`` ``[N, I]`` and the previous state -> the new state."""
        gates = self.gates(x, before)
        cell = self.cell(gates, before)
        return State(self.hidden(gates, before, cell), cell)


def joined(x: Array, hidden: Estimate) -> Estimate:
    """[x, h] ``[N, I+P]``, where x ``[N, I]`` is known exactly."""
    variance = np.concatenate([np.zeros_like(x), hidden.variance], axis=1)
    return Estimate(np.concatenate([x, hidden.value], axis=1), variance)
