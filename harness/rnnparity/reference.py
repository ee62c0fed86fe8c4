"""The float64 numpy cells, each equation with its source, and the noise carried alongside."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnnparity import noise
from rnnparity.case import Case
from rnnparity.noise import ARITHMETICS, Arithmetic, Array
from rnnparity_adapters import equation as equations
from rnnparity_adapters.equation import Equation
from rnnparity_adapters.layout import GATES, PEEPHOLES, Weights


class Activation(NamedTuple):
    """A function of the pre-activation z, its derivative in terms of z and the function's value, and the
    value about which libraries compute it (see :func:`rnnparity.noise.activation_error`).
    """

    function: Callable[[Array], Array]
    derivative: Callable[[Array, Array], Array]
    middle: float


def _sigmoid(z: Array) -> Array:
    """1 / (1 + exp(-z)), exact to rounding for all z and without overflow."""
    small = np.exp(-np.abs(z))
    value: Array = np.where(z >= 0, 1.0, small) / (1 + small)
    return value


def _softsign(z: Array) -> Array:
    value: Array = z / (1 + np.abs(z))
    return value


def _hard_sigmoid(slope: float) -> Activation:
    """clip(slope z + 1/2, 0, 1). Beside a kink a rounding may fall on either side: the steeper one counts."""
    reach = 0.5 / slope * 1.001
    return Activation(
        lambda z: np.clip(slope * z + 0.5, 0, 1),
        lambda z, value: np.where(np.abs(z) < reach, slope, 0.0),
        middle=0.5,
    )


ACTIVATIONS = {
    equations.SIGMOID: Activation(_sigmoid, lambda z, value: value * (1 - value), middle=0.5),
    equations.HARD_SIGMOID_5: _hard_sigmoid(1 / 5),
    equations.HARD_SIGMOID_6: _hard_sigmoid(1 / 6),
    equations.TANH: Activation(np.tanh, lambda z, value: 1 - value * value, middle=0.0),
    equations.RELU: Activation(
        lambda z: np.maximum(z, 0.0), lambda z, value: np.where(z > 0, 1.0, 0.0), middle=0.0
    ),
    equations.LINEAR: Activation(lambda z: z, lambda z, value: np.ones_like(z), middle=0.0),
    equations.SOFTSIGN: Activation(
        _softsign, lambda z, value: (1.0 - np.abs(value)) * (1.0 - np.abs(value)), middle=0.0
    ),
    equations.ONE: Activation(np.ones_like, lambda z, value: np.zeros_like(z), middle=0.0),
}


class Estimate(NamedTuple):
    """A float64 value and the variance of a framework's value about it, of one shape."""

    value: Array
    variance: Array


class Gate(NamedTuple):
    """An activated gate ``[N, U]``: value, variance, derivative by its pre-activation, and the standard error
    that the activation added itself.
    """

    value: Array
    variance: Array
    derivative: Array
    own_error: Array


@dataclass(frozen=True, eq=False)
class Reference:
    """The float64 trajectory of ``case`` and its noise, each ``[B, T, U]``.

    ``hidden_noise`` and ``cell_noise`` are the standard errors to be expected of a run in ``arithmetic``.
    """

    case: Case
    arithmetic: Arithmetic
    hidden: Array
    cell: Array
    hidden_noise: Array
    cell_noise: Array

    @property
    def horizon(self) -> NDArray[np.signedinteger]:
        """For each row ``[B]`` the first step that rounding alone decides, T if there is none.

        A chaotic recurrence doubles an error every few steps; once it is as large as the state, two
        correct runs have nothing in common any more, and the noise, which is linear, does not hold.
        """
        lost: NDArray[np.bool_] = np.any(self.hidden_noise > noise.HORIZON, axis=2)
        first: NDArray[np.signedinteger] = np.where(lost.any(axis=1), lost.argmax(axis=1), lost.shape[1])
        return first


def run(case: Case, arithmetic: str | None = None) -> Reference:
    """The case in float64, with the noise of ``arithmetic``: a name of
    :data:`rnnparity.noise.ARITHMETICS`, that of the case's dtype unless given.
    """
    return CELLS[case.equation.cell](case, ARITHMETICS[arithmetic or case.dtype])


def lstm(case: Case, arithmetic: Arithmetic) -> Reference:
    """The LSTM of :class:`~rnnparity_adapters.equation.Equation`, in float64.

    Source: Hochreiter & Schmidhuber 1997 with the forget gate of Gers, Schmidhuber & Cummins 2000, tanh
    for both squashing functions, and the forget bias of Jozefowicz, Zaremba & Sutskever 2015 where
    ``tf.nn.rnn_cell.LSTMCell`` has it::

        z = [x, h] kernel + bias        i, j, f, o = z
        c' = sigma(f + forget_bias) c + sigma(i) tanh(j)
        h' = sigma(o) tanh(c')
    """
    step = Step(case.equation, case.weights, arithmetic, case.peepholes)
    x = case.inputs.astype(np.float64)
    shape = (case.batch, case.steps, case.units)
    record = Reference(case, arithmetic, *(np.empty(shape) for _ in range(4)))
    v: Array = np.concatenate([x[:, 0], case.initial_hidden.astype(np.float64)], axis=1)
    v_variance: Array = np.zeros_like(v)
    cell = Estimate(case.initial_cell.astype(np.float64), np.zeros((case.batch, case.units)))
    for t in range(case.steps):
        v[:, : case.input_size] = x[:, t]
        sums = step.sums(v, v_variance)
        before, cell = cell, step.cell(*step.inner(sums, cell), cell)
        hidden = step.hidden(step.outer(sums, before, cell), cell)
        v[:, case.input_size :], v_variance[:, case.input_size :] = hidden
        record.hidden[:, t], record.cell[:, t] = hidden.value, cell.value
        record.hidden_noise[:, t] = noise.error(hidden.variance, arithmetic)
        record.cell_noise[:, t] = noise.error(cell.variance, arithmetic)
    return record


CELLS = {"lstm": lstm}


def ensemble(reference: Reference, members: int = 16) -> Reference:
    """The reference with the noise of runs that really err, where that is larger.

    The noise of :func:`lstm` takes the errors of different units and steps for independent. A recurrence
    with a long memory, or a chaotic one, lines them up and amplifies them more than that. Here ``members``
    runs each make their own errors, of the size to be expected at each step, and carry them through the
    equations themselves, however far that goes. It costs ``members`` runs, so only doubt calls for it.
    """
    case, arithmetic = reference.case, reference.arithmetic
    step = Step(case.equation, case.weights, arithmetic, case.peepholes)
    random = np.random.RandomState(0)
    x = case.inputs.astype(np.float64)
    h_before, c_before = case.initial_hidden.astype(np.float64), case.initial_cell.astype(np.float64)
    exact = np.zeros_like(c_before)
    all_exact = np.tile(exact, (members, 1))
    h, c = np.tile(h_before, (members, 1)), np.tile(c_before, (members, 1))
    hidden_noise, cell_noise = reference.hidden_noise.copy(), reference.cell_noise.copy()
    for t in range(case.steps):
        sums = step.sums(np.concatenate([x[:, t], h_before], axis=1), 0.0)
        h_before, true_c = reference.hidden[:, t], reference.cell[:, t]
        before, now = Estimate(c_before, exact), Estimate(true_c, exact)
        c_error = noise.error(step.cell(*step.inner(sums, before), before).variance, arithmetic)
        h_error = noise.error(step.hidden(step.outer(sums, before, now), now).variance, arithmetic)
        c_before = true_c

        sums = step.sums(np.concatenate([np.tile(x[:, t], (members, 1)), h], axis=1), None)
        before = Estimate(c, all_exact)
        c = step.cell(*step.inner(sums, before), before).value
        c = c + np.tile(c_error, (members, 1)) * random.standard_normal(c.shape)
        now = Estimate(c, all_exact)
        h = step.hidden(step.outer(sums, before, now), now).value
        h += np.tile(h_error, (members, 1)) * random.standard_normal(h.shape)
        for noises, members_state, true in ((hidden_noise, h, h_before), (cell_noise, c, true_c)):
            spread = members_state.reshape(members, *true.shape) - true
            np.maximum(noises[:, t], np.sqrt(np.mean(spread * spread, axis=0)), out=noises[:, t])
    return replace(reference, hidden_noise=hidden_noise, cell_noise=cell_noise)


class Step:
    """The equation of one step, in its parts, for N rows at once."""

    def __init__(
        self, equation: Equation, weights: Weights, arithmetic: Arithmetic, peepholes: Array | None = None
    ) -> None:
        self._equation = equation
        self._kernel, bias = (np.asarray(array, np.float64) for array in weights)
        self._peepholes = peepholes
        self._squared = self._kernel * self._kernel
        self._bias, self._bias_size = bias.reshape(4, -1).copy(), np.abs(bias).reshape(4, -1)
        self._bias[GATES.index("f")] += equation.forget_bias
        self._bias_size[GATES.index("f")] += abs(equation.forget_bias)
        gate = ACTIVATIONS[equation.recurrent_activation]
        self._activations = dict.fromkeys("ifo", gate) | {"j": ACTIVATIONS[equation.activation]}
        self._output = ACTIVATIONS[equation.output]
        self._arithmetic = arithmetic

    def sums(self, v: Array, v_variance: Array | float | None) -> Estimate:
        """``v`` = [x, h] ``[N, I+U]`` and its variance -> the pre-activations ``[N, 4, U]`` of i, j, f, o.

        Without a variance there is none in what comes out either.
        """
        a = self._arithmetic
        products = (v @ self._kernel).reshape(len(v), 4, -1)
        if v_variance is None:
            return Estimate(products + self._bias, np.zeros_like(products))
        variance = noise.dot(v, v_variance, self._squared, a).reshape(products.shape)
        variance = noise.summed(products, variance, v.shape[1], self._bias_size, a)
        return Estimate(products + self._bias, variance)

    def inner(self, sums: Estimate, before: Estimate) -> tuple[Gate, Gate, Gate]:
        """The gates i, j, f, activated, of a step that begins with the cell state ``before``."""
        i, j, f = (self._gate(name, sums, before) for name in "ijf")
        equation = self._equation
        if equation.coupled:
            f = Gate(1 - i.value, i.variance, -i.derivative, i.own_error)
        if equation.forget_bias_after:
            value = f.value + equation.forget_bias_after
            f = f._replace(value=value, variance=noise.rounded(value, f.variance, self._arithmetic))
        return i, j, f

    def outer(self, sums: Estimate, before: Estimate, after: Estimate) -> Gate:
        """The gate o, activated, of a step from the cell state ``before`` to ``after``."""
        return self._gate("o", sums, before if self._equation.output_peephole_previous else after)

    def cell(self, i: Gate, j: Gate, f: Gate, cell: Estimate) -> Estimate:
        """The new cell state, c' = f c + i j."""
        a = self._arithmetic
        value = f.value * cell.value + i.value * j.value
        variance = noise.product(f.value, f.variance, *cell, a)
        variance = variance + noise.product(i.value, i.variance, j.value, j.variance, a)
        clip = self._equation.cell_clip
        return Estimate(
            value if clip is None else np.clip(value, -clip, clip), noise.rounded(value, variance, a)
        )

    def hidden(self, o: Gate, cell: Estimate) -> Estimate:
        """The new hidden state, h' = o tanh(c')."""
        output = self._activated(self._output, *cell)
        variance = noise.product(o.value, o.variance, output.value, output.variance, self._arithmetic)
        return Estimate(o.value * output.value, variance)

    def _gate(self, name: str, sums: Estimate, cell: Estimate) -> Gate:
        """A gate of the pre-activations, its peephole on ``cell`` included."""
        position = GATES.index(name)
        z, variance = sums.value[:, position], sums.variance[:, position]
        if self._peepholes is not None and name in PEEPHOLES:
            weight = self._peepholes[PEEPHOLES.index(name)]
            seen = weight * cell.value
            z = z + seen
            variance = variance + weight**2 * cell.variance + (self._arithmetic.element * seen) ** 2
            variance = noise.rounded(z, variance, self._arithmetic)
        return self._activated(self._activations[name], z, variance)

    def _activated(self, activation: Activation, z: Array, variance: Array) -> Gate:
        value = activation.function(z)
        derivative = activation.derivative(z, value)
        error = noise.activation_error(value, activation.middle, self._arithmetic)
        return Gate(value, derivative * derivative * variance + error * error, derivative, error)
