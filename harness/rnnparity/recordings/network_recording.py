"""Recordings of networks: several layers, or two directions, in one file.

As in a recording of one layer, there are ``inputs`` ``[B, T, I]``, native tensors as ``weights/<name>``, and
``hidden`` ``[B, T, n]``, here what the last layer returns. The initial and last states ``[K, B, ...]`` have
an entry for each layer and direction, forward before backward: ``initial_hidden``, ``initial_cell``,
``last_hidden``, ``last_cell``.

What is inside may be recorded too, and then each layer is judged by itself: ``outputs_l0`` ``[B, T, n]`` is
what the first layer hands to the second, its directions merged; ``hidden_l0``, ``cell_l0``,
``hidden_l0_reverse`` and so on ``[B, T, U]`` are the states of one direction at every step of the inputs.
The states of one direction may be named like that as well: ``initial_hidden_l1_reverse`` ``[B, U]``.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnparity.apis import stacks
from rnnparity.apis.api import HELD, ZEROED
from rnnparity.apis.stacks import Piece
from rnnparity.errors import InputError
from rnnparity.recordings import recording as single
from rnnparity.recordings.native import native, width_of
from rnnparity.recordings.recording import Recording
from rnnparity.reference.network import AVE, CONCAT, MUL, SUM, Direction, Layer, suffix
from rnnparity_adapters.adapter import CELL, HIDDEN, LAST_CELL, LAST_HIDDEN

OUTPUTS = "outputs"
"""The merged outputs of a layer, in the name of an array."""
_OF_STEPS = (HIDDEN, CELL)
_OF_RUN = ("initial_hidden", "initial_cell", LAST_HIDDEN, LAST_CELL)
_PART = re.compile(rf"({'|'.join((OUTPUTS, *_OF_STEPS, *_OF_RUN))})_l(\d+)(_reverse)?")
_WHOLE = ("inputs", HIDDEN, "lengths", "mask", *_OF_RUN)


@dataclass(frozen=True, eq=False)
class RecordedLayer:
    """A layer of a recorded network.

    Each of the ``directions`` is a recording of its own. Its inputs are those of the layer where they are
    known; where its hidden states were not ``seen`` they are zeros. ``outputs`` ``[B, T, n]`` are merged as
    ``merge`` says; None if they are not known.
    """

    directions: tuple[Recording, ...]
    seen: tuple[bool, ...]
    merge: str
    outputs: NDArray[np.floating] | None

    @property
    def layer(self) -> Layer:
        """The layer as the reference runs it."""
        made = (Direction(each.case, *each.order) for each in self.directions)
        return Layer(tuple(made), self.merge)


@dataclass(frozen=True, eq=False)
class NetworkRecording:
    """A recording of several cells. ``layers`` are in their order; the rest is as in one of one layer."""

    api: str
    version: str
    options: Mapping[str, Any]
    inputs: NDArray[np.floating]
    arithmetic: str
    layers: tuple[RecordedLayer, ...]
    lengths: NDArray[np.signedinteger] | None = None
    counts: NDArray[np.bool_] | None = None

    @property
    def cells(self) -> Iterator[tuple[int, int, Recording]]:
        """Every layer and direction, by their numbers, with its recording."""
        for number, layer in enumerate(self.layers):
            for direction, recording in enumerate(layer.directions):
                yield number, direction, recording


def from_arrays(
    meta: Mapping[str, Any], arrays: Mapping[str, np.ndarray], bfloat16: Collection[str] = ()
) -> NetworkRecording:
    """A recording from the arrays ``[...]`` of its file, without ``meta``, which was read from it.

    Raises :class:`~rnnparity.errors.InputError` for arrays that do not fit each other or the apis.
    """
    weights = single.WEIGHTS
    tensors = {n.removeprefix(weights): a for n, a in arrays.items() if n.startswith(weights)}
    own = {name: array for name, array in arrays.items() if not name.startswith(weights)}
    layers = stacks.pieces(meta["api"], meta["options"], tensors)
    for name in own:
        match = _PART.fullmatch(name)
        if name not in _WHOLE and not (match and int(match[2]) < len(layers)):
            raise InputError("array", name, f"{', '.join(_WHOLE)}, or one of a layer such as outputs_l0")
    if "inputs" not in own:
        raise InputError("arrays", ", ".join(sorted(own)) or "none", "inputs, hidden, and more")
    for name, array in (*own.items(), *tensors.items()):
        match = _PART.fullmatch(name)
        base = match[1] if match and name in own else name
        single.check_numbers(name, array, returned=base in (*single.RETURNED, OUTPUTS))
    counts, given = single.counts_of(own), _Given(own, [len(layer.pieces) for layer in layers])
    found: list[RecordedLayer] = []
    inputs, width = own["inputs"], own["inputs"].shape[2]
    for number, (pieces, merge) in enumerate(layers):
        if merge not in (CONCAT, SUM, MUL, AVE):
            raise InputError("merge", merge, f"{CONCAT}, {SUM}, {MUL} or {AVE}")
        recordings = [
            _direction(piece, meta, inputs, width, given, (number, direction), counts)
            for direction, piece in enumerate(pieces)
        ]
        widths = [recording.hidden.shape[2] for recording in recordings]
        joined = sum(widths) if merge == "concat" else widths[0]
        found.append(_layer(recordings, merge, given, number, joined))
        width = joined
        known = found[-1].outputs
        inputs = _unknown(own["inputs"], width) if known is None else known
    if found[-1].outputs is None:
        raise InputError("arrays", ", ".join(sorted(own)), "hidden, which the last layer returns")
    arithmetic = "bfloat16" if HIDDEN in bfloat16 else str(found[-1].outputs.dtype)
    finished = tuple(
        replace(layer, directions=tuple(replace(each, arithmetic=arithmetic) for each in layer.directions))
        for layer in found
    )
    return NetworkRecording(
        str(meta["api"]), meta["version"], meta["options"], own["inputs"], arithmetic, finished,
        own.get("lengths"), counts,
    )  # fmt: skip


class _Given:
    """The arrays of a file, by layer and direction; ``directions`` says how many each layer has."""

    def __init__(self, arrays: Mapping[str, np.ndarray], directions: list[int]) -> None:
        self._arrays, self._directions = arrays, directions
        first = arrays["inputs"].shape[:2]
        for name, array in arrays.items():
            match = _PART.fullmatch(name)
            of_steps = name in ("inputs", HIDDEN) or (match and match[1] in (OUTPUTS, *_OF_STEPS))
            if of_steps and (array.ndim != 3 or 0 in array.shape or array.shape[:2] != first):
                raise InputError(name, f"shape {list(array.shape)}", "[B, T, n]")
        for name in _OF_RUN:
            if name in arrays and (arrays[name].ndim != 3 or len(arrays[name]) != sum(directions)):
                shape = f"shape {list(arrays[name].shape)}"
                raise InputError(name, shape, f"[{sum(directions)}, B, U]: each layer and direction")

    def state(self, name: str, where: tuple[int, int]) -> np.ndarray | None:
        """A state of one direction: ``[B, T, U]`` of all steps, ``[B, U]`` before or after the run."""
        layer, direction = where
        own = self._arrays.get(name + suffix(layer, direction))
        if own is None and name in _OF_RUN and name in self._arrays:
            own = self._arrays[name][sum(self._directions[:layer]) + direction]
        if own is not None and name in _OF_RUN and (own.ndim != 2 or len(own) != len(self._arrays["inputs"])):
            raise InputError(name, f"shape {list(own.shape)} of layer {layer}", "[B, U]")
        return own

    def outputs(self, layer: int) -> np.ndarray | None:
        """The merged outputs ``[B, T, n]`` of a layer, where they are recorded."""
        last = self._arrays.get(HIDDEN) if layer == len(self._directions) - 1 else None
        return self._arrays.get(f"{OUTPUTS}_l{layer}", last)


def _unknown(like: np.ndarray, width: int) -> np.ndarray:
    """Zeros ``[B, T, width]`` in the place of an array that was not recorded; they take no memory."""
    return np.broadcast_to(np.zeros((), like.dtype), (*like.shape[:2], width))


def _direction(
    piece: Piece,
    meta: Mapping[str, Any],
    inputs: np.ndarray,
    width: int,
    given: _Given,
    where: tuple[int, int],
    counts: NDArray[np.bool_] | None,
) -> Recording:
    """The recording of one direction of one layer, whose inputs are ``width`` wide."""
    layout = piece.api.layout_for(piece.api.equation(piece.options, meta["version"]))
    weights, names = native(piece.api, layout, piece.tensors, width, piece.options)
    states = {name: given.state(name, where) for name in (*_OF_STEPS, *_OF_RUN)}
    hidden = states.pop(HIDDEN)
    if hidden is None:
        like = inputs if inputs.dtype.kind == "f" else inputs.astype(np.float32)
        hidden = _unknown(like, width_of(layout, weights, width))
    recording = Recording(
        api=piece.api.name, version=meta["version"], options=piece.options, weights=weights,
        names={own: _renamed(name, piece.stored) for own, name in names.items()}, inputs=inputs,
        hidden=hidden, arithmetic="", order=piece.order or piece.api.order(piece.options), counts=counts,
        fills=(ZEROED, HELD), **states,
    )  # fmt: skip
    single.check_layout(recording)
    return recording


def _renamed(name: str, stored: Mapping[str, str]) -> str:
    """The name of a tensor as it was stored; it may have an index behind it."""
    own = max((each for each in stored if name.startswith(each)), key=len)
    return stored[own] + name[len(own) :]


def _layer(recordings: list[Recording], merge: str, given: _Given, number: int, width: int) -> RecordedLayer:
    """A layer, with the states of each direction where its outputs tell them, and the other way round."""
    outputs = given.outputs(number)
    seen = [given.state(HIDDEN, (number, direction)) is not None for direction in range(len(recordings))]
    if outputs is not None and outputs.shape[2] != width:
        raise InputError("outputs", f"{outputs.shape[2]} units of layer {number}", f"{width}")
    if outputs is not None and not any(seen) and (merge == "concat" or len(recordings) == 1):
        split = np.split(outputs, np.cumsum([each.hidden.shape[2] for each in recordings])[:-1], axis=2)
        recordings = [replace(each, hidden=part) for each, part in zip(recordings, split, strict=True)]
        seen = [True] * len(recordings)
    if outputs is None and all(seen) and (merge == "concat" or len(recordings) == 1):
        outputs = np.concatenate([each.hidden for each in recordings], axis=2)
    return RecordedLayer(tuple(recordings), tuple(seen), merge, outputs)
