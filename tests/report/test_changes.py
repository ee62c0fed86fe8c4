"""What has changed since a stored run, one planted change each."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import rnnparity
from rnnparity import Case
from rnnparity.errors import InputError
from rnnparity.report import changes, json_document
from rnnparity.report.phrases import told

Document = dict[str, Any]


@pytest.fixture(scope="module")
def document(case: Case) -> Document:
    return json_document.of_result(rnnparity.run(case, "numpy.lstm_cell", keep=False))


def test_nothing(document: Document) -> None:
    assert changes.since(document, document) == []


PLANTED: dict[str, tuple[Callable[[Document], object], str]] = {
    "worse": (
        lambda d: d["rows"][0].update(verdict="diverge", reason="it differs"),
        "numpy.lstm_cell@numpy: agree, now diverge: it differs",
    ),
    "version": (lambda d: d["rows"][0].update(version="9.9"), ", now 9.9"),
    "noise": (lambda d: d["rows"][0]["cell"].update(noise=5.5), "numpy.lstm_cell@numpy cell: "),
    "gone": (lambda d: d["rows"].clear(), "numpy.lstm_cell@numpy: no longer run, was agree"),
    "case": (lambda d: d["case"].update(units=99), "another case, whose figures cannot be compared: LSTM"),
}


@pytest.mark.parametrize("kind", PLANTED)
def test_one_change(kind: str, document: Document) -> None:
    plant, said = PLANTED[kind]
    now = copy.deepcopy(document)
    plant(now)
    (change,) = changes.since(document, now)
    assert change["kind"] == kind
    assert said in told(change)


def test_the_other_way_round(document: Document) -> None:
    now = copy.deepcopy(document)
    now["rows"][0]["verdict"] = "diverge"
    assert [change["kind"] for change in changes.since(now, document)] == ["better"]
    now["rows"].clear()
    assert [change["kind"] for change in changes.since(now, document)] == ["new"]


@pytest.mark.parametrize("content", ["", "[]", "{}", json.dumps({"schema": 99, "rows": [], "case": {}})])
def test_what_is_no_baseline(content: str, tmp_path: Path) -> None:
    (tmp_path / "old.json").write_text(content)
    with pytest.raises(InputError, match="baseline: got"):
        changes.read_baseline(tmp_path / "old.json")
    with pytest.raises(InputError, match="No such file"):
        changes.read_baseline(tmp_path / "none.json")
