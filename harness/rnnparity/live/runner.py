"""Run cases through apis: from cases and names to a result, in the order of the code."""

import contextlib
import functools
import os
import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from typing import Protocol

import numpy as np
from threadpoolctl import threadpool_limits

from rnnparity.apis.api import Api, Target
from rnnparity.apis.selection import select
from rnnparity.environments import cache, declarations, processes
from rnnparity.environments.declarations import Environment
from rnnparity.environments.processes import Processes
from rnnparity.errors import CorruptEnvironment, InputError, Unavailable, WorkerError, WorkerTimeout
from rnnparity.judge import compare, comparison
from rnnparity.live import network_run, request
from rnnparity.live.fitting import Form, fitted, form
from rnnparity.live.judge_run import explained, judge_both, reference_of, references_in
from rnnparity.live.judging_process import Answered, JudgingProcess
from rnnparity.live.long_run import LongRun
from rnnparity.live.network_run import NetworkRun
from rnnparity.live.result import Result, Row, Run
from rnnparity.live.workers import CLOSE, Pool, Worker, answers
from rnnparity.printable import lines, one_line
from rnnparity.reference.backward import with_cotangent
from rnnparity.reference.case import Case, long_pieces
from rnnparity.reference.forward import Reference
from rnnparity.reference.network_case import NetworkCase, form_of
from rnnparity.reference.noise import ARITHMETICS
from rnnparity_adapters import worker
from rnnparity_adapters.equation import Equation
from rnnparity_adapters.wire import Frame

Arrays = Mapping[str, np.ndarray]
"""The arrays ``[...]`` of a worker's answer, by name."""

MAX_TIMEOUT = 10.0**6
"""Seconds, more than eleven days. A lock can be waited for no longer than some centuries, let alone for ever.
"""
_MANY = 8
"""So many cases are judged in processes: starting one takes as long as judging some tens of answers."""
_KEPT_BYTES = 2**31
"""References that are kept for other apis."""
_LISTEN = 0.5
"""Seconds that a wait is without a look at signals: one that comes just before a wait begins does not wake
it.
"""
TIMEOUT = 120.0
"""Seconds that a worker has for a case. The first case includes the import of its framework, a few seconds.
"""


class Notify(Protocol):
    """A function that is told the progress of a run. It is called from several threads."""

    def __call__(self, environment: str, doing: str, done: int = 0) -> None:
        """``environment`` is now ``doing`` this, and has ``done`` so many cases."""


def silent(environment: str, doing: str, done: int = 0) -> None:
    """Ignore the progress."""


def run(
    cases: Case | NetworkCase | Iterable[Case | NetworkCase],
    apis: str | Api | Target | Iterable[str | Api | Target] | None = None,
    *,
    timeout: float = TIMEOUT,
    jobs: int | None = None,
    keep: bool = True,
    arithmetic: str | None = None,
    gradients: bool = False,
    notify: Notify = silent,
    pool: Pool | None = None,
) -> Result:
    """Run cases, with inputs ``[B, T, I]`` each, through apis and compare each run with the reference.

    ``apis`` are names or patterns (see :func:`rnnparity.select`), or :class:`~rnnparity.Api` records of your
    own. Only those of the cases' kind of cell run; without any, those of every day. Missing environments are
    made first. ``jobs`` environments work at a time, one for each CPU unless
    given. A case may take ``timeout`` seconds. With ``keep`` the result keeps the trajectories.
    ``arithmetic``, a name of :data:`rnnparity.reference.noise.ARITHMETICS`, says how precisely the frameworks
    compute if not as the dtype of the cases says. With ``gradients`` each framework also differentiates
    sum(hidden * cotangent), for a cotangent that is drawn from the case's seed, by inputs, initial states and
    weights. With a ``pool`` workers are kept for the next run; without
    one they end with this run.

    An api that fails gets a verdict that says so. Raises :class:`~rnnparity.errors.InputError` for
    a pattern that matches nothing, no case, cases of different dtypes or kinds of cell, an unknown
    arithmetic, a time limit or a number of jobs out of range, or a corrupt environment.
    """
    drawn = (cases,) if isinstance(cases, Case | NetworkCase) else tuple(cases)
    if len({case.dtype for case in drawn}) != 1:
        raise InputError(
            "cases", sorted({case.dtype for case in drawn}) or "none", "at least one, all of one dtype"
        )
    cells = sorted({case.equation.cell for case in drawn})
    if len(cells) != 1:
        raise InputError("cases", cells, "of one kind of cell")
    if len({form_of(case) for case in drawn}) != 1:
        raise InputError(
            "cases", "several", "of as many layers and directions each, all with lengths or none"
        )
    chosen = select(apis, cells[0])
    if arithmetic not in (None, *ARITHMETICS):
        raise InputError("arithmetic", arithmetic, f"one of {', '.join(ARITHMETICS)}")
    if not 0 < timeout <= MAX_TIMEOUT:
        raise InputError("timeout", timeout, f"a number of seconds above 0, at most {MAX_TIMEOUT:.0f}")
    if jobs is not None:
        processes.check_jobs(jobs)
    declared = declarations.declared()
    used = {target.live.environment: declared[target.live.environment] for target in chosen}
    for environment in used.values():
        cache.find(environment)  # a corrupt one ends the run before it begins

    versions = {target: used[target.live.environment].pinned(target.live.package) for target in chosen}
    if gradients:
        drawn = tuple(with_cotangent(case) if isinstance(case, Case) else case for case in drawn)
    plan = _Plan(drawn, versions, timeout, keep, arithmetic, gradients, notify, pool)
    of_each = {name: [one for one in chosen if one.live.environment == name] for name in used}
    # The one with the most to do begins, so that it is not left over at the end while other CPUs are idle.
    order = sorted(used, key=lambda name: len(of_each[name]), reverse=True)
    rows: dict[Target, Row] = {}
    # One thread for numpy: a BLAS's idle threads spin, and the workers need the CPUs.
    with threadpool_limits(1), ThreadPoolExecutor(jobs or os.cpu_count()) as threads:
        try:
            finished = [threads.submit(plan.run, used[name], of_each[name]) for name in order]
            for future in finished:
                while not wait([future], timeout=_LISTEN).done:
                    pass
                rows.update(future.result())
        except BaseException:  # Ctrl-C above all
            plan.processes.stop()
            threads.shutdown(cancel_futures=True)
            raise
        finally:
            plan.close()
    chosen_rows = tuple(rows[target] for target in chosen)
    return Result(drawn, chosen_rows, arithmetic or drawn[0].dtype, used, gradients)


class _Plan:
    """What the environments of one run share. ``versions`` has the pinned version of each row."""

    def __init__(
        self,
        cases: tuple[Case | NetworkCase, ...],
        versions: Mapping[Target, str],
        timeout: float,
        keep: bool,
        arithmetic: str | None,
        gradients: bool,
        notify: Notify,
        pool: Pool | None,
    ) -> None:
        self.cases = cases
        self.versions = versions
        self.timeout = timeout
        self.keep = keep
        self.arithmetic = arithmetic
        self.gradients = gradients
        self.notify = notify
        self.pool = pool
        self.processes = pool.processes if pool else Processes()
        # Enough for some cases in each equation that the apis compute; a reference of a large case is large.
        most = min(64, references_in(_KEPT_BYTES, cases))
        self._reference = functools.lru_cache(maxsize=most)(reference_of)
        self._one_at_a_time = threading.Lock()
        self._idle: queue.SimpleQueue[JudgingProcess] = queue.SimpleQueue()
        self._diagnosed: set[tuple[Target, Equation]] = set()

    def run(self, environment: Environment, targets: list[Target]) -> dict[Target, Row]:
        """Run all cases through the rows of one environment."""
        reasons = {target: self._cannot(target) for target in targets}
        supported = [target for target, reason in reasons.items() if not reason]
        rows = {
            one: Row(one, self.versions[one], "", comparison.UNSUPPORTED, reason)
            for one, reason in reasons.items()
            if reason
        }
        say = functools.partial(self.notify, environment.name)
        if supported:
            try:
                python = cache.ensure(environment, say, self.processes)
            except (Unavailable, CorruptEnvironment) as error:  # corrupt since the run has begun
                verdict, reason = comparison.UNAVAILABLE, str(error)
                rows |= {one: Row(one, self.versions[one], "", verdict, reason) for one in supported}
            else:
                start = functools.partial(Worker, python, environment.variables, self.processes)
                with self._judging() as judging:
                    rows |= self._run_targets(environment, supported, start, judging, say)
        say("done", len(self.cases) * len(targets))
        return rows

    def _cannot(self, target: Target) -> str:
        """Why a row cannot run these cases; empty if it can."""
        case, dtypes = self.cases[0], target.live.dtypes
        if case.dtype not in dtypes:
            return f"runs in {' or '.join(dtypes)} only, not in {case.dtype}"
        if self.gradients:
            reason = target.live.no_gradients or _no_gradients(case)
            if reason:
                return f"no gradients: {reason}"
        try:
            target.api.fields(target.given(case.equation, case.units))
        except InputError as error:
            return str(error)
        return network_run.refused(target, case) if isinstance(case, NetworkCase) else ""

    def _run_targets(
        self,
        environment: Environment,
        targets: list[Target],
        start: Callable[[], Worker],
        judging: JudgingProcess | None,
        say: Callable[..., None],
    ) -> dict[Target, Row]:
        collected = {target: _Collected(target, self.versions[target]) for target in targets}
        asked: list[tuple[_Collected, int | LongRun | None]] = []

        def requests() -> Iterator[Frame | None]:
            for target, row in collected.items():
                for position, case in enumerate(self.cases):
                    if isinstance(case, Case) and _is_long(case):
                        for long in self._long_runs(target, case, row):
                            if long is None:
                                yield None
                            else:
                                asked.append((row, long))
                                yield request.of_case(target, long.ask(), [long.direction])
                    elif not row.lost_worker:
                        asked.append((row, position))
                        yield self._request(target, case)
                # Closing is part of an api: if it hangs or raises, that is no fault of the next one.
                if not row.lost_worker and not (self.pool and target is targets[-1]):
                    asked.append((row, None))
                    yield CLOSE

        say("starting")
        holder = targets[0].live.adapter, targets[0].name
        lent = self.pool.lend(environment.name, holder, start) if self.pool else start
        end = functools.partial(self.pool.keep, environment.name) if self.pool else Worker.close
        done = 0
        for number, answer in enumerate(answers(lent, requests(), self.timeout, end)):
            row, asked_for = asked[number]
            doing = _CLOSING if asked_for is None else ""
            say(row.target.label, done)
            if isinstance(answer, WorkerError):
                row.lose_worker(answer, doing)
            elif not answer.message["ok"]:
                row.fail(answer, doing)
                if isinstance(asked_for, LongRun):
                    asked_for.fail()
            elif isinstance(asked_for, LongRun):
                row.add(answer, self._judge_piece(asked_for, answer))
            elif asked_for is not None:
                row.add(answer, self._judge(row.target, asked_for, answer, judging))
            done += isinstance(asked_for, int)
        return {target: row.row() for target, row in collected.items()}

    def _long_runs(self, target: Target, case: Case, row: "_Collected") -> Iterator[LongRun | None]:
        """Whose next piece is to be run: each direction in turn, or None while both wait for an answer."""
        if target.api.source:
            row.leave_out("a printed equation is not run over so many steps")
            return
        fits = fitted(case, self._form(target, case))
        runs = [LongRun(target, fits, direction, self.arithmetic) for direction in worker.DIRECTIONS]
        while not row.lost_worker and not all(run.finished for run in runs):
            ready = [run for run in runs if not run.waiting and not run.finished]
            yield min(ready, key=lambda run: run.done) if ready else None

    def _judge_piece(self, long: LongRun, answer: Frame) -> Iterator[Run]:
        """The run of a long case, when the answer to its last piece is there."""
        long.add(answer.arrays)
        if long.finished:
            asked = long.target, long.equation
            with self._one_at_a_time:
                run = long.run(diagnose=asked not in self._diagnosed)
            if run.causes:
                self._diagnosed.add(asked)
            yield run

    def _request(self, target: Target, case: Case | NetworkCase) -> Frame:
        if isinstance(case, NetworkCase):
            return self._network(target, case).request
        return request.of_case(target, fitted(case, self._form(target, case)))

    def _network(self, target: Target, case: NetworkCase) -> NetworkRun:
        return NetworkRun(target, case, self._form(target, case), self.versions[target])

    def _form(self, target: Target, case: Case | NetworkCase) -> Form:
        return form(target, case.equation, self.versions[target])

    @contextlib.contextmanager
    def _judging(self) -> Iterator[JudgingProcess | None]:
        """A process that judges for one environment at a time, if there are cases enough to be worth it."""
        cases = [case for case in self.cases if isinstance(case, Case)]
        if len(cases) < _MANY:
            yield None
            return
        try:
            judging = self._idle.get_nowait()
        except queue.Empty:
            judging = JudgingProcess(cases, self.arithmetic, self.processes)
        try:
            yield judging
        finally:
            self._idle.put(judging)

    def close(self) -> None:
        """End the processes that judge."""
        while not self._idle.empty():
            self._idle.get().close()

    def _judge(
        self, target: Target, position: int, answer: Frame, judging: JudgingProcess | None = None
    ) -> Iterator[Run]:
        """The two runs of an answer to the case at ``position``, compared with the reference."""
        case, arrays = self.cases[position], answer.arrays
        if isinstance(case, NetworkCase):
            yield from self._judge_network(target, case, arrays)
            return
        fits = self._form(target, case)
        keep = self.keep or bool(target.api.source)
        explain = (target, fits.equation) not in self._diagnosed
        answered = Answered(position, fits, target.layout, arrays, keep, explain)
        runs = judging.judge(answered) if judging else None
        if runs is None:
            runs = judge_both(target.layout, self._expected(case, fits), arrays, self.arithmetic)
        for run in runs:
            others = self._others(target, case, run, arrays) if run.direction == worker.LOADED else {}
            yield replace(self._explained(target, run, arrays), others=others)

    def _judge_network(self, target: Target, case: NetworkCase, arrays: Arrays) -> Iterator[Run]:
        """The two runs of an answer to the case of a network; the first that diverges is explained."""
        network = self._network(target, case)
        asked = target, case.equation
        for direction in worker.DIRECTIONS:
            run = network.judge(direction, arrays, self.arithmetic, asked not in self._diagnosed)
            if run.causes:
                self._diagnosed.add(asked)
            yield run if self.keep else replace(run, observed=None)

    def _others(self, target: Target, case: Case, run: Run, arrays: Arrays) -> dict[Equation, Run]:
        """A published equation's run, compared with every other equation that an api of this run computes."""
        observed = run.observed
        if not target.api.source or observed is None:
            return {}
        running = (other for other in self.versions if not other.api.source)
        equations = dict.fromkeys(self._form(other, case).equation for other in running)
        equations.pop(self._form(target, case).equation, None)
        others = {}
        for equation in equations:
            expected = self._expected(case, Form(equation))
            other = Run(case.seed, run.direction, compare.compare(observed, expected), observed, expected)
            others[equation] = self._explained(target, other, arrays)
        return others

    def _expected(self, case: Case, fits: Form) -> Reference:
        with self._one_at_a_time:  # the first thread that asks computes it, the others find it in the cache
            return self._reference(case, fits, self.arithmetic)

    def _explained(self, target: Target, run: Run, arrays: Arrays) -> Run:
        """The run with its causes, if it is the first of this row that diverges from this equation."""
        if run.comparison.verdict == comparison.DIVERGE and run.reference is not None:
            asked = target, run.reference.case.equation
            if asked not in self._diagnosed:
                self._diagnosed.add(asked)
                with self._one_at_a_time:
                    run = explained(run, target, arrays, self.arithmetic)
        return run if self.keep else replace(run, observed=None, reference=None)


def _is_long(case: Case) -> bool:
    """Whether it takes more than one piece."""
    pieces = long_pieces(case.batch, case.steps, case.input_size, case.units)
    return bool(next(pieces).stop < case.steps)


def _no_gradients(case: Case | NetworkCase) -> str:
    """Why a case is not differentiated; empty if it is."""
    if isinstance(case, NetworkCase):
        return "they are compared for one layer in one direction, over whole rows"
    return "the run has several pieces: ask for fewer steps" if _is_long(case) else ""


_CLOSING = "while it was closed: "


class _Collected:
    """What has been collected for one row so far."""

    def __init__(self, target: Target, version: str) -> None:
        self.target = target
        self.lost_worker = False
        self._version, self._python, self._log = version, "", ""
        self._runs: list[Run] = []
        self._outcomes: list[tuple[str, str]] = []

    def lose_worker(self, error: WorkerError, doing: str) -> None:
        self.lost_worker = True
        self._log = error.log
        verdict = comparison.TIMEOUT if isinstance(error, WorkerTimeout) else comparison.CRASHED
        self._outcomes.append((verdict, doing + one_line(error)))

    def fail(self, answer: Frame, doing: str) -> None:
        reason = answer.message.get("unsupported")
        if reason is not None:
            self._outcomes.append((comparison.UNSUPPORTED, f"no gradients: {one_line(reason)}"))
            return
        self._log = lines(answer.message["log"])
        self._outcomes.append((comparison.FAILED, doing + one_line(answer.message["error"])))

    def leave_out(self, reason: str) -> None:
        self._outcomes.append((comparison.UNSUPPORTED, reason))

    def add(self, answer: Frame, runs: Iterable[Run]) -> None:
        self._version, self._python = one_line(answer.message["version"]), one_line(answer.message["python"])
        for run in runs:
            self._runs.append(run)
            where = f"{run.direction} weights, seed {run.seed}: " if run.comparison.reason else ""
            self._outcomes.append((run.comparison.verdict, where + run.comparison.reason))

    def row(self) -> Row:
        verdict, reason = max(self._outcomes, key=lambda outcome: comparison.VERDICTS.index(outcome[0]))
        return Row(self.target, self._version, self._python, verdict, reason, tuple(self._runs), self._log)
