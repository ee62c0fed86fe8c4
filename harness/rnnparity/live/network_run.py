"""Run a network through a row of the table, and judge it as its recording would be."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from rnnparity.apis import forms, stacks
from rnnparity.apis.api import Target
from rnnparity.apis.catalogue import APIS
from rnnparity.apis.forms import Network
from rnnparity.diagnosis.network_words import place
from rnnparity.errors import InputError
from rnnparity.judge import comparison
from rnnparity.judge.comparison import Comparison
from rnnparity.live import fitting, request
from rnnparity.live.fitting import Form
from rnnparity.live.judge_run import read_back
from rnnparity.live.result import Run
from rnnparity.recordings.check import check
from rnnparity.recordings.meta import write_meta
from rnnparity.recordings.native import native
from rnnparity.recordings.network_recording import NetworkRecording
from rnnparity.recordings.recording import WEIGHTS, Recording
from rnnparity.recordings.stored import from_arrays
from rnnparity.reference.case import Case
from rnnparity.reference.network import Layer
from rnnparity.reference.network_case import NetworkCase
from rnnparity_adapters import adapter, wire
from rnnparity_adapters.layout import LayoutError, Weights
from rnnparity_adapters.wire import Frame

Arrays = Mapping[str, np.ndarray]
"""Arrays ``[...]`` by name."""


def fitted(case: NetworkCase, form: Form) -> NetworkCase:
    """The network with every cell in a form; a projection makes what later layers read narrower."""
    layers: list[Layer] = []
    for layer in case.layers:
        read = case.inputs
        if layers:
            width = sum(one.cell.initial_hidden.shape[1] for one in layers[-1].directions)
            read = np.broadcast_to(np.zeros((), case.dtype), (case.batch, case.steps, width))
        made = (replace(one, cell=_reading(fitting.fitted(one.cell, form), read)) for one in layer.directions)
        layers.append(replace(layer, directions=tuple(made)))
    return replace(case, layers=tuple(layers))


def _reading(cell: Case, read: np.ndarray) -> Case:
    """The cell for inputs ``[B, T, I]``, which may be narrower than those that it was drawn for."""
    kernel, recurrent = cell.weights.kernel, cell.initial_hidden.shape[1]
    rows = np.concatenate([kernel[: read.shape[2]], kernel[len(kernel) - recurrent :]])
    return replace(cell, weights=Weights(rows, cell.weights.bias), inputs=read)


def refused(target: Target, case: NetworkCase) -> str:
    """Why a row does not run a network of this form; empty if it does."""
    if APIS.get(target.name) is not target.api:
        return forms.PLAIN_ONLY  # a recording knows the apis of the catalogue alone
    if case.lengths is not None and not case.lengths.all() and not target.live.empty_rows:
        return "takes no row of no steps"
    return forms.refused(target, len(case.layers), case.directions, case.lengths is not None)


class NetworkRun:
    """A ``case`` in its form through a row, whose framework has a ``version``."""

    def __init__(self, target: Target, case: NetworkCase, form: Form, version: str) -> None:
        self._target, self._version = target, version
        self._case = fitted(case, form)
        first = self._case.first
        self._options = target.given(first.equation, first.initial_hidden.shape[1])
        self._network: Network = forms.network(target, self._options, len(case.layers), case.directions)

    @property
    def tensors(self) -> dict[str, np.ndarray]:
        """The native tensors ``[...]`` of the case's weights, as the network stores them."""
        cells = [[self._native(one.cell) for one in layer.directions] for layer in self._case.layers]
        return forms.stored(self._network.api, self._network.options, cells)

    def _native(self, cell: Case) -> Arrays:
        return fitting.native(self._target, cell)

    @property
    def _given(self) -> dict[str, np.ndarray]:
        """The arrays of the case as :func:`rnnparity_adapters.worker.run` takes them."""
        found = {"inputs": self._case.inputs, **wire.prefixed("states", self._states(""))}
        return found if self._case.lengths is None else {**found, "lengths": self._case.lengths}

    def _states(self, prefix: str) -> dict[str, np.ndarray]:
        """The initial states ``[K, B, ...]``, with a ``prefix`` before the name of each."""
        names = self._case.kind.states
        cells = self._case.cells
        return {prefix + name: np.stack([getattr(one, f"initial_{name}") for one in cells]) for name in names}

    @property
    def request(self) -> Frame:
        """What a worker is asked."""
        adapter = self._target.live.network
        return request.of(adapter, self._target, self._case.seed, self._setup, self.tensors, self._given)

    @property
    def _setup(self) -> dict[str, Any]:
        """The arguments of the adapter's :class:`~rnnparity_adapters.adapter.Setup`."""
        case, own = self._case, self._network
        return {
            "name": self._target.name, "batch": case.batch, "steps": case.steps,
            "input_size": case.input_size, "units": case.units, "dtype": case.dtype,
            "options": dict(own.options if own.own else self._options), "cell": case.equation.cell,
            "width": case.first.initial_hidden.shape[1], "layers": len(case.layers),
            "directions": case.directions,
        }  # fmt: skip

    def judge(self, direction: str, arrays: Arrays, arithmetic: str | None, explained: bool) -> Run:
        """What is to be said of one direction of parity; ``arrays`` ``[...]`` as a worker returns them."""
        found = wire.group(direction, dict(arrays))
        observed, weights = wire.group("trajectory", found), wire.group("weights", found)
        run = Run(self._case.seed, direction, Comparison(comparison.AGREE), observed)
        try:
            same = self._read_back(weights, direction)
            wrong = self._wrong_form(observed)
            if wrong:
                return replace(run, comparison=Comparison(comparison.FAILED, wrong), observed=None)
            checked = check(self._recorded(observed, weights, arithmetic), explained)
        except (InputError, LayoutError) as error:
            said = Comparison(comparison.FAILED, f"weights read back: {error}")
            return replace(run, comparison=said, observed=None)
        return replace(run, comparison=same.followed_by(checked.comparison), causes=checked.causes)

    def _read_back(self, weights: Arrays, direction: str) -> Comparison:
        """Whether the tensors read back are those loaded, in every cell."""
        every = [(k, d) for k, layer in enumerate(self._case.layers) for d in range(len(layer.directions))]
        layers = stacks.pieces(self._network.api, self._network.options, weights)
        pieces = [piece for layer in layers for piece in layer.pieces]
        for where, cell, piece in zip(every, self._case.cells, pieces, strict=True):
            layout = self._target.layout
            own, _ = native(piece.api, layout, piece.tensors, cell.input_size, piece.options)
            _, same = read_back(layout, cell, direction, own)
            if same.verdict != comparison.AGREE:
                return replace(same, reason=f"{place([where], every)}: {same.reason}")
        return Comparison(comparison.AGREE)

    def _wrong_form(self, observed: Arrays) -> str:
        """What is wrong with the names, shapes or dtypes of what was returned; empty if nothing is."""
        case, cells = self._case, self._case.cells
        width = cells[0].initial_hidden.shape[1]
        steps = case.batch, case.steps, case.directions * width
        shapes = {
            adapter.HIDDEN: steps,
            adapter.LAST_HIDDEN: (len(cells), case.batch, width),
            **({adapter.LAST_CELL: (len(cells), case.batch, case.units)} if case.kind.has_cell_state else {}),
        }
        inner = {adapter.outputs(k): steps for k in range(len(case.layers) - 1)}
        if set(shapes) - set(observed) or set(observed) - set(shapes | inner):
            allowed = f"{sorted(shapes)} (of {sorted(shapes | inner)})"
            return f"returned {sorted(observed)}, but should return {allowed}"
        for name, array in observed.items():
            if array.shape != (shapes | inner)[name]:
                expected = list((shapes | inner)[name])
                return f"{name} has shape {list(array.shape)}, but should have {expected}"
            if array.dtype != case.dtype:
                return f"{name} has dtype {array.dtype}, but should have {case.dtype}"
        return ""

    def _recorded(
        self, observed: Arrays, weights: Arrays, arithmetic: str | None
    ) -> Recording | NetworkRecording:
        """The run as a recording of it would be."""
        meta = {"api": self._network.api, "version": self._version, "options": self._network.options}
        given = {"inputs": self._case.inputs, **self._states("initial_"), "meta": write_meta(meta)}
        if self._case.lengths is not None:
            given["lengths"] = self._case.lengths
        recording = from_arrays({**given, **observed, **{WEIGHTS + name: a for name, a in weights.items()}})
        fills = (forms.masked(self._target, self._network, self._version),)
        return _as_ran(recording, fills, arithmetic or recording.arithmetic)


def _as_ran(
    recording: Recording | NetworkRecording, fills: tuple[str, ...], arithmetic: str
) -> Recording | NetworkRecording:
    """The recording with what may stand past a row's length, and computed in an arithmetic."""
    if isinstance(recording, Recording):
        return replace(recording, fills=fills, arithmetic=arithmetic)
    layers = (
        replace(
            layer,
            directions=tuple(replace(one, fills=fills, arithmetic=arithmetic) for one in layer.directions),
        )
        for layer in recording.layers
    )
    return replace(recording, layers=tuple(layers), arithmetic=arithmetic)
