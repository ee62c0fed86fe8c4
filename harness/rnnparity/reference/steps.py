"""The float64 numpy cells, one class for each kind, with the noise carried alongside.

A step has three parts, for N rows at once: the gates, which x and the state before decide; the new cell
state; the new hidden state. They are apart because an observed trajectory can be judged part by part.
"""

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import numpy as np

from rnnparity.reference import noise
from rnnparity.reference.activations import ACTIVATIONS, Activation
from rnnparity.reference.case import Case
from rnnparity.reference.noise import Arithmetic, Array
from rnnparity_adapters.equation import LINEAR
from rnnparity_adapters.layout import PEEPHOLES

_EXACT = Arithmetic(element=0.0, accumulation=0.0, factor=0.0, activation=0.0, smallest=0.0)


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
        if a is _EXACT:
            return Estimate(products + self._bias, np.zeros_like(products))
        variance = noise.dot(v.value, v.variance, self._squared, a)
        variance = noise.summed(products, variance, v.value.shape[1], self._size, a)
        return Estimate(products + self._bias, variance)


class Step(ABC):
    """One step of a case's cell, without noise if no arithmetic is given."""

    def __init__(self, case: Case, arithmetic: Arithmetic | None) -> None:
        self.equation, self.a = case.equation, arithmetic or _EXACT
        self.kernel, self.bias = (np.asarray(array, np.float64) for array in case.weights)
        self.input_size, self.units = case.input_size, case.units
        self.prepare(case)

    @abstractmethod
    def prepare(self, case: Case) -> None:
        """Take the weights apart."""

    @abstractmethod
    def gates(self, x: Array, before: State) -> Any:
        """What ``x`` ``[N, I]`` and the state before decide."""

    @abstractmethod
    def cell(self, gates: Any, before: State) -> Estimate:
        """The new cell state."""

    @abstractmethod
    def hidden(self, gates: Any, before: State, cell: Estimate) -> Estimate:
        """The new hidden state, where the new cell state is ``cell``."""

    def advance(self, x: Array, before: State) -> State:
        """A whole step."""
        gates = self.gates(x, before)
        cell = self.cell(gates, before)
        return State(self.hidden(gates, before, cell), cell)


def joined(x: Array, hidden: Estimate) -> Estimate:
    """[x, h] ``[N, I+P]``, x being exact."""
    variance = np.concatenate([np.zeros_like(x), hidden.variance], axis=1)
    return Estimate(np.concatenate([x, hidden.value], axis=1), variance)


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


class GruGates(NamedTuple):
    """r and z, activated; ``recurrent``, what n takes of h (``reset_after``: before r scales it); and n."""

    r: Gate
    z: Gate
    recurrent: Estimate
    n: Gate


class Gru(Step):
    """The GRU of :class:`~rnnparity_adapters.equation.Equation`.

    Source: Cho et al. 2014 (arXiv:1406.1078), with the reset gate behind the product as cuDNN has it; see
    there for the two other forms::

        r = sigma([x, h] kernel_r + bias_r)     z = sigma([x, h] kernel_z + bias_z)
        n = tanh(x kernel_xn + bias_n + r (h kernel_hn + bias_m))
        h' = z h + (1 - z) n
    """

    def prepare(self, case: Case) -> None:
        units, size = self.units, self.input_size
        kernel, bias = self.kernel.reshape(len(self.kernel), 3, units), self.bias.reshape(4, units)
        self._gates = Affine(kernel[:, :2].reshape(len(kernel), -1), bias[:2].reshape(-1), self.a)
        self.recurrent_kernel = kernel[size:, 2]
        # Without reset_after m is added outside, with the other bias.
        inside = bias[3] if self.equation.reset_after else np.zeros(units)
        self._input = Affine(kernel[:size, 2], bias[2], self.a, bias[3] - inside)
        self._recurrent = Affine(self.recurrent_kernel, inside, self.a)
        self._gate = ACTIVATIONS[self.equation.recurrent_activation]
        self._activation = ACTIVATIONS[self.equation.activation]

    def gates(self, x: Array, before: State) -> GruGates:
        a, h = self.a, before.hidden
        flat = self._gates(joined(x, h))
        sums = (part.reshape(len(x), 2, -1) for part in flat)
        value, variance = sums
        r, z = (squashed(self._gate, value[:, k], variance[:, k], a) for k in range(2))
        if self.equation.update_inverted:
            z = Gate(1 - z.value, z.variance, -z.derivative, z.own_error)
        own = self._input(exactly(x))
        if self.equation.reset_after:
            recurrent = self._recurrent(h)
            scaled = Estimate(r.value * recurrent.value, noise.product(r.value, r.variance, *recurrent, a))
        else:
            reset = Estimate(r.value * h.value, noise.product(r.value, r.variance, *h, a))
            recurrent = scaled = self._recurrent(reset)
        summed = own.value + scaled.value
        spread = noise.rounded(summed, own.variance + scaled.variance, a)
        return GruGates(r, z, recurrent, squashed(self._activation, summed, spread, a))

    def cell(self, gates: GruGates, before: State) -> Estimate:
        """There is none."""
        return before.cell

    def hidden(self, gates: GruGates, before: State, cell: Estimate) -> Estimate:
        """The new hidden state, h' = z h + (1 - z) n, also computed as n + z (h - n)."""
        _, z, _, n = gates
        h, kept = before.hidden, 1 - z.value
        value = z.value * h.value + kept * n.value
        variance = z.value**2 * h.variance + kept**2 * n.variance + (h.value - n.value) ** 2 * z.variance
        rounding = (z.value * h.value) ** 2 + 2 * (kept * n.value) ** 2 + (z.value * (h.value - n.value)) ** 2
        return Estimate(value, noise.rounded(value, variance + self.a.element**2 * rounding, self.a))


class RnnGates(NamedTuple):
    """The one there is."""

    n: Gate


class Rnn(Step):
    """The simple RNN, h' = tanh([x, h] kernel + bias).

    Source: Elman 1990.
    """

    def prepare(self, case: Case) -> None:
        self._sums = Affine(self.kernel, self.bias, self.a)
        self._activation = ACTIVATIONS[self.equation.activation]

    def gates(self, x: Array, before: State) -> RnnGates:
        return RnnGates(squashed(self._activation, *self._sums(joined(x, before.hidden)), self.a))

    def cell(self, gates: RnnGates, before: State) -> Estimate:
        """There is none."""
        return before.cell

    def hidden(self, gates: RnnGates, before: State, cell: Estimate) -> Estimate:
        """The gate itself."""
        return Estimate(gates.n.value, gates.n.variance)


CELLS: dict[str, type[Step]] = {"lstm": Lstm, "gru": Gru, "rnn": Rnn}
"""By :attr:`Equation.cell <rnnparity_adapters.equation.Equation.cell>`."""
