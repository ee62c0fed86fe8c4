"""The README is true: its commands as written, its outputs, its tables, its code."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from support import needs

from rnnparity.apis.selection import PUBLISHED_TARGETS, TARGETS, select
from rnnparity.cli import commands
from rnnparity.judge import comparison

Patch = pytest.MonkeyPatch
Record = Callable[[str, object], None]
ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
COMMANDS = re.findall(r"^    (python -m pip .*)$", README, flags=re.MULTILINE)
SHOWN = dict(re.findall(r"```text\n\$ ([^\n]*)\n(.*?)```", README, flags=re.DOTALL))


def words(table: str) -> list[list[str]]:
    """A diff table without its figures, which differ in their last digit between processors."""
    rows = [line.split() for line in table.splitlines() if line.endswith((*comparison.VERDICTS, "verdict"))]
    return [[*row[:3], *row[-2:]] for row in rows]


def unavailable(printed: str, record_property: Record) -> list[list[str]]:
    """The rows of apis that cannot run here, of which the README can be true elsewhere only."""
    needs.in_part(re.findall(r"^.*@\S+ unavailable: (.*)$", printed, flags=re.MULTILINE), record_property)
    return [row for row in words(printed) if row[-1] == "unavailable"]


def without(gone: list[list[str]], rows: list[list[str]]) -> list[list[str]]:
    """Rows of other apis than those ``gone``."""
    return [row for row in rows if row[:3] not in [other[:3] for other in gone]]


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What git would clone, and a new virtual environment beside it."""
    folder = tmp_path_factory.mktemp("clone")
    files = ["git", "ls-files", "-co", "--exclude-standard", "-z"]
    listed = subprocess.run(files, check=True, cwd=ROOT, capture_output=True)
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).exists():
            (folder / "rnnparity" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / "rnnparity" / name)
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    return folder


@pytest.mark.frameworks
def test_the_first_command_prints_what_the_readme_shows(clone: Path, record_property: Record) -> None:
    environment = {**os.environ, "PATH": f"{clone / 'venv' / 'bin'}:{os.environ['PATH']}"}
    environment.pop("PYTHONPATH", None)
    done = subprocess.run(
        COMMANDS[0],
        check=False,
        shell=True,
        cwd=clone / "rnnparity",
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    printed = words(done.stdout)
    assert len(printed) == 1 + len(select(cell="lstm"))
    gone = unavailable(done.stdout, record_property)
    assert without(gone, printed) == without(gone, words(SHOWN["rnnparity run"]))


def test_the_second_command_is_what_ci_runs() -> None:
    assert COMMANDS[1] == "python -m pip install tox && tox"
    assert (ROOT / ".ci" / "run").read_text("utf-8").splitlines()[-1] == COMMANDS[1]


def shown(prefix: str) -> list[str]:
    """The commands shown with their output, but for the first one."""
    return [command for command in SHOWN if command.startswith(prefix) and command != "rnnparity run"]


@pytest.mark.frameworks
@pytest.mark.parametrize("command", shown("rnnparity run"))
def test_diff_tables_are_real(
    command: str, capsys: pytest.CaptureFixture[str], record_property: Record
) -> None:
    commands.main(shlex.split(command)[1:])
    printed = capsys.readouterr().out
    gone = unavailable(printed, record_property)
    assert without(gone, words(printed)) == without(gone, words(SHOWN[command]))


class Matrix(NamedTuple):
    """By function and equation what a cell says, without sizes of differences; and the lists below it."""

    cells: dict[tuple[str, str], str]
    lists: dict[str, list[str]]

    @classmethod
    def read(cls, text: str) -> "Matrix":
        table, _, below = text[text.index("published equation") :].partition("\n\n")
        header, *lines = table.splitlines()
        starts = [found.start() for found in re.finditer(r"(?<=  )\S", header)]
        cells: dict[tuple[str, str], str] = {}
        equation = ""
        for line in lines:
            equation = line[: starts[0]].strip() or equation
            for start, end in zip(starts, [*starts[1:], None], strict=True):
                key = header[start:end].strip(), equation
                said = re.sub(r"(step \d+): \S+", r"\1", line[start:end].strip())
                cells[key] = f"{cells.get(key, '')} {said}".strip()
        listed = (line.split(": ", 1) for line in re.sub(r"\n +", " ", below).splitlines())
        return cls(cells, {what: names.split(", ") for what, names in listed})

    def without(self, apis: list[str]) -> "Matrix":
        """As it is where these could not run."""
        left = {what: [name for name in names if name not in apis] for what, names in self.lists.items()}
        lists = {what: names for what, names in left.items() if names}
        if apis:
            lists["not compared, for they did not run or do not agree with the reference"] = apis
        return Matrix({key: said for key, said in self.cells.items() if key[0] in lists}, lists)


@pytest.mark.frameworks
def test_the_matrix_is_real(capsys: pytest.CaptureFixture[str], record_property: Record) -> None:
    (command,) = (command for command in SHOWN if "--published" in command)
    commands.main(shlex.split(command)[1:])
    printed, promised = capsys.readouterr().out, Matrix.read(SHOWN[command])
    gone = [f"{api} {version}" for api, version, *_ in unavailable(printed, record_property)]
    found, expected = Matrix.read(printed), promised.without(gone)
    assert [*found.cells.items()] == [*expected.cells.items()]
    assert found.lists == expected.lists
    assert gone or [*found.lists] == [*expected.lists]
    assert list(promised.cells.values()).count("describes") == 4
    assert len(promised.cells) == 2 * len(PUBLISHED_TARGETS)


@pytest.mark.parametrize("command", shown("rnnparity inspect"))
def test_layouts_are_real(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    commands.main(shlex.split(command)[1:])
    assert capsys.readouterr().out == SHOWN[command]


def test_the_diagnosed_examples_are_real(capsys: pytest.CaptureFixture[str], monkeypatch: Patch) -> None:
    monkeypatch.chdir(ROOT)
    (command,) = (command for command in SHOWN if command.startswith("rnnparity check"))
    assert commands.main(shlex.split(command)[1:]) == commands.SOMETHING_DIVERGES
    assert plain(capsys.readouterr().out) == plain(SHOWN[command])
    assert SHOWN[command].count("(confirmed)") == 3


@pytest.mark.slow
def test_the_selftest_is_real(capsys: pytest.CaptureFixture[str]) -> None:
    """In small, and without the figures of single weights, which the number of trials decides."""
    assert commands.main(["selftest", "--clean", "100", "--each", "23"]) == commands.ALL_AGREE
    printed, promised = (
        [re.sub(r"\s+\d+ +(\d+ %)?.*", r" \1", line) for line in text.splitlines() if " off by " not in line]
        for text in (capsys.readouterr().out, SHOWN["rnnparity selftest"])
    )
    assert printed == promised


def test_tables_fit_a_terminal() -> None:
    told = re.compile(
        " diverge[:,] | differs from step |: none of the known|ed\\): | to remove it: | or instead: "
    )
    lines = [line for shown in SHOWN.values() for line in shown.splitlines() if not told.search(line)]
    assert len(lines) > 50
    assert max(map(len, lines)) <= 100


@pytest.mark.frameworks
def test_python_runs() -> None:
    blocks = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assert len(blocks) >= 2
    for block in blocks:
        subprocess.run([sys.executable, "-W", "error", "-c", block], check=True, capture_output=True)


def test_the_table_of_apis_is_what_runs() -> None:
    listed = re.findall(r"^\| `([^`]+)` \| ([\w-]+) \|", README, flags=re.MULTILINE)
    assert listed == [(target.label, target.live.environment) for target in TARGETS]


def test_every_verdict_is_explained() -> None:
    for verdict in comparison.VERDICTS:
        assert f"`{verdict}`" in README


def plain(output: str) -> list[str]:
    """Its lines with a number sign for each figure, which differs in its last digit between processors."""
    return [re.sub(r"-?\d[\d.e+]*", "#", " ".join(line.split())) for line in output.splitlines()]


def test_the_plugin_s_output_is_real(pytester: pytest.Pytester) -> None:
    (given,) = re.findall(r"^(    def my_cell\(.*?)\n(?=```)", README, flags=re.MULTILINE | re.DOTALL)
    (promised,) = re.findall(r"```text\n(    def test_my_cell\(.*?)```", README, flags=re.DOTALL)
    sigmoid = "import numpy as np\n\ndef sigmoid(z):\n    return 1 / (1 + np.exp(-z))\n\n"
    pytester.makepyfile(sigmoid + textwrap.dedent(given))
    printed = plain(pytester.runpytest_subprocess("-k", "my_cell").stdout.str())
    start = printed.index("def test_my_cell(rnnparity):")
    shown = plain(promised)
    assert len(shown) > 15
    for got, wanted in zip(printed[start : start + len(shown)], shown, strict=True):
        assert got == wanted or (wanted.endswith("...") and got.startswith(wanted.removesuffix("...")))
