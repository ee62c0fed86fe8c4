"""What reports say of networks: curves of every direction, in the console, in JSON and on the page."""

import json
from importlib import resources
from typing import Any

import jsonschema
import pytest
from support.cases import SIZES, RunLive

import rnnparity
from rnnparity.live.result import Result
from rnnparity.report import html, json_document


@pytest.fixture(scope="module")
def result(live: RunLive) -> Result:
    """The reference evaluator of onnx ignores lengths, so that both directions diverge."""
    case = rnnparity.make_network(0, bidirectional=True, lengths=True, cell="gru", **SIZES)
    return live(case, ["onnx.GRU@onnx"])


@pytest.mark.frameworks
def test_each_direction_has_its_line(result: Result) -> None:
    printed = str(result)
    lines = [line for line in printed.splitlines() if "whole run" in line]
    assert [line.split()[0] for line in lines] == ["hidden,", "hidden_l0_reverse,"]
    assert "layer 0, both directions: the mask is not used" in printed


@pytest.mark.frameworks
def test_its_document_follows_the_schema_and_has_a_page(result: Result) -> None:
    document: dict[str, Any] = json_document.full(result, ["--bidirectional"])
    schema = json.loads((resources.files("rnnparity.report") / "schema.json").read_text("utf-8"))
    jsonschema.validate(document, schema)
    (row,) = document["rows"]
    drawn = [curve["observed"] for run in row["runs"] for curve in run["curves"]]
    assert {"hidden", "hidden_l0_reverse", "local_hidden_l0_reverse"} <= set(drawn)
    assert row["causes"][0]["about"]["cells"] == [
        {"layer": 0, "direction": "forward"},
        {"layer": 0, "direction": "backward"},
    ]
    assert "hidden l0 reverse at most" in html.text(document)
