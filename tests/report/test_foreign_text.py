"""What others wrote is text in every form of a report, never markup, an escape or a line of its own."""

import io
import json
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from support.faults import fault, named

import rnnparity
from rnnparity import Case, Result
from rnnparity.diagnosis.causes import Cause
from rnnparity.diagnosis.findings import Unknown
from rnnparity.judge import comparison
from rnnparity.judge.comparison import Comparison
from rnnparity.live.result import Row, Run
from rnnparity.report import json_document, junit, markdown
from rnnparity.report.console import console, print_result
from rnnparity.report.write import write

HOSTILE = (
    "<script>alert(1)</script>", "\\<script>", "`<script>`", "``<script>``", "a`<script>", "```\n<script>",
    "| <script> |", "<!-- <script>", "&lt;script&gt;", "\\`<script>`",
    "]]><script>", "\x1b[2J\x00\x07\ud800\ufffe",
)  # fmt: skip


def result_of(text: str, case: Case) -> Result:
    """Somebody's text wherever somebody's text may be: a name, a version, a reason, a cause, a log."""
    cause = Cause((Unknown(None),), "suspect", 1e9, 1e9, detail=text, fix=text)
    run = Run(0, "loaded", Comparison(comparison.DIVERGE, text), causes=(cause,))
    row = Row(named(fault("Sound"), text), text, text, comparison.DIVERGE, text, (run,), text)
    return Result((case,), (row,), "float32")


class Scripts(HTMLParser):
    """How many elements of a page are scripts."""

    count = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.count += tag == "script"


@pytest.mark.parametrize("text", HOSTILE)
def test_no_form_takes_it_for_its_own(text: str, case: Case, tmp_path: Path) -> None:
    result = result_of(text, case)
    write(json_document.full(result, [text], text), tmp_path)
    ElementTree.parse(tmp_path / "junit.xml")
    json.loads((tmp_path / "report.json").read_text("utf-8"))
    page = Scripts()
    page.feed((tmp_path / "report.html").read_text("utf-8"))
    assert page.count == 3  # our own: the document, the library, the page's
    assert no_html((tmp_path / "report.md").read_text("utf-8"))


def no_html(text: str) -> bool:
    """Whether Markdown has no element, but for the cells of our own tables.

    https://spec.commonmark.org/0.31.2/#backslash-escapes: an escaped ``<`` begins none.
    """
    fenced = False
    for line in text.splitlines():
        if line.startswith("```"):
            fenced = not fenced
        elif not fenced:
            unescaped, place = line.replace("<br>", ""), 0
            while (place := unescaped.find("<", place)) >= 0:
                before = unescaped[:place]
                if (len(before) - len(before.rstrip("\\"))) % 2 == 0:
                    return False
                place += 1
    return not fenced


@given(text=st.text(alphabet="<>`\\|*_[]&!-# \nscript/\x1b\x00", max_size=30))
@example(text="`\\<script>`")
@settings(
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
def test_whatever_it_is(text: str, case: Case) -> None:
    document = json_document.full(result_of(text, case), ["--api", text])
    assert no_html(markdown.text(document))
    ElementTree.fromstring(junit.text(document).encode("utf-8", "backslashreplace"))


@pytest.mark.parametrize("name", ["RaisesEscapes", "LongLine"])
def test_a_terminal_gets_no_escapes(name: str, case: Case) -> None:
    stream = io.StringIO()
    print_result(rnnparity.run(case, fault(name)), console(stream))
    assert all(line.isprintable() for line in stream.getvalue().splitlines())
    assert not any(line.startswith("torch.nn.LSTM") for line in stream.getvalue().splitlines())
