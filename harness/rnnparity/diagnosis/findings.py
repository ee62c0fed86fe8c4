"""Findings: one small record for each kind of difference between an api and its reference.

A finding says which cause it is (``id``), and gives the details under their names in JSON (``about``). The
sentences for a person are written from it in :mod:`rnnparity.diagnosis.sentences` and
:mod:`rnnparity.diagnosis.remedies`. Gates are canonical letters. ``tensors`` are letters too: ``x`` is the
input kernel, ``h`` the recurrent kernel, ``b`` the bias.

The link in a docstring is a public report of that mistake.
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
"""Letters of tensors -> their names in JSON and in sentences."""
BOTH_KERNELS = "both kernels"
"""The name in JSON for both kernels where each is transposed by itself."""


class Finding:
    """The base of all findings. ``id`` is the cause, one of :data:`rnnparity.diagnosis.causes.IDS`."""

    id: str

    @property
    def about(self) -> dict[str, Any]:
        """The details by their names in JSON."""
        return dict(vars(self))


@dataclass(frozen=True)
class GateOrder(Finding):
    """In the places of a kind's gates the ``tensors`` have the gates of ``order``.

    Where the equation has a forget bias, it is added to the forget gate, or it went along with its block to
    another place (``forget_bias_too``): a converter may add it before it reorders, or after.

    https://github.com/apple/coremltools/pull/93
    """

    tensors: str
    order: str
    forget_bias_too: bool = False
    id = "gate-order"

    @property
    def about(self) -> dict[str, Any]:
        return {"order": self.order, "tensors": TENSORS[self.tensors]}

    @property
    def is_permutation(self) -> bool:
        """Whether all tensors have the same other order, with each gate once."""
        return self.tensors == "xhb" and self.keeps_all

    @property
    def keeps_all(self) -> bool:
        """Whether each gate is there once."""
        return len(set(self.order)) == len(self.order)


@dataclass(frozen=True)
class GatesInterleaved(Finding):
    """Blocks of gates are read as blocks of units (``by_unit``), or the other way round.

    Chainer's LSTM interleaves its gates:
    https://github.com/chainer/chainer/blob/v7.8.1/chainer/functions/rnn/lstm.py
    """

    by_unit: bool
    id = "gate-order"

    @property
    def about(self) -> dict[str, Any]:
        return {"order": "interleaved", "tensors": TENSORS["xhb"]}


@dataclass(frozen=True)
class GateBorrowed(Finding):
    """A gate uses another gate's product with the input, including that gate's bias.

    The GRU of Keras 2.0.1: https://github.com/keras-team/keras/pull/5888
    """

    gate: str
    source: str
    order: str
    id = "gate-order"

    @property
    def about(self) -> dict[str, Any]:
        return {"order": self.order, "tensors": TENSORS["xb"]}


@dataclass(frozen=True)
class KernelTransposed(Finding):
    """``tensors`` (``x``, ``h`` or ``xh``) are transposed, in all gates or in one ``gate``.

    ``how`` names the way, one of those in :mod:`rnnparity.diagnosis.weight_hypotheses`.

    https://github.com/keras-team/keras/pull/8307
    """

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
    """The rows of the kernel are taken as [h, x] instead of [x, h]."""

    id = "concat-order"


@dataclass(frozen=True)
class _BiasTimes(Finding):
    """How often the ``input`` bias and the ``recurrent`` bias are added, in one ``gate`` or in all.

    If only one bias is stored, both numbers are the same.
    """

    input: int
    recurrent: int
    gate: str = ""

    @property
    def about(self) -> dict[str, Any]:
        counts = {"input": self.input, "recurrent": self.recurrent}
        return counts | ({"gate": self.gate} if self.gate else {})


class BiasDropped(_BiasTimes):
    """One of the two biases, or both, are not added: https://github.com/PINTO0309/onnx2tf/pull/291."""

    id = "bias-dropped"


class BiasDoubled(_BiasTimes):
    """One of the two biases, or both, are added twice."""

    id = "bias-doubled"


@dataclass(frozen=True)
class BiasEverywhere(Finding):
    """One gate's bias is added to every gate, including its own."""

    gate: str
    id = "bias-doubled"


@dataclass(frozen=True)
class BiasFolded(Finding):
    """A GRU's recurrent bias m is added to n instead, or the other way round.

    https://github.com/apple/coremltools/issues/1124
    """

    source: str
    target: str
    id = "bias-folded"

    @property
    def about(self) -> dict[str, Any]:
        return {"from": self.source, "to": self.target}


@dataclass(frozen=True)
class KernelUnused(Finding):
    """One of the two kernels is not used, as if it were zero."""

    tensors: str
    id = "parameter"

    @property
    def about(self) -> dict[str, Any]:
        return {"tensor": TENSORS[self.tensors], "size": 0}


@dataclass(frozen=True)
class PeepholesDropped(Finding):
    """The peepholes are not used, as if they were zero."""

    id = "peephole-dropped"


@dataclass(frozen=True)
class PeepholeOrder(Finding):
    """In the places of the peepholes i, f, o stand those of ``order``.

    https://github.com/webmachinelearning/webnn-baseline/pull/81
    """

    order: str
    id = "peephole-order"


@dataclass(frozen=True)
class Projection(Finding):
    """The projection is ``missing`` or ``transposed``."""

    projection: str
    id = "projection"


@dataclass(frozen=True)
class OtherEquation(Finding):
    """The ``fields`` of the equation have other values.

    If there is a ``value``, it is an estimated constant: ``fitted`` is its name in
    :data:`rnnparity.diagnosis.fitted_constants.CONSTANTS`.
    """

    id: str
    fields: Mapping[str, Any]
    value: float | None = None
    fitted: str = ""

    @property
    def about(self) -> dict[str, Any]:
        value = {} if self.value is None else {"value": self.value}
        return {"equation": dict(self.fields), **value}


@dataclass(frozen=True)
class InitialState(Finding):
    """The states that were used as initial ones: ``given``, ``zero`` or ``swapped``.

    ``kept`` means that every step started from the initial state:
    https://github.com/tracel-ai/burn/issues/2701
    """

    hidden: str
    cell: str
    id = "initial-state"


@dataclass(frozen=True)
class StateCarried(Finding):
    """The initial ``hidden`` state, ``cell`` state or both were those after an earlier call.

    https://github.com/tensorflow/tensorflow/issues/47813
    """

    hidden: bool
    cell: bool
    id = "state-carried"


@dataclass(frozen=True)
class Direction(Finding):
    """The steps of the ``inputs``, of the ``outputs`` or of both are reversed.

    With ``padding`` whole rows are, and the steps past their lengths come first.

    https://github.com/apache/tvm/issues/15176
    """

    inputs: bool
    outputs: bool
    padding: bool = False
    id = "direction"

    @property
    def about(self) -> dict[str, Any]:
        which = {name: "reversed" for name in ("inputs", "outputs") if getattr(self, name)}
        return which | ({"padding": "first"} if self.padding else {})


@dataclass(frozen=True)
class BatchTimeAxes(Finding):
    """[B, T] is read as [T, B], or reshaped to it, starting from ``given`` or ``zero`` states.

    https://github.com/Tencent/ncnn/issues/3861
    """

    reshaped: bool
    states: str
    id = "batch-time-axes"


@dataclass(frozen=True)
class TimeShift(Finding):
    """The trajectory is late by ``steps``, or early if that is negative."""

    steps: int
    id = "time-shift"


@dataclass(frozen=True)
class Masking(Finding):
    """The steps past ``lengths`` ``[B]`` are ``zeroed``, ``held``, ``computed`` or none of these.

    ``usual`` is what the api should do, and empty if the lengths were only found in the data. Frameworks
    differ: https://github.com/tensorflow/tensorflow/issues/49241
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
    """The part ``zero`` of the outputs is zero, and the others are ``ratio`` times too large."""

    zero: float
    ratio: float
    id = "dropout"

    @property
    def about(self) -> dict[str, Any]:
        return {"rate": round(1 - 1 / self.ratio, 4) if self.ratio > 1 else self.zero}


@dataclass(frozen=True)
class Precision(Finding):
    """It was computed in another ``arithmetic``, a name of :data:`rnnparity.reference.noise.ARITHMETICS`.

    ``rounded`` says what was rounded to it: ``weights``, ``states``, the factors of ``products``,
    ``outputs`` (not the states), or ``everything``.

    Keras on PyTorch computes some float64 layers in float32: https://github.com/keras-team/keras/issues/23704
    """

    arithmetic: str
    rounded: str = "everything"
    id = "precision"


@dataclass(frozen=True)
class Parameter(Finding):
    """One parameter of the tensor ``x``, ``h`` or ``b`` is larger by ``change``. A bias has no ``row``."""

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
    """One gate's block of the tensor ``x``, ``h`` or ``b`` is larger by ``change`` ``[rows, U]``."""

    tensor: str
    gate: str
    change: np.ndarray = field(compare=False)
    id = "parameter"

    @property
    def about(self) -> dict[str, Any]:
        return {"tensor": TENSORS[self.tensor], "gate": self.gate, "change": self.change.tolist()}


@dataclass(frozen=True)
class Unknown(Finding):
    """A difference that no hypothesis explains, and where it is.

    ``first_step`` is the first step above the limit, or None if no single element is. ``rows`` of the
    ``batch`` rows are above it. ``units`` are those of the ``width`` units that have local errors above it.
    ``gate`` has the largest part of the local errors; it is empty where not every state was observed.
    ``numbers`` are the rows by number. ``record`` says what to record next: ``cell`` states where there are
    none, a ``longer`` run where this one is too short to solve the weights from it, or else other ``states``.

    Of a very long trajectory only the first ``searched`` steps were looked at, 0 if all were. With very many
    weights some hypotheses are ``untried``.
    """

    first_step: int | None
    rows: int = 0
    batch: int = 0
    units: tuple[int, ...] = ()
    width: int = 0
    gate: str = ""
    searched: int = 0
    untried: bool = False
    numbers: tuple[int, ...] = ()
    record: str = "states"
    id = UNKNOWN
