"""States that were replaced: where, in which rows, by what; and wrong steps that are no matter of states."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import rnnparity
from rnnparity import Case
from rnnparity.apis.catalogue import APIS
from rnnparity.diagnosis.causes import CONFIRMED, Cause
from rnnparity.diagnosis.explain import told
from rnnparity.diagnosis.run_findings import GIVEN, LAST, NONE, OTHER_ROW, SWAPPED, ZERO
from rnnparity.diagnosis.search import search
from rnnparity.diagnosis.vocabulary import Vocabulary
from rnnparity.selftest import plain_cells
from rnnparity.selftest.plain_cells import Trajectory

State = tuple[np.ndarray, np.ndarray]
Fault = Callable[[int, State, Case], State]
"""A step, the states before it ``[B, U]`` and the case -> the states that the step starts from."""
KINDS = [("lstm", True), ("lstm", False), ("gru", False), ("rnn", False)]


def draw(cell: str, **sizes: Any) -> Case:
    return rnnparity.make_case(
        4, **{"batch": 4, "steps": 10, "input_size": 5, "units": 6, **sizes}, cell=cell
    )


def run(case: Case, fault: Fault) -> Trajectory:
    """The run of a case whose states go through a fault before each step."""
    state: State = (case.initial_hidden, case.initial_cell)
    steps = []
    for t in range(case.steps):
        hidden, cell = fault(t, state, case)
        one = replace(case, inputs=case.inputs[:, t : t + 1], initial_hidden=hidden, initial_cell=cell)
        made = plain_cells.run(one)
        steps.append(made)
        state = made.hidden[:, 0], made.cell[:, 0]
    return Trajectory(*(np.concatenate(states, axis=1) for states in zip(*steps, strict=True)))


def only(step: int, rows: list[int], state: State, new: State) -> Callable[[int], State]:
    """The new state at one step in some rows."""

    def at(t: int) -> State:
        if t != step:
            return state
        made = [one.copy() for one in state]
        for one, other in zip(made, new, strict=True):
            one[rows] = other[rows]
        return made[0], made[1]

    return at


def zeroed(step: int, rows: list[int]) -> Fault:
    return lambda t, state, case: only(step, rows, state, (0 * state[0], 0 * state[1]))(t)


def hidden_zeroed(step: int) -> Fault:
    return lambda t, state, case: (0 * state[0], state[1]) if t == step else state


def given(step: int) -> Fault:
    return lambda t, state, case: (case.initial_hidden, case.initial_cell) if t == step else state


def every_third(t: int, state: State, case: Case) -> State:
    return (0 * state[0], 0 * state[1]) if t and t % 3 == 0 else state


def of_other_rows(step: int) -> Fault:
    return lambda t, state, case: tuple(np.roll(s, 1, 0) for s in state) if t == step else state  # type: ignore[return-value]


def anything(step: int, rows: list[int]) -> Fault:
    random = np.random.RandomState(0)

    def fault(t: int, state: State, case: Case) -> State:
        new = tuple(random.uniform(-0.8, 0.8, one.shape).astype("float32") for one in state)
        return only(step, rows, state, (new[0], new[1]))(t)

    return fault


def found(case: Case, observed: Trajectory, with_cell: bool) -> list[Cause]:
    name = {"lstm": "canonical", "gru": "canonical.gru", "rnn": "canonical.rnn"}[case.equation.cell]
    causes = search(case, observed.hidden, observed.cell if with_cell else None)
    return told(causes, Vocabulary(APIS[name], case.equation))


ROWS = [0, 1, 2, 3]
FAULTS = {
    "zero at 4": (zeroed(4, ROWS), ZERO, (4,), ROWS),
    "zero at 4, two rows": (zeroed(4, [1, 3]), ZERO, (4,), [1, 3]),
    "zero at 0, one row": (zeroed(0, [2]), ZERO, (0,), [2]),
    "the given one at 5": (given(5), GIVEN, (5,), ROWS),
    "zero every third": (every_third, ZERO, (3, 6, 9), ROWS),
    "rows mixed up at 3": (of_other_rows(3), OTHER_ROW, (3,), ROWS),
    "rows mixed up at 0": (of_other_rows(0), OTHER_ROW, (0,), ROWS),
    "anything at 3, one row": (anything(3, [1]), NONE, (3,), [1]),
    "anything at 0": (anything(0, ROWS), NONE, (0,), ROWS),
}


@pytest.mark.parametrize(("cell", "with_cell"), KINDS)
@pytest.mark.parametrize("name", FAULTS)
def test_a_replaced_state_is_named(name: str, cell: str, with_cell: bool) -> None:
    fault, by, steps, rows = FAULTS[name]
    if name == "rows mixed up at 3" and cell == "lstm" and not with_cell:
        by = NONE  # without cell states it cannot be told whose state it was
    case = draw(cell)
    cause = found(case, run(case, fault), with_cell)[0]
    assert (cause.id, cause.status) == ("state-replaced", CONFIRMED), cause
    assert (cause.about["by"], cause.about["steps"], cause.about["rows"]) == (by, list(steps), rows)
    assert "agrees from its own state" in cause.detail


@pytest.mark.parametrize("with_cell", [True, False])
def test_of_two_states_the_one_that_was_replaced_is_named(with_cell: bool) -> None:
    case = draw("lstm")
    cause = found(case, run(case, hidden_zeroed(4)), with_cell)[0]
    about = {name: cause.about[name] for name in ("by", "steps", "hidden", "cell")}
    assert about == {"by": ZERO, "steps": [4], "hidden": True, "cell": False}
    swapped = found(case, run(case, lambda t, s, _: (s[1], s[0]) if t == 6 else s), with_cell)[0]
    assert (swapped.about["by"], swapped.about["steps"]) == (SWAPPED, [6])


@pytest.mark.parametrize(("cell", "with_cell"), KINDS)
def test_each_row_goes_on_where_the_one_before_ended(cell: str, with_cell: bool) -> None:
    case = draw(cell)
    hidden, state = case.initial_hidden, case.initial_cell
    rows: list[Trajectory] = []
    for row in range(case.batch):
        one = replace(
            case,
            inputs=case.inputs[row : row + 1],
            initial_hidden=hidden[row : row + 1] if row == 0 else rows[-1].hidden[:, -1],
            initial_cell=state[row : row + 1] if row == 0 else rows[-1].cell[:, -1],
        )
        rows.append(plain_cells.run(one))
    observed = Trajectory(*(np.concatenate(states) for states in zip(*rows, strict=True)))
    cause = found(case, observed, with_cell)[0]
    assert (cause.id, cause.status, cause.about["by"]) == ("state-replaced", CONFIRMED, LAST)
    assert cause.about["rows"] == [1, 2, 3]


@pytest.mark.parametrize(("cell", "with_cell"), KINDS)
def test_other_wrong_steps_are_no_matter_of_states(cell: str, with_cell: bool) -> None:
    """Outputs that are wrong at one step, while the state goes on, and a weight that is wrong throughout."""
    case = draw(cell)
    observed = plain_cells.run(case)
    observed.hidden[1, 4] += np.float32(0.1)
    assert "state-replaced" not in {cause.id for cause in found(case, observed, with_cell)}
    kernel = case.weights.kernel.copy()
    kernel[2, 3] += np.float32(0.2)
    really = replace(case, weights=case.weights._replace(kernel=kernel))
    assert "state-replaced" not in {cause.id for cause in found(case, plain_cells.run(really), with_cell)}
