"""The float64 trajectory of a case, and the noise carried alongside."""

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
    """The float64 trajectory of ``case`` and its noise: ``hidden`` ``[B, T, P]`` and ``cell`` ``[B, T, U]``.

    P is U without a projection; a cell that has no cell state has one of zero units. ``hidden_noise`` and
    ``cell_noise`` are the standard errors to be expected of a run in ``arithmetic``.
    """

    case: Case
    arithmetic: Arithmetic
    hidden: Array
    cell: Array
    hidden_noise: Array
    cell_noise: Array

    @property
    def horizon(self) -> NDArray[np.signedinteger]:
        """For each row ``[B]`` the first step that rounding alone decides, T if there is none.

        A chaotic recurrence doubles an error every few steps; once it is as large as the state, two
        correct runs have nothing in common any more, and the noise, which is linear, does not hold.
        """
        lost: NDArray[np.bool_] = np.any(self.hidden_noise > noise.HORIZON, axis=2)
        first: NDArray[np.signedinteger] = np.where(lost.any(axis=1), lost.argmax(axis=1), lost.shape[1])
        return first


def run(case: Case, arithmetic: str | None = None) -> Reference:
    """The case in float64, with the noise of ``arithmetic``: a name of
    :data:`rnnparity.reference.noise.ARITHMETICS`, that of the case's dtype unless given.

    The equations are those of :mod:`rnnparity.reference.cells`.
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
    """The reference with the noise of runs that really err, where that is larger.

    The noise of :func:`run` takes the errors of different units and steps for independent. A recurrence
    with a long memory, or a chaotic one, lines them up and amplifies them more than that. Here ``members``
    runs each make their own errors, of the size to be expected at each step, and carry them through the
    equations themselves, however far that goes. It costs ``members`` runs, so only doubt calls for it.
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
