"""Which function a cell computes, as data."""

from dataclasses import dataclass
from typing import Optional

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
    https://arxiv.org/abs/1503.04069). ``cell_clip`` limits |c'| before h' is computed from it. The output
    gate's peephole sees c' (Gers & Schmidhuber 2000, https://ieeexplore.ieee.org/document/861302), or c with
    ``output_peephole_previous``. With a projection (Sak et al. 2014, https://arxiv.org/abs/1402.1128) h' is
    multiplied by a matrix ``[U, P]`` and goes through ``projection_activation``.

    ``gru``, where x_g and h_g are what x and h contribute to the gate g, one of r, z, n::

        r = recurrent_activation(x_r + h_r)        z = recurrent_activation(x_z + h_z)
        n = activation(x_n + r * h_n)              h' = z * h + (1 - z) * n

    Source: Cho et al. 2014 (https://arxiv.org/abs/1406.1078) in the form of PyTorch and cuDNN: the reset gate
    scales the product of h and the recurrent kernel, with its bias m
    (https://docs.pytorch.org/docs/stable/generated/torch.nn.GRU.html). Without ``reset_after`` it scales h
    before the product, as in the paper, and m is added afterwards. With ``update_inverted``
    h' = (1 - z) * h + z * n (Chung et al. 2014, https://arxiv.org/abs/1412.3555).

    ``rnn``: h' = activation([x, h] kernel + bias) (Elman 1990, https://doi.org/10.1207/s15516709cog1402_1).
    """

    cell: str = "lstm"
    forget_bias: float = 1.0
    recurrent_activation: str = SIGMOID
    activation: str = TANH
    output_activation: Optional[str] = None
    forget_bias_after: float = 0.0
    coupled: bool = False
    cell_clip: Optional[float] = None
    output_peephole_previous: bool = False
    projection_activation: str = LINEAR
    reset_after: bool = True
    update_inverted: bool = False

    @property
    def output(self) -> str:
        """The function that an LSTM applies to c' to compute h'."""
        return self.output_activation or self.activation
