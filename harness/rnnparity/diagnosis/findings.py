"""What may be different, as data: one small record for each kind of difference.

A record says which cause of the vocabulary it is (``id``), and gives the details under the names that they
have in JSON (``about``). What a person reads is written from it in :mod:`rnnparity.diagnosis.sentences` and
:mod:`rnnparity.diagnosis.remedies`. Gates are canonical letters everywhere; ``tensors`` are letters too:
``x`` is the input kernel, ``h`` the recurrent kernel, ``b`` the bias.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

UNKNOWN = "unknown"

TENSORS = {
    "xhb": "kernels and bias", "xh": "kernels", "h": "recurrent kernel", "x": "input kernel", "b": "bias",
    "hb": "recurrent kernel and bias", "xb": "input kernel and bias",
}  # fmt: skip
"""Letters of tensors -> what they are called in JSON and in sentences."""
BOTH_KERNELS = "both kernels"
"""The kernels, where each of them is transposed by itself."""


class Finding:
    """The base of all: ``id`` is the cause, one of :data:`rnnparity.diagnosis.causes.IDS`."""

    id: str

    @property
    def about(self) -> dict[str, Any]:
        """The details for a machine, as JSON has them."""
        return dict(vars(self))


@dataclass(frozen=True)
class GateOrder(Finding):
    """Where a kind's gates belong, the ``tensors`` have those of ``order``."""

    tensors: str
    order: str
    id = "gate-order"

    @property
    def about(self) -> dict[str, Any]:
        return {"order": self.order, "tensors": TENSORS[self.tensors]}

    @property
    def is_permutation(self) -> bool:
        """Whether all tensors have the gates in one other order, each of them once."""
        return self.tensors == "xhb" and len(set(self.order)) == len(self.order)


@dataclass(frozen=True)
class GatesInterleaved(Finding):
    """Blocks of gates read as blocks of units (``by_unit``), or the other way round."""

    by_unit: bool
    id = "gate-order"

    @property
    def about(self) -> dict[str, Any]:
        return {"order": "interleaved", "tensors": TENSORS["xhb"]}


@dataclass(frozen=True)
class GateBorrowed(Finding):
    """A gate takes the product of another one with the input, its bias included: the GRU of Keras 2.0.1."""

    gate: str
    source: str
    order: str
    id = "gate-order"

    @property
    def about(self) -> dict[str, Any]:
        return {"order": self.order, "tensors": TENSORS["xb"]}


@dataclass(frozen=True)
class KernelTransposed(Finding):
    """``tensors`` (``x``, ``h`` or ``xh``) transposed in one of several ways, whole or in one ``gate``."""

    tensors: str
    how: str
    gate: str = ""
    id = "kernel-transposed"

    @property
    def about(self) -> dict[str, Any]:
        words = BOTH_KERNELS if self.tensors == "xh" else TENSORS[self.tensors]
        return {"tensor": words} | ({"gate": self.gate} if self.gate else {})


@dataclass(frozen=True)
class ConcatOrder(Finding):
    """Rows of the kernel taken as [h, x] instead of [x, h]."""

    id = "concat-order"


@dataclass(frozen=True)
class _BiasTimes(Finding):
    """How often the ``input`` bias and the ``recurrent`` bias count, of one ``gate`` or of all.

    Of a single stored bias both numbers are the same.
    """

    input: int
    recurrent: int
    gate: str = ""

    @property
    def about(self) -> dict[str, Any]:
        counts = {"input": self.input, "recurrent": self.recurrent}
        return counts | ({"gate": self.gate} if self.gate else {})


class BiasDropped(_BiasTimes):
    """Where one of the two, or both, do not count."""

    id = "bias-dropped"


class BiasDoubled(_BiasTimes):
    """Where one of the two, or both, count twice."""

    id = "bias-doubled"


@dataclass(frozen=True)
class BiasEverywhere(Finding):
    """One gate's bias added to every gate, its own too."""

    gate: str
    id = "bias-doubled"


@dataclass(frozen=True)
class BiasFolded(Finding):
    """A GRU's recurrent bias m moved to n, or the other way round."""

    source: str
    target: str
    id = "bias-folded"

    @property
    def about(self) -> dict[str, Any]:
        return {"from": self.source, "to": self.target}


@dataclass(frozen=True)
class KernelUnused(Finding):
    """One of the two kernels counts as zero."""

    tensors: str
    id = "parameter"

    @property
    def about(self) -> dict[str, Any]:
        return {"tensor": TENSORS[self.tensors], "size": 0}


@dataclass(frozen=True)
class PeepholesDropped(Finding):
    """The peepholes count as zero."""

    id = "peephole-dropped"


@dataclass(frozen=True)
class PeepholeOrder(Finding):
    """Where the peepholes i, f, o belong, there are those of ``order``."""

    order: str
    id = "peephole-order"


@dataclass(frozen=True)
class Projection(Finding):
    """The projection ``missing`` or ``transposed``."""

    projection: str
    id = "projection"


@dataclass(frozen=True)
class OtherEquation(Finding):
    """The ``fields`` of the equation have other values; ``value`` is a constant that was estimated."""

    id: str
    fields: Mapping[str, Any]
    value: float | None = None

    @property
    def about(self) -> dict[str, Any]:
        value = {} if self.value is None else {"value": self.value}
        return {"equation": dict(self.fields), **value}


@dataclass(frozen=True)
class InitialState(Finding):
    """What stood in place of each initial state: ``given``, ``zero``, ``swapped``, or ``kept`` throughout."""

    hidden: str
    cell: str
    id = "initial-state"


@dataclass(frozen=True)
class StateCarried(Finding):
    """The ``hidden`` state, the ``cell`` state or both were those after an earlier call."""

    hidden: bool
    cell: bool
    id = "state-carried"


@dataclass(frozen=True)
class Direction(Finding):
    """The sequence of ``inputs`` reversed, that of ``outputs``, or both."""

    inputs: bool
    outputs: bool
    id = "direction"

    @property
    def about(self) -> dict[str, Any]:
        return {name: "reversed" for name, reversed_ in vars(self).items() if reversed_}


@dataclass(frozen=True)
class BatchTimeAxes(Finding):
    """[B, T] read as [T, B], or reshaped to it, from ``given`` or ``zero`` states."""

    reshaped: bool
    states: str
    id = "batch-time-axes"


@dataclass(frozen=True)
class TimeShift(Finding):
    """The trajectory is late by ``steps``, or early where that is negative."""

    steps: int
    id = "time-shift"


@dataclass(frozen=True)
class Masking(Finding):
    """Steps past ``lengths`` are ``zeroed``, ``held``, ``computed`` or none of these, where ``usual`` is what
    the api does (empty if no lengths were known).
    """

    steps: str
    lengths: tuple[int, ...] = ()
    usual: str = ""
    id = "masking"

    @property
    def about(self) -> dict[str, Any]:
        return {"steps": self.steps} if self.usual else {"lengths": list(self.lengths), "steps": self.steps}


@dataclass(frozen=True)
class Dropout(Finding):
    """A share of the outputs is ``zero``, the others are ``ratio`` times too large."""

    zero: float
    ratio: float
    id = "dropout"

    @property
    def about(self) -> dict[str, Any]:
        return {"rate": round(1 - 1 / self.ratio, 4) if self.ratio > 1 else self.zero}


@dataclass(frozen=True)
class Precision(Finding):
    """Another arithmetic, a name of :data:`rnnparity.reference.noise.ARITHMETICS`."""

    arithmetic: str
    id = "precision"


@dataclass(frozen=True)
class Parameter(Finding):
    """One parameter is larger by ``change``: of the tensor ``x``, ``h`` or ``b``, at its ``row`` (none of a
    bias).
    """

    tensor: str
    gate: str
    unit: int
    change: float
    row: int | None = None
    id = "parameter"

    @property
    def about(self) -> dict[str, Any]:
        place = {} if self.row is None else {"row": self.row}
        return {
            "tensor": TENSORS[self.tensor], "gate": self.gate, "unit": self.unit, "change": self.change,
            **place,
        }  # fmt: skip


@dataclass(frozen=True)
class Block(Finding):
    """One gate's part of the tensor ``x``, ``h`` or ``b`` is larger by ``change`` ``[rows, U]``."""

    tensor: str
    gate: str
    change: np.ndarray = field(compare=False)
    id = "parameter"

    @property
    def about(self) -> dict[str, Any]:
        return {"tensor": TENSORS[self.tensor], "gate": self.gate, "change": self.change.tolist()}


@dataclass(frozen=True)
class Unknown(Finding):
    """What is known of a difference that nothing explains: the ``first_step`` beyond the noise (None if only
    all elements together are), how many of the ``batch`` rows, which of the ``width`` units err by
    themselves, and the ``gate`` that has most of it where every state was observed.
    """

    first_step: int | None
    rows: int = 0
    batch: int = 0
    units: tuple[int, ...] = ()
    width: int = 0
    gate: str = ""
    id = UNKNOWN
