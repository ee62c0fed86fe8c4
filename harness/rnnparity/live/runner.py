"""The order of steps, from cases to a result. Read top to bottom."""

import functools
import itertools
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Protocol

import numpy as np
from threadpoolctl import threadpool_limits

from rnnparity.apis.selection import select
from rnnparity.environments import environments
from rnnparity.environments.environments import Environment
from rnnparity.environments.processes import Processes
from rnnparity.errors import InputError, Unavailable, WorkerError, WorkerTimeout
from rnnparity.judge import compare
from rnnparity.judge.compare import Comparison
from rnnparity.live.result import Result, Row, Run, equation_of
from rnnparity.live.workers import Pool, Worker, answers
from rnnparity.recordings import check
from rnnparity.reference import forward
from rnnparity.reference.case import Case
from rnnparity.reference.forward import Reference
from rnnparity.reference.noise import ARITHMETICS
from rnnparity_adapters import layout, wire, worker
from rnnparity_adapters.adapter import CELL, HIDDEN, STEPPED_HIDDEN
from rnnparity_adapters.equation import Equation
from rnnparity_adapters.layout import LayoutError
from rnnparity_adapters.registry import Api
from rnnparity_adapters.wire import Frame

Arrays = Mapping[str, np.ndarray]
"""By native name."""

TIMEOUT = 120.0
"""Seconds that a worker has for a case, the import of its framework included."""


class Notify(Protocol):
    """Called as a run goes on, from several threads."""

    def __call__(self, environment: str, doing: str, done: int = 0) -> None:
        """``environment`` is ``doing`` something and has ``done`` so many cases."""


def silent(environment: str, doing: str, done: int = 0) -> None:
    """Tell nobody."""


def run(
    cases: Case | Iterable[Case],
    apis: str | Api | Iterable[str | Api] = "*",
    *,
    timeout: float = TIMEOUT,
    jobs: int | None = None,
    keep: bool = True,
    arithmetic: str | None = None,
    notify: Notify = silent,
    pool: Pool | None = None,
) -> Result:
    """Run cases through apis and compare each with the reference.

    ``apis`` are names or patterns (see :func:`rnnparity.select`), or :class:`~rnnparity.Api` records of your
    own. Environments that are missing are made first. ``jobs`` environments work at a time (one for each
    CPU unless given); a case may take ``timeout`` seconds; ``keep`` keeps the trajectories in the result;
    ``arithmetic`` says how precisely the frameworks compute (a name of
    :data:`rnnparity.reference.noise.ARITHMETICS`), where that is not what the dtype of the cases says. With a
    ``pool`` workers stay for the next run; without one they end with this one.

    What goes wrong with an api becomes its row's verdict. Raises :class:`~rnnparity.errors.InputError` for
    a pattern that matches nothing, no case, cases of different dtypes, an unknown arithmetic, or a corrupt
    environment.
    """
    chosen = select(apis)
    drawn = (cases,) if isinstance(cases, Case) else tuple(cases)
    if len({case.dtype for case in drawn}) != 1:
        raise InputError(
            "cases", sorted({case.dtype for case in drawn}) or "none", "at least one, all of one dtype"
        )
    if arithmetic not in (None, *ARITHMETICS):
        raise InputError("arithmetic", arithmetic, f"one of {', '.join(ARITHMETICS)}")
    declared = environments.declared()
    used = {api.environment: declared[api.environment] for api in chosen}
    for environment in used.values():
        environments.find(environment)  # a corrupt one ends the run before it begins

    plan = _Plan(drawn, chosen, timeout, keep, arithmetic, notify, pool)
    rows: dict[Api, Row] = {}
    # One thread: those of a BLAS that wait for work spin, and the frameworks need the cores.
    with threadpool_limits(1), ThreadPoolExecutor(jobs or os.cpu_count()) as threads:
        try:
            finished = [
                threads.submit(plan.run, environment, [api for api in chosen if api.environment == name])
                for name, environment in used.items()
            ]
            for future in finished:
                rows.update(future.result())
        except BaseException:  # Ctrl-C above all
            plan.processes.stop()
            threads.shutdown(cancel_futures=True)
            raise
    return Result(drawn, tuple(rows[api] for api in chosen), arithmetic or drawn[0].dtype)


class _Plan:
    """What the environments of one run share."""

    def __init__(
        self,
        cases: tuple[Case, ...],
        apis: list[Api],
        timeout: float,
        keep: bool,
        arithmetic: str | None,
        notify: Notify,
        pool: Pool | None,
    ) -> None:
        self.cases = cases
        self.running = [api for api in apis if not api.source]
        self.timeout = timeout
        self.keep = keep
        self.arithmetic = arithmetic
        self.notify = notify
        self.pool = pool
        self.processes = pool.processes if pool else Processes()
        self._reference = functools.lru_cache(maxsize=64)(_reference)
        self._one_at_a_time = threading.Lock()
        self._diagnosed: set[tuple[Api, Equation]] = set()

    def run(self, environment: Environment, apis: list[Api]) -> dict[Api, Row]:
        """All cases through the apis of one environment."""
        dtype = self.cases[0].dtype
        supported = [api for api in apis if dtype in api.dtypes]
        rows = {api: _unsupported(api, environment, dtype) for api in apis if api not in supported}
        say = functools.partial(self.notify, environment.name)
        if supported:
            try:
                python = environments.ensure(environment, say, self.processes)
            except Unavailable as error:
                verdict, reason = compare.UNAVAILABLE, str(error)
                rows |= {api: Row(api, _pinned(api, environment), "", verdict, reason) for api in supported}
            else:
                start = functools.partial(Worker, python, environment.variables, self.processes)
                rows |= self._run_apis(environment, supported, start, say)
        say("done", len(self.cases) * len(apis))
        return rows

    def _run_apis(
        self, environment: Environment, apis: list[Api], start: Callable[[], Worker], say: Callable[..., None]
    ) -> dict[Api, Row]:
        collected = {api: _Collected(api, _pinned(api, environment)) for api in apis}
        tasks = list(itertools.product(collected.values(), self.cases))
        asked: list[tuple[_Collected, Case]] = []

        def requests() -> Iterator[Frame]:
            for api, case in tasks:
                if not api.lost_worker:
                    asked.append((api, case))
                    yield _request(api.api, case)

        say("starting")
        lent = self.pool.lend(environment.name, start) if self.pool else start
        end = functools.partial(self.pool.keep, environment.name) if self.pool else Worker.close
        for done, answer in enumerate(answers(lent, requests(), self.timeout, end)):
            row, case = asked[done]
            say(row.api.label, done)
            if isinstance(answer, WorkerError):
                row.lose_worker(answer)
            elif not answer.message["ok"]:
                row.fail(answer)
            else:
                row.add(answer, self._judge(row.api, case, answer))
        return {api: row.row() for api, row in collected.items()}

    def _judge(self, api: Api, case: Case, answer: Frame) -> Iterator[Run]:
        """Both directions of one answer, against the reference."""
        expected = self._expected(case, equation_of(api, case))
        for direction in (worker.LOADED, worker.OWN):
            run = judge(api, expected, direction, answer.arrays, self.arithmetic)
            others = self._others(api, case, run, answer.arrays) if direction == worker.LOADED else {}
            yield replace(self._explained(api, run, answer.arrays), others=others)

    def _others(self, api: Api, case: Case, run: Run, arrays: Arrays) -> dict[Equation, Run]:
        """A published equation's run against the equations of the apis beside it, but for its own."""
        observed = run.observed
        if not api.source or observed is None:
            return {}
        equations = dict.fromkeys(equation_of(other, case) for other in self.running)
        equations.pop(equation_of(api, case), None)
        others = {}
        for equation in equations:
            expected = self._expected(case, equation)
            other = Run(case.seed, run.direction, compare.compare(observed, expected), observed, expected)
            others[equation] = self._explained(api, other, arrays)
        return others

    def _expected(self, case: Case, equation: Equation) -> Reference:
        with self._one_at_a_time:  # the first thread to ask computes, the others find it done
            return self._reference(case, equation, self.arithmetic)

    def _explained(self, api: Api, run: Run, arrays: Arrays) -> Run:
        """With the causes, if it is the first of this api that diverges from this equation."""
        if run.comparison.verdict == compare.DIVERGE and run.reference is not None:
            asked = api, run.reference.case.equation
            if asked not in self._diagnosed:
                self._diagnosed.add(asked)
                with self._one_at_a_time:
                    run = explained(run, api, arrays, self.arithmetic)
                if api.source:  # what is printed is not there to be changed
                    run = replace(run, causes=tuple(replace(cause, fix="") for cause in run.causes))
        return run if self.keep else replace(run, observed=None, reference=None)


def judge(
    api: Api,
    loaded: Reference,
    direction: str,
    arrays: Mapping[str, np.ndarray],
    arithmetic: str | None = None,
) -> Run:
    """What an adapter returned in one direction, against the reference.

    ``loaded`` is the reference of the case's own weights; weights that were taken out get one of theirs.
    """
    case = loaded.case
    found = wire.group(direction, dict(arrays))
    observed = wire.group("trajectory", found)
    try:
        weights = layout.extract(api.layout, wire.group("weights", found), case.equation.forget_bias)
    except LayoutError as error:
        return Run(case.seed, direction, Comparison(compare.FAILED, f"weights read back: {error}"))
    if direction == worker.LOADED:
        same = compare.compare_weights(weights, case.weights, case.equation.cell)
        return Run(
            case.seed, direction, same.followed_by(compare.compare(observed, loaded)), observed, loaded
        )
    expected = forward.run(replace(case, weights=weights), arithmetic)
    return Run(case.seed, direction, compare.compare(observed, expected), observed, expected)


def explained(run: Run, api: Api, arrays: Mapping[str, np.ndarray], arithmetic: str | None = None) -> Run:
    """The run that :func:`judge` made of ``arrays``, with its causes if it diverges."""
    observed, expected, compared = run.observed, run.reference, run.comparison
    if compared.verdict != compare.DIVERGE or not compared.differences or not observed or not expected:
        return run
    # The cell state is that of the stepped run, where there are two.
    hidden = observed.get(STEPPED_HIDDEN, observed[HIDDEN])
    causes = check.diagnosis(
        api.name, api.layout, expected.case, hidden, observed[CELL],
        weights=wire.group("weights", wire.group(run.direction, dict(arrays))), arithmetic=arithmetic,
    )  # fmt: skip
    return replace(run, causes=tuple(causes))


def _reference(case: Case, equation: Equation, arithmetic: str | None) -> Reference:
    return forward.run(replace(case, equation=equation), arithmetic)


class _Collected:
    """A row in the making."""

    def __init__(self, api: Api, version: str) -> None:
        self.api = api
        self.lost_worker = False
        self._version, self._python, self._log = version, "", ""
        self._runs: list[Run] = []
        self._outcomes: list[tuple[str, str]] = []

    def lose_worker(self, error: WorkerError) -> None:
        self.lost_worker = True
        self._log = error.log
        self._outcomes.append(
            (compare.TIMEOUT if isinstance(error, WorkerTimeout) else compare.CRASHED, str(error))
        )

    def fail(self, answer: Frame) -> None:
        self._log = answer.message["log"]
        self._outcomes.append((compare.FAILED, answer.message["error"]))

    def add(self, answer: Frame, runs: Iterable[Run]) -> None:
        self._version, self._python = answer.message["version"], answer.message["python"]
        for run in runs:
            self._runs.append(run)
            where = f"{run.direction} weights, seed {run.seed}: " if run.comparison.reason else ""
            self._outcomes.append((run.comparison.verdict, where + run.comparison.reason))

    def row(self) -> Row:
        verdict, reason = max(self._outcomes, key=lambda outcome: compare.VERDICTS.index(outcome[0]))
        return Row(self.api, self._version, self._python, verdict, reason, tuple(self._runs), self._log)


def _unsupported(api: Api, environment: Environment, dtype: str) -> Row:
    reason = f"runs in {' or '.join(api.dtypes)} only, not in {dtype}"
    return Row(api, _pinned(api, environment), "", compare.UNSUPPORTED, reason)


def _pinned(api: Api, environment: Environment) -> str:
    return environment.pinned(api.package)


def _request(api: Api, case: Case) -> Frame:
    """A case as the api's worker takes it: native tensors, the framework's own options."""
    options = dict(api.options)
    if api.layout.forget_bias == "equation":
        options["forget_bias"] = case.equation.forget_bias
    setup = {
        "name": api.name, "batch": case.batch, "steps": case.steps, "input_size": case.input_size,
        "units": case.units, "dtype": case.dtype, "options": options,
    }  # fmt: skip
    tensors = layout.load(api.layout, case.weights, case.equation.forget_bias)
    return Frame(
        {"adapter": api.adapter, "package": api.package, "seed": case.seed, "setup": setup},
        {
            **wire.prefixed("weights", tensors),
            "inputs": case.inputs,
            "initial_hidden": case.initial_hidden,
            "initial_cell": case.initial_cell,
        },
    )
