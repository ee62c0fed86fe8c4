"""What every form of a report says in the same words."""

from collections import Counter
from typing import Any

from rnnparity.report.figures import shown
from rnnparity.report.json_report import Document

COLUMNS = (
    "api", "verdict", "version", "environment", "hidden", "cell", "hidden noise", "cell noise", "step",
)  # fmt: skip
"""Of the table; those from the fifth on are numbers."""


def label(row: dict[str, Any]) -> str:
    """``keras.layers.LSTM(sigmoid)``."""
    values = ", ".join(map(str, row["options"].values()))
    return f"{row['api']}({values})" if values else str(row["api"])


def key(row: dict[str, Any]) -> str:
    """``keras.layers.LSTM(sigmoid)@tf1``."""
    return f"{label(row)}@{row['environment']}"


def cells(row: dict[str, Any]) -> tuple[str, ...]:
    """A row of the table."""
    hidden, cell = row["hidden"], row["cell"]
    return (
        label(row), row["verdict"], row["version"], row["environment"],
        figure(hidden, "difference", ".1e"), figure(cell, "difference", ".1e"),
        figure(hidden, "noise", ".3g"), figure(cell, "noise", ".3g"),
        "-" if row["first_step"] is None else str(row["first_step"]),
    )  # fmt: skip


def figure(difference: dict[str, Any] | None, name: str, form: str) -> str:
    """A figure of a difference; a dash where there is none."""
    if difference is None:
        return "-"
    return shown(difference[name], form)


def summary(document: Document) -> str:
    """``20 apis: 19 agree, 1 diverge``."""
    counted = Counter(row["verdict"] for row in document["rows"])
    number = len(document["rows"])
    apis = "1 api" if number == 1 else f"{number} apis"
    return f"{apis}: " + ", ".join(f"{count} {verdict}" for verdict, count in counted.items())


def case_line(document: Document) -> str:
    """What was run."""
    case = document["case"]
    seeds = case["seeds"]
    drawn = f"seed {seeds[0]}" if len(seeds) == 1 else f"seeds {seeds[0]} to {seeds[-1]}"
    return (
        f"{case['cell'].upper()}, {drawn}, B={case['batch']} T={case['steps']} I={case['input_size']} "
        f"U={case['units']} {case['arithmetic']}, forget bias {case['forget_bias']:g}"
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
