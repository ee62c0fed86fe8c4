"""The command line, as a user types it."""

import json
import subprocess
import sys
from importlib import resources
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from support.command import SMALL, run

import rnnparity
from rnnparity import Target
from rnnparity.apis.selection import TARGETS
from rnnparity.cli import commands
from rnnparity.cli.options import parser
from rnnparity.environments import declarations
from rnnparity.reference.network_case import PLAIN, NetworkForm
from rnnparity.selftest import plain_cells


def test_run_prints_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "run", "--api", "numpy.lstm_cell", *SMALL)
    assert status == commands.ALL_AGREE
    header = out.splitlines()[3].split()
    assert header == ["api", "version", "environment", "hidden", "cell", "noise", "noise", "step", "verdict"]
    row = out.splitlines()[4].split()
    assert row[0] == "numpy.lstm_cell"
    assert row[2] == "numpy"
    assert row[-2:] == ["-", "agree"]


def schema() -> dict[str, object]:
    loaded = json.loads((resources.files("rnnparity.report") / "schema.json").read_text("utf-8"))
    assert isinstance(loaded, dict)
    return loaded


def test_json_follows_its_schema(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    status, out, _ = run(
        capsys,
        "run",
        "--api",
        "numpy.*",
        "PF.lstm",
        "--dtype",
        "float64",
        "--trials",
        "2",
        *SMALL,
        "--json",
        str(path),
    )
    assert status == commands.ALL_AGREE
    assert "unsupported" in out
    document = json.loads(path.read_text())
    jsonschema.validate(document, schema())
    assert document["schema"] == 1
    assert [row["verdict"] for row in document["rows"]] == ["agree", "unsupported"]
    assert [run["seed"] for run in document["rows"][0]["runs"]] == [0, 0, 1, 1]
    del document["rows"][0]["verdict"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, schema())


def test_json_to_stdout_is_nothing_but_json(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "run", "--api", "numpy.*", *SMALL, "--json", "-")
    assert status == commands.ALL_AGREE
    jsonschema.validate(json.loads(out), schema())


@pytest.mark.parametrize(
    ("strict", "status"), [([], commands.COULD_NOT_RUN), (["--strict"], commands.COULD_NOT_RUN)]
)
def test_nothing_compared_is_no_success(
    capsys: pytest.CaptureFixture[str], strict: list[str], status: int
) -> None:
    assert run(capsys, "run", "--api", "PF.lstm", "--dtype", "float64", *SMALL, *strict)[0] == status


def test_strict_counts_what_is_unsupported(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["run", "--api", "PF.lstm", "numpy.*", "--dtype", "float64", *SMALL]
    assert run(capsys, *arguments)[0] == commands.ALL_AGREE
    assert run(capsys, *arguments, "--strict")[0] == commands.COULD_NOT_RUN


def test_unavailable_is_a_row(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Python 3.4 for an environment: a row with the reason and the remedy; a failure only with --strict."""
    declared = declarations.declared()
    impossible = {
        name: declarations.Environment(
            name, "==3.4.*" if name == "nnabla" else e.python, e.requirements, e.variables
        )
        for name, e in declared.items()
    }
    monkeypatch.setattr(declarations, "declared", lambda: impossible)
    arguments = ["run", "--api", "PF.lstm", "numpy.*", *SMALL]
    status, out, _ = run(capsys, *arguments)
    assert status == commands.ALL_AGREE
    assert "PF.lstm@nnabla unavailable: " in out
    assert "To make it available: " in out
    assert run(capsys, *arguments, "--strict")[0] == commands.COULD_NOT_RUN


BAD = {
    "unknown api": (
        ["run", "--api", "torch.nn.LTSM"],
        "--api: got torch.nn.LTSM, but should be torch.nn.LSTM",
    ),
    "zero": (["run", "--batch", "0"], "--batch: got 0, but should be an integer from 1"),
    "negative": (["run", "--input-size", "-4"], "--input-size: got -4, but should be an integer from 1"),
    "no integer": (
        ["run", "--seed", "one"],
        "--seed: got 'one', but should be an integer from 0 to 4294967295",
    ),
    "large seed": (["run", "--seed", "4294967296"], "--seed: got 4294967296, but should be"),
    "fraction": (["run", "--units", "2.5"], "--units: got '2.5', but should be an integer from 1"),
    "too large": (
        ["run", "--units", "10000000"],
        "--batch, --steps, --input-size, --units: got 8, 50, 32, 10000000",
    ),
    "scale": (["run", "--scale", "-1"], "--scale: got -1.0, but should be a number above 0, at most 10000"),
    "arithmetic": (["run", "--api", "numpy.*", "--arithmetic", "tf23"], "--arithmetic: got tf23, but should"),
    "clean": (["selftest", "--clean", "0"], "--clean: got 0, but should be an integer from 1"),
    "dtype": (["run", "--dtype", "float16"], "--dtype: got float16, but should be float32 or float64"),
    "forget bias": (["run", "--forget-bias", "much"], "got 'much', but should be a number"),
    "nan": (["run", "--forget-bias", "nan"], "--forget-bias: got nan, but should be a number"),
    "trials": (["run", "--trials", "0"], "--trials: got 0, but should be an integer from 1"),
    "timeout": (["run", "--timeout", "0"], "--timeout: got 0.0, but should be a number of seconds above 0"),
    "json": (["run", "--json", "/no/such/folder/x.json"], "--json: got /no/such/folder/x.json (No such file"),
    "json folder": (["run", "--json", "/"], "--json: got / (Is a directory)"),
    "option": (["run", "--sed", "1"], "unrecognized arguments: --sed 1"),
    "command": (["rnu"], "invalid choice: 'rnu'"),
    "inspect": (["inspect", "keras.layers.LSTN"], "got keras.layers.LSTN, but should be keras.layers.LSTM"),
    "inspect size": (
        ["inspect", "F.lstm", "--units", "0"],
        "--units: got 0, but should be an integer from 1",
    ),
    "environment": (["envs", "remove", "torhc"], "got torhc, but should be"),
}


@pytest.mark.parametrize(("arguments", "message"), BAD.values(), ids=BAD.keys())
def test_bad_input_is_one_clear_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = run(capsys, *arguments)
    assert status == commands.BAD_INPUT
    assert out == ""
    assert message in err
    assert len(err.splitlines()) == 1


def test_a_corrupt_environment_is_one_clear_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RNNPARITY_CACHE_DIR", str(tmp_path))
    declarations.declared()["numpy"].path.mkdir()
    status, out, err = run(capsys, "run", "--api", "numpy.*")
    assert status == commands.BAD_INPUT
    assert out == ""
    assert "rnnparity envs remove numpy" in err
    assert len(err.splitlines()) == 1
    assert run(capsys, "envs", "remove", "numpy")[0] == commands.ALL_AGREE
    assert not declarations.declared()["numpy"].path.exists()


def test_environments_are_made_used_listed_and_removed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RNNPARITY_CACHE_DIR", str(tmp_path))
    status, _, err = run(capsys, "run", "--api", "numpy.*", *SMALL)
    assert status == commands.ALL_AGREE
    said = "rnnparity: making the environment numpy: about 20 MB are downloaded at most"
    assert err.splitlines() == [said, "numpy: installing numpy==2.4.6"]
    assert run(capsys, "run", "--api", "numpy.*", *SMALL)[2] == ""
    listed = run(capsys, "envs", "list", "numpy")[1]
    assert " made " in listed
    assert run(capsys, "envs", "remove", "numpy")[1] == "numpy removed\n"
    assert "not made" in run(capsys, "envs", "list", "numpy")[1]


def test_apis_lists_every_api(capsys: pytest.CaptureFixture[str]) -> None:

    status, out, _ = run(capsys, "apis")
    assert status == commands.ALL_AGREE
    assert len(out.splitlines()) == 1 + len(TARGETS)
    assert "keras.layers.LSTM(hard_sigmoid)" in out


def test_inspect_shows_the_gates(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "inspect", "torch.nn.LSTM", "--input-size", "4", "--units", "3")
    assert status == commands.ALL_AGREE
    assert "[4U, I] = [12, 4]" in out
    assert "[3:6, :]" in out
    line = next(line for line in out.splitlines() if "[6:9, :]" in line)
    assert "j  new input" in line


def test_inspect_shows_what_can_only_be_recorded(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "inspect", "keras.layers.GRU", "--input-size", "4", "--units", "3")
    assert status == 0
    assert "bias[1:]         [1, 3U] = [1, 9] [0, 0:3] z  update gate                added" in out
    assert "81 parameters in all" in out
    names = run(capsys, "inspect", "torch.nn.*")[1]
    assert [name in names for name in ("torch.nn.LSTM ", "torch.nn.GRUCell ", "torch.nn.RNN ")] == [True] * 3


def test_inspect_says_each_layout_once(capsys: pytest.CaptureFixture[str]) -> None:
    out = run(capsys, "inspect", "keras.layers.LSTM")[1]
    assert out.count("recurrent_kernel") == 1
    assert "(keras-tf, keras-torch, tf1, tf1)" not in out


def test_help_imports_nothing_slow() -> None:
    script = """
import sys, rnnparity.cli.commands
rnnparity.cli.commands.main(["--help"])
print(*sys.modules)
"""
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    loaded = out.splitlines()[-1].split()
    assert "rnnparity.cli.commands" in loaded
    assert not {"numpy", "pandas", "rich", "psutil", "uv"} & set(loaded)


def test_a_closed_pipe_is_no_error() -> None:
    piped = subprocess.run(
        f"{sys.executable} -m rnnparity apis | head -1",
        shell=True,
        capture_output=True,
        text=True,
        check=True,
    )
    assert piped.stdout.startswith("api")
    assert piped.stderr == ""


def test_a_chaotic_recording_was_not_judged_to_its_end(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """It neither agrees nor diverges, and one that diverges beside it decides the exit status."""
    case = rnnparity.make_case(0, batch=4, steps=200, input_size=16, units=48, scale=30, forget_bias=0)
    files = [str(tmp_path / name) for name in ("chaotic.npz", "wrong.npz")]
    tensors = {"kernel": case.weights.kernel, "bias": case.weights.bias}
    hidden = plain_cells.run(case).hidden
    for file, states in zip(files, (hidden, np.roll(hidden, 1, axis=2)), strict=True):
        rnnparity.record(
            file, "canonical", tensors, case.inputs, states,
            initial_hidden=case.initial_hidden, initial_cell=case.initial_cell, options={"forget_bias": 0.0},
        )  # fmt: skip
    status, out, _ = run(capsys, "check", files[0])
    assert (status, "chaotic" in out) == (commands.COULD_NOT_RUN, True)
    assert run(capsys, "check", *files)[0] == commands.SOMETHING_DIVERGES


WRONG = {
    "--cell gru --forget-bias 1": "--forget-bias: got 1.0, but should be nothing: a GRU has no forget gate",
    "--cell mgru": "--cell: got mgru, but should be ",
    "--all --api torch.nn.GRU": "--all: got together with --api, but should be the one or the other",
    "--cell rnn --api torch.nn.GRU": "--api: got torch.nn.GRU, but should be an api of an RNN",
    "--layers 0": "--layers: got 0, but should be an integer from 1 to 100",
    "--layers two": "--layers: got two, but should be an integer from 1 to 100",
    "--all --baseline report.json": "--baseline: got report.json, but should be of one table",
    "--cell gru --published": "--api: got published.*, but should be an api of a GRU",
}


@pytest.mark.parametrize(("options", "said"), WRONG.items())
def test_an_option_that_would_be_ignored_is_an_error(
    options: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, complaint = run(capsys, "run", *options.split(), *SMALL)
    assert (status, out) == (commands.BAD_INPUT, "")
    assert said in complaint


def tables(*arguments: str) -> dict[tuple[str, NetworkForm], list[Target]]:
    return commands._chosen(parser(commands._COMMANDS).parse_args(["run", *arguments]))


def test_all_is_every_kind_in_every_form_and_a_form_is_that_alone() -> None:
    every = tables("--all")
    assert {kind for kind, _ in every} == {"lstm", "gru", "rnn"}
    assert {form for _, form in every} == {NetworkForm(*form) for form in commands._EVERY_FORM}
    assert sum(len(rows) for (_, form), rows in every.items() if form == PLAIN) == len(TARGETS)
    for (_, form), rows in every.items():
        assert form == PLAIN or all(row.live.network for row in rows)
    two = tables("--all", "--layers", "2", "--cell", "gru")
    assert [*two] == [("gru", NetworkForm(2))]
    assert len(two["gru", NetworkForm(2)]) == len([one for one in TARGETS if one.cell == "gru"])


def test_the_command_of_a_report_asks_for_the_same_form(tmp_path: Path) -> None:
    report = tmp_path / "report"
    commands.main(
        [
            "run",
            "--api",
            "numpy.*",
            "--bidirectional",
            "--lengths",
            "--layers",
            "2",
            *SMALL,
            "--report",
            str(report),
        ]
    )
    document = json.loads((report / "report.json").read_text())
    jsonschema.validate(document, schema())
    assert {name: document["case"][name] for name in NetworkForm._fields} == NetworkForm(
        2, True, True
    )._asdict()
    (row,) = document["rows"]
    assert (row["verdict"], row["reason"]) == (
        "unsupported",
        "runs one layer in one direction, over whole rows",
    )
    assert row["command"].endswith("--layers 2 --bidirectional --lengths")
    assert "2 layers, bidirectional, lengths" in (report / "report.md").read_text()


@pytest.mark.frameworks
def test_several_kinds_of_cell_have_a_table_each(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    names = ["torch.nn.GRU", "PF.rnn@nnabla", "numpy.*"]
    report = tmp_path / "report"
    status, out, _ = run(capsys, "run", "--api", *names, *SMALL, "--json", "-", "--report", str(report))
    assert status == commands.ALL_AGREE
    documents = [json.loads(line) for line in out.splitlines()]
    assert [document["case"]["cell"] for document in documents] == ["lstm", "gru", "rnn"]
    assert [len(document["rows"]) for document in documents] == [1, 1, 2]
    for document in documents:
        jsonschema.validate(document, schema())
    assert sorted(folder.name for folder in report.iterdir() if folder.is_dir()) == ["gru", "lstm", "rnn"]


def test_what_is_still_to_be_made_is_said_before(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RNNPARITY_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    _, _, said = run(capsys, "run", "--api", "torch.nn.LSTM", "PF.lstm", *SMALL)
    first = said.splitlines()[0]
    assert first == "rnnparity: making the environments torch, nnabla: about 330 MB are downloaded at most"
