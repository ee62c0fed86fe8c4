"""Local errors: what a framework adds to the error at each step, without what earlier steps left behind.

Each step of the reference starts from the framework's *own* previous state. So an error shows at the step
that causes it, chaos does not matter, and all steps are computed at once. The errors of many steps together
are looked at by the :mod:`~rnnparity.judge.matched_filter`.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnnparity.judge import hidden_only
from rnnparity.judge.hidden_only import Estimate
from rnnparity.judge.matched_filter import Filter, Part, Pattern
from rnnparity.reference import noise
from rnnparity.reference.case import Case
from rnnparity.reference.cells import CELLS
from rnnparity.reference.forward import initial, pieces
from rnnparity.reference.noise import Arithmetic, Array
from rnnparity.reference.repeats import Past, Repeats
from rnnparity.reference.steps import States


@dataclass(frozen=True, eq=False)
class LocalAnalysis(Pattern):
    """Local errors ``hidden`` ``[B, T, P]`` and ``cell`` ``[B, T, U]`` in noise units, and their pattern."""

    hidden: Array
    cell: Array


class Analysis:
    """The local errors of an observed run of ``steps`` steps, piece after piece."""

    def __init__(self, steps: int) -> None:
        self._past, self._filter, self._estimate = Past(steps), Filter(), Estimate()

    def add(
        self,
        case: Case,
        hidden: np.ndarray,
        cell: np.ndarray | None,
        arithmetic: Arithmetic,
        mask: NDArray[np.bool_] | None = None,
    ) -> States:
        """The local errors of the next piece, ``hidden`` ``[B, t, P]`` and ``cell`` ``[B, t, U]``.

        The initial states of ``case`` are those that were observed before the piece. The other arguments, and
        their shapes, are those of :func:`analyse`.
        """
        if cell is None:
            found = hidden_only.parts(case, hidden, arithmetic, self._past, self._estimate)
        else:
            found = parts(case, hidden, cell, arithmetic, self._past)
        if mask is not None:
            found = _counted(found, mask)
        share = 1.0 if mask is None else float(mask.mean())
        errors = [self._filter.add(part, case.batch, share) for part in found]
        return States(*(np.concatenate(each, axis=1) for each in zip(*errors, strict=True)))

    def pattern(self) -> Pattern:
        """The pattern of the errors of all pieces."""
        return self._filter.pattern()


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
    errors = analysis.add(case, hidden, cell, arithmetic, mask)
    pattern = analysis.pattern()
    return LocalAnalysis(pattern.parameters, pattern.significance, *errors)


def _counted(found: Iterator[Part], mask: NDArray[np.bool_]) -> Iterator[Part]:
    """The parts without the errors of steps that do not count."""
    for part in found:
        counts = mask[:, part.steps].T.reshape(-1, 1)
        errors = (np.where(counts, each, 0.0) for each in (part.hidden, part.cell))
        repeated = (np.where(counts, each, np.inf) for each in part.repeated)  # as nothing of one error
        hidden, cell = errors
        yield part._replace(hidden=hidden, cell=cell, repeated=States(*repeated))


def parts(
    case: Case, hidden: np.ndarray, cell: np.ndarray, arithmetic: Arithmetic, past: Past | None = None
) -> Iterator[Part]:
    """Analyse an observed trajectory ``hidden`` ``[B, T, P]`` and ``cell`` ``[B, T, U]``, part by part.

    The cell state is computed from the observed state of the previous step, the hidden state from that and
    the observed cell state of the same step. A piece of a longer run needs the run's ``past``.
    """
    step = CELLS[case.equation.cell](case, arithmetic)
    start, repeats = initial(case), Repeats(case, hidden, cell, arithmetic, past)
    for now in pieces(case):
        x = _rows(case.inputs[:, now])
        after = States(*(_rows(state[:, now]) for state in (hidden, cell)))
        last = [state[:, now.stop - 1] for state in (hidden, cell)]
        before = States(
            *(
                np.concatenate([old, new[: len(new) - len(old)]])
                for old, new in zip(start, after, strict=True)
            )
        )
        exact = States.zeros_like(before) if step.bends else None
        linear = step.linearised(x, step.sums(step.of_inputs(x), before), before, after, exact)
        expected, variances = step.local(linear)
        scales = States(*(noise.error(variance, arithmetic) for variance in variances))
        errors = States(
            *((seen - own) / scale for seen, own, scale in zip(after, expected, scales, strict=True))
        )
        shown = step.sensitivities(linear, before, errors, scales)
        ones = np.ones((len(x), 1))
        repeated = States(ones, ones)
        if repeats.any:
            repeated = repeats.of(now, variances, *step.repeated(linear, x))
        start = States(*(state.astype(np.float64) for state in last))
        yield Part(now, errors.hidden, errors.cell, shown, repeated)


def _rows(array: np.ndarray) -> Array:
    """``[B, t, n]`` -> ``[t B, n]``, in float64."""
    batch, steps, width = array.shape
    return array.swapaxes(0, 1).astype(np.float64).reshape(batch * steps, width)
