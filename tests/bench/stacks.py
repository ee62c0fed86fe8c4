"""How often a mistake in a network is named: those of every kind of cell, in one cell of a stack or in all.

cd tests && python -m bench.stacks [--seeds N] [--list]
"""

import argparse
import itertools
import os
import time
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import NamedTuple

import numpy as np
from support.plain_networks import KINDS, Network, suffix
from threadpoolctl import threadpool_limits

from rnnparity.diagnosis.causes import CONFIRMED, single
from rnnparity.judge.comparison import DIVERGE
from rnnparity.reference.case import Case
from rnnparity.report.console import console, print_table
from rnnparity.selftest.planted_changes import unchanged
from rnnparity.selftest.planted_mistakes import FORGET_BIAS, MISTAKES, Mistake

FORMS = ((1, True), (2, False), (2, True))
"""Layers, and whether there are two directions."""
_RUNS = ("state never updated", "state carried", "axes", "inputs reversed")
"""Mistakes in how a whole run was made: of one cell in a network they are something else."""


class Trial(NamedTuple):
    """One diagnosis: what was planted in which cells, and what was ``said`` of it first."""

    group: str
    mistake: str
    right: bool
    wrong: bool
    said: str
    seconds: float


def mistakes(kind: str) -> list[Mistake]:
    """What is planted in cells of a kind, which torch's layers have: nothing that needs other options."""
    cell = kind.lower()
    return [
        each
        for name, each in MISTAKES.items()
        if cell in each.cells and each.claim is unchanged and each.really is not unchanged
        and name not in _RUNS and FORGET_BIAS not in each.needs and not any("+" in id_ for id_ in each.ids)
    ]  # fmt: skip


def tasks(seeds: int) -> Iterator[tuple[str, int, bool, str, str, bool, int]]:
    """Kind, layers, two directions, mistake, which cells, whether outputs between were recorded, seed."""
    for kind, (layers, two) in itertools.product(KINDS, FORMS):
        for each, where, seed in itertools.product(mistakes(kind), ("one", "all"), range(seeds)):
            for inner in (False, True) if layers > 1 else (False,):
                yield kind, layers, two, each.name, where, inner, seed


def trial(kind: str, layers: int, two: bool, name: str, where: str, inner: bool, seed: int) -> Trial:
    """One diagnosis."""
    random = np.random.RandomState(zlib.crc32(f"{kind} {layers} {two} {name} {where} {seed}".encode()))
    net = Network(kind, layers, two, int(random.randint(2**31)))
    only = int(random.randint(layers)), int(random.randint(1 + two))
    drawn = int(random.randint(2**31))

    def really(case: Case, place: tuple[int, int]) -> Case:
        if where == "one" and place != only:
            return case
        shares = tuple(_canonical(net, f"bias_{part}h{suffix(*place)}", kind) for part in "ih")
        return MISTAKES[name].really(case, shares, np.random.RandomState(drawn))

    ran = net.run(net.weights, really=really)
    start = time.process_time()
    found = net.check(ran, inner)
    seconds = time.process_time() - start
    first = found.causes[0] if found.causes else None
    confirmed = bool(first and first.status == CONFIRMED)
    known = {id_ for ids in MISTAKES[name].ids for id_ in single(ids)}
    said = set(single(first.id)) if first else set()
    group = f"{kind}, {layers} {'layers' if layers > 1 else 'layer'}{', two directions' * two}"
    unseen = found.verdict != DIVERGE
    return Trial(
        f"{group}, {'each recorded' if inner else 'outputs alone'}",
        name,
        unseen or (confirmed and bool(known & said)),
        confirmed and not known & said,
        f"{first.id} ({first.status})" if first else found.verdict,
        seconds,
    )


def _canonical(net: Network, name: str, kind: str) -> np.ndarray:
    """A stored bias ``[G U]`` of torch in the canonical order of gates."""
    blocks = dict(zip({"LSTM": "ifjo", "GRU": "rzn", "RNN": "n"}[kind], _split(net, name, kind), strict=True))
    if kind == "GRU":  # the recurrent bias has m where the input's has n
        recurrent = "bias_hh" in name
        none = np.zeros_like(blocks["n"])
        both = (none, blocks["n"]) if recurrent else (blocks["n"], none)
        return np.concatenate([blocks["r"], blocks["z"], *both]).astype(np.float64)
    return np.concatenate([blocks[g] for g in ("ijfo" if kind == "LSTM" else "n")]).astype(np.float64)


def _split(net: Network, name: str, kind: str) -> list[np.ndarray]:
    return np.split(net.weights[name], KINDS[kind])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.stacks", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1, metavar="N")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="one of N, for a quick look")
    parser.add_argument("--list", action="store_true", help="print each that is not right")
    options = parser.parse_args()
    columns = list(zip(*itertools.islice(tasks(options.seeds), 0, None, options.every), strict=True))
    with ProcessPoolExecutor(os.cpu_count(), initializer=threadpool_limits, initargs=(1,)) as pool:
        trials = list(pool.map(trial, *columns, chunksize=8))
    groups: dict[str, list[Trial]] = defaultdict(list)
    for each in trials:
        groups[each.group].append(each)
        groups["all"].append(each)
        if options.list and not each.right:
            print(f"{each.group}: {each.mistake} -> {each.said}, {each.seconds:.1f} s")
    rows = []
    for group, some in groups.items():
        counts = Counter("right" if t.right else "wrong" if t.wrong else "unknown" for t in some)
        share = f"{counts['right'] / len(some):.1%}"
        slow = f"{max(t.seconds for t in some):.1f}"
        rows.append([group, str(len(some)), share, str(counts["wrong"]), str(counts["unknown"]), slow])
    header = ["network", "mistakes", "right first", "wrong", "unknown", "slowest, s"]
    print_table(header, rows, console(), right=range(1, len(header)))


if __name__ == "__main__":
    main()
