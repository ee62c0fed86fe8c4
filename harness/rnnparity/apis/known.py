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


_SWITCHES = ("coupled", "output_peephole_previous", "reset_after", "update_inverted")
_IGNORED = Option()
_OFF = Option(only=(False, 0, None))


@dataclass(frozen=True)
class Known:
    """An api by its options.

    ``defaults`` gives the fields of the equation that a version of the framework begins with, and
    ``hard_sigmoid`` what it means by that name. ``reset_after`` is the layout with that option, where it is
    another one. ``halves`` are tensors that hold two: name -> the axis along which they stand, and
    the name of each in the layout with how it is indexed.
    """

    plain: Layout
    options: Mapping[str, Option]
    defaults: Callable[[Version], dict[str, Any]] = lambda version: {"forget_bias": 0.0}
    hard_sigmoid: Callable[[Version], str] = lambda version: equations.HARD_SIGMOID_5
    reset_after: Layout | None = None
    halves: Mapping[str, tuple[int, Mapping[str, str]]] = field(default_factory=dict)

    def layout(self, equation: Equation) -> Layout:
        """How an object with this equation stores its weights."""
        return self.reset_after if self.reset_after and equation.reset_after else self.plain

    def turned(self, options: Mapping[str, Any]) -> tuple[bool, bool]:
        """Whether an object made with ``options`` runs the sequence backwards, and turns its outputs back."""
        return (bool(options.get("go_backwards")) or options.get("direction") == "reverse",
                options.get("direction") == "reverse")  # fmt: skip

    def equation(self, options: Mapping[str, Any], version: str) -> Equation:
        """The equation of an object made with ``options``. Raises InputError for what it does not cover."""
        numbers = _numbers(version)
        fields = {"cell": self.plain.cell, **self.defaults(numbers)}
        for name, value in options.items():
            if name not in self.options:
                near = difflib.get_close_matches(name, self.options, 3) or sorted(self.options)
                raise InputError("option", name, " or ".join(near))
            option = self.options[name]
            if option.only and value not in option.only:
                allowed = " or ".join(str(each) for each in option.only[:2])
                raise InputError(f"option {name}", value, f"{allowed}: nothing else is supported yet")
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
        if target in _SWITCHES:
            if value not in (0, 1):
                raise InputError(f"option {name}", value, "true or false")
            return bool(value)
        if isinstance(value, bool) or not isinstance(value, int | float | None) or abs(value or 0) > 1e30:
            raise InputError(f"option {name}", value, "a number")
        if target == "cell_clip":
            return float(value) if value is not None and value > 0 else None
        return float(value or 0)


def _numbers(version: str) -> Version:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:2]) or _LATEST


def _ignored(names: str) -> dict[str, Option]:
    return dict.fromkeys(names.split(), _IGNORED)


_KERAS_RNN_OPTIONS = {
    "activation": Option("activation"),
    **dict.fromkeys(("dropout", "recurrent_dropout", "zero_output_for_mask"), _OFF),
    **_ignored(
        "units use_bias return_sequences return_state go_backwards stateful unroll implementation name "
        "dtype trainable time_major use_cudnn seed kernel_initializer recurrent_initializer bias_initializer "
        "kernel_regularizer recurrent_regularizer bias_regularizer activity_regularizer kernel_constraint "
        "recurrent_constraint bias_constraint"
    ),
}
_KERAS_GRU_OPTIONS = {
    **_KERAS_RNN_OPTIONS,
    "recurrent_activation": Option("recurrent_activation"),
    "reset_after": Option("reset_after"),
}
_KERAS_LSTM_OPTIONS = {
    **_KERAS_RNN_OPTIONS,
    "recurrent_activation": Option("recurrent_activation"),
    **_ignored("unit_forget_bias"),
}
_TF1_RNN_OPTIONS = {
    "activation": Option("activation"),
    **_ignored("num_units reuse name dtype trainable kernel_initializer bias_initializer"),
}
_TF1_OPTIONS = {
    **_TF1_RNN_OPTIONS,
    "forget_bias": Option("forget_bias"),
    "cell_clip": Option("cell_clip"),
    "proj_clip": _OFF,
    **_ignored("num_proj use_peepholes use_peephole initializer state_is_tuple"),
}
_TORCH_OPTIONS = {
    "num_layers": Option(only=(1,)),
    **dict.fromkeys(("dropout", "bidirectional"), _OFF),
    **_ignored("input_size hidden_size proj_size bias batch_first device dtype"),
}
_TORCH_RNN_OPTIONS = {**_TORCH_OPTIONS, "nonlinearity": Option("activation", ("tanh", "relu"))}
_ONNX_RNN_OPTIONS = {
    "direction": Option(only=("forward", "reverse")),
    "activations": Option(only=(None, ["Tanh"])),
    "clip": _OFF,
    **_ignored("hidden_size layout"),
}
_ONNX_GRU_OPTIONS = {
    **_ONNX_RNN_OPTIONS,
    "activations": Option(only=(None, ["Sigmoid", "Tanh"])),
    "linear_before_reset": Option("reset_after"),
}
_ONNX_OPTIONS = {
    **_ONNX_RNN_OPTIONS,
    "activations": Option(only=(None, ["Sigmoid", "Tanh", "Tanh"])),
    "input_forget": Option("coupled"),
}
_NAMED = _ignored("name num_units units hidden_size state_size fix_parameters with_bias")
_NNABLA_RNN_OPTIONS = {**_NAMED, "nonlinearity": Option("activation", ("tanh", "relu"))}
_CANONICAL_OPTIONS = {
    "lstm": (
        "forget_bias", "recurrent_activation", "activation", "output_activation", "forget_bias_after",
        "coupled", "cell_clip", "output_peephole_previous",
    ),
    "gru": ("recurrent_activation", "activation", "reset_after", "update_inverted"),
    "rnn": ("activation",),
}  # fmt: skip


def _canonical(layout: Layout, **defaults: Any) -> Known:
    options = {name: Option(name) for name in _CANONICAL_OPTIONS[layout.cell]}
    return Known(layout, options, lambda version: {"forget_bias": 0.0, **defaults})


def _keras(version: Version) -> dict[str, Any]:
    """Up to Keras 2.2, hard_sigmoid was the default of the gates; up to 2.3, a GRU reset before."""
    old = version < (2, 3) and version != (2,)
    return {
        "forget_bias": 0.0,
        "recurrent_activation": equations.HARD_SIGMOID_5 if old else equations.SIGMOID,
        "reset_after": version >= (2, 4),
    }


def _keras_hard_sigmoid(version: Version) -> str:
    return equations.HARD_SIGMOID_6 if version >= (3,) else equations.HARD_SIGMOID_5


def _tf_keras(version: Version) -> dict[str, Any]:
    """The tf.keras of TensorFlow 1, which is as Keras 2.2, and 2: versions are TensorFlow's."""
    return _keras((2, 2) if version < (2,) else (2, 4))


def _keras_api(plain: Layout, options: Mapping[str, Option], package: str, **more: Any) -> Known:
    defaults = {"keras": _keras, "tf": _tf_keras, "tf_keras": lambda version: _keras((2, 4))}[package]
    means = {
        "keras": _keras_hard_sigmoid,
        "tf": lambda version: _keras_hard_sigmoid((3,) if version >= (2, 16) else (2,)),
        "tf_keras": lambda version: equations.HARD_SIGMOID_5,
    }[package]
    return Known(plain, options, defaults, means, **more)


_ROWS = {"bias": (0, {"input_bias": "[:1]", "recurrent_bias": "[1:]"})}
_KERAS_CELLS = {
    "LSTM": (layouts.KERAS, _KERAS_LSTM_OPTIONS, {}),
    "GRU": (
        layouts.KERAS_GRU,
        _KERAS_GRU_OPTIONS,
        {"reset_after": layouts.KERAS_GRU_RESET_AFTER, "halves": _ROWS},
    ),
    "SimpleRNN": (layouts.KERAS_RNN, _KERAS_RNN_OPTIONS, {}),
}
_KERAS = {
    f"{package}.layers.{cell}{kind}": _keras_api(layout, options, package.partition(".")[0], **more)
    for package in ("keras", "tf.keras", "tf_keras")
    for cell, (layout, options, more) in _KERAS_CELLS.items()
    for kind in ("", "Cell")
}

_ONE = {"forget_bias": 1.0}
_TF1 = Known(layouts.TENSORFLOW, _TF1_OPTIONS, lambda version: dict(_ONE))
_TF1_CELLS = {
    "LSTMCell": _TF1,
    "BasicLSTMCell": _TF1,
    "GRUCell": Known(layouts.TENSORFLOW_GRU, _TF1_RNN_OPTIONS, lambda version: {"reset_after": False}),
    "BasicRNNCell": Known(layouts.TENSORFLOW_RNN, _TF1_RNN_OPTIONS),
}


def _onnx(layout: Layout, options: Mapping[str, Option], gates: int, **defaults: Any) -> Known:
    parts = {"Wb": f"[:, :{gates}*U]", "Rb": f"[:, {gates}*U:]"}
    return Known(layout, options, lambda version: {"forget_bias": 0.0, **defaults}, halves={"B": (-1, parts)})


KNOWN: Mapping[str, Known] = {
    "canonical": _canonical(layouts.CANONICAL),
    "canonical.gru": _canonical(layouts.CANONICAL_GRU),
    "canonical.rnn": _canonical(layouts.CANONICAL_RNN),
    "numpy.lstm_cell": _canonical(layouts.CANONICAL, **_ONE),
    "torch.nn.LSTM": Known(layouts.TORCH_LAYER, _TORCH_OPTIONS),
    "torch.nn.LSTMCell": Known(layouts.TORCH_CELL, _TORCH_OPTIONS),
    "torch.nn.GRU": Known(layouts.TORCH_GRU_LAYER, _TORCH_OPTIONS),
    "torch.nn.GRUCell": Known(layouts.TORCH_GRU_CELL, _TORCH_OPTIONS),
    "torch.nn.RNN": Known(layouts.TORCH_RNN_LAYER, _TORCH_RNN_OPTIONS),
    "torch.nn.RNNCell": Known(layouts.TORCH_RNN_CELL, _TORCH_RNN_OPTIONS),
    **_KERAS,
    **{
        f"{package}.{cell}": record
        for package in ("tf.nn.rnn_cell", "tf.contrib.rnn", "tf.compat.v1.nn.rnn_cell")
        for cell, record in _TF1_CELLS.items()
    },
    "tf.contrib.rnn.LSTMBlockCell": _TF1,
    # The raw op clips the cell state at 3 unless told otherwise.
    "tf.raw_ops.BlockLSTM": Known(
        layouts.BLOCK_LSTM, _TF1_OPTIONS, lambda version: {**_ONE, "cell_clip": 3.0}
    ),
    **dict.fromkeys(("article.lstm_cell", "article.lstm"), Known(layouts.NNABLA_ONE_AFFINE, _NAMED)),
    "article.lstm_cell_four_affines": Known(layouts.NNABLA_FOUR_AFFINES, _NAMED),
    "PF.lstm_cell": Known(layouts.NNABLA_LSTM_CELL, _NAMED),
    **dict.fromkeys(("PF.lstm", "F.lstm"), Known(layouts.NNABLA_LSTM, _NAMED)),
    **dict.fromkeys(("PF.gru", "F.gru"), Known(layouts.NNABLA_GRU, _NAMED)),
    **dict.fromkeys(("PF.rnn", "F.rnn"), Known(layouts.NNABLA_RNN, _NNABLA_RNN_OPTIONS)),
    "onnx.LSTM": _onnx(layouts.ONNX, _ONNX_OPTIONS, 4),
    "onnx.GRU": _onnx(layouts.ONNX_GRU, _ONNX_GRU_OPTIONS, 3, reset_after=False),
    "onnx.RNN": _onnx(layouts.ONNX_RNN, _ONNX_RNN_OPTIONS, 1),
}
"""By dotted name."""


def known(api: object) -> Known:
    """The api of that name. Raises :class:`~rnnparity.errors.InputError` with the nearest names."""
    if isinstance(api, str) and api in KNOWN:
        return KNOWN[api]
    near = difflib.get_close_matches(str(api), KNOWN, 3, cutoff=0.4)
    raise InputError("api", str(api)[:80], " or ".join(near) or ", ".join(KNOWN))
