"""Published equations beside the apis that run, as JSON."""

from typing import Any

from rnnparity.live.published_matrix import Column, Line
from rnnparity.live.result import Result, Row
from rnnparity.report import cause_text
from rnnparity.report.numbers import number
from rnnparity_adapters.equation import Equation

Document = dict[str, Any]


def of_result(result: Result) -> Document:
    """The matrix as JSON, under the name of its field; empty where no published equation was asked for."""
    found = result.published
    if not found.lines:
        return {}
    columns = [_column(column, result.cases[0].equation) for column in found.columns]
    apart = [row.target.key for row in found.apart]
    return {"published": {"columns": columns, "rows": [_line(line) for line in found.lines], "apart": apart}}


def _column(column: Column, plain: Equation) -> Document:
    equation = column.equation
    activations = ("recurrent_activation", "activation")
    said = [str(getattr(equation, name)) for name in activations]
    said += [
        f"{name} {value}"
        for name, value in vars(equation).items()
        if name not in activations and value != getattr(plain, name)
    ]
    apis = [row.target.key for row in column.rows]
    return {"function": ", ".join(said), "equation": vars(equation), "apis": apis}


def _line(line: Line) -> Document:
    cells = [_cell(cell) for cell in line.cells]
    return {"api": line.row.target.key, "source": line.row.target.api.source, "cells": cells}


def _cell(cell: Row) -> Document:
    noises = [found.noise for state in ("hidden", "cell") if (found := cell.difference(state))]
    gates = dict.fromkeys(gate for run in cell.runs for gate in run.comparison.gates)
    return {
        "verdict": cell.verdict,
        "reason": cell.reason,
        "first_step": cell.first_step,
        "noise": number(max(noises)) if noises else None,
        "gates": list(gates),
        "causes": cause_text.objects(cell.causes),
    }
