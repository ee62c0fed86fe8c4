"""One step of an LSTM in float64, with its noise."""

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
    """``sums`` ``[N, 4, U]``, the pre-activations of i, j, f and o, and i, j and f ``[N, U]``, activated.

    o is not among them: its peephole sees the new cell state, which these gates decide.
    """

    sums: Estimate
    i: Gate
    j: Gate
    f: Gate


class Lstm(Step):
    """The LSTM of :class:`~rnnparity_adapters.equation.Equation`::

        z = [x, h] kernel + bias        i, j, f, o = z
        c' = sigma(f + forget_bias) c + sigma(i) tanh(j)
        h' = sigma(o) tanh(c')          or that times the projection

    The kernel is ``[I+P, 4U]``, the bias ``[4U]``, both in the order i, j, f, o.

    Sources: Hochreiter & Schmidhuber 1997 (https://doi.org/10.1162/neco.1997.9.8.1735), with tanh for both
    squashing functions and the forget gate of Gers, Schmidhuber & Cummins 2000
    (https://doi.org/10.1162/089976600300015015). The forget bias of Jozefowicz, Zaremba & Sutskever 2015
    (https://proceedings.mlr.press/v37/jozefowicz15.html) is added at each step, as in TensorFlow 1. The
    projection is that of Sak, Senior & Beaufays 2014 (https://arxiv.org/abs/1402.1128).
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
        if self.equation.coupled:  # Greff et al. 2015, https://arxiv.org/abs/1503.04069
            f = Gate(1 - i.value, i.variance, -i.derivative, i.own_error)
        if self.equation.forget_bias_after:
            value = f.value + self.equation.forget_bias_after
            f = f._replace(value=value, variance=noise.rounded(value, f.variance, self.a))
        return LstmGates(sums, i, j, f)

    def outer(self, gates: LstmGates, before: State, cell: Estimate) -> Gate:
        """The gate o ``[N, U]``, activated, where the new cell state is ``cell`` ``[N, U]``."""
        # Its peephole sees the new cell state, as in Gers & Schmidhuber 2000
        # (https://ieeexplore.ieee.org/document/861302), or by mistake the previous one.
        return self._gate("o", gates.sums, before.cell if self.equation.output_peephole_previous else cell)

    def cell(self, gates: LstmGates, before: State) -> Estimate:
        """The new cell state ``[N, U]``, c' = f c + i j."""
        a, (_, i, j, f) = self.a, gates
        value = f.value * before.cell.value + i.value * j.value
        variance = noise.product(f.value, f.variance, *before.cell, a)
        variance = variance + noise.product(i.value, i.variance, j.value, j.variance, a)
        variance = noise.rounded(value, variance, a)
        # The clipped state is stored, and is what o's peephole and tanh see:
        # https://github.com/tensorflow/tensorflow/blob/v1.15.5/tensorflow/python/ops/rnn_cell_impl.py
        clip = self.equation.cell_clip
        return Estimate(value if clip is None else np.clip(value, -clip, clip), variance)

    def squashed_cell(self, cell: Estimate) -> Gate:
        """tanh(c') ``[N, U]``, or another function of c' that the equation names."""
        return squashed(self._output, *cell, self.a)

    def hidden(self, gates: LstmGates, before: State, cell: Estimate) -> Estimate:
        """The new hidden state ``[N, P]``, h' = o tanh(c'), projected where the cell has a projection."""
        o, output = self.outer(gates, before, cell), self.squashed_cell(cell)
        variance = noise.product(o.value, o.variance, output.value, output.variance, self.a)
        unprojected = Estimate(o.value * output.value, variance)
        if self._project is None:
            return unprojected
        projected = self.projected(unprojected)
        return Estimate(projected.value, projected.variance)

    def projected(self, unprojected: Estimate) -> Gate:
        """``unprojected`` ``[N, U]`` times the projection, through the projection's function: ``[N, P]``."""
        assert self._project is not None
        sums, function = self._project(unprojected), self.equation.projection_activation
        if function == LINEAR:
            return Gate(*sums, np.ones_like(sums.value), np.zeros_like(sums.value))
        return squashed(ACTIVATIONS[function], *sums, self.a)

    def sensitivities(
        self, x: Array, gates: LstmGates, before: State, after: State, errors: LocalErrors
    ) -> dict[str, Sensitivity]:
        """The gates i, j and f seen in c' ``[N, U]``; o, and the projection p if any, in h' ``[N, P]``."""
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
        """One gate ``[N, U]``, activated. If it has a peephole, that sees ``cell`` ``[N, U]``."""
        position = self._order.index(name)
        z, variance = sums.value[:, position], sums.variance[:, position]
        if self._peepholes is not None and name in PEEPHOLES:
            weight = self._peepholes[PEEPHOLES.index(name)]
            seen = weight * cell.value
            z = z + seen
            variance = variance + weight**2 * cell.variance + (self.a.element * seen) ** 2
            variance = noise.rounded(z, variance, self.a)
        return squashed(self._activations[name], z, variance, self.a)
