"""The case of a network: its layers and directions of cells, inputs, and how long each row is."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnnparity.errors import InputError
from rnnparity.reference.case import MAX_SEED, Case, make_case
from rnnparity.reference.network import Direction, Layer
from rnnparity_adapters.equation import Equation
from rnnparity_adapters.kinds import Kind

MAX_LAYERS = 100
_CELLS, _LENGTHS = 3, 4
"""Streams of random numbers of a seed, beside those of :mod:`rnnparity.live.fitting`."""


class NetworkForm(NamedTuple):
    """How many ``layers`` there are, in one direction each or two, and whether rows have ``lengths``."""

    layers: int = 1
    bidirectional: bool = False
    lengths: bool | Sequence[int] = False

    def __str__(self) -> str:
        said = (
            f"{self.layers} layers" if self.layers > 1 else "",
            "bidirectional" if self.bidirectional else "",
            "lengths" if self.lengths is not False else "",
        )
        return ", ".join(filter(None, said))


PLAIN = NetworkForm()
"""One layer in one direction, over whole rows: what :func:`~rnnparity.reference.case.make_case` draws."""


@dataclass(frozen=True, eq=False)
class NetworkCase:
    """Everything that is needed to run a network, and nothing about any framework.

    Each direction of each of the ``layers`` is a case, with weights and initial states of its own. ``inputs``
    are ``[B, T, I]``; of each row the first ``lengths`` ``[B]`` steps count, all if it is None. ``seed`` also
    seeds the weights that a framework initialises itself.
    """

    layers: tuple[Layer, ...]
    inputs: NDArray[np.floating]
    lengths: NDArray[np.signedinteger] | None = None
    seed: int = 0

    @property
    def cells(self) -> list[Case]:
        """Each direction of each layer, layer by layer, forward before backward."""
        return [direction.cell for layer in self.layers for direction in layer.directions]

    @property
    def first(self) -> Case:
        """The forward direction of the first layer, which reads the inputs."""
        return self.layers[0].directions[0].cell

    @property
    def directions(self) -> int:
        """How many directions each layer has."""
        return len(self.layers[0].directions)

    @property
    def form(self) -> NetworkForm:
        """Its layers and directions, and whether its rows have lengths."""
        return NetworkForm(len(self.layers), self.directions == 2, self.lengths is not None)

    @property
    def equation(self) -> Equation:
        """The equation of every cell."""
        return self.first.equation

    @property
    def kind(self) -> Kind:
        """The kind of cell: LSTM, GRU or simple RNN."""
        return self.first.kind

    @property
    def batch(self) -> int:
        """The number of batch rows, B."""
        return int(self.inputs.shape[0])

    @property
    def steps(self) -> int:
        """The number of steps, T."""
        return int(self.inputs.shape[1])

    @property
    def input_size(self) -> int:
        """The number of inputs at each step, I."""
        return int(self.inputs.shape[2])

    @property
    def units(self) -> int:
        """The number of units of each cell, U."""
        return self.first.units

    @property
    def dtype(self) -> str:
        """The name of the dtype in which a framework runs it."""
        return self.first.dtype


def form_of(case: Case | NetworkCase) -> NetworkForm:
    """The form of any case."""
    return PLAIN if isinstance(case, Case) else case.form


def draw(seed: int, form: NetworkForm, **drawn: Any) -> Case | NetworkCase:
    """The case of a form, by :func:`~rnnparity.reference.case.make_case` or :func:`make_network`."""
    return make_case(seed, **drawn) if form == PLAIN else make_network(seed, **form._asdict(), **drawn)


def make_network(
    seed: int = 0,
    *,
    layers: int = 1,
    bidirectional: bool = False,
    lengths: bool | Sequence[int] = False,
    **drawn: Any,
) -> NetworkCase:
    """Draw a network of so many ``layers``, each of one direction or, if ``bidirectional``, of two.

    With ``lengths`` each row has a length of its own from 1 to T, and one of them has T; or they are given,
    from 0 to T for each of the B rows. What else is
    ``drawn`` is as in :func:`~rnnparity.reference.case.make_case`, and every cell is drawn as that draws it,
    with initial states of its own. The same arguments give the same arrays, bit for bit, everywhere.

    Raises :class:`~rnnparity.errors.InputError` as that does, and for layers or lengths out of range.
    """
    if isinstance(layers, bool) or not isinstance(layers, int) or not 1 <= layers <= MAX_LAYERS:
        raise InputError("layers", layers, f"an integer from 1 to {MAX_LAYERS}")
    first = make_case(seed, **drawn)
    directions, units = 1 + bidirectional, first.units
    # NumPy has frozen these streams: https://numpy.org/doc/stable/reference/random/legacy.html
    seeds = np.random.RandomState((seed, _CELLS)).randint(MAX_SEED, size=(layers, 2), dtype=np.uint32)
    made = []
    for k in range(layers):
        read = first.inputs if k == 0 else _unread(first, directions * units)
        of_layer = []
        for d in range(directions):
            cell = first
            if (k, d) != (0, 0):
                size = {**drawn, "steps": 1, "input_size": read.shape[2]}
                cell = replace(make_case(int(seeds[k, d]), **size), inputs=read)
            of_layer.append(Direction(cell, backwards=d == 1))
        made.append(Layer(tuple(of_layer)))
    return NetworkCase(tuple(made), first.inputs, _lengths(first, lengths), seed)


def _unread(like: Case, width: int) -> NDArray[np.floating]:
    """Inputs ``[B, T, width]`` of a layer that reads another one; they say their shape and dtype alone."""
    return np.broadcast_to(np.zeros((), like.inputs.dtype), (like.batch, like.steps, width))


def _lengths(case: Case, asked: bool | Sequence[int]) -> NDArray[np.signedinteger] | None:
    """The lengths ``[B]`` of a case's rows: none, drawn or given."""
    if isinstance(asked, bool):
        return _drawn_lengths(case) if asked else None
    given = np.asarray(asked)
    right = given.shape == (case.batch,) and given.dtype.kind in "iu"
    if not right or not np.all((given >= 0) & (given <= case.steps)):
        raise InputError("lengths", list(asked), f"{case.batch} integers from 0 to {case.steps}")
    return given.astype(np.int64)


def _drawn_lengths(case: Case) -> NDArray[np.signedinteger]:
    """Lengths ``[B]`` from 1 to T, of which one is T."""
    random = np.random.RandomState((case.seed, _LENGTHS))
    lengths = random.randint(1, case.steps + 1, case.batch).astype(np.int64)
    lengths[random.randint(case.batch)] = case.steps
    return lengths
