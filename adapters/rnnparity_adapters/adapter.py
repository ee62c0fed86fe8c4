"""The base of all adapters.

An adapter puts native tensors into a framework's own public object, reads them back, and runs it.
It knows nothing about gates: :mod:`rnnparity_adapters.layout` turns canonical weights into native
tensors and back. This is a complete adapter for a framework whose cells, LSTMs as well as GRUs and simple
RNNs, are ``cell(x, states) -> states`` with the hidden state first::

    import framework                                       # imported in the worker, nowhere else

    class Cell(Adapter):
        def build(self):
            cell = getattr(framework, self.setup.name.rpartition(".")[2])
            self.cell = cell(self.setup.input_size, self.setup.units, **self.setup.options)

        def initialise(self, seed):
            framework.seed(seed)
            self.cell.reset_parameters()

        def write(self, tensors):
            for name, value in tensors.items():
                self.cell.parameters[name].set(value)

        def read(self):
            return {name: parameter.get() for name, parameter in self.cell.parameters.items()}

        def run(self, inputs, states):
            states = [state[0] for state in states]        # [K, B, U], and K is 1: one layer, one direction
            steps = []
            for x in inputs.swapaxes(0, 1):                # [B, T, I] -> T times [B, I]
                states = self.cell(x, states)
                steps.append(states)
            return stepped(steps)

An adapter runs as soon as the record of its api names it (``rnnparity.apis.catalogue``).
"""

import abc
from dataclasses import dataclass, field
from typing import Any, Dict, Iterable, Sequence, Tuple

import numpy as np

from . import wire
from .kinds import KINDS, Kind

HIDDEN = "hidden"
"""``[B, T, D U]``: the hidden state at each step. A layer is called once for the whole sequence."""
CELL = "cell"
"""``[B, T, U]``, where there is one: the cell state at each step."""
STEPPED_HIDDEN = "stepped_hidden"
"""``[B, T, U]``, for layers only: the hidden state where the layer is called for one step at a time."""
LAST_HIDDEN, LAST_CELL = "last_hidden", "last_cell"
"""``[K, B, U]``, for layers only: the last states that the call for the whole sequence returns."""

INPUTS, STATES, WEIGHTS = "inputs", "states", "weights"
"""What a gradient is by: ``inputs`` itself, and the groups of names such as ``states/hidden``."""

States = Tuple[np.ndarray, ...]
"""An array for each state of the kind of cell, in the order of :attr:`Kind.states
<rnnparity_adapters.kinds.Kind.states>`: a hidden state, and of an LSTM a cell state.
"""


@dataclass(frozen=True)
class Setup:
    """What an adapter builds its object from.

    ``name`` is the api's dotted name, ``cell`` names its kind of cell. ``batch``, ``steps``, ``input_size``
    and ``units`` are B, T, I and U, ``dtype`` is ``float32`` or ``float64``. ``options`` are the framework's
    own constructor arguments, with ``forget_bias`` among them where the api adds it in its equation.
    ``width`` is P, that of the hidden state: U without a projection. A network has so many ``layers``, each
    of one or two ``directions``, all of the same ``units``.
    """

    name: str
    batch: int
    steps: int
    input_size: int
    units: int
    dtype: str
    options: Dict[str, Any] = field(default_factory=dict)
    cell: str = "lstm"
    width: int = 0
    layers: int = 1
    directions: int = 1

    @property
    def kind(self) -> Kind:
        """What kind of cell it is."""
        return KINDS[self.cell]


class Adapter(abc.ABC):
    """One object of an api, of fixed sizes, used for many cases. All arrays have the dtype of the setup."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.build()

    @abc.abstractmethod
    def build(self) -> None:
        """Make the framework's object for ``self.setup``."""

    @abc.abstractmethod
    def initialise(self, seed: int) -> None:
        """Let the framework initialise the weights. The same seed gives the same weights."""

    @abc.abstractmethod
    def write(self, tensors: Dict[str, np.ndarray]) -> None:
        """Put native tensors ``[...]`` into the object, by name and in the shapes of the api's layout."""

    @abc.abstractmethod
    def read(self) -> Dict[str, np.ndarray]:
        """The native tensors ``[...]`` by name, as the object holds them now."""

    @abc.abstractmethod
    def run(self, inputs: np.ndarray, states: States) -> Dict[str, np.ndarray]:
        """Run ``inputs`` ``[B, T, I]``, starting from ``states``, each ``[K, B, U]``.

        K is layers times directions D: layer by layer, forward before backward. Returns :data:`HIDDEN`
        ``[B, T, D U]``, and for a layer :data:`LAST_HIDDEN` and :data:`LAST_CELL` ``[K, B, U]``. Where K is 1
        it also returns :data:`CELL` and, for a layer, :data:`STEPPED_HIDDEN` ``[B, T, U]``. A kind of cell
        without a cell state has none of either. Of a network it may return :func:`outputs` of each layer.
        """

    def run_lengths(self, inputs: np.ndarray, states: States, lengths: np.ndarray) -> Dict[str, np.ndarray]:
        """As :meth:`run`, where only the first ``lengths`` ``[B]`` steps of each row count.

        It returns no :data:`CELL` and no :data:`STEPPED_HIDDEN`. Only adapters of apis that take lengths have
        it; the record of an api says which do.
        """
        raise NotImplementedError

    def gradients(self, inputs: np.ndarray, states: States, cotangent: np.ndarray) -> Dict[str, np.ndarray]:
        """The derivatives of sum(hidden * cotangent), for a cotangent ``[B, T, D U]``, by the framework.

        By name as :func:`derivatives` gives them. A layer is called for the whole sequence. Raises
        NotImplementedError, with the reason, where the framework or the adapter has none.
        """
        raise NotImplementedError("its adapter returns no gradients")

    @classmethod
    def of(cls, setup: Setup, given: Any) -> "Adapter":
        """An adapter of a copy of ``given``, an object of the framework. Raises as :meth:`copy` does."""
        adapter = cls.__new__(cls)
        adapter.setup = setup
        adapter.copy(given)
        return adapter

    def copy(self, given: Any) -> None:
        """Hold a copy of ``given``, an object of the framework, and run that.

        Raises NotImplementedError where the adapter has no way to copy one.
        """
        raise NotImplementedError

    def close(self) -> None:  # noqa: B027  (most hold nothing)
        """Give back what the object holds besides Python's memory, such as a session."""


def derivatives(
    setup: Setup, inputs: np.ndarray, states: Sequence[np.ndarray], tensors: Dict[str, np.ndarray]
) -> Dict[str, np.ndarray]:
    """The result of :meth:`Adapter.gradients`: derivatives by what has the same shape.

    By ``inputs`` ``[B, T, I]``, by the initial ``states``, each ``[B, U]`` or ``[K, B, U]``, and by the
    native ``tensors``, as :meth:`Adapter.read` names them.
    """
    shaped = [state.reshape((-1, *state.shape[-2:])) for state in states]
    by_state = wire.prefixed(STATES, dict(zip(setup.kind.states, shaped)))
    return dict({INPUTS: inputs}, **by_state, **wire.prefixed(WEIGHTS, tensors))


def stepped(steps: Iterable[Sequence[np.ndarray]]) -> Dict[str, np.ndarray]:
    """T times the states of a step, each ``[B, U]`` -> their trajectories, each ``[B, T, U]``."""
    return dict(zip((HIDDEN, CELL), (np.stack(state, axis=1) for state in zip(*steps))))


def whole(hidden: np.ndarray, last: Sequence[np.ndarray]) -> Dict[str, np.ndarray]:
    """The result of one call for the whole sequence: ``hidden`` ``[B, T, D U]``, ``last`` ``[K, B, U]``."""
    return dict(zip((HIDDEN, LAST_HIDDEN, LAST_CELL), (hidden, *last)))


def outputs(layer: int) -> str:
    """The name of what a layer of a network returns ``[B, T, D U]``: its directions merged."""
    return "outputs_l%d" % layer


def layer(
    hidden: np.ndarray, last: Sequence[np.ndarray], steps: Iterable[Sequence[np.ndarray]]
) -> Dict[str, np.ndarray]:
    """The result of a layer's two runs.

    ``hidden`` ``[B, T, U]`` and the ``last`` states, each ``[K, B, U]``, come from the call for the whole
    sequence. ``steps`` are T times the states, each ``[B, U]``, from the calls for one step at a time.
    """
    alone = stepped(steps)
    alone[STEPPED_HIDDEN] = alone[HIDDEN]
    return dict(alone, **whole(hidden, last))
