"""Cases of random sizes."""

from typing import NamedTuple

import numpy as np

from rnnparity.reference.case import MAX_SEED, Case, make_case


class Ranges(NamedTuple):
    """From where to where the sizes of drawn cases go, and how loud their weights are, all log-uniform;
    and the forget biases that they may have.
    """

    batch: tuple[int, int]
    steps: tuple[int, int]
    input_size: tuple[int, int]
    units: tuple[int, int]
    scale: tuple[float, float]
    forget_biases: tuple[float, ...]


USUAL = Ranges((3, 8), (7, 300), (4, 64), (3, 128), (1, 6), (1,))
"""Where mistakes are planted."""

WIDE = Ranges((1, 64), (1, 100_000), (1, 512), (1, 2048), (0.03, 20), (0, 1, 5))
"""Where nothing may be accused."""

EFFORT = 1e8
"""Products that a drawn case may take, a step counting for 200,000 at least: about 0.1 s."""


def draw(random: np.random.RandomState, ranges: Ranges, effort: float = EFFORT) -> Case:
    """A case of random sizes within ``ranges``; sizes that take more than ``effort`` are drawn again."""

    def between(lowest: float, highest: float) -> float:
        return float(np.exp(random.uniform(np.log(lowest), np.log(highest))))

    while True:
        batch, steps, input_size, units = (int(between(low, high + 0.99)) for low, high in ranges[:4])
        if steps * (batch * (input_size + units) * 4 * units + 2e5) <= effort:
            return make_case(
                int(random.randint(MAX_SEED, dtype=np.uint32)),
                batch=batch,
                steps=steps,
                input_size=input_size,
                units=units,
                scale=between(*ranges.scale),
                forget_bias=float(random.choice(ranges.forget_biases)),
            )
