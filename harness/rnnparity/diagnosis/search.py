"""Why a trajectory differs: the search for the change under which the reference reproduces it.

Hypotheses (:mod:`rnnparity.diagnosis.weight_hypotheses` and its kin) are screened with the cell that is told
each previous state (:mod:`rnnparity.diagnosis.teacher_forcing`) in a window of the trajectory, every layout
with every equation. What passes is run by the reference itself, over everything, and only if that brings the
difference down to the noise is the cause confirmed.
"""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

import numpy as np
from threadpoolctl import threadpool_limits

from rnnparity.diagnosis import equation_hypotheses, unstructured, weight_hypotheses
from rnnparity.diagnosis.causes import CONFIRMED, SUSPECT, UNKNOWN, Cause, single
from rnnparity.diagnosis.equation_hypotheses import EquationHypothesis
from rnnparity.diagnosis.fitted_constants import CONSTANTS, Fitted, described, fit, nice
from rnnparity.diagnosis.run_hypotheses import runtime
from rnnparity.diagnosis.teacher_forcing import Forced, Setting, Window, force, whole
from rnnparity.diagnosis.weight_hypotheses import Hypothesis
from rnnparity.judge import compare
from rnnparity.judge.compare import Comparison
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


def diagnose(
    case: Case,
    hidden: np.ndarray,
    cell: np.ndarray | None = None,
    *,
    shares: tuple[Array, ...] = (),
    arithmetic: str | None = None,
) -> list[Cause]:
    """The causes, best first, of what ``hidden`` and ``cell`` ``[B, T, U]`` differ in from the reference of
    ``case``; none if they do not differ.

    ``shares`` are the canonical biases that add up to the case's, where there are several.
    """
    with threadpool_limits(1):  # thousands of small products: more threads only wait for each other
        search = _Search(case, hidden, cell, shares, arithmetic or case.dtype)
        return search.causes() if search.verdict == compare.DIVERGE else []


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
        comparison = self._compare(self.setting)
        self.verdict, self.before = comparison.verdict, _noise(comparison)

    def causes(self) -> list[Cause]:
        """Single hypotheses first, then pairs, then what is no structure."""
        self.window = self._window()
        equations = self._screen([None], equation_hypotheses.equations_for(self.setting))
        singles = [*self._alone(self._sized()), *equations]
        ways = enumerate(runtime(self.base, self.setting.hidden))
        runs = [c._replace(order=n) for n, way in ways for c in self._alone([way])]
        return (
            _distinct([*self._confirmed(singles), *self._confirmed(runs)])
            or self._irregular()
            or self._parameters(unstructured.single(self.setting, self.base))
            or self._precision()
            or self._confirmed(self._pairs(runs))
            or self._parameters(unstructured.block(self.setting, self.passing))
            or self._suspects([*singles, *runs])
        )

    def _sized(self) -> tuple[Hypothesis, ...]:
        """Those that leave the sizes of the trajectory as they are."""
        orders, layouts, biases = self.tables
        return (*orders, *layouts, *biases, *weight_hypotheses.own(self.setting))

    # Judging by the reference.

    def _compare(self, setting: Setting, arithmetic: str | None = None) -> Comparison:
        same = setting is self.setting and arithmetic is None
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            expected = self.base if same else forward.run(setting.case, arithmetic or self.arithmetic)
            return _judge(setting, expected)

    def _confirmed(self, candidates: Iterable[_Candidate]) -> list[Cause]:
        """Of those that pass the screen, the ones that the reference confirms, in their own order."""
        passed = sorted((c for c in candidates if c.left < self.passing), key=lambda c: c.left)
        settled = map(self._settle, sorted(passed[:_TRIED], key=lambda c: c.order))
        return _distinct(cause for cause in settled if cause and cause.status == CONFIRMED)

    def _settle(self, candidate: _Candidate) -> Cause | None:
        """Run by the reference, its constants taken from all data."""
        layout, equation = candidate.layout, candidate.equation
        setting = layout.change(self.setting) if layout else self.setting
        assert setting is not None
        about: dict[str, Any] = dict(layout.about) if layout else {}
        details = [layout.detail] if layout else []
        best: Comparison | None = None
        value = 0.0
        if equation is None:
            best = self._compare(setting)
        for changed, found in self._equations(setting, equation, candidate.value) if equation else ():
            comparison = self._compare(replace(setting, case=replace(setting.case, equation=changed)))
            if best is None or _better(comparison, best):
                best, value = comparison, found
            if comparison.verdict in _AGREES:
                break
        if best is None or (equation and equation.fitted and value == 0):
            return None  # a constant of zero adds nothing: that is another hypothesis
        if equation:
            details.append(equation.detail or described(equation.id, setting.case.equation, value))
            about |= {"equation": dict(equation.fields), **({"value": value} if equation.fitted else {})}
        ids = [h.id for h in (layout, equation) if h]
        fits_anything = equation is not None and bool(equation.fitted) and setting.hidden.size < 3
        status = CONFIRMED if best.verdict in _AGREES and not fits_anything else SUSPECT
        if len(ids) == 2:
            about["with"] = ids[1]
        return Cause(" + ".join(ids), "; ".join(details), status, self.before, _noise(best), about)

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
        everything = force([setting], whole(setting))
        value = float(fit(everything, changed, hypothesis.fitted, start).values[0])
        yield apply(changed, value), value

    # Screening.

    def _window(self) -> Window:
        """Rows, units and steps in which the difference shows, from the first step on."""
        everything = force([self.setting], whole(self.setting))
        hidden, _ = everything.predict(self.setting.case.equation)
        error = np.abs(hidden - everything.hidden)[0]
        noise = self.base.hidden_noise
        late = (error > 10 * noise).any(axis=(0, 2))
        first = int(late.argmax()) if late.any() else error.shape[1] - 1
        steps = min(error.shape[1], first + 4 if first < 8 else first + 2)
        strongest = error[:, :steps].max(axis=1)
        chosen_rows = np.sort(np.argsort(-strongest.max(axis=1), kind="stable")[:3])
        chosen_units = np.sort(np.argsort(-strongest.max(axis=0), kind="stable")[:6])
        window = Window(chosen_rows, chosen_units, steps)
        place = np.ix_(chosen_rows, np.arange(steps), chosen_units)
        self.passing = _PASS * float(np.sqrt(np.mean(np.square(np.minimum(noise[place], 1e-3)))))
        self.start = float(np.sqrt(np.mean(np.square(error[place]))))
        return window

    def _alone(self, tried: Iterable[Hypothesis]) -> list[_Candidate]:
        """Each hypothesis on the setting, with the equation as it is."""
        return self._screen(tried, (None,))

    def _screen(
        self,
        layouts: Iterable[Hypothesis | None],
        equations: Iterable[EquationHypothesis | None],
    ) -> list[_Candidate]:
        """What every hypothesis on the setting leaves, with every one on the equation."""
        candidates: list[_Candidate] = []
        tried = list(equations)
        for some in _batched(self._changed(layouts), _ENOUGH):
            forced = force([setting for _, setting in some], self._fitting(some[0][1]))
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

    def _fitting(self, setting: Setting) -> Window:
        """The window, or the start of the trajectory where a setting has other axes."""
        batch, steps, _ = setting.hidden.shape
        if (batch, steps) == self.setting.hidden.shape[:2]:
            return self.window
        rows = self.window.rows if batch == self.setting.hidden.shape[0] else np.arange(min(batch, 3))
        return Window(rows, self.window.units, min(steps, self.window.steps))

    def _left(self, forced: Forced, hypothesis: EquationHypothesis | None) -> Fitted:
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

    def _pairs(self, runs: list[_Candidate]) -> list[_Candidate]:
        """Layouts with equations, then layouts with layouts, then ways to run with either."""
        orders, layouts, biases = self.tables
        equations = equation_hypotheses.equations_for(self.setting)
        pairs = self._screen(self._sized(), equations)
        if any(equation.fitted == "forget_bias" for equation in equations):
            pairs += self._screen([None], [_with_forget(e) for e in equations if not e.fitted])
        if self.setting.case.has_cell_state:
            pairs += self._screen([None], equation_hypotheses.several_functions(self.setting.case.equation))
        whole_orders = [order for order in orders if weight_hypotheses.is_permutation(order)]
        if not self._any(pairs):
            pairs += self._screen((_both(a, b) for a in layouts for b in biases), (None,))
            pairs += self._screen((_both(a, b) for a in whole_orders for b in (*layouts, *biases)), (None,))
        if not self._any(pairs):
            clips = [equation for equation in equations if equation.fitted == "cell_clip"]
            for order in whole_orders if clips else ():
                pairs += self._screen([order], clips)
        if not self._any(pairs):
            with_runs = [e for e in equations if e.id in _WITH_RUNS]
            for run in runs:
                pairs += self._screen([run.layout], with_runs)
        return pairs

    def _any(self, candidates: list[_Candidate]) -> bool:
        return any(candidate.left < self.passing for candidate in candidates)

    # What is no structure.

    def _irregular(self) -> list[Cause]:
        return [
            Cause(id_, detail, CONFIRMED, self.before, _noise(comparison), about)
            for id_, detail, about, setting in unstructured.irregular(self.setting, self.base)
            if (comparison := self._compare(setting)).verdict in _AGREES
        ]

    def _precision(self) -> list[Cause]:
        for name in unstructured.coarser(self.base):
            if unstructured.rounds_so(self.setting, name):
                found = self._in_arithmetic(name, CONFIRMED)
                if found:
                    return found
        return []

    def _in_arithmetic(self, name: str, status: str) -> list[Cause]:
        comparison = self._compare(self.setting, name)
        if comparison.verdict not in _AGREES:
            return []
        about, detail = {"arithmetic": name}, f"arithmetic or storage in {name}"
        return [Cause("precision", detail, status, self.before, _noise(comparison), about)]

    def _parameters(self, tried: Iterable[unstructured.Found]) -> list[Cause]:
        for id_, detail, about, setting in tried:
            comparison = self._compare(setting)
            if comparison.verdict in _AGREES:
                shown = unstructured.touched(self.setting, setting, self.base)
                status = CONFIRMED if shown >= unstructured.ENOUGH else SUSPECT
                return [Cause(id_, detail, status, self.before, _noise(comparison), about)]
        return []

    def _suspects(self, candidates: list[_Candidate]) -> list[Cause]:
        """What explains most of it, and what is known of the rest."""
        near = sorted((c for c in candidates if c.left < _NEAR * self.start), key=lambda c: c.left)[:3]
        settled = [cause for cause in map(self._settle, near) if cause and cause.after < _NEAR * self.before]
        if self.arithmetic == "float32":  # whose errors nobody can compute
            settled += self._in_arithmetic("float32-fast-activation", SUSPECT)
        known = unstructured.known(self.setting, self.base)
        return [*_distinct(settled), Cause(UNKNOWN, known, SUSPECT, self.before, self.before)]


_WITH_RUNS = ("forget-bias", "recurrent-activation", "reset-gate")
_AGREES = (compare.AGREE, compare.CHAOTIC)


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


def _both(first: Hypothesis, second: Hypothesis) -> Hypothesis:
    def change(setting: Setting) -> Setting | None:
        changed = first.change(setting)
        return None if changed is None else second.change(changed)

    about = {**second.about, **first.about, "with": second.id}
    return Hypothesis(f"{first.id} + {second.id}", f"{first.detail}; {second.detail}", change, about)


def _with_forget(equation: EquationHypothesis) -> EquationHypothesis:
    """The same and a forget bias of another size."""
    return EquationHypothesis(f"{equation.id} + forget-bias", equation.detail, equation.fields, "forget_bias")


def _distinct(causes: Iterable[Cause]) -> list[Cause]:
    """One of each id, the first; others explain the same data, which is said. The most special one leads."""
    first: dict[str, Cause] = {}
    for cause in sorted(causes, key=lambda cause: cause.id == "parameter"):
        first.setdefault(cause.id, cause)
    if len(first) > 1:
        note = f"{', '.join(first)} explain these data equally well; {_what_would_tell(first)}"
        return [replace(cause, note=note) for cause in first.values()]
    return list(first.values())


_TELLING = (
    (
        {"forget-bias", "forget-bias-after-sigmoid", "coupled-gates"},
        "a run with c0 != 0 and h0 = 0 moves only the forget terms",
    ),
    (
        {"kernel-transposed", "gate-order", "concat-order"},
        "one with h0 != 0 and c0 = 0 only the recurrent kernel, given I != U and asymmetric weights",
    ),
    ({"bias-dropped", "bias-doubled"}, "one with other random biases, different in every gate, the biases"),
    (
        {"initial-state", "state-carried", "batch-time-axes", "direction", "time-shift"},
        "one with random non-zero initial states, B >= 3 and T >= 3 tells how it was run",
    ),
)


def _what_would_tell(ids: Iterable[str]) -> str:
    """The runs that separate causes."""
    parts = {part for id_ in ids for part in single(id_)}
    said = [text for group, text in _TELLING if group & parts]
    return ", ".join(said) or "a longer run with other random weights and non-zero initial states would tell"
