"""Further findings on the tensors of a cell: others altogether, permuted, rounded or not recorded.

As in :mod:`rnnparity.diagnosis.findings`, whose base they share.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rnnparity.diagnosis.findings import TENSORS, Finding

PEEPHOLES, PROJECTION = "peepholes", "projection"
"""The names in JSON of the tensors that only some cells have."""


@dataclass(frozen=True)
class WeightsDiffer(Finding):
    """The ``tensors`` are others: another seed, another checkpoint, some steps of training.

    ``relative`` is the RMS of the change beside that of the tensors. ``alike`` is the correlation of the
    kernels that were given and those that ran; None where it would tell nothing.
    """

    tensors: str
    relative: float
    alike: float | None = None
    id = "weights-differ"

    @property
    def about(self) -> dict[str, Any]:
        """The details by their names in JSON."""
        alike = {} if self.alike is None else {"correlation": self.alike}
        return {"tensors": TENSORS[self.tensors], "relative": self.relative, **alike}


@dataclass(frozen=True)
class BiasAdded(Finding):
    """A constant for each unit, ``change`` ``[U]``, is added to every gate's pre-activation."""

    change: np.ndarray = field(compare=False)
    id = "bias-added"

    @property
    def about(self) -> dict[str, Any]:
        """The details by their names in JSON."""
        return {"tensor": TENSORS["b"], "change": self.change.tolist()}


@dataclass(frozen=True)
class BiasSwapped(Finding):
    """A GRU's input and recurrent bias stand in each other's place."""

    id = "bias-swapped"

    @property
    def about(self) -> dict[str, Any]:
        """The details by their names in JSON."""
        return {"tensors": ["input bias", "recurrent bias"]}


@dataclass(frozen=True)
class UnitOrder(Finding):
    """The hidden units of ``what`` stand in another ``order``: a tuple of units, or a way to permute them."""

    what: str
    order: str | tuple[int, ...]
    id = "unit-order"

    @property
    def about(self) -> dict[str, Any]:
        """The details by their names in JSON."""
        order = self.order if isinstance(self.order, str) else list(self.order)
        return {"tensors": self.what, "order": order}


@dataclass(frozen=True)
class Quantised(Finding):
    """The ``tensors`` are rounded to a grid of ``levels`` numbers, one grid for each ``group``."""

    tensors: str
    levels: int
    group: str
    id = "quantised"

    @property
    def about(self) -> dict[str, Any]:
        """The details by their names in JSON."""
        return {"tensors": TENSORS[self.tensors], "levels": self.levels, "grid": self.group}


@dataclass(frozen=True)
class ExtraParameter(Finding):
    """One number of the ``tensor``, peepholes or a projection, is larger by ``change``.

    ``gate`` is that of a peephole, ``row`` the unit that a projection's number multiplies.
    """

    tensor: str
    unit: int
    change: float
    gate: str = ""
    row: int | None = None
    id = "parameter"

    @property
    def about(self) -> dict[str, Any]:
        """The details by their names in JSON."""
        place = {"gate": self.gate} if self.gate else {"row": self.row}
        return {"tensor": self.tensor, "unit": self.unit, "change": self.change, **place}


@dataclass(frozen=True)
class PeepholesUnrecorded(Finding):
    """The cell has peepholes ``values`` ``[3, U]`` that the recording has not."""

    values: np.ndarray = field(compare=False)
    id = "peephole-dropped"

    @property
    def about(self) -> dict[str, Any]:
        """The details by their names in JSON."""
        return {"recorded": False, "values": self.values.tolist()}
