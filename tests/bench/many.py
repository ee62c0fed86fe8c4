"""Many cases: ``rnnparity run --trials N``, and the bare loops over the same cases, on the same cores."""

import itertools
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import rnnparity
from bench.script import Script
from rnnparity import Case, Target


class Pair(NamedTuple):
    """Seconds on the clock of ``rnnparity run``, of the bare scripts, and of the loops alone in them.

    The scripts import their framework, once for each api. The loops alone are the sum of all, by the CPUs
    that they shared.
    """

    harness: float
    scripts: float
    loops: float


def pairs(trials: int, patterns: str | list[str], count: int) -> Iterator[Pair]:
    """The harness and the bare loops, in turn."""
    targets = rnnparity.select(patterns)
    cases = [rnnparity.make_case(seed) for seed in range(trials)]
    for _ in range(count):
        start = time.perf_counter()
        _harness(targets, trials)
        between = time.perf_counter()
        loops = _loops(targets, cases)
        yield Pair(between - start, time.perf_counter() - between, loops)


def _harness(targets: list[Target], trials: int) -> None:
    apis = [target.key for target in targets]
    command = [sys.executable, "-m", "rnnparity", "run", "--trials", str(trials), "--api", *apis]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def _loops(targets: list[Target], cases: list[Case]) -> float:
    """As many at a time as the harness has workers."""
    processors = os.cpu_count() or 1
    with ThreadPoolExecutor(processors) as pool:
        return sum(pool.map(_loop, targets, itertools.repeat(cases))) / processors


def _loop(target: Target, cases: list[Case]) -> float:
    with Script(target, cases) as script:
        return script.seconds("calls", len(cases)) * len(cases)
