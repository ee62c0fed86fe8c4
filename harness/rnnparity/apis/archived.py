"""The frameworks that few people still port from: Chainer, MXNet and PaddlePaddle."""

from collections.abc import Mapping
from typing import Any

from rnnparity.apis.api import Api, Option
from rnnparity.apis.options import ACTIVATION, OFF, TANH_OR_RELU, Options, ignored
from rnnparity_adapters import archived_layouts as layouts
from rnnparity_adapters.equation import RELU
from rnnparity_adapters.layout import Layout
from rnnparity_adapters.layouts import TORCH_GRU_CELL, TORCH_GRU_LAYER, TORCH_RNN_CELL, TORCH_RNN_LAYER

# Chainer: https://docs.chainer.org/en/v7.8.1/reference/links.html

_LINK: Options = ignored(
    "in_size out_size lateral_init upward_init bias_init forget_bias_init init inner_init"
)
_A: Mapping[str, str] = {"j": "a"}
_N_STEP: Options = {
    "n_layers": Option(only=(1,)),
    "dropout": OFF,
    **ignored("in_size out_size initialW initial_bias"),
}
# The reset gate scales h before its matrix, and the sign of the update gate is that of Chung et al. 2014.
_CHUNG = (((), {"reset_after": False, "update_inverted": True}),)
_CHAINER = [
    *(
        Api(f"chainer.links.{link}", layouts.CHAINER_LSTM, _LINK, letters=_A)
        for link in ("LSTM", "StatelessLSTM")
    ),
    *(
        Api(f"chainer.links.{link}", layouts.CHAINER_GRU, _LINK, defaults=_CHUNG, letters={"n": "h"})
        for link in ("GRU", "StatefulGRU", "StatelessGRU")
    ),
    *(
        Api(f"chainer.links.NStep{cell}", layout, _N_STEP, defaults=(((), defaults),), letters=letters)
        for cell, layout, defaults, letters in (
            ("LSTM", layouts.CHAINER_N_STEP_LSTM, {}, _A),
            ("GRU", layouts.CHAINER_N_STEP_GRU, {}, {}),
            ("RNNTanh", layouts.CHAINER_N_STEP_RNN, {}, {}),
            ("RNNReLU", layouts.CHAINER_N_STEP_RNN, {"activation": RELU}, {}),
        )
    ),
]

# MXNet's Gluon: https://mxnet.apache.org/versions/1.9.1/api/python/docs/api/gluon/rnn/index.html

_MXNET_CELL: Options = ignored(
    "hidden_size input_size prefix params i2h_weight_initializer h2h_weight_initializer "
    "i2h_bias_initializer h2h_bias_initializer"
)
_MXNET_LAYER: Options = {
    **_MXNET_CELL,
    "num_layers": Option(only=(1,)),
    **dict.fromkeys(("dropout", "bidirectional"), OFF),
    **ignored("layout dtype use_sequence_length"),
}
_MXNET_LSTM: Options = {
    **_MXNET_LAYER,
    "projection_size": Option(brings="projection"),
    "state_clip_min": Option(mirrors="state_clip_max"),
    "state_clip_max": Option("cell_clip", above=0.0),
    **ignored("state_clip_nan h2r_weight_initializer"),
}
_MXNET_FUNCTIONS: Options = {"activation": ACTIVATION, "recurrent_activation": Option("recurrent_activation")}
_C: Mapping[str, str] = {"j": "c"}
_GLUON: tuple[tuple[str, Layout, Options, dict[str, Any]], ...] = (
    ("LSTM", layouts.MXNET_LAYER, _MXNET_LSTM, {"letters": _C}),
    ("LSTMCell", layouts.MXNET_CELL, {**_MXNET_CELL, **_MXNET_FUNCTIONS}, {"letters": _C}),
    ("GRU", layouts.MXNET_GRU_LAYER, _MXNET_LAYER, {}),
    ("GRUCell", layouts.MXNET_GRU_CELL, _MXNET_CELL, {}),
    # By default the layer has relu and the cell tanh.
    (
        "RNN", layouts.MXNET_RNN_LAYER, {**_MXNET_LAYER, "activation": TANH_OR_RELU},
        {"defaults": (((), {"activation": RELU}),)},
    ),
    ("RNNCell", layouts.MXNET_RNN_CELL, {**_MXNET_CELL, "activation": ACTIVATION}, {}),
)  # fmt: skip
_MXNET = [
    Api(f"mxnet.gluon.rnn.{name}", layout, options, separators=("/", "_"), **more)
    for name, layout, options, more in _GLUON
]

# PaddlePaddle: https://www.paddlepaddle.org.cn/documentation/docs/en/3.0/api/paddle/nn/LSTM_en.html

_PADDLE_CELL: Options = {
    **dict.fromkeys(("bias_ih_attr", "bias_hh_attr"), Option(biases=True)),
    **ignored("input_size hidden_size weight_ih_attr weight_hh_attr name"),
}
_PADDLE_LAYER: Options = {
    **_PADDLE_CELL,
    "num_layers": Option(only=(1,)),
    "direction": Option(only=("forward",)),
    "dropout": OFF,
    **ignored("time_major"),
}
_PROJECTED: Options = {"proj_size": Option(brings="projection")}
_TANH_OR_RELU: Options = {"activation": TANH_OR_RELU}
_G: Mapping[str, str] = {"j": "g"}
_PADDLE = [
    Api("paddle.nn.LSTM", layouts.PADDLE_LAYER, {**_PADDLE_LAYER, **_PROJECTED}, letters=_G),
    Api("paddle.nn.LSTMCell", layouts.PADDLE_CELL, {**_PADDLE_CELL, **_PROJECTED}, letters=_G),
    Api("paddle.nn.GRU", TORCH_GRU_LAYER, _PADDLE_LAYER),
    Api("paddle.nn.GRUCell", TORCH_GRU_CELL, _PADDLE_CELL),
    Api("paddle.nn.SimpleRNN", TORCH_RNN_LAYER, {**_PADDLE_LAYER, **_TANH_OR_RELU}),
    Api("paddle.nn.SimpleRNNCell", TORCH_RNN_CELL, {**_PADDLE_CELL, **_TANH_OR_RELU}),
]

ARCHIVED: tuple[Api, ...] = (*_CHAINER, *_MXNET, *_PADDLE)
"""Every api of them."""
