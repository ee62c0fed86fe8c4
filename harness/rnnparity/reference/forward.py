"""A case run in float64, with the expected rounding error computed alongside."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnnparity.reference import noise
from rnnparity.reference.case import Case
from rnnparity.reference.cells import CELLS
from rnnparity.reference.noise import ARITHMETICS, Arithmetic, Array
from rnnparity.reference.repeats import Repeats
from rnnparity.reference.steps import States, Step

ROWS = 512
"""Batch rows times steps that are computed together: enough to be fast, few enough for any length to fit into
memory.
"""


def _keep_memory() -> None:
    """Let glibc keep what is freed.

    Above a threshold it gives freed memory back to the system: twice the largest block that it has freed so
    far, https://man7.org/linux/man-pages/man3/mallopt.3.html. To map intermediate results anew each time
    takes as long as to compute them. An array that nobody touches costs nothing, and raises the threshold.
    """
    np.empty(31 * 2**20, np.uint8)


_keep_memory()


class Carried(NamedTuple):
    """What a run hands on to its next piece.

    ``values`` are its states, ``variances`` theirs, ``hidden`` ``[B, P]`` and ``cell`` ``[B, U]``. In the
    rows that are ``lost`` ``[B]`` rounding alone decides the states.
    """

    values: States
    variances: States
    lost: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Reference:
    """The trajectory of ``case``, and its noise: the standard errors of a correct run in ``arithmetic``.

    ``hidden`` and ``hidden_noise`` are ``[B, T, P]``, ``cell`` and ``cell_noise`` ``[B, T, U]``, all float64.
    P is U without a projection. Where the cell has no cell state, ``cell`` is ``[B, T, 0]``. It began from
    ``start`` and ended with ``last``, both ``[B, ...]``.
    """

    case: Case
    arithmetic: Arithmetic
    hidden: Array
    cell: Array
    hidden_noise: Array
    cell_noise: Array
    start: Carried
    last: States

    @cached_property
    def horizon(self) -> NDArray[np.signedinteger]:
        """For each batch row ``[B]`` the first step that rounding alone decides, or T if there is none.

        A chaotic recurrence doubles an error every few steps. Once the error is as large as the state, two
        correct runs have nothing in common any more. The noise is a linear estimate and means nothing there.
        """
        lost: NDArray[np.bool_] = np.any(self.hidden_noise > noise.HORIZON, axis=2)
        first: NDArray[np.signedinteger] = np.where(lost.any(axis=1), lost.argmax(axis=1), lost.shape[1])
        first[self.start.lost] = 0
        return first

    @property
    def carried(self) -> Carried:
        """What the next piece of the same run begins from."""
        values = States(self.hidden[:, -1], self.cell[:, -1])
        return Carried(values, self.last, self.horizon < self.case.steps)

    @property
    def bound(self) -> float:
        """The largest |h| that the equation allows, whatever the weights; infinite where there is none."""
        return CELLS[self.case.equation.cell](self.case, self.arithmetic).bound


def pieces(case: Case) -> Iterator[slice]:
    """The steps of a case in pieces that are computed together."""
    together = max(1, ROWS // case.batch)
    for start in range(0, case.steps, together):
        yield slice(start, min(start + together, case.steps))


def run(case: Case, arithmetic: str | None = None, start: Carried | None = None) -> Reference:
    """Run a case in float64: the trajectory ``[B, T, P]`` and ``[B, T, U]``, and its noise.

    ``arithmetic`` is a name of :data:`rnnparity.reference.noise.ARITHMETICS`, and the case's dtype unless
    given. A piece of a longer run goes on from ``start``, what the piece before it carried; otherwise a case
    begins from its own initial states. The equations, with their sources, are in
    :mod:`rnnparity.reference.lstm`, :mod:`~rnnparity.reference.gru` and :mod:`~rnnparity.reference.rnn`.
    """
    a = ARITHMETICS[arithmetic or case.dtype]
    step = CELLS[case.equation.cell](case, a)
    start = start or beginning(case)
    state, variance, _ = start
    true, noisy = (
        States(*(np.empty((case.batch, case.steps, part.shape[1])) for part in state)) for _ in range(2)
    )
    for now in pieces(case):
        x = case.inputs[:, now].swapaxes(0, 1).astype(np.float64)
        values, sums = _values(step, x, state)
        fed = None
        if case.inputs_noise is not None:
            fed = np.square(np.broadcast_to(case.inputs_noise, case.inputs.shape)[:, now].swapaxes(0, 1))
        spreads = _spreads(step, x, sums, values, variance, fed)
        for kept, piece in zip(true, values, strict=True):
            kept[:, now] = piece[1:].swapaxes(0, 1)
        for kept, piece in zip(noisy, spreads, strict=True):
            kept[:, now] = noise.error(piece[1:], a).swapaxes(0, 1)
        state, variance = (States(both.hidden[-1], both.cell[-1]) for both in (values, spreads))
    return Reference(case, a, *true, *noisy, start, variance)


def beginning(case: Case) -> Carried:
    """What a run begins from: its initial states, which are known exactly."""
    state = initial(case)
    return Carried(state, States.zeros_like(state), np.zeros(case.batch, np.bool_))


def values(case: Case) -> States:
    """The trajectory of a case in float64, ``[B, T, P]`` and ``[B, T, U]``, without its noise."""
    step = CELLS[case.equation.cell](case, ARITHMETICS[case.dtype])
    state, found = initial(case), []
    for now in pieces(case):
        x = case.inputs[:, now].swapaxes(0, 1).astype(np.float64)
        piece, _ = _values(step, x, state)
        state = States(piece.hidden[-1], piece.cell[-1])
        found.append([each[1:] for each in piece])
    return States(*(np.concatenate(each).swapaxes(0, 1) for each in zip(*found, strict=True)))


def initial(case: Case) -> States:
    """The initial states of a case, in float64."""
    return States(case.initial_hidden.astype(np.float64), case.initial_cell.astype(np.float64))


def _values(step: Step, x: Array, start: States) -> tuple[States, Array]:
    """The states ``[t+1, B, ...]`` of a piece with inputs ``[t, B, I]``, and the sums ``[t, B, S]``.

    The first states are those that it starts from.
    """
    own = step.of_inputs(_rows(x)).reshape(len(x), len(x[0]), -1)
    values = States(*(np.empty((len(x) + 1, *state.shape)) for state in start))
    values.hidden[0], values.cell[0] = state = start
    sums: Array | None = None
    for t in range(len(x)):
        now = step.sums(own[t], state)
        if sums is None:
            sums = np.empty((len(x), *now.shape))
        sums[t] = now
        state = step.advance(now, state)
        values.hidden[t + 1], values.cell[t + 1] = state
    assert sums is not None
    return values, sums


def _spreads(step: Step, x: Array, sums: Array, values: States, start: States, fed: Array | None) -> States:
    """The variances ``[t+1, B, ...]`` of a piece's states ``values``, the first those that it starts from.

    ``fed`` ``[t, B, I]`` are the variances of its inputs, unless these are exact.
    """
    spreads = States(*(np.empty_like(state) for state in values))
    spreads.hidden[0], spreads.cell[0] = variance = start
    whole = None if step.bends else _linearised(step, x, sums, values).noise
    if whole is not None and fed is not None:
        whole = step.fed(whole, _rows(fed))
    for t in range(len(x)):
        before, after = (States(values.hidden[k], values.cell[k]) for k in (t, t + 1))
        if whole is None:
            one = step.linearised(x[t], sums[t], before, after, variance).noise
            one = one if fed is None else step.fed(one, fed[t])
        else:
            one = _at(whole, t, len(x[t]))
        variance = step.spread(one, variance)
        spreads.hidden[t + 1], spreads.cell[t + 1] = variance
    return spreads


def _linearised(step: Step, x: Array, sums: Array, values: States) -> Any:
    """All steps of a piece with the states ``values`` ``[t+1, B, ...]``, as rows ``[t B, ...]``."""
    before, after = (States(*(_rows(state[part]) for state in values)) for part in (_FIRST, _LAST))
    return step.linearised(_rows(x), _rows(sums), before, after, None)


_FIRST, _LAST = slice(None, -1), slice(1, None)


def _rows(array: Array) -> Array:
    """``[t, B, n]`` -> ``[t B, n]``."""
    return array.reshape(array.shape[0] * array.shape[1], array.shape[2])


def _at(linear: Any, t: int, batch: int) -> Any:
    """The step ``t`` of a linearised piece."""
    now = slice(t * batch, (t + 1) * batch)
    return type(linear)(*(None if array is None else array[now] for array in linear))


def ensemble(reference: Reference, members: int = 16) -> Reference:
    """The reference with its noise, ``[B, T, P]`` and ``[B, T, U]``, measured on ``members`` simulated runs.

    The noise of :func:`run` assumes that the errors of different units and steps are independent. In a
    recurrence with a long memory, or a chaotic one, they are not: they grow more than :func:`run` says.
    Where the spread of the members is larger than the noise, it takes the noise's place.

    This costs ``members`` runs, so it is called only where a run differs by a little more than the noise.
    """
    hidden_noise, cell_noise = reference.hidden_noise.copy(), reference.cell_noise.copy()
    for t, errors in enumerate(erring(reference, members)):
        for noises, error in zip((hidden_noise, cell_noise), errors, strict=True):
            np.maximum(noises[:, t], spread_of(error), out=noises[:, t])
    return replace(reference, hidden_noise=hidden_noise, cell_noise=cell_noise)


def spread_of(errors: Array) -> Array:
    """The standard error ``[...]`` that the errors ``[members, ...]`` of some runs show."""
    spread: Array = np.sqrt(np.mean(errors * errors, axis=0))
    return spread


def erring(reference: Reference, members: int, inputs: Array | None = None) -> Iterator[States]:
    """The errors of ``members`` simulated runs, step by step: ``[members, B, P]`` and ``[members, B, U]``.

    Every member adds a random error of the expected size at each step, the same one wherever the same
    rounding repeats, and carries it through the equations. ``inputs`` ``[members, B, T, I]`` are the errors
    of each member's inputs, where these were computed by another layer. In a piece of a long run the members
    begin with errors of the size that was carried there, of the same sign in all units: a long memory has
    made them alike.
    """
    case, a = reference.case, reference.arithmetic
    step = CELLS[case.equation.cell](case, a)
    repeats = Repeats(case, reference.hidden, reference.cell, a)
    true, variance, _ = reference.start
    random = np.random.RandomState(0)
    member = States(
        *(
            np.tile(state, (members, 1))
            + np.tile(np.sqrt(spread), (members, 1)) * random.standard_normal((members * case.batch, 1))
            for state, spread in zip(true, variance, strict=True)
        )
    )
    for t in range(case.steps):
        x = case.inputs[:, t].astype(np.float64)
        own = step.of_inputs(x)
        now = States(reference.hidden[:, t], reference.cell[:, t])
        bends = States.zeros_like(true) if step.bends else None
        linear = step.linearised(x, step.sums(own, true), true, now, bends)
        variances = step.local(linear)[1]
        hidden_error, cell_error = repeats.drawn(t, members, variances, *step.repeated(linear, x))
        true = now

        of_each = np.tile(own, (members, 1))
        if inputs is not None:
            of_each = step.of_inputs((x + inputs[:, :, t]).reshape(-1, case.input_size))
        member = step.advance(step.sums(of_each, member), member, cell_error)
        member = States(member.hidden + hidden_error, member.cell)
        yield States(
            *(
                each.reshape(members, *expected.shape) - expected
                for each, expected in zip(member, true, strict=True)
            )
        )
