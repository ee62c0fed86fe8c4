"""Which function a cell computes, as data."""

from dataclasses import dataclass
from typing import Optional

SIGMOID = "sigmoid"
HARD_SIGMOID_5 = "hard_sigmoid(z/5 + 1/2)"
"""Keras 1 and 2, tf.keras and ONNX: ``clip(0.2 z + 0.5, 0, 1)``."""
HARD_SIGMOID_6 = "hard_sigmoid(z/6 + 1/2)"
"""Keras 3 and PyTorch: ``clip(z / 6 + 0.5, 0, 1)``."""
TANH = "tanh"
RELU = "relu"
LINEAR = "linear"
SOFTSIGN = "softsign"
ONE = "1"
"""The constant: h' is the output gate alone, as in an equation that leaves tanh(c') out."""


@dataclass(frozen=True)
class Equation:
    """One cell, up to its weights; x is the input, h the hidden state, c the cell state, each ``[B, ...]``.

    ``lstm``, with z = [x, h] kernel + bias, split into the gates i, j, f, o (each ``[B, U]``)::

        c' = recurrent_activation(f + forget_bias) * c + recurrent_activation(i) * activation(j)
        h' = recurrent_activation(o) * activation(c')

    Source: Hochreiter & Schmidhuber 1997 with the forget gate of Gers et al. 2000;
    ``forget_bias`` as in ``tf.nn.rnn_cell.LSTMCell``.

    Less common: ``output_activation`` squashes c' instead of ``activation``; ``forget_bias_after`` is
    added behind the activation of f; ``coupled`` has 1 - i for the forget gate (Greff et al. 2015);
    ``cell_clip`` limits the size of c', before h' is computed from it; with ``output_peephole_previous`` the
    output gate's peephole sees c, where Gers & Schmidhuber 2000 have c'. With a projection
    (Sak et al. 2014) h' is multiplied by it, and goes through ``projection_activation``.

    ``gru``, with x_g and h_g what x and h contribute to a gate g of r, z, n::

        r = recurrent_activation(x_r + h_r)        z = recurrent_activation(x_z + h_z)
        n = activation(x_n + r * h_n)              h' = z * h + (1 - z) * n

    Source: Cho et al. 2014 as cuDNN and PyTorch have it: the reset gate scales what the recurrent kernel made
    of h, its bias m included. Without ``reset_after`` it scales h before, as in the paper, and m is added
    outside. With ``update_inverted`` h' = (1 - z) * h + z * n (Chung et al. 2014).

    ``rnn``: h' = activation([x, h] kernel + bias) (Elman 1990).
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
        """The function that an LSTM's h' takes c' through."""
        return self.output_activation or self.activation
