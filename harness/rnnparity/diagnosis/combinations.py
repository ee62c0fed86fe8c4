"""Two and three mistakes at once: what a port often gets wrong together, from few combinations to many.

All combinations of three hypotheses would be billions. Of weights, equation and run each takes part with at
most one or two, and the run only with what is common: other initial states, another direction.
"""

import itertools
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from rnnparity.diagnosis.findings import Direction, GateOrder, InitialState, TimeShift
from rnnparity.diagnosis.hypothesis import EquationHypothesis, Hypothesis, both, together
from rnnparity.diagnosis.kinds import equations_for, kind_of
from rnnparity.diagnosis.run_hypotheses import USUAL_SHIFTS
from rnnparity.diagnosis.screen import Candidate, Screen
from rnnparity.diagnosis.teacher_forcing import Setting
from rnnparity.diagnosis.weight_hypotheses import Tables, is_permutation


class Stage(NamedTuple):
    """Hypotheses on weights and run, each tried with each of those on the equation."""

    layouts: Iterable[Hypothesis | None]
    equations: Iterable[EquationHypothesis | None] = (None,)


def pairs(
    screen: Screen, setting: Setting, tables: Tables, of_weights: Iterable[Hypothesis], runs: list[Candidate]
) -> list[Candidate]:
    """Pairs: weights with equations, then weights with weights, then runs with equations.

    ``of_weights`` are the hypotheses on the weights that leave the sizes of the trajectory as they are.
    """
    equations = equations_for(setting)
    fitted = [equation for equation in equations if equation.fitted == _FOR_MANY]
    found = screen.candidates(of_weights, equations)
    two = (both(*each) for each in itertools.product(equations, fitted))
    found += screen.candidates([None], filter(None, two))
    found += screen.candidates([None], kind_of(setting).several_functions(setting.case.equation))
    if not screen.passed(found):
        orders = [order for order in tables.orders if is_permutation(order)]
        found += screen.pairs(tables.layouts, tables.biases)
        found += screen.pairs(orders, (*tables.layouts, *tables.biases))
    if not screen.passed(found):
        with_runs = [equation for equation in equations if set(equation.ids) <= _WITH_RUNS]
        for run in runs:
            found += screen.candidates([run.layout], with_runs)
    return found


_WITH_RUNS = {"forget-bias", "recurrent-activation", "reset-gate"}
"""The causes that are tried together with those on the run: what a port often gets wrong as well."""


def stages(setting: Setting, tables: Tables, runs: Iterable[Hypothesis]) -> Iterator[Stage]:
    """The combinations for a setting ``[B, T, U]`` that none of the pairs of a usual search explains."""
    orders = [order for order in tables.orders if is_permutation(order)]
    weights = [*orders, *tables.layouts, *tables.biases]
    common = [run for run in runs if _is_common(run)]
    permuted = _permuted(tables)
    with_runs = [together(run, weight) for run in common for weight in weights]
    two_runs = [two for two in itertools.combinations(common, 2) if _differ(*two)]
    known = equations_for(setting)
    equations = [equation for equation in known if not equation.fitted]
    fitted = [equation for equation in known if equation.fitted == _FOR_MANY]
    one_by_one = [equation for equation in known if equation.fitted and equation.fitted != _FOR_MANY]
    two_equations = [pair for two in itertools.combinations((*equations, *fitted), 2) if (pair := both(*two))]
    yield Stage(common, [*equations, *fitted])
    yield Stage(together(run, order) for run in common for order in permuted)
    yield Stage(with_runs)
    yield Stage((together(*two) for two in two_runs), [None, *equations, *fitted])
    yield Stage([None, *common], two_equations)
    for layout in (*common, *weights) if one_by_one else ():
        yield Stage([layout], one_by_one)
    if fitted:
        yield Stage(weights, [pair for pair in two_equations if pair.fitted])
    if orders:
        yield Stage(orders, kind_of(setting).several_functions(setting.case.equation))
    yield Stage(with_runs, [*fitted, *equations])
    others = ((orders, tables.layouts), (orders, tables.biases), (tables.layouts, tables.biases))
    yield Stage(together(a, b) for a, b in itertools.product(permuted, tables.biases))
    zero = [run for run in common if run.findings == (InitialState("zero", "zero"),)]
    for some, more in others:
        both_weights = [together(a, b) for a, b in itertools.product(some, more)]
        yield Stage(both_weights)
        yield Stage(together(run, weight) for run in zero for weight in both_weights)
        yield Stage(both_weights, [*fitted, *equations])
    yield Stage(weights, [pair for pair in two_equations if not pair.fitted])


def _differ(one: Hypothesis, other: Hypothesis) -> bool:
    """Whether they are about different things, such as initial states and a direction."""
    return type(one.findings[0]) is not type(other.findings[0])


_FOR_MANY = "forget_bias"
"""The constant that is fitted for many settings together. Any other one takes a fit for each."""


_USUAL = ("xhb", "xh", "h", "x", "b")
"""The tensors whose gates are in another order together with other mistakes."""


def _permuted(tables: Tables) -> list[Hypothesis]:
    """The orders in which each gate is there once, of all tensors or of some."""
    return [
        order
        for order in tables.orders
        for finding in order.findings
        if isinstance(finding, GateOrder) and finding.keeps_all and finding.tensors in _USUAL
    ]


def _is_common(run: Hypothesis) -> bool:
    (finding,) = run.findings
    if isinstance(finding, InitialState):
        return finding.hidden != "kept"
    if isinstance(finding, TimeShift):
        return finding.steps in USUAL_SHIFTS
    return isinstance(finding, Direction) and not finding.padding
