"""A document as Markdown: the table for a job summary, and why what does not agree does not."""

import re
from collections.abc import Iterator
from typing import Any

from rnnparity.report import causes
from rnnparity.report.json_report import Document
from rnnparity.report.words import COLUMNS, case_line, cells, key, summary, told

_MARKS = {"agree": "✅", "unsupported": "⚪", "unavailable": "⚪"}


def text(document: Document) -> str:
    """The document as Markdown, ending with a newline."""
    return "\n".join(_lines(document)) + "\n"


def _lines(document: Document) -> Iterator[str]:
    yield f"## rnnparity: {summary(document)}"
    yield ""
    yield case_line(document)
    yield ""
    yield f"| {' | '.join(COLUMNS)} |"
    yield "| --- | --- | --- | --- |" + " ---: |" * (len(COLUMNS) - 4)
    for row in document["rows"]:
        api, verdict, *rest = (cell.replace("|", "\\|") for cell in cells(row))
        marked = f"{_MARKS.get(verdict, '❌')} {verdict}"
        yield f"| {' | '.join((f'`{api}`', marked, *rest))} |"
    for row in document["rows"]:
        if row["verdict"] != "agree":
            yield from _reason(row)
    if "changes" in document:
        yield ""
        yield "### Since the baseline"
        yield ""
        yield from (f"- {_escaped(told(change))}" for change in document["changes"])
        if not document["changes"]:
            yield "Nothing has changed."


def _reason(row: dict[str, Any]) -> Iterator[str]:
    yield ""
    yield f"**`{key(row)}`** {row['verdict']}: {_escaped(row['reason'])}"
    for cause in row["causes"]:
        yield ""
        sentence, *more = causes.told(cause)
        yield f"- **{_escaped(sentence)}**"
        yield from (f"  - {_escaped(line)}" for line in more)
    if "command" in row:
        yield ""
        yield from ("```", row["command"], "```")


def _escaped(text: str) -> str:
    """Without what Markdown would take for its own, but for code between backticks."""
    parts = " ".join(text.split()).split("`")
    if len(parts) % 2 == 0:
        parts = ["\\`".join(parts)]
    parts[::2] = (re.sub(r"([|*_<>\[\]])", r"\\\1", part) for part in parts[::2])
    return "`".join(parts)
