"""Where each api runs: the rows of the table, in the order of the environments."""

import functools
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from rnnparity.apis.api import BOTH, FLOAT32, PEEPHOLES, PROJECTION, Live

ENVIRONMENTS = (
    "numpy", "torch", "keras-tf", "keras-torch", "tf2", "tf1", "nnabla", "keras-jax", "jax", "onnxruntime",
    "onnx",
)  # fmt: skip
"""The environments in the order of the table's rows."""

NUMPY = "numpy does not differentiate"
"""Why its cells, among them the printed equations, have no gradients."""

Places = Mapping[str, tuple[Live, ...]]

_BEFORE = {"reset_after": False}
_TANH, _RELU = {"nonlinearity": "tanh"}, {"nonlinearity": "relu"}


def _torch(adapter: str, *options: Mapping[str, Any], **more: Any) -> tuple[Live, ...]:
    where = "torch", "torch", f"torch_adapter:{adapter}"
    return tuple(Live(*where, options=given, **more) for given in options or ({},))


_torch_layer = functools.partial(
    _torch, "Layer", network="torch_adapter:Layer", lengths=True, empty_rows=False
)
_TORCH: Places = {
    "torch.nn.LSTM": (*_torch_layer(), *_torch_layer(parts=(PROJECTION,), everyday=False)),
    "torch.nn.LSTMCell": _torch("Cell"),
    "torch.nn.GRU": _torch_layer(),
    "torch.nn.GRUCell": _torch("Cell"),
    "torch.nn.RNN": _torch_layer(_TANH, _RELU),
    "torch.nn.RNNCell": _torch("Cell", _TANH, _RELU),
}


def _keras(adapter: str, *options: Mapping[str, Any]) -> tuple[Live, ...]:
    """On JAX Keras computes in float32 only, whatever its dtype."""
    where = {"keras-tf": BOTH, "keras-torch": BOTH, "keras-jax": FLOAT32}
    more: dict[str, Any] = {}
    if adapter == "Layer":
        more = {"network": "keras_adapter:Network", "lengths": True}
    return tuple(
        Live(name, "keras", f"keras_adapter:{adapter}", dtypes, given, everyday=name != "keras-jax", **more)
        for name, dtypes in where.items()
        for given in options or ({},)
    )


def _keras2(function: str = "", **fixed: Any) -> Live:
    """A row of Keras 2.2.4, whose gates go through ``function``."""
    options = {"recurrent_activation": function} if function else {}
    where = "tf1", "keras", "keras2_adapter:Layer"
    return Live(*where, options=options, fixed=fixed, network="keras2_adapter:Network", lengths=True)


_KERAS: Places = {
    "keras.layers.LSTM": (
        *_keras("Layer"),
        _keras2("sigmoid"), _keras2("hard_sigmoid"),
    ),
    "keras.layers.LSTMCell": _keras("Cell"),
    "keras.layers.GRU": (
        *_keras("Layer", {}, _BEFORE),
        _keras2("sigmoid", reset_after=True), _keras2("hard_sigmoid", reset_after=False),
    ),
    "keras.layers.GRUCell": _keras("Cell", {}, _BEFORE),
    "keras.layers.SimpleRNN": (*_keras("Layer"), _keras2()),
    "keras.layers.SimpleRNNCell": _keras("Cell"),
}  # fmt: skip


def _tensorflow(*environments: str, adapter: str = "tensorflow_graph_adapter:StaticRNN", **more: Any) -> Any:
    packages = {"tf1": "tensorflow", "tf2": "tensorflow-cpu"}
    return tuple(Live(name, packages[name], adapter, **more) for name in environments)


_tensorflow_cell = functools.partial(_tensorflow, network="tensorflow_graph_adapter:DynamicRNN", lengths=True)
"""A cell, which ``dynamic_rnn`` takes over rows of different lengths."""
_TENSORFLOW: Places = {
    **{
        f"{prefix}.{cell}": _tensorflow_cell(environment)
        for environment, prefix in (("tf2", "tf.compat.v1.nn.rnn_cell"), ("tf1", "tf.nn.rnn_cell"))
        for cell in ("GRUCell", "BasicRNNCell")
    },
    **{
        f"{prefix}.LSTMCell": (
            *_tensorflow_cell(environment),
            *_tensorflow_cell(environment, parts=(PEEPHOLES,), everyday=False),
            *_tensorflow_cell(environment, parts=(PROJECTION,), everyday=False),
        )
        for environment, prefix in (("tf2", "tf.compat.v1.nn.rnn_cell"), ("tf1", "tf.nn.rnn_cell"))
    },
    "tf.compat.v1.nn.rnn_cell.BasicLSTMCell": _tensorflow_cell("tf2"),
    "tf.contrib.rnn.BasicLSTMCell": _tensorflow_cell("tf1"),
    # The raw op clips the cell state at 3 by default.
    "tf.raw_ops.BlockLSTM": _tensorflow(
        "tf2", adapter="tensorflow_adapter:BlockLSTM", dtypes=FLOAT32,
        fixed={"cell_clip": -1.0, "use_peephole": False},
    ),
}  # fmt: skip


def _nnabla(adapter: str, *options: Mapping[str, Any], stacked: bool = False) -> tuple[Live, ...]:
    """NNabla computes in float32 only."""
    path = f"nnabla_adapter:{adapter}"
    where, network = ("nnabla", "nnabla", path, FLOAT32), path if stacked else ""
    return tuple(Live(*where, options=given, network=network) for given in options or ({},))


_nnabla_layer = functools.partial(_nnabla, "ParametricLayer", stacked=True)
_nnabla_function = functools.partial(_nnabla, "FunctionLayer", stacked=True)


_NNABLA: Places = {
    "article.lstm_cell": _nnabla("OneAffine"),
    "article.lstm_cell_four_affines": _nnabla("FourAffines"),
    "article.lstm": _nnabla("ArticleLayer"),
    "PF.lstm_cell": _nnabla("Cell"),
    "PF.lstm": _nnabla_layer(),
    "F.lstm": _nnabla_function(),
    "PF.gru": _nnabla_layer(),
    "F.gru": _nnabla_function(),
    "PF.rnn": _nnabla_layer(_TANH, _RELU),
    "F.rnn": _nnabla_function(_TANH, _RELU),
}


def _jax(package: str, adapter: str, **more: Any) -> tuple[Live, ...]:
    return (Live("jax", package, f"jax_adapter:{adapter}", everyday=False, **more),)


_JAX: Places = {
    **{
        f"flax.linen.{cell}": _jax("flax", "Linen", network="jax_adapter:LinenRNN", lengths=True)
        for cell in ("LSTMCell", "OptimizedLSTMCell", "GRUCell", "SimpleCell")
    },
    **{
        f"flax.nnx.{cell}": _jax("flax", "NNX")
        for cell in ("LSTMCell", "OptimizedLSTMCell", "GRUCell", "SimpleCell")
    },
    **{f"haiku.{cell}": _jax("dm-haiku", "Haiku") for cell in ("LSTM", "GRU", "VanillaRNN")},
    **{f"equinox.nn.{cell}": _jax("equinox", "Equinox") for cell in ("LSTMCell", "GRUCell")},
}


_FORWARD_ONLY: Mapping[str, Any] = {"everyday": False, "no_gradients": "it runs models forward only"}


def _onnx(*options: Mapping[str, Any], parts: tuple[str, ...] = ()) -> tuple[Live, ...]:
    """By onnxruntime, which computes in float32 only, and by onnx's own reference evaluator."""
    places = (
        Live("onnxruntime", "onnxruntime", "onnx_adapter:Runtime", FLOAT32, **_FORWARD_ONLY),
        Live("onnx", "onnx", "onnx_adapter:Reference", **_FORWARD_ONLY),
    )
    return tuple(
        replace(live, options=given, parts=parts, network=live.adapter, lengths=True)
        for live in places
        for given in options or ({},)
    )


_ONNX: Places = {
    "onnx.LSTM": (*_onnx({}, {"input_forget": 1}), *_onnx(parts=(PEEPHOLES,))),
    "onnx.GRU": _onnx({}, {"linear_before_reset": 1}),
    "onnx.RNN": _onnx(),
}

PLACES: Places = {
    "numpy.lstm_cell": (Live("numpy", "numpy", "numpy_adapter:Cell", no_gradients=NUMPY),),
    **_TORCH, **_KERAS, **_TENSORFLOW, **_NNABLA, **_JAX, **_ONNX,
}  # fmt: skip
"""The places of every api that runs, by its name."""
