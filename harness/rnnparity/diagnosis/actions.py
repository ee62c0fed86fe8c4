"""What to do about a cause, as data.

A divergence has two sides: what was *given* (the weights, options, inputs and states of a recording or a
case), and what *ran*, and made the trajectory. An action changes one of them. Sentences are written from
actions in :mod:`rnnparity.diagnosis.instructions`; to do what they say is enough, and the tests do it.

Parts of stored tensors are written as code, in which U is the number of units and I that of inputs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

GIVEN, RAN = "given", "ran"
"""The sides of a divergence."""


@dataclass(frozen=True)
class Place:
    """A part of a stored tensor: the tensor's own name, and an index for each axis: ``("U:2*U", ":")``."""

    tensor: str
    index: tuple[str, ...]

    def __str__(self) -> str:
        """As code, such as ``bias_ih_l0[U:2*U]``."""
        index = list(self.index)
        while index and index[-1] == ":":
            index.pop()
        return f"{self.tensor}[{', '.join(index)}]" if index else self.tensor


class Action:
    """The base of all actions. ``side`` is the one that it changes."""

    side: str = GIVEN


@dataclass(frozen=True)
class TakeBlocks(Action):
    """Reorder the gate blocks of a part of a tensor: block k along ``axis`` becomes the old ``blocks[k]``."""

    place: Place
    axis: int
    blocks: tuple[int, ...]


@dataclass(frozen=True)
class Move(Action):
    """Put each source in the place of its target, all sources as they were before: ``(target, source)``."""

    moves: tuple[tuple[Place, Place], ...]


@dataclass(frozen=True)
class Reform(Action):
    """Replace each of these places ``b`` by ``form``, an expression of numpy such as ``b.T``.

    ``shape`` is the new one, as code, where that is another.
    """

    places: tuple[Place, ...]
    form: str
    shape: str = ""


@dataclass(frozen=True)
class Scale(Action):
    """Multiply these places by a factor: 0 sets them to zero, -1 negates them."""

    places: tuple[Place, ...]
    factor: float


@dataclass(frozen=True)
class Add(Action):
    """Add ``times`` an amount to a place: a number, or an array of the place's shape ``[...]``.

    ``called`` is that array as code, where a report has it under another name and shape.
    """

    place: Place
    amount: float | np.ndarray = field(compare=False)
    times: int = 1
    called: str = ""


@dataclass(frozen=True)
class AddPlaces(Action):
    """Add the sum of ``sources``, as they were before, to each of ``targets``."""

    targets: tuple[Place, ...]
    sources: tuple[Place, ...]


@dataclass(frozen=True)
class Identity(Action):
    """Put the unit matrix in this place."""

    place: Place


@dataclass(frozen=True)
class RollRows(Action):
    """Move the first ``count`` rows of the kernel over [x, h] behind the others.

    ``kernels`` are its rows of x and of h, which lie along ``axis``; they keep their sizes.
    """

    kernels: tuple[Place, Place]
    axis: int
    count: str


@dataclass(frozen=True)
class StoreZeros(Action):
    """Store these tensors, filled with zeros; ``shapes`` are code, such as ``4*U``."""

    shapes: Mapping[str, str]


@dataclass(frozen=True)
class Pass(Action):
    """Pass these constructor arguments to the api. ``function`` explains a value that has no name there."""

    options: Mapping[str, Any]
    function: str = ""


@dataclass(frozen=True)
class Edit(Action):
    """Replace each of these ``arrays`` of the recording, where it has them, by ``form``, an expression of
    ``b``; B and T are the lengths of its first two axes. ``side`` is that of what ran for its outputs.
    """

    arrays: tuple[str, ...]
    form: str
    side: str = GIVEN


@dataclass(frozen=True)
class Turn(Action):
    """Turn the steps of these arrays round, each row within its length where lengths are recorded.

    ``side`` is that of what ran for its outputs.
    """

    arrays: tuple[str, ...]
    side: str = GIVEN


@dataclass(frozen=True)
class Exchange(Action):
    """Put two arrays of the recording in each other's place."""

    one: str
    other: str


@dataclass(frozen=True)
class LeaveOut(Action):
    """Leave these arrays out of the recording."""

    arrays: tuple[str, ...]


@dataclass(frozen=True)
class StartAt(Action):
    """Begin the recording ``steps`` + 1 steps later, from the states of its first step as initial ones."""

    steps: int


@dataclass(frozen=True)
class RecordLengths(Action):
    """Record these lengths ``[B]``."""

    lengths: tuple[int, ...]


@dataclass(frozen=True)
class FillPast(Action):
    """Put into the steps past each row's length what the api returns there: ``zeroed`` or ``held`` states."""

    how: str
    side = RAN


@dataclass(frozen=True)
class Compute(Action):
    """Let what ran compute with these fields of the equation, which are those of what was given."""

    fields: Mapping[str, Any]
    side = RAN


@dataclass(frozen=True)
class Feed(Action):
    """Do these actions on the tensors that what ran is fed, before it reads them."""

    actions: tuple[Action, ...]
    side = RAN


@dataclass(frozen=True)
class Rerun(Action):
    """Run again, as ``what`` says: a key of :data:`rnnparity.diagnosis.instructions.RERUNS`.

    ``about`` completes that sentence.
    """

    what: str
    about: Mapping[str, Any] = field(default_factory=dict)
    side = RAN


@dataclass(frozen=True)
class FindOut(Action):
    """Nothing is known to change. Record ``what`` to find out more."""

    what: str
    side = ""


@dataclass(frozen=True)
class Remedy:
    """The ``actions`` that make what was given and what ran agree, to be done in their order.

    ``instead`` are actions on what ran alone that do the same; empty where ``actions`` are that already.
    """

    actions: tuple[Action, ...] = ()
    instead: tuple[Action, ...] = ()
