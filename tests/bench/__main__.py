"""Print the benchmarks: both sides of each, and their ratio, in one run."""

import argparse
import functools
import os
import statistics
import timeit
from collections.abc import Callable, Sequence

from threadpoolctl import threadpool_limits

import rnnparity
from bench import cold, diagnosing, many, outside, scaling, warm
from rnnparity.judge import compare
from rnnparity.reference import forward
from rnnparity.report.console import console, print_table

COLD_AT_MOST = 1.15
MANY_AT_MOST = 1.3
WARM_AT_LEAST = 0.85
SIZES = ((8, 50, 64), (8, 200, 256), (32, 500, 128))
"""B, T and U of the cases that are compared, the default first."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--api", nargs="+", default="*", metavar="PATTERN", help="whose workers to warm")
    parser.add_argument("--pairs", type=int, default=5, metavar="N", help="cold runs of each side")
    parser.add_argument("--quick", action="store_true", help="one cold pair, fewer and shorter warm blocks")
    options = parser.parse_args()
    print(f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.2f}")
    print_cold(1 if options.quick else options.pairs)
    print_many(options.api, *((10, 1) if options.quick else (100, 3)))
    print_memory()
    with threadpool_limits(1):  # as in rnnparity.run
        print_warm(options.api, *((3, 0.2) if options.quick else (7, 0.4)))
        print_comparing()
        print("\na verdict's cost against each size, ms")
        scaling.show(scaling.measured())
        print_diagnosing()
    print("\nmistakes outside the vocabulary")
    outside.report(outside.measured(every=20 if options.quick else 1))
    print(f"\nload {os.getloadavg()[0]:.2f}")


def print_cold(pairs: int) -> None:
    """Seconds of each pair, and the ratio."""
    measured = list(cold.pairs(pairs))
    ratios = [harness / scripts for harness, scripts in measured]
    rows = [
        [f"{harness:.2f}", f"{scripts:.2f}", f"{ratio:.2f}"]
        for (harness, scripts), ratio in zip(measured, ratios, strict=True)
    ]
    _table("cold, one api per environment, seconds", ["rnnparity run", "bare scripts", "ratio"], rows)
    verdict = _verdict(statistics.median(ratios) <= COLD_AT_MOST)
    print(f"{_spread(ratios)}, should be at most {COLD_AT_MOST}: {verdict}")


def print_many(patterns: str | list[str], trials: int, pairs: int) -> None:
    """Seconds of many cases of every api, and of the bare loops over them."""
    measured = list(many.pairs(trials, patterns, pairs))
    ratios = [pair.harness / pair.loops for pair in measured]
    rows = [
        [*(f"{seconds:.1f}" for seconds in pair), f"{ratio:.2f}"]
        for pair, ratio in zip(measured, ratios, strict=True)
    ]
    header = ["rnnparity run", "bare scripts", "their loops alone", "ratio to those"]
    _table(f"{trials} trials of every api, seconds", header, rows)
    verdict = _verdict(statistics.median(ratios) <= MANY_AT_MOST)
    print(f"{_spread(ratios)}, should be at most {MANY_AT_MOST}: {verdict}")


def print_memory() -> None:
    """Peak memory of each process."""
    peaks = sorted(cold.peaks().items(), key=lambda item: (item[0] != cold.HARNESS, item[0]))
    _table("peak memory, MiB", ["process", "peak"], [[name, f"{peak:.0f}"] for name, peak in peaks])


def print_warm(patterns: str | list[str], rounds: int, block: float) -> None:
    """Cases per second of each api's bare loop, and what part of that its worker reaches."""
    rows = []
    for target in rnnparity.select(patterns):
        speed = warm.measure(target, rounds, block)
        verdict = _verdict(statistics.median(speed.worker) >= WARM_AT_LEAST)
        figures = f"{1 / speed.bare:.1f}", f"{_spread(speed.worker)} {verdict}"
        rows.append([target.key, *figures, f"{speed.frames / speed.bare:.1%}", _spread(speed.compared)])
    header = ["api", "bare loop", "worker", "frames", "compared"]
    _table("warm, the bare loop in cases per second, the others as parts of it", header, rows)
    print(f"worker: should be at least {WARM_AT_LEAST}; frames: the worker's decoding and encoding;")
    print("compared: the worker, while the harness compares each answer, with a new reference each time")


def print_comparing() -> None:
    """Milliseconds of each part of comparing one direction of a layer's answer."""
    rows = []
    for batch, steps, units in SIZES:
        case = rnnparity.make_case(batch=batch, steps=steps, units=units)
        expected = forward.run(case)
        hidden, cell = (array.astype(case.dtype) for array in (expected.hidden, expected.cell))
        last = {"last_hidden": hidden[None, :, -1], "last_cell": cell[None, :, -1]}
        observed = {"hidden": hidden, "stepped_hidden": hidden, "cell": cell, **last}
        parts = _milliseconds(forward.run, case), _milliseconds(compare.compare, observed, expected)
        rows.append([f"B={batch} T={steps} I=32 U={units}", *parts])
    _table("comparing, ms", ["one direction of a layer", "reference and noise", "comparison"], rows)


def print_diagnosing() -> None:
    """How long a diagnosis takes, in runs of the reference, and the memory that it takes."""
    rows = [
        [name, f"{one.run:.2f}", f"{one.search:.2f}", f"{one.search / one.run:.1f}", f"{one.peak:.0f}"]
        for name, one in diagnosing.measured().items()
    ]
    header = ["hidden state of an LSTM alone", "reference, s", "diagnosis, s", "ratio", "MiB more"]
    _table("diagnosing large recordings", header, rows)


def _milliseconds(call: Callable[..., object], *arguments: object) -> str:
    """The shortest of several: what disturbs only ever adds."""
    seconds = timeit.repeat(functools.partial(call, *arguments), number=1, repeat=7)
    return f"{1000 * min(seconds):.2f}"


def _table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    print(f"\n{title}")
    print_table(header, rows, console(), right=range(1, len(header)))


def _spread(ratios: Sequence[float]) -> str:
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def _verdict(reached: bool) -> str:
    return "ok" if reached else "BELOW BAR"


if __name__ == "__main__":
    main()
