"""A layout for a reader: which tensors there are, and which slice of each is which gate."""

import math

from rich.console import Console

from rnnparity.apis.selection import Stored
from rnnparity.report.console import print_table
from rnnparity_adapters import layout
from rnnparity_adapters.kinds import GATE_NAMES, Kind
from rnnparity_adapters.layout import Layout

_MULTIPLIES = {
    "": "added",
    "x": "x",
    "h": "h",
    "xh": "x in rows 0:{I}, h in rows {I}:{rows}",
}
_NOTES = {
    "equation": "forget_bias is added to the forget gate at each step; it is not in the tensors.\n",
    "bias": "a forget bias is part of the stored bias.\n",
    "": "",
}
_NUMBERS = {3: "three", 4: "four"}


def print_layout(stored: Stored, input_size: int, units: int, target: Console) -> None:
    """A layout for ``input_size`` I and ``units`` U."""
    target.print(f"{stored.name}  I={input_size} U={units}  ({stored.where})\n")
    rows = []
    previous = ""
    for slice_ in layout.describe(stored.layout, input_size, units):
        first = slice_.tensor != previous
        previous = slice_.tensor
        rows.append(
            [
                stored.names.get(slice_.tensor, slice_.tensor) if first else "",
                f"{slice_.symbols} = {list(slice_.shape)}" if first else "",
                slice_.subscript,
                f"{slice_.gate}  {GATE_NAMES[slice_.gate]}",
                _MULTIPLIES[slice_.rows].format(I=input_size, rows=input_size + units) if first else "",
            ]
        )
    print_table(("tensor", "shape", "slice", "gate", "multiplies"), rows, target)
    target.print(f"\n{_summary(stored.layout, input_size, units)}", soft_wrap=True)


def _summary(shown: Layout, input_size: int, units: int) -> str:
    count = sum(math.prod(shape) for shape in shown.shapes(input_size, units).values())
    return (
        f"{_NOTES[shown.forget_bias]}"
        f"U = {units} is the width {_width(shown.kind)}: num_units, units or\n"
        f"hidden_size. {count} parameters in all."
    )


def _width(kind: Kind) -> str:
    states = "h and c" if kind.has_cell_state else "h"
    gates = len(kind.gates)
    return (
        f"of each gate, which all {_NUMBERS[gates]} share, and of {states}" if gates > 1 else f"of {states}"
    )
