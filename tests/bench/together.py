"""How often two or three mistakes at once are all named: random ones of those that a port makes together.

cd tests && python -m bench.together [--pairs N] [--triples N] [--list]
"""

import argparse
import itertools
import os
import statistics
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

import rnnparity
from rnnparity.diagnosis.causes import CONFIRMED, single
from rnnparity.diagnosis.search import search
from rnnparity.report.console import console, print_table
from rnnparity.selftest import plain_cells
from rnnparity.selftest.planted_changes import unchanged
from rnnparity.selftest.planted_mistakes import MISTAKES, Mistake
from rnnparity.selftest.planted_weights import split

SIZES = {"batch": 3, "steps": 12, "input_size": 5, "units": 6}
_ALSO = ("outputs turned", "shifted")
"""What else than changes of weights, equation, states and inputs is drawn."""
_NOT = ("one weight", "one block", "state never updated", "state carried", "axes", "both turned")
"""A port that has these has nothing else: what explains them explains much."""


class Trial(NamedTuple):
    """One diagnosis of several mistakes, and what it said: ``named`` of the ids, all of them if ``right``."""

    cell: str
    mistakes: tuple[str, ...]
    right: bool
    wrong: bool
    said: str
    seconds: float


def pool(cell: str) -> list[Mistake]:
    """The mistakes that are drawn for a kind of cell: each of one cause, and claimed of any case."""
    return [
        each
        for name, each in MISTAKES.items()
        if cell in each.cells and name not in _NOT and each.claim is unchanged
        and not any("+" in id_ for id_ in each.ids)
        and (each.really is not unchanged or name in _ALSO)
    ]  # fmt: skip


def draws(count: int, size: int) -> Iterator[tuple[str, tuple[str, ...], int]]:
    """``count`` draws of ``size`` mistakes of different causes: the cell, their names, a seed."""
    random = np.random.RandomState(size)
    cells = itertools.cycle(("lstm", "lstm", "gru", "lstm", "rnn"))
    while count:
        cell = next(cells)
        some = [pool(cell)[n] for n in random.permutation(len(pool(cell)))[:size]]
        seed = int(random.randint(2**31))
        if len({_acts_on(each) for each in some}) == size:
            # What is made of the stored biases first; each acts on what those before it leave.
            yield cell, tuple(sorted((each.name for each in some), key=lambda n: "bias" not in n)), seed
            count -= 1


def _acts_on(mistake: Mistake) -> str:
    """Mistakes that act on the same undo or hide each other."""
    if mistake.ids[0] in ("bias-dropped", "bias-doubled"):
        return "bias"
    return mistake.ids[0]


def trial(cell: str, names: tuple[str, ...], seed: int) -> Trial:
    """One diagnosis."""
    random = np.random.RandomState(zlib.crc32(f"{names} {seed}".encode()))
    case = rnnparity.make_case(seed, cell=cell, **SIZES)  # type: ignore[arg-type]
    shares = split(case, two=True)
    really = case
    stored = shares
    for name in names:
        bias = np.asarray(really.weights.bias, np.float64)
        really = MISTAKES[name].really(really, stored, random)
        stored = (stored[0] + np.asarray(really.weights.bias, np.float64) - bias, *stored[1:])
    observed = plain_cells.run(really)
    for name in names:
        observed = MISTAKES[name].after(observed, case, random)
    start = time.process_time()
    with_cell = cell == "lstm" and seed % 2 == 0
    causes = search(case, observed.hidden, observed.cell if with_cell else None, shares=shares)
    seconds = time.process_time() - start
    first = causes[0] if causes else None
    known = [{id_ for ids in MISTAKES[name].ids for id_ in single(ids)} for name in names]
    said = set(single(first.id)) if first else set()
    confirmed = bool(first and first.status == CONFIRMED)
    right = confirmed and all(ids & said for ids in known)
    wrong = confirmed and bool(said - {"weights-differ"} - set(itertools.chain(*known)))
    return Trial(cell, names, right, wrong, f"{first.id} ({first.status})" if first else "", seconds)


def measured(count: int, size: int) -> list[Trial]:
    """Trials on every core."""
    columns = list(zip(*draws(count, size), strict=True))
    with ProcessPoolExecutor(os.cpu_count(), initializer=threadpool_limits, initargs=(1,)) as processes:
        return list(processes.map(trial, *columns, chunksize=4)) if columns else []


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.together", description=__doc__)
    parser.add_argument("--pairs", type=int, default=300, metavar="N")
    parser.add_argument("--triples", type=int, default=100, metavar="N")
    parser.add_argument("--list", action="store_true", help="print each that is not right")
    options = parser.parse_args()
    rows = []
    for count, size in ((options.pairs, 2), (options.triples, 3)):
        trials = measured(count, size)
        if not trials:
            continue
        said = Counter("unknown" if t.said.startswith(("unknown", "weights-differ")) else "" for t in trials)
        figures = len(trials), sum(t.right for t in trials), sum(t.wrong for t in trials), said["unknown"]
        seconds = [t.seconds for t in trials]
        slow = statistics.median(seconds), max(seconds)
        rows.append([str(size), *map(str, figures), *(f"{each:.2f}" for each in slow)])
        for t in trials if options.list else ():
            if not t.right:
                print(t.cell, " + ".join(t.mistakes), "->", t.said, "WRONG" * t.wrong, f"{t.seconds:.1f} s")
    header = ["mistakes at once", "trials", "all named", "wrong", "unknown", "median, s", "slowest, s"]
    print_table(header, rows, console(), right=range(len(header)))


if __name__ == "__main__":
    main()
