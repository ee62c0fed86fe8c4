"""A cell that is told each previous state: what the search of a diagnosis runs instead of the reference.

With h_{t-1} taken from the observed trajectory, all pre-activations are one matrix product, units do not
mix, and an error neither spreads nor grows from step to step. What is left of the recurrence is c, one
unit at a time, and not even that where the cell states were observed as well.

S stands for any number of settings that are evaluated together.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnnparity.case import Case
from rnnparity.noise import Array
from rnnparity.reference import ACTIVATIONS
from rnnparity_adapters.equation import Equation
from rnnparity_adapters.layout import GATES, PEEPHOLES


@dataclass(frozen=True, eq=False)
class Setting:
    """A case and the trajectory ``hidden``, ``cell`` ``[B, T, U]`` that it should have, all in float64.

    ``shares`` are the biases ``[4U]`` that add up to the bias; ``cell`` is None where it was not observed.
    """

    case: Case
    hidden: Array
    cell: Array | None
    shares: tuple[Array, ...]


@dataclass(frozen=True, eq=False)
class Window:
    """The part of a trajectory that a search looks at: batch rows, units, and steps from 0 to ``steps``."""

    rows: NDArray[np.signedinteger]
    units: NDArray[np.signedinteger]
    steps: int


@dataclass(frozen=True, eq=False)
class Forced:
    """What S settings come down to in a window.

    ``z`` ``[S, 4, B, T, U]`` pre-activations without the forget bias, ``start`` ``[S, B, U]`` cell states,
    ``hidden`` and ``cell`` ``[S, B, T, U]`` targets, ``peepholes`` ``[S, 3, 1, U]`` or None.
    """

    z: Array
    start: Array
    hidden: Array
    cell: Array | None
    peepholes: Array | None

    def residual(self, equation: Equation, forget: Array | float = 0.0) -> Array:
        """Predicted less observed ``[S, N]``; ``forget`` is added to the forget gate's pre-activation."""
        hidden, cell = self.predict(equation, forget)
        errors = hidden - self.hidden
        if self.cell is not None:
            errors = np.stack([errors, cell - self.cell])
            errors = np.moveaxis(errors, 0, 1)
        return np.nan_to_num(errors.reshape(len(errors), -1), nan=1e3, posinf=1e3, neginf=-1e3).clip(
            -1e3, 1e3
        )

    def predict(self, equation: Equation, forget: Array | float = 0.0) -> tuple[Array, Array]:
        """Hidden and cell states ``[S, B, T, U]``."""
        gate = ACTIVATIONS[equation.recurrent_activation].function
        shift = equation.forget_bias + np.asarray(forget)
        z = dict(zip(GATES, np.moveaxis(self.z, 1, 0), strict=True))
        z["f"] = z["f"] + shift
        candidate = ACTIVATIONS[equation.activation].function(z["j"])
        if self.peepholes is None and not equation.cell_clip and self.cell is not None:
            cell = _next(equation, gate(z["i"]), candidate, gate(z["f"]), self._before(self.cell))
            return gate(z["o"]) * ACTIVATIONS[equation.output].function(cell), cell
        return self._stepped(equation, z, candidate)

    def _before(self, cell: Array) -> Array:
        return np.concatenate([self.start[:, :, None], cell[:, :, :-1]], axis=2)

    def _stepped(self, equation: Equation, z: dict[str, Array], candidate: Array) -> tuple[Array, Array]:
        gate, output = (ACTIVATIONS[n].function for n in (equation.recurrent_activation, equation.output))
        before = None if self.cell is None else self._before(self.cell)
        still = {} if self.peepholes is not None else {name: gate(z[name]) for name in "ifo"}

        def activated(name: str, t: int, seen: Array) -> Array:
            if self.peepholes is None:
                return still[name][:, :, t]
            return gate(z[name][:, :, t] + self.peepholes[:, PEEPHOLES.index(name)] * seen)

        c = self.start
        cells: list[Array] = []
        hiddens: list[Array] = []
        for t in range(self.hidden.shape[2]):
            old = c if before is None else before[:, :, t]
            c = _next(equation, activated("i", t, old), candidate[:, :, t], activated("f", t, old), old)
            out = activated("o", t, old if equation.output_peephole_previous else c)
            cells.append(c)
            hiddens.append(out * output(c))
        return np.stack(hiddens, axis=2), np.stack(cells, axis=2)


def _next(equation: Equation, i: Array, j: Array, f: Array, c: Array) -> Array:
    if equation.coupled:
        f = 1 - i
    value: Array = (f + equation.forget_bias_after) * c + i * j
    return value if equation.cell_clip is None else np.clip(value, -equation.cell_clip, equation.cell_clip)


def force(settings: list[Setting], window: Window) -> Forced:
    """Settings of one shape, in a window."""
    rows, units, steps = window.rows, window.units, window.steps
    z = np.stack([_sums(setting, window) for setting in settings])
    start = np.stack([s.case.initial_cell[np.ix_(rows, units)] for s in settings]).astype(np.float64)
    place = np.ix_(rows, np.arange(steps), units)
    hidden = np.stack([s.hidden[place] for s in settings])
    cells = [s.cell[place] for s in settings if s.cell is not None]
    peepholes = [s.case.peepholes[:, None, units] for s in settings if s.case.peepholes is not None]
    return Forced(
        z, start, hidden, np.stack(cells) if cells else None, np.stack(peepholes) if peepholes else None
    )


def vectors(setting: Setting, rows: NDArray[np.signedinteger], steps: int) -> Array:
    """``[x, h]`` ``[B, T, I+U]``: what the kernel multiplies at each step."""
    case = setting.case
    before = np.concatenate([case.initial_hidden[rows, None], setting.hidden[rows, : steps - 1]], axis=1)
    return np.concatenate([case.inputs[rows, :steps], before], axis=2, dtype=np.float64)


def _sums(setting: Setting, window: Window) -> Array:
    kernel, bias = setting.case.weights
    blocks = kernel.reshape(len(kernel), 4, -1)[:, :, window.units]
    v = vectors(setting, window.rows, window.steps)
    z = np.tensordot(v, blocks, axes=1) + bias.reshape(4, -1)[:, window.units]
    return np.moveaxis(z, 2, 0)
