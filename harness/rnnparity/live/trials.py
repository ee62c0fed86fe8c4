"""Many cases of the same sizes, one for each of as many seeds, if they and their results fit into memory."""

from typing import Any

import psutil

from rnnparity.errors import InputError
from rnnparity.reference.case import MAX_SEED, Case
from rnnparity.reference.network_case import PLAIN, NetworkCase, NetworkForm, draw

_RUN_BYTES = 2**17
_STEP_BYTES = 64
"""What is kept of a run, whose curves have a number for each step: measured, and rounded up."""


def make_cases(
    seed: int, trials: int, rows: int, form: NetworkForm = PLAIN, **drawn: Any
) -> list[Case | NetworkCase]:
    """The cases of ``seed``, ``seed + 1``, ... for a run of ``rows`` rows, in a ``form``, drawn as
    :func:`~rnnparity.reference.case.make_case` does.

    Raises :class:`~rnnparity.errors.InputError` as that does, and for more trials than there are seeds, or
    than fit into the memory that is available.
    """
    first = draw(seed, form, **drawn)
    if trials > MAX_SEED - seed + 1:
        raise InputError("trials", trials, f"at most {MAX_SEED - seed + 1}: seeds end at {MAX_SEED}")
    cells = [first] if isinstance(first, Case) else first.cells
    states = (state for one in cells for state in (*one.weights, one.initial_hidden, one.initial_cell))
    arrays = (first.inputs, *states)
    result = 2 * rows * (_RUN_BYTES + _STEP_BYTES * first.steps)
    needed = trials * (sum(array.nbytes for array in arrays) + result)
    available = psutil.virtual_memory().available
    if trials > 1 and needed > available:
        given = f"{trials}, which need about {needed / 2**30:.1f} GiB"
        raise InputError(
            "trials", given, f"so many that they fit into the {available / 2**30:.1f} GiB available"
        )
    return [first, *(draw(seed + trial, form, **drawn) for trial in range(1, trials))]
