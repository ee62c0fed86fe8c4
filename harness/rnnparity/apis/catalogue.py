"""Every known api, as data. Runs, recordings, `inspect`, remedies and README's table read it.

What a record says was found by running the framework (`tests/live`, `tests/recordings`), not in its
documentation. Where something surprising forced a line, the source stands beside it.
"""

import difflib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from rnnparity.apis.api import COMPUTED, HELD, Api, Joined, Live, Option, Order, Since
from rnnparity.apis.archived import ARCHIVED
from rnnparity.apis.options import (
    ACTIVATION,
    BIASES,
    FORGET_BIAS_1,
    OFF,
    TANH_OR_RELU,
    Options,
    ignored,
)
from rnnparity.apis.places import NUMPY, PLACES
from rnnparity.apis.tensorflow_cells import TENSORFLOW
from rnnparity.errors import InputError
from rnnparity.printable import one_line
from rnnparity_adapters import layouts
from rnnparity_adapters.equation import HARD_SIGMOID_5, HARD_SIGMOID_6, RELU, SIGMOID
from rnnparity_adapters.layout import Layout

# Keras. Its options mean the same in keras, tf.keras and tf_keras.

_KERAS_RNN: Options = {
    "activation": ACTIVATION,
    "use_bias": BIASES,
    **dict.fromkeys(("dropout", "recurrent_dropout"), OFF),
    **ignored(
        "units implementation name dtype trainable seed kernel_initializer recurrent_initializer "
        "bias_initializer kernel_regularizer recurrent_regularizer bias_regularizer kernel_constraint "
        "recurrent_constraint bias_constraint"
    ),
}
_KERAS_GATED: Options = {**_KERAS_RNN, "recurrent_activation": Option("recurrent_activation")}
_KERAS_LAYER: Options = {
    # The outputs stay in the order of computation: https://keras.io/api/layers/recurrent_layers/lstm/
    "go_backwards": Option(orders=((True, Order(backwards=True)),)),
    "zero_output_for_mask": Option(zeroes=True),
    **ignored("return_sequences return_state stateful unroll time_major use_cudnn activity_regularizer"),
}
"""What a layer has beside its cell's arguments."""
_KERAS_CELLS: Mapping[str, dict[str, Any]] = {
    # unit_forget_bias only initialises the stored bias:
    # https://github.com/keras-team/keras/blob/2.2.4/keras/layers/recurrent.py
    "LSTM": {
        "layout": layouts.KERAS,
        "options": {**_KERAS_GATED, **ignored("unit_forget_bias")},
        "letters": {"j": "c"},
    },
    "GRU": {
        "layout": layouts.KERAS_GRU,
        "options": {**_KERAS_GATED, "reset_after": Option("reset_after")},
        "layout_reset_after": layouts.KERAS_GRU_RESET_AFTER,
        "joined": {"bias": Joined(0, {"input_bias": "[:1]", "recurrent_bias": "[1:]"})},
        "letters": {"n": "h"},
    },
    "SimpleRNN": {"layout": layouts.KERAS_RNN, "options": _KERAS_RNN},
}
_HARD: Mapping[str, Any] = {"recurrent_activation": HARD_SIGMOID_5, "reset_after": False}
_NOW: Mapping[str, Any] = {"recurrent_activation": SIGMOID, "reset_after": True}
_KERAS_PACKAGES: Mapping[str, dict[str, Any]] = {
    # Keras 2.3 made sigmoid the default of the gates, 2.4 (which is tf.keras) reset_after that of the GRU:
    # https://github.com/keras-team/keras/releases/tag/2.3.0
    "keras": {
        "defaults": (((), _HARD), ((2, 3), {**_NOW, "reset_after": False}), ((2, 4), _NOW)),
        # https://github.com/keras-team/keras/blob/v3.0.0/keras/activations/activations.py: relu6(x + 3) / 6
        "hard_sigmoid": (((), HARD_SIGMOID_5), ((3,), HARD_SIGMOID_6)),
    },
    # Versions are TensorFlow's. From 2.16 on, tf.keras is Keras 3:
    # https://blog.tensorflow.org/2024/03/whats-new-in-tensorflow-216.html
    "tf.keras": {
        "defaults": (((), _HARD), ((2,), _NOW)),
        "hard_sigmoid": (((), HARD_SIGMOID_5), ((2, 16), HARD_SIGMOID_6)),
    },
    "tf_keras": {"defaults": (((), _NOW),)},
}


def _keras(name: str, record: Mapping[str, Any], package: Mapping[str, Any], more: Options) -> Api:
    """A cell, or its layer, which has ``more`` options.

    At a masked step Keras repeats the last output, unless ``zero_output_for_mask``:
    https://keras.io/api/layers/recurrent_layers/rnn/
    """
    options = {**record["options"], **more}
    fields = {option.field for option in options.values()}
    defaults = tuple(
        (since, {name: value for name, value in those.items() if name in fields})
        for since, those in package["defaults"]
    )
    return Api(name, **{**record, **package, "options": options, "defaults": defaults}, masked=HELD)


_KERAS_APIS = [
    _keras(f"{prefix}.layers.{cell}{kind}", record, package, more)
    for prefix, package in _KERAS_PACKAGES.items()
    for cell, record in _KERAS_CELLS.items()
    for kind, more in (("", _KERAS_LAYER), ("Cell", {}))
]

# PyTorch: https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTM.html

_TORCH_CELL: Options = {"bias": BIASES, **ignored("input_size hidden_size device dtype")}
_TORCH_LAYER: Options = {
    **_TORCH_CELL,
    "num_layers": Option(only=(1,)),
    **dict.fromkeys(("dropout", "bidirectional"), OFF),
    # padding_value is that of torch.nn.utils.rnn.pad_packed_sequence.
    **ignored("batch_first padding_value"),
}
_TORCH_LSTM: Options = {**_TORCH_LAYER, "proj_size": Option(brings="projection")}
_NONLINEARITY: Options = {"nonlinearity": TANH_OR_RELU}


_TORCH_APIS = [
    Api("torch.nn.LSTM", layouts.TORCH_LAYER, _TORCH_LSTM, letters={"j": "g"}),
    Api("torch.nn.LSTMCell", layouts.TORCH_CELL, _TORCH_CELL, letters={"j": "g"}),
    Api("torch.nn.GRU", layouts.TORCH_GRU_LAYER, _TORCH_LAYER),
    Api("torch.nn.GRUCell", layouts.TORCH_GRU_CELL, _TORCH_CELL),
    Api("torch.nn.RNN", layouts.TORCH_RNN_LAYER, {**_TORCH_LAYER, **_NONLINEARITY}),
    Api("torch.nn.RNNCell", layouts.TORCH_RNN_CELL, {**_TORCH_CELL, **_NONLINEARITY}),
]

# NNabla, and the cells of an article on a Keras-like LSTM in NNabla:
# https://nnabla.readthedocs.io/en/latest/python/api/function.html

_NNABLA: Options = {
    "with_bias": BIASES,
    **ignored("name num_units units hidden_size state_size fix_parameters"),
}
_NNABLA_RNN: Options = {**_NNABLA, "nonlinearity": TANH_OR_RELU}


_NNABLA_APIS = [
    Api("article.lstm_cell", layouts.NNABLA_ONE_AFFINE, _NNABLA, letters={"j": "a"}),
    Api("article.lstm_cell_four_affines", layouts.NNABLA_FOUR_AFFINES, _NNABLA, letters={"j": "a"}),
    Api("article.lstm", layouts.NNABLA_ONE_AFFINE, _NNABLA, letters={"j": "a"}),
    Api("PF.lstm_cell", layouts.NNABLA_LSTM_CELL, _NNABLA, letters={"j": "g"}),
    *(Api(name, layouts.NNABLA_LSTM, _NNABLA, letters={"j": "g"}) for name in ("PF.lstm", "F.lstm")),
    *(Api(name, layouts.NNABLA_GRU, _NNABLA) for name in ("PF.gru", "F.gru")),
    *(Api(name, layouts.NNABLA_RNN, _NNABLA_RNN) for name in ("PF.rnn", "F.rnn")),
]

# ONNX, whose operators are checked by recordings: https://onnx.ai/onnx/operators/onnx__LSTM.html

_ONNX_RNN: Options = {
    # B is an optional input. A reverse run returns its outputs in the order of the inputs.
    "B": BIASES,
    "direction": Option(only=("forward", "reverse"), orders=(("reverse", Order(True, turned_back=True)),)),
    "activations": Option(functions=("activation",)),
    "clip": Option("gate_clip", above=0.0),
    **ignored("hidden_size layout activation_alpha activation_beta"),
}
_ONNX_GRU: Options = {
    **_ONNX_RNN,
    "activations": Option(functions=("recurrent_activation", "activation")),
    "linear_before_reset": Option("reset_after", as_int=True),
}
_ONNX_LSTM: Options = {
    **_ONNX_RNN,
    "activations": Option(functions=("recurrent_activation", "activation", "output_activation")),
    # What goes into every function is limited, c' on its way to h too; onnxruntime leaves that out:
    # https://github.com/microsoft/onnxruntime/issues/27224
    "clip": Option("gate_clip", also=("output_clip",), above=0.0),
    "input_forget": Option("coupled", as_int=True),
}


def _onnx(name: str, layout: Layout, options: Options, letters: Mapping[str, str], **defaults: Any) -> Api:
    """A record of an ONNX operator, whose B holds the biases of W and of R side by side."""
    gates = len(layout.kind.gates)
    parts = {"Wb": f"[:, :{gates}*U]", "Rb": f"[:, {gates}*U:]"}
    joined = {"B": Joined(-1, parts)}
    return Api(name, layout, options, defaults=(((), defaults),), letters=letters, joined=joined)


_ONNX_APIS = [
    _onnx("onnx.LSTM", layouts.ONNX, _ONNX_LSTM, {"j": "c"}),
    _onnx("onnx.GRU", layouts.ONNX_GRU, _ONNX_GRU, {"n": "h"}, reset_after=False),
    # onnxruntime's RNN computes tanh as 2 sigmoid(2 z) - 1, unlike its LSTM and GRU:
    # https://github.com/microsoft/onnxruntime/blob/v1.20.0/onnxruntime/core/providers/cpu/rnn/rnn_activation_functors.h
    _onnx("onnx.RNN", layouts.ONNX_RNN, _ONNX_RNN, {}, tanh_middle=1.0),
]

# JAX's libraries. Functions are given by their names: jax.nn.sigmoid is "sigmoid".

_FLAX: Options = {
    "activation_fn": ACTIVATION,
    **ignored(
        "features in_features hidden_features kernel_init recurrent_kernel_init bias_init carry_init dtype "
        "param_dtype rngs name"
    ),
}
_FLAX_GATED: Options = {**_FLAX, "gate_fn": Option("recurrent_activation")}
_HAIKU: Options = ignored("hidden_size name w_i_init w_h_init b_init")
_EQUINOX: Options = {"use_bias": BIASES, **ignored("input_size hidden_size dtype key")}
_G: Mapping[str, str] = {"j": "g"}
_RELU6: Since[str] = (((), HARD_SIGMOID_6),)
"""https://docs.jax.dev/en/latest/_autosummary/jax.nn.hard_sigmoid.html: relu6(x + 3) / 6"""
# flax.linen.RNN goes on over the padding, and only picks the last states at seq_lengths.
_LINEN: Mapping[str, Any] = {"hard_sigmoid": _RELU6, "masked": COMPUTED}
_JAX_APIS = [
    Api("flax.linen.LSTMCell", layouts.FLAX_LINEN, _FLAX_GATED, letters=_G, **_LINEN),
    Api("flax.linen.OptimizedLSTMCell", layouts.FLAX_LINEN, _FLAX_GATED, letters=_G, **_LINEN),
    Api("flax.linen.GRUCell", layouts.FLAX_LINEN_GRU, _FLAX_GATED, **_LINEN),
    Api("flax.linen.SimpleCell", layouts.FLAX_LINEN_RNN, {**_FLAX, "residual": OFF}, **_LINEN),
    Api("flax.nnx.LSTMCell", layouts.FLAX_NNX, _FLAX_GATED, letters=_G, hard_sigmoid=_RELU6),
    Api(
        "flax.nnx.OptimizedLSTMCell", layouts.FLAX_NNX_OPTIMIZED, _FLAX_GATED, letters=_G, hard_sigmoid=_RELU6
    ),
    Api("flax.nnx.GRUCell", layouts.FLAX_NNX_GRU, _FLAX_GATED, hard_sigmoid=_RELU6),
    Api("flax.nnx.SimpleCell", layouts.FLAX_NNX_RNN, {**_FLAX, "residual": OFF}, hard_sigmoid=_RELU6),
    # Its forget bias is 1, and cannot be another one.
    Api(
        "haiku.LSTM", layouts.HAIKU, {**_HAIKU, "forget_bias": Option("forget_bias", only=(1.0,))},
        defaults=FORGET_BIAS_1, letters=_G,
    ),
    # The sign of the update gate is that of Chung et al. 2014.
    Api(
        "haiku.GRU", layouts.HAIKU_GRU, _HAIKU, letters={"n": "a"},
        defaults=(((), {"reset_after": False, "update_inverted": True}),),
    ),
    Api(
        "haiku.VanillaRNN", layouts.HAIKU_RNN, {**_HAIKU, "double_bias": Option(only=(True,))},
        defaults=(((), {"activation": RELU}),),
    ),
    Api("equinox.nn.LSTMCell", layouts.EQUINOX, _EQUINOX, letters=_G),
    Api("equinox.nn.GRUCell", layouts.EQUINOX_GRU, _EQUINOX),
]  # fmt: skip

# Recordings of a user's own cell, with canonical weights; and the plain numpy cell.

_CANONICAL_LSTM: Options = {
    name: Option(name)
    for name in (
        "recurrent_activation", "activation", "output_activation", "forget_bias_after", "coupled",
        "input_coupled", "cell_clip", "gate_clip", "output_clip", "output_peephole_previous",
    )
}  # fmt: skip
_CANONICAL_GRU: Options = {
    name: Option(name)
    for name in ("recurrent_activation", "activation", "gate_clip", "reset_after", "update_inverted")
}
_CANONICAL_APIS = [
    Api("canonical", layouts.CANONICAL, _CANONICAL_LSTM),
    Api("canonical.gru", layouts.CANONICAL_GRU, _CANONICAL_GRU),
    Api("canonical.rnn", layouts.CANONICAL_RNN, {"activation": ACTIVATION, "gate_clip": Option("gate_clip")}),
    Api(
        "numpy.lstm_cell",
        layouts.CANONICAL,
        defaults=FORGET_BIAS_1,
    ),
]

# Published equations. They run only if they are asked for by name.


def _published(name: str, adapter: str, layout: Layout, source: str, *readings: Mapping[str, str]) -> Api:
    """The record of a printed equation, which runs in numpy.

    Where the print leaves something open, each of the ``readings`` is a possible reading, as options.
    """
    live = tuple(
        Live("numpy", "numpy", f"published_adapter:{adapter}", options=reading, no_gradients=NUMPY)
        for reading in readings or ({},)
    )
    options = {option: Option() for reading in readings for option in reading}
    return Api(f"published.{name}", layout, options, live, source=source)


PUBLISHED: tuple[Api, ...] = (
    _published(
        "goodfellow", "Goodfellow", layouts.GOODFELLOW,
        "Goodfellow, Bengio & Courville: Deep Learning, 10.10",
        {"squashing": "sigmoid"}, {"squashing": "tanh"},
    ),
    _published(
        "chollet", "Chollet", layouts.CHOLLET, "Chollet: Deep Learning with Python, 6.2.2",
        {"activation": "sigmoid", "carry": "no Vo"}, {"activation": "tanh", "carry": "no Vo"},
        {"activation": "sigmoid/tanh", "carry": "no Vo"}, {"activation": "sigmoid/tanh", "carry": "Vo"},
    ),
    _published("pytorch", "PyTorch", layouts.PYTORCH_PRINTED, "the documentation of torch.nn.LSTM"),
    _published(
        "tensorflow", "TensorFlow", layouts.BLOCK_LSTM, "the documentation of tf.raw_ops.LSTMBlockCell",
        {"gates": "i, f, ci, o"}, {"gates": "i, ci, f, o"},
    ),
    _published(
        "nnabla_article", "NNablaArticle", layouts.NNABLA_ARTICLE_PRINTED,
        "an article on a Keras-like LSTM in NNabla",
    ),
)  # fmt: skip

APIS: Mapping[str, Api] = {
    api.name: replace(api, live=PLACES.get(api.name, ()))
    for api in (
        *_CANONICAL_APIS, *_TORCH_APIS, *TENSORFLOW, *_KERAS_APIS, *_NNABLA_APIS, *_ONNX_APIS,
        *_JAX_APIS, *ARCHIVED,
    )
}  # fmt: skip
"""Every api that runs or whose recordings can be read, by dotted name."""


def find_api(name: object) -> Api:
    """The api of that name. Raises :class:`~rnnparity.errors.InputError` with the nearest names."""
    if isinstance(name, str) and name in APIS:
        return APIS[name]
    given = one_line(name, 80)
    near = difflib.get_close_matches(given, APIS, 3, cutoff=0.4)
    raise InputError("api", given, " or ".join(near) or ", ".join(APIS))
