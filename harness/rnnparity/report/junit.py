"""A document as JUnit XML: a test case for each row, for what reads such files."""

import re
from typing import Any
from xml.etree import ElementTree

from rnnparity.judge import comparison
from rnnparity.report.cause_text import told
from rnnparity.report.json_document import Document
from rnnparity.report.phrases import key, label

_FAILURES = (comparison.DIVERGE, comparison.NONFINITE)
_SKIPPED = (comparison.UNAVAILABLE, comparison.UNSUPPORTED)
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""The characters that XML cannot hold, not even escaped."""


def text(document: Document) -> str:
    """The document as XML, ending with a newline."""
    rows = document["rows"]
    counts = {
        "tests": len(rows),
        "failures": sum(_outcome(row) == "failure" for row in rows),
        "errors": sum(_outcome(row) == "error" for row in rows),
        "skipped": sum(_outcome(row) == "skipped" for row in rows),
    }
    suite = ElementTree.Element("testsuite", {"name": "rnnparity"})
    suite.attrib |= {name: str(count) for name, count in counts.items()}
    for row in rows:
        suite.append(_case(row))
    suites = ElementTree.Element("testsuites")
    suites.append(suite)
    ElementTree.indent(suites)
    body = _FORBIDDEN.sub("\ufffd", ElementTree.tostring(suites, encoding="unicode"))
    return f'<?xml version="1.0" encoding="utf-8"?>\n{body}\n'


def _case(row: dict[str, Any]) -> ElementTree.Element:
    case = ElementTree.Element("testcase", classname=f"rnnparity.{row['environment']}", name=label(row))
    outcome = _outcome(row)
    if outcome:
        said = ElementTree.SubElement(case, outcome, type=row["verdict"], message=row["reason"])
        why = [line for cause in row["causes"] for line in told(cause)]
        lines = [f"{key(row)} {row['version']}: {row['reason']}", *why, row.get("command", "")]
        said.text = "\n".join(lines)
    if row["log"]:
        ElementTree.SubElement(case, "system-err").text = row["log"]
    return case


def _outcome(row: dict[str, Any]) -> str:
    """The element's name; empty for a row that agrees, and for a published equation, which need not."""
    verdict = row["verdict"]
    if verdict == comparison.AGREE or (row["source"] and verdict == comparison.DIVERGE):
        return ""
    return "failure" if verdict in _FAILURES else "skipped" if verdict in _SKIPPED else "error"
