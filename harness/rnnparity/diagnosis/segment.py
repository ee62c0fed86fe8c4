"""Layers that were run together, so that only what came out of them was observed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnnparity.diagnosis.teacher_forcing import Setting
from rnnparity.judge.compare_outputs import Output, compare_outputs
from rnnparity.judge.comparison import Comparison
from rnnparity.reference import network
from rnnparity.reference.network import Layer

Where = tuple[tuple[int, int], ...]
"""Cells of a network, each by the numbers of its layer and direction."""


@dataclass(frozen=True, eq=False)
class Segment:
    """Layers that were run together on ``inputs`` ``[B, T, I]``, and what was observed of them.

    ``mask`` ``[B, T]`` says which steps count. ``settings`` have, for each layer and direction, the case and
    the biases as they are stored; their trajectories are not known. ``first`` is the number of the first
    layer. ``outputs`` makes, of the layers as they ran, what is compared with what was observed.
    """

    layers: tuple[Layer, ...]
    settings: tuple[tuple[Setting, ...], ...]
    inputs: np.ndarray
    mask: NDArray[np.bool_]
    arithmetic: str
    outputs: Callable[[Sequence[network.LayerReference]], list[Output]]
    first: int = 0

    def judged(self, layers: Sequence[Layer]) -> tuple[Comparison, list[Output]]:
        """What was observed, compared with other ``layers`` than those of the recording."""
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            ran = network.run(layers, self.inputs, self.mask, self.arithmetic)
            outputs = self.outputs(ran)

            def measured() -> list[Output]:
                return self.outputs(network.ensemble(layers, ran, self.mask))

            return compare_outputs(outputs, measured), outputs
