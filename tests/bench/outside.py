"""Is `confirmed` ever wrong? Mistakes outside the vocabulary, chaotic recurrences, and very little data.

cd tests && python -m bench.outside [--seeds N] [--only PATTERN] [--every N]
"""

import argparse
import fnmatch
import itertools
import os
import time
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from support.outside_mistakes import OUTSIDE
from threadpoolctl import threadpool_limits

import rnnparity
from rnnparity.diagnosis.causes import CONFIRMED, ids, single
from rnnparity.diagnosis.search import search
from rnnparity.report.console import console, print_table
from rnnparity.selftest.planted_mistakes import MISTAKES
from rnnparity.selftest.planted_weights import split

SMALL = {"batch": 3, "steps": 8, "input_size": 5, "units": 6}
LARGER = {"batch": 4, "steps": 30, "input_size": 7, "units": 9}
OUT, CHAOTIC, TINY, ONE = "outside", "chaotic", "tiny", "one number"


class Trial(NamedTuple):
    """One run with a mistake. ``wrong`` is a confirmed cause that it is not, ``said`` the first one."""

    group: str
    mistake: str
    right: bool
    wrong: str
    said: str
    seconds: float


def sizes(group: str, random: np.random.RandomState) -> dict[str, Any]:
    """Sizes of a case of a group, and how loud its weights are."""
    if group == TINY:
        return dict(zip(SMALL, (int(n) for n in random.randint(1, 4, 4)), strict=True))
    if group == ONE:
        return dict(zip(SMALL, (1, int(random.randint(1, 3)), 1, 1), strict=True))
    if group == CHAOTIC:
        long = {"batch": 3, "steps": int(random.choice([30, 100])), "input_size": 5, "units": 9}
        return long | {"scale": float(random.choice([10, 30]))}
    return SMALL if random.rand() < 0.5 else LARGER


def trial(group: str, mistake: str, cell: str, with_cell: bool, seed: int) -> Trial:
    """One diagnosis."""
    text = f"{group} {mistake} {cell} {with_cell} {seed}"
    random = np.random.RandomState(zlib.crc32(text.encode()))
    case = rnnparity.make_case(int(random.randint(2**31)), cell=cell, **sizes(group, random))
    with np.errstate(all="ignore"):
        if mistake in OUTSIDE:
            known, claimed = OUTSIDE[mistake].known(case), case
            observed = OUTSIDE[mistake].run(case, random)
        else:
            known = tuple(id_ for name in MISTAKES[mistake].ids for id_ in single(name))
            claimed, observed = MISTAKES[mistake].plant(case, random)
    start = time.perf_counter()
    finite = all(np.isfinite(state).all() for state in observed)
    causes = (
        search(claimed, observed.hidden, observed.cell if with_cell else None, shares=split(claimed, True))
        if finite
        else []
    )
    seconds = time.perf_counter() - start
    confirmed = [cause for cause in causes if cause.status == CONFIRMED]
    named = ids(confirmed) & set(known)
    wrong = confirmed[0].id if confirmed and not named else ""
    first = f"{causes[0].id} ({causes[0].status})" if causes else "no cause"
    return Trial(group, mistake, bool(named), wrong, first, seconds)


def tasks(pattern: str, seeds: int) -> Iterator[tuple[str, str, str, bool, int]]:
    """Every mistake outside the vocabulary; and those and others on chaotic recurrences and tiny data."""
    outside = [(name, cell) for name, each in OUTSIDE.items() for cell in each.cells]
    planted = [(name, cell) for name, each in MISTAKES.items() for cell in each.cells]
    chaotic = outside + [each for each in planted if MISTAKES[each[0]].ids == ("precision",)]
    tiny = [each for each in outside if not each[0].startswith("inputs")]
    for group, some in ((OUT, outside), (CHAOTIC, chaotic), (TINY, tiny), (ONE, tiny)):
        for name, cell in some:
            for with_cell in (True, False) if cell == "lstm" else (False,):
                for seed in range(seeds):
                    if fnmatch.fnmatch(f"{group}/{name}", pattern):
                        yield group, name, cell, with_cell, seed


def measured(pattern: str = "*", seeds: int = 1, every: int = 1) -> list[Trial]:
    """Each N-th trial of all, on every core."""
    columns = list(zip(*itertools.islice(tasks(pattern, seeds), 0, None, every), strict=True))
    with ProcessPoolExecutor(os.cpu_count(), initializer=threadpool_limits, initargs=(1,)) as pool:
        return list(pool.map(trial, *columns, chunksize=16)) if columns else []


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.outside", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="of each mistake and kind of cell")
    parser.add_argument("--only", default="*", metavar="PATTERN", help="group/mistake")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="one of N, for a quick look")
    options = parser.parse_args()
    report(measured(options.only, options.seeds, options.every))


def report(trials: Sequence[Trial]) -> None:
    """How many are wrong, in each group, and which."""
    groups: dict[str, list[Trial]] = defaultdict(list)
    for each in trials:
        groups[each.group].append(each)
    rows = []
    for group, some in groups.items():
        counts = [sum(map(bool, flags)) for flags in zip(*((t.wrong, t.right) for t in some), strict=True)]
        unknown = sum(t.said.startswith("unknown") for t in some)
        slow = max(t.seconds for t in some)
        figures = (len({t.mistake for t in some}), len(some), *counts, unknown)
        rows.append([group, *map(str, figures), f"{slow:.2f}"])
    header = ["group", "kinds", "trials", "wrong", "right", "unknown", "slowest, s"]
    print_table(header, rows, console(), right=range(1, len(header)))
    print(f"wrong while confirmed: {sum(bool(t.wrong) for t in trials)} of {len(trials)}, should be 0")
    wrong = Counter((t.group, t.mistake, t.wrong) for t in trials if t.wrong)
    for (group, mistake, id_), count in sorted(wrong.items()):
        print(f"  {group}/{mistake} -> {id_}" + (f", {count} times" if count > 1 else ""))


if __name__ == "__main__":
    main()
