"""How networks are made of cells, as data: by options of one api, or by an object that holds others.

``torch.nn.LSTM(num_layers=2, bidirectional=True)`` is four cells, whose tensors have a suffix each.
``keras.layers.Bidirectional(keras.layers.LSTM(8))`` holds two objects, in whose scopes the tensors are.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from rnnparity.apis.api import ANYTHING, ZEROED, Api, Order, Since
from rnnparity.apis.catalogue import find_api
from rnnparity.errors import InputError

_BACK = Order(backwards=True, turned_back=True)
"""How the second direction of a layer reads, everywhere: its outputs are in the order of the inputs."""
_LARGEST = 1000
"""More layers than anybody has."""


class Sliced(NamedTuple):
    """A tensor of one cell, ``name``, that is a part of the tensor ``stored``.

    ``axes`` are the first ones of that: ``l`` picks the layer, counted from ``first``, ``d`` the direction.
    """

    name: str
    stored: str
    axes: str
    first: int = 0


@dataclass(frozen=True)
class Stack:
    """The options of an api that make a network of its cells, and where it stores their tensors.

    ``layers`` is the option that says how many there are, ``directions`` another one and its values for two.
    An api that is ``always`` another one in two directions has no such option. Tensors are told apart by a
    ``part`` of their names, a pattern in whose place a plain layer's have ``plain``: its ``layer``, and
    whether it is ``reverse``; or the number of its ``cell``. Or each is ``sliced`` from one that holds all.
    """

    layers: str
    directions: tuple[str, tuple[Any, ...]]
    part: str = ""
    plain: str = ""
    sliced: tuple[Sliced, ...] = ()
    always: str = ""


@dataclass(frozen=True)
class Container:
    """An api whose object holds others: a list of ``layers``, or those of two ``directions``.

    These name the options that have them, each an object with ``api``, ``options`` and perhaps ``name``.
    ``scopes`` are patterns for the names of their tensors; ``{}`` is the number of a layer, and without a
    pattern it is known by its name. ``prefixes`` are what the names begin with in a run of ours. ``merge`` is
    the option that says how directions merge. ``masked`` says what the outputs are at a masked step, where
    that is not what the held objects return there.
    """

    layers: str = ""
    directions: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()
    merge: str = ""
    masked: Since[str] = (((), ""),)


_TORCH_NAMES = r"_l(?P<layer>\d+)(?P<reverse>_reverse)?$"
_TORCH = Stack("num_layers", ("bidirectional", (True,)), _TORCH_NAMES, plain="_l0")
_PADDLE = Stack("num_layers", ("direction", ("bidirect", "bidirectional")), _TORCH_NAMES, plain="_l0")
# lstm0_r1_i2h_weight is of the second layer's second direction.
_MXNET = Stack(
    "num_layers",
    ("bidirectional", (True,)),
    r"(?<![^_/])(l|(?P<reverse>r))(?P<layer>\d+)_(?=\w2\w_)",
    plain="l0_",
)


def _chainer(always: str = "") -> Stack:
    """Chainer numbers the cells, those of a layer one after the other, and has classes for two directions:
    https://github.com/chainer/chainer/blob/v7.8.1/chainer/links/rnn/n_step_rnn.py
    """
    return Stack("n_layers", ("", ()), r"(?P<cell>\d+)/(?=[wb]\d$)", always=always)


_CHAINER = {cell: f"chainer.links.NStep{cell}" for cell in ("LSTM", "GRU", "RNNTanh", "RNNReLU")}


def _nnabla(scope: str) -> Stack:
    """NNabla has the first layer's weight apart, [D, ...], and the others' in one, [L-1, D, ...]:
    https://nnabla.readthedocs.io/en/latest/python/api/function.html
    """
    first, others, bias = f"{scope}/weight_l0", f"{scope}/weight", f"{scope}/bias"
    sliced = (Sliced(first, first, "d"), Sliced(first, others, "ld", 1), Sliced(bias, bias, "ld"))
    return Stack("num_layers", ("bidirectional", (True,)), sliced=sliced)


# The first axis of every tensor is that of directions: https://onnx.ai/onnx/operators/onnx__LSTM.html
_ONNX = Stack(
    "",
    ("direction", ("bidirectional",)),
    sliced=tuple(Sliced(name, name, "d") for name in ("W", "R", "B", "Wb", "Rb", "P")),
)

STACKS: Mapping[str, Stack] = {
    **dict.fromkeys(("torch.nn.LSTM", "torch.nn.GRU", "torch.nn.RNN"), _TORCH),
    **{f"{module}.{cell}": _nnabla(cell) for module in ("PF", "F") for cell in ("lstm", "gru", "rnn")},
    **dict.fromkeys(("onnx.LSTM", "onnx.GRU", "onnx.RNN"), _ONNX),
    **{f"paddle.nn.{cell}": _PADDLE for cell in ("LSTM", "GRU", "SimpleRNN")},
    **{f"mxnet.gluon.rnn.{cell}": _MXNET for cell in ("LSTM", "GRU", "RNN")},
    **{name: _chainer() for name in _CHAINER.values()},
    **{f"chainer.links.NStepBi{cell}": _chainer(always=name) for cell, name in _CHAINER.items()},
}
"""By the name of the api."""

# Keras names the wrapped objects after what it was given: forward_lstm, backward_lstm.
# https://github.com/keras-team/keras/blob/v3.0.0/keras/layers/rnn/bidirectional.py
_BIDIRECTIONAL = Container(
    directions=("layer", "backward_layer"),
    scopes=(r"(^|/)forward_[^/]*/", r"(^|/)backward_[^/]*/"),
    prefixes=("forward_layer/", "backward_layer/"),
    merge="merge_mode",
    # Since tf.keras it asks both of its layers for zero_output_for_mask:
    # https://github.com/keras-team/keras/blob/v3.0.0/keras/layers/rnn/bidirectional.py
    masked=(((), ""), ((2, 3), ZEROED)),
)
_DYNAMIC = Container(
    directions=("cell_fw", "cell_bw"), scopes=(r"(^|/)fw/", r"(^|/)bw/"), prefixes=("fw/", "bw/")
)

CONTAINERS: Mapping[str, Container] = {
    **{
        f"{keras}.Sequential": Container("layers", prefixes=("layer_{}/",))
        for keras in ("keras", "tf.keras", "tf_keras")
    },
    **{f"{keras}.layers.Bidirectional": _BIDIRECTIONAL for keras in ("keras", "tf.keras", "tf_keras")},
    **{
        f"{module}.MultiRNNCell": Container("cells", scopes=(r"(^|/)cell_{}/",), prefixes=("cell_{}/",))
        for module in ("tf.nn.rnn_cell", "tf.contrib.rnn", "tf.compat.v1.nn.rnn_cell")
    },
    "tf.nn.bidirectional_dynamic_rnn": _DYNAMIC,
    "tf.compat.v1.nn.bidirectional_dynamic_rnn": _DYNAMIC,
    # https://flax-linen.readthedocs.io/en/latest/api_reference/flax.linen/layers.html
    "flax.linen.Bidirectional": Container(
        directions=("forward_rnn", "backward_rnn"),
        scopes=(r"(^|/)forward_rnn/", r"(^|/)backward_rnn/"),
        prefixes=("forward_rnn/cell/", "backward_rnn/cell/"),
        # It goes on over the padding, from the end of that where it reads backwards:
        # https://github.com/google/flax/blob/v0.12.8/flax/linen/recurrent.py
        masked=(((), ANYTHING),),
    ),
}
"""By the name of the api."""

Tensors = Mapping[str, np.ndarray]
"""Stored tensors ``[...]`` by name."""


class Piece(NamedTuple):
    """One direction of one layer: its ``api``, the ``options`` of the cell, and its ``tensors``.

    The tensors have the names that a plain layer's would have, and ``stored`` says how each was stored.
    ``order`` is that in which it reads a sequence; None if its options say so.
    """

    api: Api
    options: Mapping[str, Any]
    tensors: Tensors
    stored: Mapping[str, str]
    order: Order | None = None


class PieceLayer(NamedTuple):
    """The directions of a layer, and how they merge: a name of :data:`rnnparity.reference.network.MERGES`."""

    pieces: tuple[Piece, ...]
    merge: str


def is_network(api: object, options: Mapping[str, Any]) -> bool:
    """Whether an api with these options is more than one direction of one layer."""
    name = str(api)
    if name in CONTAINERS:
        return True
    stack = STACKS.get(name)
    return stack is not None and _sizes(stack, options) != (1, 1)


def pieces(api: object, options: Mapping[str, Any], tensors: Tensors) -> list[PieceLayer]:
    """The layers of a network, the first one first, with their directions.

    Raises :class:`~rnnparity.errors.InputError` for options or tensors that make no network.
    """
    if isinstance(api, str) and api in CONTAINERS:
        container = CONTAINERS[api]
        made = _of_layers if container.layers else _of_directions
        return made(container, options, tensors)
    stack = STACKS.get(str(api))
    known = find_api(stack.always if stack and stack.always else api)
    layers, directions = _sizes(stack, options) if stack else (1, 1)
    own = dict(options)
    for name in (stack.layers, stack.directions[0]) if stack else ():
        if (layers, directions) != (1, 1) or name not in known.arguments:
            own.pop(name, None)
    if stack is None or (layers, directions) == (1, 1):
        return [PieceLayer((Piece(known, own, tensors, {name: name for name in tensors}),), "concat")]
    split = _named if stack.part else _sliced
    return [
        PieceLayer(
            tuple(
                Piece(
                    known,
                    _of_one_direction(known, own, direction, directions),
                    *split(stack, tensors, layer, direction, directions),
                    _BACK if direction else None,
                )
                for direction in range(directions)
            ),
            "concat",
        )
        for layer in range(layers)
    ]


def _sizes(stack: Stack, options: Mapping[str, Any]) -> tuple[int, int]:
    """How many layers and directions the options ask for."""
    layers = options.get(stack.layers, 1)
    if isinstance(layers, bool) or not isinstance(layers, int) or not 1 <= layers <= _LARGEST:
        raise InputError(f"option {stack.layers}", layers, f"a number of layers from 1 to {_LARGEST}")
    name, both = stack.directions
    return layers, 1 + bool(stack.always or options.get(name) in both)


def _of_one_direction(
    api: Api, options: Mapping[str, Any], direction: int, directions: int
) -> dict[str, Any]:
    """The options of one direction. ONNX lists the functions of both, one after the other."""
    own = dict(options)
    for name, option in api.arguments.items():
        listed, count = own.get(name), len(option.functions)
        if count and isinstance(listed, list | tuple) and len(listed) == count * directions:
            own[name] = list(listed[direction * count : (direction + 1) * count])
    return own


def _named(
    stack: Stack, tensors: Tensors, layer: int, direction: int, directions: int
) -> tuple[Tensors, Mapping[str, str]]:
    """The tensors of one direction, told apart by a part of their names."""
    found, stored = {}, {}
    for name, array in tensors.items():
        match = re.search(stack.part, name)
        if match is None:
            raise InputError("tensor", name, "names that say which layer and direction they are of")
        groups = match.groupdict()
        at = (int(groups.get("layer") or 0), int(bool(groups.get("reverse"))))
        at = divmod(int(groups["cell"]), directions) if "cell" in groups else at
        if at == (layer, direction):
            plain = name[: match.start()] + stack.plain + name[match.end() :]
            found[plain], stored[plain] = array, name
    return found, stored


def _sliced(
    stack: Stack, tensors: Tensors, layer: int, direction: int, directions: int
) -> tuple[Tensors, Mapping[str, str]]:
    """The tensors of one direction, each cut from one that holds those of all."""
    found, stored = {}, {}
    for name, array in tensors.items():
        for plain, whole, axes, first in stack.sliced:
            last = layer if "l" in axes else 0  # a tensor without that axis is the first layer's
            if not f"/{name}".endswith(f"/{whole}") or layer < first or (first == 0 and last != layer):
                continue
            if array.ndim < len(axes) or array.shape[axes.index("d")] != directions:
                raise InputError("tensor", f"{name} {list(array.shape)}", f"{directions} directions in it")
            position = {"l": layer - first, "d": direction}
            if any(position[axis] >= array.shape[n] for n, axis in enumerate(axes)):
                raise InputError("tensor", f"{name} {list(array.shape)}", f"a layer {layer} in it")
            # A plain layer's tensor has axes of length one in their place, but for those of later layers.
            index = [str(position["l"])] if first else []
            index += [f"{position[axis]}:{position[axis] + 1}" for axis in axes[len(index) :]]
            picked = tuple(position[axis] for axis in axes)
            own = name[: len(name) - len(whole)] + plain
            found[own] = array[picked].reshape((1,) * (len(axes) - bool(first)) + array.shape[len(axes) :])
            stored[own] = f"{name}[{', '.join(index)}]"
    return found, stored


def _of_layers(container: Container, options: Mapping[str, Any], tensors: Tensors) -> list[PieceLayer]:
    listed = options.get(container.layers)
    if not isinstance(listed, list | tuple) or not 1 <= len(listed) <= _LARGEST:
        raise InputError(f"option {container.layers}", listed, "a list of objects with api and options")
    children = [_child(container.layers, each) for each in listed]
    if container.scopes:
        patterns = [container.scopes[0].format(n) for n in range(len(children))]
    elif len(children) > 1:
        names = [str(each.get("name", "")) for each in listed]
        names = names if all(names) else _scopes(tensors, len(children))
        patterns = [f"(^|/){re.escape(name)}/" for name in names]
    else:
        patterns = [""]
    split = _by_scope(tensors, patterns)
    return [layer for child, own in zip(children, split, strict=True) for layer in pieces(*child, own)]


def _of_directions(container: Container, options: Mapping[str, Any], tensors: Tensors) -> list[PieceLayer]:
    first, second = container.directions
    # Keras copies the one that it was given.
    children = [_child(first, options.get(first)), _child(second, options.get(second, options.get(first)))]
    made = [
        pieces(*child, own) for child, own in zip(children, _by_scope(tensors, container.scopes), strict=True)
    ]
    if any(len(layers) != 1 or len(layers[0].pieces) != 1 for layers in made):
        raise InputError(
            f"option {first}", "several layers", "one cell in each direction: record a layer each"
        )
    merge = options.get(container.merge, "concat") if container.merge else "concat"
    (one,), (other,) = (layers[0].pieces for layers in made)
    # The backward layer of Keras is asked for go_backwards, and its outputs are turned back afterwards.
    turned = {name: value for name, value in other.options.items() if not other.api.arguments[name].orders}
    return [PieceLayer((one, other._replace(options=turned, order=_BACK)), merge or "concat")]


def _child(option: str, given: object) -> tuple[object, Mapping[str, Any]]:
    """The api and the options of an object in an option."""
    if not isinstance(given, dict) or not isinstance(given.get("options", {}), dict) or "api" not in given:
        raise InputError(f"option {option}", given, "an object with api and options")
    return given["api"], given.get("options", {})


def _by_scope(tensors: Tensors, patterns: Sequence[str]) -> list[dict[str, np.ndarray]]:
    """The tensors whose names match each of the patterns."""
    found = [
        {name: a for name, a in tensors.items() if re.search(pattern, name.replace(".", "/"))}
        for pattern in patterns
    ]
    missing = [name for name in tensors if not any(name in each for each in found)]
    if missing:
        raise InputError("tensor", missing[0], "names in the scopes of the layers or directions")
    return found


def _scopes(tensors: Tensors, count: int) -> list[str]:
    """The scopes of ``count`` layers, in the order in which they are stored."""
    paths = [name.replace(".", "/").split("/") for name in tensors]
    for depth in range(min(map(len, paths), default=0)):
        names = list(dict.fromkeys(path[depth] for path in paths))
        if len(names) == count:
            return names
    raise InputError(
        "tensors", ", ".join(tensors) or "none", f"the scopes of {count} layers: give each a name"
    )
