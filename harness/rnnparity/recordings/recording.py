"""Recordings: what an api computed, with its weights and inputs, in one ``.npz`` or ``.safetensors`` file.

The arrays are ``inputs`` ``[B, T, I]`` and ``hidden`` ``[B, T, P]``. Optional are ``cell`` ``[B, T, U]``,
``initial_hidden`` ``[B, P]``, ``initial_cell`` ``[B, U]`` and ``lengths`` ``[B]``. P is U unless there is a
projection. Native tensors are ``weights/<name>``. A GRU and a simple RNN have no cell state.

A layer may not return its cell state at every step. Then ``cell`` comes from calls for one step at a time,
and ``stepped_hidden`` ``[B, T, P]`` is the hidden state of these calls.

``meta`` is the JSON text ``{"recording": 1, "api": "torch.nn.LSTM", "version": "2.13.0", "options": {}}``. In
a ``.safetensors`` it is in the file's own metadata.
"""

import contextlib
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnparity.apis.api import Api
from rnnparity.apis.catalogue import APIS, find_api
from rnnparity.errors import InputError
from rnnparity.files import array_file
from rnnparity.files.source import parse_json
from rnnparity.printable import one_line
from rnnparity.recordings.trajectory import STORED_DTYPES
from rnnparity.reference.case import Case
from rnnparity.reference.masks import turned
from rnnparity_adapters import layout as layouts
from rnnparity_adapters.adapter import CELL, HIDDEN, STEPPED_HIDDEN
from rnnparity_adapters.equation import Equation
from rnnparity_adapters.layout import Layout, LayoutError

FORMAT = 1
"""The version of this format, as ``meta`` states it."""
_LONGEST_VERSION = 100
WEIGHTS = "weights/"
"""What stands before the names of native tensors in a file."""
_ARRAYS = {
    "inputs": "BTI", "hidden": "BTP", "cell": "BTU", "initial_hidden": "BP", "initial_cell": "BU",
    "lengths": "B", "stepped_hidden": "BTP",
}  # fmt: skip
_REQUIRED = ("inputs", "hidden")
STATES = (HIDDEN, CELL, STEPPED_HIDDEN)
"""The names of the arrays that make up a trajectory."""


@dataclass(frozen=True, eq=False)
class Recording:
    """One recording, whose arrays fit each other and the layout of its api.

    ``inputs`` ``[B, T, I]``, ``hidden`` and ``stepped_hidden`` ``[B, T, P]``, ``cell`` ``[B, T, U]``,
    ``initial_hidden`` ``[B, P]``, ``initial_cell`` ``[B, U]``, ``lengths`` ``[B]``; None where not recorded.
    ``weights`` are native tensors by the api's own names, without scopes, and ``names`` says how each was
    stored. The states have the dtype in which the api computed or stored them. ``arithmetic`` is the name of
    that dtype, or ``bfloat16``, for which numpy has no dtype.
    """

    api: str
    version: str
    options: Mapping[str, Any]
    weights: Mapping[str, NDArray[np.floating]]
    inputs: NDArray[np.floating]
    hidden: NDArray[np.floating]
    arithmetic: str
    cell: NDArray[np.floating] | None = None
    initial_hidden: NDArray[np.floating] | None = None
    initial_cell: NDArray[np.floating] | None = None
    lengths: NDArray[np.signedinteger] | None = None
    stepped_hidden: NDArray[np.floating] | None = None
    names: Mapping[str, str] = field(default_factory=dict)

    @property
    def known(self) -> Api:
        """The record of the api."""
        return find_api(self.api)

    @property
    def equation(self) -> Equation:
        """The equation that the api's version and options give."""
        return self.known.equation(self.options, self.version)

    @property
    def layout(self) -> Layout:
        """The layout of the weights."""
        return self.known.layout_for(self.equation)

    @property
    def trajectory(self) -> dict[str, NDArray[np.floating]]:
        """The recorded ones of :data:`STATES`, ``[B, T, ...]``, their steps in the order of computation.

        Some apis turn the outputs of a backward sequence back; here they are turned once more. What is past
        a row's length comes last.
        """
        order, mask = self.known.order(self.options), self.mask
        states = {name: getattr(self, name) for name in STATES if getattr(self, name) is not None}
        if self.padding_first:
            assert mask is not None
            rolled = (np.arange(mask.shape[1]) + (~mask).sum(axis=1)[:, None]) % mask.shape[1]
            return {name: np.take_along_axis(s, rolled[:, :, None], axis=1) for name, s in states.items()}
        return {name: turned(s, mask) if order.turned_back else s for name, s in states.items()}

    @property
    def padding_first(self) -> bool:
        """Whether a backward run read the padding first, and returned zeros there: Keras's does.

        https://github.com/keras-team/keras/blob/v3.0.0/keras/backend/tensorflow/rnn.py
        """
        order, mask = self.known.order(self.options), self.mask
        if mask is None or mask.all() or not order.backwards or order.turned_back:
            return False
        return not self.hidden[:, ::-1][~mask].any() and bool(self.hidden[~mask].any())

    @property
    def mask(self) -> NDArray[np.bool_] | None:
        """Which steps of which rows count ``[B, T]``; None where no lengths are recorded."""
        if self.lengths is None:
            return None
        count: NDArray[np.bool_] = np.arange(self.hidden.shape[1]) < self.lengths[:, None]
        return count

    @property
    def case(self) -> Case:
        """The case that was recorded: canonical weights, and initial states of zeros where none are recorded.

        The weights are float64. The inputs ``[B, T, I]`` and states get the dtype of the hidden state, or
        float32 if that is float16. The inputs are in the order in which the api read them, and what is past a
        row's length is last.
        """
        dtype = np.promote_types(self.hidden.dtype, np.float32)
        equation, layout = self.equation, self.layout
        native = {name: tensor.astype(dtype) for name, tensor in self.weights.items()}
        weights = layouts.extract(layout, native, equation.forget_bias)
        backwards = self.known.order(self.options).backwards
        batch, _, width = self.hidden.shape
        units = weights.bias.size // len(layout.kind.bias_gates) if layout.kind.has_cell_state else 0
        hidden, cell = (
            np.zeros(shape, dtype) if state is None else state.astype(dtype)
            for shape, state in (((batch, width), self.initial_hidden), ((batch, units), self.initial_cell))
        )
        return Case(
            equation,
            weights,
            (turned(self.inputs, self.mask) if backwards else self.inputs).astype(dtype),
            hidden,
            cell,
            peepholes=layouts.extract_peepholes(layout, native),
            projection=layouts.extract_projection(layout, native),
            added_sizes=layouts.added_sizes(layout, native),
        )


def read_recording(path: str | Path) -> Recording:
    """Read a recording. Raises :class:`~rnnparity.errors.InputError`, of one line, for whatever is wrong."""
    stored = array_file.read_arrays(path)
    return from_arrays(stored.arrays, stored.bfloat16)


def from_arrays(arrays: Mapping[str, np.ndarray], bfloat16: Collection[str] = ()) -> Recording:
    """A recording from the arrays ``[...]`` of its file; ``bfloat16`` names those that were stored as that.

    Raises :class:`~rnnparity.errors.InputError` for arrays that do not fit each other or the api.
    """
    meta = read_meta(arrays.get("meta"))
    tensors = {n.removeprefix(WEIGHTS): a for n, a in arrays.items() if n.startswith(WEIGHTS)}
    own = {name: a for name, a in arrays.items() if name != "meta" and not name.startswith(WEIGHTS)}
    unknown = sorted(set(own) - set(_ARRAYS))
    missing = [name for name in _REQUIRED if name not in own]
    if unknown or missing:
        raise InputError("arrays", ", ".join(sorted(own)) or "none", f"inputs, hidden (and {_optional()})")
    own |= {name: _one_layer(name, own[name]) for name in ("initial_hidden", "initial_cell") if name in own}
    for name, array in (*own.items(), *tensors.items()):
        _check_numbers(name, array, finite=name not in STATES)
    _check_shapes(own)
    api = find_api(meta["api"])
    layout = api.layout_for(api.equation(meta["options"], meta["version"]))
    weights, names = _native(api, layout, tensors, own["hidden"].shape[2], meta["options"])
    recording = Recording(
        api=meta["api"], version=meta["version"], options=meta["options"], weights=weights, names=names,
        arithmetic="bfloat16" if "hidden" in bfloat16 else str(own["hidden"].dtype), **own,
    )  # fmt: skip
    _check_layout(recording)
    return recording


def record(
    path: str | Path,
    api: str,
    weights: object,
    inputs: object,
    hidden: object,
    cell: object = None,
    *,
    initial_hidden: object = None,
    initial_cell: object = None,
    lengths: object = None,
    stepped_hidden: object = None,
    version: str = "",
    options: Mapping[str, Any] | None = None,
) -> Recording:
    """Write a recording, and return it: a ``.safetensors`` file if that is its suffix, otherwise an ``.npz``.

    ``weights`` are arrays by native name, or a layer itself: an object with ``named_parameters()`` (PyTorch)
    or with ``weights`` that have names (Keras). The others have the shapes of :class:`Recording`, such as
    ``inputs`` ``[B, T, I]``, and may be anything that numpy can turn into an array. ``stepped_hidden`` is
    needed where ``cell`` comes from other calls than ``hidden``, one for each step. Raises
    :class:`~rnnparity.errors.InputError` where :func:`read_recording` would.
    """
    given = {
        "inputs": inputs, "hidden": hidden, "cell": cell, "initial_hidden": initial_hidden,
        "initial_cell": initial_cell, "lengths": lengths, "stepped_hidden": stepped_hidden,
    }  # fmt: skip
    arrays = {name: _numpy(value) for name, value in given.items() if value is not None}
    arrays |= {WEIGHTS + name: tensor for name, tensor in _live(weights).items()}
    meta = {"api": api, "version": version, "options": dict(options or {})}
    arrays["meta"] = write_meta(meta)
    recording = from_arrays(arrays)
    array_file.write_arrays(path, arrays)
    return recording


def _live(weights: Any) -> dict[str, np.ndarray]:
    """The tensors of a mapping, or of a layer, by native name."""
    if isinstance(weights, Mapping):
        return {str(name): _numpy(value) for name, value in weights.items()}
    if hasattr(weights, "weights"):  # on PyTorch a Keras layer has named_parameters too, of other names
        return {getattr(tensor, "path", tensor.name): _numpy(tensor) for tensor in weights.weights}
    if hasattr(weights, "named_parameters"):
        return {name: _numpy(value) for name, value in weights.named_parameters()}
    raise InputError("weights", type(weights).__name__, "a mapping of arrays, or a layer")


def _numpy(value: Any) -> np.ndarray:
    """An array from any tensor, including one on a GPU or one that tracks gradients."""
    held = getattr(value, "value", None)  # on PyTorch a Keras variable holds a tensor
    value = held if hasattr(held, "detach") else value
    for step in ("detach", "cpu", "numpy"):
        value = getattr(value, step)() if hasattr(value, step) else value
    return np.asarray(value)


def _optional() -> str:
    return ", ".join(name for name in _ARRAYS if name not in _REQUIRED)


def write_meta(meta: Mapping[str, Any]) -> np.ndarray:
    """``meta`` as the array of that name in a file: its JSON text, an array ``[]``."""
    return np.array(json.dumps({"recording": FORMAT, **meta}, indent=1, sort_keys=True))


def read_meta(array: np.ndarray | None) -> dict[str, Any]:
    """The inverse of :func:`write_meta`, for an array ``[]`` of text.

    Raises :class:`~rnnparity.errors.InputError` for anything else.
    """
    if array is None or array.ndim or array.dtype.kind not in "US":
        raise InputError("meta", "none" if array is None else f"an array {array.dtype}", "a JSON text")
    try:
        text = array.item()
        meta = parse_json(text if isinstance(text, str) else text.decode("utf-8"))
    except ValueError as error:  # no Unicode, no JSON
        raise InputError("meta", f"no JSON: {error}", "a JSON text") from None
    if not isinstance(meta, dict) or meta.get("recording") != FORMAT:
        given = meta.get("recording") if isinstance(meta, dict) else type(meta).__name__
        raise InputError("meta", f"recording {given}", f"an object with recording {FORMAT}")
    meta = {"api": None, "version": "", "options": {}, **meta}
    for name in ("options", "provenance"):
        if not isinstance(meta.get(name, {}), dict):
            raise InputError("meta", f"{name} {meta[name]}", "an object")
    version = str(meta["version"])
    if one_line(version, _LONGEST_VERSION) != version:
        allowed = f"at most {_LONGEST_VERSION} characters that can be printed"
        raise InputError("meta", f"version {version}", allowed)
    return {**meta, "version": version}


def _check_numbers(name: str, array: np.ndarray, finite: bool) -> None:
    allowed = ("iu", "whole numbers") if name == "lengths" else ("fiu", " or ".join(STORED_DTYPES))
    if array.dtype.kind not in allowed[0] or str(array.dtype) in ("longdouble", "float128"):
        raise InputError(name, f"dtype {array.dtype}", allowed[1])
    if name in STATES and str(array.dtype) not in STORED_DTYPES:
        raise InputError(name, f"dtype {array.dtype}", " or ".join(STORED_DTYPES))
    if finite and not np.all(np.isfinite(array)):
        raise InputError(name, "NaN or infinity", "finite numbers")


def _one_layer(name: str, state: np.ndarray) -> np.ndarray:
    """An initial state as ``[B, U]``. PyTorch's, of one layer and one direction, is ``[1, B, U]``."""
    if state.ndim == 3 and len(state) != 1:
        raise InputError(name, f"states of {len(state)} layers or directions", "one layer, one direction")
    return state[0] if state.ndim == 3 else state


def _check_shapes(arrays: Mapping[str, np.ndarray]) -> None:
    """Check that every array has its axes, and that all agree on B, T, I, U and P."""
    lengths: dict[str, int] = {}
    for name, axes in _ARRAYS.items():
        if name not in arrays:
            continue
        shape = arrays[name].shape
        expected = [lengths.get(axis, axis) for axis in axes]
        pairs = zip(expected, shape, strict=False)
        fits = all(isinstance(want, str) or want == got for want, got in pairs)
        if len(shape) != len(axes) or not fits or 0 in shape:
            turned = [shape[1], shape[0], *shape[2:]] if len(shape) == 3 else []
            hint = ": batch before time" if turned[:2] == expected[:2] else ""
            raise InputError(name, f"shape {list(shape)}", "[" + ", ".join(map(str, expected)) + "]" + hint)
        lengths.update(zip(axes, shape, strict=True))
    if "lengths" in arrays and not np.all((arrays["lengths"] >= 0) & (arrays["lengths"] <= lengths["T"])):
        raise InputError("lengths", arrays["lengths"].tolist(), f"numbers from 0 to {lengths['T']}")
    for name in STATES:
        if name in arrays and arrays[name].dtype != arrays[HIDDEN].dtype:
            raise InputError(name, f"dtype {arrays[name].dtype}", f"{arrays[HIDDEN].dtype}, as hidden")


# Names of tensors that belong to another layer or to the other direction of a stack.
_OTHERS = re.compile(r"_l[1-9]\d*(_reverse)?$|_reverse$|cell_[1-9]\d*/|backward|(^|/)bw/|weight$")


def _native(
    api: Api, layout: Layout, tensors: Mapping[str, np.ndarray], width: int, options: Mapping[str, Any]
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The tensors by their names in the layout, and the name under which each was stored, with its scopes."""
    wholes = {name: each for name, each in api.joined.items() if set(each.parts) <= set(layout.names)}
    expected = layout.names + [tensor.name for tensor in layout.optional] + list(wholes)
    weights: dict[str, np.ndarray] = {}
    names: dict[str, str] = {}
    for stored, array in tensors.items():
        plain = f"/{stored.removesuffix(':0')}".replace(".", "/")
        fitting = max((name for name in expected if plain.endswith(f"/{name}")), key=len, default=None)
        if (fitting is None or fitting in weights) and _OTHERS.search(plain):
            raise InputError("tensor", stored, "one layer, one direction: record each by itself")
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
        units = max(
            (weights[t.name].size // width for t in layout.projection if t.name in weights), default=width
        )
        for tensor in layout.biases:
            weights.setdefault(tensor.name, np.zeros(tensor.shape(1, units), "float32"))
    return weights, names


def _fitting(weights: Mapping[str, np.ndarray], units: int) -> list[str]:
    """At most three apis whose layouts these tensors would fit, for so many units."""
    found = []
    for name, other in APIS.items():
        with contextlib.suppress(LayoutError):
            bias = layouts.extract(other.layout, weights).bias
            if bias.size == units * len(other.layout.kind.bias_gates):
                found.append(name)
    return found[:3]


_OPTIONAL = ("peepholes", "projection")
"""The parts of a layout that exist only if an option asks for them."""


def _check_layout(recording: Recording) -> None:
    """Check that all tensors are there, with the right shapes and the sizes of the trajectory."""
    try:
        case = recording.case
    except LayoutError as error:
        others = _fitting(recording.weights, recording.hidden.shape[2])
        hint = f"; they would fit {' or '.join(others)}" if others else ""
        said = f"otherwise: {error}{hint}"
        raise InputError("weights", f"tensors that do not fit {recording.api}", said) from None
    known, asked = recording.known.arguments, recording.options
    for what in _OPTIONAL:
        brought = any(value and known[option].brings == what for option, value in asked.items())
        if brought and getattr(case, what) is None:
            names = ", ".join(tensor.name for tensor in getattr(recording.layout, what))
            raise InputError("weights", f"no {what}", f"{names} too, as the options ask for it")
    size, width, units = recording.inputs.shape[2], recording.hidden.shape[2], case.units
    own = units if case.projection is None else case.projection.shape[1]
    if len(case.weights.kernel) != size + width or own != width:
        got = f"kernels for {len(case.weights.kernel) - own} inputs and {own} units"
        raise InputError("weights", got, f"for the {size} inputs and {width} units of the arrays")
    for name in ("cell", "initial_cell"):
        array = getattr(recording, name)
        if array is not None and not case.has_cell_state:
            raise InputError(name, "an array", f"none: a {case.equation.cell} has no cell state")
        if array is not None and array.shape[-1] != units:
            raise InputError(name, f"{array.shape[-1]} units", f"{units}")
