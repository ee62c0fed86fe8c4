"""A document as Markdown: the table for a job summary, and why what does not agree does not."""

import re
from collections.abc import Iterator
from typing import Any

from rnnparity.printable import one_line
from rnnparity.report import cause_text
from rnnparity.report.json_document import Document
from rnnparity.report.phrases import (
    PUBLISHED,
    PUBLISHED_NOTE,
    case_line,
    cells,
    columns,
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
    header = columns(document)
    yield f"| {' | '.join(header)} |"
    yield "| --- | --- | --- | --- |" + " ---: |" * (len(header) - 4)
    for row in document["rows"]:
        api, verdict, *rest = cells(row, document)
        marked = f"{'⚪' if row['source'] else _MARKS.get(verdict, '❌')} {verdict}"
        yield f"| {' | '.join((_code(api), marked, *map(_escaped, rest)))} |"
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
    yield f"**{_code(key(row))}** {row['verdict']}: {_escaped(row['reason'])}"
    for cause in row["causes"]:
        yield ""
        sentence, *more = cause_text.told(cause)
        yield f"- **{_escaped(sentence)}**"
        yield from (f"  - {_escaped(line)}" for line in more)
    if "command" in row:
        yield ""
        fence = "`" * (1 + max([2, *map(len, re.findall("`+", row["command"]))]))
        yield from (fence, one_line(row["command"]), fence)


_MARKUP = re.compile(r"([\\`|*_<>\[\]])")
_IN_CODE = re.compile(r"[\\`|<>]")
"""What Markdown would take for its own, and what code between backticks had better not have: HTML, and the
ends of code and of cells.
"""


def _code(text: str) -> str:
    """A name as code, unless there is something in it that would end the code, or be HTML without it."""
    return _MARKUP.sub(r"\\\1", text) if _IN_CODE.search(text) else f"`{text}`"


def _escaped(text: str) -> str:
    """Without what Markdown would take for its own, but for code between backticks."""
    parts = " ".join(text.split()).split("`")
    if len(parts) % 2 == 0:
        return _MARKUP.sub(r"\\\1", "`".join(parts))
    parts[::2] = (_MARKUP.sub(r"\\\1", part) for part in parts[::2])
    parts[1::2] = map(_code, parts[1::2])
    return "".join(parts)
