"""One layout for each way of storing an LSTM. Every record was verified by running its framework."""

from typing import Sequence, Tuple

from .layout import Layout, Tensor

# tf.nn.rnn_cell.BasicLSTMCell and LSTMCell, tf.raw_ops.BlockLSTM: gates "i = input_gate, j = new_input,
# f = forget_gate, o = output_gate" over [x, h], forget_bias added at each step.
TENSORFLOW = Layout(
    tensors=(Tensor("kernel", "xh (gate unit)"), Tensor("bias", "(gate unit)")),
    forget_bias="equation",
    peepholes=tuple(Tensor("w_%s_diag" % gate, "(gate unit)", gate) for gate in "ifo"),
)

# The reference cell's own layout.
CANONICAL = TENSORFLOW

BLOCK_LSTM = Layout(
    tensors=(Tensor("w", "xh (gate unit)"), Tensor("b", "(gate unit)")),
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
