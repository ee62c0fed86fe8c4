"""Findings on how a network is made of its cells, and on which of them a finding is about.

As in :mod:`rnnparity.diagnosis.findings`, whose base they share.
"""

from dataclasses import dataclass
from typing import Any

from rnnparity.diagnosis.findings import UNKNOWN, Finding


@dataclass(frozen=True)
class LayersSwapped(Finding):
    """Two ``layers`` have each other's weights."""

    layers: tuple[int, int]
    id = "layers-swapped"

    @property
    def about(self) -> dict[str, Any]:
        """The details by their names in JSON."""
        return {"layers": list(self.layers)}


@dataclass(frozen=True)
class DirectionsSwapped(Finding):
    """The two directions of a layer have each other's weights."""

    id = "directions-swapped"


@dataclass(frozen=True)
class StatesSwapped(Finding):
    """The initial states of the cells stand in another ``order``."""

    order: tuple[int, ...]
    id = "initial-state"

    @property
    def about(self) -> dict[str, Any]:
        """The details by their names in JSON."""
        return {"order": list(self.order)}


@dataclass(frozen=True)
class Merged(Finding):
    """The outputs of two directions are merged as ``merge`` says."""

    merge: str
    id = "direction"


@dataclass(frozen=True)
class ReadsForward(Finding):
    """A backward direction reads its inputs from the first step to the last."""

    id = "direction"


@dataclass(frozen=True)
class UnknownInside(Finding):
    """A difference that no hypothesis explains, in layers of which nothing between was observed.

    ``first_step`` is the first step of the outputs at which it shows.
    """

    first_step: int | None
    id = UNKNOWN
