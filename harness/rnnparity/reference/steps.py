"""One step of a cell in float64: its values, and how rounding spreads through it.

A kind of cell says what it computes in four parts. ``sums`` are the pre-activations of its gates. ``advance``
computes the next states from them, and nothing else, as this runs step after step. ``linearised`` takes many
steps at once, whose states are known: what each rounds off by itself, and its derivatives. ``spread`` carries
variances through one step with these.

Each kind of cell has a module of its own, and :mod:`rnnparity.reference.cells` lists them. N is any number of
steps: the batch rows of one step, or all rows of many.
"""

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import numpy as np

from rnnparity.reference import noise
from rnnparity.reference.activations import Activation
from rnnparity.reference.case import Case
from rnnparity.reference.noise import LIMIT, Arithmetic, Array
from rnnparity.reference.sensitivities import Sensitivity


class States(NamedTuple):
    """``hidden`` ``[N, P]`` and ``cell`` ``[N, U]``, or ``[N, 0]`` where the cell has no cell state.

    They are values, or their variances.
    """

    hidden: Array
    cell: Array

    @classmethod
    def zeros_like(cls, states: "States") -> "States":
        """Zeros of the same shapes: the variances of states that are known exactly."""
        return cls(np.zeros_like(states.hidden), np.zeros_like(states.cell))


class Gate(NamedTuple):
    """An activated gate, each field ``[N, U]``.

    ``derivative`` is that of the value by the pre-activation, ``own`` the standard error that computing the
    activation adds.
    """

    value: Array
    derivative: Array
    own: Array


def gate(activation: Activation, z: Array, reach: Array | None, a: Arithmetic) -> Gate:
    """The gate ``[N, U]`` with the pre-activation ``z`` ``[N, U]``.

    Its derivative is the steepest one within ``reach`` ``[N, U]`` of z, where that is given. Noise that
    is not small reaches across a kink, or out of saturation.
    """
    value = activation.function(z)
    near, there = z, value
    if reach is not None and reach.size and (activation.kinked or reach.max() > _BENDS):
        near = activation.steepest(z, reach)
        there = activation.function(near)
    derivative = activation.derivative(near, there)
    if activation.jump is not None and reach is not None:
        # Rounding decides on which side it is: the slope from one side to the other within that reach.
        far = np.abs(z - activation.jump.at) > reach
        derivative = np.where(far, derivative, activation.jump.by / np.maximum(reach, a.smallest) + 1)
    return Gate(value, derivative, noise.activation_error(value, activation.middle, a))


_BENDS = 2.0**-8
"""Within so small a reach the derivative of a smooth activation changes by less than a hundredth."""


def reach_of(variance: Array) -> Array:
    """How far a value ``[...]`` of this ``variance`` ``[...]`` may be off."""
    reach: Array = LIMIT * np.sqrt(variance)
    return reach


class Bias(NamedTuple):
    """The constants ``[columns]`` that are added to a sum.

    ``size`` is the sum of their sizes: each is rounded at its own size, even where they cancel. ``together``
    is what an api may have added up beforehand, with a rounding that is the same at every step.
    """

    value: Array
    size: Array
    together: Array

    def part(self, columns: Any) -> "Bias":
        """Some of the columns, or all in another order."""
        return Bias(*(array[columns] for array in self))

    def plus(self, other: "Bias") -> "Bias":
        """Both, one after the other."""
        return Bias(*(one + two for one, two in zip(self, other, strict=True)))


class Affine:
    """``v kernel + bias`` and its rounding, with a kernel ``[rows, columns]`` and biases ``[columns]``.

    The rows before ``known`` multiply inputs, those after it a state that has a variance.
    """

    def __init__(self, kernel: Array, bias: Bias, known: int, a: Arithmetic) -> None:
        self._squared, self._a = kernel * kernel, a
        self._bias, self.bias = bias, bias.value
        self.known, self.carried = kernel[:known], kernel[known:]
        self._carried_squared = self._squared[known:]

    def own(self, v: Array, sums: Array) -> Array:
        """Variance ``[N, columns]`` that rounding adds to ``sums`` ``[N, columns]``, for v ``[N, rows]``."""
        products = noise.dot(v, self._squared, self._a)
        return noise.summed(sums - self.bias, products, v.shape[-1], self._bias.size, self._a)

    def of_constants(self) -> Array:
        """The part ``[columns]`` of :meth:`own` that is the same at every step."""
        return noise.rounding(self._bias.together, self._a)

    def of_known(self, x: Array) -> Array:
        """The part ``[N, columns]`` of :meth:`own` that is due to inputs ``x`` ``[N, known]`` alone."""
        products = noise.dot(x, self._squared[: len(self.known)], self._a)
        return noise.summed(x @ self.known, products, x.shape[-1], 0 * self.bias, self._a)

    def through(self, variance: Array) -> Array:
        """Variance ``[N, columns]`` that the variance ``[N, carried]`` of the carried rows leads to."""
        spread: Array = variance @ self._carried_squared
        return spread

    def fed(self, variance: Array) -> Array:
        """Variance ``[N, columns]`` that the variance ``[N, known]`` of the inputs leads to."""
        spread: Array = variance @ self._squared[: len(self.known)]
        return spread


class Step(ABC):
    """One step of a case's cell, in the ``arithmetic`` of a framework.

    Each kind of cell is a subclass: its equations, and how its parameters show in its states. Everywhere x is
    ``[N, I]``, hidden states are ``[N, P]``, cell states ``[N, U]`` and sums ``[N, S]``, in float64. S is
    what a kind of cell needs.
    """

    def __init__(self, case: Case, arithmetic: Arithmetic) -> None:
        self.equation, self.a = case.equation, arithmetic
        self.kernel = np.asarray(case.weights.kernel, np.float64)
        bias, size = (np.asarray(array, np.float64) for array in (case.weights.bias, case.bias_size))
        self.bias = Bias(bias, size, 0 * bias if case.added_sizes is None else bias)
        self.input_size, self.units = case.input_size, case.units
        self.prepare(case)

    affine: Affine
    """What x and h go through to make the sums, where that is one product."""

    activations: tuple[Activation, ...]
    """Every activation of the cell."""

    bound = np.inf
    """The largest |h| that the equation allows after the first step from any state of that size or less."""

    @property
    def bends(self) -> bool:
        """Whether noise may reach so far that the derivatives at the values themselves say too little."""
        return self.a.element > _COARSE or any(each.kinked for each in self.activations)

    @abstractmethod
    def prepare(self, case: Case) -> None:
        """Take the weights apart: ``self.kernel`` is ``[I+P, G U]``, ``self.bias`` is ``[G U]``."""

    def of_inputs(self, x: Array) -> Array:
        """What inputs ``[..., I]`` and biases contribute to the sums ``[..., S]``."""
        sums: Array = x @ self.affine.known + self.affine.bias
        return sums

    def sums(self, own: Array, before: States) -> Array:
        """The sums ``[N, S]``, from what :meth:`of_inputs` gave and the previous states."""
        sums: Array = own + before.hidden @ self.affine.carried
        return sums

    @abstractmethod
    def advance(self, sums: Array, before: States, cell_error: Array | None = None) -> States:
        """The new states; ``cell_error`` ``[N, U]`` is added to the cell state before h is made from it."""

    @abstractmethod
    def linearised(
        self, x: Array, sums: Array, before: States, after: States, variance: States | None
    ) -> Any:
        """The derivatives of N steps and their own errors, at known states; ``after`` has the new ones.

        ``variance`` is that of ``before``. If it is given, derivatives are the steepest within reach. The
        ``noise`` of the result, a tuple of arrays ``[N, ...]``, is what :meth:`spread` needs.
        """

    @abstractmethod
    def spread(self, linear: Any, variance: States) -> States:
        """The variances of the new states, from those of the previous ones and a linearised step's noise."""

    @abstractmethod
    def fed(self, linear: Any, variance: Array) -> Any:
        """A linearised step's noise, with what the ``variance`` ``[N, I]`` of its inputs adds to it."""

    @abstractmethod
    def local(self, linear: Any) -> tuple[States, States]:
        """One step from known states, where the new cell state is known too: the values, the variances."""

    @abstractmethod
    def repeated(self, linear: Any, x: Array) -> tuple[States, States]:
        """The parts of :meth:`local`'s variances that repeat: everywhere, and wherever x does."""

    @abstractmethod
    def sensitivities(
        self, linear: Any, before: States, errors: States, scales: States
    ) -> dict[str, Sensitivity]:
        """Gate -> how its parameters show in the ``errors`` of N steps, which are in units of ``scales``.

        Shapes as in :class:`~rnnparity.reference.sensitivities.Sensitivity`.
        """


_COARSE = 2.0**-14
"""The unit roundoff above which noise is so large that an activation bends within it."""
