"""Local errors of an LSTM of which only the hidden states were observed.

Its cell states are estimated as the steps go by, with their uncertainty. Each hidden state is predicted from
the inputs, the previous hidden state, and the estimate of the cell state before. What is observed then says
more about the cell state: much where tanh(c) is steep, nothing where it is saturated. This is the Kalman
filter (Kalman 1960, https://doi.org/10.1115/1.3662552), linearised at each step. Its errors are independent,
as local errors are, and chaos does not matter either: the previous hidden state is the observed one, and c
forgets.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from rnnparity.judge.matched_filter import Part
from rnnparity.reference import noise
from rnnparity.reference.case import Case
from rnnparity.reference.forward import initial, pieces
from rnnparity.reference.lstm import ORDER, Lstm
from rnnparity.reference.noise import LIMIT, Arithmetic, Array
from rnnparity.reference.repeats import Past, Repeats
from rnnparity.reference.sensitivities import Sensitivity
from rnnparity.reference.steps import States

_LOST = 1.0
"""The variance of a cell state about which an error in the step before leaves nothing known."""
_FLAT = 1e-6
"""Where h' moves by less than this part of c', it says nothing about c'."""
_ROUNDS = 12
"""Rounds of Newton's method that find the cell state of an observed hidden state."""


class _Step(NamedTuple):
    """What the filter has at one step, each ``[B, U]``.

    ``error`` is that of the predicted h' in units of its standard error ``scale``. ``by_cell`` is the
    derivative of c' by c, ``by_new`` that of h' by c'. ``gain`` is by how much an error of h' moves the
    estimate of c', and ``kept`` the part of an error of c' that stays in it.
    """

    error: Array
    scale: Array
    by_cell: Array
    by_new: Array
    gain: Array
    kept: Array


@dataclass
class Estimate:
    """The cell state ``[B, U]`` that was estimated last, with its ``variance`` ``[B, U]``, if any was."""

    cell: Array | None = None
    variance: Array | None = None


def parts(
    case: Case,
    hidden: np.ndarray,
    arithmetic: Arithmetic,
    past: Past | None = None,
    estimate: Estimate | None = None,
) -> Iterator[Part]:
    """Analyse an observed trajectory ``hidden`` ``[B, T, U]`` of an LSTM without projection, part by part.

    The gates i, f and j show in the errors of h' through c', in several steps that the filter weighs. A piece
    of a longer run needs the run's ``past``, and the ``estimate``, which goes from piece to piece.
    """
    step = Lstm(case, arithmetic)
    repeats = Repeats(case, hidden, np.empty((*hidden.shape[:2], 0)), arithmetic, past)
    estimate = estimate or Estimate()
    before, variance = initial(case), np.zeros(case.initial_cell.shape)
    if estimate.cell is not None and estimate.variance is not None:
        before, variance = before._replace(cell=estimate.cell), estimate.variance
    for now in pieces(case):
        steps, linears, previous = [], [], []
        for t in range(now.start, now.stop):
            x, seen = (array[:, t].astype(np.float64) for array in (case.inputs, hidden))
            found, linear, cell, after = _filtered(step, x, before, variance, seen)
            steps.append(found)
            linears.append(linear)
            previous.append(before.hidden)
            before, variance = States(seen, cell), after
        estimate.cell, estimate.variance = before.cell, variance
        x = case.inputs[:, now].swapaxes(0, 1).astype(np.float64).reshape(-1, case.input_size)
        yield _part(step, x, np.concatenate(previous), now, steps, linears, repeats)


def _filtered(
    step: Lstm, x: Array, before: States, variance: Array, seen: Array
) -> tuple[_Step, Any, Array, Array]:
    """One step of the filter: what it found, the linearised step, and the new estimate with its variance."""
    sums = step.sums(x, before)
    active = step.empty(sums)
    predicted = step.advance(sums, before, active)
    unit = step.a.unit**2
    spread = States(np.zeros_like(before.hidden), variance / unit) if step.bends else None
    linear = step.linearised(x, sums, active, before, States(seen, predicted.cell), spread)
    own = States(*(unit * each for each in linear.made))
    by_cell, by_new = linear.by_cell, linear.by_new
    of_cell = by_cell**2 * variance + own.cell
    scale = np.sqrt(by_new**2 * of_cell + unit * noise.error(linear.made.hidden, step.a) ** 2)
    error = seen - predicted.hidden
    gain = of_cell * by_new / scale**2
    kept = 1 - gain * by_new
    cell, after = predicted.cell + gain * error, kept * of_cell
    wrong = np.abs(error) > LIMIT * scale
    if wrong.any():  # c' is not what was predicted, and only h' tells what it is
        alone, uncertain = _solved(step, active[ORDER.index("o")], seen, predicted.cell, own.hidden)
        cell, after = np.where(wrong, alone, cell), np.where(wrong, uncertain, after)
        steep = np.where(np.abs(by_new) > _FLAT, by_new, np.inf)
        gain, kept = np.where(wrong, 1 / steep, gain), np.where(wrong, 0.0, kept)
    return _Step(error / scale, scale, by_cell, by_new, gain, kept), linear, cell, after


def _solved(step: Lstm, o: Array, seen: Array, near: Array, own: Array) -> tuple[Array, Array]:
    """The cell state with which the gate ``o`` makes h' as ``seen``, and its variance, all ``[B, U]``.

    The search begins ``near``; ``own`` is the variance of rounding h'.
    """
    function, cell = step.output, near
    slope = np.ones_like(near)
    for _ in range(_ROUNDS):
        value = function.function(cell)
        slope = o * function.derivative(cell, value)
        safe = np.where(np.abs(slope) > _FLAT, slope, _FLAT)
        cell = cell - np.clip((o * value - seen) / safe, -1, 1)
    left = o * function.function(cell) - seen
    uncertain = np.minimum((own + left * left) / np.maximum(slope * slope, _FLAT**2), _LOST)
    return cell, uncertain


class _Weights(NamedTuple):
    """How the errors of a piece weigh for c' and for o at each of its N steps, each ``[N, U]``.

    ``of_cell`` are the errors of all later h', times the derivative of each by c', and ``of_o`` times that by
    o tanh(c'); the others are their standard deviations. Errors of c' last for several steps, so these
    numbers are not independent: as many as ``alike`` are about the same one.
    """

    of_cell: Array
    of_o: Array
    size_of_cell: Array
    size_of_o: Array
    alike: Array


def _weights(steps: list[_Step]) -> _Weights:
    """From the last step to the first, as a change of c' shows in every later h'."""
    later, variance, by_cell = 0.0 * steps[0].error, 0.0 * steps[0].error, 0.0 * steps[0].error
    found = []
    for error, scale, own_by_cell, by_new, gain, kept in reversed(steps):
        lasting, last = by_cell * later, by_cell**2 * variance
        of_o, size_of_o = error / scale - gain * lasting, np.sqrt(1 / scale**2 + gain**2 * last)
        alike = np.abs(kept * by_cell)
        later = by_new * error / scale + kept * lasting
        variance = (by_new / scale) ** 2 + kept**2 * last
        by_cell = own_by_cell
        found.append((later, of_o, np.sqrt(variance), size_of_o, alike))
    arrays = [np.concatenate(parts[::-1]) for parts in zip(*found, strict=True)]
    # Numbers of which each is a part r of the one before sum up as if (1 + r) / (1 - r) of them were one.
    alike = np.minimum(arrays[4], 1 - 1 / (1 + len(steps)))
    of_cell, of_o, size_of_cell, size_of_o, _ = arrays
    return _Weights(of_cell, of_o, size_of_cell, size_of_o, (1 + alike) / (1 - alike))


def _part(
    step: Lstm,
    x: Array,
    previous: Array,
    now: slice,
    steps: list[_Step],
    linears: list[Any],
    repeats: Repeats,
) -> Part:
    weights = _weights(steps)
    systematic: list[Array] = []
    variances: list[Array] = []
    always: list[Array] = []
    with_x: list[Array] = []
    for found, linear, of_x in zip(steps, linears, np.split(x, len(steps)), strict=True):
        in_product, in_cell = linear.systematic
        scale = found.scale / step.a.unit
        systematic.append((np.abs(found.by_new) * in_cell + in_product) / scale)
        for kept, states in zip((always, with_x), step.repeated(linear, of_x), strict=True):
            kept.append(found.by_new**2 * states.cell + states.hidden)
        variances.append(scale**2)
    none, alike = np.zeros((len(x), 0)), weights.alike
    if repeats.any:
        parts = (States(np.concatenate(each), none) for each in (variances, always, with_x))
        alike = alike * repeats.of(now, *parts).hidden
    v = np.concatenate([x, previous], axis=1)
    slopes = step.a.unit * np.concatenate([linear.slopes for linear in linears], axis=1)
    of_o = np.array([[[gate == "o"]] for gate in ORDER])
    errors, size = (
        np.where(of_o, *both)
        for both in ((weights.of_o, weights.of_cell), (weights.size_of_o, weights.size_of_cell))
    )
    shown = Sensitivity(ORDER, v, slopes * errors, np.abs(slopes) * size, np.concatenate(systematic))
    error = np.concatenate([found.error for found in steps])
    return Part(now, error, none, (shown,), States(alike, none))
