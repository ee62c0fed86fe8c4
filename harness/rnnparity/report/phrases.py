"""What every form of a report says in the same words."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from rnnparity.diagnosis.causes import CONFIRMED
from rnnparity.diagnosis.findings import UNKNOWN
from rnnparity.judge import comparison
from rnnparity.reference.network_case import NetworkForm
from rnnparity.report.json_document import Document
from rnnparity.report.numbers import shown
from rnnparity_adapters.kinds import GATE_NAMES, KINDS

COLUMNS = (
    "api", "verdict", "version", "environment", "hidden", "cell", "hidden noise", "cell noise", "step",
)  # fmt: skip
"""The columns of the table, of which those from the fifth on are numbers."""
GRADIENT_COLUMNS = ("gradient", "gradient noise")
"""More of them, where gradients were asked for."""


def columns(document: Document) -> tuple[str, ...]:
    """The columns of the table of a document."""
    return COLUMNS + (GRADIENT_COLUMNS if document["case"]["gradients"] else ())


def label(row: dict[str, Any]) -> str:
    """What a row is called, ``keras.layers.LSTM(sigmoid)``."""
    values = ", ".join(map(str, row["options"].values()))
    return f"{row['api']}({values})" if values else str(row["api"])


def key(row: dict[str, Any]) -> str:
    """What a row is called in full, ``keras.layers.LSTM(sigmoid)@tf1``."""
    return f"{label(row)}@{row['environment']}"


def cells(row: dict[str, Any], document: Document) -> tuple[str, ...]:
    """The cells of one row of the table, in the order of :func:`columns`."""
    hidden, cell, gradient = row["hidden"], row["cell"], row["gradient"]
    of_gradients = (figure(gradient, "difference", ".1e"), figure(gradient, "noise", ".3g"))
    return (
        label(row), row["verdict"], row["version"], row["environment"],
        figure(hidden, "difference", ".1e"), figure(cell, "difference", ".1e"),
        figure(hidden, "noise", ".3g"), figure(cell, "noise", ".3g"),
        "-" if row["first_step"] is None else str(row["first_step"]),
        *(of_gradients if document["case"]["gradients"] else ()),
    )  # fmt: skip


def figure(difference: dict[str, Any] | None, name: str, form: str) -> str:
    """A figure of a difference; a dash where there is none."""
    if difference is None:
        return "-"
    return shown(difference[name], form)


def summary(document: Document) -> str:
    """``20 apis: 19 agree, 1 diverge``; published equations, if there are any, are counted by themselves."""
    apis = [row["verdict"] for row in document["rows"] if not row["source"]]
    published = [row["verdict"] for row in document["rows"] if row["source"]]
    counted = (_counted("api", apis), _counted("published equation", published))
    return "; ".join(filter(None, counted))


def _counted(what: str, verdicts: list[str]) -> str:
    """How many there are of each verdict; empty if there are none at all."""
    if not verdicts:
        return ""
    number = f"{len(verdicts)} {what}{'s' * (len(verdicts) != 1)}"
    return f"{number}: " + ", ".join(f"{count} {verdict}" for verdict, count in Counter(verdicts).items())


def case_line(document: Document) -> str:
    """What was run: kind of cell, seeds, sizes, arithmetic."""
    case = document["case"]
    seeds = case["seeds"]
    drawn = f"seed {seeds[0]}" if len(seeds) == 1 else f"seeds {seeds[0]} to {seeds[-1]}"
    kind = KINDS[case["cell"]]
    forget_bias = f", forget bias {case['forget_bias']:g}" if "f" in kind.gates else ""
    form = str(NetworkForm(**{name: case[name] for name in NetworkForm._fields if name in case}))
    return (
        f"{kind.title}, {drawn}, B={case['batch']} T={case['steps']} I={case['input_size']} "
        f"U={case['units']} {case['arithmetic']}{forget_bias}{form and f', {form}'}"
    )


_TOLD = {
    "worse": "{api}: {was}, now {now}",
    "better": "{api}: {was}, now {now}",
    "gone": "{api}: no longer run, was {was}",
    "new": "{api}: new, {now}",
    "case": "another case, whose figures cannot be compared: {was}, now {now}",
    "version": "{api}: version {was}, now {now}",
    "noise": "{api}: {was} noise units, now {now}",
}


def told(change: dict[str, str]) -> str:
    """A change since a baseline in words."""
    return _TOLD[change["kind"]].format(**change)


PUBLISHED = "Which printed equation is it?"
PUBLISHED_NOTE = (
    "describes: with the same weights and inputs, it computes what these apis do, within the noise;\n"
    "otherwise: the first step at which it does not, the largest difference in noise units, and why"
)

_APART = "not compared, for they did not run or do not agree with the reference"


def published_table(document: Document) -> tuple[list[str], list[list[list[str]]]]:
    """Header and rows of the matrix; each cell is a list of lines."""
    names = {key(row): label(row) for row in document["rows"]}
    found = document["published"]
    header = ["published equation", *(column["function"] for column in found["columns"])]
    rows = [
        [[names[line["api"]].removeprefix("published.")], *(list(_said_of(cell)) for cell in line["cells"])]
        for line in found["rows"]
    ]
    return header, rows


def published_apis(document: Document) -> list[tuple[str, list[str]]]:
    """Each column's function, and the apis that compute it, with their versions."""
    named = {key(row): f"{label(row)} {row['version'].partition('+')[0]}" for row in document["rows"]}
    said = [
        (column["function"], list(dict.fromkeys(named[api] for api in column["apis"])))
        for column in document["published"]["columns"]
    ]
    apart = [named[api] for api in document["published"]["apart"]]
    return [*said, *([(_APART, apart)] if apart else [])]


def _said_of(cell: dict[str, Any]) -> Iterator[str]:
    """What a cell says, in lines."""
    if cell["verdict"] == comparison.AGREE:
        yield "describes"
        return
    if cell["verdict"] != comparison.DIVERGE or cell["first_step"] is None:
        yield cell["verdict"]
    else:
        noise = cell["noise"]
        yield f"step {cell['first_step']}: {noise if isinstance(noise, str) else format(noise, '.0e')}"
    for cause in cell["causes"][:1]:
        if cause["id"] == UNKNOWN:
            gates = ", ".join(GATE_NAMES[gate] for gate in cell["gates"])
            yield f"unknown, in the {gates}" if gates else "unknown"
        else:
            doubt = "" if cause["status"] == CONFIRMED else "?"
            yield from f"{cause['id']}{doubt}".replace(" + ", "\n+ ").split("\n")
