"""One record for each kind of cell, with what a diagnosis needs to know about it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from rnnparity.diagnosis import equation_hypotheses
from rnnparity.diagnosis.forced_cells import TeacherForcedGru, TeacherForcedLstm, TeacherForcedRnn
from rnnparity.diagnosis.hypothesis import EquationHypothesis
from rnnparity.diagnosis.teacher_forcing import Setting, TeacherForced, Window, whole
from rnnparity_adapters.equation import Equation


def _no_others(base: Equation) -> Iterable[EquationHypothesis]:
    return ()


@dataclass(frozen=True)
class DiagnosedKind:
    """``forced`` is the teacher-forced cell, ``equations`` are the hypotheses on its equation.

    ``several_functions`` gives further hypotheses, which replace more than one function of an equation.
    """

    forced: type[TeacherForced]
    equations: tuple[EquationHypothesis, ...]
    several_functions: Callable[[Equation], Iterable[EquationHypothesis]] = _no_others


KINDS = {
    "lstm": DiagnosedKind(TeacherForcedLstm, equation_hypotheses.LSTM, equation_hypotheses.several_functions),
    "gru": DiagnosedKind(TeacherForcedGru, equation_hypotheses.GRU),
    "rnn": DiagnosedKind(TeacherForcedRnn, equation_hypotheses.RNN),
}
"""The records by :attr:`Equation.cell <rnnparity_adapters.equation.Equation.cell>`."""


def kind_of(setting: Setting) -> DiagnosedKind:
    """The record for the kind of cell of a setting, whose trajectory is ``[B, T, U]``."""
    return KINDS[setting.case.equation.cell]


def teacher_forced(settings: Sequence[Setting], window: Window) -> TeacherForced:
    """The teacher-forced cell of S settings of the same sizes ``[B, T, U]`` and kind, in a window."""
    return kind_of(settings[0]).forced.of(settings, window)


def in_full(setting: Setting) -> TeacherForced:
    """The teacher-forced cell of one setting, for its whole trajectory ``[B, T, U]``."""
    return teacher_forced([setting], whole(setting))


def equations_for(setting: Setting) -> tuple[EquationHypothesis, ...]:
    """The hypotheses on the equation of a setting; more if it has a projection ``[U, P]``."""
    found = kind_of(setting).equations
    return found if setting.case.projection is None else (*found, *equation_hypotheses.PROJECTED)
