"""One step of a simple RNN in float64, with its noise."""

from typing import NamedTuple

import numpy as np

from rnnparity.reference.activations import ACTIVATIONS
from rnnparity.reference.case import Case
from rnnparity.reference.noise import Array
from rnnparity.reference.sensitivities import LocalErrors, Sensitivity, of_own_unit
from rnnparity.reference.steps import Affine, Estimate, Gate, State, Step, joined, squashed


class RnnGates(NamedTuple):
    """The only gate, n ``[N, U]``, activated: it is the new hidden state."""

    n: Gate


class Rnn(Step):
    """The simple RNN, h' = tanh([x, h] kernel + bias), with a kernel ``[I+U, U]`` and a bias ``[U]``.

    Source: Elman 1990, https://doi.org/10.1207/s15516709cog1402_1
    """

    def prepare(self, case: Case) -> None:
        self._sums = Affine(self.kernel, self.bias, self.a)
        self._activation = ACTIVATIONS[self.equation.activation]

    def gates(self, x: Array, before: State) -> RnnGates:
        return RnnGates(squashed(self._activation, *self._sums(joined(x, before.hidden)), self.a))

    def hidden(self, gates: RnnGates, before: State, cell: Estimate) -> Estimate:
        """The new hidden state ``[N, U]``: the gate n."""
        return Estimate(gates.n.value, gates.n.variance)

    def sensitivities(
        self, x: Array, gates: RnnGates, before: State, after: State, errors: LocalErrors
    ) -> dict[str, Sensitivity]:
        """The gate n, seen in h' ``[N, U]``."""
        v = np.concatenate([x, before.hidden.value], axis=1)
        unit = 1 / errors.hidden_scale
        return {"n": of_own_unit(v, gates.n.derivative * unit, errors.hidden, gates.n.own_error * unit)}
