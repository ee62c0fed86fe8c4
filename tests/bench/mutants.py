"""Mutants of every api, diagnosed from recordings: how many have the right cause first, and the time.

cd tests && python -m bench.mutants [--seeds N] [--api PATTERN] [--large]
"""

import argparse
import fnmatch
import os
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from support.planted_recordings import SMALL, planted_recording
from threadpoolctl import threadpool_limits

from rnnparity.apis.catalogue import APIS
from rnnparity.diagnosis.causes import CONFIRMED
from rnnparity.recordings.check import check
from rnnparity.recordings.recording import from_arrays
from rnnparity.report.console import console, print_table
from rnnparity.selftest.planted_mistakes import MISTAKES

LARGE = {"batch": 8, "steps": 50, "input_size": 32, "units": 64}
BARS = {"small": 0.5, "large": 2.0}
"""Seconds that a diagnosis may take."""


class Trial(NamedTuple):
    """One mutant. ``first`` is the first cause; ``wrong``: that is confirmed, and the right one not named."""

    api: str
    mistake: str
    right: bool
    wrong: bool
    first: str
    seconds: float


def trial(api: str, mistake: str, seed: int, sizes: dict[str, Any]) -> Trial | None:
    """None where the api cannot express what the mistake claims, or has nothing of the kind."""
    made = planted_recording(api, mistake, seed, sizes)
    if made is None:
        return None
    recording = from_arrays(made.arrays)
    start = time.perf_counter()
    causes = check(recording).causes
    seconds = time.perf_counter() - start
    first = causes[0].id if causes else "no cause"
    named = {cause.id for cause in causes}
    right = first in made.mistake.ids
    wrong = not right and bool(causes) and causes[0].status == CONFIRMED and not named & set(made.mistake.ids)
    return Trial(api, mistake, right, wrong, first, seconds)


def tasks(pattern: str, seeds: int) -> Iterator[tuple[str, str, int]]:
    for api in APIS:
        if fnmatch.fnmatch(api, pattern):
            for mistake in MISTAKES:
                for seed in range(seeds):
                    yield api, mistake, seed


def main() -> None:
    """Plant, diagnose, count."""
    parser = argparse.ArgumentParser(prog="python -m bench.mutants", description=__doc__)
    parser.add_argument("--seeds", type=int, default=2, metavar="N", help="of each api and mistake")
    parser.add_argument("--api", default="*", metavar="PATTERN", help="which of the known apis")
    parser.add_argument("--large", action="store_true", help="B=8 T=50 I=32 U=64 instead of B=3 T=8 I=5 U=6")
    options = parser.parse_args()
    size = "large" if options.large else "small"
    chosen = list(tasks(options.api, options.seeds))
    sizes = [LARGE if options.large else SMALL] * len(chosen)
    with ProcessPoolExecutor(os.cpu_count(), initializer=threadpool_limits, initargs=(1,)) as pool:
        columns = zip(*chosen, strict=True)
        trials = [t for t in pool.map(trial, *columns, sizes, chunksize=16) if t is not None]
    report(trials, BARS[size])


def report(trials: list[Trial], bar: float) -> None:
    """What part is right by mistake, what is not, and the times."""
    by_mistake: dict[str, list[Trial]] = defaultdict(list)
    for each in trials:
        by_mistake[each.mistake].append(each)
    rows = []
    for mistake, some in by_mistake.items():
        others = Counter(t.first for t in some if not t.right)
        said = ", ".join(f"{name} {count}" for name, count in others.most_common(3))
        slow = max(t.seconds for t in some)
        rows.append([mistake, str(len(some)), f"{_part(t.right for t in some):.1%}", f"{slow:.2f}", said])
    print_table(["mistake", "trials", "right", "slowest", "else"], rows, console(), right=range(1, 4))
    wrong = [trial for trial in trials if trial.wrong]
    seconds = np.array([trial.seconds for trial in trials])
    apis, right = len({trial.api for trial in trials}), _part(trial.right for trial in trials)
    print(f"\n{len(trials)} mutants of {apis} apis: {right:.2%} right")
    print(f"wrong and confirmed: {len(wrong)}")
    for each in wrong:
        print(f"  {each.api}: {each.mistake} -> {each.first}")
    late = _part(seconds > bar)
    print(f"seconds: mean {seconds.mean():.3f}, largest {seconds.max():.2f}, above {bar:g}: {late:.2%}")


def _part(flags: Any) -> float:
    return float(np.mean(list(flags)))


if __name__ == "__main__":
    main()
