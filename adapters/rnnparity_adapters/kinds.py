"""The kinds of cell, as data: which blocks their weights have, and which states."""

from dataclasses import dataclass
from typing import Dict


@dataclass(frozen=True)
class Kind:
    """One kind of cell. Gates are canonical letters, as in :data:`GATE_NAMES`.

    ``gates`` are the blocks of its canonical kernel, ``bias_gates`` those of its canonical bias.
    ``recurrent_bias_gates`` are the blocks of a second stored bias, the one that belongs to the recurrent
    kernel. ``candidate`` is the gate that goes through ``activation`` and may become the new state.
    ``has_cell_state`` says whether there is a cell state beside the hidden state.
    """

    name: str
    gates: str
    bias_gates: str
    recurrent_bias_gates: str
    candidate: str
    has_cell_state: bool

    @property
    def title(self) -> str:
        """The name in capitals, as it is printed: ``LSTM``."""
        return self.name.upper()


KINDS: Dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("lstm", "ijfo", "ijfo", "ijfo", candidate="j", has_cell_state=True),
        Kind("gru", "rzn", "rznm", "rzm", candidate="n", has_cell_state=False),
        Kind("rnn", "n", "n", "n", candidate="n", has_cell_state=False),
    )
}
"""The kinds of cell, by :attr:`Equation.cell <rnnparity_adapters.equation.Equation.cell>`."""

PEEPHOLES = "ifo"
"""The gates that may see the cell state, in the order of canonical peepholes."""

GATE_NAMES = {
    "i": "input gate", "j": "new input", "f": "forget gate", "o": "output gate",
    "r": "reset gate", "z": "update gate", "n": "new state", "m": "new state (recurrent bias)",
    "p": "projection",
}  # fmt: skip
"""Canonical letter -> what a person calls it."""
