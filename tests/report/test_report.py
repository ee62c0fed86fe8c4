"""Reports: each form says what the JSON says, nothing is lost in making it small, and a browser shows it."""

import base64
import gzip
import json
import os
import shutil
from collections.abc import Iterator
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import numpy as np
import pytest
from support.browser import Page, chromium
from support.command import SMALL
from support.command import run as command
from support.faults import fault

import rnnparity
from rnnparity import Api, Case, Live, Result
from rnnparity.cli import commands
from rnnparity.diagnosis.causes import Cause
from rnnparity.diagnosis.findings import Unknown
from rnnparity.judge import compare, comparison
from rnnparity.judge.comparison import Comparison, Difference, Heat, Place
from rnnparity.live.result import Row, Run
from rnnparity.report import cause_text, html, json_document, markdown
from rnnparity.report.charts import POINTS
from rnnparity.report.write import FILES, write
from rnnparity_adapters import layouts

FAULTS = ("Sound", "StatesSwapped", "SwapInBoth", "NotFinite", "Raise")
LIMIT_OF_SIZE = 10_000_000


@pytest.fixture(scope="module")
def folder(case: Case, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    result = rnnparity.run(case, [fault(name) for name in FAULTS], keep=False)
    document = json_document.full(result, ["--seed", "7"])
    document["changes"] = [{"kind": "worse", "api": "a@b", "was": "agree", "now": "diverge: </script><b>|*"}]
    write(document, folder)
    return folder


@pytest.fixture(scope="module")
def document(folder: Path) -> dict[str, Any]:
    loaded = json.loads((folder / "report.json").read_text("utf-8"))
    assert isinstance(loaded, dict)
    return loaded


def test_json_follows_its_schema(document: dict[str, Any]) -> None:
    jsonschema.validate(
        document, json.loads((resources.files("rnnparity.report") / "schema.json").read_text("utf-8"))
    )
    swapped = document["rows"][1]
    assert swapped["command"] == "rnnparity run --api faults.StatesSwapped@numpy --seed 7"
    assert document["environments"]["numpy"]["requirements"]
    assert [len(run["curves"]) for run in swapped["runs"]] == [4, 4]
    assert sum("heatmaps" in run for run in swapped["runs"]) == 1
    (drawn,) = (run["heatmaps"] for run in document["rows"][0]["runs"] if "heatmaps" in run)
    assert [heat["observed"] for heat in drawn] == ["hidden", "cell"]
    assert np.max(drawn[0]["noise"]) == pytest.approx(document["rows"][0]["hidden"]["noise"], rel=0.06)


def test_making_it_small_keeps_every_maximum(case: Case) -> None:
    random = np.random.RandomState(3)
    errors = random.exponential(size=(2, 20_011, 131)) ** 3 + 1
    difference = compare._difference("hidden", "hidden", errors, errors)
    assert difference.heat is not None
    assert difference.heat.noise.max() == errors.max()
    assert max(difference.heat.noise.shape) <= compare.HEAT_CELLS
    row = Row(fault("Sound"), "1", "3", comparison.DIVERGE, "", (run_of(difference),))
    (drawn,) = json_document.of_result(Result((case,), (row,), "float32"), charts=True)["rows"][0]["runs"]
    (curve,), (heat,) = drawn["curves"], drawn["heatmaps"]
    assert len(curve["noise"]) <= POINTS
    for name, array, width in (
        ("curve", errors.max(axis=(0, 2)), curve["steps_per_point"]),
        ("heat", errors.max(axis=(0, 2)), heat["steps_per_cell"]),
    ):
        points = curve["noise"] if name == "curve" else np.max(heat["noise"], axis=1)
        for k, point in enumerate(points):
            assert point == pytest.approx(array[k * width : (k + 1) * width].max(), rel=0.06)
    cells = errors.max(axis=0)[: heat["steps_per_cell"], : heat["units_per_cell"]]
    assert heat["noise"][0][0] == pytest.approx(cells.max(), rel=0.06)


def run_of(difference: Difference, seed: int = 0) -> Run:
    return Run(seed, "loaded", Comparison(comparison.DIVERGE, "made up", (difference,)))


def test_markdown(folder: Path) -> None:
    text = (folder / "report.md").read_text("utf-8")
    lines = text.splitlines()
    assert lines[0] == "## rnnparity: 5 apis: 1 agree, 2 diverge, 1 nonfinite, 1 failed"
    table = [line for line in lines if line.startswith("|")]
    assert len(table) == 2 + len(FAULTS)
    assert {line.count("|") for line in table} == {10}
    assert r"a@b: agree, now diverge: \</script\>\<b\>\|\*" in text
    swapped = lines.index(next(line for line in lines if line.startswith("**`faults.SwapInBoth@numpy`**")))
    assert lines[swapped + 2].startswith("- **gate-order (confirmed): ")
    assert (
        lines[swapped + 4]
        == r"  - to remove it: reorder the gate blocks of `kernel` and `bias`: take blocks \[2, 1, 0, 3\]"
    )
    assert lines[swapped + 6 : swapped + 9] == [
        "```",
        "rnnparity run --api faults.SwapInBoth@numpy --seed 7",
        "```",
    ]


def test_junit(folder: Path) -> None:
    suite = ElementTree.parse(folder / "junit.xml").getroot()[0]
    assert suite.attrib == {"name": "rnnparity", "tests": "5", "failures": "3", "errors": "1", "skipped": "0"}
    outcomes = {case.get("name"): [element.tag for element in case] for case in suite}
    assert outcomes["faults.Sound"] == []
    assert outcomes["faults.NotFinite"] == ["failure"]
    assert outcomes["faults.Raise"] == ["error", "system-err"]
    said = suite.findtext("testcase[@name='faults.SwapInBoth']/failure")
    assert said is not None
    assert said.splitlines()[1].startswith("gate-order (confirmed): ")


class Outline(HTMLParser):
    """Each element, and what refers to what."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_the_page_makes_sense_without_eyes(folder: Path) -> None:
    outline = Outline()
    outline.feed((folder / "report.html").read_text("utf-8"))
    tags = [tag for tag, _ in outline.found]
    assert tags.count("h1") == tags.count("main") == tags.count("caption") == 1
    ids = {values.get("id") for _, values in outline.found}
    for tag, values in outline.found:
        assert values.get("aria-labelledby", next(iter(ids))) in ids
        if tag == "a":
            assert str(values["href"]).removeprefix("#") in ids
        if tag == "th":
            assert values["scope"] in ("row", "col")
        if values.get("role") == "img":
            assert len(str(values["aria-label"])) > 20
        assert "src" not in values
        assert tag != "link" or values["href"] == "data:,"


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    """A real browser; it is missing nowhere in continuous integration."""
    if not shutil.which("chromedriver"):
        missing = pytest.fail if os.environ.get("CI") else pytest.skip
        missing("install chromium and chromium-driver to test reports")
    with chromium() as page:
        yield page


def open_all(page: Page) -> int:
    """Open each api and scroll to each chart; how many charts there are."""
    page.ask("document.querySelectorAll('details.row').forEach((row) => { row.open = true; });")
    count = int(page.ask("return document.querySelectorAll('figure.chart').length"))
    for number in range(count):
        chart = f"document.querySelectorAll('figure.chart')[{number}]"
        page.ask(f"{chart}.scrollIntoView()")
        page.wait_for(f"{chart}.querySelector('svg.main-svg')")
    return count


def test_the_page_loads_and_draws_from_disk(page: Page, folder: Path, document: dict[str, Any]) -> None:
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


def test_the_page_s_numbers_are_those_of_the_json(page: Page, folder: Path, document: dict[str, Any]) -> None:
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
def test_the_page_says_why(page: Page, folder: Path, width: int) -> None:
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
    fix = "reorder the gate blocks of kernel and bias: take blocks [2, 1, 0, 3]"
    assert facts[2:] == ["to remove it", fix, "kernel", "bias"]
    assert page.ask(why.format(0)) == []
    places = "[...document.querySelector('#row-2').children].map((part) => part.className || part.tagName)"
    assert page.ask(f"return {places}")[:5] == ["SUMMARY", "P", "H4", "causes", "DL"]
    edges = "[...document.querySelectorAll('.causes li *')].map((part) => part.getBoundingClientRect().right)"
    assert max(page.ask(f"return {edges}")) < width


def test_what_a_cause_says_is_no_markup() -> None:
    cause = Cause((Unknown(None),), "suspect", np.inf, np.inf, detail="<b>", fix="`<i>` & `x`")
    shown = html._cause(cause_text.objects([cause])[0])
    assert "<b>" not in shown
    assert "<code>&lt;i&gt;</code> &amp; <code>x</code>" in shown
    assert "to find out" in shown
    assert markdown._escaped("a `b*` *c* [d]") == r"a `b*` \*c\* \[d\]"
    assert markdown._escaped("a ` *c*") == r"a \` \*c\*"


def test_data_behind_a_chart(page: Page, folder: Path, document: dict[str, Any]) -> None:
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
def test_a_chart_says_what_the_mouse_is_on(page: Page, folder: Path, kind: str, said: str) -> None:
    page.open(folder / "report.html")
    chart = f"#row-1 figure[data-kind={kind}]"
    page.ask(f"document.querySelector('{chart}').scrollIntoView({{ block: 'center' }})")
    page.wait_for(f"document.querySelector('{chart} svg.main-svg')")
    page.hover(f"{chart} .nsewdrag")
    page.wait_for(f"document.querySelector('{chart} .hoverlayer').textContent.includes('{said}')")


def test_a_chart_says_what_the_keys_are_on(page: Page, folder: Path) -> None:
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


def test_the_page_on_a_phone_and_in_the_dark(page: Page, folder: Path) -> None:
    page.open(folder / "report.html", width=390)
    open_all(page)
    assert page.ask("return document.documentElement.scrollWidth") <= 390
    light = page.ask("return document.querySelector('.plot').layout.font.color")
    page.prefer("dark")
    page.wait_for(f"document.querySelector('.plot').layout.font.color !== {json.dumps(light)}")
    assert page.complaints() == []


def test_fifty_apis_of_twenty_thousand_steps(page: Page, case: Case, tmp_path: Path) -> None:
    """The worst case: everything diverges, in every state, in both directions."""
    steps, units = 20_000, 64
    long = Case(
        case.equation,
        case.weights,
        np.zeros((1, steps, 1), "float32"),
        np.zeros((1, units), "float32"),
        np.zeros((1, units), "float32"),
    )
    random = np.random.RandomState(0)

    def difference(name: str) -> Difference:
        heat = Heat(random.lognormal(5, 3, (64, 64)), 313, 1)
        by_step = random.lognormal(5, 3, steps)
        return Difference(name, name, 1.0, 1.0, Place(0, 0, 0), 0, by_step, heat)

    def diverging(direction: str) -> Run:
        differences = tuple(map(difference, ("hidden", "cell", *comparison.LOCAL)))
        return Run(0, direction, Comparison(comparison.DIVERGE, "made up", differences))

    live = Live("numpy", "numpy", "")
    apis = [Api(f"made.up{number}", layouts.CANONICAL, live=(live,)) for number in range(50)]
    rows = tuple(
        Row(api.targets[0], "1", "3", comparison.DIVERGE, "made up", tuple(map(diverging, ("loaded", "own"))))
        for api in apis
    )
    write(json_document.full(Result((long,), rows, "float32"), []), tmp_path)
    assert {name: (tmp_path / name).stat().st_size < LIMIT_OF_SIZE for name in FILES} == dict.fromkeys(
        FILES, True
    )
    page.open(tmp_path / "report.html")
    took = page.ask("return performance.timing.loadEventEnd - performance.timing.navigationStart")
    assert took < 10_000
    assert page.complaints() == []


def test_report_and_baseline_of_the_command_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    arguments = ["run", "--api", "numpy.*", *SMALL, "--report", str(tmp_path / "new" / "report")]
    assert command(capsys, *arguments)[0] == commands.ALL_AGREE
    report = tmp_path / "new" / "report"
    assert sorted(path.name for path in report.iterdir()) == sorted(FILES)
    stored = report / "report.json"
    again = json.loads(stored.read_text("utf-8"))["rows"][0]["command"]
    assert again.startswith("rnnparity run --api numpy.lstm_cell@numpy --batch 3 --steps 4")
    status, out, _ = command(capsys, *again.split()[1:], "--baseline", str(stored))
    assert status == commands.ALL_AGREE
    assert "since the baseline:\n  nothing has changed\n" in out


def test_a_folder_that_cannot_be(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    status, out, err = command(capsys, "run", "--report", str(tmp_path / "file" / "x"))
    assert (status, out) == (commands.BAD_INPUT, "")
    assert err.startswith("rnnparity: --report: got ")
