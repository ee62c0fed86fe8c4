"""Checked recordings, for a person and as JSON."""

from collections.abc import Iterable, Iterator
from typing import Any

from rich.console import Console
from rich.text import Text

from rnnparity import __version__, compare
from rnnparity.causes import UNKNOWN, Cause
from rnnparity.checking import Check
from rnnparity.noise import LIMIT
from rnnparity.report.charts import number


def print_check(check: Check, target: Console) -> None:
    """One sentence, and for a divergence its causes: the evidence and the change to make."""
    recording = check.recording
    version = f" {recording.version}" if recording.version else ""
    target.print(Text(f"{check.file}: {recording.api}{version} {check.verdict}{_size(check)}"))
    if check.verdict != compare.AGREE and check.comparison.reason:
        target.print(Text(f"    {check.comparison.reason}"))
    print_causes(check.causes, target)


def print_causes(causes: Iterable[Cause], target: Console) -> None:
    """Each cause, its sentence in bold."""
    for cause in causes:
        sentence, *more = told(cause)
        target.print(Text(f"    {sentence}", style="bold"))
        for line in more:
            target.print(Text(f"    {line}"))


def told(cause: Cause) -> Iterator[str]:
    """A cause in a sentence, and below it its evidence, what to do, and what else would explain it."""
    status = "" if cause.id == UNKNOWN else f" ({cause.status})"
    yield f"{cause.id}{status}: {cause.detail}"
    if cause.id != UNKNOWN:
        yield f"  {cause.before:.3g} -> {cause.after:.2g} times the noise (limit {LIMIT:g})"
    if cause.fix:
        yield f"  to remove it: {cause.fix}"
    if cause.note:
        yield f"  {cause.note}"


def document(check: Check) -> dict[str, Any]:
    """A checked recording as an object for JSON."""
    return {
        "rnnparity": __version__,
        "file": check.file,
        "api": check.recording.api,
        "version": check.recording.version,
        "verdict": check.verdict,
        "reason": check.comparison.reason,
        "first_step": check.comparison.first_step,
        "noise_limit": LIMIT,
        "differences": [
            {
                "observed": difference.observed,
                "difference": number(difference.absolute),
                "noise": number(difference.noise),
                "place": difference.place._asdict(),
                "first_step": difference.first_step,
            }
            for difference in check.comparison.differences
        ],
        "causes": causes(check.causes),
    }


def causes(found: Iterable[Cause]) -> list[dict[str, Any]]:
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
            "note": cause.note,
        }
        for cause in found
    ]


def _size(check: Check) -> str:
    hidden = compare.worst(check.comparison.differences, "hidden")
    return f", hidden {hidden.absolute:.1e}, {hidden.noise:.3g} times the noise" if hidden else ""
