"""Planted faults through real workers: each becomes its row's verdict, and the run goes on."""

import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from support.faults import FAULTY_ADAPTERS, fault

import rnnparity
from rnnparity import Case
from rnnparity.errors import Divergence, InputError
from rnnparity.judge import comparison
from rnnparity.live.result import Row
from rnnparity.live.workers import Pool
from rnnparity_adapters import wire

TESTS = Path(__file__).parents[1]


def row_of(name: str, case: Case, **options: float) -> Row:
    return rnnparity.run(case, fault(name), **options).rows[0]  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["Sound", "Chatter"])
def test_no_fault(name: str, case: Case) -> None:
    row = row_of(name, case)
    assert row.verdict == comparison.AGREE, row.reason
    assert row.version == np.__version__ or row.version
    assert [(run.direction, run.comparison.verdict) for run in row.runs] == [
        ("loaded", "agree"),
        ("own", "agree"),
    ]


VERDICTS = {
    "Segfault": (comparison.CRASHED, "ended by SIGSEGV", "about to read address 0"),
    "Exit": (comparison.CRASHED, "exited with status 7", ""),
    "Garbage": (comparison.CRASHED, "not a frame", ""),
    "Raise": (comparison.FAILED, "RuntimeError: this cell cannot run", "Traceback"),
    "RaiseInBuild": (comparison.FAILED, "TypeError: an option that no longer exists", "Traceback"),
    "NotFinite": (comparison.NONFINITE, "cell[batch 1, step 2, unit 3] is not finite", ""),
    "OneStepTooFew": (comparison.FAILED, "hidden has shape [3, 6, 4], but should have [3, 7, 4]", ""),
    "TimeMajor": (comparison.FAILED, "hidden has shape [7, 3, 4]", ""),
    "WrongDtype": (comparison.FAILED, "hidden has dtype float64, but should have float32", ""),
    "StatesSwapped": (comparison.DIVERGE, "differs from step 0 on", ""),
    "IgnoresOwnWeights": (comparison.DIVERGE, "own weights, seed 7: ", ""),
    "SwapInLoad": (comparison.DIVERGE, "kernel read back is not the kernel loaded, in gate i, f", ""),
    "SwapInLoadTimeMajor": (comparison.FAILED, "hidden has shape [7, 3, 4]", ""),
    "SwapInExtract": (comparison.DIVERGE, "kernel read back is not the kernel loaded, in gate i, f", ""),
    "SwapInBoth": (comparison.DIVERGE, "loaded weights, seed 7: cell differs from step 0 on", ""),
}


@pytest.mark.parametrize("name", VERDICTS)
def test_each_fault_has_its_verdict(name: str, case: Case) -> None:
    verdict, reason, log = VERDICTS[name]
    row = row_of(name, case)
    assert row.verdict == verdict
    assert reason in row.reason
    assert log in row.log


def test_a_missing_framework_is_a_failure_with_its_traceback(case: Case) -> None:
    row = rnnparity.run(case, fault("Cell", FAULTY_ADAPTERS.with_name("unimportable_adapter.py"))).rows[0]
    assert row.verdict == comparison.FAILED
    assert "a_framework_that_is_not_installed" in row.reason
    assert "Traceback" in row.log


@pytest.mark.slow
def test_a_hang_times_out(case: Case) -> None:
    row = row_of("Hang", case, timeout=3)
    assert row.verdict == comparison.TIMEOUT
    assert row.reason == "no answer in 3 s"
    assert "going to sleep" in row.log


@pytest.mark.slow
def test_the_run_goes_on_behind_each_fault(case: Case) -> None:
    """A crash, a hang and an exception, each followed by a sound api in the same environment."""
    order = ["Sound", "Segfault", "Sound", "Hang", "Sound", "Raise", "Garbage", "Sound"]
    result = rnnparity.run(case, [fault(name) for name in order], timeout=3)
    expected = {
        "Sound": "agree",
        "Segfault": "crashed",
        "Hang": "timeout",
        "Raise": "failed",
        "Garbage": "crashed",
    }
    assert [row.verdict for row in result] == [expected[name] for name in order]
    assert not result.agree
    with pytest.raises(Divergence, match=r"faults\.Segfault"):
        result.check()


def test_a_case_behind_a_crash_runs_in_a_new_worker() -> None:
    cases = [rnnparity.make_case(seed, batch=3, steps=4, input_size=3, units=2) for seed in (1, 2)]
    crashed, sound = rnnparity.run(cases, [fault("SegfaultOnce"), fault("Sound")]).rows
    assert crashed.verdict == comparison.CRASHED
    assert "SIGABRT" in crashed.reason
    assert sound.agree
    assert {run.seed for run in sound.runs} == {1, 2}


def test_trials_are_kept_apart() -> None:
    cases = [rnnparity.make_case(seed, batch=3, steps=4, input_size=3, units=2) for seed in range(4)]
    result = rnnparity.run(cases, "numpy.lstm_cell")
    row = result["numpy.lstm_cell"]
    assert [(run.seed, run.direction) for run in row.runs] == [
        (seed, direction) for seed in range(4) for direction in ("loaded", "own")
    ]
    assert row.run(seed=2).observed is not None
    assert row.run("own", seed=3).seed == 3
    with pytest.raises(InputError):
        row.run(seed=9)


def test_what_a_worker_computed_comes_back(case: Case) -> None:
    """The transport: what the worker computed is what the same code computes here, but for its numpy."""
    from rnnparity_adapters.numpy_adapter import lstm_cell

    observed = rnnparity.run(case, "numpy.lstm_cell").rows[0].run().observed
    assert observed is not None
    hidden, cell = case.initial_hidden, case.initial_cell
    for step in range(case.steps):
        hidden, cell = lstm_cell(*case.weights, 1.0, case.inputs[:, step], hidden, cell)
        np.testing.assert_allclose(observed["hidden"][:, step], hidden, rtol=0, atol=3e-7)
    assert observed["hidden"].dtype == np.float32


def test_unsupported_dtype_is_said_without_running() -> None:
    case = rnnparity.make_case(0, batch=3, steps=4, input_size=3, units=2, dtype="float64")
    row = rnnparity.run(case, "PF.lstm").rows[0]
    assert row.verdict == comparison.UNSUPPORTED
    assert row.reason == "runs in float32 only, not in float64"
    assert row.version == "1.39.0"


def test_selection(case: Case) -> None:
    with pytest.raises(InputError, match=r"torch\.nn\.LSTM"):
        rnnparity.run(case, "torch.nn.LTSM")
    with pytest.raises(InputError, match="nothing"):
        rnnparity.run(case, [])
    with pytest.raises(InputError, match="cases"):
        rnnparity.run([], "numpy.*")
    assert [one.live.environment for one in rnnparity.select("keras.layers.LSTMCell")] == [
        "keras-tf",
        "keras-torch",
    ]
    assert len(rnnparity.select(["*@tf1", "TF.*"])) == len(
        {api.key for api in rnnparity.select(["*@tf1", "TF.*"])}
    )


def test_frame_and_text(case: Case) -> None:
    result = rnnparity.run(case, [fault("Sound"), fault("SwapInBoth")])
    frame = result.frame
    assert frame["verdict"].tolist() == ["agree", "diverge"]
    assert frame["hidden_noise"].max() > 1000
    assert frame["first_step"].tolist()[1] == 0
    assert "faults.SwapInBoth@numpy diverge: loaded weights" in str(result)


def test_frames_carry_arrays_bit_for_bit() -> None:
    arrays: dict[str, np.ndarray] = {
        "nan": np.array([np.nan, -0.0, 1e-45, np.inf], np.float32),
        "empty": np.zeros((0, 3)),
        "scalar": np.array(7, np.int64),
        "transposed": np.arange(6.0).reshape(2, 3).T,
        "flags": np.array([True, False]),
    }
    written = wire.encode(2**40, wire.Frame({"text": "\u00e9", "n": [1, None]}, arrays))
    number, body = wire.read(io.BytesIO(written)) or (0, bytearray())
    assert number == 2**40
    frame = wire.decode(body)
    assert frame.message == {"text": "\u00e9", "n": [1, None]}
    assert list(frame.arrays) == list(arrays)
    for name, array in arrays.items():
        assert frame.arrays[name].dtype == array.dtype
        assert frame.arrays[name].shape == array.shape
        assert frame.arrays[name].tobytes() == array.tobytes()
        assert frame.arrays[name].flags.writeable


def test_what_is_no_frame_is_refused() -> None:
    written = wire.encode(1, wire.Frame({}, {"a": np.arange(4.0)}))
    assert wire.read(io.BytesIO(written[:-1])) is None
    with pytest.raises(wire.WireError):
        wire.read(io.BytesIO(b"PK" + written[2:]))
    _, inside = wire.read(io.BytesIO(written)) or (0, bytearray())
    for broken in (inside[:-8], inside + b"\0", bytearray(), inside.replace(b"<f8", b"|O8")):
        with pytest.raises(wire.WireError):
            wire.decode(broken)
    with pytest.raises(wire.WireError, match="hidden has dtype object, which are no numbers"):
        wire.encode(1, wire.Frame({}, {"hidden": np.array([None])}))


def _children() -> list[psutil.Process]:
    return [
        child for child in psutil.Process().children(recursive=True) if "boot.py" in " ".join(child.cmdline())
    ]


def test_no_worker_outlives_its_run(case: Case) -> None:
    before = _children()  # those that the plugin keeps for this pytest process
    rnnparity.run(case, [fault("Sound"), fault("Hang")], timeout=2)
    assert _children() == before


def test_a_pool_s_worker_goes_on_with_the_next_run(case: Case) -> None:
    before = _children()
    with Pool() as pool:
        kept = []
        for _ in range(2):
            assert rnnparity.run(case, fault("Sound"), pool=pool).agree
            kept.append([child for child in _children() if child not in before])
        assert len(kept[0]) == 1
        assert kept[0] == kept[1]
        assert rnnparity.run(case, fault("Segfault"), pool=pool).rows[0].verdict == comparison.CRASHED
        assert rnnparity.run(case, fault("Sound"), pool=pool).agree
    assert _children() == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_nothing(number: signal.Signals) -> None:
    script = f"""
import sys
sys.path.insert(0, {str(TESTS)!r})
import rnnparity, rnnparity.cli.commands, signal
from support.faults import FAULTY_ADAPTERS, fault
signal.signal(signal.SIGTERM, rnnparity.cli.commands.interrupt)
print("running", flush=True)
rnnparity.run(rnnparity.make_case(0), [fault("Hang")])
"""
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as harness:
        assert harness.stdout is not None
        harness.stdout.readline()
        deadline = time.monotonic() + 30
        while not (workers := psutil.Process(harness.pid).children()) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert workers
        harness.send_signal(number)
        harness.wait(timeout=10)
        assert b"KeyboardInterrupt" in harness.communicate()[1]
    gone, alive = psutil.wait_procs(workers, timeout=5)
    assert not alive
    assert gone


def test_a_killed_harness_leaves_no_worker() -> None:
    """Not even SIGKILL: a worker ends when its pipe does, in the middle of a case."""
    script = f"""
import sys
sys.path.insert(0, {str(TESTS)!r})
import rnnparity
from support.faults import FAULTY_ADAPTERS, fault
rnnparity.run(rnnparity.make_case(0), [fault("Hang")])
"""
    harness = subprocess.Popen([sys.executable, "-c", script])
    deadline = time.monotonic() + 30
    while not (workers := psutil.Process(harness.pid).children()) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(1)
    os.kill(harness.pid, signal.SIGKILL)
    harness.wait()
    _, alive = psutil.wait_procs(workers, timeout=5)
    assert not alive
