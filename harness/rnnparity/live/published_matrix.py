"""Published equations, each compared with every function that an api of the same run computes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rnnparity.judge import comparison
from rnnparity_adapters.equation import Equation
from rnnparity_adapters.worker import LOADED

if TYPE_CHECKING:
    from rnnparity.live.result import Row
    from rnnparity.reference.case import Case
    from rnnparity.reference.network_case import NetworkCase


@dataclass(frozen=True)
class Column:
    """One function: its ``equation`` for the first case, and the ``rows`` of the apis that compute it."""

    equation: Equation
    rows: "tuple[Row, ...]"


@dataclass(frozen=True)
class Line:
    """A published equation: its ``row`` and, in ``cells``, the same row judged by each column's equation.

    Where a cell agrees, the printed equation describes the apis of that column.
    """

    row: "Row"
    cells: "tuple[Row, ...]"


@dataclass(frozen=True)
class Matrix:
    """``lines`` has a line for each published equation, ``columns`` a column for each function.

    ``apart`` are apis in no column: they did not run, or do not compute the equation that they should.
    """

    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    apart: "tuple[Row, ...]"


def matrix(rows: "Iterable[Row]", cases: "Sequence[Case | NetworkCase]") -> Matrix:
    """The matrix of the published equations among ``rows``, for ``cases`` with inputs ``[B, T, I]``."""
    running: list[Row] = []
    published: list[Row] = []
    for row in rows:
        (published if row.target.api.source else running).append(row)
    grouped: dict[tuple[Equation, ...], list[Row]] = {}
    for row in running:
        if row.agree:
            grouped.setdefault(_equations(row, cases), []).append(row)
    lines = (Line(row, tuple(_against(row, equations, cases) for equations in grouped)) for row in published)
    columns = (Column(equations[0], tuple(same)) for equations, same in grouped.items())
    return Matrix(tuple(columns), tuple(lines), tuple(row for row in running if not row.agree))


def _equations(row: "Row", cases: "Sequence[Case | NetworkCase]") -> tuple[Equation, ...]:
    return tuple(row.target.equation(case.equation, row.version) for case in cases)


def _against(row: "Row", equations: tuple[Equation, ...], cases: "Sequence[Case | NetworkCase]") -> "Row":
    """The row as judged by other equations, one for each case, from its runs with the cases' weights."""
    own = _equations(row, cases)
    if equations == own or row.verdict not in _RAN:
        return row
    loaded = [run for run in row.runs if run.direction == LOADED]
    runs = [
        run if equation == mine else run.others[equation]
        for run, equation, mine in zip(loaded, equations, own, strict=True)
    ]
    worst = max((run.comparison for run in runs), key=lambda one: comparison.VERDICTS.index(one.verdict))
    return replace(row, verdict=worst.verdict, reason=worst.reason, runs=tuple(runs))


_RAN = (comparison.AGREE, comparison.CHAOTIC, comparison.DIVERGE, comparison.NONFINITE)
