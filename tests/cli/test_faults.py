"""What must not end in a traceback, a hang or a wrong exit status, whatever the command line is given."""

import errno
import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.command import SMALL, run

from rnnparity.cli import commands
from rnnparity.live import runner
from rnnparity.recordings import check as checking
from rnnparity.recordings.meta import write_meta

Arrays = dict[str, Any]


def command(*arguments: str, limit: float = 60, **options: Any) -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own, which is killed after ``limit`` seconds."""
    return subprocess.run(
        [sys.executable, "-m", "rnnparity", *arguments], text=True, timeout=limit, check=False, **options
    )


@pytest.fixture
def recordings(tmp_path: Path, arrays: Arrays) -> dict[str, str]:
    """The path of a recording that agrees, and of one that does not."""
    meta = write_meta({"api": "torch.nn.LSTM", "version": "2.13.0", "options": {}})
    wrong = arrays["hidden"].copy()
    wrong[1, 3, 2] += 0.1
    np.savez(tmp_path / "agree.npz", **arrays, meta=meta)
    np.savez(tmp_path / "diverge.npz", **{**arrays, "hidden": wrong}, meta=meta)
    return {name: str(tmp_path / f"{name}.npz") for name in ("agree", "diverge")}


@pytest.mark.parametrize(("name", "status"), [("agree", 0), ("diverge", 1)])
def test_the_status_does_not_depend_on_who_reads(name: str, status: int, recordings: dict[str, str]) -> None:
    """A closed pipe, one that closes early, and no stdout at all."""
    files = [recordings[name]] * 3
    words = " ".join([sys.executable, "-m rnnparity check", *files])
    for reader in ("| true", "| head -1", "| cat", ">&-", "2>&-", "2>&1 | true"):
        ended = subprocess.run(
            ["bash", "-c", f"{words} {reader}; exit ${{PIPESTATUS[0]}}"],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert ended.returncode == status, reader
        assert ended.stderr == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
@pytest.mark.parametrize("arguments", [["apis"], ["--help"], ["check", "{diverge}"], ["inspect", "F.lstm"]])
def test_a_full_device_is_one_line(arguments: list[str], recordings: dict[str, str]) -> None:
    with open("/dev/full", "w") as full:
        words = [argument.format(**recordings) for argument in arguments]
        ended = command(*words, stdout=full, stderr=subprocess.PIPE)
    assert ended.returncode == commands.COULD_NOT_RUN
    assert ended.stderr == "rnnparity: stdout cannot be written: No space left on device\n"


def test_results_are_written_whole_or_not_at_all(tmp_path: Path) -> None:
    """The limit of the size of files stands for a full disk. What was there stays."""
    report, result = tmp_path / "report", tmp_path / "result.json"
    report.mkdir()
    (report / "report.html").write_text("before")
    result.write_text("before")

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2**13, 2**13))

    arguments = ["run", "--api", "numpy.*", *SMALL, "--trials", "9"]
    for more in (["--json", str(result)], ["--report", str(report)]):
        ended = command(*arguments, *more, preexec_fn=limited, capture_output=True)
        assert ended.returncode == commands.COULD_NOT_RUN
        assert ended.stderr.endswith("cannot be written: File too large\n")
        assert len(ended.stderr.splitlines()) == 1
        assert "numpy.lstm_cell" in ended.stdout
    assert result.read_text() == (report / "report.html").read_text() == "before"
    assert sorted(tmp_path.rglob("*")) == [report, report / "report.html", result]


def test_a_result_may_go_to_a_device(capsys: pytest.CaptureFixture[str]) -> None:
    """Which is written, not replaced."""
    assert run(capsys, "run", "--api", "numpy.*", *SMALL, "--json", os.devnull)[0] == commands.ALL_AGREE
    assert not Path(os.devnull).is_file()


def test_a_link_stays_and_so_do_permissions(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    place, link = tmp_path / "place.json", tmp_path / "link.json"
    place.write_text("")
    place.chmod(0o640)
    link.symlink_to(place)
    assert run(capsys, "run", "--api", "numpy.*", *SMALL, "--json", str(link))[0] == commands.ALL_AGREE
    assert link.is_symlink()
    assert json.loads(place.read_text())["schema"] == 1
    assert place.stat().st_mode & 0o777 == 0o640


FIFOS = {
    "a recording": ["check", "{}.npz"],
    "a safetensors recording": ["check", "{}.safetensors"],
    "a trajectory": ["diff", "{}.csv", "{}.csv"],
    "an array": ["diff", "{}.npy", "{}.npy"],
    "a baseline": ["run", "--api", "numpy.*", "--baseline", "{}.json"],
}


@pytest.mark.parametrize("arguments", FIFOS.values(), ids=FIFOS)
@pytest.mark.parametrize("target", ["a FIFO", "a device"])
def test_what_never_ends_is_refused(arguments: list[str], target: str, tmp_path: Path) -> None:
    words = [word.format(tmp_path / "endless") for word in arguments]
    for path in (Path(word) for word in dict.fromkeys(words) if "endless" in word):
        if target == "a FIFO":
            os.mkfifo(path)
        else:
            path.symlink_to("/dev/zero")
    ended = command(*words, capture_output=True, limit=30)
    assert ended.returncode == commands.BAD_INPUT
    assert ended.stdout == ""
    assert f"({target}), but should be a regular file" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_a_fault_of_ours_is_no_divergence(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, recordings: dict[str, str]
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("planted\n\x1b[2J")

    monkeypatch.setattr(checking, "check", broken)
    status, out, err = run(capsys, "check", recordings["agree"])
    assert (status, out) == (commands.FAULT, "")
    assert err.startswith(
        "rnnparity: this is a fault of rnnparity itself: ZeroDivisionError: planted\\n\\x1b[2J ("
    )
    assert len(err.splitlines()) == 1
    monkeypatch.setattr(runner, "run", broken)
    assert run(capsys, "run", "--api", "numpy.*", *SMALL)[0] == commands.FAULT


REFUSED = {
    "endless time": (
        ["run", "--timeout", "inf"],
        "--timeout: got inf, but should be a number of seconds above 0",
    ),
    "ages": (["run", "--timeout", "1e10"], "--timeout: got 10000000000.0, but should be"),
    "trials": (["run", "--trials", "1000000000"], "--trials: got 1000000000, which need about"),
    "more trials than seeds": (
        ["run", "--seed", "4294967295", "--trials", "2"],
        "--trials: got 2, but should be at most 1",
    ),
    "jobs": (["run", "--jobs", "100000"], "--jobs: got 100000, but should be an integer from 1 to"),
    "jobs of the selftest": (
        ["selftest", "--jobs", "100000"],
        "--jobs: got 100000, but should be an integer",
    ),
    "trials of the selftest": (
        ["selftest", "--clean", "1000000000"],
        "--clean: got 1000000000, but should be",
    ),
    "seed of the selftest": (["selftest", "--seed", "4294967296"], "--seed: got 4294967296, but should be"),
    "negative seed": (["selftest", "--seed", "-1"], "--seed: got -1, but should be an integer from 0"),
    "seeds of live runs": (
        ["selftest", "--api", "numpy.*", "--seed", "4294967296"],
        "--seed: got 4294967296",
    ),
    "no report": (["run", "--report", ""], "--report: got '' (no name), but should be a folder"),
    "no json": (["run", "--json", ""], "--json: got '' ("),
    "no baseline": (["run", "--baseline", ""], "--baseline: got  (No such file or directory)"),
    "a name with NUL": (["check", "a\0.npz"], "embedded null byte"),
    "a long name": (["check", "a" * 5000 + ".npz"], "File name too long"),
    "an option with escapes": (
        ["run", "--api", "\x1b[2J\nall agree"],
        "--api: got \\x1b[2J\\nall agree, but",
    ),
    "an unknown option with escapes": (["run", "--\x1b[2J"], "--\\x1b[2J"),
    "a file with escapes": (["check", "\x1b]0;x\x07\nagree.npz"], "\\x1b]0;x\\x07\\nagree.npz"),
    "a lone surrogate": (["check", "\udc80.npz"], "\\udc80.npz"),
}


@pytest.mark.parametrize(("arguments", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, *arguments)
    assert (status, out) == (commands.BAD_INPUT, "")
    assert message in err
    assert len(err.splitlines()) == 1
    assert err[:-1].isprintable()


@pytest.mark.parametrize("name", ["[/red]", "[bold]x", ":smile:"])
def test_a_cache_may_have_any_name(name: str, tmp_path: Path) -> None:
    environment = {**os.environ, "RNNPARITY_CACHE_DIR": str(tmp_path / name)}
    ended = command("envs", env=environment, capture_output=True)
    assert ended.returncode == commands.ALL_AGREE
    assert ended.stdout.endswith(f"\nin {tmp_path / name}\n")


@pytest.mark.parametrize("name", ["~nouser/x", "x" * 5000])
@pytest.mark.parametrize("arguments", [["envs"], ["run", "--api", "numpy.*"]])
def test_a_cache_that_cannot_be(arguments: list[str], name: str) -> None:
    ended = command(*arguments, env={**os.environ, "RNNPARITY_CACHE_DIR": name}, capture_output=True)
    assert ended.returncode in (commands.ALL_AGREE, commands.BAD_INPUT, commands.COULD_NOT_RUN)
    assert "Traceback" not in ended.stderr
    assert len(ended.stderr.splitlines()) <= 1


def test_text_that_no_terminal_should_get(recordings: dict[str, str], tmp_path: Path) -> None:
    """A file whose name, once printed, would be a line that says agree."""
    name = tmp_path / "x\x1b[2K\ntorch agree.npz"
    Path(recordings["diverge"]).rename(name)
    ended = command("check", str(name), capture_output=True)
    assert ended.returncode == commands.SOMETHING_DIVERGES
    assert ended.stdout.splitlines()[0].startswith(
        f"{tmp_path}/x\\x1b[2K\\ntorch agree.npz: torch.nn.LSTM 2.13.0 diverge"
    )
    assert not any(line.startswith("torch agree") for line in ended.stdout.splitlines())


def changed(**changes: Any) -> Callable[[dict[str, Any]], object]:
    return lambda document: document.update(changes)


def of_row(**changes: Any) -> Callable[[dict[str, Any]], object]:
    return lambda document: document["rows"][0].update(changes)


def of_case(**changes: Any) -> Callable[[dict[str, Any]], object]:
    return lambda document: document["case"].update(changes)


BASELINES: dict[str, Callable[[dict[str, Any]], object]] = {
    "rows that are none": changed(rows=3),
    "a row that is none": changed(rows=[3]),
    "a row without a name": lambda document: document["rows"][0].pop("api"),
    "options that are none": of_row(options=[1]),
    "an unknown verdict": of_row(verdict="fine"),
    "a verdict that is none": of_row(verdict=[]),
    "a version of escapes": of_row(version="\x1b[2J\nagree"),
    "a version that is none": of_row(version=None),
    "no environment": lambda document: document["rows"][0].pop("environment"),
    "no figures": lambda document: document["rows"][0].pop("cell"),
    "noise that is no number": of_row(hidden={"noise": "much"}),
    "no noise": of_row(cell={"difference": 1.0}),
    "a case that is none": changed(case=[]),
    "no seeds": of_case(seeds=[]),
    "an unknown cell": of_case(cell="ltsm"),
    "a forget bias that is no number": of_case(forget_bias="one"),
    "nested too deep": lambda document: document.update(rows=json.loads("[" * 400 + "]" * 400)),
    "a number too long": of_case(batch=10**400),
}


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("stored") / "old.json"
    assert commands.main(["run", "--api", "numpy.*", *SMALL, "--json", str(path)]) == 0
    return path.read_text("utf-8")


@pytest.mark.parametrize("change", BASELINES.values(), ids=BASELINES)
def test_a_malformed_baseline_is_found_before_the_run(
    change: Callable[[dict[str, Any]], object],
    stored: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def late(*_: object, **__: object) -> None:
        raise AssertionError("the run has begun")

    monkeypatch.setattr(runner, "run", late)
    document = json.loads(stored)
    change(document)
    (tmp_path / "old.json").write_text(json.dumps(document))
    arguments = ["run", "--api", "numpy.*", *SMALL, "--baseline", str(tmp_path / "old.json")]
    status, out, err = run(capsys, *arguments)
    assert (status, out) == (commands.BAD_INPUT, "")
    assert err.startswith("rnnparity: --baseline: got ")
    assert len(err.splitlines()) == 1


def test_a_baseline_that_is_no_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "old.json").write_bytes(b"\xff\xfe{}")
    status, _, err = run(capsys, "run", "--api", "numpy.*", "--baseline", str(tmp_path / "old.json"))
    assert status == commands.BAD_INPUT
    assert "but should be text in UTF-8" in err


TRAJECTORIES = {
    "a huge field": "0.1," + "9" * 200_000 + "\n",
    "beyond float32": "0.1,1e39\n0.2,0.3\n",
    "beyond float64": "0.1,1e999\n0.2,0.3\n",
    "a line of nothing": "\n\n,\n",
    "quotes that do not end": '"0.1,0.2\n0.3,0.4\n',
    "a NUL": "0.1,\0\n",
}


@pytest.mark.parametrize("text", TRAJECTORIES.values(), ids=TRAJECTORIES)
def test_a_csv_that_holds_no_trajectory(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text)
    status, out, err = run(capsys, "diff", str(path), str(path))
    assert (status, out) == (commands.BAD_INPUT, "")
    assert len(err.splitlines()) == 1


METAS: dict[str, str] = {
    "a version of many digits": '{"recording": 1, "api": "torch.nn.LSTM", "version": %s}' % ("9" * 4300),
    "a version text of many digits": '{"recording": 1, "api": "torch.nn.LSTM", "version": "%s"}'
    % ("9" * 4300),
    "a lone surrogate": '{"recording": 1, "api": "torch.nn.LSTM", "version": "\\ud800"}',
    "a forged line": '{"recording": 1, "api": "torch.nn.LSTM", "version": "2\\nagree"}',
    "an escape": '{"recording": 1, "api": "torch.nn.LSTM", "version": "\\u001b[2J"}',
    "an api of escapes": '{"recording": 1, "api": "\\u001b[2J\\nx"}',
    "options of escapes": '{"recording": 1, "api": "torch.nn.LSTM", "options": {"\\u001b[2J\\nx": 1}}',
    "deep options": '{"recording": 1, "api": "torch.nn.LSTM", "options": %s}'
    % ('{"a":' * 3000 + "1" + "}" * 3000),
    "provenance of another type": '{"recording": 1, "api": "torch.nn.LSTM", "provenance": [1]}',
}


@pytest.mark.parametrize("meta", METAS.values(), ids=METAS)
def test_a_meta_that_is_refused(
    meta: str, arrays: Arrays, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez(tmp_path / "a.npz", **arrays, meta=np.array(meta))
    status, out, err = run(capsys, "check", str(tmp_path / "a.npz"))
    assert (status, out) == (commands.BAD_INPUT, "")
    assert len(err.splitlines()) == 1
    assert err[:-1].isprintable()


def test_a_version_may_be_a_long_number(arrays: Arrays, tmp_path: Path) -> None:
    """No framework numbers its versions so, but it can be printed, and is later than all others."""
    meta = write_meta({"api": "torch.nn.LSTM", "version": "9" * 99, "options": {}})
    np.savez(tmp_path / "a.npz", **arrays, meta=meta)
    assert checking.check(tmp_path / "a.npz").verdict == "agree"


def test_errno_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a recording that may not be read, and of a folder."""
    _, _, err = run(capsys, "check", str(tmp_path), str(tmp_path / "a.npz"))
    assert "a folder" in err
    assert os.strerror(errno.ENOENT) in err
