"""How much a trajectory says for a hypothesis under which it agrees with the reference.

A hypothesis that leaves no difference may do so by chance: because little was observed, because it has a
constant that was fitted to what was observed, or because rounding alone decides the trajectory and hides any
difference. What speaks for it is every observation that was away from the reference before the change, and
is not any more. If it was away by d, and w is what rounding may explain, a wrong hypothesis would have come
as close with a probability of about w / d. That is log2(d / w) bits of evidence.
"""

import numpy as np

from rnnparity.diagnosis.teacher_forcing import Setting
from rnnparity.reference.forward import Reference
from rnnparity.reference.noise import LIMIT, Array

ENOUGH_BITS = 30.0
"""The evidence that a hypothesis needs to be confirmed. A search tries about 2**17 of them, pairs included,
and should confirm a wrong one in fewer than one of a thousand searches, which is 10 bits more. The other
three are for observations that are not independent of each other.
"""


def bits(hidden: Array, cell: Array | None, base: Reference) -> Array:
    """The bits ``[B, T, P]`` with which ``hidden`` and ``cell`` ``[B, T, U]`` are not the states of ``base``.

    An error of a cell state is in the hidden state as well, so that each unit counts once. From the step on
    from which rounding alone decides the reference there are none.
    """
    most = -np.log2(LIMIT * base.arithmetic.element)  # a number of the dtype tells no more
    found = _away(hidden, base.hidden, base.hidden_noise)
    if cell is not None and cell.shape == hidden.shape:
        found = np.maximum(found, _away(cell, base.cell, base.cell_noise))
    told: Array = np.minimum(found, most) * _before(base)
    return told


def speaks_for(setting: Setting, expected: Reference, constants: int = 0) -> bool:
    """Whether enough speaks for a ``setting`` ``[B, T, P]`` that agrees with ``expected``.

    Only steps that count do so, up to that from which rounding alone decides ``expected``. Each of the
    ``constants`` that were fitted can explain one observation, and it may be the most telling one.
    """
    if setting.bits is None:
        return False
    told = setting.bits * _before(expected)
    if setting.mask is not None:
        told = told * setting.mask[:, :, None]
    ordered = np.sort(told, axis=None)
    return float(ordered[: max(0, ordered.size - constants)].sum()) >= ENOUGH_BITS


def _away(observed: Array, expected: Array, noise: Array) -> Array:
    """The bits ``[B, T, U]`` of each observation; a state is of order one, so none is away by more."""
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        times = np.minimum(np.abs(observed - expected), 1.0) / (LIMIT * noise)
    value: Array = np.log2(np.maximum(np.nan_to_num(times, nan=0.0), 1.0))
    return value


def _before(reference: Reference) -> Array:
    """1 where a step of a row ``[B, T, 1]`` is before the row's horizon, else 0."""
    steps = np.arange(reference.hidden.shape[1])
    return (steps < reference.horizon[:, None]).astype(np.float64)[:, :, None]
