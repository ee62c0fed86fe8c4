"""The apis whose recordings can be read, whether or not they run live: layouts, and what options mean."""

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from rnnparity.errors import InputError
from rnnparity_adapters import equation as equations
from rnnparity_adapters import layouts
from rnnparity_adapters.equation import Equation
from rnnparity_adapters.layout import Layout

Version = tuple[int, ...]
_LATEST: Version = (10**6,)

_PLAIN = {
    "sigmoid": equations.SIGMOID,
    "tanh": equations.TANH,
    "relu": equations.RELU,
    "linear": equations.LINEAR,
    "softsign": equations.SOFTSIGN,
}


class Option(NamedTuple):
    """What a constructor argument means: the ``field`` of the equation that its value goes to (none: it says
    nothing about the function), and ``only`` these values if there are any.
    """

    field: str = ""
    only: tuple[Any, ...] = ()


_IGNORED = Option()
_OFF = Option(only=(0, None, False))


@dataclass(frozen=True)
class Known:
    """An api by its options.

    ``defaults`` gives the fields of the equation that a version of the framework begins with, and
    ``hard_sigmoid`` what it means by that name. ``halves`` are tensors that hold two, side by side on
    the last axis: name -> the names in the layout.
    """

    layout: Layout
    options: Mapping[str, Option]
    defaults: Callable[[Version], dict[str, Any]] = lambda version: {"forget_bias": 0.0}
    hard_sigmoid: Callable[[Version], str] = lambda version: equations.HARD_SIGMOID_5
    halves: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def equation(self, options: Mapping[str, Any], version: str) -> Equation:
        """The equation of an object made with ``options``. Raises InputError for what it does not cover."""
        numbers = _numbers(version)
        fields = self.defaults(numbers)
        for name, value in options.items():
            if name not in self.options:
                near = difflib.get_close_matches(name, self.options, 3) or sorted(self.options)
                raise InputError("option", name, " or ".join(near))
            option = self.options[name]
            if option.only and value not in option.only:
                raise InputError(f"option {name}", value, f"{option.only[0]}: nothing else is supported yet")
            if option.field:
                fields[option.field] = self._value(name, option.field, value, numbers)
        return Equation(**fields)

    def _value(self, name: str, target: str, value: Any, version: Version) -> Any:
        if "activation" in target:
            known: dict[str | None, str] = {None: equations.LINEAR}
            known.update(_PLAIN)
            known["hard_sigmoid"] = self.hard_sigmoid(version)
            known.update({text: text for text in (equations.HARD_SIGMOID_5, equations.HARD_SIGMOID_6)})
            if not isinstance(value, str | None) or value not in known:
                raise InputError(f"option {name}", value, ", ".join(map(str, known)))
            return known[value]
        if isinstance(value, bool) and target in ("coupled", "output_peephole_previous"):
            return value
        if isinstance(value, bool) or not isinstance(value, int | float | None) or abs(value or 0) > 1e30:
            raise InputError(f"option {name}", value, "a number")
        if target == "cell_clip":
            return float(value) if value is not None and value > 0 else None
        return float(value or 0)


def _numbers(version: str) -> Version:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:2]) or _LATEST


def _ignored(names: str) -> dict[str, Option]:
    return dict.fromkeys(names.split(), _IGNORED)


_KERAS_OPTIONS = {
    "activation": Option("activation"),
    "recurrent_activation": Option("recurrent_activation"),
    **dict.fromkeys(("dropout", "recurrent_dropout", "go_backwards", "zero_output_for_mask"), _OFF),
    **_ignored(
        "units use_bias unit_forget_bias return_sequences return_state stateful unroll implementation name "
        "dtype trainable time_major use_cudnn seed kernel_initializer recurrent_initializer bias_initializer "
        "kernel_regularizer recurrent_regularizer bias_regularizer activity_regularizer kernel_constraint "
        "recurrent_constraint bias_constraint"
    ),
}
_TF1_OPTIONS = {
    "forget_bias": Option("forget_bias"),
    "activation": Option("activation"),
    "cell_clip": Option("cell_clip"),
    **dict.fromkeys(("num_proj", "proj_clip"), _OFF),
    **_ignored("num_units use_peepholes use_peephole initializer state_is_tuple reuse name dtype trainable"),
}
_TORCH_OPTIONS = {
    "num_layers": Option(only=(1,)),
    **dict.fromkeys(("dropout", "proj_size", "bidirectional"), _OFF),
    **_ignored("input_size hidden_size bias batch_first device dtype"),
}
_ONNX_OPTIONS = {
    "input_forget": Option("coupled"),
    "direction": Option(only=("forward",)),
    "activations": Option(only=(None, ["Sigmoid", "Tanh", "Tanh"])),
    "clip": _OFF,
    **_ignored("hidden_size layout"),
}
_CANONICAL_OPTIONS = {
    name: Option(name)
    for name in (
        "forget_bias", "recurrent_activation", "activation", "output_activation", "forget_bias_after",
        "coupled", "cell_clip", "output_peephole_previous",
    )
}  # fmt: skip


def _keras(version: Version) -> dict[str, Any]:
    """hard_sigmoid was the default of the gates up to Keras 2.2 and in the tf.keras of TensorFlow 1."""
    old = version < (2, 3) and version != (2,)
    return {
        "forget_bias": 0.0,
        "recurrent_activation": equations.HARD_SIGMOID_5 if old else equations.SIGMOID,
    }


def _keras_hard_sigmoid(version: Version) -> str:
    return equations.HARD_SIGMOID_6 if version >= (3,) else equations.HARD_SIGMOID_5


def _tf_keras(version: Version) -> dict[str, Any]:
    """The tf.keras of TensorFlow 1 and 2: versions are TensorFlow's."""
    return _keras((2, 2) if version < (2,) else (2, 3))


_ONE = {"forget_bias": 1.0}
_KERAS = Known(layouts.KERAS, _KERAS_OPTIONS, _keras, _keras_hard_sigmoid)
_TF_KERAS = Known(
    layouts.KERAS, _KERAS_OPTIONS, _tf_keras,
    lambda version: _keras_hard_sigmoid((3,) if version >= (2, 16) else (2,)),
)  # fmt: skip
_TF1 = Known(layouts.TENSORFLOW, _TF1_OPTIONS, lambda version: dict(_ONE))
_NAMED = _ignored("name num_units units hidden_size state_size fix_parameters with_bias")

KNOWN: Mapping[str, Known] = {
    "canonical": Known(layouts.CANONICAL, _CANONICAL_OPTIONS),
    "numpy.lstm_cell": Known(layouts.CANONICAL, _CANONICAL_OPTIONS, lambda version: dict(_ONE)),
    "torch.nn.LSTM": Known(layouts.TORCH_LAYER, _TORCH_OPTIONS),
    "torch.nn.LSTMCell": Known(layouts.TORCH_CELL, _TORCH_OPTIONS),
    **dict.fromkeys(("keras.layers.LSTM", "keras.layers.LSTMCell"), _KERAS),
    **dict.fromkeys(("tf.keras.layers.LSTM", "tf.keras.layers.LSTMCell"), _TF_KERAS),
    "tf_keras.layers.LSTM": Known(layouts.KERAS, _KERAS_OPTIONS, lambda version: _keras((2, 3))),
    **dict.fromkeys(
        (
            "tf.nn.rnn_cell.LSTMCell", "tf.nn.rnn_cell.BasicLSTMCell", "tf.contrib.rnn.LSTMCell",
            "tf.contrib.rnn.BasicLSTMCell", "tf.contrib.rnn.LSTMBlockCell",
            "tf.compat.v1.nn.rnn_cell.LSTMCell", "tf.compat.v1.nn.rnn_cell.BasicLSTMCell",
        ),
        _TF1,
    ),
    # The raw op clips the cell state at 3 unless told otherwise.
    "tf.raw_ops.BlockLSTM": Known(
        layouts.BLOCK_LSTM, _TF1_OPTIONS, lambda version: {**_ONE, "cell_clip": 3.0}
    ),
    **dict.fromkeys(("article.lstm_cell", "article.lstm"), Known(layouts.NNABLA_ONE_AFFINE, _NAMED)),
    "article.lstm_cell_four_affines": Known(layouts.NNABLA_FOUR_AFFINES, _NAMED),
    "PF.lstm_cell": Known(layouts.NNABLA_LSTM_CELL, _NAMED),
    **dict.fromkeys(("PF.lstm", "F.lstm"), Known(layouts.NNABLA_LSTM, _NAMED)),
    "onnx.LSTM": Known(layouts.ONNX, _ONNX_OPTIONS, halves={"B": ("Wb", "Rb")}),
}  # fmt: skip
"""By dotted name."""


def known(api: object) -> Known:
    """The api of that name. Raises :class:`~rnnparity.errors.InputError` with the nearest names."""
    if isinstance(api, str) and api in KNOWN:
        return KNOWN[api]
    near = difflib.get_close_matches(str(api), KNOWN, 3, cutoff=0.4)
    raise InputError("api", str(api)[:80], " or ".join(near) or ", ".join(KNOWN))
