"""Teacher forcing: a cell that takes each previous state from the observed trajectory.

A search runs this cell instead of the reference, because it is much faster. With every h_{t-1} known, all
pre-activations are one matrix product, and an error does not spread from step to step. Only an LSTM's c is
still computed step by step, each unit by itself, and not even that where the cell states were observed too.

The name is that of Williams & Zipser 1989 (https://doi.org/10.1162/neco.1989.1.2.270), who train networks in
this way. S is the number of settings that are evaluated together.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from rnnparity.reference.case import Case
from rnnparity.reference.forward import Reference
from rnnparity.reference.noise import Array
from rnnparity_adapters.equation import Equation

Units = NDArray[np.signedinteger]
"""Positions of units, ``[units]``."""


@dataclass(frozen=True, eq=False)
class Setting:
    """A case, and the trajectory that it should have, in float64.

    The trajectory is ``hidden`` ``[B, T, P]`` and ``cell`` ``[B, T, U]``. ``cell`` is None where it was not
    observed, or where the cell has no cell state. ``shares`` are the biases ``[G U]`` as they are stored,
    gates in canonical order, the input's before the recurrent one. They add up to the case's bias, and to
    ``stored_forget_bias`` in the forget gate: that part of the equation's forget bias is in the tensors.
    ``mask`` ``[B, T]`` says which steps of which rows count; None if all do. ``away`` ``[B, T, P]`` says how
    far each hidden state is from that of the case as claimed: see :mod:`rnnparity.diagnosis.evidence`.
    ``units`` ``[units]`` are those whose weights the case has; None if it has those of all, as usual.
    """

    case: Case
    hidden: Array
    cell: Array | None
    shares: tuple[Array, ...]
    stored_forget_bias: float = 0.0
    mask: NDArray[np.bool_] | None = None
    away: Array | None = None
    units: Units | None = None

    def moved(self, case: Case, move: Callable[[NDArray[Any]], NDArray[Any]]) -> "Setting":
        """The setting with another ``case``, if all that is known of a step ``[B, T, ...]`` moves one way."""
        known = {"hidden": self.hidden, "cell": self.cell, "away": self.away}
        found: dict[str, Any] = {
            name: None if array is None else move(array) for name, array in known.items()
        }
        mask = None if self.mask is None else move(self.mask[:, :, None])[:, :, 0]
        return replace(self, case=case, mask=mask, **found)

    @property
    def complete(self) -> bool:
        """Whether every state was observed. Then an error shows at the step that causes it."""
        return self.cell is not None or not self.case.has_cell_state


@dataclass(frozen=True, eq=False)
class Window:
    """The part of a trajectory that a search looks at.

    ``rows`` ``[rows]`` and ``units`` ``[units]`` are positions; the steps are those from 0 up to ``steps``.
    """

    rows: NDArray[np.signedinteger]
    units: NDArray[np.signedinteger]
    steps: int


def whole(setting: Setting) -> Window:
    """The window of a setting's whole trajectory ``[B, T, P]``."""
    batch, steps, units = setting.hidden.shape
    return Window(np.arange(batch), np.arange(units), steps)


class BlockInput(NamedTuple):
    """One gate's block of a tensor (``x``, ``h`` or ``b``), and what it multiplies.

    ``v`` ``[B, T, rows]`` is what the block's rows multiply, and ``position`` the pre-activation to which the
    product is added. If ``mixes``, a column of the block acts on other units than its own.
    """

    tensor: str
    gate: str
    position: int
    v: Array
    mixes: bool = False


@dataclass(frozen=True, eq=False)
class TeacherForced(ABC):
    """S settings in a window, where B, T and U are the window's. Each kind of cell is a subclass.

    ``z`` ``[S, G, B, T, U]`` are the pre-activations without the forget bias, one for each block of the bias.
    ``hidden`` and ``cell`` ``[S, B, T, U]`` are the observed states, the latter None if not observed.
    ``mask`` ``[B, T]`` says which steps count, None if all do.
    """

    z: Array
    hidden: Array
    cell: Array | None
    mask: NDArray[np.bool_] | None

    @classmethod
    @abstractmethod
    def of(cls, settings: Sequence[Setting], window: Window) -> Self:
        """Settings whose trajectories all have the same shape ``[B, T, P]``, in a window."""

    @abstractmethod
    def predict(self, equation: Equation, forget: Array | float = 0.0) -> tuple[Array, Array]:
        """The hidden and cell states ``[S, B, T, U]``; without a cell state, the hidden one twice.

        ``forget`` is added to the forget gate's pre-activation.
        """

    @classmethod
    def is_by_unit(cls, equation: Equation) -> bool:
        """Whether a unit's next states follow from its own weights, and from all previous states."""
        return True

    def residual(self, equation: Equation, forget: Array | float = 0.0) -> Array:
        """The predicted states minus the observed ones ``[S, N]``; ``forget`` as for :meth:`predict`."""
        hidden, cell = self.predict(equation, forget)
        errors = self._counted(hidden - self.hidden)
        if self.cell is not None:
            errors = np.concatenate([errors, self._counted(cell - self.cell)], axis=1)
        # States are of order one: an error of 1000 is as wrong as an infinite one, and can be squared.
        return np.nan_to_num(errors, nan=1e3, posinf=1e3, neginf=-1e3).clip(-1e3, 1e3)

    def _counted(self, errors: Array) -> Array:
        """Errors ``[S, B, T, U]`` as ``[S, N]``, zero at steps that do not count."""
        if self.mask is not None:
            errors = np.where(self.mask[None, :, :, None], errors, 0.0)
        return errors.reshape(len(errors), -1)

    @classmethod
    def blocks(cls, setting: Setting) -> Iterator[BlockInput]:
        """Each gate's block of the bias ``[1, U]``, input kernel ``[I, U]``, recurrent kernel ``[P, U]``."""
        for position, gate in enumerate(setting.case.gates):
            for tensor, v in multiplied(setting).items():
                yield BlockInput(tensor, gate, position, v)

    def for_units(self, units: Units, equation: Equation) -> "tuple[TeacherForced, Units]":
        """The same for a window of ``units`` ``[units]``, without needless columns.

        Also returns the positions ``[units]`` of these units among the columns of ``z``.
        """
        return self, np.arange(len(units))


def filled(setting: Setting, run: Reference) -> Setting:
    """The setting whose states ``[B, T, U]`` are those of ``run`` at the steps that do not count."""
    if setting.mask is None:
        return setting
    count = setting.mask[:, :, None]
    cell = None if setting.cell is None else np.where(count, setting.cell, run.cell)
    return replace(setting, hidden=np.where(count, setting.hidden, run.hidden), cell=cell)


def counting(setting: Setting) -> NDArray[np.bool_]:
    """The steps ``[B, T]`` of a setting that count."""
    return np.ones(setting.hidden.shape[:2], bool) if setting.mask is None else setting.mask


def apart(setting: Setting) -> Setting:
    """The steps that count as N sequences of one step, each from its own observed state.

    Every state has to be known: the trajectory becomes ``[N, 1, P]`` and ``[N, 1, U]``.
    """
    case, cell = setting.case, setting.cell
    batch, steps, _ = setting.hidden.shape
    chosen = counting(setting)

    def before(start: np.ndarray, states: Array) -> Array:
        joined: Array = np.concatenate([start[:, None], states[:, :-1]], axis=1)[chosen]
        return joined

    changed = replace(
        case,
        inputs=case.inputs[chosen][:, None],
        initial_hidden=before(case.initial_hidden, setting.hidden),
        initial_cell=before(case.initial_cell, np.zeros((batch, steps, 0)) if cell is None else cell),
    )
    cells = None if cell is None else cell[chosen][:, None]
    away = None if setting.away is None else setting.away[chosen][:, None]
    return replace(
        setting, case=changed, hidden=setting.hidden[chosen][:, None], cell=cells, mask=None, away=away
    )


def mask_of(setting: Setting, window: Window) -> NDArray[np.bool_] | None:
    """The steps that count and whose previous state is known ``[rows, steps]``; None if all do."""
    if setting.mask is None:
        return None
    count = setting.mask[window.rows, : window.steps].copy()
    count[:, 1:] &= setting.mask[window.rows, : window.steps - 1]
    return count


def columns_of(setting: Setting, window: Window) -> Units:
    """The positions of the window's units among those whose weights the case has."""
    return window.units if setting.units is None else np.arange(len(window.units))


def hidden_of(settings: Sequence[Setting], window: Window) -> Array:
    """The observed hidden states ``[S, B, T, U]`` of a window."""
    place = np.ix_(window.rows, np.arange(window.steps), window.units)
    return np.stack([setting.hidden[place] for setting in settings])


def vectors(setting: Setting, rows: NDArray[np.signedinteger], steps: int) -> Array:
    """What the kernel multiplies, ``[x, h]`` ``[B, T, I+P]``, in ``rows`` and the first ``steps`` steps."""
    case = setting.case
    before = np.concatenate([case.initial_hidden[rows, None], setting.hidden[rows, : steps - 1]], axis=1)
    return np.concatenate([case.inputs[rows, :steps], before], axis=2, dtype=np.float64)


def sums_of(setting: Setting, window: Window, units: NDArray[np.signedinteger]) -> Array:
    """The pre-activations ``[G, B, T, U]`` of these units in a window, from the observed hidden states."""
    kernel, bias = setting.case.weights
    gates = len(setting.case.gates)
    blocks = kernel.reshape(len(kernel), gates, -1)[:, :, units]
    v = vectors(setting, window.rows, window.steps)
    z = np.tensordot(v, blocks, axes=1) + bias.reshape(gates, -1)[:, units]
    return np.moveaxis(z, 2, 0)


def multiplied(setting: Setting) -> dict[str, Array]:
    """Tensor -> what its rows multiply at every step, ``[B, T, rows]``."""
    batch, steps, _ = setting.hidden.shape
    v, size = vectors(setting, np.arange(batch), steps), setting.case.input_size
    return {"b": np.ones((batch, steps, 1)), "x": v[..., :size], "h": v[..., size:]}
