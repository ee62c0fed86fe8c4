"""A warm worker's cases per second, and those of a bare loop over the same calls in its interpreter."""

import functools
import itertools
import statistics
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import NamedTuple, Self

import rnnparity
from bench.script import Script
from rnnparity import Case, Target
from rnnparity.environments import cache, declarations
from rnnparity.live import fitting, request, runner
from rnnparity.live.workers import Worker, answers
from rnnparity_adapters.wire import Frame

_CASES = 80
"""More than the 64 of which the runner keeps references, so that it computes one for every case."""
_AHEAD = 2
"""Answers at the start of a block that were computed, or could have been, before it started."""
_SETTLE = 0.25
"""Seconds between blocks: OpenMP's threads wait actively for up to 0.2 s after their work."""


class Speed(NamedTuple):
    """Of one api: seconds per case of the bare loop and of its frames, and ratios block by block.

    ``worker`` is the speed of the worker beside that of the bare loop, ``compared`` the same while the
    harness compares every answer with the reference.
    """

    bare: float
    frames: float
    worker: list[float]
    compared: list[float]


def measure(target: Target, rounds: int, block: float) -> Speed:
    """``rounds`` times a block of about ``block`` seconds of each kind in turn, so that drift cancels."""
    cases = [rnnparity.make_case(seed) for seed in range(_CASES)]
    with Script(target, cases) as script, _Feed(target, cases) as feed:
        feed.seconds(1)
        script.seconds("calls", 2)
        count = max(3, round(block / script.seconds("calls", 2)))
        kinds = (
            lambda: script.seconds("calls", count),
            lambda: feed.seconds(count),
            lambda: feed.seconds(count, compare=True),
        )
        rows = [[_settled(kind) for kind in kinds] for _ in range(rounds)]
        frames = script.seconds("frames", count)
    worker, compared = ([row[0] / row[kind] for row in rows] for kind in (1, 2))
    return Speed(statistics.median(row[0] for row in rows), frames, worker, compared)


def _settled(block: Callable[[], float]) -> float:
    time.sleep(_SETTLE)
    return block()


class _Feed:
    """A worker fed as the runner feeds it, in blocks."""

    def __init__(self, target: Target, cases: list[Case]) -> None:
        self._target = target
        self._cases = cases
        environment = declarations.declared()[target.live.environment]
        version = environment.pinned(target.live.package)
        self._plan = runner._Plan(
            tuple(cases),
            {target: version},
            runner.TIMEOUT,
            keep=False,
            arithmetic=None,
            gradients=False,
            notify=runner.silent,
            pool=None,
        )
        python = cache.ensure(environment)
        start = functools.partial(Worker, python, environment.variables, self._plan.processes)
        self._answers = answers(start, self._requests(), runner.TIMEOUT)
        self._answered = itertools.cycle(range(len(cases)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._plan.processes.stop()

    def _requests(self) -> Iterator[Frame]:
        for case in itertools.cycle(self._cases):
            yield request.of_case(self._target, fitting.fitted(case, self._plan._form(self._target, case)))

    def seconds(self, count: int, compare: bool = False) -> float:
        """For each of ``count`` cases, which are answered only, or compared as the runner does it."""
        for _ in range(_AHEAD):
            self._take(compare)
        start = time.perf_counter()
        for _ in range(count):
            self._take(compare)
        return (time.perf_counter() - start) / count

    def _take(self, compare: bool) -> None:
        answer = next(self._answers)
        position = next(self._answered)
        assert isinstance(answer, Frame), answer
        assert answer.message["ok"], answer.message
        if compare:
            deque(self._plan._judge(self._target, position, answer))
