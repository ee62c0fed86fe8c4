"""One layout for each way of storing a cell. Each is proven by a run of its framework: see
``tests/adapters/test_layout_proofs.py``, which fails for a record that has no proof.
"""

from typing import Any, Sequence, Tuple

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


def _keras(cell: str, gates: str, *biases: Tensor, **more: Any) -> Layout:
    """Keras's: two kernels, and the biases; one of all gates unless given."""
    kernels = (Tensor("kernel", "x (gate unit)", gates), Tensor("recurrent_kernel", "h (gate unit)", gates))
    return Layout(tensors=kernels + (biases or (Tensor("bias", "(gate unit)", gates),)), cell=cell, **more)


# Keras calls the new input c; unit_forget_bias=True only initialises the stored bias with ones.
KERAS = _keras("lstm", "ifjo", forget_bias="bias")


def _torch(cell: str, gates: str, suffix: str, recurrent: str = "", **more: Any) -> Layout:
    """PyTorch's: two kernels and two biases, which add up; ``recurrent`` are the gates of the second bias."""
    parts = (
        ("weight_ih", "(gate unit) x", gates),
        ("weight_hh", "(gate unit) h", gates),
        ("bias_ih", "(gate unit)", gates),
        ("bias_hh", "(gate unit)", recurrent or gates),
    )
    tensors = tuple(Tensor(name + suffix, axes, held) for name, axes, held in parts)
    return Layout(tensors=tensors, cell=cell, **more)


# PyTorch calls the new input g. The cells have the plain names, the first layer of a layer a suffix.
TORCH_CELL = _torch("lstm", "ifjo", "", forget_bias="bias")
TORCH_LAYER = _torch(
    "lstm", "ifjo", "_l0", forget_bias="bias", projection=(Tensor("weight_hr_l0", "h (gate unit)", "p"),)
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


def _onnx(cell: str, gates: str, recurrent: str = "", **more: Any) -> Layout:
    """ONNX's: B holds the biases of W and of R side by side. Only one of the operator's directions."""
    parts = (
        ("W", "1 (gate unit) x", gates),
        ("R", "1 (gate unit) h", gates),
        ("Wb", "1 (gate unit)", gates),
        ("Rb", "1 (gate unit)", recurrent or gates),
    )
    return Layout(tensors=tuple(Tensor(*part) for part in parts), cell=cell, **more)


# ONNX calls the new input c, and has the peepholes i, o, f in P.
ONNX = _onnx("lstm", "iofj", forget_bias="bias", peepholes=(Tensor("P", "1 (gate unit)", "iof"),))

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
KERAS_GRU = _keras("gru", "zrn")
KERAS_GRU_RESET_AFTER = _keras(
    "gru",
    "zrn",
    Tensor("input_bias", "1 (gate unit)", "zrn"),
    Tensor("recurrent_bias", "1 (gate unit)", "zrm"),
)

TORCH_GRU_CELL = _torch("gru", "rzn", "", recurrent="rzm")
TORCH_GRU_LAYER = _torch("gru", "rzn", "_l0", recurrent="rzm")

NNABLA_GRU = Layout(
    tensors=(
        Tensor("gru/weight_l0", "1 gate unit xh", "rzn"),
        Tensor("gru/bias", "1 1 gate unit", "rznm"),
    ),
    cell="gru",
)

# ONNX calls the new state h; without linear_before_reset Rb's part of it is added outside.
ONNX_GRU = _onnx("gru", "zrn", recurrent="zrm")

# The simple RNN.
CANONICAL_RNN = Layout(
    tensors=(Tensor("kernel", "xh (gate unit)", "n"), Tensor("bias", "(gate unit)", "n")), cell="rnn"
)

# tf.nn.rnn_cell.BasicRNNCell
TENSORFLOW_RNN = CANONICAL_RNN

KERAS_RNN = _keras("rnn", "n")

TORCH_RNN_CELL = _torch("rnn", "n", "")
TORCH_RNN_LAYER = _torch("rnn", "n", "_l0")

NNABLA_RNN = Layout(
    tensors=(Tensor("rnn/weight_l0", "1 (gate unit) xh", "n"), Tensor("rnn/bias", "1 1 (gate unit)", "n")),
    cell="rnn",
)

ONNX_RNN = _onnx("rnn", "n")

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
