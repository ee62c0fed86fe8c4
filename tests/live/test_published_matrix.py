"""Published equations beside the running apis: which describes which, and that an altered one does not."""

import json
from dataclasses import replace
from importlib import resources
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from support.cases import SIZES, RunLive
from support.command import SMALL
from support.command import run as command
from support.faults import fault, run_by, stored_as

import rnnparity
from rnnparity import Case, Result
from rnnparity.apis.api import Target
from rnnparity.apis.selection import PUBLISHED_TARGETS, TARGETS
from rnnparity.cli import commands
from rnnparity.judge import comparison
from rnnparity.reference.noise import LIMIT
from rnnparity.report import json_document, markdown
from rnnparity_adapters.equation import HARD_SIGMOID_5, SIGMOID
from rnnparity_adapters.layout import Layout

APART = ("recurrent-activation",)
"""Why an equation with sigmoid gates does not describe the default of Keras 2.2.4."""

EXPECTED: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "published.goodfellow(sigmoid)": (("activation",), ("recurrent-activation + activation",)),
    "published.goodfellow(tanh)": ((), APART),
    "published.chollet(sigmoid, no Vo)": (
        ("activation + output-activation",),
        ("recurrent-activation + activation + output-activation",),
    ),
    "published.chollet(tanh, no Vo)": (
        ("recurrent-activation + output-activation",),
        ("recurrent-activation + output-activation",),
    ),
    "published.chollet(sigmoid/tanh, no Vo)": (
        ("output-activation",),
        ("recurrent-activation + output-activation",),
    ),
    "published.chollet(sigmoid/tanh, Vo)": (("unknown",), ("unknown",)),
    "published.pytorch": ((), APART),
    "published.tensorflow(i, f, ci, o)": (("gate-order",), ("gate-order + recurrent-activation",)),
    "published.tensorflow(i, ci, f, o)": ((), APART),
    "published.nnabla_article": ((), APART),
}
"""By label, the causes in the column of sigmoid and in that of hard_sigmoid; none where it describes them."""


@pytest.fixture(scope="module")
def result(live: RunLive) -> Result:
    """The frameworks of the first article, and tf.raw_ops.BlockLSTM, whose equation TensorFlow prints."""
    apis = ["torch.nn.LSTM", "keras.layers.LSTM", "tf.raw_ops.BlockLSTM", "published.*"]
    return live([rnnparity.make_case(seed, batch=4, steps=9, input_size=6, units=5) for seed in (0, 1)], apis)


@pytest.mark.frameworks
def test_columns_are_the_functions_that_run(result: Result) -> None:
    found = result.published
    assert [column.equation.recurrent_activation for column in found.columns] == [SIGMOID, HARD_SIGMOID_5]
    assert [[row.target.key for row in column.rows] for column in found.columns] == [
        [
            "torch.nn.LSTM@torch",
            "keras.layers.LSTM@keras-tf",
            "keras.layers.LSTM@keras-torch",
            "tf.raw_ops.BlockLSTM@tf2",
            "keras.layers.LSTM(sigmoid)@tf1",
        ],
        ["keras.layers.LSTM(hard_sigmoid)@tf1"],
    ]
    assert found.apart == ()


@pytest.mark.frameworks
@pytest.mark.parametrize("target", PUBLISHED_TARGETS, ids=lambda target: target.label)
def test_which_equation_describes_which_api(target: Target, result: Result) -> None:
    (line,) = [line for line in result.published.lines if line.row.target == target]
    for cell, causes in zip(line.cells, EXPECTED[target.label], strict=True):
        assert cell.verdict == (comparison.DIVERGE if causes else comparison.AGREE), cell.reason
        assert tuple(cause.id for cause in cell.causes) == causes
        assert {cause.status for cause in cell.causes if cause.id != "unknown"} <= {"confirmed"}
        assert cell.first_step == (0 if causes else None)
        worst = cell.difference("hidden")
        assert worst is not None
        assert (worst.noise > 1e5) if causes else (0 < worst.noise < LIMIT)
        assert len([run for run in cell.runs if run.direction == "loaded"]) == 2


@pytest.mark.frameworks
def test_describes_means_the_apis_own_numbers(result: Result) -> None:
    """Against what a framework computed itself, not only against the equation that it agrees with."""
    found = result.published
    for column, apis in enumerate(found.columns):
        for line in found.lines:
            mine = line.cells[column].runs[0].observed
            assert mine is not None
            for row in apis.rows:
                theirs = row.run().observed
                assert theirs is not None
                far = np.abs(mine["hidden"] - theirs["hidden"]).max()
                assert (far < 1e-5) == (line.cells[column].verdict == comparison.AGREE)
                assert far < 1e-5 or far > 1e-2


def altered(adapter: str, label: str = "published.goodfellow(tanh)") -> Target:
    (target,) = rnnparity.select(label)
    return run_by(target, adapter)


@pytest.mark.parametrize(
    ("adapter", "causes"),
    [
        ("GoodfellowOutputLinear", ["output-activation"]),
        ("GoodfellowCoupled", ["coupled-gates"]),
        ("GoodfellowLastStep", None),
    ],
)
def test_an_altered_equation_describes_nothing(adapter: str, causes: list[str] | None, case: Case) -> None:
    result = rnnparity.run(case, ["numpy.lstm_cell", "published.goodfellow(tanh)", altered(adapter)])
    sound, faulty = result.published.lines
    assert sound.cells[0].verdict == comparison.AGREE
    assert faulty.cells[0].verdict == comparison.DIVERGE
    assert causes is None or [cause.id for cause in faulty.cells[0].causes] == causes


def test_symbols_that_change_places_are_noticed() -> None:
    """bf, Uf and Wf read where bg, Ug and Wg belong."""
    case = rnnparity.make_case(7, **SIZES, forget_bias=0.0)
    (target,) = rnnparity.select("published.goodfellow(tanh)")
    swapped = {"f": "i", "i": "f"}
    tensors = tuple(replace(t, gates=swapped.get(t.gates, t.gates)) for t in target.layout.tensors)
    swapped_target = stored_as(target, Layout(tensors, "bias"))
    result = rnnparity.run(case, ["numpy.lstm_cell", swapped_target])
    (line,) = result.published.lines
    assert line.cells[0].verdict == comparison.DIVERGE
    assert [cause.id for cause in line.cells[0].causes] == ["gate-order"]


def test_the_worst_of_several_cases_decides() -> None:
    """An equation that is altered in some of the cases only."""
    cases = [rnnparity.make_case(seed, **SIZES) for seed in range(3, 7)]
    faulty = [bool(case.inputs[0, 0, 0] > 0) for case in cases]
    assert len(set(faulty)) == 2
    result = rnnparity.run(cases, ["numpy.lstm_cell", altered("GoodfellowSometimes")])
    (line,) = result.published.lines
    verdicts = [run.comparison.verdict for run in line.cells[0].runs if run.direction == "loaded"]
    assert verdicts == [comparison.DIVERGE if is_so else comparison.AGREE for is_so in faulty]
    assert line.cells[0].verdict == comparison.DIVERGE


def test_an_api_that_diverges_is_in_no_column(case: Case) -> None:
    result = rnnparity.run(case, ["numpy.lstm_cell", "published.pytorch", fault("SwapInBoth")])
    found = result.published
    assert [[row.target.name for row in column.rows] for column in found.columns] == [["numpy.lstm_cell"]]
    assert [row.target.name for row in found.apart] == ["faults.SwapInBoth"]
    assert ": faults.SwapInBoth" in str(result).rpartition("do not agree with the reference")[2]


def test_only_frameworks_decide_the_exit_status(case: Case) -> None:
    chollet = "published.chollet(tanh, no Vo)"
    status = {
        (): commands.ALL_AGREE,
        ("SwapInBoth",): commands.SOMETHING_DIVERGES,
    }
    for faults, expected in status.items():
        apis: list[str | Target] = ["numpy.lstm_cell", chollet, *map(fault, faults)]
        result = rnnparity.run(case, apis)
        assert result[chollet].verdict == comparison.DIVERGE
        assert commands.exit_code(result, strict=True) == expected
        assert result.agree == (not faults)
    broken = rnnparity.run(case, ["numpy.lstm_cell", altered("GoodfellowRaises")])
    assert commands.exit_code(broken, strict=False) == commands.COULD_NOT_RUN
    (line,) = broken.published.lines
    assert line.cells[0].verdict == comparison.FAILED
    shown = str(broken).rpartition("published equation")[2].splitlines()[1]
    assert shown.split() == ["goodfellow(tanh)", "failed"]


def test_they_are_chosen_by_name_only() -> None:
    assert rnnparity.select("*") == list(TARGETS)
    assert rnnparity.select("*@numpy") == [TARGETS[0]]
    assert rnnparity.select("published.*") == list(PUBLISHED_TARGETS)
    assert rnnparity.select(["published.pytorch", "torch.nn.LSTM"])[0].name == "torch.nn.LSTM"
    with pytest.raises(rnnparity.errors.InputError, match=r"published\.goodfellow"):
        rnnparity.select("published.goodfelow")
    assert len({one.key for one in (*TARGETS, *PUBLISHED_TARGETS)}) == len(TARGETS) + len(PUBLISHED_TARGETS)


def test_the_command_adds_them(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = command(capsys, "run", "--api", "numpy.*", "--published", *SMALL)
    assert status == commands.ALL_AGREE
    assert out.count("diverge: loaded weights") == 6
    table = out.partition("published equation")[2].splitlines()
    cells = {line.rpartition(" describes")[0].strip() for line in table if line.endswith(" describes")}
    assert cells == {"goodfellow(tanh)", "pytorch", "tensorflow(i, ci, f, o)", "nnabla_article"}
    status, alone, _ = command(capsys, "run", "--api", "published.*", *SMALL)
    assert status == commands.ALL_AGREE
    assert "published equation" not in alone


def test_inspect_shows_the_printed_symbols(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = command(capsys, "inspect", "published.goodfellow*", "--input-size", "4", "--units", "3")
    assert out.count("published.goodfellow") == 1
    line = next(line for line in out.splitlines() if line.startswith("Uf "))
    assert line.split()[1:6] == ["[U,", "I]", "=", "[3,", "4]"]
    assert "forget gate" in line


@pytest.fixture(scope="module")
def document(case: Case) -> json_document.Document:
    apis: list[str | Target] = ["numpy.lstm_cell", "published.goodfellow*", fault("SwapInBoth")]
    return json_document.of_result(rnnparity.run(case, apis))


def test_json_has_the_matrix(document: json_document.Document) -> None:
    schema = json.loads((resources.files("rnnparity.report") / "schema.json").read_text("utf-8"))
    jsonschema.validate(document, schema)
    found = document["published"]
    (column,) = found["columns"]
    assert (column["function"], column["apis"]) == ("sigmoid, tanh", ["numpy.lstm_cell@numpy"])
    assert found["apart"] == ["faults.SwapInBoth@numpy"]
    printed, used = found["rows"]
    assert printed["source"].startswith("Goodfellow")
    assert (printed["cells"][0]["verdict"], used["cells"][0]["verdict"]) == ("diverge", "agree")
    assert printed["cells"][0]["causes"][0]["detail"] == "the new input goes through sigmoid"
    assert not document["agree"]
    del printed["cells"][0]["verdict"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, schema)
    printed["cells"][0]["verdict"] = "diverge"


def test_other_reports_have_it_too(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    status, _, _ = command(
        capsys, "run", "--api", "numpy.*", "--published", *SMALL, "--report", str(tmp_path)
    )
    assert status == commands.ALL_AGREE
    text = (tmp_path / "report.md").read_text("utf-8")
    assert text.startswith("## rnnparity: 1 api: 1 agree; 10 published equations: 6 diverge, 4 agree\n")
    assert "| goodfellow(tanh) | describes |" in text
    assert "| goodfellow(sigmoid) | step 0: " in text
    assert "❌" not in text
    page = (tmp_path / "report.html").read_text("utf-8")
    assert '<th scope="row">goodfellow(tanh)</th><td>describes</td>' in page
    assert 'failures="0"' in (tmp_path / "junit.xml").read_text("utf-8")


def test_without_them_nothing_is_said(case: Case) -> None:
    result = rnnparity.run(case, "numpy.lstm_cell")
    document = json_document.of_result(result)
    assert "published" not in document
    assert "published" not in markdown.text(document)
    assert "published" not in str(result)


def test_they_have_no_voice(case: Case) -> None:
    """Five equations that part from the reference in the same way are no majority against it."""
    result = rnnparity.run(case, ["numpy.lstm_cell", "published.chollet*", "published.goodfellow(sigmoid)"])
    assert result.consensus.groups == (("the reference", "numpy.lstm_cell@numpy"),)
