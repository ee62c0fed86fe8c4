"""Parts of a setting: the first steps of a long trajectory, the weights of a few units of a large cell."""

from dataclasses import replace

import numpy as np

from rnnparity.diagnosis.kinds import kind_of
from rnnparity.diagnosis.teacher_forcing import Setting, Units
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
