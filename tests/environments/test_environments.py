import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import filelock
import pytest
from support import needs
from support.small_environments import SMALL, THIS, SlowBuild, cache_folder, folders, version

from rnnparity.environments import cache, declarations
from rnnparity.environments.processes import Processes
from rnnparity.errors import CorruptEnvironment, InputError, Unavailable

__all__ = ["cache_folder"]  # a fixture
pytestmark = pytest.mark.usefixtures("cache_folder")

ENSURE = """
import sys
from rnnparity.environments import cache, declarations
made = declarations.Environment("small", sys.argv[1], (sys.argv[2],), {})
print(cache.ensure(made, lambda line: print(line, flush=True)))
"""


def ensure_elsewhere(python: str, requirement: str) -> "subprocess.Popen[str]":
    """``ensure`` in a process of its own, which prints what it is told and then the interpreter."""
    command = [sys.executable, "-c", ENSURE, python, requirement]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


OLDER = pytest.param("==3.7.*", "1.5 3 7", marks=pytest.mark.frameworks)


@pytest.mark.parametrize(("python", "expected"), [(">=3.11,<3.15", "1.5 3 1"), OLDER])
def test_it_is_made_found_and_made_no_second_time(python: str, expected: str) -> None:
    environment = replace(SMALL, python=python)
    assert cache.find(environment) is None
    told: list[str] = []
    try:
        interpreter = cache.ensure(environment, told.append)
    except Unavailable as error:
        if "pyenv install 3.7" not in error.remedy:
            raise
        needs.lacking(str(error))
    assert version(interpreter).startswith(expected)
    assert told[0] == f"finding Python {python}"
    assert "installing tiny==1.5" in told
    assert any(line.startswith("Installed 1 package") for line in told)

    before = environment.path.stat()
    assert cache.ensure(environment, pytest.fail) == interpreter
    assert cache.find(environment) == interpreter
    assert environment.path.stat() == before


def test_another_declaration_is_another_environment() -> None:
    others = (
        replace(SMALL, python="==3.10.*"),
        replace(SMALL, requirements=("tiny==1.6",)),
        replace(SMALL, torch_backend="cpu"),
        replace(SMALL, name="other"),
    )
    assert len({SMALL.path, *(other.path for other in others)}) == 5
    assert replace(SMALL, variables={"A": "1"}).path == SMALL.path


def test_every_declared_environment_reads() -> None:
    declared = declarations.declared()
    assert declared["tf1"].python == "==3.7.*"
    assert declared["tf1"].torch_backend == ""
    assert declared["torch"].torch_backend == "cpu"
    assert declared["keras-torch"].variables["KERAS_BACKEND"] == "torch"
    assert declared["nnabla"].pinned("nnabla") == "1.39.0"


def test_two_processes_make_it_once() -> None:
    both = [ensure_elsewhere(SMALL.python, *SMALL.requirements) for _ in range(2)]
    outputs = [process.communicate()[0].splitlines() for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert {lines[-1] for lines in outputs} == {str(cache.find(SMALL))}
    assert sum("installing tiny==1.5" in lines for lines in outputs) == 1


def test_ctrl_c_leaves_no_process_and_no_folder(tmp_path: Path, cache_folder: Path) -> None:
    slow = SlowBuild(tmp_path / "slow")
    process = ensure_elsewhere(THIS, slow.requirement)
    slow.wait_until_started()
    assert len(folders(cache_folder)) == 1
    process.send_signal(signal.SIGINT)
    assert "KeyboardInterrupt" in process.communicate(timeout=10)[1]
    slow.wait_until_ended()
    assert [path.suffix for path in cache_folder.iterdir() if path.name != "uv.toml"] == [".lock"]


def test_who_stops_the_processes_stops_a_making_in_another_thread(tmp_path: Path, cache_folder: Path) -> None:
    slow = SlowBuild(tmp_path / "slow")
    processes = Processes()
    environment = replace(SMALL, requirements=(slow.requirement,))
    with ThreadPoolExecutor() as pool:
        making = pool.submit(cache.ensure, environment, cache.ignore, processes)
        slow.wait_until_started()
        processes.stop()
        assert isinstance(making.exception(timeout=10), Unavailable)
    slow.wait_until_ended()
    assert folders(cache_folder) == []


def test_what_a_killed_maker_leaves_is_swept_by_the_next(cache_folder: Path) -> None:
    leftover = cache_folder / f"{SMALL.path.name}.making-0123abcd"
    leftover.mkdir(parents=True)
    cache.ensure(SMALL)
    assert folders(cache_folder) == [SMALL.path.name]


def without_interpreter() -> None:
    (SMALL.path / "bin" / "python").unlink()


def interpreter_leads_nowhere() -> None:
    without_interpreter()
    (SMALL.path / "bin" / "python").symlink_to("/nowhere/python")


def interpreter_that_may_not_be_run() -> None:
    without_interpreter()
    (SMALL.path / "bin" / "python").write_text("")


def record_too_deep() -> None:
    (SMALL.path / "environment.json").write_text("[" * 10**5)


def record_that_never_ends() -> None:
    record_gone()
    os.mkfifo(SMALL.path / "environment.json")


def record_cut_short() -> None:
    (SMALL.path / "environment.json").write_text('{"python": "==3')


def record_of_another() -> None:
    (SMALL.path / "environment.json").write_text(json.dumps({**SMALL.record, "machine": "abacus"}))


def record_gone() -> None:
    (SMALL.path / "environment.json").unlink()


@pytest.mark.parametrize(
    "damage",
    [
        without_interpreter,
        interpreter_leads_nowhere,
        interpreter_that_may_not_be_run,
        record_cut_short,
        record_of_another,
        record_gone,
        record_too_deep,
        record_that_never_ends,
    ],
)
def test_a_corrupt_one_is_an_input_error_until_it_is_removed(damage: Callable[[], None]) -> None:
    (SMALL.path / "bin").mkdir(parents=True)
    (SMALL.path / "bin" / "python").symlink_to(sys.executable)
    (SMALL.path / "environment.json").write_text(json.dumps(SMALL.record))
    assert cache.find(SMALL)
    damage()
    for use in (cache.find, cache.ensure):
        with pytest.raises(CorruptEnvironment, match="rnnparity envs remove small") as caught:
            use(SMALL)
        assert isinstance(caught.value, InputError)
    assert cache.remove(SMALL)
    assert cache.find(SMALL) is None


def test_a_cache_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("RNNPARITY_CACHE_DIR", str(tmp_path / "file" / "cache"))
    with pytest.raises(Unavailable, match="RNNPARITY_CACHE_DIR"):
        cache.ensure(SMALL)


def test_stale_folders_are_named_and_removed_but_nothing_else(cache_folder: Path) -> None:
    current = declarations.declared()["numpy"].path
    old, half = cache_folder / "numpy-0123456789ab", cache_folder / "tf1-0123456789ab.making-1"
    busy = cache_folder / f"{current.name}.making-2"
    for folder in (current, old, half, busy, cache_folder / "mine"):
        folder.mkdir(parents=True)
        (folder / "file").write_bytes(b"12345")
    with filelock.FileLock(cache_folder / f"{current.name}.lock"):
        assert cache.stale() == [old, half]
    assert cache.stale() == [old, busy, half]
    assert cache.size(old) == 5
    assert all(cache.remove(folder) for folder in cache.stale())
    assert not cache.remove(old)
    assert folders(cache_folder) == ["mine", current.name]


def test_other_versions_than_those_declared(monkeypatch: pytest.MonkeyPatch) -> None:
    before = declarations.declared()
    monkeypatch.setenv(declarations.PINS, "keras==3.12.0 torch==2.12.0")
    now = declarations.declared()
    assert "keras==3.12.0" in now["keras-torch"].requirements
    assert "torch==2.12.0" in now["keras-torch"].requirements
    assert now["torch"].path != before["torch"].path
    assert now["nnabla"] == before["nnabla"]


@pytest.mark.parametrize("pins", ["kersa==3.12.0", "keras"])
def test_pins_of_nothing(pins: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(declarations.PINS, pins)
    with pytest.raises(InputError, match=f"RNNPARITY_PINS: got {pins}, but should be NAME==VERSION"):
        declarations.declared()
