"""The names of gates, tensors, options and parts of tensors in the api at hand."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from rnnparity.apis.api import Api
from rnnparity.diagnosis.actions import Place
from rnnparity_adapters.equation import Equation
from rnnparity_adapters.kinds import GATE_NAMES
from rnnparity_adapters.layout import Layout, Tensor


class _Stored(NamedTuple):
    """Where a tensor of the layout is stored: as ``name``, or as part ``number`` along ``axis`` of that."""

    name: str
    axis: int | None = None
    number: int = 0


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """The words for an ``api`` that ran ``equation``.

    ``names`` has, for the tensors of the layout, their names in the file or object that they come from.
    ``version`` is that of the framework, the latest if it is empty, ``given`` are the constructor arguments
    that were given, and ``has_lengths`` says whether lengths were.
    """

    api: Api
    equation: Equation
    names: Mapping[str, str] = field(default_factory=dict)
    version: str = ""
    given: Mapping[str, Any] = field(default_factory=dict)
    has_lengths: bool = False

    @property
    def layout(self) -> Layout:
        """The layout of the weights."""
        return self.api.layout_for(self.equation)

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

    def places(self, rows: str, gate: str) -> list[Place]:
        """A gate's blocks in the tensors that multiply ``rows``, ``x`` or ``h``; in the biases if empty."""
        return [self.place(tensor, gate, rows) for tensor in self.tensors(rows, gate)]

    def place(self, tensor: Tensor, gate: str, rows: str = "") -> Place:
        """A gate's block in a tensor, of a kernel over [x, h] only those rows that multiply ``rows``."""
        stored, position = self._stored(tensor), tensor.gates.index(gate)
        index = []
        for group in tensor.groups:
            if "gate" not in group:
                index.append(_rows(group, rows))
            elif "unit" not in group:
                index.append(str(position))
            elif len(tensor.gates) == 1:
                index.append(":")
            elif group == ["unit", "gate"]:
                index.append(f"{position}::{len(tensor.gates)}")
            else:
                index.append(_units(position, position + 1))
        return _joined(tensor, stored, index, position)

    def element(self, tensor: Tensor, gate: str, unit: int, row: int | None, rows: str) -> Place:
        """One number of a tensor: a gate's ``unit``, and the ``row`` of its ``rows``, ``x`` or ``h``."""
        block = self.place(tensor, gate, rows)
        index = list(block.index)
        for axis, group in enumerate(tensor.groups):
            if group == ["unit", "gate"]:
                index[axis] = str(unit * len(tensor.gates) + tensor.gates.index(gate))
            elif "unit" in group:
                start = index[axis].partition(":")[0]
                index[axis] = f"{start}+{unit}" if start else str(unit)
            elif group[0] in ("x", "h", "xh"):
                index[axis] = f"I+{row}" if group == ["xh"] and rows == "h" else str(row)
        return Place(block.tensor, tuple(index))

    def whole(self, tensor: Tensor, rows: str = "") -> tuple[Place, int]:
        """All gates of a tensor, as :meth:`place` has one, and the axis of their blocks."""
        stored, axis = self._stored(tensor), [("gate" in group) for group in tensor.groups].index(True)
        index = [":" if "gate" in group else _rows(group, rows, one="0:1") for group in tensor.groups]
        if stored.axis is not None and stored.axis % len(index) == axis:
            start = stored.number * len(tensor.gates)
            index[axis] = _units(start, start + len(tensor.gates))
        elif stored.axis is not None:
            index[stored.axis] = f"{stored.number}:{stored.number + 1}"
        index = [":" if part == "0:1" and stored.axis is None else part for part in index]
        return Place(stored.name, tuple(index)), axis

    @property
    def by_unit(self) -> bool:
        """Whether gates are interleaved in a tensor: no gate has a block there."""
        return any(["unit", "gate"] in tensor.groups for tensor in self.layout.tensors)

    def name(self, tensor: Tensor) -> str:
        """The name of the array that holds a tensor, with its scope, whether it is stored or not."""
        return self._stored(tensor).name

    def shape(self, tensor: Tensor) -> str:
        """The shape of a bias as code: ``4*U``."""
        words = {"gate": str(len(tensor.gates)), "unit": "U", "1": "1"}
        return ", ".join("*".join(words[word] for word in group) for group in tensor.groups)

    @property
    def width(self) -> str:
        """The width of the hidden state as code: U, or P where there is a projection."""
        return "P" if any(tensor.name in self.names for tensor in self.layout.projection) else "U"

    def after(self, equation: Equation, given: Mapping[str, Any]) -> "Vocabulary":
        """The words where the equation and the options are others."""
        return replace(self, equation=equation, given={**self.given, **given})

    def is_stored(self, tensor: Tensor) -> bool:
        """Whether a tensor is there at all: an api without biases stores none."""
        return not self.names or tensor.name in self.names

    def _stored(self, tensor: Tensor) -> _Stored:
        name = self.names.get(tensor.name, _scope(self.names) + tensor.name)
        for whole, (axis, parts) in self.api.joined.items():
            if tensor.name in parts and (name.endswith(parts[tensor.name]) or not self.names):
                whole_name = name.removesuffix(parts[tensor.name]) if self.names else whole
                return _Stored(whole_name, axis, list(parts).index(tensor.name))
        return _Stored(name)


def _scope(names: Mapping[str, str]) -> str:
    """What stands before the names of the layout in those of a file."""
    return next((name.removesuffix(own) for own, name in names.items() if name.endswith(own)), "")


def _units(start: int, stop: int) -> str:
    """The units of the gates from ``start`` to ``stop``: ``U:2*U``."""
    first = "" if start == 0 else "U" if start == 1 else f"{start}*U"
    return f"{first}:{'U' if stop == 1 else f'{stop}*U'}"


def _rows(group: list[str], rows: str, one: str = "0") -> str:
    """The index of an axis without gates; ``one`` for an axis of length one."""
    if group == ["xh"] and rows in ("x", "h"):
        return ":I" if rows == "x" else "I:"
    return one if group == ["1"] else ":"


def _joined(tensor: Tensor, stored: _Stored, index: list[str], position: int) -> Place:
    """The place where it is a part of a larger tensor."""
    if stored.axis is not None:
        axis = stored.axis % len(index)
        if "gate" in tensor.groups[axis]:
            start = stored.number * len(tensor.gates) + position
            index[axis] = _units(start, start + 1)
        else:
            index[axis] = str(stored.number)
    return Place(stored.name, tuple(index))
