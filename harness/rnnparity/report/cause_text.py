"""Causes as objects for JSON, and the lines that every form of a report has of them."""

from collections.abc import Iterable, Iterator
from typing import Any

from rnnparity.diagnosis.causes import Cause
from rnnparity.diagnosis.findings import UNKNOWN
from rnnparity.reference.noise import LIMIT
from rnnparity.report.numbers import number, shown


def objects(found: Iterable[Cause]) -> list[dict[str, Any]]:
    """Causes as objects for JSON."""
    return [
        {
            "id": cause.id,
            "detail": cause.detail,
            "status": cause.status,
            "before": number(cause.before),
            "after": number(cause.after),
            "about": dict(cause.about),
            "fix": cause.fix,
            "instead": cause.instead,
            "note": cause.note,
        }
        for cause in found
    ]


def status(cause: dict[str, Any]) -> str:
    """``confirmed`` or ``suspect``; empty for ``unknown``, which is neither."""
    return "" if cause["id"] == UNKNOWN else str(cause["status"])


def evidence(cause: dict[str, Any], form: str = "{} -> {}") -> str:
    """``5.7e+06 -> 0.96 times the noise (limit 6)``; empty for ``unknown``, which changes nothing."""
    if cause["id"] == UNKNOWN:
        return ""
    change = form.format(shown(cause["before"]), shown(cause["after"], ".2g"))
    return f"{change} times the noise (limit {LIMIT:g})"


def purpose(cause: dict[str, Any]) -> str:
    """What the ``fix`` of a cause is for, in words that stand before it."""
    return "to find out" if cause["id"] == UNKNOWN else "to remove it"


def lines(found: Iterable[Cause]) -> Iterator[str]:
    """Each cause in a sentence; indented below it the evidence, what to do, and what else explains it."""
    for cause in objects(found):
        yield from told(cause)


def told(cause: dict[str, Any]) -> Iterator[str]:
    """The lines of one cause, ``forget-bias (confirmed): the forget bias is 0 instead of 1`` the first."""
    known = f" ({status(cause)})" if status(cause) else ""
    yield f"{cause['id']}{known}: {cause['detail']}"
    fix, instead = cause["fix"], cause["instead"]
    to_do = (fix and f"{purpose(cause)}: {fix}", instead and f"or instead: {instead}")
    said = (evidence(cause), *to_do, cause["note"])
    yield from (f"  {line}" for line in said if line)
