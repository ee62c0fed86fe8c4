"""A document as Markdown: the table for a job summary, and why what does not agree does not."""

import re
from collections.abc import Iterator
from typing import Any

from rnnparity.report import cause_text
from rnnparity.report.json_document import Document
from rnnparity.report.phrases import (
    COLUMNS,
    PUBLISHED,
    PUBLISHED_NOTE,
    case_line,
    cells,
    key,
    published_apis,
    published_table,
    summary,
    told,
)

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
        marked = f"{'⚪' if row['source'] else _MARKS.get(verdict, '❌')} {verdict}"
        yield f"| {' | '.join((f'`{api}`', marked, *rest))} |"
    for row in document["rows"]:
        if row["verdict"] != "agree":
            yield from _reason(row)
    if document.get("published", {}).get("columns"):
        yield from _published(document)
    if "changes" in document:
        yield ""
        yield "### Since the baseline"
        yield ""
        yield from (f"- {_escaped(told(change))}" for change in document["changes"])
        if not document["changes"]:
            yield "Nothing has changed."


def _published(document: Document) -> Iterator[str]:
    header, rows = published_table(document)
    yield ""
    yield f"### {PUBLISHED}"
    yield ""
    yield f"| {' | '.join(map(_escaped, header))} |"
    yield "| --- |" + " --- |" * (len(header) - 1)
    for row in rows:
        yield f"| {' | '.join('<br>'.join(map(_escaped, cell)) for cell in row)} |"
    yield ""
    for function, apis in published_apis(document):
        yield f"- {_escaped(function)}: {_escaped(', '.join(apis))}"
    yield ""
    yield _escaped(PUBLISHED_NOTE)


def _reason(row: dict[str, Any]) -> Iterator[str]:
    yield ""
    yield f"**`{key(row)}`** {row['verdict']}: {_escaped(row['reason'])}"
    for cause in row["causes"]:
        yield ""
        sentence, *more = cause_text.told(cause)
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
