"""Tables for a terminal. On one they fit its width; into a file or a pipe they take what they need."""

import io
import sys
import textwrap
from collections.abc import Iterable, Sequence
from typing import IO

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from rnnparity import __version__
from rnnparity.judge import comparison
from rnnparity.live.result import Result, Row
from rnnparity.reference.network_case import form_of
from rnnparity.reference.noise import LIMIT
from rnnparity.report import json_document
from rnnparity.report.check_text import print_causes
from rnnparity.report.curves import curves
from rnnparity.report.json_document import Document
from rnnparity.report.phrases import PUBLISHED_NOTE, published_apis, published_table, told

_UNLIMITED = 10_000
_WIDTH = 100  # of running text
_STYLES = {comparison.AGREE: "green", comparison.UNSUPPORTED: "yellow", comparison.UNAVAILABLE: "yellow"}
_LEGEND = (
    "hidden, cell: largest |difference| from the float64 reference; noise: the same in units of the\n"
    f"rounding error to be expected at that element, the limit is {LIMIT:g}; step: the first one beyond it"
)

_GRADIENTS = "gradient: likewise, of the derivatives by inputs, initial states and weights"


def console(stream: IO[str] | None = None) -> Console:
    """A console on ``stream`` (stdout) that never wraps what is not read on a terminal.

    It prints what it gets: names in brackets are no markup, and those in colons no pictures.
    """
    made = Console(file=stream or sys.stdout, highlight=False, soft_wrap=False, markup=False, emoji=False)
    if not made.is_terminal:
        made.width = _UNLIMITED
    return made


def text(result: Result) -> str:
    """The diff table as plain text."""
    stream = io.StringIO()
    print_result(result, console(stream))
    return stream.getvalue()


def print_result(result: Result, target: Console) -> None:
    """Print the case, the diff table, and for each row that does not agree the reasons."""
    case = result.cases[0]
    seeds = f"seed {case.seed}" if len(result.cases) == 1 else f"seeds {case.seed} to {result.cases[-1].seed}"
    forget_bias = f"  forget bias {case.equation.forget_bias:g}" if "f" in case.kind.gates else ""
    sizes = f"B={case.batch} T={case.steps} I={case.input_size} U={case.units}"
    form = str(form_of(case))
    what = f"{case.kind.title}  {seeds}  {sizes} {result.arithmetic}{forget_bias}{form and f'  {form}'}"
    target.print(f"rnnparity {__version__}  {what}\n")
    differentiated = result.gradients
    header = (
        "api", "version", "environment", "hidden", "cell", "hidden\nnoise", "cell\nnoise",
        *(("gradient", "gradient\nnoise") if differentiated else ()), "step", "verdict",
    )  # fmt: skip
    rows = [_cells(row, differentiated) for row in result.rows]
    print_table(header, rows, target, right=range(3, len(header) - 1))
    target.print()
    for row in result.rows:
        if not row.agree:
            target.print(Text(f"{row.target.key} {row.verdict}: {row.reason}"))
            if not row.target.api.source:
                target.print(Text("".join(f"    {line}\n" for line in curves(row))), end="")
            print_causes(row.causes, target)
            target.print(
                Text("".join(f"    | {line}\n" for line in row.log.splitlines())), end="", style="dim"
            )
    apart = str(result.consensus)
    if apart:
        target.print(Text(apart))
    if apart or not all(row.agree for row in result.rows):
        target.print()
    target.print(_LEGEND, style="dim")
    if differentiated:
        target.print(_GRADIENTS, style="dim")
    _print_published(json_document.of_result(result), target)


def _print_published(document: Document, target: Console) -> None:
    """Which published equation describes which apis, if any was asked for."""
    if not document.get("published", {}).get("columns"):
        return
    header, rows = published_table(document)
    target.print()
    print_table(header, [["\n".join(cell) for cell in row] for row in rows], target)
    target.print()
    for function, apis in published_apis(document):
        target.print(Text(_wrapped(f"{function}: ", apis)))
    target.print(PUBLISHED_NOTE, style="dim")


def _wrapped(start: str, names: Iterable[str]) -> str:
    """A list of names in lines, none of which breaks a name."""
    listed = start + ", ".join(name.replace(" ", "\u00a0") for name in names)
    lines = textwrap.wrap(listed, _WIDTH, subsequent_indent="    ", break_long_words=False)
    return "\n".join(lines).replace("\u00a0", " ")


def print_changes(document: Document, target: Console) -> None:
    """Print what has changed since a baseline, if one was given."""
    if "changes" in document:
        changes = [f"  {told(change)}" for change in document["changes"]]
        target.print(Text("\n".join(["", "since the baseline:", *(changes or ["  nothing has changed"])])))


def print_table(
    header: Sequence[str], rows: Iterable[Sequence[str | Text]], target: Console, right: Iterable[int] = ()
) -> None:
    """A table without lines; if it is too wide, long names of the first column continue on a second line."""
    filled = [list(row) for row in rows]
    table = _table(header, filled, right)
    excess = (
        Measurement.get(target, target.options.update(max_width=_UNLIMITED), table).maximum - target.width
    )
    if excess > 0:
        widest = max(len(row[0]) for row in filled)
        for row in filled:
            row[0] = _split(str(row[0]), widest - excess)
        table = _table(header, filled, right)
    with target.capture() as printed:
        target.print(table)
    target.file.writelines(f"{line.rstrip()}\n" for line in printed.get().splitlines())


def _table(header: Sequence[str], rows: Iterable[Sequence[str | Text]], right: Iterable[int]) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    for position, name in enumerate(header):
        table.add_column(name, justify="right" if position in right else "left", vertical="top", no_wrap=True)
    for row in rows:
        table.add_row(
            *(Text(cell) if isinstance(cell, str) else cell for cell in row)
        )  # "[x, h]" is no markup
    return table


def _split(name: str, width: int) -> str:
    """A dotted name in lines of at most ``width``, broken behind dots, the later ones indented."""
    if len(name) <= width:
        return name
    dot = name.rfind(".", 0, width) + 1
    return f"{name[:dot]}\n  {name[dot:]}" if dot else name


def _cells(row: Row, differentiated: bool) -> list[str | Text]:
    hidden, cell, gradient = row.difference("hidden"), row.difference("cell"), row.gradient
    of_gradients = (f"{gradient.absolute:.1e}", _short(gradient.noise)) if gradient else ("-", "-")
    return [
        row.target.label,
        row.version.partition("+")[0],
        row.target.live.environment,
        f"{hidden.absolute:.1e}" if hidden else "-",
        f"{cell.absolute:.1e}" if cell else "-",
        _short(hidden.noise) if hidden else "-",
        _short(cell.noise) if cell else "-",
        *(of_gradients if differentiated else ()),
        "-" if row.first_step is None else str(row.first_step),
        Text(row.verdict, style=_STYLES.get(row.verdict, "bold red")),
    ]


def _short(noise: float) -> str:
    """At most five characters: ``0.83``, ``17.2``, ``3e+05``."""
    return f"{noise:.0e}" if noise >= 1e4 else f"{noise:.3g}"
