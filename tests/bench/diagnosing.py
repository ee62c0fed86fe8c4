"""Diagnoses of large cells and of long trajectories, each in a process of its own."""

import resource
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

import rnnparity
from rnnparity.diagnosis.search import search
from rnnparity.reference import forward
from rnnparity.selftest.planted_mistakes import MISTAKES

SIZES = {
    "I=U=512 B=2 T=5": {"batch": 2, "steps": 5, "input_size": 512, "units": 512},
    "I=U=1024 B=2 T=5": {"batch": 2, "steps": 5, "input_size": 1024, "units": 1024},
    "I=3 U=2 B=2 T=200000": {"batch": 2, "steps": 200_000, "input_size": 3, "units": 2},
}


class Measured(NamedTuple):
    """Seconds of one ``run`` of the reference and of a ``search``; ``peak`` is what it adds, in MiB."""

    run: float
    search: float
    peak: float


def one(name: str, swapped: bool) -> Measured:
    """Two gates swapped, or states that nothing explains."""
    case = rnnparity.make_case(0, **SIZES[name])  # type: ignore[arg-type]
    random = np.random.RandomState(0)
    if swapped:
        hidden = MISTAKES["gate order"].plant(case, random).observed.hidden
    else:
        hidden = random.uniform(-1, 1, (case.batch, case.steps, case.units)).astype(case.dtype)
    start = time.perf_counter()
    forward.run(case)
    middle, before = time.perf_counter(), _peak()
    search(case, hidden)
    return Measured(middle - start, time.perf_counter() - middle, _peak() - before)


def _peak() -> float:
    """The peak of this process, in MiB."""
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def measured() -> Mapping[str, Measured]:
    """All sizes, with and without an explanation, one after the other."""
    found = {}
    for name in SIZES:
        for swapped in (True, False):
            with ProcessPoolExecutor(1, initializer=threadpool_limits, initargs=(1,)) as fresh:
                what = "two gates swapped" if swapped else "random states"
                found[f"{name}, {what}"] = fresh.submit(one, name, swapped).result()
    return found
