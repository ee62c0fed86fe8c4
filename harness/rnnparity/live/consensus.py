"""Who is wrong: of several apis and the reference, which one stands apart."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from rnnparity.reference.noise import LIMIT, Array

REFERENCE = "the reference"


@dataclass(frozen=True)
class Consensus:
    """Those that agree with each other, and each other group, the largest group first.

    Members are api keys and ``the reference``.
    """

    groups: tuple[tuple[str, ...], ...]

    @property
    def apart(self) -> tuple[str, ...]:
        """Who is outside of the largest group; nobody if that is no majority, and so decides nothing."""
        members = sum(map(len, self.groups))
        if members < 3 or len(self.groups[0]) * 2 <= members:
            return ()
        return tuple(member for group in self.groups[1:] for member in group)

    def __str__(self) -> str:
        if len(self.groups) == 1:
            return ""
        if not self.apart:
            return "No majority: " + "; ".join(" = ".join(group) for group in self.groups)
        others = len(self.groups[0])
        verb = "stands apart" if len(self.apart) == 1 else "stand apart"
        return f"{', '.join(self.apart)} {verb}: the other {others} agree with each other."


def consensus(found: Mapping[str, Array]) -> Consensus:
    """Group api keys, and the reference, by whether their hidden states agree.

    ``found`` has the residual of each, ``[places]`` in noise units and from the reference *of its own
    equation*, so apis with different equations can be compared: two agree if they err alike. Two runs differ
    by two rounding errors. A residual of other places than the most has no voice.
    """
    size = max(map(len, found.values()), default=0)
    residuals = {REFERENCE: np.zeros(size)} | {
        key: residual for key, residual in found.items() if len(residual) == size
    }
    groups: list[list[str]] = []
    for key, residual in residuals.items():
        for group in groups:
            if np.all(np.abs(residual - residuals[group[0]]) <= np.sqrt(2) * LIMIT):
                group.append(key)
                break
        else:
            groups.append([key])
    return Consensus(tuple(tuple(group) for group in sorted(groups, key=len, reverse=True)))
