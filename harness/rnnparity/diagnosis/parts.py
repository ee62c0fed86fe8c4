"""Parts of a setting: the first steps of a long trajectory, the weights of a few units of a large cell."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from rnnparity.diagnosis.causes import Cause
from rnnparity.diagnosis.kinds import kind_of
from rnnparity.diagnosis.teacher_forcing import Setting, Units
from rnnparity.reference.case import Case
from rnnparity_adapters.adapter import CELL, HIDDEN, STEPPED_HIDDEN
from rnnparity_adapters.equation import Equation
from rnnparity_adapters.layout import Weights


def first_steps(setting: Setting, steps: int, rows: int | None = None) -> Setting:
    """The setting, cut to its first ``steps`` steps and ``rows`` batch rows, all unless given."""
    case, place = setting.case, np.s_[:rows, :steps]
    if steps >= case.steps and (rows is None or rows >= case.batch):
        return setting
    shorter = replace(
        case,
        inputs=case.inputs[place],
        initial_hidden=case.initial_hidden[:rows],
        initial_cell=case.initial_cell[:rows],
    )
    return replace(
        setting,
        case=shorter,
        hidden=setting.hidden[place],
        cell=None if setting.cell is None else setting.cell[place],
        mask=None if setting.mask is None else setting.mask[place],
        away=None if setting.away is None else setting.away[place],
    )


class Part(NamedTuple):
    """A ``case`` of a few steps of a long run from ``start`` on, and the states ``[B, t, ...]`` observed."""

    case: Case
    observed: dict[str, np.ndarray]
    start: int


_AROUND = 512, 1536
"""Of a long run the steps so far before and after the first one beyond the limit are looked at. A search
beyond some thousand steps looks at parts anyway.
"""


def around(
    case: Case, observed: Mapping[str, np.ndarray], first: int | None, start: int, cell: np.ndarray
) -> Part:
    """The steps around the ``first`` one beyond the limit, of a piece that begins at step ``start``.

    ``observed`` has the piece's states ``[B, t, ...]``, and ``cell`` ``[B, t, U]`` is to be taken where there
    is no cell state among them. Without a first step the part is the piece's beginning.
    """
    within = start if first is None else first
    begin = max(0, within - start - _AROUND[0])
    now = np.s_[:, begin : within - start + _AROUND[1]]
    shorter = replace(case, inputs=case.inputs[now].copy())
    if begin:
        hidden, known = observed.get(STEPPED_HIDDEN, observed[HIDDEN]), observed.get(CELL, cell)
        before = [states[:, begin - 1].astype(case.dtype) for states in (hidden, known)]
        shorter = replace(shorter, initial_hidden=before[0], initial_cell=before[1])
    states = {name: observed[name][now].copy() for name in (HIDDEN, CELL, STEPPED_HIDDEN) if name in observed}
    return Part(shorter, states, start + begin)


def counted_from(causes: Iterable[Cause], start: int) -> list[Cause]:
    """The causes of a part that begins at step ``start``: their steps are counted from there."""
    said = (
        f"steps are counted from step {start} on, where the part begins that was looked at" if start else ""
    )
    return [replace(cause, note="; ".join(filter(None, (cause.note, said)))) for cause in causes]


def has_parts(setting: Setting, equation: Equation) -> bool:
    """Whether a unit's next states follow from its own weights, as ``equation`` has it, and all states."""
    return setting.case.projection is None and kind_of(setting).forced.is_by_unit(equation)


def of_units(setting: Setting, units: Units) -> Setting:
    """The setting with the weights of ``units`` ``[units]`` only: a kernel ``[I+U, G units]``.

    The trajectory remains that of all units, because each of them multiplies it. So does the initial state.
    """
    case = setting.case

    def few(array: np.ndarray) -> np.ndarray:
        blocks = array.reshape(*array.shape[:-1], -1, case.units)[..., units]
        return blocks.reshape(*array.shape[:-1], -1)

    weights = Weights(*(few(np.asarray(array)) for array in case.weights))
    peepholes = None if case.peepholes is None else case.peepholes[:, units]
    shares = tuple(few(share) for share in setting.shares)
    return replace(
        setting, case=replace(case, weights=weights, peepholes=peepholes), shares=shares, units=units
    )
