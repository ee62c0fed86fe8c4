"""A case run in float64, with the expected rounding error computed alongside."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rnnparity.reference import noise
from rnnparity.reference.case import Case
from rnnparity.reference.cells import CELLS
from rnnparity.reference.noise import ARITHMETICS, Arithmetic, Array
from rnnparity.reference.steps import Estimate, State, exactly


@dataclass(frozen=True, eq=False)
class Reference:
    """The trajectory of ``case``, and its noise: the standard errors of a correct run in ``arithmetic``.

    ``hidden`` and ``hidden_noise`` are ``[B, T, P]``, ``cell`` and ``cell_noise`` ``[B, T, U]``, all float64.
    P is U without a projection. Where the cell has no cell state, ``cell`` is ``[B, T, 0]``.
    """

    case: Case
    arithmetic: Arithmetic
    hidden: Array
    cell: Array
    hidden_noise: Array
    cell_noise: Array

    @property
    def horizon(self) -> NDArray[np.signedinteger]:
        """For each batch row ``[B]`` the first step that rounding alone decides, or T if there is none.

        A chaotic recurrence doubles an error every few steps. Once the error is as large as the state, two
        correct runs have nothing in common any more. The noise is a linear estimate and means nothing there.
        """
        lost: NDArray[np.bool_] = np.any(self.hidden_noise > noise.HORIZON, axis=2)
        first: NDArray[np.signedinteger] = np.where(lost.any(axis=1), lost.argmax(axis=1), lost.shape[1])
        return first


def run(case: Case, arithmetic: str | None = None) -> Reference:
    """Run a case in float64: the trajectory ``[B, T, P]`` and ``[B, T, U]``, and its noise.

    ``arithmetic`` is a name of :data:`rnnparity.reference.noise.ARITHMETICS`, and the case's dtype unless
    given. The equations, with their sources, are in :mod:`rnnparity.reference.lstm`,
    :mod:`~rnnparity.reference.gru` and :mod:`~rnnparity.reference.rnn`.
    """
    a = ARITHMETICS[arithmetic or case.dtype]
    step = CELLS[case.equation.cell](case, a)
    x = case.inputs.astype(np.float64)
    shapes = [(case.batch, case.steps, state.shape[1]) for state in (case.initial_hidden, case.initial_cell)]
    record = Reference(case, a, *(np.empty(shape) for shape in shapes * 2))
    state = State(exactly(case.initial_hidden), exactly(case.initial_cell))
    for t in range(case.steps):
        state = step.advance(x[:, t], state)
        record.hidden[:, t], record.cell[:, t] = state.hidden.value, state.cell.value
        record.hidden_noise[:, t] = noise.error(state.hidden.variance, a)
        record.cell_noise[:, t] = noise.error(state.cell.variance, a)
    return record


def ensemble(reference: Reference, members: int = 16) -> Reference:
    """The reference with its noise, ``[B, T, P]`` and ``[B, T, U]``, measured on ``members`` simulated runs.

    The noise of :func:`run` assumes that the errors of different units and steps are independent. In a
    recurrence with a long memory, or a chaotic one, they are not: they grow more than :func:`run` says.
    Here every member adds a random error of the expected size at each step, and carries it through the
    equations. Where the spread of the members is larger than the noise, it takes the noise's place.

    This costs ``members`` runs, so it is called only where a run differs by a little more than the noise.
    """
    case, arithmetic = reference.case, reference.arithmetic
    kind = CELLS[case.equation.cell]
    noisy, plain = kind(case, arithmetic), kind(case, None)
    random = np.random.RandomState(0)
    x = case.inputs.astype(np.float64)
    true = State(exactly(case.initial_hidden), exactly(case.initial_cell))
    erring = State(*(exactly(np.tile(state.value, (members, 1))) for state in true))
    hidden_noise, cell_noise = reference.hidden_noise.copy(), reference.cell_noise.copy()

    def errs(value: Estimate, error: Array) -> Estimate:
        each = np.tile(error, (members, 1)) * random.standard_normal(value.value.shape)
        return Estimate(value.value + each, value.variance)

    for t in range(case.steps):
        gates = noisy.gates(x[:, t], true)
        now = State(exactly(reference.hidden[:, t]), exactly(reference.cell[:, t]))
        c_error = noise.error(noisy.cell(gates, true).variance, arithmetic)
        h_error = noise.error(noisy.hidden(gates, true, now.cell).variance, arithmetic)
        true = now

        gates = plain.gates(np.tile(x[:, t], (members, 1)), erring)
        cell = errs(plain.cell(gates, erring), c_error)
        erring = State(errs(plain.hidden(gates, erring, cell), h_error), cell)
        for noises, member, expected in zip((hidden_noise, cell_noise), erring, true, strict=True):
            spread = member.value.reshape(members, *expected.value.shape) - expected.value
            np.maximum(noises[:, t], np.sqrt(np.mean(spread * spread, axis=0)), out=noises[:, t])
    return replace(reference, hidden_noise=hidden_noise, cell_noise=cell_noise)
