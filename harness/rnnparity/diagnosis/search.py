"""Search for the change under which the reference reproduces a trajectory.

Hypotheses on the weights, on the equation and on the run are screened first, in a window of the trajectory,
with a cell that gets each previous state from the observation (:mod:`rnnparity.diagnosis.teacher_forcing`).
That is fast, so every layout is tried with every equation. The hypotheses that pass are run by the reference
over the whole trajectory. A cause is confirmed only if the difference is then no larger than the noise, and
if that is no chance: see :mod:`rnnparity.diagnosis.evidence`.
"""

import functools
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from rnnparity.diagnosis import (
    combinations,
    evidence,
    input_hypotheses,
    mixed_runs,
    outputs,
    precisions,
    state_dropout,
    state_hypotheses,
    tensor_fits,
    unit_hypotheses,
    unstructured,
    weight_hypotheses,
)
from rnnparity.diagnosis.causes import CONFIRMED, SUSPECT, Cause
from rnnparity.diagnosis.findings import Block, Finding, Precision
from rnnparity.diagnosis.fitted_constants import CONSTANTS, fit, is_certain, nice
from rnnparity.diagnosis.hypothesis import EquationHypothesis, Found, Hypothesis
from rnnparity.diagnosis.kinds import equations_for, in_full
from rnnparity.diagnosis.parts import first_steps
from rnnparity.diagnosis.run_findings import MixedRuns
from rnnparity.diagnosis.run_hypotheses import run_hypotheses, usual_shifts
from rnnparity.diagnosis.screen import Candidate, Screen
from rnnparity.diagnosis.teacher_forcing import Setting, filled
from rnnparity.judge import compare, comparison
from rnnparity.judge.comparison import Comparison
from rnnparity.reference import forward
from rnnparity.reference.case import Case
from rnnparity.reference.forward import Reference
from rnnparity.reference.noise import LIMIT, Array
from rnnparity_adapters.equation import Equation

_TRIED = 8
"""The most hypotheses that pass the screen and are run by the reference, which takes much longer."""

_NEAR = 0.2
"""A hypothesis that leaves less than this part of the difference explains most of it, and is a suspect."""

_STEPS = 2048
"""The steps that are searched first. Only where a longer trajectory begins to differ later are there more."""


class _Judged(NamedTuple):
    """A setting, the reference of its case, and what their comparison says."""

    setting: Setting
    expected: Reference
    comparison: Comparison

    @property
    def agrees(self) -> bool:
        """Whether rounding explains what is left."""
        return self.comparison.verdict in _AGREES

    def confirms(self, constants: int = 0) -> bool:
        """Whether that is no chance, with so many ``constants`` fitted to the trajectory."""
        return self.agrees and evidence.speaks_for(self.setting, self.expected, constants)


def search(
    case: Case,
    hidden: np.ndarray,
    cell: np.ndarray | None = None,
    *,
    shares: tuple[Array, ...] = (),
    stored_forget_bias: float = 0.0,
    mask: NDArray[np.bool_] | None = None,
    arithmetic: str | None = None,
) -> list[Cause]:
    """Find out why a trajectory ``hidden`` ``[B, T, P]`` and ``cell`` ``[B, T, U]`` diverges.

    Returns the causes of its difference from the reference of ``case``, the best first, without sentences;
    none if it agrees. ``shares`` and ``stored_forget_bias`` are the biases ``[G U]`` as they are stored, and
    ``mask`` ``[B, T]`` says which steps count: see :class:`~rnnparity.diagnosis.teacher_forcing.Setting`.
    ``arithmetic`` is that of the case's dtype unless given.
    """
    # There are thousands of small products, for which threads only wait. A wrong hypothesis may overflow.
    with threadpool_limits(1), np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        states, cells = np.asarray(hidden, np.float64), None if cell is None else np.asarray(cell, np.float64)
        stored = shares or (np.asarray(case.weights.bias, np.float64),)
        setting = Setting(case, states, cells, stored, stored_forget_bias, mask)
        steps = _STEPS
        while True:
            part = first_steps(setting, steps)
            searched = 0 if part is setting else steps
            found = _Search(part, arithmetic or case.dtype, searched)
            if found.verdict == comparison.DIVERGE:
                return found.causes()
            if steps >= case.steps:
                return []
            steps *= 8


class _Search:
    """A search in a setting, of which ``searched`` steps are a part, 0 if they are all."""

    def __init__(self, setting: Setting, arithmetic: str, searched: int) -> None:
        self.arithmetic, self.searched = arithmetic, searched
        self.tables = weight_hypotheses.tables_for(setting.case)
        self.base = forward.run(setting.case, arithmetic)
        known = filled(setting, self.base)
        self.setting = replace(known, away=evidence.away(known.hidden, known.cell, self.base))
        compared = self._compare(self.setting).comparison
        self.verdict, self.before = compared.verdict, _noise(compared)
        self._parts: list[Candidate] = []

    def causes(self) -> list[Cause]:
        """The causes. Single hypotheses come first, then causes without a structure, then pairs."""
        return (
            self._single()
            or _distinct(self._outputs())
            or self._first(mixed_runs.right_hidden(self.setting, self.base), CONFIRMED)
            or self._first(filter(state_hypotheses.is_known, self._replaced))
            or self._parameters(unstructured.single(self.setting, self.base))
            or self._precision()
            or self._first(self._replaced)
            or self._first(input_hypotheses.rows(self.setting, self.base, self.arithmetic))
            or self._first(unit_hypotheses.output_order(self.setting, self.base))
            or self._first(tensor_fits.extra_parameters(self.setting, self.base))
            or self._first(input_hypotheses.solved(self.setting, self.base))
            or self._first(state_dropout.dropped(self.setting, self.base))
            or self._first(tensor_fits.bias_added(self.setting, self.base))
            or self._first(tensor_fits.peepholes_unrecorded(self.setting, self.base))
            or self._confirmed(self._pairs())
            or self._partly()
            or self._combined()
            or self._partly()
            or self._parameters(unstructured.block(self.setting, self._screen.passing))
            or self._first(tensor_fits.weights_differ(self.setting, self.base))
            or self._of_hidden_alone()
            or self._first(mixed_runs.right_cell(self.setting, self.base), SUSPECT)
            or self._suspects()
        )

    def _single(self) -> list[Cause]:
        """Single hypotheses: on weights and equation, and on the run."""
        return _distinct([*self._confirmed(self._singles), *self._confirmed(self._runs)])

    @functools.cached_property
    def _screen(self) -> Screen:
        return Screen(self.setting, self.base)

    @functools.cached_property
    def _singles(self) -> list[Candidate]:
        equations = self._screen.candidates([None], equations_for(self.setting), every=True)
        of_units = unit_hypotheses.tables(self.setting.case.kind, self.setting.case.units)
        of_weights = self._screen.candidates((*self._of_same_size(), *of_units), every=True)
        return [*of_weights, *equations]

    @functools.cached_property
    def _runs(self) -> list[Candidate]:
        ways = enumerate(run_hypotheses(self.base, self.setting.hidden))
        return [self._run(c, n) for n, way in ways for c in self._screen.candidates([way], every=True)]

    def _run(self, candidate: Candidate, order: int) -> Candidate:
        """A candidate on the run; it passes the screen where its first steps were not observed."""
        setting = candidate.layout.change(self.setting) if candidate.layout else None
        mask = None if setting is None else setting.mask
        begins_unseen = mask is not None and bool(np.any(mask.any(axis=1) & ~mask[:, 0]))
        return candidate._replace(order=order, left=0.0 if begins_unseen else candidate.left)

    def _of_same_size(self) -> tuple[Hypothesis, ...]:
        """The hypotheses on the weights. They all leave the sizes of the trajectory as they are."""
        orders, layouts, biases = self.tables
        return (*orders, *layouts, *biases, *weight_hypotheses.of_extras(self.setting))

    # Decide by running the reference.

    def _compare(self, setting: Setting, arithmetic: str | None = None) -> _Judged:
        same = setting.case is self.setting.case and arithmetic is None
        expected = self.base if same else forward.run(setting.case, arithmetic or self.arithmetic)
        return _Judged(setting, expected, _judge(setting, expected))

    def _cause(self, finding: Finding, status: str, compared: Comparison) -> Cause:
        return Cause((finding,), status, self.before, _noise(compared))

    def _confirmed(self, candidates: Iterable[Candidate]) -> list[Cause]:
        """The causes among the candidates that pass the screen and that the reference confirms."""
        passed = sorted(self._screen.passed(candidates), key=lambda c: c.left)
        settled = map(self._settle, sorted(passed[:_TRIED], key=lambda c: c.order))
        return _distinct(cause for cause in settled if cause and cause.status == CONFIRMED)

    def _settle(self, candidate: Candidate) -> Cause | None:
        """The cause of a candidate, as the reference judges it, with constants fitted to all data."""
        layout, equation = candidate.layout, candidate.equation
        setting = layout.change(self.setting) if layout else self.setting
        assert setting is not None
        best: _Judged | None = None
        value = 0.0
        if equation is None:
            best = self._compare(setting)
        for changed, found in self._equations(setting, equation, candidate.value) if equation else ():
            judged = self._compare(replace(setting, case=replace(setting.case, equation=changed)))
            if best is None or _better(judged.comparison, best.comparison):
                best, value = judged, found
            if judged.agrees:
                break
        if best is None or (equation and equation.fitted and value == 0):
            return None  # with a constant of zero this is another hypothesis, without the constant
        findings = candidate._replace(value=value).findings()
        if equation and equation.fitted:
            sure = best.confirms(constants=1) and self._is_certain(setting, equation, value)
        else:
            sure = best.confirms()
        return Cause(findings, CONFIRMED if sure else SUSPECT, self.before, _noise(best.comparison))

    def _is_certain(self, setting: Setting, hypothesis: EquationHypothesis, value: float) -> bool:
        """Whether a fitted constant is large against its uncertainty."""
        changed = replace(setting.case.equation, **hypothesis.fields)
        noise = float(np.median(self.base.hidden_noise))
        return is_certain(in_full(setting), changed, hypothesis.fitted, value, noise)

    def _equations(
        self, setting: Setting, hypothesis: EquationHypothesis, start: float
    ) -> Iterator[tuple[Equation, float]]:
        """The changed equations to try, each with its constant.

        The constant is a round number, the value fitted in the window, or the value fitted to all data.
        """
        changed = replace(setting.case.equation, **hypothesis.fields)
        if not hypothesis.fitted:
            yield changed, 0.0
            return
        apply = CONSTANTS[hypothesis.fitted].apply
        for tried in dict.fromkeys((*nice(start), start)):
            yield apply(changed, tried), tried
        value = float(fit(in_full(setting), changed, hypothesis.fitted, start).values[0])
        yield apply(changed, value), value

    def _pairs(self) -> list[Candidate]:
        """Pairs of hypotheses."""
        known = self.tables, self._of_same_size(), self._runs
        return combinations.pairs(self._screen, self.setting, *known)

    def _partly(self) -> list[Cause]:
        """What explains a part of the states, together with a single cause of the others."""
        for candidate in self._screen.partly:
            if candidate in self._parts:
                continue
            self._parts.append(candidate)
            setting = candidate.changed(self.setting)
            if setting is None:
                continue
            rest = _Search(replace(setting, away=None), self.arithmetic, self.searched)
            if rest.verdict != comparison.DIVERGE:
                continue
            for cause in rest.of_the_rest()[:1]:
                if cause.status == CONFIRMED:
                    findings = (*candidate.findings(), *cause.findings)
                    return [replace(cause, findings=findings, before=self.before, equals=())]
        return []

    def of_the_rest(self) -> list[Cause]:
        """The causes of what another one has left."""
        return self._single() or self._parameters(unstructured.single(self.setting, self.base))

    def _combined(self) -> list[Cause]:
        """Two and three hypotheses at once, stage by stage, because there are many."""
        known = (run.layout for run in self._runs if run.layout)
        ways = {way.findings: way for way in (*known, *usual_shifts(self.base))}.values()
        for layouts, equations in combinations.stages(self.setting, self.tables, ways):
            found = self._confirmed(self._screen.candidates(layouts, equations))
            if found:
                return found
        return []

    # Causes without a structure.

    def _outputs(self) -> list[Cause]:
        """What became of the outputs, where the states are right."""
        found = []
        for explained in outputs.explanations(self.setting, self.base):
            compared = outputs.compare_with(self.setting, explained)
            expected, constants = explained.expected, explained.constants
            sure = evidence.speaks_for(self.setting, expected, constants, repeated=True)
            if compared.verdict == comparison.AGREE and sure:
                found.append(Cause(explained.findings, CONFIRMED, self.before, _noise(compared)))
        return found

    @functools.cached_property
    def _replaced(self) -> list[Found]:
        return list(state_hypotheses.replaced(self.setting, self.base, self.arithmetic))

    def _first(self, tried: Iterable[Found], status: str = "") -> list[Cause]:
        """The first finding under which the reference agrees; evidence tells a status that is not given."""
        for finding, setting, constants in tried:
            judged = self._compare(setting)
            if judged.agrees:
                known = CONFIRMED if judged.confirms(constants) else SUSPECT
                return [self._cause(finding, status or known, judged.comparison)]
        return []

    def _of_hidden_alone(self) -> list[Cause]:
        """A single cause of the hidden states, where the cell states are of another run than they."""
        if self.setting.cell is None:
            return []
        alone = _Search(replace(self.setting, cell=None, away=None), self.arithmetic, self.searched)
        return [
            replace(cause, findings=(*cause.findings, MixedRuns("hidden")), equals=())
            for cause in alone._single()[:1]
        ]

    def _precision(self) -> list[Cause]:
        """The format that explains the errors best, where the trajectory agrees in it."""
        for found in precisions.precisions(self.setting, self.base):
            finding = Precision(found.arithmetic, found.place)
            if found.place == precisions.WEIGHTS:
                judged = self._compare(precisions.with_rounded_weights(self.setting, found.arithmetic))
                if judged.confirms():
                    return [self._cause(finding, CONFIRMED, judged.comparison)]
            elif causes := self._in_arithmetic(finding, CONFIRMED):
                return causes
        return []

    def _in_arithmetic(self, finding: Precision, status: str) -> list[Cause]:
        judged = self._compare(self.setting, finding.arithmetic)
        return [self._cause(finding, status, judged.comparison)] if judged.agrees else []

    def _parameters(self, tried: Iterable[unstructured.Found]) -> list[Cause]:
        for finding, setting, certain in tried:
            judged = self._compare(setting)
            if judged.agrees:
                shown = unstructured.touched(self.setting, setting, self.base)
                sure = certain and shown >= unstructured.ENOUGH and judged.confirms(_constants(finding))
                return [self._cause(finding, CONFIRMED if sure else SUSPECT, judged.comparison)]
        return []

    def _suspects(self) -> list[Cause]:
        """The candidates that explain most of the difference, and a record of where it is."""
        screen, candidates = self._screen, [*self._singles, *self._runs]
        near = sorted((c for c in candidates if c.left < _NEAR * screen.start), key=lambda c: c.left)[:3]
        settled = [cause for cause in map(self._settle, near) if cause and cause.after < _NEAR * self.before]
        if self.arithmetic == "float32":  # on a GPU activations may be approximate, in an unknown way
            settled += self._in_arithmetic(Precision("float32-fast-activation"), SUSPECT)
        known = unstructured.unknown(self.setting, self.base)
        known = replace(known, searched=self.searched, untried=not screen.complete)
        return [*_distinct(settled), Cause((known,), SUSPECT, self.before, self.before)]


_AGREES = (comparison.AGREE, comparison.CHAOTIC)


def _constants(finding: Finding) -> int:
    """The numbers that were fitted for a finding."""
    return finding.change.size if isinstance(finding, Block) else 1


_HOPELESS = 100 * LIMIT
"""A trajectory that is off by more than this many times the noise differs, without looking at local errors.
"""


def _judge(setting: Setting, expected: Reference) -> Comparison:
    setting = filled(setting, expected)
    largest = np.abs(setting.hidden - expected.hidden).max(initial=0) / max(
        expected.hidden_noise.max(), 1e-300
    )
    if largest > _HOPELESS:
        return compare.compare_whole_run(setting.hidden.astype(setting.case.dtype), expected)
    observed = {"hidden": setting.hidden} | ({} if setting.cell is None else {"cell": setting.cell})
    return compare.compare_recording(observed, expected, setting.mask)


def _noise(comparison: Comparison) -> float:
    return max((difference.noise for difference in comparison.differences), default=float("inf"))


def _better(one: Comparison, other: Comparison) -> bool:
    return (one.verdict not in _AGREES, _noise(one)) < (other.verdict not in _AGREES, _noise(other))


def _distinct(causes: Iterable[Cause]) -> list[Cause]:
    """The first cause of each id. ``parameter`` explains anything, so it comes last."""
    first: dict[str, Cause] = {}
    for cause in sorted(causes, key=lambda cause: cause.id == "parameter"):
        first.setdefault(cause.id, cause)
    equals = tuple(first) if len(first) > 1 else ()
    return [replace(cause, equals=equals) for cause in first.values()]
