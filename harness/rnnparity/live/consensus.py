"""Consensus: which of several apis, and of the reference, agree with each other, and which one does not."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from rnnparity.reference.noise import LIMIT, Array

REFERENCE = "the reference"


@dataclass(frozen=True)
class Consensus:
    """Groups of members that agree with each other, the largest group first.

    A member is the key of an api, or ``the reference``.
    """

    groups: tuple[tuple[str, ...], ...]

    @property
    def apart(self) -> tuple[str, ...]:
        """The members outside of the largest group; none if that group is no majority."""
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
    """Group the keys of apis, and the reference, by whether their hidden states agree.

    ``found`` has the residual ``[places]`` of each api: its difference from the reference *of its own
    equation*, in noise units. So apis with different equations can be compared. Two agree if their residuals
    do, up to the rounding errors of both. A residual with fewer places than the longest is left out.
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
