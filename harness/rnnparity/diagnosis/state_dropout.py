"""Dropout of the hidden state on its way into the gates, as with Keras' ``recurrent_dropout``.

The states that the gates saw are solved from those that they made. Of each unit they are zero, or that unit's
state, larger by as much as the others are missing.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from rnnparity.diagnosis.hypothesis import Found
from rnnparity.diagnosis.input_hypotheses import solve
from rnnparity.diagnosis.run_findings import StateDropout
from rnnparity.diagnosis.teacher_forcing import Setting, apart, counting
from rnnparity.reference.forward import Reference
from rnnparity.reference.noise import LIMIT

_NUMBERS = 2**24
"""The numbers that the derivatives by the states may have: 128 MiB."""
_MOST = 0.9
"""The part of the states that are seen as zero, at most: of fewer others too little is known."""
_SOLVED = 0.9
"""The part of the steps whose states must have been found."""
_DIGITS = 1e-4
"""How close the others have to be to one multiple of the states, beside the error of solving them."""


def dropped(setting: Setting, base: Reference) -> Iterator[Found]:
    """Hidden states ``[B, T, U]`` some of which were zero on their way into the gates; all must be known."""
    case = setting.case
    size = case.units * case.units * len(case.gates) * int(counting(setting).sum())
    if not setting.complete or case.projection is not None or case.equation.cell == "gru" or size > _NUMBERS:
        return
    single = apart(setting)
    own = single.case.initial_hidden.astype(np.float64)
    seen, left, error = solve(single, base.hidden_noise[counting(setting)], states=True)
    found = left <= LIMIT
    if found.mean() < _SOLVED:
        return
    tolerance = LIMIT * error + _DIGITS * np.abs(own) + 1e-7
    zero = np.abs(seen) <= tolerance
    kept = ~zero & (np.abs(own) > 10 * tolerance) & found[:, None]
    part = float(zero[found].mean())
    if not 0 < part < _MOST or not kept.any():
        return
    ratio = float(np.median(seen[kept] / own[kept]))
    if np.mean(np.abs(seen - np.where(zero, 0.0, ratio * own))[found] <= tolerance[found]) < _SOLVED:
        return
    states = np.where(zero, 0.0, ratio * own)
    changed = replace(single, case=replace(single.case, initial_hidden=states))
    yield Found(StateDropout(part, ratio), changed, 1 + int(zero.sum()) // 8)
