"""Constructor arguments that mean the same in several frameworks."""

from collections.abc import Mapping
from typing import Any

from rnnparity.apis.api import Option, Since

Options = Mapping[str, Option]

OFF = Option(only=(False, 0, None))
BIASES = Option(biases=True)
ACTIVATION = Option("activation")
CELL_CLIP = Option("cell_clip", off=-1.0)
PEEPHOLES = Option(brings="peepholes")
TANH_OR_RELU = Option("activation", only=("tanh", "relu"))

FORGET_BIAS_1: Since[Mapping[str, Any]] = (((), {"forget_bias": 1.0}),)
"""The defaults of a cell that adds 1 to the forget gate at each step."""


def ignored(names: str) -> dict[str, Option]:
    """Options for the names of arguments that do not change the function."""
    return dict.fromkeys(names.split(), Option())
