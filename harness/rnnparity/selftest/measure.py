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
from rnnparity.environments.processes import check_jobs
from rnnparity.errors import InputError
from rnnparity.judge import compare, comparison, hidden_only
from rnnparity.judge.local_errors import parts
from rnnparity.judge.matched_filter import Part, Typical
from rnnparity.live.result import Row
from rnnparity.live.runner import Notify, run, silent
from rnnparity.reference import forward, noise
from rnnparity.reference.case import MAX_SEED, Case, make_case
from rnnparity.reference.draw import EFFORT, USUAL, WIDE, draw
from rnnparity.selftest import plain_cells
from rnnparity.selftest.plain_cells import Trajectory
from rnnparity.selftest.planted_mistakes import STRUCTURAL
from rnnparity.selftest.planted_weights import Nudge, nudge, one_weight_off
from rnnparity_adapters.adapter import HIDDEN

RELATIVE = (1e-3, 1e-4, 1e-5, 1e-6)
"""How far one weight is off, in units of the RMS of its tensor."""

TENSORS = {"x": "weight of x", "h": "weight of h", "b": "bias"}
"""What is off, by the letter of its tensor."""

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

VERDICT, WITHOUT_CELL = "rnnparity", "h only"
"""The verdict, and that on the same run where its cell states were not observed."""
IDEAL, IDEAL_WITHOUT_CELL = "ideal", "ideal, h only"
"""What a detector would notice that knows which weight is off, with and without cell states."""


Noticed = dict[str, bool]
"""Detector -> whether it noticed the mistake of one trial."""


@dataclass(frozen=True)
class Score:
    """Of ``trials`` with one kind of mistake, how many each detector noticed.

    Where one weight is off, ``off`` says by how much, in units of the RMS of its tensor, and the ideal ones
    are among the detectors.
    """

    mistake: str
    trials: int
    noticed: Mapping[str, int]
    off: float | None = None


MUST_BE_NOTICED = 1e-3
"""One weight that is off by as much as this."""


def as_it_should_be(score: Score) -> bool:
    """Whether the verdict accused no clean run, and noticed every mistake that it must."""
    if score.mistake == CLEAN:
        return not any(score.noticed.get(name) for name in (VERDICT, WITHOUT_CELL))
    may_be_missed = score.off is not None and score.off < MUST_BE_NOTICED
    return score.noticed[VERDICT] == score.trials or may_be_missed


def measure(
    clean: int = 2000, each: int = 60, seed: int = 0, jobs: int | None = None, effort: float = EFFORT
) -> Iterator[Score]:
    """Plant ``each`` mistakes of every kind, and run ``clean`` cases without any; one score for each kind.

    ``jobs`` processes share the work (one for each CPU unless given). The same seed gives the same trials.
    Raises :class:`~rnnparity.errors.InputError` for seeds, or a number of jobs, out of range.
    """
    _check_seeds(seed, max(clean, each))
    if jobs is not None:
        check_jobs(jobs)
    off = {
        f"{name} off by {size:.0e}": (size, tensor) for size in RELATIVE for tensor, name in TENSORS.items()
    }
    trials: dict[str, tuple[Callable[[int], Noticed], int]] = {
        CLEAN: (functools.partial(clean_trial, effort), clean),
        **{name: (functools.partial(structural_trial, name), each) for name in STRUCTURAL},
        **{name: (functools.partial(weight_trial, *one), each) for name, one in off.items()},
    }
    with ProcessPoolExecutor(jobs or os.cpu_count(), initializer=threadpool_limits, initargs=(1,)) as pool:
        results = {
            name: pool.map(trial, range(seed, seed + count), chunksize=8)
            for name, (trial, count) in trials.items()
        }
        for name, noticed in results.items():
            yield _score(name, noticed, off[name][0] if name in off else None)


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

    Ten cases share their sizes, for which a framework must build anew. Raises
    :class:`~rnnparity.errors.InputError` for seeds out of range.
    """
    _check_seeds(seed, comparisons)
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


def _check_seeds(first: object, count: int) -> None:
    largest = MAX_SEED - count + 1
    if isinstance(first, bool) or not isinstance(first, int) or not 0 <= first <= largest:
        raise InputError(
            "seed", repr(first), f"an integer from 0 to {largest}, for {count} trials from there on"
        )


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


def _score(mistake: str, noticed: Iterable[Noticed], off: float | None) -> Score:
    trials = list(noticed)
    detectors = dict.fromkeys(detector for trial in trials for detector in trial)
    counts = {name: sum(trial[name] for trial in trials) for name in detectors}
    return Score(mistake, len(trials), counts, off)


def clean_trial(effort: float, seed: int) -> Noticed:
    """One run without a mistake."""
    case = draw(np.random.RandomState(seed), WIDE, effort)
    return _noticed(case, plain_cells.run(case))


def structural_trial(name: str, seed: int) -> Noticed:
    """One run with a mistake of :data:`~rnnparity.selftest.planted_mistakes.STRUCTURAL`."""
    random = np.random.RandomState(seed)
    case = draw(random, USUAL)
    mistake = STRUCTURAL[name][seed % len(STRUCTURAL[name])]
    return _noticed(*mistake.plant(case, random))


def weight_trial(relative: float, tensor: str, seed: int) -> Noticed:
    """One run with a weight of a ``tensor`` off by ``relative`` times its RMS."""
    random = np.random.RandomState(seed)
    case = draw(random, USUAL)
    weight = nudge(case, random, relative, tensor)
    observed = plain_cells.run(one_weight_off(case, weight))
    ideal = {
        IDEAL: _ideal(case, parts(case, *observed, noise.ARITHMETICS[case.dtype]), weight),
        IDEAL_WITHOUT_CELL: _ideal(
            case, hidden_only.parts(case, observed.hidden, noise.ARITHMETICS[case.dtype]), weight
        ),
    }
    return _noticed(case, observed) | {name: score > IDEAL_LIMIT for name, score in ideal.items()}


def _noticed(case: Case, observed: Trajectory) -> Noticed:
    expected = forward.run(case)
    compared = {
        VERDICT: compare.compare(observed._asdict(), expected),
        WITHOUT_CELL: compare.compare_recording({HIDDEN: observed.hidden}, expected),
    }
    wrong = (comparison.DIVERGE, comparison.NONFINITE)
    found = {name: each.verdict in wrong for name, each in compared.items()}
    both = np.concatenate(observed), np.concatenate([expected.hidden, expected.cell]).astype(np.float32)
    return found | {name: rule.notices(*both) for name, rule in RULES.items()}


def _ideal(case: Case, found: Iterable[Part], weight: Nudge) -> float:
    """What a detector sees that knows which weight to look at: its projection, in standard deviations."""
    gate, unit = case.gates[weight.column // case.units], weight.column % case.units
    projection = second = 0.0
    errors = []
    for part in found:
        shown = next(each for each in part.sensitivities if gate in each.gates)
        place = np.s_[shown.gates.index(gate), :, unit]
        seen = np.ones(len(shown.v)) if weight.row is None else shown.v[:, weight.row]
        projection += float(seen @ shown.weighted_errors[place])
        second += float(np.sum(np.square(seen * shown.size[place])))
        errors.append(part.cell if shown.in_cell else part.hidden)
    return abs(projection) / float(np.sqrt(max(second, 1e-300))) / _typical(np.concatenate(errors))


def _typical(errors: noise.Array) -> float:
    """The typical size of local errors ``[N, U]`` of any steps."""
    size = Typical()
    size.add(errors[None])
    return size.value
