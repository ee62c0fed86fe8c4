"""How much the verdict notices, and how often it is wrong, measured on planted mistakes.

Each trial draws a case, runs it in float32 with one mistake planted, and asks the verdict, and beside it
what other tools do by default, on the same arrays. Clean trials count wrong accusations.
"""

import functools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from rnnparity.apis.api import Target
from rnnparity.judge import compare, comparison
from rnnparity.judge.local_errors import parts, typical
from rnnparity.live.result import Row
from rnnparity.live.runner import Notify, run, silent
from rnnparity.reference import forward, noise
from rnnparity.reference.case import MAX_SEED, Case, make_case
from rnnparity.selftest import plain_cells
from rnnparity.selftest.plain_cells import Trajectory
from rnnparity.selftest.planted_mistakes import STRUCTURAL
from rnnparity.selftest.planted_weights import Nudge, nudge, one_weight_off

RELATIVE = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
"""How far one weight is off, in units of the RMS of its kernel."""

CLEAN = "nothing: a clean run"

IDEAL_LIMIT = 5.0
"""Standard deviations of one projection, which rounding exceeds once in two million cases."""


class Rule(NamedTuple):
    """Another tool's: equal where ``|a - b| <= atol + rtol |b|`` at every element."""

    rtol: float
    atol: float

    def notices(self, observed: np.ndarray, expected: np.ndarray) -> bool:
        """Whether it calls the two different."""
        return not np.allclose(observed, expected, self.rtol, self.atol)


RULES = {
    "numpy allclose": Rule(1e-5, 1e-8),
    "numpy assert_allclose": Rule(1e-7, 0.0),
    "torch assert_close": Rule(1.3e-6, 1e-5),
    "Polygraphy 1e-5": Rule(1e-5, 1e-5),
}
"""Their defaults for float32."""

VERDICT, IDEAL = "rnnparity", "ideal"


@dataclass(frozen=True)
class Score:
    """Of ``trials`` with one kind of mistake, how many each detector noticed. ``IDEAL`` is there only where
    it exists: for one weight that is off.
    """

    mistake: str
    trials: int
    noticed: Mapping[str, int]


class Ranges(NamedTuple):
    """From where to where the sizes of drawn cases go, and how loud their weights are, all log-uniform;
    and the forget biases that they may have.
    """

    batch: tuple[int, int]
    steps: tuple[int, int]
    input_size: tuple[int, int]
    units: tuple[int, int]
    scale: tuple[float, float]
    forget_biases: tuple[float, ...]


USUAL = Ranges((3, 8), (7, 300), (4, 64), (3, 128), (1, 6), (1,))
"""Where mistakes are planted."""

WIDE = Ranges((1, 64), (1, 100_000), (1, 512), (1, 2048), (0.03, 20), (0, 1, 5))
"""Where nothing may be accused."""

EFFORT = 1e8
"""Products that a drawn case may take, a step counting for 200,000 at least: about 0.1 s."""


MUST_BE_NOTICED = 1e-3
"""One weight that is off by as much as this."""


def as_it_should_be(score: Score) -> bool:
    """Whether the verdict accused no clean run, and noticed every mistake that it must."""
    if score.mistake == CLEAN:
        return score.noticed[VERDICT] == 0
    off = score.mistake.partition("one weight off by ")[2]
    return score.noticed[VERDICT] == score.trials or (off != "" and float(off) < MUST_BE_NOTICED)


def draw(random: np.random.RandomState, ranges: Ranges, effort: float = EFFORT) -> Case:
    """A case of random sizes within ``ranges``; sizes that take more than ``effort`` are drawn again."""

    def between(lowest: float, highest: float) -> float:
        return float(np.exp(random.uniform(np.log(lowest), np.log(highest))))

    while True:
        batch, steps, input_size, units = (int(between(low, high + 0.99)) for low, high in ranges[:4])
        if steps * (batch * (input_size + units) * 4 * units + 2e5) <= effort:
            return make_case(
                int(random.randint(MAX_SEED, dtype=np.uint32)),
                batch=batch,
                steps=steps,
                input_size=input_size,
                units=units,
                scale=between(*ranges.scale),
                forget_bias=float(random.choice(ranges.forget_biases)),
            )


def measure(
    clean: int = 2000, each: int = 60, seed: int = 0, jobs: int | None = None, effort: float = EFFORT
) -> Iterator[Score]:
    """Plant ``each`` mistakes of every kind, and run ``clean`` cases without any; one score for each kind.

    ``jobs`` processes share the work (one for each CPU unless given). The same seed gives the same trials.
    """
    planted: dict[str, Callable[[int], _Noticed]] = {
        **{name: functools.partial(_structural, name) for name in STRUCTURAL},
        **{f"one weight off by {size:g}": functools.partial(_off, size) for size in RELATIVE},
    }
    trials: dict[str, tuple[Callable[[int], _Noticed], int]] = {
        CLEAN: (functools.partial(_clean, effort), clean),
        **{name: (trial, each) for name, trial in planted.items()},
    }
    with ProcessPoolExecutor(jobs or os.cpu_count(), initializer=threadpool_limits, initargs=(1,)) as pool:
        results = {
            name: pool.map(trial, range(seed, seed + count), chunksize=8)
            for name, (trial, count) in trials.items()
        }
        for name, noticed in results.items():
            yield _score(name, noticed)


@dataclass(frozen=True)
class LiveScore:
    """Clean comparisons of a real framework: how many, how many of them accused, and how many without a
    verdict because the recurrence was chaotic; the largest local error and score, relative to their limits.
    """

    api: str
    comparisons: int
    accused: int
    chaotic: int
    error: float
    score: float


def measure_live(
    apis: str | Target | Iterable[str], comparisons: int = 40, seed: int = 0, notify: Notify = silent
) -> list[LiveScore]:
    """Run at least ``comparisons`` clean comparisons of each api, both directions of each case.

    Ten cases share their sizes, for which a framework must build anew.
    """
    cases = []
    for number in range(-(-comparisons // 2)):
        sized = draw(np.random.RandomState(seed + number // 10), WIDE)
        random = np.random.RandomState(seed + number)
        cases.append(
            make_case(
                seed + number,
                batch=sized.batch,
                steps=sized.steps,
                input_size=sized.input_size,
                units=sized.units,
                scale=float(np.exp(random.uniform(*np.log(WIDE.scale)))),
            )
        )
    return [_live(row) for row in run(cases, apis, keep=False, notify=notify)]


def _live(row: Row) -> LiveScore:
    compared = [run.comparison for run in row.runs]
    verdicts = [comparison.verdict for comparison in compared]
    local = [d.noise for c in compared for d in c.differences if d.observed in comparison.LOCAL]
    scores = [comparison.significance for comparison in compared]
    return LiveScore(
        row.target.key,
        len(verdicts),
        len(verdicts) - verdicts.count(comparison.AGREE) - verdicts.count(comparison.CHAOTIC),
        verdicts.count(comparison.CHAOTIC),
        max(local, default=0.0) / noise.LIMIT,
        max(scores, default=0.0),
    )


_Noticed = dict[str, bool]


def _score(mistake: str, noticed: Iterable[_Noticed]) -> Score:
    trials = list(noticed)
    detectors = dict.fromkeys(detector for trial in trials for detector in trial)
    return Score(mistake, len(trials), {name: sum(trial[name] for trial in trials) for name in detectors})


def _clean(effort: float, seed: int) -> _Noticed:
    case = draw(np.random.RandomState(seed), WIDE, effort)
    return _noticed(case, plain_cells.run(case))


def _structural(name: str, seed: int) -> _Noticed:
    random = np.random.RandomState(seed)
    case = draw(random, USUAL)
    mistake = STRUCTURAL[name][seed % len(STRUCTURAL[name])]
    return _noticed(*mistake.plant(case, random))


def _off(relative: float, seed: int) -> _Noticed:
    random = np.random.RandomState(seed)
    case = draw(random, USUAL)
    weight = nudge(case, random, relative)
    observed = plain_cells.run(one_weight_off(case, weight))
    return {**_noticed(case, observed), IDEAL: _ideal(case, observed, weight) > IDEAL_LIMIT}


def _noticed(case: Case, observed: Trajectory) -> _Noticed:
    expected = forward.run(case)
    verdict = compare.compare(observed._asdict(), expected).verdict
    found = {VERDICT: verdict in (comparison.DIVERGE, comparison.NONFINITE)}
    both = np.concatenate(observed), np.concatenate([expected.hidden, expected.cell]).astype(np.float32)
    return found | {name: rule.notices(*both) for name, rule in RULES.items()}


def _ideal(case: Case, observed: Trajectory, weight: Nudge) -> float:
    """What a detector sees that knows which weight to look at: its projection, in standard deviations."""
    gate, unit = case.gates[weight.column // case.units], weight.column % case.units
    projection = second = 0.0
    errors = []
    for part in parts(case, *observed, noise.ARITHMETICS[case.dtype]):
        shown = part.sensitivities[gate]
        seen = shown.v[:, weight.row]
        projection += float(seen @ shown.weighted_errors[:, unit])
        second += float(np.sum(np.square(seen * shown.size[:, unit])))
        errors.append(part.error(gate))
    return abs(projection) / float(np.sqrt(max(second, 1e-300))) / typical(np.concatenate(errors))
