"""What a diagnosis knows of each kind of cell, in one record."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from rnnparity.diagnosis import equation_hypotheses
from rnnparity.diagnosis.hypothesis import EquationHypothesis
from rnnparity.diagnosis.teacher_forcing import (
    Setting,
    TeacherForced,
    TeacherForcedGru,
    TeacherForcedLstm,
    TeacherForcedRnn,
    Window,
    whole,
)
from rnnparity_adapters.equation import Equation


def _no_others(base: Equation) -> Iterable[EquationHypothesis]:
    return ()


@dataclass(frozen=True)
class DiagnosedKind:
    """``forced`` is the cell that is told each previous state, ``equations`` what may be wrong with its
    equation.

    ``several_functions`` are further equations, with more than one function other than in a given one.
    """

    forced: type[TeacherForced]
    equations: tuple[EquationHypothesis, ...]
    several_functions: Callable[[Equation], Iterable[EquationHypothesis]] = _no_others


KINDS = {
    "lstm": DiagnosedKind(TeacherForcedLstm, equation_hypotheses.LSTM, equation_hypotheses.several_functions),
    "gru": DiagnosedKind(TeacherForcedGru, equation_hypotheses.GRU),
    "rnn": DiagnosedKind(TeacherForcedRnn, equation_hypotheses.RNN),
}
"""By :attr:`Equation.cell <rnnparity_adapters.equation.Equation.cell>`."""


def kind_of(setting: Setting) -> DiagnosedKind:
    """That of a setting."""
    return KINDS[setting.case.equation.cell]


def teacher_forced(settings: Sequence[Setting], window: Window) -> TeacherForced:
    """Settings of one shape and kind, in a window."""
    return kind_of(settings[0]).forced.of(settings, window)


def in_full(setting: Setting) -> TeacherForced:
    """One setting, in all of its trajectory."""
    return teacher_forced([setting], whole(setting))


def equations_for(setting: Setting) -> tuple[EquationHypothesis, ...]:
    """What may be wrong with the equation of a setting."""
    found = kind_of(setting).equations
    return found if setting.case.projection is None else (*found, *equation_hypotheses.PROJECTED)
