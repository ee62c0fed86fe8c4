"""The layouts of the frameworks that few people still port from. What :mod:`.layouts` says holds here too."""

from dataclasses import replace
from typing import Any, Sequence, Tuple

from .layout import Layout, Tensor
from .layouts import TORCH_CELL, TORCH_LAYER

# Chainer's step links multiply W @ x. The gates of an LSTM, of which a is the new input, are interleaved:
# https://github.com/chainer/chainer/blob/v7.8.1/chainer/functions/rnn/lstm.py
CHAINER_LSTM = Layout(
    tensors=(
        Tensor("upward/W", "(unit gate) x", "jifo"),
        Tensor("upward/b", "(unit gate)", "jifo"),
        Tensor("lateral/W", "(unit gate) h", "jifo"),
    ),
    forget_bias="bias",
)


def _matrices(cell: str, parts: Sequence[Tuple[str, str, str]], **more: Any) -> Layout:
    """A layout with a matrix ``W @ x`` for each gate: names, what the rows multiply, and the gate.

    Without rows it is a bias.
    """
    tensors = (Tensor(name, ("(gate unit) %s" % rows).strip(), gate) for name, rows, gate in parts)
    return Layout(tensors=tuple(tensors), cell=cell, **more)


# https://github.com/chainer/chainer/blob/v7.8.1/chainer/links/rnn/gru.py: h' = (1 - z) h + z n
CHAINER_GRU = _matrices(
    "gru",
    (
        ("W_r/W", "x", "r"), ("W_z/W", "x", "z"), ("W/W", "x", "n"),
        ("U_r/W", "h", "r"), ("U_z/W", "h", "z"), ("U/W", "h", "n"),
        ("W_r/b", "", "r"), ("W_z/b", "", "z"), ("W/b", "", "n"),
        ("U_r/b", "", "r"), ("U_z/b", "", "z"), ("U/b", "", "n"),
    ),
)  # fmt: skip


def _n_step(cell: str, gates: str, recurrent: str = "", **more: Any) -> Layout:
    """A layout of the layers, which number their matrices and biases, those of x first, as cuDNN does.

    ``recurrent`` are the gates of the second biases:
    https://github.com/chainer/chainer/blob/v7.8.1/chainer/links/rnn/n_step_rnn.py
    """
    recurrent, count = recurrent or gates, len(gates)
    matrices = [("w%d" % n, "x" if n < count else "h", gates[n % count]) for n in range(2 * count)]
    biases = [("b%d" % n, "", gate) for n, gate in enumerate(gates + recurrent)]
    return _matrices(cell, matrices + biases, **more)


CHAINER_N_STEP_LSTM = _n_step("lstm", "ifjo", forget_bias="bias")
CHAINER_N_STEP_GRU = _n_step("gru", "rzn", recurrent="rzm")
CHAINER_N_STEP_RNN = _n_step("rnn", "n")


def _mxnet(cell: str, gates: str, prefix: str, recurrent: str = "", **more: Any) -> Layout:
    """A layout of MXNet's Gluon, whose layers have the ``prefix`` of the first one.

    https://github.com/apache/mxnet/blob/1.9.1/python/mxnet/gluon/rnn/rnn_layer.py
    """
    parts = (
        ("i2h_weight", "(gate unit) x", gates),
        ("h2h_weight", "(gate unit) h", gates),
        ("i2h_bias", "(gate unit)", gates),
        ("h2h_bias", "(gate unit)", recurrent or gates),
    )
    tensors = tuple(Tensor(prefix + name, axes, held) for name, axes, held in parts)
    return Layout(tensors=tensors, cell=cell, **more)


MXNET_CELL = _mxnet("lstm", "ifjo", "", forget_bias="bias")
MXNET_LAYER = _mxnet(
    "lstm", "ifjo", "l0_", forget_bias="bias", projection=(Tensor("l0_h2r_weight", "h (gate unit)", "p"),)
)
MXNET_GRU_CELL = _mxnet("gru", "rzn", "", recurrent="rzm")
MXNET_GRU_LAYER = _mxnet("gru", "rzn", "l0_", recurrent="rzm")
MXNET_RNN_CELL = _mxnet("rnn", "n", "")
MXNET_RNN_LAYER = _mxnet("rnn", "n", "l0_")

# Paddle's tensors are PyTorch's, but for the projection, which is h @ W:
# https://github.com/PaddlePaddle/Paddle/blob/v3.3.1/python/paddle/nn/layer/rnn.py
PADDLE_CELL = replace(TORCH_CELL, projection=(Tensor("weight_ho", "(gate unit) h", "p"),))
PADDLE_LAYER = replace(TORCH_LAYER, projection=(Tensor("0.cell.weight_ho", "(gate unit) h", "p"),))
