"""The kinds of cell that the reference computes."""

from rnnparity.reference.gru import Gru
from rnnparity.reference.lstm import Lstm
from rnnparity.reference.rnn import Rnn
from rnnparity.reference.steps import Step

CELLS: dict[str, type[Step]] = {"lstm": Lstm, "gru": Gru, "rnn": Rnn}
"""The step of each kind of cell, by :attr:`Equation.cell <rnnparity_adapters.equation.Equation.cell>`."""
