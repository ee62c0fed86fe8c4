"""What a change of a parameter does to the state of the same step.

A parameter that differs by d moves a gate's pre-activation by d times what the parameter multiplies; how
far that moves the state, the derivatives of the cell's equations say.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from rnnparity.reference.noise import Array
from rnnparity.reference.steps import Gru, GruGates, Lstm, LstmGates, Rnn, RnnGates, State, Step, exactly


class Errors(NamedTuple):
    """Local errors in noise units, ``[N, P]`` and ``[N, U]``, and what one such unit is."""

    hidden: Array
    cell: Array
    hidden_scale: Array
    cell_scale: Array


class Lever(NamedTuple):
    """How one gate's parameters show, in the cell's errors if ``in_cell``, else in the hidden state's.

    ``v`` ``[N, rows]`` is what its rows multiply, beginning at the row ``start`` of the kernel. ``moved``
    ``[N, U]`` are the errors times the sensitivity to the gate's pre-activation, ``size`` is the size of
    that sensitivity, and ``alike`` how large errors there are that may be alike at every step.
    """

    v: Array
    moved: Array
    size: Array
    alike: Array
    in_cell: bool = False
    start: int = 0


def _own(v: Array, sensitivity: Array, errors: Array, alike: Array, **where: Any) -> Lever:
    """Of a gate whose unit moves that unit of the state only."""
    return Lever(v, sensitivity * errors, np.abs(sensitivity), alike, **where)


def _through(v: Array, factor: Array, matrix: Array, slope: Array, errors: Array, alike: Array) -> Lever:
    """Of a gate ``[N, U]`` that reaches the state ``[N, P]`` through a ``matrix`` ``[U, P]``: a change moves
    what the matrix multiplies by ``factor``, and ``slope`` is how the state follows.
    """
    spread = np.sqrt((slope * slope) @ (matrix * matrix).T)
    together = (np.abs(slope) * alike) @ np.abs(matrix).T
    return Lever(
        v,
        factor * ((slope * errors) @ matrix.T),
        np.abs(factor) * spread,
        np.divide(together, spread, out=np.zeros_like(together), where=spread > 0),
    )


def _lstm(
    step: Lstm, x: Array, gates: LstmGates, before: State, after: State, errors: Errors
) -> dict[str, Lever]:
    """C' with i, j, f; h' with o, and with the projection where there is one."""
    _, i, j, f = gates
    c, v = before.cell.value, np.concatenate([x, before.hidden.value], axis=1)
    o, output = step.outer(gates, before, after.cell), step.squashed_cell(after.cell)
    slopes = {"i": i.derivative * j.value, "j": j.derivative * i.value, "f": f.derivative * c}
    if step.equation.coupled:
        slopes |= {"i": i.derivative * (j.value - c), "f": np.zeros_like(c)}
    alike = f.own_error * np.abs(c) + i.own_error * np.abs(j.value) + j.own_error * np.abs(i.value)
    levers = {
        gate: _own(v, slope / errors.cell_scale, errors.cell, alike / errors.cell_scale, in_cell=True)
        for gate, slope in slopes.items()
    }
    alike = o.own_error * np.abs(output.value) + output.own_error * np.abs(o.value)
    unit = 1 / errors.hidden_scale
    if step.projection is None:
        levers["o"] = _own(v, o.derivative * output.value * unit, errors.hidden, alike * unit)
        return levers
    projected = step.projected(exactly(o.value * output.value))
    slope = projected.derivative * unit
    alike = (alike @ np.abs(step.projection)) * slope + projected.own_error * unit
    levers["o"] = _through(v, o.derivative * output.value, step.projection, slope, errors.hidden, alike)
    levers["p"] = _own(o.value * output.value, slope, errors.hidden, alike)
    return levers


def _gru(
    step: Gru, x: Array, gates: GruGates, before: State, after: State, errors: Errors
) -> dict[str, Lever]:
    """H' with r, z and n; the recurrent rows of n and their bias are m's."""
    r, z, recurrent, n = gates
    h, unit = before.hidden.value, 1 / errors.hidden_scale
    v = np.concatenate([x, h], axis=1)
    through_n = (1 - z.value) * n.derivative
    after_reset = step.equation.reset_after
    alike = np.abs(h - n.value) * z.own_error + np.abs(1 - z.value) * n.own_error
    if after_reset:
        alike = alike + np.abs(through_n * recurrent.value) * r.own_error
    else:
        alike = alike + np.abs(through_n) * ((r.own_error * np.abs(h)) @ np.abs(step.recurrent_kernel))
    alike, slope = alike * unit, through_n * unit
    own = {
        "z": (v, z.derivative * (h - n.value) * unit, 0),
        "n": (x, slope, 0),
        "m": (h, slope * r.value, step.input_size) if after_reset else (r.value * h, slope, step.input_size),
    }
    levers = {gate: _own(v, s, errors.hidden, alike, start=row) for gate, (v, s, row) in own.items()}
    if after_reset:
        levers["r"] = _own(v, slope * r.derivative * recurrent.value, errors.hidden, alike)
    else:
        levers["r"] = _through(v, r.derivative * h, step.recurrent_kernel, slope, errors.hidden, alike)
    return levers


def _rnn(
    step: Rnn, x: Array, gates: RnnGates, before: State, after: State, errors: Errors
) -> dict[str, Lever]:
    """H' with n."""
    v = np.concatenate([x, before.hidden.value], axis=1)
    unit = 1 / errors.hidden_scale
    return {"n": _own(v, gates.n.derivative * unit, errors.hidden, gates.n.own_error * unit)}


LEVERS: dict[type[Step], Callable[..., dict[str, Lever]]] = {Lstm: _lstm, Gru: _gru, Rnn: _rnn}
"""By the class of the cell."""
