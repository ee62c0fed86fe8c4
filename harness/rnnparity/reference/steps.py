"""One step of a cell in float64: its values, and how rounding spreads through it.

A kind of cell says what it computes in four parts. ``sums`` are the pre-activations of its gates. ``advance``
computes gates and next states from them, and nothing else, as this runs step after step. ``linearised`` takes
many steps at once, whose states are known: what each rounds off by itself, and its derivatives. ``spread``
carries variances through one step with these.

Each kind of cell has a module of its own, and :mod:`rnnparity.reference.cells` lists them. N is any number of
steps: the batch rows of one step, or all rows of many. Gates come first, so that each lies in one place.
"""

from abc import ABC, abstractmethod
from functools import cached_property
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
    """An activated gate, each field ``[..., N, U]``.

    ``derivative`` is that of the value by the pre-activation, ``own`` the standard error that computing the
    activation adds.
    """

    value: Array
    derivative: Array
    own: Array


def gate(activation: Activation, z: Array, value: Array, reach: Array | None, a: Arithmetic) -> Gate:
    """The gate ``[..., N, U]`` with this pre-activation ``z`` and ``value``, all of one shape.

    Its derivative is the steepest one within ``reach`` of z, where that is given. Noise that is not small
    reaches across a kink, or out of saturation.
    """
    near, there = z, value
    if reach is not None and reach.size and (activation.kinked or reach.max() > _BENDS):
        near = activation.steepest(z, reach)
        there = activation.function(near)
    derivative = activation.derivative(near, there)
    if activation.jump is not None and reach is not None:
        # Rounding decides on which side it is: the slope from one side to the other within that reach.
        far = np.abs(z - activation.jump.at) > reach
        derivative = np.where(
            far, derivative, activation.jump.by / np.maximum(reach, a.smallest * a.unit) + 1
        )
    return Gate(value, derivative, noise.activation_error(value, activation.middle, a))


_BENDS = 2.0**-8
"""Within so small a reach the derivative of a smooth activation changes by less than a hundredth."""


def reach_of(variance: Array, a: Arithmetic) -> Array:
    """How far a value ``[...]`` of this ``variance`` ``[...]`` may be off."""
    reach: Array = LIMIT * a.unit * np.sqrt(variance)
    return reach


def sum_of_squares(*arrays: Array) -> Array:
    """The sum ``[...]`` of the squares of arrays ``[...]``: a variance, if these are independent errors."""
    first, *others = arrays
    total: Array = np.square(first)
    for array in others:
        total += np.square(array)
    return total


def sum_of_sizes(*arrays: Array) -> Array:
    """The sum ``[...]`` of the absolute values of arrays ``[...]``."""
    first, *others = arrays
    total: Array = np.abs(first)
    for array in others:
        total += np.abs(array)
    return total


def largest(*arrays: Array) -> float:
    """The largest absolute value in arrays ``[...]``."""
    return max(float(max(each.max(initial=0), -each.min(initial=0))) for each in arrays)


class Bias(NamedTuple):
    """The constants ``[S, U]`` that are added to a sum.

    ``size`` is the sum of their sizes: each is rounded at its own size, even where they cancel. ``together``
    is what an api may have added up beforehand, with a rounding that is the same at every step.
    """

    value: Array
    size: Array
    together: Array

    def part(self, gates: Any) -> "Bias":
        """Those of some gates, or of all in another order."""
        return Bias(*(array[gates] for array in self))

    def plus(self, other: "Bias") -> "Bias":
        """Both, one after the other."""
        return Bias(*(one + two for one, two in zip(self, other, strict=True)))


class Affine:
    """``v kernel + bias`` and its rounding, with a kernel ``[S, rows, U]`` and biases ``[S, U]``.

    The rows before ``known`` multiply inputs, those after it a state that has a variance.
    """

    def __init__(self, kernel: Array, bias: Bias, known: int, a: Arithmetic) -> None:
        self._kernel, self._a = kernel, a
        self._bias = Bias(*(array[:, None] for array in bias))
        self.bias, self.known = self._bias.value, kernel[:, :known]
        # BLAS is faster with few rows if the columns of the matrix that they multiply lie together.
        self.carried = _columns_together(kernel[:, known:])

    @cached_property
    def _squared(self) -> Array:
        return self._kernel * self._kernel

    @cached_property
    def _carried_squared(self) -> Array:
        return _columns_together(self._squared[:, self.known.shape[1] :])

    @cached_property
    def matrices(self) -> tuple[Array, Array]:
        """``known`` and ``carried`` as matrices ``[rows, S U]``."""
        return side_by_side(self.known), side_by_side(self.carried)

    def own(self, v: Array, sums: Array) -> Array:
        """Variance ``[S, N, U]`` that rounding adds to ``sums`` ``[S, N, U]``, for v ``[N, rows]``."""
        products = noise.dot(v, self._squared, self._a)
        return noise.summed(sums - self.bias, products, v.shape[-1], self._bias.size, self._a)

    def of_constants(self) -> Array:
        """The part ``[S, 1, U]`` of :meth:`own` that is the same at every step."""
        return noise.rounding(self._bias.together, self._a)

    def of_known(self, x: Array) -> Array:
        """The part ``[S, N, U]`` of :meth:`own` that is due to inputs ``x`` ``[N, known]`` alone."""
        products = noise.dot(x, self._squared[:, : x.shape[-1]], self._a)
        return noise.summed(x @ self.known, products, x.shape[-1], 0 * self.bias, self._a)

    def through(self, variance: Array) -> Array:
        """Variance ``[S, N, U]`` that the variance ``[N, carried]`` of the carried rows leads to."""
        spread: Array = np.matmul(variance, self._carried_squared)
        return spread

    def fed(self, variance: Array) -> Array:
        """Variance ``[S, N, U]`` that the variance ``[N, known]`` of the inputs leads to."""
        spread: Array = np.matmul(variance, self._squared[:, : variance.shape[-1]])
        return spread


def side_by_side(matrices: Array) -> Array:
    """Arrays ``[S, n, m]`` as one ``[n, S m]``."""
    count, rows, columns = matrices.shape
    beside: Array = matrices.swapaxes(0, 1).reshape(rows, count * columns)
    return beside


def _columns_together(matrices: Array) -> Array:
    """The same ``[S, n, m]``, with each column in one place of the memory."""
    return np.ascontiguousarray(matrices.swapaxes(1, 2)).swapaxes(1, 2)


class Known(NamedTuple):
    """Steps from known states: the ``values`` that they compute, and what linearising them gave."""

    values: States
    linear: Any


class Step(ABC):
    """One step of a case's cell, in the ``arithmetic`` of a framework.

    Each kind of cell is a subclass: its equations, and how its parameters show in its states. Everywhere x is
    ``[N, I]``, hidden states are ``[N, P]``, cell states ``[N, U]``, sums ``[S, N, U]`` and activated gates
    ``[G, N, U]``; what a kind of cell has of S and G is its own. All are of one ``dtype``. Values need
    float64; errors are computed in float32 as well. They are in units of the unit roundoff: see
    :attr:`~rnnparity.reference.noise.Arithmetic.relative`.
    """

    def __init__(self, case: Case, arithmetic: Arithmetic, dtype: type[Any] = np.float64) -> None:
        self.equation, self.a, self.dtype = case.equation, arithmetic.relative, dtype
        self.kernel = self._own(case.weights.kernel)
        bias, size = (self._own(array) for array in (case.weights.bias, case.bias_size))
        together = 0 * bias if case.added_sizes is None else bias
        self.input_size, self.units = case.input_size, case.units
        self.bias = Bias(*(array.reshape(-1, self.units) for array in (bias, size, together)))
        self.prepare(case)

    def _own(self, array: np.ndarray) -> Array:
        """The array in the dtype in which this computes."""
        return np.asarray(array, self.dtype)

    affine: Affine
    """What x and h go through to make the sums, where that is one product."""

    activations: tuple[Activation, ...]
    """Every activation of the cell."""

    gates: int
    """How many activated gates there are, G."""

    bound = np.inf
    """The largest |h| that the equation allows after the first step from any state of that size or less."""

    @property
    def smooth(self) -> bool:
        """Whether states that are a little off change the next ones by :meth:`errors`, and nearly no more."""
        return all(each.smooth for each in self.activations)

    @property
    def bends(self) -> bool:
        """Whether noise may reach so far that the derivatives at the values themselves say too little."""
        return self.a.element * self.a.unit > _COARSE or any(each.kinked for each in self.activations)

    @abstractmethod
    def prepare(self, case: Case) -> None:
        """Take the weights apart: ``self.kernel`` is ``[I+P, G U]``, ``self.bias`` is ``[G, U]``."""

    def of_inputs(self, x: Array) -> Array:
        """What inputs ``[N, I]`` and biases contribute to the sums ``[S, N, U]``."""
        sums: Array = np.matmul(x, self.affine.known)
        sums += self.affine.bias
        return sums

    def add_state(self, sums: Array, before: States) -> None:
        """Add what the previous states contribute to the ``sums`` that :meth:`of_inputs` gave."""
        sums += np.matmul(before.hidden, self.affine.carried)

    def sums(self, x: Array, before: States) -> Array:
        """The sums ``[S, N, U]`` of steps whose previous states are known."""
        sums = self.of_inputs(x)
        self.add_state(sums, before)
        return sums

    def empty(self, sums: Array) -> Array:
        """Room for the activated gates ``[G, N, U]`` of these sums."""
        return np.empty((self.gates, *sums.shape[1:]), self.dtype)

    @abstractmethod
    def advance(
        self, sums: Array, before: States, active: Array | None = None, cell_error: Array | None = None
    ) -> States:
        """The new states. The activated gates ``[G, N, U]`` are written to ``active``.

        ``cell_error`` ``[N, U]`` is added to the cell state before h is made from it.
        """

    @abstractmethod
    def activated(self, sums: Array, before: States, after: States) -> Array:
        """The activated gates ``[G, N, U]`` of steps whose new states are known too."""

    @abstractmethod
    def values(self, active: Array, before: States) -> States:
        """What one step computes from known states with such gates, the new cell state being known too."""

    @abstractmethod
    def linearised(
        self,
        x: Array,
        sums: Array,
        active: Array,
        before: States,
        after: States,
        variance: States | None = None,
    ) -> Any:
        """The derivatives of N steps and their own errors, at known states; ``after`` has the new ones.

        ``variance`` is that of ``before``. If it is given, derivatives are the steepest within reach. The
        result has ``made``, the variances ``[N, ...]`` that a step adds by itself, its new cell state being
        known.
        """

    def known(self, x: Array, before: States, after: States) -> "Known":
        """Steps whose previous and new states are known exactly: what they compute, and linearised."""
        sums = self.sums(x, before)
        active = self.activated(sums, before, after)
        exact = States.zeros_like(before) if self.bends else None
        linear = self.linearised(x, sums, active, before, after, exact)
        return Known(self.values(active, before), linear)

    @abstractmethod
    def squared(self, linear: Any) -> Any:
        """What :meth:`spread` needs of linearised steps: a tuple of arrays ``[..., N, n]``."""

    @abstractmethod
    def spread(self, squares: Any, variance: States) -> States:
        """The variances of the new states, from those of the previous ones and a step's squares."""

    @abstractmethod
    def fed(self, squares: Any, variance: Array) -> Any:
        """The squares of steps, with what the ``variance`` ``[N, I]`` of their inputs adds to it."""

    @abstractmethod
    def errors(self, linear: Any, before: States, after: States) -> tuple[States, float]:
        """What small errors of the states ``before`` do to the next ones, the new cell state being known.

        Also the largest error of any pre-activation or state. All are in units of the unit roundoff.
        """

    @abstractmethod
    def repeated(self, linear: Any, x: Array) -> tuple[States, States]:
        """The parts of the variances ``made`` that repeat: everywhere, and wherever x does."""

    @abstractmethod
    def sensitivities(
        self, linear: Any, x: Array, before: States, errors: States, scales: States
    ) -> tuple[Sensitivity, ...]:
        """How the gates' parameters show in the ``errors`` of N steps, in units of ``scales``.

        ``scales`` are standard errors, and like all errors in units of the unit roundoff.

        Shapes as in :class:`~rnnparity.reference.sensitivities.Sensitivity`.
        """


_COARSE = 2.0**-14
"""The unit roundoff above which noise is so large that an activation bends within it."""
