"""The page of a report in a real browser: it draws, it says what the JSON says, and keys reach everything."""

import base64
import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support import needs

if TYPE_CHECKING:
    from support.browser import Page

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def page() -> Iterator["Page"]:
    needs.browser()
    from support.browser import chromium

    with chromium() as page:
        yield page


def open_all(page: "Page") -> int:
    """Open each api and scroll to each chart; how many charts there are."""
    page.ask("document.querySelectorAll('details.row').forEach((row) => { row.open = true; });")
    count = int(page.ask("return document.querySelectorAll('figure.chart').length"))
    for number in range(count):
        chart = f"document.querySelectorAll('figure.chart')[{number}]"
        page.ask(f"{chart}.scrollIntoView()")
        page.wait_for(f"{chart}.querySelector('svg.main-svg')")
    return count


def test_the_page_loads_and_draws_from_disk(page: "Page", folder: Path, document: dict[str, Any]) -> None:
    page.open(folder / "report.html")
    assert open_all(page) == sum(
        bool(run.get("curves")) + len(run.get("heatmaps", []))
        for row in document["rows"]
        for run in row["runs"]
    )
    scales = (
        "return [0, 1].map((row) => document.querySelector(`#row-${row} [data-kind=heatmaps] .plot`).data[0])"
    )
    agreeing, diverging = (scale["zmax"] for scale in page.ask(scales))
    assert (agreeing, diverging > 1) == (0, True)
    assert page.complaints() == []
    assert {url.partition(":")[0] for url in page.requests()} <= {"file", "data", "blob"}


def test_the_page_s_numbers_are_those_of_the_json(
    page: "Page", folder: Path, document: dict[str, Any]
) -> None:
    page.open(folder / "report.html")
    open_all(page)
    carried = page.ask("return document.getElementById('document').textContent")
    assert json.loads(gzip.decompress(base64.b64decode(carried))) == document
    charts = page.ask(
        "return [...document.querySelectorAll('figure.chart')].map((figure) => {"
        " const data = figure.querySelector('.plot').data;"
        " return [{ ...figure.dataset }, data.map((trace) => trace.y), data.map((trace) => trace.text)]; })"
    )
    for where, ys, texts in charts:
        run = document["rows"][int(where["row"])]["runs"][int(where["run"])]
        if where["kind"] == "curves":
            for curve, y, text in zip(run["curves"], ys, texts, strict=True):
                finite = [value for value in curve["noise"] if value != "infinity"]
                assert [v for v, said in zip(y, text, strict=True) if "infinite" not in said] == [
                    value or None for value in finite
                ]
        else:
            heat = run["heatmaps"][int(where["which"])]["noise"]
            said = [[cell.partition(" ")[0] for cell in row] for row in texts[0]]
            numbers = [["infinite" if v == "infinity" else f"{v:.15g}" for v in row] for row in heat]
            assert said == [list(units) for units in zip(*numbers, strict=True)]
    shown = page.ask(
        "return [...document.querySelectorAll('main > section:first-child tbody tr')]"
        ".map((row) => [...row.children].map((cell) => cell.textContent))"
    )
    for cells, row in zip(shown, document["rows"], strict=True):
        assert cells[:2] == [row["api"], row["verdict"]]
        assert cells[6] == ("-" if row["hidden"] is None else f"{row['hidden']['noise']:.3g}")


@pytest.mark.parametrize("width", [1200, 390])
def test_the_page_says_why(page: "Page", folder: Path, width: int) -> None:
    page.open(folder / "report.html", width=width)
    why = (
        "return [...document.querySelectorAll('#row-{} .causes li')].map((cause) => ["
        "cause.querySelector('strong').innerText, cause.querySelector('.verdict').innerText,"
        "[...cause.querySelectorAll('dt, dd, code')].map((part) => part.innerText)])"
    )
    ((id_, status, facts),) = page.ask(why.format(2))
    assert (id_, status) == ("gate-order", "confirmed")
    assert facts[0] == "with this change"
    assert facts[1].startswith("from ")
    assert facts[1].endswith(" times the noise (limit 6)")
    reorder = "reorder the gate blocks of kernel (axis 1) and bias (axis 0): take blocks [2, 1, 0, 3]"
    fix, instead = (
        f"in faults.SwapInBoth as given, {reorder}",
        f"in what ran, before it reads them, {reorder}",
    )
    named = ["kernel", "bias"]
    assert facts[2:] == ["to remove it", fix, *named, "or instead", instead, *named]
    assert page.ask(why.format(0)) == []
    places = "[...document.querySelector('#row-2').children].map((part) => part.className || part.tagName)"
    assert page.ask(f"return {places}")[:5] == ["SUMMARY", "P", "H4", "causes", "DL"]
    edges = "[...document.querySelectorAll('.causes li *')].map((part) => part.getBoundingClientRect().right)"
    assert max(page.ask(f"return {edges}")) < width


def test_data_behind_a_chart(page: "Page", folder: Path, document: dict[str, Any]) -> None:
    page.open(folder / "report.html")
    open_all(page)
    page.ask("document.querySelectorAll('figure details').forEach((data) => { data.open = true; })")
    page.wait_for(f"document.querySelectorAll('figure table').length === {open_all(page)}")
    first = page.ask(
        "const table = document.querySelector('figure table');"
        "return [...table.tBodies[0].rows[0].children].map((cell) => cell.textContent)"
    )
    curves = document["rows"][0]["runs"][0]["curves"]
    assert [float(cell) for cell in first[1:]] == [pytest.approx(c["noise"][0], rel=0.01) for c in curves]


@pytest.mark.parametrize(("kind", "said"), [("curves", "at step"), ("heatmaps", "noise units")])
def test_a_chart_says_what_the_mouse_is_on(page: "Page", folder: Path, kind: str, said: str) -> None:
    page.open(folder / "report.html")
    chart = f"#row-1 figure[data-kind={kind}]"
    page.ask(f"document.querySelector('{chart}').scrollIntoView({{ block: 'center' }})")
    page.wait_for(f"document.querySelector('{chart} svg.main-svg')")
    page.hover(f"{chart} .nsewdrag")
    page.wait_for(f"document.querySelector('{chart} .hoverlayer').textContent.includes('{said}')")


def test_a_chart_says_what_the_keys_are_on(page: "Page", folder: Path) -> None:
    page.open(folder / "report.html")
    for kind in ("curves", "heatmaps"):
        chart = f"#row-1 figure[data-kind={kind}]"
        said = f"document.querySelector('{chart} .hoverlayer').textContent"
        page.ask(f"document.querySelector('{chart}').scrollIntoView({{ block: 'center' }})")
        page.wait_for(f"document.querySelector('{chart} svg.main-svg')")
        page.ask(f"document.querySelector('{chart} .plot').focus()")
        steps = {"curves": "at step {}", "heatmaps": "step {}unit {}"}[kind]
        # The first key goes to the first point; there is none before it, and none below.
        walked = ["RIGHT", "LEFT", "RIGHT", "RIGHT", "UP", "DOWN", "DOWN"]
        places = [(0, 0), (0, 0), (1, 0), (2, 0), (2, 1), (2, 0), (2, 0)]
        for key, place in zip(walked, places, strict=True):
            page.press(key)
            page.wait_for(f"{said}.includes('{steps.format(*place)}')")
        page.press("ESCAPE")
        page.wait_for(f"{said} === ''")
    focused = "return document.activeElement.closest('figure').dataset.which"
    assert page.ask(focused) == "0"
    page.press("TAB")  # the data
    page.press("TAB")
    assert page.ask(focused) == "1"


def test_the_page_on_a_phone_and_in_the_dark(page: "Page", folder: Path) -> None:
    page.open(folder / "report.html", width=390)
    open_all(page)
    assert page.ask("return document.documentElement.scrollWidth") <= 390
    light = page.ask("return document.querySelector('.plot').layout.font.color")
    page.prefer("dark")
    page.wait_for(f"document.querySelector('.plot').layout.font.color !== {json.dumps(light)}")
    assert page.complaints() == []


def test_fifty_apis_of_twenty_thousand_steps_are_soon_there(page: "Page", worst_case: Path) -> None:
    page.open(worst_case / "report.html")
    took = page.ask("return performance.timing.loadEventEnd - performance.timing.navigationStart")
    assert took < 10_000
    assert page.complaints() == []
