"""Stored tensors by the names that they have in the layout of their api."""

import contextlib
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from rnnparity.apis.api import Api
from rnnparity.apis.catalogue import APIS
from rnnparity.errors import InputError
from rnnparity_adapters import layout as layouts
from rnnparity_adapters.layout import Layout, LayoutError

# Names of tensors that belong to another layer or to the other direction of a stack.
_OTHERS = re.compile(r"_l[1-9]\d*(_reverse)?$|_reverse$|cell_[1-9]\d*/|backward|(^|/)bw/|weight$")


def native(
    api: Api, layout: Layout, tensors: Mapping[str, np.ndarray], input_size: int, options: Mapping[str, Any]
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The tensors by their names in the layout, and the name under which each was stored, with its scopes.

    Biases that the ``options`` say are not there, for ``input_size`` inputs, are zero.
    """
    wholes = {name: each for name, each in api.joined.items() if set(each.parts) <= set(layout.names)}
    expected = layout.names + [tensor.name for tensor in layout.optional] + list(wholes)
    weights: dict[str, np.ndarray] = {}
    names: dict[str, str] = {}
    for stored, array in tensors.items():
        plain = f"/{stored.removesuffix(':0')}".replace(".", "/")
        fitting = max((name for name in expected if _ends(plain, name, api)), key=len, default=None)
        if (fitting is None or fitting in weights) and _OTHERS.search(plain):
            raise InputError("tensor", stored, "one layer, one direction, as the options say")
        if fitting is None or fitting in weights:
            raise InputError("tensor", stored, "one each of " + ", ".join(expected))
        weights[fitting], names[fitting] = array, stored
    for whole, (axis, parts) in wholes.items():
        if whole in weights and weights[whole].ndim > 1 and weights[whole].shape[axis] % 2 == 0:
            weights |= dict(zip(parts, np.split(weights.pop(whole), 2, axis=axis), strict=True))
            names |= {part: names[whole] + index for part, index in parts.items()}
    has_some = any(tensor.name in weights for tensor in layout.biases)
    can_do_without = [name for name, option in api.arguments.items() if option.biases]
    if can_do_without and (not has_some or any(options.get(name) is False for name in can_do_without)):
        width = width_of(layout, weights, input_size)
        projections = [weights[tensor.name] for tensor in layout.projection if tensor.name in weights]
        units = projections[0].size // max(1, width) if projections else width
        for tensor in layout.biases:
            weights.setdefault(tensor.name, np.zeros(tensor.shape(1, units), "float32"))
    return weights, names


def _ends(plain: str, name: str, api: Api) -> bool:
    """Whether a stored name is this one behind scopes."""
    ending = name.replace(".", "/")
    return any(plain.endswith(before + ending) for before in api.separators)


def width_of(layout: Layout, weights: Mapping[str, np.ndarray], input_size: int) -> int:
    """P, the width of the hidden state, as the recurrent kernel has it; 0 if there is none of that shape."""
    for tensor in layout.tensors:
        shape = weights[tensor.name].shape if tensor.name in weights else ()
        for axis, words in enumerate(tensor.groups):
            if words in (["h"], ["xh"]) and axis < len(shape):
                return max(0, int(shape[axis]) - (input_size if words == ["xh"] else 0))
    return 0


def fitting(weights: Mapping[str, np.ndarray], units: int) -> list[str]:
    """At most three apis whose layouts these tensors would fit, for so many units."""
    found = []
    for name, other in APIS.items():
        with contextlib.suppress(LayoutError):
            bias = layouts.extract(other.layout, weights).bias
            if bias.size == units * len(other.layout.kind.bias_gates):
                found.append(name)
    return found[:3]
