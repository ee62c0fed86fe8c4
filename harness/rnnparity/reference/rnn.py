"""One step of a simple RNN in float64, and its noise."""

from typing import NamedTuple

import numpy as np

from rnnparity.reference import noise
from rnnparity.reference.activations import functions
from rnnparity.reference.case import Case
from rnnparity.reference.noise import Array
from rnnparity.reference.sensitivities import Sensitivity, of_own_unit
from rnnparity.reference.steps import Affine, States, Step, gate, largest, reach_of


class RnnSquares(NamedTuple):
    """A variance in the sums counts ``by_sums`` ``[N, U]`` times in h'; ``made`` is made in the step."""

    by_sums: Array
    made: Array


class RnnLinear(NamedTuple):
    """Steps at known states: ``slope`` ``[N, U]`` is the derivative of h' by the sums.

    ``alone`` is what the step adds to variances apart from the sums, ``made`` with them. ``systematic``
    ``[N, U]`` is the error of an approximated activation.
    """

    slope: Array
    alone: States
    made: States
    systematic: Array


class Rnn(Step):
    """The simple RNN, h' = tanh([x, h] kernel + bias), with a kernel ``[I+U, U]`` and a bias ``[U]``.

    Source: Elman 1990, https://doi.org/10.1207/s15516709cog1402_1
    """

    gates = 1

    def prepare(self, case: Case) -> None:
        self.affine = Affine(self.kernel[None], self.bias, self.input_size, self.a)
        self._activation = functions(self.equation).new
        self.activations, self.bound = (self._activation,), self._activation.bound

    def advance(
        self, sums: Array, before: States, active: Array | None = None, cell_error: Array | None = None
    ) -> States:
        active = self.empty(sums) if active is None else active
        active[:] = self._activation.function(sums)
        return States(active[0], before.cell)

    def activated(self, sums: Array, before: States, after: States) -> Array:
        return self._activation.function(sums)

    def values(self, active: Array, before: States) -> States:
        return States(active[0], before.cell)

    def linearised(
        self,
        x: Array,
        sums: Array,
        active: Array,
        before: States,
        after: States,
        variance: States | None = None,
    ) -> RnnLinear:
        own = self.affine.own(np.concatenate([x, before.hidden], axis=-1), sums)
        reach = None if variance is None else reach_of(own + self.affine.through(variance.hidden), self.a)
        n = gate(self._activation, sums, active, reach, self.a)
        slope = n.derivative[0]
        alone = np.square(n.own[0])
        alone += noise.underflow(self.a)
        made = slope * slope
        made *= own[0]
        made += alone
        none = before.cell
        return RnnLinear(slope, States(alone, none), States(made, none), n.own[0])

    def squared(self, linear: RnnLinear) -> RnnSquares:
        return RnnSquares(np.square(linear.slope), linear.made.hidden)

    def spread(self, squares: RnnSquares, variance: States) -> States:
        hidden = squares.by_sums * self.affine.through(variance.hidden)[0]
        hidden += squares.made
        return States(hidden, variance.cell)

    def fed(self, squares: RnnSquares, variance: Array) -> RnnSquares:
        return squares._replace(made=squares.made + squares.by_sums * self.affine.fed(variance)[0])

    def errors(self, linear: RnnLinear, before: States, after: States) -> tuple[States, float]:
        sums = np.matmul(before.hidden, self.affine.carried)[0]
        return States(linear.slope * sums, before.cell), largest(sums, before.hidden)

    def repeated(self, linear: RnnLinear, x: Array) -> tuple[States, States]:
        by_sums, alone = np.square(linear.slope), linear.alone
        return (
            alone._replace(hidden=by_sums * self.affine.of_constants()[0]),
            alone._replace(hidden=by_sums * self.affine.of_known(x)[0] + alone.hidden),
        )

    def sensitivities(
        self, linear: RnnLinear, x: Array, before: States, errors: States, scales: States
    ) -> tuple[Sensitivity, ...]:
        """The gate n, seen in h' ``[N, U]``."""
        v = np.concatenate([x, before.hidden], axis=-1)
        slope, systematic = linear.slope[None] / scales.hidden, linear.systematic / scales.hidden
        return (of_own_unit("n", v, slope, errors.hidden, systematic),)
