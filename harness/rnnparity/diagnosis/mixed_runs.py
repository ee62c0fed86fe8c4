"""Find hidden and cell states that are not of the same run.

Where a layer returns hidden states alone, its cell states are recorded in a run of their own, step by step.
If that run had other inputs, states or weights, or is a chaotic one, no cell makes both. One of the two then
agrees by itself, and o act(c) is not h.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from rnnparity.diagnosis.forced_cells import TeacherForcedLstm
from rnnparity.diagnosis.hypothesis import Found
from rnnparity.diagnosis.kinds import in_full
from rnnparity.diagnosis.run_findings import MixedRuns
from rnnparity.diagnosis.teacher_forcing import Setting, counting
from rnnparity.reference.activations import functions
from rnnparity.reference.forward import Reference
from rnnparity.reference.noise import LIMIT, Array
from rnnparity_adapters.kinds import PEEPHOLES

_APART = 2.0**-10
"""How far h and o act(c) are apart, at least, where they are of different runs: no rounding does that."""
_STEPS = 3
"""Steps, of all rows together, at which they are so. A single one may have been changed afterwards."""


def right_hidden(setting: Setting, base: Reference) -> Iterator[Found]:
    """The hidden states ``[B, T, U]`` alone, which may be those of ``base`` where the cell states are not."""
    # Beyond a horizon only each step by itself can be judged, and not behind a projection.
    judged = setting.case.projection is None or int(base.horizon.min()) >= setting.case.steps
    if setting.cell is not None and judged and _are_apart(setting, setting.cell, base):
        yield Found(MixedRuns("hidden"), replace(setting, cell=None))


def right_cell(setting: Setting, base: Reference) -> Iterator[Found]:
    """The cell states ``[B, T, U]`` alone, where they are those of ``base`` and the hidden states are not."""
    if setting.cell is None or not _are_apart(setting, setting.cell, base):
        return
    if _is(setting, setting.cell, base.cell, base.cell_noise, base):
        yield Found(MixedRuns("cell"), replace(setting, hidden=base.hidden, cell=base.cell))


def _is(setting: Setting, observed: Array, expected: Array, noise: Array, base: Reference) -> bool:
    """Whether states ``[B, T, U]`` are the expected ones, as far as rounding does not decide them."""
    steps = np.arange(observed.shape[1])
    judged = counting(setting) & (steps < base.horizon[:, None])
    away = (np.abs(observed - expected) > LIMIT * noise).any(axis=2)
    return bool(judged.any() and not (away & judged).any())


def _are_apart(setting: Setting, cell: Array, base: Reference) -> bool:
    """Whether o act(c), with the observed c, is another state than the observed h."""
    case, forced = setting.case, in_full(setting)
    assert isinstance(forced, TeacherForcedLstm)
    gate, _, output, project = (each.function for each in functions(case.equation))
    z = forced.z[0, case.gates.index("o")]
    if case.peepholes is not None:
        start = case.initial_cell[:, None].astype(np.float64)
        before = np.concatenate([start, cell[:, :-1]], axis=1)
        seen = before if case.equation.output_peephole_previous else cell
        z = z + case.peepholes[PEEPHOLES.index("o")] * seen
    hidden = gate(z) * output(cell)
    if case.projection is not None:
        hidden = project(hidden @ case.projection)
    far = max(_APART, LIMIT * float(np.median(base.hidden_noise)))
    apart = (np.abs(hidden - setting.hidden) > far).any(axis=2) & counting(setting)
    return int(apart.sum()) >= _STEPS
