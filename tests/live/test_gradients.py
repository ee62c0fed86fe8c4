"""Gradients of the real frameworks, and planted faults in gradients, through real workers."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from support import needs
from support.cases import SIZES
from support.faults import FAULTY_ADAPTERS

import rnnparity
from rnnparity import Api, Live, Result, Target
from rnnparity.apis.api import Option
from rnnparity.apis.selection import TARGETS
from rnnparity.diagnosis import causes
from rnnparity.judge import comparison
from rnnparity.live.result import Row
from rnnparity.live.workers import Pool
from rnnparity.pytest_plugin.known_differences import read_known_differences
from rnnparity_adapters import layouts
from rnnparity_adapters.kinds import KINDS

FAULTY_GRADIENTS = FAULTY_ADAPTERS.with_name("faulty_gradients.py")


def fault(name: str, adapters: Path = FAULTY_GRADIENTS, **fixed: Any) -> Target:
    """The row whose adapter is the class ``name`` of a file, and stores its weights as PyTorch does."""
    live = Live("numpy", "numpy", f"{adapters}:{name}", fixed=fixed)
    options = {option: Option(option) for option in fixed}
    (target,) = Api(f"faults.{name}", layouts.TORCH_CELL, options, live=(live,)).targets
    return target


def row_of(name: str, **fixed: Any) -> Row:
    case = rnnparity.make_case(seed=7, **SIZES)
    return rnnparity.run(case, fault(name, **fixed), gradients=True).rows[0]


@pytest.mark.parametrize(("name", "fixed"), [("Sound", {}), ("Clipped", {"cell_clip": 0.5})])
def test_no_fault(name: str, fixed: dict[str, Any]) -> None:
    row = row_of(name, **fixed)
    assert row.agree, row.reason
    loaded, own = row.runs
    assert [each.tensor for each in loaded.comparison.gradients] == [
        "inputs", "states/hidden", "states/cell", "weights/weight_ih", "weights/weight_hh", "weights/bias_ih",
        "weights/bias_hh",
    ]  # fmt: skip
    assert all(0 < each.noise < 6 for each in loaded.comparison.gradients)
    assert own.comparison.gradients == ()


FAULTS: Mapping[str, tuple[dict[str, Any], set[str], str]] = {
    "ForgetGateScaled": (
        {},
        {"weight_hh"},
        "by weight_hh differs in the forget gate; largest at",
    ),
    "Truncated": ({}, {"inputs", "hidden", "cell"}, "; of the inputs from step 2 back"),
    "HiddenNotPassed": ({}, {"inputs", "hidden", "cell", "weight_hh"}, "so do those by"),
    "CellNotPassed": ({}, {"inputs", "hidden", "cell", "weight_hh"}, "so do those by"),
    "InitialStatesDetached": ({}, {"hidden", "cell"}, "the gradient by the initial "),
    "RecurrentBiasMissing": (
        {},
        {"bias_hh"},
        "by bias_hh differs in the input gate, forget gate",
    ),
    "BiasDoubled": ({}, {"bias_ih"}, "the gradient by bias_ih differs"),
    "MeanOverBatch": ({}, {"inputs", "hidden", "cell", "weight_ih"}, "so do those by"),
    "GatesSwapped": ({}, {"weight_ih", "weight_hh", "bias_ih"}, "in the input gate, forget gate; largest"),
    "LastStepOnly": ({}, {"inputs", "hidden", "cell", "weight_hh"}, "so do those by"),
    "Odd": ({}, {"weight_ih"}, "the gradient by weight_ih differs in the output gate; largest at [15, 2]: "),
    "ClipIgnored": ({"cell_clip": 0.5}, {"inputs", "cell", "weight_ih"}, "so do those by"),
}
"""Class -> its options, gradients that must differ, and what is said."""


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_noticed(name: str) -> None:
    fixed, wrong, said = FAULTS[name]
    row = row_of(name, **fixed)
    assert row.verdict == comparison.DIVERGE
    assert said in row.reason
    found = {each.tensor.rpartition("/")[2] for each in row.runs[0].comparison.gradients if each.noise > 6}
    assert wrong <= found
    assert len(found) == len(wrong) or len(wrong) > 2 or name == "GatesSwapped"


CAUSES: Mapping[str, tuple[str, str]] = {
    "ForgetGateScaled": (
        "gradient-scaled", "the gradient by weight_hh of the forget gate is 1.001 times what it should be",
    ),
    "Truncated": ("gradient-path", "gradients are not passed back to the steps before step 3"),
    "HiddenNotPassed": (
        "gradient-path", "the gradient by the hidden state is not passed back from step to step",
    ),
    "CellNotPassed": ("gradient-path", "the gradient by the cell state is not passed back from step to step"),
    "InitialStatesDetached": (
        "gradient-scaled", "the gradient by the initial hidden state, the initial cell state is zero",
    ),
    "RecurrentBiasMissing": ("gradient-scaled", "the gradient by bias_hh is zero"),
    "BiasDoubled": ("gradient-scaled", "the gradient by bias_ih is 2 times what it should be"),
    "MeanOverBatch": ("gradient-scaled", "every gradient is 0.333333 times what it should be"),
    "GatesSwapped": (
        "gate-order",
        "where i, f, j, o belong, the gradient by weight_ih, weight_hh, bias_ih, bias_hh has f, i, j, o",
    ),
    "LastStepOnly": ("gradient-loss", "only the last step's hidden state is in the loss"),
    "Odd": ("unknown", "nothing known explains the gradient by weight_ih, in the output gate"),
    "ClipIgnored": (
        "gradient-clip", "the gradient goes through the clipped cell state as if it were not clipped",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_has_its_cause(name: str) -> None:
    (cause,) = row_of(name, **FAULTS[name][0]).causes
    assert (cause.id, cause.detail) == CAUSES[name]
    assert cause.before > 6
    assert cause.fix
    assert (cause.after <= 6) == (cause.id != "unknown")
    assert set(causes.single(cause.id)) <= set(causes.IDS)


FORMS = {
    "WrongName": (comparison.FAILED, "returned gradients by ['d_inputs'"),
    "WrongDtype": (comparison.FAILED, "the gradient by inputs has dtype float64, but should have float32"),
    "NotFinite": (comparison.NONFINITE, "the gradient by weight_hh is not finite"),
}


@pytest.mark.parametrize("name", FORMS)
def test_wrong_forms(name: str) -> None:
    verdict, said = FORMS[name]
    row = row_of(name)
    assert row.verdict == verdict
    assert said in row.reason


def test_what_has_no_gradients_is_unsupported() -> None:
    case = rnnparity.make_case(seed=7, **SIZES)
    no_method = Api(
        "faults.Sound", layouts.CANONICAL, live=(Live("numpy", "numpy", f"{FAULTY_ADAPTERS}:Sound"),)
    )
    rows = rnnparity.run(case, ["numpy.*", no_method], gradients=True).rows
    assert {row.verdict for row in rows} == {comparison.UNSUPPORTED}
    assert [row.reason for row in rows] == [
        "no gradients: numpy does not differentiate", "no gradients: its adapter returns no gradients",
    ]  # fmt: skip
    steps = rnnparity.make_case(batch=400, steps=300, input_size=60, units=10)
    assert "has several pieces" in rnnparity.run(steps, fault("Sound"), gradients=True).rows[0].reason


KNOWN = read_known_differences(Path(__file__).parents[2] / "fixtures" / "known_differences.txt")
_COMPILING = ("jax", "keras-jax", "keras-tf")
"""Environments that take seconds for each cell: of these the LSTMs must do."""
DIFFERENTIATED = [
    target.key
    for target in TARGETS
    if not target.live.no_gradients and (target.cell == "lstm" or target.live.environment not in _COMPILING)
]


@pytest.fixture(scope="module")
def results() -> Mapping[str, Row]:
    """Every row by its key, differentiated: a small case, for most frameworks compile or build a graph."""
    rows: dict[str, Row] = {}
    with Pool() as pool:
        for cell in KINDS:
            targets = [t for t in TARGETS if t.cell == cell and t.key in DIFFERENTIATED]
            case = rnnparity.make_case(7, batch=3, steps=3, input_size=5, units=4, cell=cell)
            result: Result = rnnparity.run(case, targets, gradients=True, pool=pool)
            rows |= {row.target.key: row for row in result}
    return rows


@pytest.mark.frameworks
@pytest.mark.parametrize("key", DIFFERENTIATED)
def test_gradients_of_every_row_agree(key: str, results: Mapping[str, Row]) -> None:
    row = needs.row(results[key])
    if any(known.matches(key, "seed7") for known in KNOWN):  # another function has other gradients
        assert (row.verdict, row.gradient) == (comparison.DIVERGE, None)
        return
    assert row.agree, f"{row.verdict}: {row.reason}\n{row.log}"
    assert row.gradient is not None
    assert 0 < row.gradient.noise < 6


@pytest.mark.frameworks
@pytest.mark.parametrize("cell", KINDS)
def test_autograd_in_float64(cell: str) -> None:
    """The reference's own digits, where gates are saturated: PyTorch's are another implementation's."""
    targets = [t for t in TARGETS if t.cell == cell and t.live.environment == "torch"]
    cases = [rnnparity.make_case(seed, **SIZES, cell=cell, dtype="float64", scale=6.0) for seed in (5, 6)]
    for row in rnnparity.run(cases, targets, gradients=True):
        assert needs.row(row).agree, f"{row.verdict}: {row.reason}"
        assert row.gradient is not None
        assert row.gradient.absolute < 1e-10
