"""The two biases of a Keras GRU with ``reset_after``, which its one tensor ``bias`` ``[2, 3U]`` holds."""

from typing import Dict

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
