"""Which function a cell computes, as data."""

import re
from dataclasses import dataclass
from typing import NamedTuple, Optional

SIGMOID = "sigmoid"
HARD_SIGMOID_5 = "hard_sigmoid(z/5 + 1/2)"
"""``clip(0.2 z + 0.5, 0, 1)``: Keras 1 and 2, tf.keras, and ONNX's HardSigmoid by default.

Sources: https://github.com/keras-team/keras/blob/2.2.4/keras/backend/tensorflow_backend.py,
https://onnx.ai/onnx/operators/onnx__HardSigmoid.html
"""
HARD_SIGMOID_6 = "hard_sigmoid(z/6 + 1/2)"
"""``clip(z / 6 + 0.5, 0, 1)``: Keras 3 and PyTorch.

Sources: https://github.com/keras-team/keras/blob/v3.0.0/keras/activations/activations.py,
https://docs.pytorch.org/docs/stable/generated/torch.nn.Hardsigmoid.html
"""
TANH = "tanh"
RELU = "relu"
LINEAR = "linear"
SOFTSIGN = "softsign"
ONE = "1"
"""The constant 1. With it h' is the output gate alone, as in an equation that omits tanh(c')."""
SOFTPLUS = "softplus"

AFFINE, LEAKY_RELU, THRESHOLDED_RELU = "affine", "leaky_relu", "thresholded_relu"
SCALED_TANH, HARD_SIGMOID, ELU = "scaled_tanh", "hard_sigmoid", "elu"
"""Families of functions, each with a number alpha and some with a number beta, as ONNX defines them:
https://onnx.ai/onnx/operators/onnx__LSTM.html#attributes
"""


class Member(NamedTuple):
    """One function of a ``family``. ``beta`` is None where the family has only one number."""

    family: str
    alpha: float
    beta: Optional[float] = None

    @property
    def name(self) -> str:
        """Its name in an equation, such as ``elu(alpha=0.5)``; the usual one where it has one."""
        for usual, member in _USUAL.items():
            if member.family == self.family and _near(member, self):
                return usual
        beta = "" if self.beta is None else ", beta={!r}".format(float(self.beta))
        return "{}(alpha={!r}{})".format(self.family, float(self.alpha), beta)


def _near(one: Member, other: Member) -> bool:
    """Whether the numbers are the same, as far as float32 tells."""
    pairs = ((one.alpha, other.alpha), (one.beta or 0.0, other.beta or 0.0))
    return all(abs(a - b) < 1e-6 for a, b in pairs)


_USUAL = {
    HARD_SIGMOID_5: Member(HARD_SIGMOID, 1 / 5, 1 / 2),
    HARD_SIGMOID_6: Member(HARD_SIGMOID, 1 / 6, 1 / 2),
    LINEAR: Member(AFFINE, 1.0, 0.0),
}
_MEMBER = re.compile(r"(\w+)\(alpha=([^,()]+)(?:, beta=([^,()]+))?\)")
WITH_BETA = {
    AFFINE: True,
    LEAKY_RELU: False,
    THRESHOLDED_RELU: False,
    SCALED_TANH: True,
    HARD_SIGMOID: True,
    ELU: False,
}
"""The families, and whether each has a number beta."""


def member(name: str) -> Optional[Member]:
    """The function of a family that a name in an equation means; None where it is no such name."""
    if name in _USUAL:
        return _USUAL[name]
    found = _MEMBER.fullmatch(name)
    if not found or (found.group(3) is not None) != WITH_BETA.get(found.group(1)):
        return None
    try:
        numbers = [float(number) for number in found.groups()[1:] if number is not None]
    except ValueError:
        return None
    return Member(found.group(1), *numbers) if all(abs(number) < 1e30 for number in numbers) else None


@dataclass(frozen=True)
class Equation:
    """The function of one cell, without its weights.

    x ``[B, I]`` is the input, h ``[B, U]`` the hidden state and c ``[B, U]`` the cell state. h' and c' are
    the new states.

    ``lstm``, with z = [x, h] kernel + bias, split into the gates i, j, f, o, each ``[B, U]``::

        c' = recurrent_activation(f + forget_bias) * c + recurrent_activation(i) * activation(j)
        h' = recurrent_activation(o) * activation(c')

    Source: Hochreiter & Schmidhuber 1997 (https://doi.org/10.1162/neco.1997.9.8.1735) with the forget gate of
    Gers et al. 2000 (https://doi.org/10.1162/089976600300015015); ``forget_bias`` as in
    ``tf.nn.rnn_cell.LSTMCell``.

    Rarer fields of an LSTM: ``output_activation`` replaces ``activation`` for c'. ``forget_bias_after`` is
    added after the activation of f. ``coupled`` makes the forget gate 1 - i (Greff et al. 2015,
    https://arxiv.org/abs/1503.04069), ``input_coupled`` the input gate 1 - f, as TensorFlow 1's
    CoupledInputForgetGateLSTMCell does. ``cell_clip`` limits |c'| before h' is computed from it. The output
    gate's peephole sees c' (Gers & Schmidhuber 2000, https://ieeexplore.ieee.org/document/861302), or c with
    ``output_peephole_previous``. With a projection (Sak et al. 2014, https://arxiv.org/abs/1402.1128) h' is
    multiplied by a matrix ``[U, P]`` and goes through ``projection_activation``; ``projection_clip`` limits
    its absolute value before that.

    In every cell ``gate_clip`` limits the absolute value of what goes into the functions of gates and of the
    new input, peepholes included. ``output_clip`` limits that of c' on its way into its function, and not
    that of c' itself. ONNX's ``clip`` is both (https://onnx.ai/onnx/operators/onnx__LSTM.html).

    ``gru``, where x_g and h_g are what x and h contribute to the gate g, one of r, z, n::

        r = recurrent_activation(x_r + h_r)        z = recurrent_activation(x_z + h_z)
        n = activation(x_n + r * h_n)              h' = z * h + (1 - z) * n

    Source: Cho et al. 2014 (https://arxiv.org/abs/1406.1078) in the form of PyTorch and cuDNN: the reset gate
    scales the product of h and the recurrent kernel, with its bias m
    (https://docs.pytorch.org/docs/stable/generated/torch.nn.GRU.html). Without ``reset_after`` it scales h
    before the product, as in the paper, and m is added afterwards. With ``update_inverted``
    h' = (1 - z) * h + z * n (Chung et al. 2014, https://arxiv.org/abs/1412.3555).

    ``tanh_middle`` says how tanh is computed, not what it is: its rounding error is relative to this value
    where the result is smaller. It is 1 where tanh is computed as 2 sigmoid(2 z) - 1.

    ``rnn``: h' = activation([x, h] kernel + bias) (Elman 1990, https://doi.org/10.1207/s15516709cog1402_1).
    """

    cell: str = "lstm"
    forget_bias: float = 1.0
    recurrent_activation: str = SIGMOID
    activation: str = TANH
    output_activation: Optional[str] = None
    forget_bias_after: float = 0.0
    coupled: bool = False
    input_coupled: bool = False
    cell_clip: Optional[float] = None
    output_peephole_previous: bool = False
    projection_activation: str = LINEAR
    projection_clip: Optional[float] = None
    gate_clip: Optional[float] = None
    output_clip: Optional[float] = None
    tanh_middle: float = 0.0
    reset_after: bool = True
    update_inverted: bool = False

    @property
    def output(self) -> str:
        """The function that an LSTM applies to c' to compute h'."""
        return self.output_activation or self.activation
