"""How Keras names what it holds.

A GRU with ``reset_after`` has both biases in its one tensor ``bias`` ``[2, 3U]``. Layers and directions are
known by the objects that hold them.
"""

from typing import Any, Dict, Iterator, Sequence, Tuple

import numpy as np

_BIAS, _PARTS = "bias", ("input_bias", "recurrent_bias")


def whole(tensors: Dict[str, np.ndarray]) -> Dict[str, np.ndarray]:
    """Tensors ``[...]`` as the layout names them -> those of the object, with both biases in one."""
    if not set(_PARTS) <= set(tensors):
        return tensors
    rest = {name: tensor for name, tensor in tensors.items() if name not in _PARTS}
    return dict(rest, **{_BIAS: np.concatenate([tensors[name] for name in _PARTS])})


def parted(tensors: Dict[str, np.ndarray]) -> Dict[str, np.ndarray]:
    """The inverse of :func:`whole`."""
    if _BIAS not in tensors or tensors[_BIAS].ndim == 1:
        return tensors
    rest = {name: tensor for name, tensor in tensors.items() if name != _BIAS}
    return dict(rest, **dict(zip(_PARTS, np.split(tensors[_BIAS], 2))))


def scoped(layers: Sequence[Any], scope: str) -> Iterator[Tuple[str, Any]]:
    """Each of several layers, and the ``scope`` with its number; one layer by itself has none."""
    for number, held in enumerate(layers):
        yield (scope % number if len(layers) > 1 else ""), held


def directions(held: Any, count: int) -> Iterator[Tuple[str, Any]]:
    """Each direction of a ``Bidirectional``, by its name; a layer of one direction is that itself."""
    names = ("forward_layer", "backward_layer") if count > 1 else ()
    return iter([(name + "/", getattr(held, name)) for name in names] or [("", held)])
