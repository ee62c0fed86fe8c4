"""Findings on what was returned of a run whose states are right: one record for each, as in
:mod:`rnnparity.diagnosis.findings`.
"""

from dataclasses import dataclass
from typing import Any

from rnnparity.diagnosis.findings import Finding


@dataclass(frozen=True)
class DeadUnit(Finding):
    """The ``units`` of the outputs are zero at every step, the others are right."""

    units: tuple[int, ...]
    id = "dead-unit"

    @property
    def about(self) -> dict[str, Any]:
        """The details by their names in JSON."""
        return {"units": list(self.units)}


@dataclass(frozen=True)
class DeadRow(Finding):
    """The ``rows`` of the outputs are zero at every step, the others are right."""

    rows: tuple[int, ...]
    id = "dead-row"

    @property
    def about(self) -> dict[str, Any]:
        """The details by their names in JSON."""
        return {"rows": list(self.rows)}


@dataclass(frozen=True)
class ZeroedStep(Finding):
    """The ``steps`` of the outputs are zero, in all rows or in ``rows``; the others are right."""

    steps: tuple[int, ...]
    rows: tuple[int, ...] = ()
    id = "zeroed-step"

    @property
    def about(self) -> dict[str, Any]:
        """The details by their names in JSON."""
        return {"steps": list(self.steps)} | ({"rows": list(self.rows)} if self.rows else {})


@dataclass(frozen=True)
class OutputFunction(Finding):
    """The outputs go through ``function``, a name of :data:`~rnnparity.diagnosis.outputs.FUNCTIONS`.

    ``value`` is its constant, None if it has none. The states that the cell goes on with do not.
    """

    function: str
    value: float | None = None
    id = "output-function"

    @property
    def about(self) -> dict[str, Any]:
        """The details by their names in JSON."""
        return {"function": self.function} | ({} if self.value is None else {"value": self.value})
