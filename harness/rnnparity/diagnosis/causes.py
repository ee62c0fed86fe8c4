"""The causes that a diagnosis can name, and the record of one that it found."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from rnnparity.diagnosis.actions import Remedy
from rnnparity.diagnosis.findings import UNKNOWN, Finding
from rnnparity.errors import InputError
from rnnparity.reference.network import DIRECTIONS

CONFIRMED, SUSPECT = "confirmed", "suspect"
"""The status of a cause: its change removes the difference, or only most of it."""

IDS = (
    "gate-order", "kernel-transposed", "concat-order", "bias-dropped", "bias-doubled", "bias-folded",
    "forget-bias", "forget-bias-after-sigmoid", "recurrent-activation", "activation", "output-activation",
    "coupled-gates", "peephole-dropped", "peephole-order", "peephole-previous", "cell-clip", "projection",
    "update-gate-inverted", "reset-gate", "initial-state", "state-carried", "direction", "batch-time-axes",
    "time-shift", "masking", "dropout", "dead-unit", "dead-row", "zeroed-step", "output-function",
    "precision", "parameter", "state-replaced", "bias-added", "bias-swapped", "pre-activation-clip",
    "quantised", "weights-differ", "unit-order", "row-order", "input-changed", "layers-swapped",
    "directions-swapped", "mixed-runs", "gradient-scaled", "gradient-path", "gradient-clip", "gradient-loss",
    UNKNOWN,
)  # fmt: skip
"""The ids of all causes. Users and reports rely on these names, so they do not change."""

_AND = " + "


@dataclass(frozen=True)
class Cause:
    """One cause: one finding, or several ``findings`` that explain a divergence together.

    ``before`` and ``after`` are the largest difference without and with the change, in noise units.
    ``equals`` are the ids of all causes that explain the data equally well, this one among them; it is empty
    if there are no others. ``remedy`` is what to do, as data for the api at hand. ``detail``, ``fix``,
    ``instead`` and ``note`` are sentences, which :mod:`rnnparity.diagnosis.explain` writes: what is
    different, the change to make and on which side, the same for what ran alone, and how to tell the equals
    apart. Of a network, ``cells`` are those that it is about, each by the numbers of its layer and direction.
    """

    findings: tuple[Finding, ...]
    status: str
    before: float
    after: float
    equals: tuple[str, ...] = ()
    remedy: Remedy = field(default_factory=Remedy)
    detail: str = ""
    fix: str = ""
    instead: str = ""
    note: str = ""
    cells: tuple[tuple[int, int], ...] = ()

    @property
    def id(self) -> str:
        """One of :data:`IDS`, or several of them with `` + `` between."""
        return joined(self.findings)

    @property
    def about(self) -> dict[str, Any]:
        """The details for a machine, such as the order of gates or the value of a constant."""
        details: dict[str, Any] = {}
        for finding in self.findings:
            for name, value in finding.about.items():
                both = isinstance(value, dict) and isinstance(details.get(name), dict)
                details[name] = {**details[name], **value} if both else value
        if self.cells:
            details["cells"] = [{"layer": k, "direction": DIRECTIONS[d]} for k, d in self.cells]
        return details


def joined(findings: Iterable[Finding]) -> str:
    """The ids of findings as the id of one cause."""
    return _AND.join(finding.id for finding in findings)


def single(id_: str) -> list[str]:
    """The single ids in an id, which may have several with `` + `` between."""
    return id_.split(_AND)


def check_id(id_: str) -> None:
    """Raise :class:`~rnnparity.errors.InputError`, with the nearest ids, for a text that is no id."""
    for one in single(id_):
        if one not in IDS:
            raise InputError(
                "cause", one, " or ".join(difflib.get_close_matches(one, IDS, 3)) or ", ".join(IDS)
            )


def ids(found: Iterable[Cause]) -> set[str]:
    """The single ids of all causes found, or ``unknown`` if there are none."""
    return {finding.id for cause in found for finding in cause.findings} or {UNKNOWN}
