"""The base of all adapters.

An adapter puts native tensors into a framework's own public object, reads them back, and runs it.
It knows nothing about gates: :mod:`rnnparity_adapters.layout` turns canonical weights into native
tensors and back. This is a complete adapter for a framework whose cell is ``cell(x, h, c) -> (h, c)``::

    import framework                                       # imported in the worker, nowhere else

    class Cell(Adapter):
        def build(self):
            self.cell = framework.Cell(self.setup.input_size, self.setup.units, **self.setup.options)

        def initialise(self, seed):
            framework.seed(seed)
            self.cell.reset_parameters()

        def write(self, tensors):
            for name, value in tensors.items():
                self.cell.parameters[name].set(value)

        def read(self):
            return {name: parameter.get() for name, parameter in self.cell.parameters.items()}

        def run(self, inputs, hidden, cell):
            steps = []
            for x in inputs.swapaxes(0, 1):                # [B, T, I] -> T times [B, I]
                hidden, cell = self.cell(x, hidden, cell)
                steps.append((hidden, cell))
            return stepped(steps)

An adapter runs as soon as the record of its api names it (``rnnparity.apis.catalogue``).
"""

import abc
from dataclasses import dataclass, field
from typing import Any, Dict, Iterable, Tuple

import numpy as np

HIDDEN = "hidden"
"""``[B, T, U]``: the hidden state at each step. For a layer it is that of one call for the whole sequence."""
CELL = "cell"
"""``[B, T, U]``: the cell state at each step."""
STEPPED_HIDDEN = "stepped_hidden"
"""``[B, T, U]``, for layers only: the hidden state where the layer is called for one step at a time."""
LAST_CELL = "last_cell"
"""``[B, U]``, for layers only: the last cell state that the call for the whole sequence returns."""


@dataclass(frozen=True)
class Setup:
    """What an adapter builds its object from.

    ``name`` is the api's dotted name. ``batch``, ``steps``, ``input_size`` and ``units`` are B, T, I and U,
    ``dtype`` is ``float32`` or ``float64``. ``options`` are the framework's own constructor arguments, with
    ``forget_bias`` among them where the api adds it in its equation.
    """

    name: str
    batch: int
    steps: int
    input_size: int
    units: int
    dtype: str
    options: Dict[str, Any] = field(default_factory=dict)


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
    def run(self, inputs: np.ndarray, hidden: np.ndarray, cell: np.ndarray) -> Dict[str, np.ndarray]:
        """Run ``inputs`` ``[B, T, I]``, starting from ``hidden`` and ``cell`` ``[B, U]``.

        Returns :data:`HIDDEN` and :data:`CELL` ``[B, T, U]``, and for a layer also :data:`STEPPED_HIDDEN`
        ``[B, T, U]`` and :data:`LAST_CELL` ``[B, U]``.
        """

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


def stepped(steps: Iterable[Tuple[np.ndarray, np.ndarray]]) -> Dict[str, np.ndarray]:
    """T pairs of hidden and cell state, each ``[B, U]`` -> both trajectories, each ``[B, T, U]``."""
    hidden, cell = zip(*steps)
    return {HIDDEN: np.stack(hidden, axis=1), CELL: np.stack(cell, axis=1)}


def layer(
    hidden: np.ndarray, last_cell: np.ndarray, steps: Iterable[Tuple[np.ndarray, np.ndarray]]
) -> Dict[str, np.ndarray]:
    """The result of a layer's two runs.

    ``hidden`` ``[B, T, U]`` and ``last_cell`` ``[B, U]`` come from the call for the whole sequence. ``steps``
    are T pairs of hidden and cell state, each ``[B, U]``, from the calls for one step at a time.
    """
    alone = stepped(steps)
    return {HIDDEN: hidden, STEPPED_HIDDEN: alone[HIDDEN], CELL: alone[CELL], LAST_CELL: last_cell}
