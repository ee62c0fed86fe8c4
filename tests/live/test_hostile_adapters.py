"""What an adapter can do to its worker, and must not do to the run, to the next api, or to the machine."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
from support.faults import fault

import rnnparity
from rnnparity import Case
from rnnparity.environments import cache
from rnnparity.environments.declarations import Environment
from rnnparity.errors import CorruptEnvironment
from rnnparity.judge import comparison
from rnnparity.live.workers import Pool

TESTS = Path(__file__).parents[1]
START = f"""
import sys
sys.path.insert(0, {str(TESTS)!r})
import rnnparity
from support.faults import fault
"""
KILLS = int(os.environ.get("RNNPARITY_TEST_KILLS", "4"))
"""How many workers are killed at random moments: with more, it takes about a second each."""


def script(code: str, limit: float = 60) -> subprocess.CompletedProcess[str]:
    """Run code in a process that is killed after ``limit`` seconds: what hangs fails."""
    return subprocess.run(
        [sys.executable, "-c", START + code], capture_output=True, text=True, timeout=limit, check=True
    )


def left_over() -> list[psutil.Process]:
    """Processes that only the adapters of this module start."""
    return [process for process in psutil.process_iter() if _is_left_over(process)]


def _is_left_over(process: psutil.Process) -> bool:
    try:
        return process.cmdline() == ["sleep", "600"] and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def test_a_fork_answers_once() -> None:
    """Otherwise its second answer to one case would be taken for that to the next."""
    cases = [rnnparity.make_case(seed, batch=3, steps=4, input_size=3, units=2) for seed in range(4)]
    forked, sound = rnnparity.run(cases, [fault("Forks"), fault("Sound")]).rows
    assert sound.agree, sound.reason
    assert forked.agree, forked.reason


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "verdict", "reason"),
    [
        ("CloseRaises", comparison.FAILED, "while it was closed: RuntimeError: this cannot be closed"),
        ("CloseHangs", comparison.TIMEOUT, "while it was closed: no answer in 2 s"),
    ],
)
def test_closing_is_part_of_an_api(name: str, verdict: str, reason: str, case: Case) -> None:
    """Wherever it stands: behind it comes a sound api, or nothing."""
    for behind in ([fault("Sound")], []):
        closed, *rest = rnnparity.run(case, [fault(name), *behind], timeout=2).rows
        assert (closed.verdict, closed.reason) == (verdict, reason)
        assert all(row.agree for row in rest)


def test_what_an_earlier_run_left_in_a_worker_is_no_fault_of_the_next(case: Case) -> None:
    with Pool() as pool:
        assert rnnparity.run(case, fault("CloseRaises"), pool=pool).agree
        assert rnnparity.run(case, fault("Sound"), pool=pool).agree


@pytest.mark.slow
def test_a_child_in_its_own_session_keeps_nothing_open() -> None:
    """Its worker has ended, but the pipe has not."""
    before = left_over()
    out = script("""
import time
case = rnnparity.make_case(1, batch=3, steps=4, input_size=3, units=2)
start = time.monotonic()
rows = rnnparity.run(case, [fault("LeavesAChildAndExits"), fault("LeavesAChild"), fault("Sound")]).rows
print(*(row.verdict for row in rows), rows[0].reason)
assert time.monotonic() - start < 30
""").stdout
    assert out == "crashed agree agree the worker exited with status 7\n"
    assert left_over() == before


@pytest.mark.slow
def test_ctrl_c_reaches_a_run_with_such_a_child() -> None:
    before = left_over()
    code = START + "rnnparity.run(rnnparity.make_case(0), fault('LeavesAChildAndHangs'))"
    with subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE) as harness:
        deadline = time.monotonic() + 30
        while len(left_over()) == len(before) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert len(left_over()) > len(before)
        harness.send_signal(signal.SIGINT)
        try:
            assert b"KeyboardInterrupt" in harness.communicate(timeout=20)[1]
        finally:
            harness.kill()
    assert left_over() == before


@pytest.mark.slow
@pytest.mark.parametrize("input_size", [4, 4000])
def test_the_time_limit_covers_writing(input_size: int) -> None:
    """A stopped worker reads no second request, which may be larger than a pipe."""
    out = script(f"""
cases = [rnnparity.make_case(seed, batch=8, steps=20, input_size={input_size}, units=2) for seed in range(3)]
stopped, sound = rnnparity.run(cases, [fault("Stops"), fault("Sound")], timeout=4).rows
print(stopped.verdict, sound.verdict)
""").stdout
    assert out == "timeout agree\n"


def test_a_log_may_be_one_long_line(case: Case) -> None:
    row = rnnparity.run(case, fault("LongLine")).rows[0]
    assert (row.verdict, row.reason) == (comparison.CRASHED, "the worker exited with status 7")
    assert 0 < len(row.log) < 2**15
    assert "\x1b" not in row.log


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Extra", "ValueError: the adapter returned "),
        ("NoNumbers", "rnnparity_adapters.wire.WireError: loaded/trajectory/hidden has dtype object"),
        ("RaisesMuch", "RuntimeError: xxx"),
        ("RaisesEscapes", "\\x1b[2J\\ud800\\ntorch.nn.LSTM"),
    ],
)
def test_what_cannot_be_sent_is_a_failure(name: str, reason: str, case: Case) -> None:
    failed, sound = rnnparity.run(case, [fault(name), fault("Sound")]).rows
    assert failed.verdict == comparison.FAILED
    assert reason in failed.reason
    assert failed.reason.isprintable()
    assert all(line.isprintable() for line in failed.log.splitlines())
    assert len(failed.reason) < 2**12
    assert len(failed.log) < 2**16
    assert sound.agree


def test_what_an_adapter_returns_too_much_is_not_copied() -> None:
    """512 MiB that nobody asked for, in the worker, are no memory of the harness."""
    out = script("""
import resource
rnnparity.run(rnnparity.make_case(1, batch=3, steps=4, input_size=3, units=2), fault("Extra"))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
""").stdout
    assert int(out) * (1 if sys.platform == "darwin" else 2**10) < 2**29


def test_an_interpreter_that_is_gone_is_a_row(
    case: Case, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "python").write_text("")
    for python, said in ((tmp_path / "python", "Permission denied"), (tmp_path / "gone", "No such file")):
        monkeypatch.setattr(cache, "ensure", lambda *_, python=python: python)
        first, second = rnnparity.run(case, [fault("Sound"), fault("Forks")]).rows
        assert first.verdict == second.verdict == comparison.CRASHED
        assert f"{python} cannot be started: {said}" in first.reason


def test_an_environment_that_is_removed_during_a_run_is_a_row(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    def removed(environment: Environment, *_: object) -> Path:
        raise CorruptEnvironment(f"environment {environment.name}", "nothing", "as it was made")

    monkeypatch.setattr(cache, "ensure", removed)
    (row,) = rnnparity.run(case, fault("Sound")).rows
    assert row.verdict == comparison.UNAVAILABLE
    assert row.reason == "environment numpy: got nothing, but should be as it was made"


@pytest.mark.slow
def test_workers_killed_at_random_moments(case: Case) -> None:
    """The row says that the worker crashed, the next api agrees, and nothing stays behind."""
    generator = random.Random(0)
    here = psutil.Process()
    before = set(here.children(recursive=True))
    for _ in range(KILLS):
        stop = threading.Event()
        killer = threading.Thread(target=_kill_a_worker, args=(here, before, generator.uniform(0, 1.0), stop))
        killer.start()
        killed, sound = rnnparity.run([case] * 3, [fault("Slow"), fault("Sound")], timeout=30).rows
        stop.set()
        killer.join()
        assert killed.verdict in (comparison.CRASHED, comparison.AGREE)
        assert killed.agree or killed.reason == "the worker was ended by SIGKILL"
        assert sound.agree, sound.reason
        assert set(here.children(recursive=True)) == before


def _kill_a_worker(
    here: psutil.Process, before: set[psutil.Process], moment: float, stop: threading.Event
) -> None:
    """Kill the first worker that comes, so many seconds after it has come."""
    while not stop.is_set():
        for worker in set(here.children()) - before:
            stop.wait(moment)
            try:
                worker.kill()
            except psutil.NoSuchProcess:
                continue
            return
        time.sleep(0.01)
