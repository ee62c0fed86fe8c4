"""Which printed equation is it? Published equations against each function that running apis compute."""

from dataclasses import dataclass, replace

from rnnparity.judge import compare
from rnnparity.live.result import Result, Row, equation_of
from rnnparity.reference.case import Case
from rnnparity_adapters.equation import Equation
from rnnparity_adapters.registry import Api
from rnnparity_adapters.worker import LOADED


@dataclass(frozen=True)
class Column:
    """One function: its ``equation`` (of the first case), and the ``rows`` of the apis that compute it."""

    equation: Equation
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Line:
    """A published equation: its ``row`` and, for each column, the same row judged by the column's equation.

    Where such a cell agrees, the printed equation describes the apis of the column.
    """

    row: Row
    cells: tuple[Row, ...]


@dataclass(frozen=True)
class Matrix:
    """``lines`` has a line for each published equation. ``apart`` are running apis that are in no column:
    they did not run, or do not compute the equation that they should, so nothing is said of them.
    """

    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    apart: tuple[Row, ...]


def matrix(result: Result) -> Matrix:
    """The published equations of a result against what ran beside them."""
    running = [row for row in result.rows if not row.api.source]
    grouped: dict[tuple[Equation, ...], list[Row]] = {}
    for row in running:
        if row.agree:
            grouped.setdefault(_equations(row.api, result.cases), []).append(row)
    lines = (
        Line(row, tuple(_against(row, equations, result.cases) for equations in grouped))
        for row in result.rows
        if row.api.source
    )
    columns = (Column(equations[0], tuple(rows)) for equations, rows in grouped.items())
    return Matrix(tuple(columns), tuple(lines), tuple(row for row in running if not row.agree))


def _equations(api: Api, cases: tuple[Case, ...]) -> tuple[Equation, ...]:
    return tuple(equation_of(api, case) for case in cases)


def _against(row: Row, equations: tuple[Equation, ...], cases: tuple[Case, ...]) -> Row:
    """The row judged by one equation for each case; unless they are its own, with the cases' weights."""
    own = _equations(row.api, cases)
    if equations == own or row.verdict not in _RAN:
        return row
    loaded = [run for run in row.runs if run.direction == LOADED]
    runs = [
        run if equation == mine else run.others[equation]
        for run, equation, mine in zip(loaded, equations, own, strict=True)
    ]
    worst = max(runs, key=lambda run: compare.VERDICTS.index(run.comparison.verdict)).comparison
    return replace(row, verdict=worst.verdict, reason=worst.reason, runs=tuple(runs))


_RAN = (compare.AGREE, compare.CHAOTIC, compare.DIVERGE, compare.NONFINITE)
