"""Checked recordings, for a person and as JSON."""

from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.text import Text

from rnnparity import __version__
from rnnparity.diagnosis.causes import Cause
from rnnparity.judge import comparison
from rnnparity.printable import one_line
from rnnparity.recordings.check import Check
from rnnparity.reference.noise import LIMIT
from rnnparity.report.cause_text import lines, objects
from rnnparity.report.numbers import number


def print_check(check: Check, target: Console) -> None:
    """Print the verdict in a sentence and, of a divergence, its causes with evidence and fix."""
    recording = check.recording
    version = f" {recording.version}" if recording.version else ""
    target.print(Text(f"{one_line(check.file)}: {recording.api}{version} {check.verdict}{_size(check)}"))
    if check.verdict != comparison.AGREE and check.comparison.reason:
        target.print(Text(f"    {check.comparison.reason}"))
    print_causes(check.causes, target)


def print_causes(found: Iterable[Cause], target: Console) -> None:
    """Print each cause, its first sentence in bold."""
    for line in lines(found):
        target.print(Text(f"    {line}", style="" if line.startswith(" ") else "bold"))


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
        "causes": objects(check.causes),
    }


def _size(check: Check) -> str:
    hidden = comparison.worst(check.comparison.differences, "hidden")
    within = "" if check.recording.lengths is None else "within the lengths "
    return f", {within}hidden {hidden.absolute:.1e}, {hidden.noise:.3g} times the noise" if hidden else ""
