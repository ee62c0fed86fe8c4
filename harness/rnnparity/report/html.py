"""A document as one HTML page that needs nothing else: text, table, data and the library that draws it."""

import base64
import gzip
import json
import re
from collections.abc import Iterable
from html import escape
from importlib import resources
from string import Template
from typing import Any

from rnnparity.report import cause_text
from rnnparity.report.json_document import Document
from rnnparity.report.numbers import shown
from rnnparity.report.phrases import (
    PUBLISHED,
    PUBLISHED_NOTE,
    case_line,
    cells,
    columns,
    key,
    label,
    published_apis,
    published_table,
    summary,
    told,
)
from rnnparity_adapters.kinds import GATE_NAMES

_FIRST_NUMBER = 4
_WEIGHTS = {"loaded": "with the case's weights", "own": "with weights that the framework initialised"}


def text(document: Document) -> str:
    """The document as a page, which carries the document too: its charts are drawn from that."""
    from plotly.offline import get_plotlyjs

    rows = document["rows"]
    return Template(_file("page.html")).substitute(
        summary=escape(summary(document)),
        case=escape(case_line(document)),
        table=_table(document),
        published=_published(document),
        changes=_changes(document),
        rows="\n".join(_row(number, row, document) for number, row in enumerate(rows)),
        limit=f"{document['noise_limit']:g}",
        version=escape(document["rnnparity"]),
        platform=escape(document.get("platform", "")),
        style=_file("page.css"),
        data=packed(document),
        library=get_plotlyjs(),
        script=_file("page.js"),
    )


def packed(document: Document) -> str:
    """JSON, gzip, base64: a third of the size, and nothing in it that HTML could misread."""
    text = json.dumps(document, separators=(",", ":"), allow_nan=False)
    return base64.b64encode(gzip.compress(text.encode("utf-8"), mtime=0)).decode("ascii")


def _file(name: str) -> str:
    return (resources.files("rnnparity.report") / name).read_text("utf-8")


def _table(document: Document) -> str:
    header = "".join(
        f'<th scope="col"{_number(position)}>{name}</th>' for position, name in enumerate(columns(document))
    )
    body = "\n".join(_table_row(number, row, document) for number, row in enumerate(document["rows"]))
    return f"<thead><tr>{header}</tr></thead>\n<tbody>\n{body}\n</tbody>"


def _table_row(number: int, row: dict[str, Any], document: Document) -> str:
    name, verdict, *rest = cells(row, document)
    values = "".join(
        f"<td{_number(position)}>{escape(value)}</td>" for position, value in enumerate(rest, start=2)
    )
    link = f'<a href="#row-{number}">{_breakable(name)}</a>'
    return f'<tr><th scope="row">{link}</th><td>{_badge(verdict)}</td>{values}</tr>'


def _number(position: int) -> str:
    return ' class="number"' if position >= _FIRST_NUMBER else ""


def _badge(verdict: str) -> str:
    return f'<span class="verdict {verdict}">{verdict}</span>'


def _breakable(name: str) -> str:
    """A dotted name that may continue on a new line behind each dot."""
    return escape(name).replace(".", ".<wbr>").replace("(", "<wbr>(")


def _published(document: Document) -> str:
    """Which published equation describes which apis."""
    if not document.get("published", {}).get("columns"):
        return ""
    header, rows = published_table(document)
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in header)
    body = "\n".join(
        f'<tr><th scope="row">{_lines(name)}</th>{"".join(f"<td>{_lines(cell)}</td>" for cell in cells)}</tr>'
        for name, *cells in rows
    )
    listed = "".join(
        f"<li>{escape(function)}: {escape(', '.join(names))}</li>"
        for function, names in published_apis(document)
    )
    return (
        f'<section aria-labelledby="published"><h2 id="published">{PUBLISHED}</h2>\n'
        '<div class="scroll" tabindex="0" role="region" aria-labelledby="published"><table>\n'
        f"<caption><span>{escape(PUBLISHED_NOTE)}</span></caption>\n"
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>\n<ul>{listed}</ul></section>"
    )


def _lines(cell: Iterable[str]) -> str:
    return "<br>".join(map(escape, cell))


def _changes(document: Document) -> str:
    if "changes" not in document:
        return ""
    said = "".join(f"<li>{escape(told(change))}</li>" for change in document["changes"])
    listed = f"<ul>{said}</ul>" if said else "<p>Nothing has changed.</p>"
    return f'<section aria-labelledby="changes"><h2 id="changes">Since the baseline</h2>{listed}</section>'


def _row(number: int, row: dict[str, Any], document: Document) -> str:
    """Everything about one api; open from the start where it does not agree."""
    parts = [
        f"<p>{escape(row['reason'])}</p>" if row["reason"] else "",
        _why(row["causes"]),
        _facts(row, document),
        *(_run(number, position, row, run) for position, run in enumerate(row["runs"]) if "curves" in run),
        f"<h4>Log</h4><pre>{escape(row['log'])}</pre>" if row["log"] else "",
    ]
    opened = "" if row["verdict"] == "agree" else " open"
    heading = f"<h3>{_breakable(label(row))}</h3> <span>{escape(row['environment'])}</span>"
    inner = "\n".join(filter(None, parts))
    return (
        f'<details class="row" id="row-{number}"{opened}>'
        f"<summary>{heading} {_badge(row['verdict'])}</summary>\n{inner}\n</details>"
    )


def _why(found: Iterable[dict[str, Any]]) -> str:
    listed = "".join(f"<li>{_cause(cause)}</li>" for cause in found)
    return f'<h4>Why</h4><ul class="causes" role="list">{listed}</ul>' if listed else ""


def _cause(cause: dict[str, Any]) -> str:
    known = cause_text.status(cause)
    badge = f' <span class="verdict {known}">{known}</span>' if known else ""
    facts = {
        "with this change": cause_text.evidence(cause, "from {} to {}"),
        cause_text.purpose(cause): cause["fix"],
        "or instead": cause["instead"],
        "other explanations": cause["note"],
    }
    return f"<p><strong>{cause['id']}</strong>{badge} {_code(cause['detail'])}</p>{_listed(facts)}"


def _listed(facts: dict[str, str]) -> str:
    """A list of terms and what is known of each; terms of which nothing is known are left out."""
    parts = (f"<div><dt>{name}</dt><dd>{_code(value)}</dd></div>" for name, value in facts.items() if value)
    return f"<dl>{''.join(parts)}</dl>"


def _code(text: str) -> str:
    """Text in which backticks enclose code."""
    return re.sub("`([^`]+)`", r"<code>\1</code>", escape(text))


def _facts(row: dict[str, Any], document: Document) -> str:
    environment = document.get("environments", {}).get(row["environment"], {})
    gates = dict.fromkeys(gate for run in row["runs"] for gate in run["gates"])
    facts = {
        "gates at fault": ", ".join(f"{gate} ({GATE_NAMES[gate]})" for gate in gates),
        "version": row["version"],
        "Python": row["python"],
        "environment": ", ".join(environment.get("requirements", ())),
    }
    command = row.get("command")
    again = f'<pre class="command" tabindex="0">{escape(command)}</pre>' if command else ""
    return f"{_listed(facts)}{again}"


def _run(number: int, position: int, row: dict[str, Any], run: dict[str, Any]) -> str:
    """The charts of one run; the script fills them when they come into view."""
    heading = f"<h4>Seed {run['seed']}, {_WEIGHTS[run['direction']]}</h4>"
    curves = _figure(number, position, "curves", 0, f"Error by step of {key(row)}. {_said(run)}")
    maps = [
        _figure(number, position, "heatmaps", k, f"Error of {name} by step and unit.")
        for k, name in enumerate(heatmap["observed"] for heatmap in run.get("heatmaps", ()))
    ]
    return heading + curves + (f'<div class="maps">{"".join(maps)}</div>' if maps else "")


def _figure(number: int, run: int, kind: str, which: int, alternative: str) -> str:
    where = f'data-row="{number}" data-run="{run}" data-kind="{kind}" data-which="{which}"'
    return (
        f'<figure class="chart" {where}>'
        f'<div class="plot" tabindex="0" role="img" aria-label="{escape(alternative)}"></div>'
        "<details><summary>Data</summary></details></figure>"
    )


def _said(run: dict[str, Any]) -> str:
    """The largest error of each curve, for who does not see them."""
    noises = {difference["observed"]: difference["noise"] for difference in run["differences"]}
    said = (
        f"{curve['observed'].replace('_', ' ')} at most {shown(noises[curve['observed']])} noise units"
        for curve in run["curves"]
    )
    return "; ".join(said) + "."
