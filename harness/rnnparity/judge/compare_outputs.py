"""Compare the outputs of layers that were run together: nothing between them was observed."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnnparity.judge.compare import said_of
from rnnparity.judge.comparison import AGREE, CHAOTIC, DIVERGE, NONFINITE, Comparison, Difference
from rnnparity.judge.differences import difference_of
from rnnparity.reference.network import Sequences
from rnnparity.reference.noise import HORIZON, LIMIT, Array

_DOUBTFUL = 1000 * LIMIT
"""Noise units up to which a difference may still be rounding that the noise underestimates. No single step
can be looked at, and the errors of layers that amplify grow together, so that this is far.
"""


@dataclass(frozen=True, eq=False)
class Output:
    """Something that was ``observed`` ``[B, t, n]``, by its ``name``, and what was ``expected``.

    ``mask`` ``[B, t]`` says which steps count.
    """

    name: str
    observed: np.ndarray
    expected: Sequences
    mask: NDArray[np.bool_]

    @property
    def known(self) -> NDArray[np.bool_]:
        """The steps ``[B, t]`` that count, and that rounding alone does not decide."""
        noise = self.expected.noise
        assert noise is not None
        lost: NDArray[np.bool_] = np.any(noise > HORIZON, axis=2)
        return self.mask & ~lost

    @property
    def in_noise(self) -> tuple[Array, Array]:
        """The sizes of the differences ``[B, t, n]``, and these in noise units; 0 where nothing is known."""
        difference = np.abs(self.observed.astype(np.float64) - self.expected.values)
        difference = np.where(self.mask[:, :, None], difference, 0.0)
        difference[np.isnan(difference)] = np.inf
        with np.errstate(divide="ignore", invalid="ignore"):
            units = np.where(difference == 0, 0.0, difference / self.expected.noise)
        return difference, np.where(self.known[:, :, None] | np.isinf(difference), units, 0.0)


def of_cell(observed: str) -> str:
    """The name of an observed array without its layer and direction: ``hidden_l1_reverse`` -> ``hidden``."""
    return re.sub(r"_l\d+(_reverse)?$", "", observed)


def compare_outputs(outputs: Sequence[Output], measured: Callable[[], Sequence[Output]]) -> Comparison:
    """Compare outputs of layers, and their last states, with what the reference expects.

    Where a difference may be rounding that the noise underestimates, the noise is ``measured``: that gives
    the same outputs with another noise. It is what :func:`rnnparity.reference.network.ensemble` does.
    """
    found = [_difference(one) for one in outputs]
    if any(not np.isfinite(one.absolute) for one in found):
        wrong = next(one for one in found if not np.isfinite(one.absolute))
        place = f"[batch {wrong.place.batch}, step {wrong.place.step}, unit {wrong.place.unit}]"
        return Comparison(NONFINITE, f"{wrong.observed}{place} is not finite", tuple(found))
    if any(one.first_step is not None for one in found) and max(one.noise for one in found) < _DOUBTFUL:
        outputs = measured()
        found = [_difference(one) for one in outputs]
    beyond = [one for one in found if one.first_step is not None]
    judged = float(np.mean([one.known[one.mask].mean() if one.mask.any() else 1.0 for one in outputs]))
    if beyond:
        first = min(beyond, key=lambda one: (one.first_step, -one.noise))
        return Comparison(DIVERGE, said_of(first), tuple(found), judged=judged)
    if judged < 1:
        reason = f"rounding alone decides some steps of the outputs: {judged:.0%} of the steps were judged"
        return Comparison(CHAOTIC, reason, tuple(found), judged=judged)
    return Comparison(AGREE, "", tuple(found))


def _difference(one: Output) -> Difference:
    difference, units = one.in_noise
    return difference_of(one.name, "hidden" if "hidden" in one.name else "cell", difference, units)
