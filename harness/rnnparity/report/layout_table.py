"""A layout for a reader: which tensors there are, and which slice of each is which gate."""

import fnmatch
import math
from collections.abc import Mapping
from typing import NamedTuple

from rich.console import Console

from rnnparity.apis.known import KNOWN, Known
from rnnparity.apis.selection import select
from rnnparity.errors import InputError
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
_NOTES = {
    "equation": "forget_bias is added to the forget gate at each step; it is not in the tensors.\n",
    "bias": "a forget bias is part of the stored bias.\n",
    "": "",
}
_WIDTH = {
    "lstm": "of each gate, which all four share, and of h and c",
    "gru": "of each gate, which all three share, and of h",
    "rnn": "of h",
}


class Stored(NamedTuple):
    """A layout to show: the api's ``name``, ``where`` it runs, and how its tensors are called in full where
    the layout has them in parts.
    """

    name: str
    where: str
    layout: Layout
    names: Mapping[str, str]


def matching(pattern: str) -> list[Stored]:
    """The apis that run and those whose recordings can be read, by a name or pattern.

    Raises :class:`~rnnparity.errors.InputError` where there is none.
    """
    live: dict[tuple[str, Layout], list[Api]] = {}
    known = {name: KNOWN[name] for name in KNOWN if fnmatch.fnmatchcase(name.lower(), pattern.lower())}
    try:
        for api in select(pattern):
            live.setdefault((api.name, api.layout), []).append(api)
    except InputError:
        if not known:
            raise
    shown = [
        Stored(name, ", ".join(dict.fromkeys(api.environment for api in apis)), shared, {})
        for (name, shared), apis in live.items()
    ]
    running = {name for name, _ in live}
    return shown + [
        Stored(name, "recordings", record.layout(record.equation({}, "")), _indexed(record))
        for name, record in known.items()
        if name not in running
    ]


def _indexed(record: Known) -> dict[str, str]:
    return {
        part: whole + index for whole, (_, parts) in record.halves.items() for part, index in parts.items()
    }


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
        f"U = {units} is the width {_WIDTH[shown.cell]}: num_units, units or\n"
        f"hidden_size. {count} parameters in all."
    )
