"""What a worker is asked: one case, with the framework's own tensors and options."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rnnparity.apis.api import Target
from rnnparity.live.fitting import given, native
from rnnparity.reference.case import Case
from rnnparity_adapters import wire, worker
from rnnparity_adapters.wire import Frame

_STATES = 4
"""How many states ``[B, T, U]`` or smaller an adapter returns of a cell's run, at most."""
_LEEWAY = 2
"""An answer may be this much larger than the arrays of both runs in float64: what is wrong with it is then
said of its arrays. It would be copied more than once, so there is a limit.
"""


def of_case(target: Target, case: Case, directions: Sequence[str] = worker.DIRECTIONS) -> Frame:
    """The request for one fitted case."""
    width = case.initial_hidden.shape[1]
    setup = {
        "name": target.name, "batch": case.batch, "steps": case.steps, "input_size": case.input_size,
        "units": case.units, "dtype": case.dtype, "options": target.given(case.equation, width),
        "cell": case.equation.cell, "width": width,
    }  # fmt: skip
    return of(target.live.adapter, target, case.seed, setup, native(target, case), given(case), directions)


def of(
    adapter: str,
    target: Target,
    seed: int,
    setup: Mapping[str, Any],
    tensors: Mapping[str, np.ndarray],
    arrays: Mapping[str, np.ndarray],
    directions: Sequence[str] = worker.DIRECTIONS,
) -> Frame:
    """The request for an object of a ``setup``: native ``tensors`` and the ``arrays`` of a case, ``[...]``.

    ``adapter`` is the path of its class. The ``directions`` of parity are to be run one after the other.
    """
    cells = setup.get("layers", 1) * setup.get("directions", 1)
    states = cells * setup["batch"] * (setup["steps"] + 1) * setup["units"]
    sizes = sum(tensor.size for tensor in tensors.values())
    gradients = sizes + arrays["inputs"].size + 2 * states if worker.COTANGENT in arrays else 0
    message = {
        "adapter": adapter, "package": target.live.package, "seed": seed, "directions": list(directions),
        "largest": _LEEWAY * 8 * (2 * _STATES * states + 2 * sizes + gradients), "setup": dict(setup),
    }  # fmt: skip
    return Frame(message, {**wire.prefixed("weights", dict(tensors)), **arrays})
