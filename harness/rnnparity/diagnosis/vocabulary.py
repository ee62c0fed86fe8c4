"""The names of gates, tensors and options in the api at hand."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from rnnparity.apis.api import Api, Option
from rnnparity_adapters.equation import Equation
from rnnparity_adapters.kinds import GATE_NAMES
from rnnparity_adapters.layout import Layout, Tensor


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """The words for an ``api`` that ran ``equation``.

    ``names`` has, for the tensors of the layout, their names in the file or object that they come from.
    """

    api: Api
    equation: Equation
    names: Mapping[str, str] = field(default_factory=dict)

    @property
    def layout(self) -> Layout:
        """The layout of the weights."""
        return self.api.layout_for(self.equation)

    @property
    def options(self) -> Mapping[str, Option]:
        """The meanings of the constructor arguments by name."""
        return self.api.arguments

    @property
    def gate_order(self) -> str:
        """The gates in the order of the api's kernel; the canonical order if each has a tensor of its own."""
        gates = self.layout.kind.gates
        return next((t.gates for t in self.layout.tensors if t.rows and len(t.gates) == len(gates)), gates)

    def letters(self, gates: Iterable[str]) -> str:
        """The api's letters for gates: ``i, f, g, o``."""
        return ", ".join(map(self.api.letter, gates))

    def gate(self, gate: str) -> str:
        """A gate in words, with the api's letter where that is not the canonical one: ``new input (g)``."""
        letter = self.api.letter(gate)
        return GATE_NAMES[gate] if letter == gate else f"{GATE_NAMES[gate]} ({letter})"

    def tensors(self, rows: str, gate: str = "") -> list[Tensor]:
        """The tensors that multiply ``rows``, which is ``x`` or ``h``, or the biases if it is empty.

        If a ``gate`` is given, only the tensors that hold it.
        """
        return [
            tensor
            for tensor in self.layout.tensors
            if (rows in tensor.rows if rows else not tensor.rows) and (not gate or gate in tensor.gates)
        ]

    def called(self, tensors: Iterable[Tensor]) -> str:
        """The names of tensors, as the user knows them."""
        return " and ".join(f"`{self.names.get(tensor.name, tensor.name)}`" for tensor in tensors)

    def slice(self, tensor: Tensor, gate: str) -> str:
        """A gate's slice of a bias, as code: ``bias_ih_l0[U:2*U]``."""
        name = self.names.get(tensor.name, tensor.name)
        position = tensor.gates.index(gate)
        if len(tensor.gates) == 1:
            return f"`{name}`"
        if ["gate", "unit"] not in tensor.groups:
            before = ", ".join("0" for group in tensor.groups if group == ["1"])
            return f"`{name}[{before}{', ' if before else ''}{position}]`"
        bounds = ["" if n == 0 else "U" if n == 1 else f"{n}*U" for n in (position, position + 1)]
        return f"`{name}[{'0, ' * (tensor.groups[0] == ['1'])}{bounds[0]}:{bounds[1]}]`"
