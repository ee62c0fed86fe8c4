"""Recordings as an api would write them: canonical weights as its record says that it stores them."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from rnnparity import Api, Case
from rnnparity_adapters.equation import Equation
from rnnparity_adapters.kinds import PEEPHOLES
from rnnparity_adapters.layout import Tensor, Weights, load

Arrays = dict[str, np.ndarray]


def written(
    api: Api,
    case: Case,
    hidden: np.ndarray,
    cell: np.ndarray | None,
    options: Mapping[str, Any],
    biases: bool = True,
) -> Arrays:
    """The arrays of a recording of ``hidden`` ``[B, T, P]`` and ``cell`` ``[B, T, U]``, None if it is not
    stored.

    Tensors stand in a scope; without ``biases`` there are none. Raises
    :class:`~rnnparity_adapters.layout.LayoutError` for weights that the api cannot hold.
    """
    layout = api.layout_for(case.equation)
    weights = Weights(*(np.asarray(array, "float32") for array in case.weights))
    tensors = load(layout, weights, case.equation.forget_bias, hidden=case.initial_hidden.shape[1])
    if not biases:
        tensors = {tensor.name: tensors[tensor.name] for tensor in layout.tensors if tensor.rows}
    for optional, values in ((layout.peepholes, case.peepholes), (layout.projection, case.projection)):
        if values is not None:
            tensors |= {tensor.name: _native(tensor, values) for tensor in optional}
    for whole, (axis, parts) in api.joined.items():
        if set(parts) <= set(tensors):
            tensors[whole] = np.concatenate([tensors.pop(part) for part in parts], axis=axis)
    arrays = {f"weights/scope/{name}": tensor for name, tensor in tensors.items()}
    arrays |= {"inputs": case.inputs, "hidden": hidden, "initial_hidden": case.initial_hidden}
    if case.has_cell_state:
        arrays |= {"initial_cell": case.initial_cell} | ({} if cell is None else {"cell": cell})
    meta = {"recording": 1, "api": api.name, "version": "", "options": dict(options)}
    return arrays | {"meta": np.array(json.dumps(meta))}


def _native(tensor: Tensor, values: np.ndarray) -> np.ndarray:
    """Peepholes ``[3, U]`` of i, f, o, or a projection ``[U, P]``, as a tensor stores them."""
    block = values.T[:, None] if tensor.rows else values[[PEEPHOLES.index(gate) for gate in tensor.gates]]
    return tensor.to_native(block.astype("float32"))


def expressed(api: Api, equation: Equation) -> dict[str, Any] | None:
    """The options of an api that amount to an equation; None where it has none."""
    default = vars(api.equation({}))
    fields = {name: value for name, value in vars(equation).items() if value != default[name]}
    options: dict[str, Any] = {}
    for name, option in api.arguments.items():
        if option.field in fields:
            value = fields.pop(option.field)
            if any(fields.pop(name, None) != value for name in option.also):
                return None
            if option.only and value not in option.only:
                return None
            options[name] = value
    return None if fields else options
