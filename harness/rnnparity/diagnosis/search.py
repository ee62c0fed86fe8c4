"""Why a trajectory differs: the search for the change under which the reference reproduces it.

Hypotheses (:mod:`rnnparity.diagnosis.weight_hypotheses` and its kin) are screened with the cell that is told
each previous state (:mod:`rnnparity.diagnosis.teacher_forcing`) in a window of the trajectory, every layout
with every equation. What passes is run by the reference itself, over everything, and only if that brings the
difference down to the noise is the cause confirmed.
"""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeVar

import numpy as np
from threadpoolctl import threadpool_limits

from rnnparity.diagnosis import equation_hypotheses, unstructured, weight_hypotheses
from rnnparity.diagnosis.causes import CONFIRMED, SUSPECT, Cause
from rnnparity.diagnosis.findings import Finding, OtherEquation, Precision
from rnnparity.diagnosis.fitted_constants import CONSTANTS, Fitted, fit, nice
from rnnparity.diagnosis.hypothesis import EquationHypothesis, Hypothesis, together
from rnnparity.diagnosis.kinds import equations_for, in_full, kind_of, teacher_forced
from rnnparity.diagnosis.run_hypotheses import run_hypotheses
from rnnparity.diagnosis.teacher_forcing import Setting, TeacherForced, Window
from rnnparity.judge import compare, comparison
from rnnparity.judge.comparison import Comparison
from rnnparity.reference import forward
from rnnparity.reference.case import Case
from rnnparity.reference.noise import LIMIT, Array
from rnnparity_adapters.equation import Equation

_Item = TypeVar("_Item")

_TRIED = 8
"""How many hypotheses that pass the screen the reference runs."""

_PASS = 40.0
"""Times the noise in the window that a hypothesis may leave to pass the screen; the reference decides."""

_NEAR = 0.2
"""A hypothesis that leaves less than this part of the difference is suspect."""

_ENOUGH = 150
"""Settings that are evaluated together."""


class _Candidate(NamedTuple):
    """A hypothesis on the setting with one on the equation, either may be None, and what they leave."""

    left: float
    order: int
    layout: Hypothesis | None
    equation: EquationHypothesis | None
    value: float = 0.0


@dataclass(frozen=True, eq=False)
class _Screen:
    """Where hypotheses are tried first: a ``window`` in which the difference shows.

    There the setting itself leaves ``start``, and what passes leaves less than ``passing`` (both RMS).
    """

    window: Window
    start: float
    passing: float


def search(
    case: Case,
    hidden: np.ndarray,
    cell: np.ndarray | None = None,
    *,
    shares: tuple[Array, ...] = (),
    arithmetic: str | None = None,
) -> list[Cause]:
    """The causes, best first, of what ``hidden`` ``[B, T, P]`` and ``cell`` ``[B, T, U]`` differ in from the
    reference of ``case``; none if they do not differ. They have no sentences yet.

    ``shares`` are the canonical biases that add up to the case's, ``[G U]`` each, where there are several.
    """
    with threadpool_limits(1):  # thousands of small products: more threads only wait for each other
        found = _Search(case, hidden, cell, shares, arithmetic or case.dtype)
        return found.causes() if found.verdict == comparison.DIVERGE else []


class _Search:
    def __init__(
        self,
        case: Case,
        hidden: np.ndarray,
        cell: np.ndarray | None,
        shares: tuple[Array, ...],
        arithmetic: str,
    ) -> None:
        states, cells = np.asarray(hidden, np.float64), None if cell is None else np.asarray(cell, np.float64)
        self.arithmetic = arithmetic
        self.tables = weight_hypotheses.tables(case.equation.cell)
        self.setting = Setting(case, states, cells, shares or (np.asarray(case.weights.bias, np.float64),))
        self.base = forward.run(case, arithmetic)
        compared = self._compare(self.setting)
        self.verdict, self.before = compared.verdict, _noise(compared)

    def causes(self) -> list[Cause]:
        """Single hypotheses first, then what has no structure, then pairs."""
        screen = self._find_screen()
        equations = self._try(screen, [None], equations_for(self.setting))
        singles = [*self._try(screen, self._of_same_size()), *equations]
        ways = enumerate(run_hypotheses(self.base, self.setting.hidden))
        runs = [c._replace(order=n) for n, way in ways for c in self._try(screen, [way])]
        return (
            _distinct([*self._confirmed(screen, singles), *self._confirmed(screen, runs)])
            or self._irregular()
            or self._parameters(unstructured.single(self.setting, self.base))
            or self._precision()
            or self._confirmed(screen, self._pairs(screen, runs))
            or self._parameters(unstructured.block(self.setting, screen.passing))
            or self._suspects(screen, [*singles, *runs])
        )

    def _of_same_size(self) -> tuple[Hypothesis, ...]:
        """Those that leave the sizes of the trajectory as they are."""
        orders, layouts, biases = self.tables
        return (*orders, *layouts, *biases, *weight_hypotheses.of_extras(self.setting))

    # Judging by the reference.

    def _compare(self, setting: Setting, arithmetic: str | None = None) -> Comparison:
        same = setting is self.setting and arithmetic is None
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            expected = self.base if same else forward.run(setting.case, arithmetic or self.arithmetic)
            return _judge(setting, expected)

    def _cause(self, finding: Finding, status: str, compared: Comparison) -> Cause:
        return Cause((finding,), status, self.before, _noise(compared))

    def _confirmed(self, screen: _Screen, candidates: Iterable[_Candidate]) -> list[Cause]:
        """Of those that pass the screen, the ones that the reference confirms, in their own order."""
        passed = sorted((c for c in candidates if c.left < screen.passing), key=lambda c: c.left)
        settled = map(self._settle, sorted(passed[:_TRIED], key=lambda c: c.order))
        return _distinct(cause for cause in settled if cause and cause.status == CONFIRMED)

    def _settle(self, candidate: _Candidate) -> Cause | None:
        """Run by the reference, its constants taken from all data."""
        layout, equation = candidate.layout, candidate.equation
        setting = layout.change(self.setting) if layout else self.setting
        assert setting is not None
        best: Comparison | None = None
        value = 0.0
        if equation is None:
            best = self._compare(setting)
        for changed, found in self._equations(setting, equation, candidate.value) if equation else ():
            compared = self._compare(replace(setting, case=replace(setting.case, equation=changed)))
            if best is None or _better(compared, best):
                best, value = compared, found
            if compared.verdict in _AGREES:
                break
        if best is None or (equation and equation.fitted and value == 0):
            return None  # a constant of zero adds nothing: that is another hypothesis
        findings = (layout.findings if layout else ()) + (_findings(equation, value) if equation else ())
        fits_anything = (
            equation is not None and bool(equation.fitted) and setting.hidden.size < _TELLS_NOTHING
        )
        status = CONFIRMED if best.verdict in _AGREES and not fits_anything else SUSPECT
        return Cause(findings, status, self.before, _noise(best))

    def _equations(
        self, setting: Setting, hypothesis: EquationHypothesis, start: float
    ) -> Iterator[tuple[Equation, float]]:
        """The changed equation: with a round constant, with that of the window, with that of all data."""
        changed = replace(setting.case.equation, **hypothesis.fields)
        if not hypothesis.fitted:
            yield changed, 0.0
            return
        apply = CONSTANTS[hypothesis.fitted].apply
        for tried in dict.fromkeys((*nice(start), start)):
            yield apply(changed, tried), tried
        value = float(fit(in_full(setting), changed, hypothesis.fitted, start).values[0])
        yield apply(changed, value), value

    # Screening.

    def _find_screen(self) -> _Screen:
        """Rows, units and steps in which the difference shows, from the first step on."""
        everything = in_full(self.setting)
        hidden, _ = everything.predict(self.setting.case.equation)
        error = np.abs(hidden - everything.hidden)[0]
        noise = self.base.hidden_noise
        late = (error > 10 * noise).any(axis=(0, 2))
        first = int(late.argmax()) if late.any() else error.shape[1] - 1
        steps = min(error.shape[1], first + 4 if first < 8 else first + 2)
        strongest = error[:, :steps].max(axis=1)
        rows = np.sort(np.argsort(-strongest.max(axis=1), kind="stable")[:3])
        units = np.sort(np.argsort(-strongest.max(axis=0), kind="stable")[:6])
        place = np.ix_(rows, np.arange(steps), units)
        passing = _PASS * float(np.sqrt(np.mean(np.square(np.minimum(noise[place], 1e-3)))))
        start = float(np.sqrt(np.mean(np.square(error[place]))))
        return _Screen(Window(rows, units, steps), start, passing)

    def _try(
        self,
        screen: _Screen,
        layouts: Iterable[Hypothesis | None],
        equations: Iterable[EquationHypothesis | None] = (None,),
    ) -> list[_Candidate]:
        """What every hypothesis on the setting leaves in the screen, with every one on the equation."""
        candidates: list[_Candidate] = []
        tried = list(equations)
        for some in _batched(self._changed(layouts), _ENOUGH):
            forced = teacher_forced(
                [setting for _, setting in some], self._fitting(screen.window, some[0][1])
            )
            start = len(candidates)
            for number, equation in enumerate(tried):
                with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                    values, left = self._left(forced, equation)
                candidates += [
                    _Candidate(float(left[k]), start + k + 1000 * number, layout, equation, float(values[k]))
                    for k, (layout, _) in enumerate(some)
                ]
        return candidates

    def _changed(self, tried: Iterable[Hypothesis | None]) -> Iterator[tuple[Hypothesis | None, Setting]]:
        """The settings, as they are needed: each has weights of its own."""
        for hypothesis in tried:
            setting = hypothesis.change(self.setting) if hypothesis else self.setting
            if setting is not None:
                yield hypothesis, setting

    def _fitting(self, window: Window, setting: Setting) -> Window:
        """The window, or the start of the trajectory where a setting has other axes."""
        batch, steps, _ = setting.hidden.shape
        if (batch, steps) == self.setting.hidden.shape[:2]:
            return window
        rows = window.rows if batch == self.setting.hidden.shape[0] else np.arange(min(batch, 3))
        return Window(rows, window.units, min(steps, window.steps))

    def _left(self, forced: TeacherForced, hypothesis: EquationHypothesis | None) -> Fitted:
        """What an equation leaves, its constant fitted."""
        equation, none = self.setting.case.equation, np.zeros(len(forced.z))
        if hypothesis is None:
            return Fitted(none, _rms(forced.residual(equation)))
        changed = replace(equation, **hypothesis.fields)
        if changed == equation and not hypothesis.fitted:
            return Fitted(none, np.full(len(forced.z), np.inf))
        if hypothesis.fitted:
            return fit(forced, changed, hypothesis.fitted)
        return Fitted(none, _rms(forced.residual(changed)))

    def _pairs(self, screen: _Screen, runs: list[_Candidate]) -> list[_Candidate]:
        """Layouts with equations, then layouts with layouts, then ways to run with either."""
        orders, layouts, biases = self.tables
        equations, base = equations_for(self.setting), self.setting.case.equation
        pairs = self._try(screen, self._of_same_size(), equations)
        if any(equation.fitted == "forget_bias" for equation in equations):
            others = (e for e in equations if not e.fitted)
            pairs += self._try(screen, [None], map(equation_hypotheses.with_forget_bias, others))
        pairs += self._try(screen, [None], kind_of(self.setting).several_functions(base))
        whole_orders = [order for order in orders if weight_hypotheses.is_permutation(order)]
        if not _any_passes(screen, pairs):
            pairs += self._try(screen, (together(a, b) for a in layouts for b in biases))
            pairs += self._try(screen, (together(a, b) for a in whole_orders for b in (*layouts, *biases)))
        if not _any_passes(screen, pairs):
            clips = [equation for equation in equations if equation.fitted == "cell_clip"]
            for order in whole_orders if clips else ():
                pairs += self._try(screen, [order], clips)
        if not _any_passes(screen, pairs):
            with_runs = [equation for equation in equations if set(equation.ids) <= _WITH_RUNS]
            for run in runs:
                pairs += self._try(screen, [run.layout], with_runs)
        return pairs

    # Without a structure.

    def _irregular(self) -> list[Cause]:
        return [
            self._cause(finding, CONFIRMED, compared)
            for finding, setting, _ in unstructured.irregular(self.setting, self.base)
            if (compared := self._compare(setting)).verdict in _AGREES
        ]

    def _precision(self) -> list[Cause]:
        for name in unstructured.coarser(self.base):
            if unstructured.rounds_so(self.setting, name):
                found = self._in_arithmetic(name, CONFIRMED)
                if found:
                    return found
        return []

    def _in_arithmetic(self, name: str, status: str) -> list[Cause]:
        compared = self._compare(self.setting, name)
        return [self._cause(Precision(name), status, compared)] if compared.verdict in _AGREES else []

    def _parameters(self, tried: Iterable[unstructured.Found]) -> list[Cause]:
        for finding, setting, certain in tried:
            compared = self._compare(setting)
            if compared.verdict in _AGREES:
                shown = unstructured.touched(self.setting, setting, self.base)
                status = CONFIRMED if certain and shown >= unstructured.ENOUGH else SUSPECT
                return [self._cause(finding, status, compared)]
        return []

    def _suspects(self, screen: _Screen, candidates: list[_Candidate]) -> list[Cause]:
        """What explains most of it, and what is known of the rest."""
        near = sorted((c for c in candidates if c.left < _NEAR * screen.start), key=lambda c: c.left)[:3]
        settled = [cause for cause in map(self._settle, near) if cause and cause.after < _NEAR * self.before]
        if self.arithmetic == "float32":  # whose errors nobody can compute
            settled += self._in_arithmetic("float32-fast-activation", SUSPECT)
        known = unstructured.unknown(self.setting, self.base)
        return [*_distinct(settled), Cause((known,), SUSPECT, self.before, self.before)]


_WITH_RUNS = {"forget-bias", "recurrent-activation", "reset-gate"}
"""What happens together with a cell that was run in another way: what a port forgets."""
_AGREES = (comparison.AGREE, comparison.CHAOTIC)
_TELLS_NOTHING = 3
"""With fewer numbers than this, one fitted constant explains anything."""


def _findings(equation: EquationHypothesis, value: float) -> tuple[Finding, ...]:
    """What another equation says, with the value of its constant."""
    return tuple(
        OtherEquation(id_, fields, value if equation.fitted and id_ == equation.by else None)
        for id_, fields in equation.parts
    )


def _any_passes(screen: _Screen, candidates: Iterable[_Candidate]) -> bool:
    return any(candidate.left < screen.passing for candidate in candidates)


def _batched(items: Iterable[_Item], size: int) -> Iterator[list[_Item]]:
    waiting = iter(items)
    while batch := list(itertools.islice(waiting, size)):
        yield batch


_HOPELESS = 100 * LIMIT
"""Times the noise: beyond, the local errors need not be asked."""


def _judge(setting: Setting, expected: forward.Reference) -> Comparison:
    free = np.abs(setting.hidden - expected.hidden).max(initial=0) / max(expected.hidden_noise.max(), 1e-300)
    if free > _HOPELESS:
        return compare.compare_hidden_only(setting.hidden.astype(setting.case.dtype), expected)
    observed = {"hidden": setting.hidden} | ({} if setting.cell is None else {"cell": setting.cell})
    return compare.compare_recording(observed, expected)


def _noise(comparison: Comparison) -> float:
    return max((difference.noise for difference in comparison.differences), default=float("inf"))


def _better(one: Comparison, other: Comparison) -> bool:
    return (one.verdict not in _AGREES, _noise(one)) < (other.verdict not in _AGREES, _noise(other))


def _rms(residual: Array) -> Array:
    rms: Array = np.sqrt(np.mean(residual * residual, axis=1))
    return rms


def _distinct(causes: Iterable[Cause]) -> list[Cause]:
    """One of each id, the first. Several explain the same data; the most special one leads."""
    first: dict[str, Cause] = {}
    for cause in sorted(causes, key=lambda cause: cause.id == "parameter"):
        first.setdefault(cause.id, cause)
    equals = tuple(first) if len(first) > 1 else ()
    return [replace(cause, equals=equals) for cause in first.values()]
