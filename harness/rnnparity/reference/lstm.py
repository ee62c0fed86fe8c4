"""The LSTM in float64, with its noise."""

from typing import NamedTuple

import numpy as np

from rnnparity.reference import noise
from rnnparity.reference.activations import ACTIVATIONS
from rnnparity.reference.case import Case
from rnnparity.reference.noise import Array
from rnnparity.reference.sensitivities import LocalErrors, Sensitivity, of_own_unit, through_matrix
from rnnparity.reference.steps import Affine, Estimate, Gate, State, Step, exactly, joined, squashed
from rnnparity_adapters.equation import LINEAR
from rnnparity_adapters.kinds import PEEPHOLES


class LstmGates(NamedTuple):
    """The pre-activations ``[N, 4, U]`` of i, j, f, o, and the first three of them activated."""

    sums: Estimate
    i: Gate
    j: Gate
    f: Gate


class Lstm(Step):
    """The LSTM of :class:`~rnnparity_adapters.equation.Equation`.

    Source: Hochreiter & Schmidhuber 1997 with the forget gate of Gers, Schmidhuber & Cummins 2000, tanh
    for both squashing functions, the forget bias of Jozefowicz, Zaremba & Sutskever 2015 where
    ``tf.nn.rnn_cell.LSTMCell`` has it, and the projection of Sak, Senior & Beaufays 2014::

        z = [x, h] kernel + bias        i, j, f, o = z
        c' = sigma(f + forget_bias) c + sigma(i) tanh(j)
        h' = sigma(o) tanh(c')          or that times the projection
    """

    def prepare(self, case: Case) -> None:
        equation = self.equation
        constant = np.repeat([equation.forget_bias * (gate == "f") for gate in case.gates], self.units)
        self._sums = Affine(self.kernel, self.bias, self.a, constant)
        gate = ACTIVATIONS[equation.recurrent_activation]
        self._activations = dict.fromkeys("ifo", gate) | {"j": ACTIVATIONS[equation.activation]}
        self._output = ACTIVATIONS[equation.output]
        self._order, self._peepholes = case.gates, case.peepholes
        self.projection = None if case.projection is None else np.asarray(case.projection, np.float64)
        self._project = None if self.projection is None else Affine(self.projection, 0.0, self.a)

    def gates(self, x: Array, before: State) -> LstmGates:
        flat = self._sums(joined(x, before.hidden))
        sums = Estimate(*(part.reshape(len(x), 4, -1) for part in flat))
        i, j, f = (self._gate(name, sums, before.cell) for name in "ijf")
        if self.equation.coupled:
            f = Gate(1 - i.value, i.variance, -i.derivative, i.own_error)
        if self.equation.forget_bias_after:
            value = f.value + self.equation.forget_bias_after
            f = f._replace(value=value, variance=noise.rounded(value, f.variance, self.a))
        return LstmGates(sums, i, j, f)

    def outer(self, gates: LstmGates, before: State, cell: Estimate) -> Gate:
        """The gate o, activated, of a step to the cell state ``cell``."""
        return self._gate("o", gates.sums, before.cell if self.equation.output_peephole_previous else cell)

    def cell(self, gates: LstmGates, before: State) -> Estimate:
        """The new cell state, c' = f c + i j."""
        a, (_, i, j, f) = self.a, gates
        value = f.value * before.cell.value + i.value * j.value
        variance = noise.product(f.value, f.variance, *before.cell, a)
        variance = variance + noise.product(i.value, i.variance, j.value, j.variance, a)
        variance = noise.rounded(value, variance, a)
        clip = self.equation.cell_clip
        return Estimate(value if clip is None else np.clip(value, -clip, clip), variance)

    def squashed_cell(self, cell: Estimate) -> Gate:
        """tanh(c')."""
        return squashed(self._output, *cell, self.a)

    def hidden(self, gates: LstmGates, before: State, cell: Estimate) -> Estimate:
        """The new hidden state, h' = o tanh(c')."""
        o, output = self.outer(gates, before, cell), self.squashed_cell(cell)
        variance = noise.product(o.value, o.variance, output.value, output.variance, self.a)
        made = Estimate(o.value * output.value, variance)
        if self._project is None:
            return made
        projected = self.projected(made)
        return Estimate(projected.value, projected.variance)

    def projected(self, made: Estimate) -> Gate:
        """``made`` ``[N, U]`` through the projection, and that through its function."""
        assert self._project is not None
        sums, function = self._project(made), self.equation.projection_activation
        if function == LINEAR:
            return Gate(*sums, np.ones_like(sums.value), np.zeros_like(sums.value))
        return squashed(ACTIVATIONS[function], *sums, self.a)

    def sensitivities(
        self, x: Array, gates: LstmGates, before: State, after: State, errors: LocalErrors
    ) -> dict[str, Sensitivity]:
        """C' with i, j, f; h' with o, and with the projection where there is one."""
        _, i, j, f = gates
        c, v = before.cell.value, np.concatenate([x, before.hidden.value], axis=1)
        o, output = self.outer(gates, before, after.cell), self.squashed_cell(after.cell)
        slopes = {"i": i.derivative * j.value, "j": j.derivative * i.value, "f": f.derivative * c}
        if self.equation.coupled:
            slopes |= {"i": i.derivative * (j.value - c), "f": np.zeros_like(c)}
        systematic = f.own_error * np.abs(c) + i.own_error * np.abs(j.value) + j.own_error * np.abs(i.value)
        found = {
            gate: of_own_unit(
                v, slope / errors.cell_scale, errors.cell, systematic / errors.cell_scale, in_cell=True
            )
            for gate, slope in slopes.items()
        }
        systematic = o.own_error * np.abs(output.value) + output.own_error * np.abs(o.value)
        unit = 1 / errors.hidden_scale
        if self.projection is None:
            found["o"] = of_own_unit(v, o.derivative * output.value * unit, errors.hidden, systematic * unit)
            return found
        projected = self.projected(exactly(o.value * output.value))
        slope = projected.derivative * unit
        systematic = (systematic @ np.abs(self.projection)) * slope + projected.own_error * unit
        found["o"] = through_matrix(
            v, o.derivative * output.value, self.projection, slope, errors.hidden, systematic
        )
        found["p"] = of_own_unit(o.value * output.value, slope, errors.hidden, systematic)
        return found

    def _gate(self, name: str, sums: Estimate, cell: Estimate) -> Gate:
        """A gate of the pre-activations, its peephole on ``cell`` included."""
        position = self._order.index(name)
        z, variance = sums.value[:, position], sums.variance[:, position]
        if self._peepholes is not None and name in PEEPHOLES:
            weight = self._peepholes[PEEPHOLES.index(name)]
            seen = weight * cell.value
            z = z + seen
            variance = variance + weight**2 * cell.variance + (self.a.element * seen) ** 2
            variance = noise.rounded(z, variance, self.a)
        return squashed(self._activations[name], z, variance, self.a)
