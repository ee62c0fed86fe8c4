"""Recordings, by any api, of runs with a planted mistake."""

import zlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import rnnparity
from rnnparity import Api
from rnnparity.apis.catalogue import APIS
from rnnparity.selftest import plain_cells
from rnnparity.selftest.planted_mistakes import FORGET_BIAS, MISTAKES, STATE, TWO_BIASES, M, Mistake, Planted
from rnnparity.selftest.planted_weights import split
from rnnparity_adapters.equation import Equation
from rnnparity_adapters.kinds import KINDS
from rnnparity_adapters.layout import LayoutError, held
from support.writer import Arrays, expressed, written

SMALL = {"batch": 3, "steps": 8, "input_size": 5, "units": 6}


@dataclass(frozen=True, eq=False)
class PlantedRecording:
    """The ``arrays`` of a recording by ``api``, of a run with a ``mistake``.

    ``made`` is the case as claimed and what was observed, ``drawn`` the seed of what the mistake drew.
    """

    api: Api
    mistake: Mistake
    made: Planted
    arrays: Arrays
    drawn: int


def forget_bias_of(equation: Equation) -> float | None:
    """The forget bias to draw a case with; None where the cell has no forget gate."""
    return equation.forget_bias if "f" in KINDS[equation.cell].gates else None


def planted_recording(api: str, mistake: str, seed: int, sizes: dict[str, Any]) -> PlantedRecording | None:
    """Half of them start from a zero state, and half have the hidden state alone.

    None where the api cannot express what the mistake claims, or has nothing of the kind.
    """
    random = np.random.RandomState((seed * 7919 + zlib.crc32(f"{api} {mistake}".encode())) % 2**32)
    known, planted = APIS[api], MISTAKES[mistake]
    equation = known.equation({})
    if known.layout.cell not in planted.cells:
        return None
    case = rnnparity.make_case(seed, cell=equation.cell, forget_bias=forget_bias_of(equation), **sizes)
    case = replace(case, equation=equation)
    if random.rand() < 0.5 and STATE not in planted.needs:
        case = replace(case, initial_hidden=0 * case.initial_hidden, initial_cell=0 * case.initial_cell)
    layout = known.layout_for(equation)
    two = bool(layout.recurrent_biases)
    m = any("m" in tensor.gates for tensor in layout.biases)
    has = {STATE: True, FORGET_BIAS: equation.forget_bias != 0, TWO_BIASES: two, M: m}
    if not all(has[need] for need in planted.needs):
        return None
    case = replace(case, weights=held(layout, case.weights))
    hidden_only = random.rand() < 0.5
    drawn = int(random.randint(2**31))
    made = planted.plant(case, np.random.RandomState(drawn), split(case, two))
    if np.array_equal(made.observed.hidden, plain_cells.run(made.case).hidden):
        return None  # what is a mistake elsewhere is what this api computes
    arrays = _arrays(known, made, hidden_only)
    return None if arrays is None else PlantedRecording(known, planted, made, arrays, drawn)


def _arrays(api: Api, made: Planted, hidden_only: bool) -> Arrays | None:
    """The arrays of a recording by ``api``; None where it cannot express the equation or the weights."""
    case = made.case
    layout, options = api.layout_for(case.equation), expressed(api, case.equation)
    extras = ((case.peepholes, layout.peepholes), (case.projection, layout.projection))
    if options is None or any(values is not None and not tensors for values, tensors in extras):
        return None
    try:
        return written(api, case, made.observed.hidden, None if hidden_only else made.observed.cell, options)
    except LayoutError:
        return None
