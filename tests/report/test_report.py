"""Reports: each form says what the JSON says, and nothing is lost in making it small."""

import json
import re
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import numpy as np
import pytest
from support.command import SMALL
from support.command import run as command
from support.faults import fault

from rnnparity import Case, Result
from rnnparity.cli import commands
from rnnparity.diagnosis.causes import Cause
from rnnparity.diagnosis.findings import Unknown
from rnnparity.judge import compare, comparison, differences
from rnnparity.judge.comparison import Comparison, Difference
from rnnparity.live.result import Row, Run
from rnnparity.report import json_document
from rnnparity.report.charts import POINTS
from rnnparity.report.write import FILES, write

LIMIT_OF_SIZE = 10_000_000


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
    zeros, noise = np.zeros_like(errors), np.full_like(errors, np.sqrt(0.5))
    (difference,) = compare.compare_recorded(errors, zeros, noise, "hidden").differences
    assert difference.heat is not None
    assert difference.heat.noise.max() == pytest.approx(errors.max())
    assert max(difference.heat.noise.shape) <= differences.HEAT_CELLS
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
    assert len(table) == 2 + 5
    assert {line.count("|") for line in table} == {10}
    assert r"a@b: agree, now diverge: \</script\>\<b\>\|\*" in text
    swapped = lines.index(next(line for line in lines if line.startswith("**`faults.SwapInBoth@numpy`**")))
    assert lines[swapped + 2].startswith("- **gate-order (confirmed): ")
    assert lines[swapped + 4] == (
        r"  - to remove it: in faults.SwapInBoth as given, reorder the gate blocks of `kernel` (axis 1) and "
        r"`bias` (axis 0): take blocks \[2, 1, 0, 3\]"
    )
    assert lines[swapped + 7 : swapped + 10] == [
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


def test_what_a_cause_says_is_no_markup(tmp_path: Path, case: Case) -> None:
    cause = Cause(
        (Unknown(None),), "suspect", np.inf, np.inf, detail="<b> `b*` *c*", fix="`<i>` & `x` [d] ` e"
    )
    run = Run(0, "loaded", Comparison(comparison.DIVERGE, "made up"), causes=(cause,))
    row = Row(fault("Sound"), "1", "3", comparison.DIVERGE, "made up", (run,))
    write(json_document.full(Result((case,), (row,), "float32"), []), tmp_path)
    page, text = ((tmp_path / name).read_text("utf-8") for name in ("report.html", "report.md"))
    (shown,) = re.findall(r'<ul class="causes".*?</ul>', page, re.DOTALL)
    assert "<b>" not in shown
    assert "<code>&lt;i&gt;</code> &amp; <code>x</code> [d]" in shown
    assert "to find out" in shown
    assert r"- **unknown: \<b\> `b*` \*c\***" in text
    assert r"to find out: \`\<i\>\` & \`x\` \[d\] \` e" in text


@pytest.mark.slow
def test_even_the_worst_case_is_small(worst_case: Path) -> None:
    assert {path.name for path in worst_case.iterdir()} == set(FILES)
    assert max((worst_case / name).stat().st_size for name in FILES) < LIMIT_OF_SIZE


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
