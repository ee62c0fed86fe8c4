"""The kinds of cell, as data: which blocks their weights have, and which states."""

from dataclasses import dataclass
from typing import Dict, Tuple


@dataclass(frozen=True)
class Kind:
    """One kind of cell. Gates are canonical letters, as in :data:`GATE_NAMES`.

    ``gates`` are the blocks of its canonical kernel, ``bias_gates`` those of its canonical bias.
    ``recurrent_bias_gates`` are the blocks of a second stored bias, the one that belongs to the recurrent
    kernel. ``candidate`` is the gate that goes through ``activation`` and may become the new state.
    ``states`` names the states that a step takes and returns, in the order in which adapters have them.
    ``folded`` are pairs of bias gates, of which the first may be added to the second where no reset gate
    stands between them.
    """

    name: str
    gates: str
    bias_gates: str
    recurrent_bias_gates: str
    candidate: str
    states: Tuple[str, ...] = ("hidden",)
    folded: Tuple[Tuple[str, str], ...] = ()

    @property
    def has_cell_state(self) -> bool:
        """Whether there is a cell state beside the hidden state."""
        return "cell" in self.states

    @property
    def title(self) -> str:
        """The name in capitals, as it is printed: ``LSTM``."""
        return self.name.upper()

    @property
    def article(self) -> str:
        """``a`` or ``an``, as the title is spoken."""
        return "an" if self.title[0] in "FLMNRSX" else "a"


KINDS: Dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("lstm", "ijfo", "ijfo", "ijfo", candidate="j", states=("hidden", "cell")),
        Kind("gru", "rzn", "rznm", "rzm", candidate="n", folded=(("m", "n"),)),
        Kind("rnn", "n", "n", "n", candidate="n"),
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
