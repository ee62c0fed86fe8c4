"""A cold ``rnnparity run`` of one api per environment, and the same as bare scripts: time and memory."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil

import rnnparity
from bench.script import Script
from rnnparity import Target, select
from rnnparity.environments import declarations

HARNESS = "harness"
TARGETS = list({target.live.environment: target for target in reversed(select())}.values())[::-1]
"""The first row of each environment."""


def harness() -> None:
    """``rnnparity run`` in a process of its own."""
    command = [sys.executable, "-m", "rnnparity", "run", "--api", *(target.key for target in TARGETS)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def scripts() -> None:
    """As many at a time as the harness has workers, which it kills, while a script takes its time to exit."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(_script, TARGETS))


def _script(target: Target) -> None:
    with Script(target, [rnnparity.make_case()]) as script:
        script.seconds("calls", 1)


def pairs(count: int) -> Iterator[tuple[float, float]]:
    """Seconds of the harness and of the scripts, in turn, after a round that fills the caches."""
    for number in range(count + 1):
        times = [time.perf_counter()]
        for side in (harness, scripts):
            side()
            times.append(time.perf_counter())
        if number:
            yield times[1] - times[0], times[2] - times[1]


def peaks() -> dict[str, float]:
    """The peak MiB of the harness and of each environment's worker in ``rnnparity run``. Linux only."""
    found: dict[str, float] = {}
    thread = threading.Thread(target=harness)
    thread.start()
    while thread.is_alive():
        for process in psutil.Process().children(recursive=True):
            try:
                name = _name(process.cmdline())
                status = Path(f"/proc/{process.pid}/status").read_text("utf-8")
                peak = int(status.partition("VmHWM:")[2].split()[0]) / 1024
            except (psutil.Error, OSError, IndexError):  # it has ended
                continue
            found[name] = max(found.get(name, 0), peak)
        time.sleep(0.02)
    return found


def _name(command: Sequence[str]) -> str:
    known = declarations.declared().values()
    return next((one.name for one in known if command[0].startswith(str(one.path))), HARNESS)
