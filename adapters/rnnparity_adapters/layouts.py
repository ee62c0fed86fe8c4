"""The layouts: one record for each way of storing a cell.

Each record is proven by a run of its framework: ``tests/adapters/test_layout_proofs.py`` fails for a record
without a proof. The links say where a framework's source or documentation shows the same.
"""

from typing import Any, Sequence, Tuple

from .layout import Layout, Tensor

# The LSTM.

# tf.nn.rnn_cell.BasicLSTMCell and LSTMCell: i = input_gate, j = new_input, f = forget_gate, o = output_gate,
# over [x, h], and forget_bias is added at each step.
# https://github.com/tensorflow/tensorflow/blob/v1.15.5/tensorflow/python/ops/rnn_cell_impl.py
TENSORFLOW = Layout(
    tensors=(Tensor("kernel", "xh (gate unit)", "ijfo"), Tensor("bias", "(gate unit)", "ijfo")),
    forget_bias="equation",
    peepholes=tuple(Tensor("w_%s_diag" % gate, "(gate unit)", gate) for gate in "ifo"),
    projection=(Tensor("projection/kernel", "(gate unit) h", "p"),),
)

# The reference cell's own layout.
CANONICAL = TENSORFLOW

# The columns are i, ci, f, o, although the documentation of tf.raw_ops.LSTMBlockCell says i, f, ci, o:
# https://www.tensorflow.org/api_docs/python/tf/raw_ops/LSTMBlockCell
BLOCK_LSTM = Layout(
    tensors=(Tensor("w", "xh (gate unit)", "ijfo"), Tensor("b", "(gate unit)", "ijfo")),
    forget_bias="equation",
    peepholes=tuple(Tensor("wc%s" % gate, "(gate unit)", gate) for gate in "ifo"),
)

# The later op has the columns i, f, ci, o, and no forget bias:
# https://www.tensorflow.org/api_docs/python/tf/raw_ops/BlockLSTMV2
BLOCK_LSTM_V2 = Layout(
    tensors=(Tensor("w", "xh (gate unit)", "ifjo"), Tensor("b", "(gate unit)", "ifjo")),
    forget_bias="bias",
    peepholes=BLOCK_LSTM.peepholes,
)

# CudnnCompatibleLSTMCell adds no forget bias:
# https://github.com/tensorflow/tensorflow/blob/v1.15.5/tensorflow/contrib/cudnn_rnn/python/ops/cudnn_rnn_ops.py
CUDNN_LSTM = Layout(tensors=TENSORFLOW.tensors, forget_bias="bias")

# CoupledInputForgetGateLSTMCell has no input gate, which is 1 - f:
# https://github.com/tensorflow/tensorflow/blob/v1.15.5/tensorflow/contrib/rnn/python/ops/rnn_cell.py
TENSORFLOW_COUPLED = Layout(
    tensors=(Tensor("W_0", "xh (gate unit)", "jfo"), Tensor("B", "(gate unit)", "jfo")),
    forget_bias="equation",
    peepholes=(Tensor("W_F_diag", "(gate unit)", "f"), Tensor("W_O_diag", "(gate unit)", "o")),
    projection=(Tensor("W_P_0", "(gate unit) h", "p"),),
)


def _keras(cell: str, gates: str, *biases: Tensor, **more: Any) -> Layout:
    """A layout of Keras: two kernels, and ``biases``, or else one bias of all gates."""
    kernels = (Tensor("kernel", "x (gate unit)", gates), Tensor("recurrent_kernel", "h (gate unit)", gates))
    return Layout(tensors=kernels + (biases or (Tensor("bias", "(gate unit)", gates),)), cell=cell, **more)


# Keras calls the new input c. unit_forget_bias=True only initialises the forget block of the stored bias with
# ones: https://github.com/keras-team/keras/blob/2.2.4/keras/layers/recurrent.py
KERAS = _keras("lstm", "ifjo", forget_bias="bias")


def _torch(cell: str, gates: str, suffix: str, recurrent: str = "", **more: Any) -> Layout:
    """A layout of PyTorch: two kernels and two biases. ``recurrent`` are the gates of the second bias."""
    parts = (
        ("weight_ih", "(gate unit) x", gates),
        ("weight_hh", "(gate unit) h", gates),
        ("bias_ih", "(gate unit)", gates),
        ("bias_hh", "(gate unit)", recurrent or gates),
    )
    tensors = tuple(Tensor(name + suffix, axes, held) for name, axes, held in parts)
    return Layout(tensors=tensors, cell=cell, **more)


# PyTorch calls the new input g. A cell's tensors have plain names, those of a layer's first layer a suffix:
# https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTM.html
TORCH_CELL = _torch("lstm", "ifjo", "", forget_bias="bias")
TORCH_LAYER = _torch(
    "lstm", "ifjo", "_l0", forget_bias="bias", projection=(Tensor("weight_hr_l0", "h (gate unit)", "p"),)
)

# F.lstm and PF.lstm, one layer and one direction. A layer's axes are [directions, gates, U, I+U]:
# https://nnabla.readthedocs.io/en/latest/python/api/function.html
NNABLA_LSTM = Layout(
    tensors=(
        Tensor("lstm/weight_l0", "1 gate unit xh", "ifjo"),
        Tensor("lstm/bias", "1 1 gate unit", "ifjo"),
    ),
    forget_bias="bias",
)

# PF.lstm_cell splits its one affine into i, o, f and the new input, in another order than PF.lstm:
# https://github.com/sony/nnabla/blob/v1.39.0/python/src/nnabla/parametric_functions.py
NNABLA_LSTM_CELL = Layout(
    tensors=(
        Tensor("lstm/affine/W", "xh gate unit", "iofj"),
        Tensor("lstm/affine/b", "gate unit", "iofj"),
    ),
    forget_bias="bias",
)

# The article's cell: a (the new input), i, f, o, in one affine or in four. See nnabla_article.py.
NNABLA_ONE_AFFINE = Layout(
    tensors=(
        Tensor("WaWiWfWo/affine/W", "xh (gate unit)", "jifo"),
        Tensor("WaWiWfWo/affine/b", "(gate unit)", "jifo"),
    ),
    forget_bias="bias",
)

NNABLA_FOUR_AFFINES = Layout(
    tensors=tuple(
        Tensor(name + suffix, axes, gate)
        for name, gate in (("Wa", "j"), ("Wi", "i"), ("Wf", "f"), ("Wo", "o"))
        for suffix, axes in (("/affine/W", "xh (gate unit)"), ("/affine/b", "(gate unit)"))
    ),
    forget_bias="bias",
)


def _onnx(cell: str, gates: str, recurrent: str = "", **more: Any) -> Layout:
    """A layout of ONNX, of one direction. Its B holds two biases side by side, here called Wb and Rb."""
    parts = (
        ("W", "1 (gate unit) x", gates),
        ("R", "1 (gate unit) h", gates),
        ("Wb", "1 (gate unit)", gates),
        ("Rb", "1 (gate unit)", recurrent or gates),
    )
    return Layout(tensors=tuple(Tensor(*part) for part in parts), cell=cell, **more)


# ONNX orders the gates i, o, f, c, where c is the new input, and the peepholes in P i, o, f:
# https://onnx.ai/onnx/operators/onnx__LSTM.html
ONNX = _onnx("lstm", "iofj", forget_bias="bias", peepholes=(Tensor("P", "1 (gate unit)", "iof"),))


def _by_name(cell: str, parts: Sequence[Tuple[str, str, str]], **more: Any) -> Layout:
    """A layout of tensors ``name``, ``rows``, ``gates``, in each of which rows multiply blocks of columns.

    Without rows it is a bias.
    """
    tensors = (Tensor(name, f"{rows} (gate unit)".strip(), gates) for name, rows, gates in parts)
    return Layout(tensors=tuple(tensors), cell=cell, **more)


# Flax calls the new input g. The cells of linen, also the optimised one, have a kernel for each gate, and
# biases beside the recurrent ones. nnx calls the forget gate's if_, and its optimised cell has two kernels:
# https://github.com/google/flax/blob/v0.12.8/flax/linen/recurrent.py
def _flax_lstm(forget: str) -> Layout:
    named = (("i", "ii", "hi"), ("f", forget, "hf"), ("j", "ig", "hg"), ("o", "io", "ho"))
    kernels = [(f"{x}/kernel", "x", gate) for gate, x, _ in named]
    recurrent = [(f"{h}/kernel", "h", gate) for gate, _, h in named]
    biases = [(f"{h}/bias", "", gate) for gate, _, h in named]
    return _by_name("lstm", [*kernels, *recurrent, *biases], forget_bias="bias")


FLAX_LINEN = _flax_lstm("if")
FLAX_NNX = _flax_lstm("if_")
FLAX_NNX_OPTIMIZED = _by_name(
    "lstm",
    (("dense_i/kernel", "x", "ifjo"), ("dense_h/kernel", "h", "ifjo"), ("dense_h/bias", "", "ifjo")),
    forget_bias="bias",
)

# Haiku orders the gates as TensorFlow 1, and always adds 1 to the forget gate:
# https://github.com/google-deepmind/dm-haiku/blob/v0.0.17/haiku/_src/recurrent.py
HAIKU = _by_name("lstm", (("linear/w", "xh", "ijfo"), ("linear/b", "", "ijfo")), forget_bias="equation")

# https://github.com/patrick-kidger/equinox/blob/v0.13.8/equinox/nn/_rnn.py
EQUINOX = Layout(
    tensors=(
        Tensor("weight_ih", "(gate unit) x", "ifjo"),
        Tensor("weight_hh", "(gate unit) h", "ifjo"),
        Tensor("bias", "(gate unit)", "ifjo"),
    ),
    forget_bias="bias",
)

# The GRU. m is the bias inside of the product with the reset gate.
CANONICAL_GRU = Layout(
    tensors=(Tensor("kernel", "xh (gate unit)", "rzn"), Tensor("bias", "(gate unit)", "rznm")),
    cell="gru",
)

# tf.nn.rnn_cell.GRUCell calls the update gate u and the new state the candidate, whose weights are apart:
# https://github.com/tensorflow/tensorflow/blob/v1.15.5/tensorflow/python/ops/rnn_cell_impl.py
TENSORFLOW_GRU = Layout(
    tensors=(
        Tensor("gates/kernel", "xh (gate unit)", "rz"),
        Tensor("gates/bias", "(gate unit)", "rz"),
        Tensor("candidate/kernel", "xh (gate unit)", "n"),
        Tensor("candidate/bias", "(gate unit)", "n"),
    ),
    cell="gru",
)

# The raw op, and GRUBlockCell: https://www.tensorflow.org/api_docs/python/tf/raw_ops/GRUBlockCell
BLOCK_GRU = Layout(
    tensors=(
        Tensor("w_ru", "xh (gate unit)", "rz"),
        Tensor("b_ru", "(gate unit)", "rz"),
        Tensor("w_c", "xh (gate unit)", "n"),
        Tensor("b_c", "(gate unit)", "n"),
    ),
    cell="gru",
)

# CudnnCompatibleGRUCell's hidden_projection is inside of the product with the reset gate.
CUDNN_GRU = Layout(
    tensors=(
        Tensor("gates/kernel", "xh (gate unit)", "rz"),
        Tensor("gates/bias", "(gate unit)", "rz"),
        Tensor("candidate/input_projection/kernel", "x (gate unit)", "n"),
        Tensor("candidate/input_projection/bias", "(gate unit)", "n"),
        Tensor("candidate/hidden_projection/kernel", "h (gate unit)", "n"),
        Tensor("candidate/hidden_projection/bias", "(gate unit)", "m"),
    ),
    cell="gru",
)

# Keras calls the new state h. With reset_after its bias has two rows, that of the kernel and that of the
# recurrent kernel. Without, it has the first one alone:
# https://github.com/keras-team/keras/blob/2.2.4/keras/layers/recurrent.py
KERAS_GRU = _keras("gru", "zrn")
KERAS_GRU_RESET_AFTER = _keras(
    "gru",
    "zrn",
    Tensor("input_bias", "1 (gate unit)", "zrn"),
    Tensor("recurrent_bias", "1 (gate unit)", "zrm"),
)

# b_hn is inside of the product with the reset gate, so the second bias holds m where the first holds n:
# https://docs.pytorch.org/docs/stable/generated/torch.nn.GRU.html
TORCH_GRU_CELL = _torch("gru", "rzn", "", recurrent="rzm")
TORCH_GRU_LAYER = _torch("gru", "rzn", "_l0", recurrent="rzm")

# The bias has four rows, b_r, b_z, b_in and b_hn; the weight has three:
# https://nnabla.readthedocs.io/en/latest/python/api/function.html
NNABLA_GRU = Layout(
    tensors=(
        Tensor("gru/weight_l0", "1 gate unit xh", "rzn"),
        Tensor("gru/bias", "1 1 gate unit", "rznm"),
    ),
    cell="gru",
)

# ONNX calls the new state h. Only with linear_before_reset is Rb's part of it inside of the product with the
# reset gate: https://onnx.ai/onnx/operators/onnx__GRU.html
ONNX_GRU = _onnx("gru", "zrn", recurrent="zrm")

# Flax's hn/bias is inside of the product with the reset gate. The cell of nnx has none of the kind.
FLAX_LINEN_GRU = _by_name(
    "gru",
    (
        ("ir/kernel", "x", "r"), ("iz/kernel", "x", "z"), ("in/kernel", "x", "n"),
        ("hr/kernel", "h", "r"), ("hz/kernel", "h", "z"), ("hn/kernel", "h", "n"),
        ("ir/bias", "", "r"), ("iz/bias", "", "z"), ("in/bias", "", "n"), ("hn/bias", "", "m"),
    ),
)  # fmt: skip
FLAX_NNX_GRU = _by_name(
    "gru", (("dense_i/kernel", "x", "rzn"), ("dense_i/bias", "", "rzn"), ("dense_h/kernel", "h", "rzn"))
)

HAIKU_GRU = _by_name("gru", (("w_i", "x", "zrn"), ("w_h", "h", "zrn"), ("b", "", "zrn")))

# bias_n is inside of the product with the reset gate.
EQUINOX_GRU = Layout(
    tensors=(
        Tensor("weight_ih", "(gate unit) x", "rzn"),
        Tensor("weight_hh", "(gate unit) h", "rzn"),
        Tensor("bias", "(gate unit)", "rzn"),
        Tensor("bias_n", "(gate unit)", "m"),
    ),
    cell="gru",
)

# The simple RNN. The tensors have the same names as those of the framework's other cells.
CANONICAL_RNN = Layout(
    tensors=(Tensor("kernel", "xh (gate unit)", "n"), Tensor("bias", "(gate unit)", "n")), cell="rnn"
)

# tf.nn.rnn_cell.BasicRNNCell:
# https://github.com/tensorflow/tensorflow/blob/v1.15.5/tensorflow/python/ops/rnn_cell_impl.py
TENSORFLOW_RNN = CANONICAL_RNN

KERAS_RNN = _keras("rnn", "n")

TORCH_RNN_CELL = _torch("rnn", "n", "")
TORCH_RNN_LAYER = _torch("rnn", "n", "_l0")

NNABLA_RNN = Layout(
    tensors=(Tensor("rnn/weight_l0", "1 (gate unit) xh", "n"), Tensor("rnn/bias", "1 1 (gate unit)", "n")),
    cell="rnn",
)

ONNX_RNN = _onnx("rnn", "n")

FLAX_LINEN_RNN = _by_name("rnn", (("i/kernel", "x", "n"), ("i/bias", "", "n"), ("h/kernel", "h", "n")))
FLAX_NNX_RNN = _by_name(
    "rnn", (("dense_i/kernel", "x", "n"), ("dense_i/bias", "", "n"), ("dense_h/kernel", "h", "n"))
)
HAIKU_RNN = _by_name(
    "rnn", (("linear/w", "x", "n"), ("linear_1/w", "h", "n"), ("linear/b", "", "n"), ("linear_1/b", "", "n"))
)

# Equations as they are printed.


def _printed(gates: Sequence[Tuple[str, str]], tensors: Sequence[Tuple[str, str]]) -> Layout:
    """A layout of a printed equation, which has matrices and a vector of its own for each gate.

    ``gates`` are pairs of the equation's symbol and the canonical gate. ``tensors`` are pairs of a name, with
    ``%s`` for the symbol, and its axes.
    """
    return Layout(
        tensors=tuple(Tensor(name % symbol, axes, gate) for symbol, gate in gates for name, axes in tensors),
        forget_bias="bias",
    )


# Deep Learning, 10.10. The symbols of the new input have no superscript:
# https://www.deeplearningbook.org/contents/rnn.html
GOODFELLOW = _printed(
    (("", "j"), ("f", "f"), ("g", "i"), ("o", "o")),
    (("b%s", "(gate unit)"), ("U%s", "(gate unit) x"), ("W%s", "(gate unit) h")),
)

# Deep Learning with Python, 6.2.2, without its matrix Vo: no framework has a tensor for that.
CHOLLET = _printed(
    (("o", "o"), ("i", "i"), ("f", "f"), ("k", "j")),
    (("U%s", "h (gate unit)"), ("W%s", "x (gate unit)"), ("b%s", "(gate unit)")),
)

# The equation in the documentation: https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTM.html
PYTORCH_PRINTED = _printed(
    (("i", "i"), ("f", "f"), ("g", "j"), ("o", "o")),
    (
        ("W_i%s", "(gate unit) x"),
        ("b_i%s", "(gate unit)"),
        ("W_h%s", "(gate unit) h"),
        ("b_h%s", "(gate unit)"),
    ),
)

NNABLA_ARTICLE_PRINTED = _printed(
    (("a", "j"), ("i", "i"), ("f", "f"), ("o", "o")), (("W%s", "xh (gate unit)"), ("b%s", "(gate unit)"))
)
