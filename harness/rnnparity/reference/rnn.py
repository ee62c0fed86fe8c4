"""One step of a simple RNN in float64, and its noise."""

from typing import NamedTuple

import numpy as np

from rnnparity.reference import noise
from rnnparity.reference.activations import functions
from rnnparity.reference.case import Case
from rnnparity.reference.noise import Array
from rnnparity.reference.sensitivities import Sensitivity, of_own_unit
from rnnparity.reference.steps import Affine, Gate, States, Step, gate, reach_of


class RnnNoise(NamedTuple):
    """A variance in the sums counts ``by_sums`` ``[N, U]`` times in h'; ``made`` is made in the step."""

    by_sums: Array
    made: Array


class RnnLinear(NamedTuple):
    """Steps at known states: ``v`` ``[N, I+U]`` is [x, h], the gate n ``[N, U]`` the new state.

    ``alone`` is what the step adds to variances apart from the sums.
    """

    noise: RnnNoise
    alone: States
    v: Array
    n: Gate


class Rnn(Step):
    """The simple RNN, h' = tanh([x, h] kernel + bias), with a kernel ``[I+U, U]`` and a bias ``[U]``.

    Source: Elman 1990, https://doi.org/10.1207/s15516709cog1402_1
    """

    def prepare(self, case: Case) -> None:
        self.affine = Affine(self.kernel, self.bias, self.input_size, self.a)
        self._activation = functions(self.equation).new
        self.activations, self.bound = (self._activation,), self._activation.bound

    def advance(self, sums: Array, before: States, cell_error: Array | None = None) -> States:
        return States(self._activation.function(sums), before.cell)

    def linearised(
        self, x: Array, sums: Array, before: States, after: States, variance: States | None
    ) -> RnnLinear:
        v = np.concatenate([x, before.hidden], axis=-1)
        own = self.affine.own(v, sums)
        reach = None if variance is None else reach_of(own + self.affine.through(variance.hidden))
        n = gate(self._activation, sums, reach, self.a)
        by_sums = n.derivative**2
        alone = States(n.own**2 + noise.underflow(self.a), before.cell)
        return RnnLinear(RnnNoise(by_sums, by_sums * own + alone.hidden), alone, v, n)

    def spread(self, linear: RnnNoise, variance: States) -> States:
        return States(linear.made + linear.by_sums * self.affine.through(variance.hidden), variance.cell)

    def fed(self, linear: RnnNoise, variance: Array) -> RnnNoise:
        return linear._replace(made=linear.made + linear.by_sums * self.affine.fed(variance))

    def local(self, linear: RnnLinear) -> tuple[States, States]:
        none = np.zeros((len(linear.v), 0))
        return States(linear.n.value, none), States(linear.noise.made, none)

    def repeated(self, linear: RnnLinear, x: Array) -> tuple[States, States]:
        by_sums, alone = linear.noise.by_sums, linear.alone
        return (
            alone._replace(hidden=by_sums * self.affine.of_constants()),
            alone._replace(hidden=by_sums * self.affine.of_known(x) + alone.hidden),
        )

    def sensitivities(
        self, linear: RnnLinear, before: States, errors: States, scales: States
    ) -> dict[str, Sensitivity]:
        """The gate n, seen in h' ``[N, U]``."""
        n = linear.n
        return {
            "n": of_own_unit(linear.v, n.derivative / scales.hidden, errors.hidden, n.own / scales.hidden)
        }
