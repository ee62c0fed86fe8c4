"""Recordings: what an api computed, with its weights and inputs, in one ``.npz`` or ``.safetensors`` file.

The arrays are ``inputs`` ``[B, T, I]`` and ``hidden`` ``[B, T, P]``. Optional are ``cell`` ``[B, T, U]``,
``initial_hidden`` and ``last_hidden`` ``[B, P]``, ``initial_cell`` and ``last_cell`` ``[B, U]``, and
``lengths`` ``[B]`` or a ``mask`` ``[B, T]`` of the steps that count. P is U unless there is a projection.
Native tensors are ``weights/<name>``. A GRU and a simple RNN have no cell state.

A layer may not return its cell state at every step. Then ``cell`` comes from calls for one step at a time,
and ``stepped_hidden`` ``[B, T, P]`` is the hidden state of these calls.

``meta`` is the JSON text ``{"recording": 1, "api": "torch.nn.LSTM", "version": "2.13.0", "options": {}}``. In
a ``.safetensors`` it is in the file's own metadata.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from rnnparity.apis.api import Api, Order
from rnnparity.apis.catalogue import find_api
from rnnparity.apis.stacks import is_network
from rnnparity.errors import InputError
from rnnparity.files import array_file
from rnnparity.recordings.meta import read_meta
from rnnparity.recordings.native import fitting, native
from rnnparity.recordings.trajectory import STORED_DTYPES
from rnnparity.reference import masks
from rnnparity.reference.case import Case
from rnnparity_adapters import layout as layouts
from rnnparity_adapters.adapter import CELL, HIDDEN, LAST_CELL, LAST_HIDDEN, STEPPED_HIDDEN
from rnnparity_adapters.equation import Equation
from rnnparity_adapters.layout import Layout, LayoutError

T = TypeVar("T")
WEIGHTS = "weights/"
"""What stands before the names of native tensors in a file."""
_ARRAYS = {
    "inputs": "BTI", "hidden": "BTP", "cell": "BTU", "initial_hidden": "BP", "initial_cell": "BU",
    "lengths": "B", "mask": "BT", "stepped_hidden": "BTP", "last_hidden": "BP", "last_cell": "BU",
}  # fmt: skip
_REQUIRED = ("inputs", "hidden")
_OF_LAYERS = ("initial_hidden", "initial_cell", LAST_HIDDEN, LAST_CELL)
"""The arrays that have one state for each layer and direction."""
STATES = (HIDDEN, CELL, STEPPED_HIDDEN)
"""The names of the arrays that make up a trajectory."""
RETURNED = (*STATES, LAST_HIDDEN, LAST_CELL)
"""What an api returned; it need not be finite."""


@dataclass(frozen=True, eq=False)
class Recording:
    """One recording, whose arrays fit each other and the layout of its api.

    ``inputs`` ``[B, T, I]``, ``hidden`` and ``stepped_hidden`` ``[B, T, P]``, ``cell`` ``[B, T, U]``,
    ``initial_hidden`` and ``last_hidden`` ``[B, P]``, ``initial_cell`` and ``last_cell`` ``[B, U]``; None
    where not recorded. The last states are those that the api returns beside its outputs. ``counts``
    ``[B, T]`` says which steps of which rows count, all if it is None; they may be those before ``lengths``
    ``[B]``. ``weights`` are native tensors by the api's own names, without scopes, and ``names`` says how
    each was stored. The states have the dtype in which the api computed or stored them. ``arithmetic`` is the
    name of that dtype, or ``bfloat16``, for which numpy has no dtype. ``order`` is that in which the api
    reads a sequence. ``fills`` are what may stand at steps that do not count. ``inputs_noise`` ``[1, 1, I]``
    are the standard errors of the inputs, where those are the reference's, None where they were recorded.
    """

    api: str
    version: str
    options: Mapping[str, Any]
    weights: Mapping[str, NDArray[np.floating]]
    inputs: NDArray[np.floating]
    hidden: NDArray[np.floating]
    arithmetic: str
    order: Order
    cell: NDArray[np.floating] | None = None
    initial_hidden: NDArray[np.floating] | None = None
    initial_cell: NDArray[np.floating] | None = None
    lengths: NDArray[np.signedinteger] | None = None
    counts: NDArray[np.bool_] | None = None
    stepped_hidden: NDArray[np.floating] | None = None
    last_hidden: NDArray[np.floating] | None = None
    last_cell: NDArray[np.floating] | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    fills: tuple[str, ...] = ()
    inputs_noise: NDArray[np.float64] | None = None

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

        Steps that do not count come last.
        """
        states = {name: getattr(self, name) for name in STATES if getattr(self, name) is not None}
        if self.in_order_of_computation:
            return states
        return {name: masks.taken(self.turned_back(state), self.steps) for name, state in states.items()}

    @property
    def observed(self) -> dict[str, NDArray[np.floating]]:
        """The trajectory, and those of the last states ``[1, B, ...]`` that are recorded."""
        last = {name: getattr(self, name) for name in (LAST_HIDDEN, LAST_CELL)}
        return self.trajectory | {name: state[None] for name, state in last.items() if state is not None}

    def turned_back(self, state: np.ndarray) -> np.ndarray:
        """Outputs ``[B, T, ...]`` in the order of the inputs, whichever way a whole sequence was read."""
        return state[:, ::-1] if self.order.backwards and not self.order.turned_back else state

    @property
    def in_order_of_computation(self) -> bool:
        """Whether the outputs stand in the order in which they were computed, what does not count last.

        A backward run over whole rows has the padding first: Keras's does
        (https://github.com/keras-team/keras/blob/v3.0.0/keras/backend/tensorflow/rnn.py). If it is not known
        whether it was over whole rows, the zeros before the first step tell.
        """
        counts = self.counts
        if not self.order.backwards or self.order.turned_back or self.lengths is None or counts is None:
            return False
        padding_first = not self.hidden[:, ::-1][~counts].any() and bool(self.hidden[~counts].any())
        return not padding_first and not counts.all()

    @property
    def steps(self) -> masks.Order:
        """The order ``[B, T]`` in which the steps of each row are read, those that do not count last."""
        counts = np.ones(self.inputs.shape[:2], bool) if self.counts is None else self.counts
        return masks.order(counts, self.order.backwards)

    @property
    def mask(self) -> NDArray[np.bool_] | None:
        """Which steps of which rows count ``[B, T]``, in the order of computation; None if all do."""
        return None if self.counts is None else masks.counted_first(self.counts)

    @property
    def case(self) -> Case:
        """The case that was recorded: canonical weights, and initial states of zeros where none are recorded.

        The weights are float64. The inputs ``[B, T, I]`` and states get the dtype of the hidden state, or
        float32 if that is float16. The inputs are in the order in which the api read them, and those that do
        not count are last.
        """
        dtype = np.promote_types(self.hidden.dtype, np.float32)
        equation, layout = self.equation, self.layout
        held = {name: tensor.astype(dtype) for name, tensor in self.weights.items()}
        weights = layouts.extract(layout, held, equation.forget_bias)
        batch, _, width = self.hidden.shape
        units = weights.bias.size // len(layout.kind.bias_gates) if layout.kind.has_cell_state else 0
        hidden, cell = (
            np.zeros(shape, dtype) if state is None else state.astype(dtype)
            for shape, state in (((batch, width), self.initial_hidden), ((batch, units), self.initial_cell))
        )
        return Case(
            equation,
            weights,
            masks.taken(self.inputs, self.steps).astype(dtype),
            hidden,
            cell,
            peepholes=layouts.extract_peepholes(layout, held),
            projection=layouts.extract_projection(layout, held),
            added_sizes=layouts.added_sizes(layout, held),
            inputs_noise=self.inputs_noise,
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
    if is_network(meta["api"], meta["options"]):
        raise InputError("recording", f"several layers or directions of {meta['api']}", "one of one layer")
    tensors = {n.removeprefix(WEIGHTS): a for n, a in arrays.items() if n.startswith(WEIGHTS)}
    own = own_arrays(arrays)
    own |= {name: _one_layer(name, own[name]) for name in _OF_LAYERS if name in own}
    for name, array in (*own.items(), *tensors.items()):
        check_numbers(name, array, returned=name in RETURNED)
    check_shapes(own)
    counts = counts_of(own)
    own.pop("mask", None)
    api = find_api(meta["api"])
    layout = api.layout_for(api.equation(meta["options"], meta["version"]))
    weights, names = native(api, layout, tensors, own["inputs"].shape[2], meta["options"])
    recording = Recording(
        api=meta["api"], version=meta["version"], options=meta["options"], weights=weights, names=names,
        arithmetic="bfloat16" if "hidden" in bfloat16 else str(own["hidden"].dtype),
        order=api.order(meta["options"]), counts=counts, fills=(api.masked_by(meta["options"]),), **own,
    )  # fmt: skip
    check_layout(recording)
    return recording


def own_arrays(arrays: Mapping[str, T]) -> dict[str, T]:
    """The arrays ``[...]`` of a file that are no weights.

    Raises :class:`~rnnparity.errors.InputError` for one that is not known or that is missing.
    """
    own = {name: a for name, a in arrays.items() if name != "meta" and not name.startswith(WEIGHTS)}
    unknown = sorted(set(own) - set(_ARRAYS))
    missing = [name for name in _REQUIRED if name not in own]
    if unknown or missing:
        raise InputError("arrays", ", ".join(sorted(own)) or "none", f"inputs, hidden (and {_optional()})")
    return own


def _optional() -> str:
    return ", ".join(name for name in _ARRAYS if name not in _REQUIRED)


_WHOLE = {"lengths": ("iu", "whole numbers"), "mask": ("biu", "true or false")}
"""The arrays that are no floating numbers: the kinds of their dtypes, and what these hold."""


def check_numbers(name: str, array: np.ndarray, returned: bool) -> None:
    """Check the dtype of an array ``[...]``, and that it is finite unless an api ``returned`` it.

    Raises :class:`~rnnparity.errors.InputError` otherwise.
    """
    allowed = _WHOLE.get(name, ("fiu", " or ".join(STORED_DTYPES)))
    if array.dtype.kind not in allowed[0] or str(array.dtype) in ("longdouble", "float128"):
        raise InputError(name, f"dtype {array.dtype}", allowed[1])
    if returned and str(array.dtype) not in STORED_DTYPES:
        raise InputError(name, f"dtype {array.dtype}", " or ".join(STORED_DTYPES))
    if not returned and not np.all(np.isfinite(array)):
        raise InputError(name, "NaN or infinity", "finite numbers")


def counts_of(arrays: Mapping[str, np.ndarray]) -> NDArray[np.bool_] | None:
    """Which steps of which rows count ``[B, T]``, in the order of the inputs; None if nothing says so."""
    if "mask" in arrays:
        return arrays["mask"].astype(bool)
    if "lengths" not in arrays:
        return None
    count: NDArray[np.bool_] = np.arange(arrays["inputs"].shape[1]) < arrays["lengths"][:, None]
    return count


def _one_layer(name: str, state: np.ndarray) -> np.ndarray:
    """An initial or last state as ``[B, U]``. PyTorch's, of one layer and one direction, is ``[1, B, U]``."""
    if state.ndim == 3 and len(state) != 1:
        raise InputError(name, f"states of {len(state)} layers or directions", "one layer, one direction")
    return state[0] if state.ndim == 3 else state


def check_shapes(arrays: Mapping[str, Any]) -> None:
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
    if "mask" in arrays and ("lengths" in arrays or not np.isin(arrays["mask"], (0, 1)).all()):
        raise InputError(
            "mask", "lengths beside it" if "lengths" in arrays else "other numbers", "0 or 1 alone"
        )
    for name in STATES:
        if name in arrays and arrays[name].dtype != arrays[HIDDEN].dtype:
            raise InputError(name, f"dtype {arrays[name].dtype}", f"{arrays[HIDDEN].dtype}, as hidden")


_OPTIONAL = ("peepholes", "projection")
"""The parts of a layout that exist only if an option asks for them."""


def check_layout(recording: Recording) -> None:
    """Check that all tensors are there, with the right shapes and the sizes of the trajectory."""
    try:
        case = recording.case
    except LayoutError as error:
        others = fitting(recording.weights, recording.hidden.shape[2])
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
    for name in ("cell", "initial_cell", "last_cell"):
        array = getattr(recording, name)
        if array is not None and not case.has_cell_state:
            raise InputError(name, "an array", f"none: a {case.equation.cell} has no cell state")
        if array is not None and array.shape[-1] != units:
            raise InputError(name, f"{array.shape[-1]} units", f"{units}")
