"""A result as JSON. The form is described by ``schema.json`` beside this file; its number is ``schema``."""

import json
from typing import Any

from rnnparity import __version__
from rnnparity.compare import Difference
from rnnparity.consensus import consensus
from rnnparity.noise import LIMIT
from rnnparity.report import check
from rnnparity.result import Result, Row, Run

SCHEMA = 1


def document(result: Result) -> dict[str, Any]:
    """The result as an object of dicts, lists, strings and numbers; what is not finite is a string."""
    case = result.cases[0]
    return {
        "schema": SCHEMA,
        "rnnparity": __version__,
        "case": {
            "cell": case.equation.cell,
            "seeds": [case.seed for case in result.cases],
            "batch": case.batch,
            "steps": case.steps,
            "input_size": case.input_size,
            "units": case.units,
            "dtype": case.dtype,
            "forget_bias": case.equation.forget_bias,
            "arithmetic": result.arithmetic,
        },
        "noise_limit": LIMIT,
        "agree": result.agree,
        "apart": list(consensus(result.rows).apart),
        "rows": [_row(row) for row in result.rows],
    }


def text(result: Result) -> str:
    """The document as text, ending with a newline."""
    return json.dumps(document(result), indent=1, allow_nan=False) + "\n"


def _row(row: Row) -> dict[str, Any]:
    return {
        "api": row.api.name,
        "options": row.api.options,
        "environment": row.api.environment,
        "version": row.version,
        "python": row.python,
        "verdict": row.verdict,
        "reason": row.reason,
        "first_step": row.first_step,
        "hidden": _difference(row.difference("hidden")),
        "cell": _difference(row.difference("cell")),
        "causes": check.causes(row.causes),
        "runs": [_run(run) for run in row.runs],
        "log": row.log,
    }


def _run(run: Run) -> dict[str, Any]:
    return {
        "seed": run.seed,
        "direction": run.direction,
        "verdict": run.comparison.verdict,
        "reason": run.comparison.reason,
        "gates": list(run.comparison.gates),
        "differences": [_difference(difference) for difference in run.comparison.differences],
    }


def _difference(difference: Difference | None) -> dict[str, Any] | None:
    if difference is None:
        return None
    return {
        "observed": difference.observed,
        "state": difference.state,
        "difference": _number(difference.absolute),
        "noise": _number(difference.noise),
        "place": difference.place._asdict(),
        "first_step": difference.first_step,
    }


def _number(value: float) -> float | str:
    """JSON has no infinity."""
    return value if value < float("inf") else "infinity"
