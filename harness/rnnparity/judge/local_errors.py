"""Local errors: what a framework adds to the error at each step, without what earlier steps left behind.

Each step of the reference starts from the framework's *own* previous state. So an error shows at the step
that causes it, chaos does not matter, and all steps are computed at once. The errors of many steps together
are looked at by the :mod:`~rnnparity.judge.matched_filter`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnnparity.judge import hidden_only
from rnnparity.judge.hidden_only import Estimate
from rnnparity.judge.matched_filter import Filter, Part, Pattern
from rnnparity.reference import noise
from rnnparity.reference.case import Case
from rnnparity.reference.cells import CELLS
from rnnparity.reference.forward import Linear, initial, pieces
from rnnparity.reference.noise import Arithmetic, Array
from rnnparity.reference.repeats import Past, Repeats
from rnnparity.reference.sensitivities import Sensitivity
from rnnparity.reference.steps import States, Step


@dataclass(frozen=True, eq=False)
class LocalAnalysis(Pattern):
    """Local errors ``hidden`` ``[B, T, P]`` and ``cell`` ``[B, T, U]`` in noise units, and their pattern."""

    hidden: Array
    cell: Array


class Analysis:
    """The local errors of an observed run of ``steps`` steps, piece after piece."""

    def __init__(self, steps: int) -> None:
        self._past, self._filter, self._estimate = Past(steps), Filter(), Estimate()
        self._unit = 1.0

    def add(
        self,
        case: Case,
        hidden: np.ndarray,
        cell: np.ndarray | None,
        arithmetic: Arithmetic,
        mask: NDArray[np.bool_] | None = None,
        linear: Linear | None = None,
    ) -> Iterator[tuple[int, States]]:
        """The local errors of the next piece, part by part: the first step of each, and its errors.

        These are ``hidden`` ``[B, n, P]`` and ``cell`` ``[B, n, U]``. All must be taken: they are counted on
        their way. The initial states of ``case`` are those that were observed before the piece. ``linear`` is
        what :func:`parts` takes. The other arguments, and their shapes, are those of :func:`analyse`.
        """
        self._unit = arithmetic.element
        if cell is None:
            found = hidden_only.parts(case, hidden, arithmetic, self._past, self._estimate)
        else:
            found = parts(case, hidden, cell, arithmetic, self._past, linear)
        if mask is not None:
            found = _counted(found, mask)
        share = 1.0 if mask is None else float(mask.mean())
        for part in found:
            yield part.steps.start, self._filter.add(part, case.batch, share)

    def pattern(self) -> Pattern:
        """The pattern of the errors of all pieces."""
        return self._filter.pattern(self._unit)


def analyse(
    case: Case,
    hidden: np.ndarray,
    cell: np.ndarray | None,
    arithmetic: Arithmetic,
    mask: NDArray[np.bool_] | None = None,
) -> LocalAnalysis:
    """The local errors of an observed trajectory, ``hidden`` ``[B, T, P]`` and ``cell`` ``[B, T, U]``.

    ``cell`` is None where an LSTM's cell states were not observed, and the errors are then those of
    ``hidden`` alone; it is ``[B, T, 0]`` for a cell without cell state. ``arithmetic`` is that of the
    framework. ``mask`` ``[B, T]`` says which steps count, all if it is None; the others have no errors.
    """
    analysis = Analysis(case.steps)
    found = [errors for _, errors in analysis.add(case, hidden, cell, arithmetic, mask)]
    errors = (np.concatenate(each, axis=1) for each in zip(*found, strict=True))
    pattern = analysis.pattern()
    return LocalAnalysis(pattern.parameters, pattern.significance, *errors)


def _counted(found: Iterator[Part], mask: NDArray[np.bool_]) -> Iterator[Part]:
    """The parts without the errors of steps that do not count."""
    for part in found:
        counts = mask[:, part.steps].T.reshape(-1, 1)
        errors = (np.where(counts, each, 0.0) for each in (part.hidden, part.cell))
        alone = States(np.ones_like(counts, np.float64), np.ones_like(counts, np.float64))
        repeated = (np.where(counts, each, np.inf) for each in part.repeated or alone)  # nothing of one error
        hidden, cell = errors
        yield part._replace(hidden=hidden, cell=cell, repeated=States(*repeated))


def parts(
    case: Case,
    hidden: np.ndarray,
    cell: np.ndarray,
    arithmetic: Arithmetic,
    past: Past | None = None,
    linear: Linear | None = None,
) -> Iterator[Part]:
    """Analyse an observed trajectory ``hidden`` ``[B, T, P]`` and ``cell`` ``[B, T, U]``, part by part.

    The cell state is computed from the observed state of the previous step, the hidden state from that and
    the observed cell state of the same step. A piece of a longer run needs the run's ``past``. ``linear`` is
    used where it is that of the case, and the trajectory so near that it tells as much.
    """
    kind, seen = CELLS[case.equation.cell], _Run(initial(case), States(hidden, cell))
    repeats = Repeats(case, hidden, cell, arithmetic, past)
    exact, near = kind(case, arithmetic), None
    if linear is not None and linear.case is case:
        near = _Near(kind(case, arithmetic, np.float32), linear, seen)
    for number, now in enumerate(pieces(case)):
        found = (near and near.piece(number, now)) or _exact(exact, case, seen, now)
        repeated = None
        if repeats.any:
            repeated = repeats.of(now, found.steps.made, *found.step.repeated(found.steps, found.x))
        yield Part(now, *found.errors, found.shown, repeated)


class _Run(NamedTuple):
    """The ``states`` ``[B, T, n]`` of a run that began with ``start`` ``[B, n]``, or differences of two."""

    start: States
    states: States

    def around(self, now: slice, dtype: type[Any]) -> tuple[States, States]:
        """The states ``[N, n]`` before and after each of some steps."""
        before, after = [], []
        for start, states in zip(self.start, self.states, strict=True):
            batch, _, width = states.shape
            rows = np.empty((now.stop - now.start + 1, batch, width), dtype)
            rows[0] = states[:, now.start - 1] if now.start else start
            rows[1:] = states[:, now].swapaxes(0, 1)
            first, later = (part.reshape(len(part) * batch, width) for part in (rows[:-1], rows[1:]))
            before.append(first)
            after.append(later)
        return States(*before), States(*after)


class _Found(NamedTuple):
    """A piece: what a ``step`` says of its ``steps``, linearised, with inputs ``x`` ``[N, I]``.

    ``errors`` are in units of their standard errors, and ``shown`` is how parameters show in them.
    """

    step: Step
    steps: Any
    x: Array
    errors: States
    shown: tuple[Sensitivity, ...]


def _found(step: Step, steps: Any, x: Array, before: States, errors: States) -> _Found:
    """The piece with ``errors`` in units of the unit roundoff."""
    scales = States(*(noise.error(variance, step.a) for variance in steps.made))
    in_noise = States(*(error / scale for error, scale in zip(errors, scales, strict=True)))
    return _Found(step, steps, x, in_noise, step.sensitivities(steps, x, before, in_noise, scales))


def _exact(step: Step, case: Case, seen: _Run, now: slice) -> _Found:
    """A piece of which each step is computed from the observed states."""
    x, (before, after) = _inputs(case, now, step.dtype), seen.around(now, step.dtype)
    expected, steps = step.known(x, before, after)
    errors = States(*((one - own) / step.a.unit for one, own in zip(after, expected, strict=True)))
    return _found(step, steps, x, before, errors)


_NEAR = 2.0**-10
"""A change is small if its square, which no derivative tells, is less than this part of rounding."""
_LEAST, _MOST = 1e-8, 1e8
"""Numbers between these, or zero, can be squared twice in float32."""


class _Near:
    """Pieces by the reference's own steps and their derivatives, where the observed states are near to it."""

    def __init__(self, step: Step, linear: Linear, seen: _Run) -> None:
        self._step, self._linear, self._seen = step, linear, seen
        start, states = (
            States(*(one - own for one, own in zip(ours, theirs, strict=True)))
            for ours, theirs in ((seen.start, linear.start), (seen.states, linear.values))
        )
        self._away = _Run(start, states)

    def piece(self, number: int, now: slice) -> _Found | None:
        """The piece of this ``number``; None where the observed states are too far away."""
        step, steps = self._step, self._linear.pieces[number]
        if steps is None:
            return None
        unit = step.a.unit
        with np.errstate(all="ignore"):
            before, after = (
                States(*(each / unit for each in states)) for states in self._away.around(now, step.dtype)
            )
            led, most = step.errors(steps, before, after)
            least = next(float(made.min()) for made in reversed(steps.made) if made.size)
            if not most**2 * unit <= _NEAR * np.sqrt(least):
                return None
            x, (seen, _) = _inputs(self._linear.case, now, step.dtype), self._seen.around(now, step.dtype)
            errors = States(*(one - own for one, own in zip(after, led, strict=True)))
            found = _found(step, steps, x, seen, errors)
        return found if all(map(_in_range, found.shown)) else None


def _in_range(shown: Sensitivity) -> bool:
    """Whether float32 has the range for the sums of a matched filter."""
    tops = np.concatenate([shown.size.max(axis=1).reshape(-1), np.abs(shown.v).max(axis=0)])
    return bool(np.all((tops == 0) | ((tops > _LEAST) & (tops < _MOST))))


def _inputs(case: Case, now: slice, dtype: type[Any]) -> Array:
    """The inputs ``[N, I]`` of some steps."""
    rows = np.empty((now.stop - now.start, case.batch, case.input_size), dtype)
    rows[:] = case.inputs[:, now].swapaxes(0, 1)
    return rows.reshape(len(rows) * case.batch, case.input_size)
