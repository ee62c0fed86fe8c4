"""What an adapter is.

An adapter puts native tensors into a framework's own public object, reads them back, and runs it.
It knows nothing of gates: :mod:`rnnparity_adapters.layout` turns canonical weights into native
tensors and back. A complete one, for a framework whose cell is ``cell(x, h, c) -> (h, c)``::

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

It runs once the record of its api names it (``rnnparity.apis.catalogue``).
"""

import abc
from dataclasses import dataclass, field
from typing import Any, Dict, Iterable, Tuple

import numpy as np

HIDDEN = "hidden"
"""``[B, T, U]``: the hidden state at each step; for a layer, of its kernel over the whole sequence."""
CELL = "cell"
"""``[B, T, U]``: the cell state at each step."""
STEPPED_HIDDEN = "stepped_hidden"
"""``[B, T, U]``, layers only: the hidden state when the layer is run one step at a time."""
LAST_CELL = "last_cell"
"""``[B, U]``, layers only: the cell state that the kernel over the whole sequence returns."""


@dataclass(frozen=True)
class Setup:
    """What an adapter builds its object from.

    ``name`` is the api's dotted name, ``options`` are the framework's own constructor arguments,
    with ``forget_bias`` among them where the api keeps it in its equation.
    """

    name: str
    batch: int
    steps: int
    input_size: int
    units: int
    dtype: str
    options: Dict[str, Any] = field(default_factory=dict)


class Adapter(abc.ABC):
    """One api's object of fixed sizes, used for many cases. All arrays have the dtype of the setup."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.build()

    @abc.abstractmethod
    def build(self) -> None:
        """Make the framework's object for ``self.setup``."""

    @abc.abstractmethod
    def initialise(self, seed: int) -> None:
        """Let the framework initialise the weights itself; the same seed gives the same weights."""

    @abc.abstractmethod
    def write(self, tensors: Dict[str, np.ndarray]) -> None:
        """Put native tensors into the object."""

    @abc.abstractmethod
    def read(self) -> Dict[str, np.ndarray]:
        """Native name -> native tensor, as the object now holds them."""

    @abc.abstractmethod
    def run(self, inputs: np.ndarray, hidden: np.ndarray, cell: np.ndarray) -> Dict[str, np.ndarray]:
        """Run ``inputs`` ``[B, T, I]`` from ``hidden`` and ``cell`` ``[B, U]``.

        Returns ``hidden`` and ``cell``, and for a layer ``stepped_hidden`` and ``last_cell`` as well.
        """

    @classmethod
    def of(cls, setup: Setup, given: Any) -> "Adapter":
        """An adapter of an object that exists already, of which it makes a copy."""
        adapter = cls.__new__(cls)
        adapter.setup = setup
        adapter.copy(given)
        return adapter

    def copy(self, given: Any) -> None:
        """Make a copy of a framework's object the one to run, where the framework can."""
        raise NotImplementedError

    def close(self) -> None:  # noqa: B027  (most hold nothing)
        """Give back what the object holds outside of Python's memory, such as a session."""


def stepped(steps: Iterable[Tuple[np.ndarray, np.ndarray]]) -> Dict[str, np.ndarray]:
    """T pairs of hidden and cell state ``[B, U]`` -> the two trajectories ``[B, T, U]``."""
    hidden, cell = zip(*steps)
    return {HIDDEN: np.stack(hidden, axis=1), CELL: np.stack(cell, axis=1)}


def layer(
    hidden: np.ndarray, last_cell: np.ndarray, steps: Iterable[Tuple[np.ndarray, np.ndarray]]
) -> Dict[str, np.ndarray]:
    """What a layer's two runs make together: ``hidden`` ``[B, T, U]`` and ``last_cell`` ``[B, U]`` of the
    run over the whole sequence, and T pairs of the run step by step.
    """
    alone = stepped(steps)
    return {HIDDEN: hidden, STEPPED_HIDDEN: alone[HIDDEN], CELL: alone[CELL], LAST_CELL: last_cell}
