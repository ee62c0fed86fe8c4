"""The vocabulary of a diagnosis: which causes there are, and what is said of one."""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rnnparity.errors import InputError

CONFIRMED, SUSPECT = "confirmed", "suspect"
UNKNOWN = "unknown"

IDS = (
    "gate-order", "kernel-transposed", "concat-order", "bias-dropped", "bias-doubled", "bias-folded",
    "forget-bias", "forget-bias-after-sigmoid", "recurrent-activation", "activation", "output-activation",
    "coupled-gates", "peephole-dropped", "peephole-order", "peephole-previous", "cell-clip", "projection",
    "update-gate-inverted", "reset-gate", "initial-state", "state-carried", "direction", "batch-time-axes",
    "time-shift", "masking", "dropout", "precision", "parameter", UNKNOWN,
)  # fmt: skip
"""What is different. These names stay."""

_AND = " + "


@dataclass(frozen=True)
class Cause:
    """One cause. ``id`` is one of :data:`IDS`, or two of them with `` + `` between.

    ``before`` and ``after`` are the largest difference without and with the change, in noise. ``about`` has
    the details for a machine, such as the order of gates or the value of a constant, and ``fix`` the change
    to make, where the api is known. ``note`` says what else would explain the same.
    """

    id: str
    detail: str
    status: str
    before: float
    after: float
    about: Mapping[str, Any] = field(default_factory=dict)
    fix: str = ""
    note: str = ""


def single(id_: str) -> list[str]:
    """The ids of which an id is made: one, or two."""
    return id_.split(_AND)


def check_id(id_: str) -> None:
    """Raise :class:`~rnnparity.errors.InputError`, with the nearest names, for what is no id of a cause."""
    for one in single(id_):
        if one not in IDS:
            raise InputError(
                "cause", one, " or ".join(difflib.get_close_matches(one, IDS, 3)) or ", ".join(IDS)
            )


def ids(found: Iterable[Cause]) -> set[str]:
    """The single ids of what was found; ``unknown`` where nothing was."""
    return {one for cause in found for one in single(cause.id)} or {UNKNOWN}
