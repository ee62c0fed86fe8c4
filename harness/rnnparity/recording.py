"""Recordings: what an api computed, with the weights and inputs it computed it from, in one file, an ``.npz``
or a ``.safetensors``.

Arrays: ``inputs`` ``[B, T, I]``, ``hidden`` ``[B, T, U]``; optional ``cell`` ``[B, T, U]``,
``initial_hidden`` and ``initial_cell`` ``[B, U]``, ``lengths`` ``[B]``; ``weights/<native tensor name>``;
``meta``, the JSON text ``{"recording": 1, "api": "torch.nn.LSTM", "version": "2.13.0", "options": {}}``, in a
``.safetensors`` in the file's own metadata.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnparity import array_file
from rnnparity.case import Case
from rnnparity.errors import InputError
from rnnparity.known import Known, known
from rnnparity_adapters import layout as layouts
from rnnparity_adapters.layout import LayoutError

FORMAT = 1
_WEIGHTS = "weights/"
_ARRAYS = {
    "inputs": "BTI", "hidden": "BTU", "cell": "BTU", "initial_hidden": "BU", "initial_cell": "BU",
    "lengths": "B",
}  # fmt: skip
_REQUIRED = ("inputs", "hidden")
_DTYPES = ("float16", "float32", "float64")


@dataclass(frozen=True, eq=False)
class Recording:
    """One recording, checked: its arrays fit each other and its api's layout.

    ``weights`` has the api's own tensor names, scopes stripped, and ``names`` says how each was stored.
    ``hidden`` and ``cell`` have the dtype the api computed in, or stored; ``arithmetic`` is what that says
    about precision: the name of the dtype, or ``bfloat16``, which numpy holds in float32.
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
    names: Mapping[str, str] = field(default_factory=dict)

    @property
    def known(self) -> Known:
        """What is known of the api."""
        return known(self.api)

    @property
    def case(self) -> Case:
        """What was recorded, as a case: canonical weights in float64, states zero where there are none."""
        dtype = np.promote_types(self.hidden.dtype, np.float32)
        equation = self.known.equation(self.options, self.version)
        native = {name: tensor.astype(dtype) for name, tensor in self.weights.items()}
        layout = self.known.layout
        shape = (self.hidden.shape[0], self.hidden.shape[2])
        hidden, cell = (
            np.zeros(shape, dtype) if state is None else state.astype(dtype)
            for state in (self.initial_hidden, self.initial_cell)
        )
        return Case(
            equation,
            layouts.extract(layout, native, equation.forget_bias),
            self.inputs.astype(dtype),
            hidden,
            cell,
            peepholes=layouts.extract_peepholes(layout, native),
        )


def read(path: str | Path) -> Recording:
    """Read a recording. Raises :class:`~rnnparity.errors.InputError`, in one line, for whatever is wrong."""
    stored = array_file.read(path)
    return from_arrays(stored.arrays, stored.bfloat16)


def from_arrays(arrays: Mapping[str, np.ndarray], bfloat16: Collection[str] = ()) -> Recording:
    """A recording from the arrays of its file, of which ``bfloat16`` were stored as that.

    Raises :class:`~rnnparity.errors.InputError`.
    """
    meta = _meta(arrays.get("meta"))
    tensors = {n.removeprefix(_WEIGHTS): a for n, a in arrays.items() if n.startswith(_WEIGHTS)}
    own = {name: a for name, a in arrays.items() if name != "meta" and not name.startswith(_WEIGHTS)}
    unknown = sorted(set(own) - set(_ARRAYS))
    missing = [name for name in _REQUIRED if name not in own]
    if unknown or missing:
        raise InputError("arrays", ", ".join(sorted(own)) or "none", f"inputs, hidden (and {_optional()})")
    for name, array in (*own.items(), *tensors.items()):
        _check_numbers(name, array, finite=name not in ("hidden", "cell"))
    _check_shapes(own)
    api = known(meta["api"])
    weights, names = _native(api, tensors, own["hidden"].shape[2], meta["options"])
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
    version: str = "",
    options: Mapping[str, Any] | None = None,
) -> Recording:
    """Write a recording, and return it: a ``.safetensors`` file if that is its suffix, otherwise an ``.npz``.

    ``weights`` are arrays by native name, or a live layer: what has ``named_parameters()`` (PyTorch) or
    ``weights`` with names (Keras). The other arrays may be anything that numpy can read.
    Raises :class:`~rnnparity.errors.InputError` where :func:`read` would.
    """
    given = {
        "inputs": inputs, "hidden": hidden, "cell": cell, "initial_hidden": initial_hidden,
        "initial_cell": initial_cell, "lengths": lengths,
    }  # fmt: skip
    arrays = {name: _numpy(value) for name, value in given.items() if value is not None}
    arrays |= {_WEIGHTS + name: tensor for name, tensor in _live(weights).items()}
    meta = {"recording": FORMAT, "api": api, "version": version, "options": dict(options or {})}
    arrays["meta"] = np.array(json.dumps(meta))
    made = from_arrays(arrays)
    array_file.write(path, arrays)
    return made


def _live(weights: Any) -> dict[str, np.ndarray]:
    """Native name -> array, of a mapping or of a layer."""
    if isinstance(weights, Mapping):
        return {str(name): _numpy(value) for name, value in weights.items()}
    if hasattr(weights, "named_parameters"):
        return {name: _numpy(value) for name, value in weights.named_parameters()}
    if hasattr(weights, "weights"):
        return {getattr(tensor, "path", tensor.name): _numpy(tensor) for tensor in weights.weights}
    raise InputError("weights", type(weights).__name__, "a mapping of arrays, or a layer")


def _numpy(value: Any) -> np.ndarray:
    """An array of anything that is one, a tensor that tracks gradients included."""
    for step in ("detach", "cpu", "numpy"):
        value = getattr(value, step)() if hasattr(value, step) else value
    return np.asarray(value)


def _optional() -> str:
    return ", ".join(name for name in _ARRAYS if name not in _REQUIRED)


def _meta(array: np.ndarray | None) -> dict[str, Any]:
    if array is None or array.ndim or array.dtype.kind not in "US":
        raise InputError("meta", "none" if array is None else f"an array {array.dtype}", "a JSON text")
    text = array.item()
    try:
        meta = json.loads(text)
    except (ValueError, RecursionError):
        raise InputError("meta", repr(text[:40]), "a JSON text") from None
    if not isinstance(meta, dict) or meta.get("recording") != FORMAT:
        given = meta.get("recording") if isinstance(meta, dict) else type(meta).__name__
        raise InputError("meta", f"recording {given}", f"an object with recording {FORMAT}")
    meta = {"api": None, "version": "", "options": {}, **meta}
    if not isinstance(meta["options"], dict):
        raise InputError("meta", f"options {meta['options']}", "an object of constructor arguments")
    meta["version"] = str(meta["version"])
    return meta


def _check_numbers(name: str, array: np.ndarray, finite: bool) -> None:
    allowed = ("iu", "whole numbers") if name == "lengths" else ("fiu", " or ".join(_DTYPES))
    if array.dtype.kind not in allowed[0] or str(array.dtype) in ("longdouble", "float128"):
        raise InputError(name, f"dtype {array.dtype}", allowed[1])
    if name in ("hidden", "cell") and str(array.dtype) not in _DTYPES:
        raise InputError(name, f"dtype {array.dtype}", " or ".join(_DTYPES))
    if finite and not np.all(np.isfinite(array)):
        raise InputError(name, "NaN or infinity", "finite numbers")


def _check_shapes(arrays: Mapping[str, np.ndarray]) -> None:
    """Every array has its axes, and they agree on B, T, I and U."""
    lengths: dict[str, int] = {}
    for name, axes in _ARRAYS.items():
        if name not in arrays:
            continue
        shape = arrays[name].shape
        expected = [lengths.get(axis, axis) for axis in axes]
        pairs = zip(expected, shape, strict=False)
        fits = all(isinstance(want, str) or want == got for want, got in pairs)
        if len(shape) != len(axes) or not fits or 0 in shape:
            raise InputError(name, f"shape {list(shape)}", "[" + ", ".join(map(str, expected)) + "]")
        lengths.update(zip(axes, shape, strict=True))
    if "lengths" in arrays and not np.all((arrays["lengths"] >= 1) & (arrays["lengths"] <= lengths["T"])):
        raise InputError("lengths", arrays["lengths"].tolist(), f"numbers from 1 to {lengths['T']}")
    if "cell" in arrays and arrays["cell"].dtype != arrays["hidden"].dtype:
        raise InputError("cell", f"dtype {arrays['cell'].dtype}", f"{arrays['hidden'].dtype}, as hidden")


def _native(
    api: Known, tensors: Mapping[str, np.ndarray], units: int, options: Mapping[str, Any]
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The tensors by the names of the layout, and how each was stored, whatever scope is before the name."""
    expected = api.layout.names + [tensor.name for tensor in api.layout.peepholes] + list(api.halves)
    weights: dict[str, np.ndarray] = {}
    names: dict[str, str] = {}
    for stored, array in tensors.items():
        plain = stored.removesuffix(":0")
        fitting = [name for name in expected if f"/{plain}".replace(".", "/").endswith(f"/{name}")]
        if not fitting or fitting[0] in weights:
            raise InputError("tensor", stored, "one each of " + ", ".join(expected))
        weights[fitting[0]], names[fitting[0]] = array, stored
    for whole, parts in api.halves.items():
        if whole in weights:
            both = np.split(weights.pop(whole), 2, axis=-1) if weights[whole].shape[-1] % 2 == 0 else []
            weights |= dict(zip(parts, both, strict=False))
            names |= dict.fromkeys(parts, names[whole])
    if options.get("use_bias", options.get("bias", True)) is False:
        for tensor in api.layout.tensors:
            if not tensor.rows and tensor.name not in weights:
                weights[tensor.name] = np.zeros(tensor.shape(1, units), "float32")
    return weights, names


def _check_layout(recording: Recording) -> None:
    """Every tensor is there, of the right shape, and of the units of the trajectory."""
    try:
        case = recording.case
    except LayoutError as error:
        raise InputError("weights", "tensors that do not fit the api", f"otherwise: {error}") from None
    asked = recording.options.get("use_peepholes", recording.options.get("use_peephole", False))
    if asked and case.peepholes is None:
        names = ", ".join(tensor.name for tensor in recording.known.layout.peepholes)
        raise InputError("weights", "no peepholes", f"{names} too, as the options ask for them")
    size, units = recording.inputs.shape[2], recording.hidden.shape[2]
    if case.weights.kernel.shape != (size + units, 4 * units):
        rows, columns = case.weights.kernel.shape
        got = f"kernels for {rows - columns // 4} inputs and {columns // 4} units"
        raise InputError("weights", got, f"for the {size} inputs and {units} units of the arrays")
