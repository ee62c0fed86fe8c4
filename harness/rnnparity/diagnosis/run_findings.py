"""Further findings on how a cell was run: its states, its padding, its inputs, its rows.

As in :mod:`rnnparity.diagnosis.findings`, whose base they share.
"""

from dataclasses import dataclass
from typing import Any

from rnnparity.diagnosis.findings import Finding

KEPT, ZERO, GIVEN, SWAPPED = "kept", "zero", "given", "swapped"
OTHER_ROW, LAST, NONE = "another row's", "a row's last one", "none of these"
"""What a state may have been replaced by."""


@dataclass(frozen=True)
class StateReplaced(Finding):
    """The state before these ``steps`` of these ``rows`` (of ``batch``) is not the one before.

    ``by`` names what was there instead, and ``hidden`` and ``cell`` say which of the two was replaced. Every
    other step agrees from its own observed state.

    States kept between calls: https://github.com/tensorflow/tensorflow/issues/47813
    """

    steps: tuple[int, ...]
    rows: tuple[int, ...]
    batch: int
    by: str
    hidden: bool = True
    cell: bool = True
    id = "state-replaced"

    @property
    def about(self) -> dict[str, Any]:
        """The details by their names in JSON."""
        return {
            "steps": list(self.steps), "rows": list(self.rows), "by": self.by,
            "hidden": self.hidden, "cell": self.cell,
        }  # fmt: skip


@dataclass(frozen=True)
class StateDropout(Finding):
    """Of the hidden states ``zero`` are zero on their way into the gates, others ``ratio`` times as large.

    Keras' ``recurrent_dropout``: https://keras.io/api/layers/recurrent_layers/lstm/
    """

    zero: float
    ratio: float
    id = "dropout"

    @property
    def about(self) -> dict[str, Any]:
        """The details by their names in JSON."""
        return {"rate": round(self.zero, 4), "of": "hidden states into the gates"}


@dataclass(frozen=True)
class MixedRuns(Finding):
    """Hidden and cell states are of different runs. The ``right`` ones, ``hidden`` or ``cell``, agree alone.

    The others may also have been changed afterwards, which nothing but their run would tell. A layer's hidden
    states and the cell states of the same cell, run step by step, may be such a pair.
    """

    right: str
    id = "mixed-runs"


@dataclass(frozen=True)
class PaddingFirst(Finding):
    """A run begins with the steps past the lengths, as a backward one over whole rows does.

    https://github.com/apache/mxnet/issues/19323
    """

    id = "masking"

    @property
    def about(self) -> dict[str, Any]:
        """The details by their names in JSON."""
        return {"steps": "computed", "where": "first"}


@dataclass(frozen=True)
class MaskUnused(Finding):
    """Every step counts, as if there were no mask.

    Keras 3 drops the mask of a Masking layer where an initial state is passed.
    """

    id = "masking"

    @property
    def about(self) -> dict[str, Any]:
        """The details by their names in JSON."""
        return {"steps": "computed", "where": "everywhere"}


@dataclass(frozen=True)
class EmptyRows(Finding):
    """The last states of a row of no steps are not its initial ones: ``zero``, or others.

    onnxruntime returns zeros, flax.linen.RNN what it has computed at the end of the padding.
    """

    zero: bool
    id = "masking"

    @property
    def about(self) -> dict[str, Any]:
        """The details by their names in JSON."""
        return {"steps": "zeroed" if self.zero else "computed", "where": "rows of no steps"}


@dataclass(frozen=True)
class InputChanged(Finding):
    """The inputs were others than recorded: ``what`` became of them.

    ``features`` are those that are missing, or the order in which they stand. ``value`` is a factor, a shift
    or a rate.
    """

    what: str
    features: tuple[int, ...] = ()
    value: float | None = None
    id = "input-changed"

    @property
    def about(self) -> dict[str, Any]:
        """The details by their names in JSON."""
        features = {"features": list(self.features)} if self.features else {}
        value = {} if self.value is None else {"value": self.value}
        return {"inputs": self.what, **features, **value}


@dataclass(frozen=True)
class RowOrder(Finding):
    """Each row has the run of another one, ``rows`` ``[B]``; or its inputs alone, if not ``whole``."""

    rows: tuple[int, ...]
    whole: bool = True
    id = "row-order"

    @property
    def about(self) -> dict[str, Any]:
        """The details by their names in JSON."""
        return {"rows": list(self.rows), "of": "runs" if self.whole else "inputs"}
