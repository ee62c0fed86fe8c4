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


def away(hidden: Array, cell: Array | None, base: Reference) -> Array:
    """How far ``hidden`` and ``cell`` ``[B, T, U]`` are from ``base``: ``[B, T, P]``, zero within the noise.

    An error of a cell state is in the hidden state as well, so that each unit counts once, as far away as the
    one of the two that is more times its noise away, in the noise of the hidden state. From the step on from
    which rounding alone decides the reference nothing is away.
    """
    times = _times(hidden, base.hidden, base.hidden_noise)
    if cell is not None and cell.shape == hidden.shape:
        times = np.maximum(times, _times(cell, base.cell, base.cell_noise))
    found: Array = np.where(times > LIMIT, times * base.hidden_noise, 0.0) * _before(base)
    return found


def speaks_for(setting: Setting, expected: Reference, constants: int = 0, *, repeated: bool = False) -> bool:
    """Whether enough speaks for a ``setting`` ``[B, T, P]`` that agrees with ``expected``.

    Only steps that count do so, up to that from which rounding alone decides ``expected``. Equal numbers
    count as one unless ``repeated``: zeros, limits and held states come from many mistakes, and only a
    hypothesis that says where they are explains them. Each of the ``constants`` that were fitted can explain
    one observation, and it may be the most telling one.
    """
    told = bits(setting, expected).reshape(-1)
    if not repeated:
        positions = np.unique(setting.hidden, return_inverse=True)[1]
        told, every = np.zeros(told.size), told
        np.maximum.at(told, positions.reshape(-1), every)
    return float(np.sort(told)[: max(0, told.size - constants)].sum()) >= ENOUGH_BITS


def bits(setting: Setting, expected: Reference) -> Array:
    """The bits ``[B, T, P]`` that each hidden state tells of a ``setting`` that agrees with ``expected``."""
    if setting.away is None:
        return np.zeros(0)
    most = -np.log2(LIMIT * expected.arithmetic.element)  # a number of the dtype tells no more
    with np.errstate(divide="ignore"):
        told: Array = np.log2(setting.away / (LIMIT * expected.hidden_noise)).clip(0, most) * _before(
            expected
        )
    return told if setting.mask is None else told * setting.mask[:, :, None]


def _times(observed: Array, expected: Array, noise: Array) -> Array:
    """By how many times its ``noise`` each state is away; a state is of order one, so none is by more."""
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        return np.nan_to_num(np.minimum(np.abs(observed - expected), 1.0) / noise, nan=0.0)


def _before(reference: Reference) -> Array:
    """1 where a step of a row ``[B, T, 1]`` is before the row's horizon, else 0."""
    steps = np.arange(reference.hidden.shape[1])
    return (steps < reference.horizon[:, None]).astype(np.float64)[:, :, None]
