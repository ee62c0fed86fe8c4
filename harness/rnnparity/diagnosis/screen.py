"""The screen: hypotheses are tried in a window of the trajectory, before the reference runs those that pass.

Each hypothesis changes weights, which may be large. One that treats every unit by itself is tried on the
weights of the few units in the window. The others need all weights, and are tried only as long as that takes
no more than a second or two.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from rnnparity.diagnosis.findings import Finding
from rnnparity.diagnosis.fitted_constants import Fitted, fit
from rnnparity.diagnosis.hypothesis import EquationHypothesis, Hypothesis, together
from rnnparity.diagnosis.kinds import in_full, teacher_forced
from rnnparity.diagnosis.parts import has_parts, of_units
from rnnparity.diagnosis.teacher_forcing import Setting, TeacherForced, Window
from rnnparity.reference.forward import Reference
from rnnparity.reference.noise import Array

_PASS = 40.0
"""A hypothesis passes the screen if the RMS that it leaves is below this many times the noise in the window.
It is generous, because the screen is approximate and the reference decides.
"""

_TOGETHER = 150
"""The settings that are evaluated together: many for speed, but not so many that memory runs short."""
_NUMBERS = 2**22
"""The weights that these may have together, unless it is one setting alone: 32 MiB."""
_PARTLY = 0.2
"""A hypothesis explains a part if at least this share of all states is right with it, and not without."""
_BEST = 6
"""The hypotheses that explain a part and are remembered: those that explain most."""
_BUDGET = 3 * 2**26
"""The weights that may be changed in all, in hypotheses that need those of all units: a second or two."""


class Candidate(NamedTuple):
    """A hypothesis on the setting and one on the equation, each of which may be None.

    ``left`` is the RMS of the errors that remain, ``order`` the place in the order of hypotheses, ``value``
    that of a fitted constant. ``share`` is the part of the states that are right.
    """

    left: float
    order: int
    layout: Hypothesis | None
    equation: EquationHypothesis | None
    value: float = 0.0
    share: float = 0.0

    def findings(self) -> tuple[Finding, ...]:
        """What is found if it is true."""
        of_equation = self.equation.findings(self.value) if self.equation else ()
        return (*(self.layout.findings if self.layout else ()), *of_equation)

    def changed(self, setting: Setting) -> Setting | None:
        """The setting in which it is true; a constant is not put in, as what is fitted explains no part."""
        changed = self.layout.change(setting) if self.layout else setting
        if changed is None or self.equation is None:
            return changed
        equation = replace(changed.case.equation, **self.equation.fields)
        return replace(changed, case=replace(changed.case, equation=equation))


_Layouts = Sequence[tuple[int, Hypothesis | None]]
_Equations = Sequence[tuple[int, EquationHypothesis | None]]
"""Hypotheses with their places in the order."""


class Screen:
    """A window of a ``setting`` ``[B, T, P]`` in which the difference from ``base`` shows.

    ``start`` is the RMS of the errors there before any change. A hypothesis passes if it leaves an RMS below
    ``passing``. ``complete`` turns false when a hypothesis was not tried because that would take too long.
    """

    def __init__(self, setting: Setting, base: Reference) -> None:
        self._setting = setting
        self._window, self.start, self.passing = _found(setting, base)
        self._few = of_units(setting, self._window.units) if setting.case.projection is None else setting
        self._spent, self.complete = 0, True
        self._partly: list[Candidate] = []
        self._right = 1.0 + _PARTLY
        (alone,) = self.candidates([None], every=True)
        self._right = alone.share + _PARTLY

    @property
    def partly(self) -> tuple[Candidate, ...]:
        """Those of all hypotheses tried so far that explain a part of the states, the largest part first."""
        return tuple(self._partly)

    def _remembered(self, found: list[Candidate]) -> list[Candidate]:
        """``found``, of which those that explain a part are remembered."""
        some = [each for each in found if each.share >= self._right and each.left >= self.passing]
        self._partly = sorted((*self._partly, *some), key=lambda each: -each.share)[:_BEST]
        return found

    def passed(self, candidates: Iterable[Candidate]) -> list[Candidate]:
        """The candidates that pass."""
        return [candidate for candidate in candidates if candidate.left < self.passing]

    def candidates(
        self,
        layouts: Iterable[Hypothesis | None],
        equations: Iterable[EquationHypothesis | None] = (None,),
        *,
        every: bool = False,
    ) -> list[Candidate]:
        """The pairs of a hypothesis on the setting and one on the equation that pass or explain a part.

        With ``every`` all pairs, with the RMS that each leaves.
        """
        numbered, tried = list(enumerate(layouts)), list(enumerate(equations))
        by_unit = [each for each in numbered if each[1] is None or each[1].by_unit]
        others = [each for each in numbered if not (each[1] is None or each[1].by_unit)]
        for_few = [each for each in tried if self._has_parts(each[1])]
        for_all = [each for each in tried if not self._has_parts(each[1])]
        found = [
            *self._tried(self._few, by_unit, for_few, every),
            *self._tried(self._setting, by_unit, for_all, every),
            *self._tried(self._setting, others, tried, every),
        ]
        return self._remembered(found)

    def pairs(self, firsts: Iterable[Hypothesis], seconds: Sequence[Hypothesis]) -> list[Candidate]:
        """As :meth:`candidates`, of pairs of two hypotheses on the weights, the second after the first."""
        found: list[Candidate] = []
        parts = self._has_parts(None)
        for first in firsts:
            number = len(found)
            by_unit = [second for second in seconds if parts and second.by_unit]
            others = [together(first, second) for second in seconds if not (parts and second.by_unit)]
            if by_unit:
                changed = first.change(self._few if first.by_unit else self._setting)
                if changed is not None and (first.by_unit or self._affords(changed)):
                    few = changed if first.by_unit else of_units(changed, self._window.units)
                    found += [
                        each._replace(layout=together(first, each.layout), order=number + each.order)
                        for each in self._tried(few, list(enumerate(by_unit)), [(0, None)])
                        if each.layout is not None
                    ]
            found += self._tried(self._setting, list(enumerate(others, number + len(seconds))), [(0, None)])
        return self._remembered(found)

    def _has_parts(self, hypothesis: EquationHypothesis | None) -> bool:
        equation = self._setting.case.equation
        return has_parts(self._setting, replace(equation, **hypothesis.fields) if hypothesis else equation)

    def _affords(self, setting: Setting) -> bool:
        """Whether the weights of all units may be changed once more."""
        if setting.case.weights.kernel is not self._setting.case.weights.kernel:
            self._spent += setting.case.weights.kernel.size
        if self._spent > _BUDGET:
            self.complete = False
        return self.complete

    def _tried(
        self, setting: Setting, layouts: _Layouts, equations: _Equations, every: bool = False
    ) -> Iterator[Candidate]:
        for some in self._batches(setting, layouts) if equations else ():
            forced = teacher_forced([each for _, _, each in some], self._fitting(some[0][2]))
            for number, equation in equations:
                (values, left), shares = self._left(forced, equation)
                telling = every | (left < self.passing) | (shares >= self._right)
                for k in np.flatnonzero(telling):
                    place, layout, _ = some[k]
                    found = float(left[k]), place + 1000 * number, layout, equation
                    yield Candidate(*found, float(values[k]), float(shares[k]))

    def _batches(
        self, setting: Setting, layouts: _Layouts
    ) -> Iterator[list[tuple[int, Hypothesis | None, Setting]]]:
        """Each hypothesis with its setting, as many at a time as fit into memory."""
        most = max(1, min(_TOGETHER, _NUMBERS // setting.case.weights.kernel.size))
        some: list[tuple[int, Hypothesis | None, Setting]] = []
        for place, layout in layouts:
            if layout is not None and setting is self._setting and not self.complete:
                break
            changed = layout.change(setting) if layout else setting
            if changed is None or (setting is self._setting and not self._affords(changed)):
                continue
            if some and not _same_steps(some[0][2], changed):
                yield some
                some = []
            some.append((place, layout, changed))
            if len(some) == most:
                yield some
                some = []
        if some:
            yield some

    def _fitting(self, setting: Setting) -> Window:
        """The window, or one at the start of the trajectory if the setting has other sizes."""
        batch, steps, _ = setting.hidden.shape
        if (batch, steps) == self._setting.hidden.shape[:2]:
            return self._window
        same = batch == self._setting.hidden.shape[0]
        rows = self._window.rows if same else np.arange(min(batch, 3))
        return Window(rows, self._window.units, min(steps, self._window.steps))

    def _left(self, forced: TeacherForced, hypothesis: EquationHypothesis | None) -> tuple[Fitted, Array]:
        """The RMS ``[S]`` that an equation leaves, its constant ``[S]`` if one is fitted, and what is right.

        That is the share ``[S]`` of the states that are explained; zero where a constant is fitted.
        """
        equation, none = self._setting.case.equation, np.zeros(len(forced.z))
        changed = replace(equation, **hypothesis.fields) if hypothesis else equation
        if hypothesis and hypothesis.fitted:
            return fit(forced, changed, hypothesis.fitted), none
        if hypothesis and changed == equation:
            return Fitted(none, np.full(len(forced.z), np.inf)), none
        residual = forced.residual(changed)
        count = 1.0 if forced.mask is None else float(forced.mask.mean())
        wrong: Array = np.mean(np.abs(residual) >= self.passing, axis=1)
        return Fitted(none, _rms(residual)), 1 - wrong / count if count else none


def _found(setting: Setting, base: Reference) -> tuple[Window, float, float]:
    """The rows, units and steps in which the difference shows most, from step 0 on, and its size there."""
    everything = in_full(setting)
    hidden, _ = everything.predict(setting.case.equation)
    error = np.abs(hidden - everything.hidden)[0]
    if setting.mask is not None:
        error = error * setting.mask[:, :, None]
    noise = base.hidden_noise
    late = (error > 10 * noise).any(axis=(0, 2))
    first = int(late.argmax()) if late.any() else error.shape[1] - 1
    # A few steps after the first difference: more where that is early, and cheap to include.
    steps = min(error.shape[1], first + 4 if first < 8 else first + 2)
    strongest = error[:, :steps].max(axis=1)
    rows = np.sort(np.argsort(-strongest.max(axis=1), kind="stable")[:3])
    units = np.sort(np.argsort(-strongest.max(axis=0), kind="stable")[:6])
    place = np.ix_(rows, np.arange(steps), units)
    passing = _PASS * float(np.sqrt(np.mean(np.square(np.minimum(noise[place], 1e-3)))))
    return Window(rows, units, steps), float(np.sqrt(np.mean(np.square(error[place])))), passing


def _same_steps(one: Setting, other: Setting) -> bool:
    """Whether both have the same steps, and the same ones count, so that they can be evaluated together."""
    if one.hidden.shape != other.hidden.shape:
        return False
    if one.mask is None or other.mask is None:
        return one.mask is other.mask
    return np.array_equal(one.mask, other.mask)


def _rms(residual: Array) -> Array:
    rms: Array = np.sqrt(np.mean(residual * residual, axis=1))
    return rms
