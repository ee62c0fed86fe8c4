"""What a mistake changes: the case that is run in place of the one claimed, and its trajectory afterwards.

Changes of weights are in :mod:`rnnparity.selftest.planted_weights`.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from rnnparity.reference.case import Case
from rnnparity.selftest import plain_cells
from rnnparity.selftest.plain_cells import Array, Trajectory

Random = np.random.RandomState

Shares = tuple[Array, ...]
"""Stored biases, float64 and as long as the canonical one, to which they add up: one, or the kernel's and the
recurrent kernel's.
"""

Change = Callable[[Case, Shares, Random], Case]
"""Another case. What the change leaves open is drawn."""

Aftermath = Callable[[Trajectory, Case, Random], Trajectory]
"""What becomes of a trajectory, given the case as claimed."""


def unchanged(case: Case, shares: Shares, random: Random) -> Case:
    """The case itself."""
    return case


def in_turn(*changes: Change) -> Change:
    """One change after the other."""

    def change(case: Case, shares: Shares, random: Random) -> Case:
        for each in changes:
            case = each(case, shares, random)
        return case

    return change


# Another equation.


def equation(**fields: Any) -> Change:
    """Other values of these fields."""
    return lambda case, shares, random: replace(case, equation=replace(case.equation, **fields))


def _constant(random: Random) -> float:
    sign, size = random.choice([-1, 1]), random.uniform(0.2, 2.5)
    return float(np.round(sign * size, random.randint(1, 4)))


def other_forget_bias(case: Case, shares: Shares, random: Random) -> Case:
    """It is larger or smaller by a constant."""
    return equation(forget_bias=case.equation.forget_bias + _constant(random))(case, shares, random)


def also_after(case: Case, shares: Shares, random: Random) -> Case:
    """A second constant, behind the activation of f."""
    return equation(forget_bias_after=abs(_constant(random)))(case, shares, random)


def forget_bias_times(before: float, after: float) -> Change:
    """So many times the forget bias where it belongs, and so many times behind the activation of f."""

    def change(case: Case, shares: Shares, random: Random) -> Case:
        bias = case.equation.forget_bias
        return equation(forget_bias=before * bias, forget_bias_after=after * bias)(case, shares, random)

    return change


def clipped(case: Case, shares: Shares, random: Random) -> Case:
    """A limit that some of the cell states exceed."""
    sizes = np.abs(plain_cells.run(case).cell)
    limit = float(np.round(np.quantile(sizes, random.uniform(0.3, 0.9)), 3))
    return equation(cell_clip=limit)(case, shares, random)


def gates_clipped(*fields: str) -> Change:
    """A limit of these fields that some of what goes into the gates exceeds."""

    def change(case: Case, shares: Shares, random: Random) -> Case:
        limit = float(np.round(random.uniform(0.2, 0.7), 3))
        return equation(**dict.fromkeys(fields, limit))(case, shares, random)

    return change


def projection_clipped(case: Case, shares: Shares, random: Random) -> Case:
    """A limit that some of the hidden states exceed."""
    sizes = np.abs(plain_cells.run(case).hidden)
    limit = float(np.round(np.quantile(sizes, random.uniform(0.3, 0.9)), 3))
    return equation(projection_clip=limit)(case, shares, random)


def other_reset(case: Case, shares: Shares, random: Random) -> Case:
    """The reset gate on the other side of the product."""
    return equation(reset_after=not case.equation.reset_after)(case, shares, random)


# Other states and inputs. Some are another run of the same steps, and its trajectory is put in order again.


def states_zeroed(case: Case, shares: Shares, random: Random) -> Case:
    """The initial states are zero."""
    hidden, cell = (np.zeros_like(state) for state in (case.initial_hidden, case.initial_cell))
    return replace(case, initial_hidden=hidden, initial_cell=cell)


def states_swapped(case: Case, shares: Shares, random: Random) -> Case:
    """The initial states in each other's place."""
    return replace(case, initial_hidden=case.initial_cell, initial_cell=case.initial_hidden)


def run_twice(case: Case, shares: Shares, random: Random) -> Case:
    """The sequence is run a second time, from the states after the first."""
    return replace(case, inputs=np.concatenate([case.inputs, case.inputs], axis=1))


def second_half(run: Trajectory, claimed: Case, random: Random) -> Trajectory:
    """What the second time gave."""
    return Trajectory(*(state[:, claimed.steps :] for state in run))


def single_steps(case: Case, shares: Shares, random: Random) -> Case:
    """Each step from the initial state, as in Burn 0.16: a batch of sequences of one step."""
    hidden, cell = (np.repeat(s, case.steps, axis=0) for s in (case.initial_hidden, case.initial_cell))
    inputs = case.inputs.reshape(case.batch * case.steps, 1, case.input_size)
    return replace(case, inputs=inputs, initial_hidden=hidden, initial_cell=cell)


def one_after_the_other(run: Trajectory, claimed: Case, random: Random) -> Trajectory:
    """Single steps as a sequence."""
    return Trajectory(*(state.reshape(claimed.batch, claimed.steps, state.shape[-1]) for state in run))


def axes_swapped(case: Case, shares: Shares, random: Random) -> Case:
    """Rows of the batch taken for steps, from states of zero."""
    hidden, cell = (
        np.zeros((case.steps, state.shape[1]), state.dtype)
        for state in (case.initial_hidden, case.initial_cell)
    )
    return replace(case, inputs=case.inputs.swapaxes(0, 1), initial_hidden=hidden, initial_cell=cell)


def axes_swapped_back(run: Trajectory, claimed: Case, random: Random) -> Trajectory:
    """Steps taken for rows of the batch."""
    return Trajectory(*(state.swapaxes(0, 1).copy() for state in run))


def inputs_reversed(case: Case, shares: Shares, random: Random) -> Case:
    """The last step first."""
    return replace(case, inputs=case.inputs[:, ::-1])


# The trajectory afterwards.


def as_it_is(run: Trajectory, claimed: Case, random: Random) -> Trajectory:
    """Nothing becomes of it."""
    return run


def outputs_reversed(run: Trajectory, claimed: Case, random: Random) -> Trajectory:
    """The last step first."""
    return Trajectory(*(state[:, ::-1].copy() for state in run))


def shifted(steps: int | None = None) -> Aftermath:
    """Late by so many steps, early where that is negative; what falls off comes in at the other end."""

    def after(run: Trajectory, claimed: Case, random: Random) -> Trajectory:
        by = int(random.choice([-2, -1, 1, 2])) if steps is None else steps
        return Trajectory(*(np.roll(state, by, axis=1) for state in run))

    return after


def masked(zeroed: bool) -> Aftermath:
    """Past a length in each row of the batch but the last, states are zero, or held."""

    def after(run: Trajectory, claimed: Case, random: Random) -> Trajectory:
        made = Trajectory(*(state.copy() for state in run))
        for row in range(claimed.batch - 1):
            length = random.randint(2, claimed.steps - 1)
            for state in made:
                state[row, length:] = 0 if zeroed else state[row, length - 1]
        return made

    return after


def dropped_out(run: Trajectory, claimed: Case, random: Random) -> Trajectory:
    """A share of the outputs is zero, the others are larger by as much."""
    rate = np.float32(random.uniform(0.1, 0.6))
    kept = random.rand(*run.hidden.shape) > rate
    return run._replace(hidden=(run.hidden * kept / (1 - rate)).astype(run.hidden.dtype))
