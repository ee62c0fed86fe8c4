"""Remedies, done word by word to what a user has: the arrays of a recording, and the cell that ran.

Nothing here comes from what proposes remedies but the records of the actions themselves.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import singledispatchmethod
from typing import Any

import numpy as np

from rnnparity import Case
from rnnparity.diagnosis import actions as act
from rnnparity.diagnosis.actions import Action, Place
from rnnparity.diagnosis.explain import stored_biases
from rnnparity.recordings.recording import Recording, from_arrays
from rnnparity.selftest import plain_cells
from rnnparity.selftest import planted_changes as changes
from rnnparity.selftest.plain_cells import UNROUNDED, Trajectory
from rnnparity.selftest.planted_mistakes import Mistake
from rnnparity_adapters.layout import Weights, extract
from support.planted_recordings import PlantedRecording
from support.writer import Arrays

_WEIGHTS = "weights/"


class Followed:
    """A user's ``arrays``, to which actions are done, and the ``port`` that made their trajectory.

    What the port is fed is what it was, whatever becomes of that in the recording.
    """

    def __init__(self, arrays: Arrays, units: int, port: "Port | None" = None) -> None:
        self.arrays = self.fed = arrays
        self.units, self.port = units, port
        self.returned: list[Action] = []

    def follow(self, actions: Sequence[Action]) -> Arrays:
        """The arrays after all actions, in their order."""
        for action in actions:
            self.do(action)
        return self.arrays

    @singledispatchmethod
    def do(self, action: Action) -> None:
        """Do one action."""
        raise TypeError(type(action).__name__)

    def _names(self) -> dict[str, Any]:
        batch, steps, size = self.arrays["inputs"].shape
        sizes = {"U": self.units, "I": size, "P": self.arrays["hidden"].shape[2], "B": batch, "T": steps}
        return {"np": np, **sizes}

    def _value(self, code: str, **more: Any) -> Any:
        return eval(code, {**self._names(), **more})

    def _index(self, place: Place) -> Any:
        return self._value(f"np.s_[{', '.join(place.index)}]") if place.index else ...

    def _read(self, place: Place) -> np.ndarray:
        part: np.ndarray = self.arrays[_WEIGHTS + place.tensor][self._index(place)]
        return part.copy()

    def _write(self, place: Place, value: Any) -> None:
        name, index = _WEIGHTS + place.tensor, self._index(place)
        changed = self.arrays[name].copy()
        if np.shape(changed[index]) != np.shape(value):
            assert index is ..., f"{place} is {changed[index].shape}, but gets {np.shape(value)}"
            changed = value
        else:
            changed[index] = value
        self.arrays = {**self.arrays, name: np.asarray(changed, "float32")}

    @do.register
    def _(self, action: act.TakeBlocks) -> None:
        blocks = np.split(self._read(action.place), len(action.blocks), axis=action.axis)
        self._write(action.place, np.concatenate([blocks[k] for k in action.blocks], axis=action.axis))

    @do.register
    def _(self, action: act.Move) -> None:
        for (target, _), value in zip(action.moves, [self._read(s) for _, s in action.moves], strict=True):
            self._write(target, value)

    @do.register
    def _(self, action: act.Reform) -> None:
        for place in action.places:
            self._write(place, self._value(action.form, b=self._read(place)))

    @do.register
    def _(self, action: act.Scale) -> None:
        for place in action.places:
            self._write(place, action.factor * self._read(place))

    @do.register
    def _(self, action: act.Add) -> None:
        self._write(action.place, self._read(action.place) + action.times * action.amount)

    @do.register
    def _(self, action: act.AddPlaces) -> None:
        total = np.sum([self._read(place) for place in action.sources], axis=0)
        for place in action.targets:
            self._write(place, self._read(place) + total)

    @do.register
    def _(self, action: act.Identity) -> None:
        self._write(action.place, np.eye(len(self._read(action.place))))

    @do.register
    def _(self, action: act.RollRows) -> None:
        parts, count = [self._read(place) for place in action.kernels], self._value(action.count)
        axis = action.axis
        rolled = np.roll(np.concatenate(parts, axis=axis), -count, axis=axis)
        for place, value in zip(
            action.kernels, np.split(rolled, [parts[0].shape[axis]], axis=axis), strict=True
        ):
            self._write(place, value)

    @do.register
    def _(self, action: act.StoreZeros) -> None:
        for name, shape in action.shapes.items():
            self.arrays = {**self.arrays, _WEIGHTS + name: np.zeros(self._value(f"({shape},)"), "float32")}

    @do.register
    def _(self, action: act.Pass) -> None:
        meta = json.loads(self.arrays["meta"].item())
        meta["options"] |= action.options
        self.arrays = {**self.arrays, "meta": np.array(json.dumps(meta))}

    @do.register
    def _(self, action: act.Edit) -> None:
        changed = {name: self.arrays[name] for name in action.arrays if name in self.arrays}
        self.arrays = {
            **self.arrays,
            **{n: self._value(action.form, b=array) for n, array in changed.items()},
        }
        self.returned += [action] if action.side == act.RAN else []

    @do.register
    def _(self, action: act.Turn) -> None:
        lengths = self.arrays.get("lengths", [self.arrays["inputs"].shape[1]] * len(self.arrays["inputs"]))
        for name in set(action.arrays) & set(self.arrays):
            turned = self.arrays[name].copy()
            for row, length in enumerate(lengths):
                turned[row, :length] = turned[row, :length][::-1].copy()
            self.arrays = {**self.arrays, name: turned}
        self.returned += [action] if action.side == act.RAN else []

    @do.register
    def _(self, action: act.Exchange) -> None:
        one, other = self.arrays[action.one], self.arrays[action.other]
        self.arrays = {**self.arrays, action.one: other, action.other: one}

    @do.register
    def _(self, action: act.LeaveOut) -> None:
        self.arrays = {name: array for name, array in self.arrays.items() if name not in action.arrays}

    @do.register
    def _(self, action: act.StartAt) -> None:
        hidden, by = self.arrays["hidden"], action.steps
        self.arrays = {
            **self.arrays, "inputs": self.arrays["inputs"][:, by + 1 :], "hidden": hidden[:, 1:-by],
            "initial_hidden": hidden[:, 0],
        }  # fmt: skip

    @do.register
    def _(self, action: act.RecordLengths) -> None:
        self.arrays = {**self.arrays, "lengths": np.array(action.lengths)}

    @do.register
    def _(self, action: act.FillPast) -> None:
        hidden = self.arrays["hidden"].copy()
        whole = from_arrays({name: array for name, array in self.arrays.items() if name != "lengths"})
        computed = plain_cells.run(whole.case).hidden
        for row, length in enumerate(self.arrays["lengths"]):
            past = {"zeroed": 0, "held": hidden[row, length - 1], "computed": computed[row, length:]}
            hidden[row, length:] = past[action.how]
        self.arrays = {**self.arrays, "hidden": hidden}

    # What ran is changed, and runs again: the arrays get its new trajectory.

    @do.register(act.Feed)
    @do.register(act.Compute)
    @do.register(act.Rerun)
    def _(self, action: act.Feed | act.Compute | act.Rerun) -> None:
        assert self.port is not None
        if isinstance(action, act.Feed):
            self.fed = Followed(self.fed, self.units).follow(action.actions)
        self.port = self.port.corrected(action)
        ran = self.port.run(from_arrays(self.fed))
        states = {"hidden": ran.hidden, "cell": ran.cell}
        self.arrays = {**self.arrays, **{name: states[name] for name in states if name in self.arrays}}
        edits, self.returned = self.returned, []
        self.follow(edits)


_As = Callable[[Case, Case], Case]


def _as_given(*names: str) -> _As:
    """What a case that ran becomes, given that which was claimed, if it keeps that one's fields."""
    return lambda ran, claimed: replace(ran, **{name: getattr(claimed, name) for name in names})


_WEIGHTS_TOO = _as_given("weights", "peepholes", "projection")
_RUN_TOO = _as_given("inputs", "initial_hidden", "initial_cell")
_CORRECTED: Mapping[str, _As] = {
    **dict.fromkeys(
        (
            "blocks", "own product", "orientation", "biases", "bias of one gate", "fold", "kernel",
            "peepholes", "projection",
        ),
        _WEIGHTS_TOO,
    ),
    **dict.fromkeys(("carry", "initial state", "reset", "direction", "axes"), _RUN_TOO),
}  # fmt: skip
"""What a port that runs again keeps of what it is given, for the words of a rerun."""
RETURNED = ("carry", "reset", "direction", "axes", "steps", "dropout", "masking", "outputs")
"""The reruns after which outputs are returned as they are."""


@dataclass(frozen=True)
class Port:
    """A cell with a mistake, which draws ``drawn``, and what of it has been corrected."""

    mistake: Mistake
    drawn: int
    corrections: tuple[act.Compute | act.Rerun, ...] = ()

    def corrected(self, action: Action) -> "Port":
        """The port after an action, which may leave it as it is."""
        if isinstance(action, act.Compute | act.Rerun):
            return replace(self, corrections=(*self.corrections, action))
        return self

    def run(self, fed: Recording) -> Trajectory:
        """What it makes of what it is fed."""
        random = np.random.RandomState(self.drawn)
        again = {each.what for each in self.corrections if isinstance(each, act.Rerun)}
        weights = Weights(*(array.astype("float32") for array in fed.case.weights))
        claimed, shares = replace(fed.case, weights=weights), _shares(fed)
        self.mistake.claim(claimed, shares, random)  # what it draws comes first
        ran = self.mistake.really(claimed, shares, random)
        for correction in self.corrections:
            if isinstance(correction, act.Compute):
                ran = replace(ran, equation=replace(ran.equation, **correction.fields))
            elif correction.what in _CORRECTED:
                ran = _CORRECTED[correction.what](ran, claimed)
        rounding = UNROUNDED if "precision" in again else self.mistake.rounding
        after = changes.as_it_is if again & set(RETURNED) else self.mistake.after
        return after(plain_cells.run(ran, rounding), claimed, random)


def _shares(fed: Recording) -> tuple[np.ndarray, ...]:
    """The stored biases, each as a canonical one ``[G U]``."""
    held = [tensor.name for tensor in fed.layout.biases]
    recurrent = {gate for tensor in fed.layout.recurrent_biases for gate in tensor.gates}
    if recurrent.issuperset(fed.layout.kind.recurrent_bias_gates):
        return stored_biases(fed.layout, fed.weights)
    if any(len(tensor.gates) < len(fed.layout.kind.gates) for tensor in fed.layout.biases) or len(held) == 1:
        return (fed.case.weights.bias,)
    return tuple(
        extract(fed.layout, {n: a * (n not in held or n == name) for n, a in fed.weights.items()}).bias
        for name in held
    )


def followed(planted: PlantedRecording, actions: Sequence[Action]) -> Arrays:
    """The arrays of a planted recording after these actions."""
    port = Port(planted.mistake, planted.drawn)
    return Followed(planted.arrays, planted.made.case.units, port).follow(actions)
