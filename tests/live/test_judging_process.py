"""Judging in a process of its own changes nothing, whatever becomes of that process."""

import pickle
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from support.faults import fault

import rnnparity
from rnnparity import Case, Result
from rnnparity.live import judging_process, runner

TESTS = Path(__file__).parents[1]
FAULTS = ("Sound", "SwapInBoth", "IgnoresOwnWeights", "TimeMajor", "NotFinite", "Raise")


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    return [
        rnnparity.make_case(seed, batch=3, steps=5, input_size=3, units=2) for seed in range(runner._MANY)
    ]


def run(cases: list[Case], keep: bool) -> Result:
    return rnnparity.run(cases, [*(fault(name) for name in FAULTS), "published.goodfellow*"], keep=keep)


def told(result: Result) -> list[object]:
    """Everything that a report says of each run, and what the run keeps."""
    return [
        (row.verdict, row.reason, row.causes, run.seed, run.direction, pickle.dumps(run.comparison))
        for row in result
        for run in row.runs
    ]


@pytest.mark.parametrize("keep", [True, False])
def test_it_says_the_same(keep: bool, cases: list[Case], monkeypatch: pytest.MonkeyPatch) -> None:
    judged: list[bool] = []
    judge = judging_process.JudgingProcess.judge

    def counted(*arguments: object) -> object:
        runs = judge(*arguments)  # type: ignore[arg-type]
        judged.append(runs is not None)
        return runs

    monkeypatch.setattr(judging_process.JudgingProcess, "judge", counted)
    apart = run(cases, keep)
    assert judged == [True] * len(judged)
    assert len(judged) >= 5 * len(cases)
    monkeypatch.setattr(runner, "_MANY", len(cases) + 1)
    here = run(cases, keep)
    assert len(judged) >= 5 * len(cases)
    assert told(apart) == told(here)
    for one, other in zip(apart.rows, here.rows, strict=True):
        for a, b in zip(one.runs, other.runs, strict=True):
            assert (a.observed is None) == (b.observed is None) == (not keep or b.observed is None)
            assert (a.reference is None) == (b.reference is None)
            if a.observed is not None and b.observed is not None:
                assert list(a.observed) == list(b.observed)
                assert all(np.array_equal(a.observed[k], b.observed[k], equal_nan=True) for k in a.observed)
            if a.reference is not None and b.reference is not None:
                assert np.array_equal(a.reference.hidden_noise, b.reference.hidden_noise)
                assert a.reference.case.equation == b.reference.case.equation


@pytest.mark.slow
def test_it_says_the_same_when_it_is_killed(cases: list[Case], monkeypatch: pytest.MonkeyPatch) -> None:
    """In the middle of the run, as by a system that is out of memory."""
    expected = told(rnnparity.run(cases, [fault("Slow"), fault("SwapInBoth")]))
    killed = threading.Event()
    before = set(psutil.Process().children())

    def kill() -> None:
        while not killed.wait(0.2):
            for process in set(psutil.Process().children()) - before:
                if "judging_process" in " ".join(process.cmdline()):
                    process.kill()
                    killed.set()

    killer = threading.Thread(target=kill)
    killer.start()
    found = told(rnnparity.run(cases, [fault("Slow"), fault("SwapInBoth")]))
    assert killed.is_set()
    killer.join()
    assert found == expected
    assert set(psutil.Process().children()) <= before


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_it_ends_with_the_run(number: signal.Signals) -> None:
    script = f"""
import sys
sys.path.insert(0, {str(TESTS)!r})
import rnnparity
from support.faults import fault
cases = [rnnparity.make_case(seed, batch=2, steps=3, input_size=2, units=2) for seed in range({runner._MANY})]
rnnparity.run(cases * 9, fault("Slow"))
"""
    with subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.DEVNULL) as harness:
        deadline = time.monotonic() + 30
        children: list[psutil.Process] = []
        while len(children) < 2 and time.monotonic() < deadline:
            time.sleep(0.2)
            children = psutil.Process(harness.pid).children()
        assert len(children) == 2  # the worker, and the one that judges
        harness.send_signal(number)
        harness.wait(timeout=10)
    _, alive = psutil.wait_procs(children, timeout=10)
    assert not alive


def test_a_script_needs_no_guard(tmp_path: Path) -> None:
    """The script's own lines run once, not once more in each process."""
    script = tmp_path / "script.py"
    script.write_text(f"""
import rnnparity
print("once", flush=True)
cases = [rnnparity.make_case(seed, batch=2, steps=3, input_size=2, units=2) for seed in range({runner._MANY})]
print(rnnparity.run(cases, "numpy.*").agree)
""")
    out = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert (out.stdout, out.stderr) == ("once\nTrue\n", "")
