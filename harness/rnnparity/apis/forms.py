"""Networks of an api that runs: what is asked of the framework, and under which names it stores the weights.

This is the inverse of :func:`rnnparity.apis.stacks.pieces`, which finds the cells in what was stored.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from rnnparity.apis import api
from rnnparity.apis.api import Target
from rnnparity.apis.stacks import CONTAINERS, STACKS, Sliced, Stack, Tensors

PLAIN_ONLY = "runs one layer in one direction, over whole rows"
"""Why an api runs no network."""


class Holders(NamedTuple):
    """The containers that make a network of an api's cells: one of ``layers``, one of two ``directions``.

    Empty where there is none. ``nested`` says that a layer may have two directions.
    """

    layers: str = ""
    directions: str = ""
    nested: bool = False


_TENSORFLOW = {
    "tf.nn.rnn_cell": "tf.nn.bidirectional_dynamic_rnn",
    "tf.contrib.rnn": "tf.nn.bidirectional_dynamic_rnn",
    "tf.compat.v1.nn.rnn_cell": "tf.compat.v1.nn.bidirectional_dynamic_rnn",
}
_HOLDERS: Mapping[str, Holders] = {
    "keras.layers.": Holders("keras.Sequential", "keras.layers.Bidirectional", nested=True),
    **{f"{module}.": Holders(f"{module}.MultiRNNCell", both) for module, both in _TENSORFLOW.items()},
    "flax.linen.": Holders("", "flax.linen.Bidirectional"),
}
"""By what the names of the apis begin with."""


class Network(NamedTuple):
    """A network as a recording states it: the ``api`` and its ``options``.

    ``own`` says that these are options of the cells' api itself, and not of an object that holds cells.
    """

    api: str
    options: Mapping[str, Any]
    own: bool


def refused(target: Target, layers: int, directions: int, lengths: bool) -> str:
    """Why a row does not run such a network, perhaps over rows of different lengths; empty if it does."""
    if not target.live.network:
        return PLAIN_ONLY
    stack, holders = STACKS.get(target.name), _holders(target.name)
    if layers > 1 and not (stack.layers if stack else holders.layers):
        return "has no option for several layers, and no object that holds them"
    if directions > 1 and not (stack or holders.directions):
        return "has no option for two directions, and no object that holds them"
    if layers > 1 and directions > 1 and not (stack or holders.nested):
        return f"{holders.layers} holds no layers of two directions"
    if lengths and not target.live.lengths:
        return "takes no lengths"
    return ""


def network(target: Target, options: Mapping[str, Any], layers: int, directions: int) -> Network:
    """A network of cells that are made with ``options``, for a row that is not :func:`refused`."""
    stack = STACKS.get(target.name)
    if stack:
        name, (value, *_) = stack.directions
        asked = {stack.layers: layers} if layers > 1 else {}
        return Network(target.name, {**options, **asked, **({name: value} if directions > 1 else {})}, True)
    holders = _holders(target.name)
    held: dict[str, Any] = {"api": target.name, "options": dict(options)}
    if directions > 1:
        both = dict.fromkeys(CONTAINERS[holders.directions].directions, held)
        held = {"api": holders.directions, "options": both}
    if layers > 1:
        container = CONTAINERS[holders.layers]
        names = (container.prefixes[0].format(k).rstrip("/") for k in range(layers))
        listed = [{**held, "name": name} for name in names]
        held = {"api": holders.layers, "options": {container.layers: listed}}
    return Network(held["api"], held["options"], layers == directions == 1)


def masked(target: Target, made: Network, version: str) -> str:
    """What a row of a ``version`` returns past a length: see :attr:`rnnparity.apis.api.Api.masked`."""
    inner = made.api
    if inner in CONTAINERS and CONTAINERS[inner].layers:
        inner = made.options[CONTAINERS[inner].layers][0]["api"]
    own = api.at(CONTAINERS[inner].masked, api.numbers(version)) if inner in CONTAINERS else ""
    return own or target.api.masked_by(target.live.options)


def stored(
    name: str, options: Mapping[str, Any], cells: Sequence[Sequence[Tensors]]
) -> dict[str, np.ndarray]:
    """The tensors ``[...]`` of a network as it stores them.

    ``cells`` are those of each direction of each layer, by the names that a plain layer's have.
    """
    container = CONTAINERS.get(name)
    if container and container.layers:
        found: dict[str, np.ndarray] = {}
        for k, child in enumerate(options[container.layers]):
            own = stored(child["api"], child["options"], cells[k : k + 1])
            found |= {container.prefixes[0].format(k) + each: tensor for each, tensor in own.items()}
        return found
    if container:
        return {
            prefix + each: tensor
            for prefix, own in zip(container.prefixes, cells[0], strict=True)
            for each, tensor in own.items()
        }
    if len(cells) == len(cells[0]) == 1:
        return dict(cells[0][0])
    stack = STACKS[name]
    return (_suffixed if stack.part else _sliced)(stack, cells)


def _suffixed(stack: Stack, cells: Sequence[Sequence[Tensors]]) -> dict[str, np.ndarray]:
    return {
        name.removesuffix(stack.plain) + f"_l{layer}{'_reverse' * direction}": tensor
        for layer, directions in enumerate(cells)
        for direction, own in enumerate(directions)
        for name, tensor in own.items()
    }


def _sliced(stack: Stack, cells: Sequence[Sequence[Tensors]]) -> dict[str, np.ndarray]:
    """Each tensor with those of all cells that it holds, one after the other along its first axes."""
    blocks: dict[tuple[str, str, int], dict[tuple[int, ...], np.ndarray]] = {}
    for layer, directions in enumerate(cells):
        for direction, own in enumerate(directions):
            for name, tensor in own.items():
                one = _slice(stack, name, layer)
                at = tuple({"l": layer - one.first, "d": direction}[axis] for axis in one.axes)
                block = tensor.reshape(tensor.shape[len(one.axes) - bool(one.first) :])
                blocks.setdefault((one.stored, one.axes, one.first), {})[at] = block
    found = {}
    for (name, _, _), parts in blocks.items():
        counts = tuple(1 + max(at[n] for at in parts) for n in range(len(next(iter(parts)))))
        first = next(iter(parts.values()))
        found[name] = np.empty((*counts, *first.shape), first.dtype)
        for at, block in parts.items():
            found[name][at] = block
    return found


def _slice(stack: Stack, name: str, layer: int) -> Sliced:
    """The tensor that holds the one of that name of a cell in that layer."""
    return next(
        one
        for one in stack.sliced
        if one.name == name and (layer >= one.first if one.first or "l" in one.axes else layer == 0)
    )


def _holders(name: str) -> Holders:
    return next((held for start, held in _HOLDERS.items() if name.startswith(start)), Holders())
