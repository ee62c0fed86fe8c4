"""How far a change of a parameter moves the state of the same step.

A parameter that differs by d moves a gate's pre-activation by d times what the parameter multiplies; how
far that moves the state, the derivatives of the cell's equations say.
"""

from typing import Any, NamedTuple

import numpy as np

from rnnparity.reference.noise import Array


class LocalErrors(NamedTuple):
    """Local errors in noise units, ``hidden`` ``[N, P]`` and ``cell`` ``[N, U]``, and what a unit is."""

    hidden: Array
    cell: Array
    hidden_scale: Array
    cell_scale: Array


class Sensitivity(NamedTuple):
    """How one gate's parameters show, in the cell's errors if ``in_cell``, else in the hidden state's.

    ``v`` ``[N, rows]`` is what its rows multiply, beginning at the row ``start`` of the kernel. ``size``
    ``[N, U]`` is how far the state moves, in noise units, where the gate's pre-activation moves by one, and
    ``weighted_errors`` ``[N, U]`` are the errors times that. ``systematic`` ``[N, U]`` is how large errors
    there are that may repeat at every step: those of approximated activations.
    """

    v: Array
    weighted_errors: Array
    size: Array
    systematic: Array
    in_cell: bool = False
    start: int = 0


def of_own_unit(v: Array, slope: Array, errors: Array, systematic: Array, **where: Any) -> Sensitivity:
    """Of a gate whose unit moves that unit of the state only; all but ``v`` ``[N, rows]`` are ``[N, U]``."""
    return Sensitivity(v, slope * errors, np.abs(slope), systematic, **where)


def through_matrix(
    v: Array, factor: Array, matrix: Array, slope: Array, errors: Array, systematic: Array
) -> Sensitivity:
    """Of a gate ``[N, U]`` that reaches the state ``[N, P]`` through a ``matrix`` ``[U, P]``.

    A change moves what the matrix multiplies by ``factor`` ``[N, U]``, and ``slope`` ``[N, P]`` is how the
    state follows; ``errors`` and ``systematic`` are ``[N, P]``.
    """
    spread = np.sqrt((slope * slope) @ (matrix * matrix).T)
    together = (np.abs(slope) * systematic) @ np.abs(matrix).T
    return Sensitivity(
        v,
        factor * ((slope * errors) @ matrix.T),
        np.abs(factor) * spread,
        np.divide(together, spread, out=np.zeros_like(together), where=spread > 0),
    )
