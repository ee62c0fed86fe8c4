"""A result as JSON. The form is described by ``schema.json`` beside this file; its number is ``schema``."""

import json
import platform
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from rnnparity import __version__
from rnnparity.environments.declarations import PINS
from rnnparity.judge.comparison import Difference, GradientDifference
from rnnparity.live.result import Result, Row, Run
from rnnparity.reference.network_case import PLAIN, form_of
from rnnparity.reference.noise import LIMIT
from rnnparity.report import cause_text, published_json
from rnnparity.report.charts import charts as charts_of
from rnnparity.report.numbers import number

SCHEMA = 1
Document = dict[str, Any]


def of_result(result: Result, charts: bool = False) -> Document:
    """The result as an object of dicts, lists, strings and numbers; what is not finite is a string.

    With ``charts``, the runs that a report draws have their curves and heatmaps.
    """
    case = result.cases[0]
    drawn = charts_of if charts else _no_charts
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
            "gradients": result.gradients,
        }
        | _form(result),
        "noise_limit": LIMIT,
        "agree": result.agree,
        "apart": list(result.consensus.apart),
        "rows": [_row(row, drawn(row)) for row in result.rows],
    } | published_json.of_result(result)


def _form(result: Result) -> dict[str, Any]:
    """What is said of a network beside what is said of every case."""
    form = form_of(result.cases[0])
    return {} if form == PLAIN else form._asdict()


def text(document: Document) -> str:
    """A document as text, ending with a newline."""
    return json.dumps(document, indent=1, allow_nan=False) + "\n"


def compact(document: Document) -> str:
    """A document as text, a line for each of its parts: curves are too long for a line for each number."""
    parts = (f"{json.dumps(name)}: {_part(value)}" for name, value in document.items())
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _part(value: object) -> str:
    if not isinstance(value, list):
        return json.dumps(value, allow_nan=False)
    items = (json.dumps(item, allow_nan=False, separators=(",", ":")) for item in value)
    return "[\n" + ",\n".join(items) + "\n]"


def full(result: Result, arguments: Sequence[str], pins: str = "") -> Document:
    """The document of a report: with charts, what ran where, and how to run each row again.

    ``arguments`` are those of ``rnnparity run`` that gave ``result``, but for which apis; ``pins`` are other
    versions than those declared, as :data:`~rnnparity.environments.declarations.PINS` had them.
    """
    made = of_result(result, charts=True)
    made["platform"] = platform.platform()
    made["environments"] = {
        name: {"python": environment.python, "requirements": list(environment.requirements)}
        for name, environment in result.environments.items()
    }
    variables = f"{PINS}={shlex.quote(pins)} " if pins else ""
    for row, said in zip(result.rows, made["rows"], strict=True):
        said["command"] = variables + shlex.join(["rnnparity", "run", "--api", row.target.key, *arguments])
    return made


def _no_charts(row: Row) -> dict[Run, Any]:
    return {}


def _row(row: Row, charts: Mapping[Run, Any]) -> dict[str, Any]:
    return {
        "api": row.target.name,
        "options": dict(row.target.live.options),
        "source": row.target.api.source,
        "environment": row.target.live.environment,
        "version": row.version,
        "python": row.python,
        "verdict": row.verdict,
        "reason": row.reason,
        "first_step": row.first_step,
        "hidden": _difference(row.difference("hidden")),
        "cell": _difference(row.difference("cell")),
        "gradient": _gradient(row.gradient),
        "causes": cause_text.objects(row.causes),
        "runs": [_run(run) | charts.get(run, {}) for run in row.runs],
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
        "gradients": [_gradient(gradient) for gradient in run.comparison.gradients],
    }


def _difference(difference: Difference | None) -> dict[str, Any] | None:
    if difference is None:
        return None
    return {
        "observed": difference.observed,
        "state": difference.state,
        "difference": number(difference.absolute),
        "noise": number(difference.noise),
        "place": difference.place._asdict(),
        "first_step": difference.first_step,
    }


def _gradient(gradient: GradientDifference | None) -> dict[str, Any] | None:
    if gradient is None:
        return None
    return {
        "by": gradient.tensor,
        "difference": number(gradient.absolute),
        "noise": number(gradient.noise),
        "place": list(gradient.place),
        "gates": list(gradient.gates),
        "step": gradient.step,
    }
