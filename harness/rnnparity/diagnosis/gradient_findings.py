"""Findings on gradients, whose trajectory is right: what they lack, or have too much of.

As in :mod:`rnnparity.diagnosis.findings`, whose base they share. Gradients are named by what they are by, as
in :mod:`rnnparity.judge.gradients`.
"""

from dataclasses import dataclass
from typing import Any

from rnnparity.diagnosis.findings import UNKNOWN, Finding


@dataclass(frozen=True)
class GradientScaled(Finding):
    """The gradients by some ``tensors``, of all gates or of one ``gate``, are ``factor`` times too large.

    A factor of 0 says that they are missing. ``whole`` says that they are all gradients that there are.
    """

    tensors: tuple[str, ...]
    gate: str
    factor: float
    whole: bool = False
    id = "gradient-scaled"

    @property
    def about(self) -> dict[str, Any]:
        """The details by their names in JSON."""
        gate = {"gate": self.gate} if self.gate else {}
        return {"tensors": list(self.tensors), "factor": self.factor, **gate}


@dataclass(frozen=True)
class GradientsReordered(Finding):
    """In the gradients by some ``tensors`` stand those of ``order`` in the places of the ``gates``."""

    tensors: tuple[str, ...]
    gates: str
    order: str
    id = "gate-order"

    @property
    def about(self) -> dict[str, Any]:
        """The details by their names in JSON."""
        return {"tensors": list(self.tensors), "order": self.order}


@dataclass(frozen=True)
class PathCut(Finding):
    """What is passed back from a step to the one before it lacks the gradient by a ``state``, or by all.

    ``step`` is the only one that passes nothing back; None where no step does.
    """

    state: str = ""
    step: int | None = None
    id = "gradient-path"

    @property
    def about(self) -> dict[str, Any]:
        """The details by their names in JSON."""
        state = {"state": self.state} if self.state else {}
        return state if self.step is None else {**state, "step": self.step}


@dataclass(frozen=True)
class ThroughClip(Finding):
    """The gradient goes through a clipped cell state as if it were not clipped.

    TensorFlow's block cells do so:
    https://github.com/tensorflow/tensorflow/blob/v1.15.5/tensorflow/python/ops/rnn_grad.py
    """

    id = "gradient-clip"


@dataclass(frozen=True)
class LastStepAlone(Finding):
    """Only the hidden state of the last step is in the loss."""

    id = "gradient-loss"


@dataclass(frozen=True)
class GradientUnknown(Finding):
    """No other finding explains the gradients by these ``tensors``."""

    tensors: tuple[str, ...]
    gates: str
    id = UNKNOWN

    @property
    def about(self) -> dict[str, Any]:
        """The details by their names in JSON."""
        return {"tensors": list(self.tensors), "gates": list(self.gates)}
