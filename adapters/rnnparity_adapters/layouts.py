"""One layout for each way of storing a cell. Every record was verified by running its framework."""

from typing import Sequence, Tuple

from .layout import Layout, Tensor

# The LSTM.

# tf.nn.rnn_cell.BasicLSTMCell and LSTMCell, tf.raw_ops.BlockLSTM: gates "i = input_gate, j = new_input,
# f = forget_gate, o = output_gate" over [x, h], forget_bias added at each step.
TENSORFLOW = Layout(
    tensors=(Tensor("kernel", "xh (gate unit)", "ijfo"), Tensor("bias", "(gate unit)", "ijfo")),
    forget_bias="equation",
    peepholes=tuple(Tensor("w_%s_diag" % gate, "(gate unit)", gate) for gate in "ifo"),
    projection=(Tensor("projection/kernel", "(gate unit) h", "p"),),
)

# The reference cell's own layout.
CANONICAL = TENSORFLOW

BLOCK_LSTM = Layout(
    tensors=(Tensor("w", "xh (gate unit)", "ijfo"), Tensor("b", "(gate unit)", "ijfo")),
    forget_bias="equation",
    peepholes=tuple(Tensor("wc%s" % gate, "(gate unit)", gate) for gate in "ifo"),
)

# Keras calls the new input c; unit_forget_bias=True only initialises the stored bias with ones.
KERAS = Layout(
    tensors=(
        Tensor("kernel", "x (gate unit)", "ifjo"),
        Tensor("recurrent_kernel", "h (gate unit)", "ifjo"),
        Tensor("bias", "(gate unit)", "ifjo"),
    ),
    forget_bias="bias",
)

# PyTorch calls the new input g, and adds two biases.
TORCH_CELL = Layout(
    tensors=(
        Tensor("weight_ih", "(gate unit) x", "ifjo"),
        Tensor("weight_hh", "(gate unit) h", "ifjo"),
        Tensor("bias_ih", "(gate unit)", "ifjo"),
        Tensor("bias_hh", "(gate unit)", "ifjo"),
    ),
    forget_bias="bias",
)

TORCH_LAYER = Layout(
    tensors=tuple(Tensor(t.name + "_l0", t.axes, t.gates) for t in TORCH_CELL.tensors),
    forget_bias="bias",
    projection=(Tensor("weight_hr_l0", "h (gate unit)", "p"),),
)

# F.lstm and PF.lstm: one layer, one direction.
NNABLA_LSTM = Layout(
    tensors=(
        Tensor("lstm/weight_l0", "1 gate unit xh", "ifjo"),
        Tensor("lstm/bias", "1 1 gate unit", "ifjo"),
    ),
    forget_bias="bias",
)

NNABLA_LSTM_CELL = Layout(
    tensors=(
        Tensor("lstm/affine/W", "xh gate unit", "iofj"),
        Tensor("lstm/affine/b", "gate unit", "iofj"),
    ),
    forget_bias="bias",
)

# The article's cell: a (new input), i, f, o, in one affine or in four.
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

# ONNX calls the new input c; B holds the biases of W and of R side by side, P the peepholes i, o, f.
# Only the operator's forward direction.
ONNX = Layout(
    tensors=(
        Tensor("W", "1 (gate unit) x", "iofj"),
        Tensor("R", "1 (gate unit) h", "iofj"),
        Tensor("Wb", "1 (gate unit)", "iofj"),
        Tensor("Rb", "1 (gate unit)", "iofj"),
    ),
    forget_bias="bias",
    peepholes=(Tensor("P", "1 (gate unit)", "iof"),),
)

# The GRU. A bias that is added inside the reset gate's product is m.
CANONICAL_GRU = Layout(
    tensors=(Tensor("kernel", "xh (gate unit)", "rzn"), Tensor("bias", "(gate unit)", "rznm")),
    cell="gru",
)

# tf.nn.rnn_cell.GRUCell calls the update gate u, and the new state the candidate.
TENSORFLOW_GRU = Layout(
    tensors=(
        Tensor("gates/kernel", "xh (gate unit)", "rz"),
        Tensor("gates/bias", "(gate unit)", "rz"),
        Tensor("candidate/kernel", "xh (gate unit)", "n"),
        Tensor("candidate/bias", "(gate unit)", "n"),
    ),
    cell="gru",
)

# Keras calls the new state h. With reset_after its bias has two rows: that of the kernel, and that of the
# recurrent kernel; without, it is the first one alone.
_KERAS_GRU_KERNELS = (
    Tensor("kernel", "x (gate unit)", "zrn"),
    Tensor("recurrent_kernel", "h (gate unit)", "zrn"),
)
KERAS_GRU = Layout(tensors=(*_KERAS_GRU_KERNELS, Tensor("bias", "(gate unit)", "zrn")), cell="gru")
KERAS_GRU_RESET_AFTER = Layout(
    tensors=(
        *_KERAS_GRU_KERNELS,
        Tensor("input_bias", "1 (gate unit)", "zrn"),
        Tensor("recurrent_bias", "1 (gate unit)", "zrm"),
    ),
    cell="gru",
)

TORCH_GRU_CELL = Layout(
    tensors=(
        Tensor("weight_ih", "(gate unit) x", "rzn"),
        Tensor("weight_hh", "(gate unit) h", "rzn"),
        Tensor("bias_ih", "(gate unit)", "rzn"),
        Tensor("bias_hh", "(gate unit)", "rzm"),
    ),
    cell="gru",
)

TORCH_GRU_LAYER = Layout(
    tensors=tuple(Tensor(t.name + "_l0", t.axes, t.gates) for t in TORCH_GRU_CELL.tensors), cell="gru"
)

NNABLA_GRU = Layout(
    tensors=(
        Tensor("gru/weight_l0", "1 gate unit xh", "rzn"),
        Tensor("gru/bias", "1 1 gate unit", "rznm"),
    ),
    cell="gru",
)

# ONNX calls the new state h; without linear_before_reset Rb's part of it is added outside.
ONNX_GRU = Layout(
    tensors=(
        Tensor("W", "1 (gate unit) x", "zrn"),
        Tensor("R", "1 (gate unit) h", "zrn"),
        Tensor("Wb", "1 (gate unit)", "zrn"),
        Tensor("Rb", "1 (gate unit)", "zrm"),
    ),
    cell="gru",
)

# The simple RNN.
CANONICAL_RNN = Layout(
    tensors=(Tensor("kernel", "xh (gate unit)", "n"), Tensor("bias", "(gate unit)", "n")), cell="rnn"
)

# tf.nn.rnn_cell.BasicRNNCell
TENSORFLOW_RNN = CANONICAL_RNN

KERAS_RNN = Layout(
    tensors=(
        Tensor("kernel", "x (gate unit)", "n"),
        Tensor("recurrent_kernel", "h (gate unit)", "n"),
        Tensor("bias", "(gate unit)", "n"),
    ),
    cell="rnn",
)

TORCH_RNN_CELL = Layout(
    tensors=(
        Tensor("weight_ih", "(gate unit) x", "n"),
        Tensor("weight_hh", "(gate unit) h", "n"),
        Tensor("bias_ih", "(gate unit)", "n"),
        Tensor("bias_hh", "(gate unit)", "n"),
    ),
    cell="rnn",
)

TORCH_RNN_LAYER = Layout(
    tensors=tuple(Tensor(t.name + "_l0", t.axes, t.gates) for t in TORCH_RNN_CELL.tensors), cell="rnn"
)

NNABLA_RNN = Layout(
    tensors=(Tensor("rnn/weight_l0", "1 (gate unit) xh", "n"), Tensor("rnn/bias", "1 1 (gate unit)", "n")),
    cell="rnn",
)

ONNX_RNN = Layout(
    tensors=(
        Tensor("W", "1 (gate unit) x", "n"),
        Tensor("R", "1 (gate unit) h", "n"),
        Tensor("Wb", "1 (gate unit)", "n"),
        Tensor("Rb", "1 (gate unit)", "n"),
    ),
    cell="rnn",
)

# Equations as they are printed.


def _printed(gates: Sequence[Tuple[str, str]], tensors: Sequence[Tuple[str, str]]) -> Layout:
    """Of a printed equation, which has a matrix or vector for each gate: (symbol, gate), (name, axes)."""
    return Layout(
        tensors=tuple(Tensor(name % symbol, axes, gate) for symbol, gate in gates for name, axes in tensors),
        forget_bias="bias",
    )


# Deep Learning, 10.10: the new input's symbols have no superscript.
GOODFELLOW = _printed(
    (("", "j"), ("f", "f"), ("g", "i"), ("o", "o")),
    (("b%s", "(gate unit)"), ("U%s", "(gate unit) x"), ("W%s", "(gate unit) h")),
)

# Deep Learning with Python, 6.2.2, without Vo, which has no counterpart anywhere.
CHOLLET = _printed(
    (("o", "o"), ("i", "i"), ("f", "f"), ("k", "j")),
    (("U%s", "h (gate unit)"), ("W%s", "x (gate unit)"), ("b%s", "(gate unit)")),
)

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
