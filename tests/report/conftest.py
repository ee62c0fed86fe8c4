"""Written reports: one of five small apis, and the largest that there may be."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.faults import fault

import rnnparity
from rnnparity import Api, Case, Live, Result
from rnnparity.judge import comparison
from rnnparity.judge.comparison import Comparison, Difference, Heat, Place
from rnnparity.live.result import Row, Run
from rnnparity.report import json_document
from rnnparity.report.write import write
from rnnparity_adapters import layouts

FAULTS = ("Sound", "StatesSwapped", "SwapInBoth", "NotFinite", "Raise")


@pytest.fixture(scope="session")
def folder(case: Case, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report in every form, of an api that agrees and four with a fault."""
    folder = tmp_path_factory.mktemp("report")
    result = rnnparity.run(case, [fault(name) for name in FAULTS], keep=False)
    document = json_document.full(result, ["--seed", "7"])
    document["changes"] = [{"kind": "worse", "api": "a@b", "was": "agree", "now": "diverge: </script><b>|*"}]
    write(document, folder)
    return folder


@pytest.fixture(scope="session")
def document(folder: Path) -> dict[str, Any]:
    """Its JSON."""
    loaded = json.loads((folder / "report.json").read_text("utf-8"))
    assert isinstance(loaded, dict)
    return loaded


@pytest.fixture(scope="session")
def worst_case(case: Case, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of fifty apis and twenty thousand steps: all diverge, in every state, in both directions."""
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
    folder = tmp_path_factory.mktemp("worst")
    write(json_document.full(Result((long,), rows, "float32"), []), folder)
    return folder
