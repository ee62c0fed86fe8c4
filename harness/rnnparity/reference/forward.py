"""A case run in float64, with the expected rounding error computed alongside."""

import contextlib
import ctypes
import itertools
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


_TRIM, _MAP = -1, -3
"""glibc's M_TRIM_THRESHOLD and M_MMAP_THRESHOLD, https://man7.org/linux/man-pages/man3/mallopt.3.html."""


def _keep_memory() -> None:
    """Let glibc keep so much of what is freed.

    Otherwise it gives large blocks back to the system, and to have them mapped anew each time takes as long
    as to compute what is in them.
    """
    with contextlib.suppress(AttributeError, OSError):  # another C library
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_MAP, 2**25)
        mallopt(_TRIM, 2**28)


_keep_memory()


class Carried(NamedTuple):
    """What a run hands on to its next piece.

    ``values`` are its states, ``variances`` theirs, ``hidden`` ``[B, P]`` and ``cell`` ``[B, U]``. In the
    rows that are ``lost`` ``[B]`` rounding alone decides the states.
    """

    values: States
    variances: States
    lost: NDArray[np.bool_]


class Linear(NamedTuple):
    """The steps of ``case``, linearised at the ``values`` of its trajectory, which began from ``start``.

    ``pieces`` has what :meth:`~rnnparity.reference.steps.Step.linearised` gave in float32 for each of the
    :func:`pieces` of the case, or None where float32 has not the range for it.
    """

    case: Case
    values: States
    start: States
    pieces: tuple[Any, ...]


@dataclass(frozen=True, eq=False)
class Reference:
    """The trajectory of ``case``, and its noise: the standard errors of a correct run in ``arithmetic``.

    ``hidden`` and ``hidden_noise`` are ``[B, T, P]``, ``cell`` and ``cell_noise`` ``[B, T, U]``, all float64.
    P is U without a projection. Where the cell has no cell state, ``cell`` is ``[B, T, 0]``. It began from
    ``start`` and ended with ``last``, both ``[B, ...]``. ``linear``, where it is known, makes comparing fast.
    """

    case: Case
    arithmetic: Arithmetic
    hidden: Array
    cell: Array
    hidden_noise: Array
    cell_noise: Array
    start: Carried
    last: States
    linear: Linear | None = None

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
    kind = CELLS[case.equation.cell]
    exact = kind(case, a)
    fast = None if exact.bends else kind(case, a, np.float32)
    start = start or beginning(case)
    state, variance, _ = start
    true, noisy = (
        States(*(np.empty((case.batch, case.steps, part.shape[1])) for part in state)) for _ in range(2)
    )
    linears = []
    for now in pieces(case):
        piece = _moved(exact, case.inputs[:, now].swapaxes(0, 1).astype(np.float64), state)
        fed = None
        if case.inputs_noise is not None:
            fed = np.square(np.broadcast_to(case.inputs_noise, case.inputs.shape)[:, now].swapaxes(0, 1))
        linear, spreads = _fast_spreads(fast, piece, variance, fed) if fast else (None, None)
        spreads = spreads or _spreads(exact, piece, variance, fed)
        linears.append(linear)
        for kept, values in zip(true, piece.values, strict=True):
            kept[:, now] = values[1:].swapaxes(0, 1)
        for kept, spread in zip(noisy, spreads, strict=True):
            np.multiply(noise.error(spread[1:], exact.a).swapaxes(0, 1), exact.a.unit, out=kept[:, now])
        state = States(*(values[-1] for values in piece.values))
        variance = States(*(spread[-1].astype(np.float64) * exact.a.unit**2 for spread in spreads))
    linearised = Linear(case, true, start.values, tuple(linears)) if exact.smooth else None
    return Reference(case, a, *true, *noisy, start, variance, linearised)


def beginning(case: Case) -> Carried:
    """What a run begins from: its initial states, which are known exactly."""
    state = initial(case)
    return Carried(state, States.zeros_like(state), np.zeros(case.batch, np.bool_))


def values(case: Case) -> States:
    """The trajectory of a case in float64, ``[B, T, P]`` and ``[B, T, U]``, without its noise."""
    step = CELLS[case.equation.cell](case, ARITHMETICS[case.dtype])
    state, found = initial(case), []
    for now in pieces(case):
        piece = _moved(step, case.inputs[:, now].swapaxes(0, 1).astype(np.float64), state)
        state = States(*(values[-1] for values in piece.values))
        found.append([values[1:] for values in piece.values])
    return States(*(np.concatenate(each).swapaxes(0, 1) for each in zip(*found, strict=True)))


def initial(case: Case) -> States:
    """The initial states of a case, in float64."""
    return States(case.initial_hidden.astype(np.float64), case.initial_cell.astype(np.float64))


class _Piece(NamedTuple):
    """Steps that were computed: inputs ``x`` ``[t, B, I]``, ``sums`` ``[S, t, B, U]``, the activated gates
    ``active`` ``[G, t, B, U]`` and states ``values`` ``[t+1, B, ...]``, the first those that it starts from.
    """

    x: Array
    sums: Array
    active: Array
    values: States


def _moved(step: Step, x: Array, start: States) -> _Piece:
    """The piece with inputs ``x`` ``[t, B, I]`` that starts from these states."""
    steps, batch, _ = x.shape
    sums = step.of_inputs(_rows(x))
    sums = sums.reshape(len(sums), steps, batch, -1)
    active = step.empty(sums)
    values = States(*(np.empty((steps + 1, *state.shape)) for state in start))
    values.hidden[0], values.cell[0] = state = start
    for t in range(steps):
        now = sums[:, t]
        step.add_state(now, state)
        state = step.advance(now, state, active[:, t])
        values.hidden[t + 1], values.cell[t + 1] = state
    return _Piece(x, sums, active, values)


_LEAST, _MOST = 1e-30, 1e30
"""Between these variances, in units of the squared unit roundoff, float32 loses nothing that counts."""


def _fast_spreads(
    step: Step, piece: _Piece, start: States, fed: Array | None
) -> tuple[Any, States] | tuple[None, None]:
    """The linearised piece and what :func:`_spreads` gives, by a step in float32, if that has the range."""
    with np.errstate(over="ignore", invalid="ignore"):
        x, sums, active = (_as(step.dtype, each) for each in (piece.x, piece.sums, piece.active))
        piece = _Piece(x, sums, active, _as_states(step.dtype, piece.values))
        linear = _linearised(step, piece)
        spreads = _spreads(step, piece, start, fed, linear)
    least = min(float(made.min(initial=_MOST)) for made in linear.made)
    most = max(float(spread[1:].max(initial=0)) for spread in spreads)
    return (linear, spreads) if least > _LEAST and most < _MOST else (None, None)


def _as(dtype: type[Any], array: Array) -> Array:
    return array.astype(dtype, copy=False)


def _as_states(dtype: type[Any], states: States) -> States:
    return States(*(_as(dtype, state) for state in states))


def _spreads(
    step: Step, piece: _Piece, start: States, fed: Array | None, linear: Any | None = None
) -> States:
    """The variances ``[t+1, B, ...]`` of a piece's states, in units of the squared unit roundoff.

    The first are those that it starts from. ``fed`` ``[t, B, I]`` are the variances of its inputs, unless
    these are exact. ``linear`` is the linearised piece, if it is known.
    """
    steps, batch, _ = piece.x.shape
    spreads = States(*(np.empty_like(state) for state in piece.values))
    unit = step.a.unit**2
    variance = _as_states(step.dtype, States(*(each / unit for each in start)))
    fed = None if fed is None else _as(step.dtype, fed / unit)
    spreads.hidden[0], spreads.cell[0] = variance
    if step.bends:
        each_step = _bent(step, piece, spreads, fed)
    else:
        whole = step.squared(_linearised(step, piece) if linear is None else linear)
        each_step = _each(whole if fed is None else step.fed(whole, _rows(fed)), steps, batch)
    for t, squares in enumerate(each_step):
        variance = step.spread(squares, variance)
        spreads.hidden[t + 1], spreads.cell[t + 1] = variance
    return spreads


def _each(squares: Any, steps: int, batch: int) -> Iterator[Any]:
    """The squares of each step, from those of rows ``[..., t B, n]``."""
    fields = (
        itertools.repeat(None)
        if array is None
        else np.moveaxis(array.reshape(*array.shape[:-2], steps, batch, -1), -3, 0)
        for array in squares
    )
    return map(type(squares)._make, zip(*fields, strict=False))


def _bent(step: Step, piece: _Piece, spreads: States, fed: Array | None) -> Iterator[Any]:
    """The squares of each step within reach of the variances ``spreads`` before it, when they are there."""
    x, sums, active, values = piece
    for t in range(len(x)):
        before, after, variance = (
            States(*(state[k] for state in states))
            for states, k in ((values, t), (values, t + 1), (spreads, t))
        )
        squares = step.squared(step.linearised(x[t], sums[:, t], active[:, t], before, after, variance))
        yield squares if fed is None else step.fed(squares, fed[t])


def _linearised(step: Step, piece: _Piece) -> Any:
    """All steps of a piece, as rows ``[..., t B, n]``."""
    before, after = (States(*(_rows(state[part]) for state in piece.values)) for part in (_FIRST, _LAST))
    return step.linearised(_rows(piece.x), _rows(piece.sums), _rows(piece.active), before, after)


_FIRST, _LAST = slice(None, -1), slice(1, None)


def _rows(array: Array) -> Array:
    """``[..., t, B, n]`` -> ``[..., t B, n]``."""
    *first, steps, batch, width = array.shape
    return array.reshape(*first, steps * batch, width)


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
        now = States(reference.hidden[:, t], reference.cell[:, t])
        linear = step.known(x, true, now).linear
        hidden_error, cell_error = repeats.drawn(t, members, linear.made, *step.repeated(linear, x))
        true = now

        if inputs is None:
            sums = np.tile(step.of_inputs(x), (1, members, 1))
        else:
            sums = step.of_inputs((x + inputs[:, :, t]).reshape(-1, case.input_size))
        step.add_state(sums, member)
        member = step.advance(sums, member, cell_error=step.a.unit * cell_error)
        member = States(member.hidden + step.a.unit * hidden_error, member.cell)
        yield States(
            *(
                each.reshape(members, *expected.shape) - expected
                for each, expected in zip(member, true, strict=True)
            )
        )
