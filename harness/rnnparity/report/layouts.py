"""A layout for a reader: which tensors there are, and which slice of each is which gate."""

import math

from rich.console import Console

from rnnparity.report.console import print_table
from rnnparity_adapters import layout
from rnnparity_adapters.layout import GATE_NAMES, Layout
from rnnparity_adapters.registry import Api

_MULTIPLIES = {
    "": "added",
    "x": "x",
    "h": "h",
    "xh": "x in rows 0:{I}, h in rows {I}:{rows}",
}
_FORGET_BIAS = {
    "equation": "forget_bias is added to the forget gate at each step; it is not in the tensors",
    "bias": "a forget bias is part of the stored bias",
}


def print_layout(apis: list[Api], input_size: int, units: int, target: Console) -> None:
    """The layout that ``apis`` share, for ``input_size`` I and ``units`` U."""
    shared = apis[0].layout
    where = ", ".join(dict.fromkeys(api.environment for api in apis))
    target.print(f"{apis[0].name}  I={input_size} U={units}  ({where})\n")
    rows = []
    previous = ""
    for slice_ in layout.describe(shared, input_size, units):
        first = slice_.tensor != previous
        previous = slice_.tensor
        rows.append(
            [
                slice_.tensor if first else "",
                f"{slice_.symbols} = {list(slice_.shape)}" if first else "",
                slice_.subscript,
                f"{slice_.gate}  {GATE_NAMES[slice_.gate]}",
                _MULTIPLIES[slice_.rows].format(I=input_size, rows=input_size + units) if first else "",
            ]
        )
    print_table(("tensor", "shape", "slice", "gate", "multiplies"), rows, target)
    target.print(f"\n{_summary(shared, input_size, units)}", soft_wrap=True)


def _summary(shared: Layout, input_size: int, units: int) -> str:
    count = sum(math.prod(shape) for shape in shared.shapes(input_size, units).values())
    return (
        f"{_FORGET_BIAS[shared.forget_bias]}.\n"
        f"U = {units} is the width of each gate, which all four share, and of h and c: num_units, units or\n"
        f"hidden_size. {count} parameters in all."
    )
