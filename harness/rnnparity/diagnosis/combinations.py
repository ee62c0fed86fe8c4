"""Two and three mistakes at once: what a port often gets wrong together, from few combinations to many.

All combinations of three hypotheses would be billions. Of weights, equation and run each takes part with at
most one or two, and the run only with what is common: other initial states, another direction.
"""

import itertools
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from rnnparity.diagnosis import equation_hypotheses
from rnnparity.diagnosis.findings import Direction, InitialState
from rnnparity.diagnosis.hypothesis import EquationHypothesis, Hypothesis, together
from rnnparity.diagnosis.kinds import equations_for, kind_of
from rnnparity.diagnosis.teacher_forcing import Setting
from rnnparity.diagnosis.weight_hypotheses import Tables, is_permutation


class Stage(NamedTuple):
    """Hypotheses on weights and run, each tried with each of those on the equation."""

    layouts: Iterable[Hypothesis | None]
    equations: Iterable[EquationHypothesis | None] = (None,)


def stages(setting: Setting, tables: Tables, runs: Iterable[Hypothesis]) -> Iterator[Stage]:
    """The combinations for a setting ``[B, T, U]`` that none of the pairs of a usual search explains."""
    orders = [order for order in tables.orders if is_permutation(order)]
    weights = [*orders, *tables.layouts, *tables.biases]
    common = [run for run in runs if _is_common(run)]
    equations = [equation for equation in equations_for(setting) if not equation.fitted]
    fitted = [equation for equation in equations_for(setting) if equation.fitted == "forget_bias"]
    with_forget_bias = [equation_hypotheses.with_forget_bias(e) for e in equations if fitted]
    yield Stage(common, [*equations, *fitted])
    yield Stage(together(run, weight) for run in common for weight in weights)
    if fitted:
        yield Stage(weights, with_forget_bias)
        yield Stage(common, with_forget_bias)
    if orders:
        yield Stage(orders, kind_of(setting).several_functions(setting.case.equation))
    if fitted:
        yield Stage((together(run, weight) for run in common for weight in weights), fitted)
    yield Stage((together(run, weight) for run in common for weight in weights), equations)
    kinds = ((orders, tables.layouts), (orders, tables.biases), (tables.layouts, tables.biases))
    zero = [run for run in common if run.findings == (InitialState("zero", "zero"),)]
    for some, others in kinds:
        yield Stage(together(run, together(a, b)) for run in zero for a, b in itertools.product(some, others))
    for some, others in kinds:
        yield Stage((together(a, b) for a, b in itertools.product(some, others)), [*fitted, *equations])


def _is_common(run: Hypothesis) -> bool:
    (finding,) = run.findings
    if isinstance(finding, InitialState):
        return finding.hidden != "kept"
    return isinstance(finding, Direction) and not finding.padding
