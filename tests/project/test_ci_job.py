"""The continuous integration job, run here as a runner would run it."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from rnnparity.environments import declarations
from rnnparity.report.write import FILES

ROOT = Path(__file__).parents[2]
ACTION = (ROOT / ".github" / "actions" / "rnnparity" / "action.yml").read_text("utf-8")
WORKFLOW = (ROOT / ".github" / "workflows" / "parity.yml").read_text("utf-8")
TESTS = (ROOT / ".github" / "workflows" / "tests.yml").read_text("utf-8")
TOX = (ROOT / "tox.ini").read_text("utf-8")


def script(step: str) -> str:
    """The shell of one step of the action."""
    found = re.search(rf"    - name: {step}\n.*?      run: (\|\n)?(.*?)(?=\n    - |\Z)", ACTION, re.DOTALL)
    assert found
    return "\n".join(line.strip() for line in found[2].splitlines())


def run(text: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "REPORT": "report",
        "GITHUB_STEP_SUMMARY": "summary.md",
        **variables,
    }
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", text]
    return subprocess.run(command, check=False, cwd=folder, env=environment, capture_output=True, text=True)


def test_the_job_writes_a_report_and_a_summary(tmp_path: Path) -> None:
    (tmp_path / "numpy.here").write_text("a file that a shell would take the pattern for")
    small = "--steps 4 --units 3 --trials 2"
    first = run(script("Run"), tmp_path, API="numpy.*", ARGUMENTS=small, BASELINE="", RNNPARITY_PINS="")
    assert first.returncode == 0, first.stderr
    assert sorted(path.name for path in (tmp_path / "report").iterdir()) == sorted(FILES)
    (tmp_path / "report" / "report.json").rename(tmp_path / "old.json")
    again = run(
        script("Run"), tmp_path, API="numpy.*", ARGUMENTS=small, BASELINE="old.json", RNNPARITY_PINS=""
    )
    assert "nothing has changed" in again.stdout
    assert run(script("Summary"), tmp_path).returncode == 0
    assert (tmp_path / "summary.md").read_text("utf-8").startswith("## rnnparity: 1 api: 1 agree")


def test_the_job_fails_as_its_command_does(tmp_path: Path) -> None:
    failed = run(script("Run"), tmp_path, API="torch.nn.LTSM", ARGUMENTS="", BASELINE="", RNNPARITY_PINS="")
    assert failed.returncode == 2
    assert run(script("Summary"), tmp_path).returncode == 0
    assert not (tmp_path / "summary.md").exists()


def test_every_input_of_the_workflow_is_one_of_the_action() -> None:
    inputs = set(re.findall(r"^  ([\w-]+):\n    description", ACTION, re.MULTILINE))
    step = WORKFLOW.partition("uses: ./.github/actions/rnnparity")[2]
    used = set(re.findall(r"^          ([\w-]+): ", step, re.MULTILINE))
    assert used
    assert used <= inputs
    assert set(re.findall(r"inputs\.([\w-]+)", ACTION)) == inputs


def test_no_input_reaches_a_shell_as_text() -> None:
    for step in ("Install rnnparity", "Run", "Summary"):
        assert "${{" not in script(step)


def test_the_matrix_has_every_environment() -> None:
    assert set(re.findall(r'api: "\*@([\w-]+)"', WORKFLOW)) == set(declarations.declared())
    pinned = re.findall(r'pins: "([^"]*)"', WORKFLOW)
    assert pinned


def test_tox_runs_the_same() -> None:
    assert "commands = rnnparity run --report {tox_root}/reports/parity {posargs}" in TOX


def test_every_workflow_s_form_is_checked() -> None:
    checked = re.search(r"vendor\.github-workflows (.*)", TOX)
    assert checked
    workflows = (ROOT / ".github" / "workflows").iterdir()
    assert set(checked[1].split()) == {f".github/workflows/{path.name}" for path in workflows}


def test_the_workflow_runs_what_tox_runs() -> None:
    """Lint and types by themselves, and everything by README's command; the fast tests beside it."""
    listed = re.search(r"env_list = (.*)", TOX)
    assert listed
    assert listed[1].split(", ") == ["lint", "types", "tests"]
    assert "environment: [lint, types]" in TESTS
    assert "- run: .ci/run" in TESTS
    assert "tox -e fast" in TESTS


def test_the_fast_tests_leave_out_what_is_marked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    marks = [mark.partition(":")[0] for mark in project["tool"]["pytest"]["ini_options"]["markers"]]
    assert f'-m "{" and ".join(f"not {mark}" for mark in marks)}"' in TOX


def test_the_fast_tests_run_on_every_python_that_is_promised() -> None:
    matrix = re.search(r"python: \[(.*)\]", TESTS)
    assert matrix
    assert matrix[1] == ", ".join(f'"3.{minor}"' for minor in range(11, 15))
    numpy = declarations.declared()["numpy"].python
    assert numpy == ">=3.11,<3.15"
