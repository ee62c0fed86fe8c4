"""The cells of TensorFlow 1 and its raw ops, which TensorFlow 2 has too.

The forget bias is added at each step:
https://github.com/tensorflow/tensorflow/blob/v1.15.5/tensorflow/python/ops/rnn_cell_impl.py
"""

from collections.abc import Mapping
from typing import Any

from rnnparity.apis.api import Api, Option
from rnnparity.apis.options import ACTIVATION, CELL_CLIP, FORGET_BIAS_1, OFF, PEEPHOLES, Options, ignored
from rnnparity_adapters import layouts

_RNN: Options = {"activation": ACTIVATION, **ignored("num_units reuse name dtype trainable")}
_BEFORE = (((), {"reset_after": False}),)
_GRU_LETTERS = {"z": "u", "n": "c"}
_PROJECTED: Options = {
    "num_proj": Option(brings="projection"),
    "proj_clip": Option("projection_clip", above=0.0),
}
_CELLS: Mapping[str, dict[str, Any]] = {
    "LSTMCell": {
        "layout": layouts.TENSORFLOW,
        "options": {
            **_RNN,
            "use_peepholes": PEEPHOLES,
            **_PROJECTED,
            # tf.clip_by_value(c, -cell_clip, cell_clip): only the block ops take 0 and less for none.
            "cell_clip": Option("cell_clip", above=0.0),
            **ignored("initializer state_is_tuple"),
        },
        "defaults": FORGET_BIAS_1,
    },
    "BasicLSTMCell": {
        "layout": layouts.TENSORFLOW,
        "options": {**_RNN, **ignored("state_is_tuple")},
        "defaults": FORGET_BIAS_1,
    },
    # It scales h by the reset gate before the product, as Cho et al. 2014: https://arxiv.org/abs/1406.1078
    "GRUCell": {
        "layout": layouts.TENSORFLOW_GRU,
        "options": {**_RNN, **ignored("kernel_initializer bias_initializer")},
        "defaults": _BEFORE,
        "letters": _GRU_LETTERS,
    },
    "BasicRNNCell": {"layout": layouts.TENSORFLOW_RNN, "options": _RNN},
}
_EVERYWHERE = [
    Api(f"{prefix}.{cell}", **record)
    for prefix in ("tf.nn.rnn_cell", "tf.contrib.rnn", "tf.compat.v1.nn.rnn_cell")
    for cell, record in _CELLS.items()
]

# Fused in one op each. The raw ops clip the cell state at 3 by default, unlike the cells, which do not clip:
# https://www.tensorflow.org/api_docs/python/tf/raw_ops/BlockLSTM
_FUSED: Options = {"cell_clip": CELL_CLIP, "use_peephole": PEEPHOLES}
_OP: Options = {**_FUSED, **ignored("name")}
_BLOCK: Options = {**_FUSED, **ignored("num_units reuse name dtype")}
_GRU_BLOCK: Options = ignored("num_units cell_size reuse name dtype")
_CLIPPED = (((), {"forget_bias": 1.0, "cell_clip": 3.0}),)
_CI = {"j": "ci"}
_BLOCKS = [
    *(
        Api(f"tf.contrib.rnn.{cell}", layouts.TENSORFLOW, _BLOCK, defaults=FORGET_BIAS_1)
        for cell in ("LSTMBlockCell", "LSTMBlockFusedCell")
    ),
    *(
        Api(f"tf.raw_ops.{op}", layouts.BLOCK_LSTM, _OP, defaults=_CLIPPED, letters=_CI)
        for op in ("BlockLSTM", "LSTMBlockCell")
    ),
    # It has no forget bias, another order of the gates, and by default no clip:
    # https://www.tensorflow.org/api_docs/python/tf/raw_ops/BlockLSTMV2
    Api("tf.raw_ops.BlockLSTMV2", layouts.BLOCK_LSTM_V2, _OP, letters=_CI),
    *(
        Api(name, layout, _GRU_BLOCK, defaults=_BEFORE, letters=_GRU_LETTERS)
        for name, layout in (
            ("tf.contrib.rnn.GRUBlockCellV2", layouts.TENSORFLOW_GRU),
            ("tf.contrib.rnn.GRUBlockCell", layouts.BLOCK_GRU),
            ("tf.raw_ops.GRUBlockCell", layouts.BLOCK_GRU),
        )
    ),
]  # fmt: skip
_CUDNN = [
    Api("tf.contrib.cudnn_rnn.CudnnCompatibleLSTMCell", layouts.CUDNN_LSTM, ignored("num_units reuse")),
    # The reset gate scales what the recurrent kernel made of h, as cuDNN has it.
    Api(
        "tf.contrib.cudnn_rnn.CudnnCompatibleGRUCell", layouts.CUDNN_GRU,
        ignored("num_units reuse kernel_initializer"), letters=_GRU_LETTERS,
    ),
]  # fmt: skip
_COUPLED = Api(
    "tf.contrib.rnn.CoupledInputForgetGateLSTMCell",
    layouts.TENSORFLOW_COUPLED,
    {
        **_RNN, **_PROJECTED, "use_peepholes": PEEPHOLES, "layer_norm": OFF,
        **dict.fromkeys(("num_unit_shards", "num_proj_shards"), Option(only=(1,))),
        **ignored("initializer state_is_tuple norm_gain norm_shift"),
    },
    defaults=(((), {"forget_bias": 1.0, "input_coupled": True}),),
)  # fmt: skip

TENSORFLOW: tuple[Api, ...] = (*_EVERYWHERE, *_BLOCKS, *_CUDNN, _COUPLED)
"""Every cell and op."""
