"""The float64 numpy cells, each equation with its source, and the noise carried alongside."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from rnnparity import noise
from rnnparity.case import Case
from rnnparity.noise import Array
from rnnparity_adapters import equation as equations
from rnnparity_adapters.equation import Equation
from rnnparity_adapters.layout import GATES, Weights


class Activation(NamedTuple):
    """A function of the pre-activation z, and its derivative in terms of z and the function's value."""

    function: Callable[[Array], Array]
    derivative: Callable[[Array, Array], Array]


def _sigmoid(z: Array) -> Array:
    """1 / (1 + exp(-z)), exact to rounding for all z and without overflow."""
    small = np.exp(-np.abs(z))
    value: Array = np.where(z >= 0, 1.0, small) / (1 + small)
    return value


def _hard_sigmoid(slope: float) -> Activation:
    """clip(slope z + 1/2, 0, 1). Beside a kink a rounding may fall on either side: the steeper one counts."""
    reach = 0.5 / slope * 1.001
    return Activation(
        lambda z: np.clip(slope * z + 0.5, 0, 1),
        lambda z, value: np.where(np.abs(z) < reach, slope, 0.0),
    )


ACTIVATIONS = {
    equations.SIGMOID: Activation(_sigmoid, lambda z, value: value * (1 - value)),
    equations.HARD_SIGMOID_5: _hard_sigmoid(1 / 5),
    equations.HARD_SIGMOID_6: _hard_sigmoid(1 / 6),
    equations.TANH: Activation(np.tanh, lambda z, value: 1 - value * value),
}


@dataclass(frozen=True, eq=False)
class Reference:
    """A float64 trajectory and its noise, each ``[B, T, U]``.

    ``hidden_noise`` and ``cell_noise`` are the standard errors to be expected of a run in the tested
    dtype.
    """

    hidden: Array
    cell: Array
    hidden_noise: Array
    cell_noise: Array


def run(case: Case, equation: Equation | None = None, weights: Weights | None = None) -> Reference:
    """The case in float64, with the noise of the case's dtype.

    ``equation`` and ``weights`` replace the case's own: an api's options may amount to another equation,
    and a framework may have initialised the weights itself.
    """
    return lstm(
        equation or case.equation,
        weights or case.weights,
        case.inputs,
        case.initial_hidden,
        case.initial_cell,
        noise.roundoff(case.dtype),
    )


def lstm(
    equation: Equation,
    weights: Weights,
    inputs: np.ndarray,
    initial_hidden: np.ndarray,
    initial_cell: np.ndarray,
    u: float,
) -> Reference:
    """The LSTM of :class:`~rnnparity_adapters.equation.Equation`, in float64.

    ``weights`` kernel ``[I+U, 4U]``, rows x then h, gates i, j, f, o, and bias ``[4U]``; ``inputs``
    ``[B, T, I]``; ``initial_hidden`` and ``initial_cell`` ``[B, U]``; ``u`` the unit roundoff of the
    dtype under test, for the noise.

    Source: Hochreiter & Schmidhuber 1997 with the forget gate of Gers, Schmidhuber & Cummins 2000, tanh
    for both squashing functions, and the forget bias of Jozefowicz, Zaremba & Sutskever 2015 where
    ``tf.nn.rnn_cell.LSTMCell`` has it::

        z = [x, h] kernel + bias        i, j, f, o = z
        c' = sigma(f + forget_bias) c + sigma(i) tanh(j)
        h' = sigma(o) tanh(c')
    """
    kernel, bias = (np.asarray(array, np.float64) for array in weights)
    squared = kernel * kernel
    x, h, c = (np.asarray(array, np.float64) for array in (inputs, initial_hidden, initial_cell))
    batch, steps, input_size = x.shape
    units = h.shape[1]
    bias = bias.reshape(4, units).copy()
    bias[GATES.index("f")] += equation.forget_bias
    gate, squash = ACTIVATIONS[equation.recurrent_activation], ACTIVATIONS[equation.activation]

    record = Reference(*(np.empty((batch, steps, units)) for _ in range(4)))
    v = np.concatenate([x[:, 0], h], axis=1)
    v_variance = np.zeros_like(v)
    c_variance = np.zeros_like(c)
    for t in range(steps):
        v[:, :input_size], v[:, input_size:] = x[:, t], h
        z = (v @ kernel).reshape(batch, 4, units) + bias
        z_variance = noise.dot(v, v_variance, squared, u).reshape(z.shape)
        z_variance = noise.rounded(z, z_variance, u)

        i, j, f, o = (
            _apply(squash if name == "j" else gate, z[:, k], z_variance[:, k], u)
            for k, name in enumerate(GATES)
        )
        kept, new = f[0] * c, i[0] * j[0]
        c_variance = noise.product(*f, c, c_variance, u) + noise.product(*i, *j, u)
        c = kept + new
        c_variance = noise.rounded(c, c_variance, u)
        output = _apply(squash, c, c_variance, u)
        h = o[0] * output[0]
        v_variance[:, input_size:] = noise.product(*o, *output, u)

        record.hidden[:, t], record.cell[:, t] = h, c
        record.hidden_noise[:, t] = np.sqrt(v_variance[:, input_size:])
        record.cell_noise[:, t] = np.sqrt(c_variance)
    return record


def _apply(activation: Activation, z: Array, variance: Array, u: float) -> tuple[Array, Array]:
    """An activation's value and its variance."""
    value = activation.function(z)
    return value, noise.activated(value, activation.derivative(z, value), variance, u)
