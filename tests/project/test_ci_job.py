"""The continuous integration job, run here as a runner would run it."""

import os
import re
import subprocess
import sys
from pathlib import Path

from rnnparity.report.write import FILES

ROOT = Path(__file__).parents[2]
ACTION = (ROOT / ".github" / "actions" / "rnnparity" / "action.yml").read_text("utf-8")
WORKFLOW = (ROOT / ".github" / "workflows" / "parity.yml").read_text("utf-8")


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
    from rnnparity.environments import declarations

    assert set(re.findall(r'api: "\*@([\w-]+)"', WORKFLOW)) == set(declarations.declared())
    pinned = re.findall(r'pins: "([^"]*)"', WORKFLOW)
    assert pinned


def test_tox_runs_the_same() -> None:
    tox = (ROOT / "tox.ini").read_text("utf-8")
    assert "commands = rnnparity run --report {tox_root}/reports/parity {posargs}" in tox
