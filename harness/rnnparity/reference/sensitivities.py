"""How far a change of a parameter changes the state of the same step.

A parameter that differs by d changes a gate's pre-activation by d times what the parameter multiplies. The
derivatives of the cell's equations say how far that changes the state.
"""

from typing import Any, NamedTuple

import numpy as np

from rnnparity.reference.noise import Array


class LocalErrors(NamedTuple):
    """What one step adds to the error of each state, N being batch rows times steps.

    ``hidden`` ``[N, P]`` and ``cell`` ``[N, U]`` are in noise units: divided by ``hidden_scale`` ``[N, P]``
    and ``cell_scale`` ``[N, U]``, the standard errors to be expected of one step.
    """

    hidden: Array
    cell: Array
    hidden_scale: Array
    cell_scale: Array


class Sensitivity(NamedTuple):
    """How the parameters of some ``gates`` show in the local errors, each by its letter.

    They show in those of the cell state if ``in_cell``, or of the hidden state. ``v`` ``[N, rows]`` is what
    the gates' rows multiply, beginning at the row ``start`` of the kernel. ``size`` ``[G, N, U]`` is by how
    many noise units the state changes where a gate's pre-activation changes by one unit roundoff.
    ``weighted_errors`` ``[G, N, U]`` are the local errors times their derivative by that. ``systematic``
    ``[N, U]``, or ``[G, N, U]``, is the size, in noise units, of the errors that may repeat at every step:
    those of approximated activations.
    """

    gates: str
    v: Array
    weighted_errors: Array
    size: Array
    systematic: Array
    in_cell: bool = False
    start: int = 0


def of_own_unit(
    gates: str, v: Array, slopes: Array, errors: Array, systematic: Array, **where: Any
) -> Sensitivity:
    """The sensitivity of gates of which each unit acts on the same unit of the state only.

    ``v`` is ``[N, rows]``; ``slopes`` ``[G, N, U]``, the derivatives of the state by the pre-activations in
    unit roundoffs, and ``errors`` and ``systematic`` ``[N, U]`` are in noise units.
    """
    return Sensitivity(gates, v, slopes * errors, np.abs(slopes), systematic, **where)


def through_matrix(
    gate: str, v: Array, factor: Array, matrix: Array, slope: Array, errors: Array, systematic: Array
) -> Sensitivity:
    """The sensitivity of a gate ``[N, U]`` that acts on the state ``[N, P]`` through a ``matrix`` ``[U, P]``.

    ``v`` is ``[N, rows]``. ``factor`` ``[N, U]`` is the derivative of what the matrix multiplies by the
    gate's pre-activation, ``slope`` ``[N, P]`` that of the state by the product. ``slope``, ``errors`` and
    ``systematic`` ``[N, P]`` are in noise units.
    """
    spread = np.sqrt((slope * slope) @ (matrix * matrix).T)
    together = (np.abs(slope) * systematic) @ np.abs(matrix).T
    return Sensitivity(
        gate,
        v,
        (factor * ((slope * errors) @ matrix.T))[None],
        (np.abs(factor) * spread)[None],
        np.divide(together, spread, out=np.zeros_like(together), where=spread > 0),
    )
