"""The teacher-forced cells: one class for each kind of cell."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from rnnparity.diagnosis.teacher_forcing import (
    BlockInput,
    Setting,
    TeacherForced,
    Units,
    Window,
    columns_of,
    hidden_of,
    mask_of,
    multiplied,
    sums_of,
    vectors,
    whole,
)
from rnnparity.reference.activations import functions
from rnnparity.reference.noise import Array
from rnnparity_adapters.equation import Equation
from rnnparity_adapters.kinds import PEEPHOLES


@dataclass(frozen=True, eq=False)
class TeacherForcedLstm(TeacherForced):
    """An LSTM. ``start`` ``[S, B, U]`` are the initial cell states.

    ``peepholes`` ``[S, 3, 1, U]`` and ``projection`` ``[S, 1, U, P]`` are None where the cell has none.
    """

    start: Array
    peepholes: Array | None
    projection: Array | None

    @classmethod
    def of(cls, settings: Sequence[Setting], window: Window) -> Self:
        first = settings[0]
        mixed = first.case.projection is not None  # with a projection each hidden state depends on all units
        units = np.arange(first.case.units) if mixed else window.units
        own = np.arange(first.case.units) if mixed else columns_of(first, window)
        z = np.stack([sums_of(setting, window, own) for setting in settings])
        start = np.stack([s.case.initial_cell[np.ix_(window.rows, units)] for s in settings])
        cells = [
            s.cell[np.ix_(window.rows, np.arange(window.steps), units)]
            for s in settings
            if s.cell is not None
        ]
        peepholes = [s.case.peepholes[:, None, own] for s in settings if s.case.peepholes is not None]
        projections = [
            s.case.projection[None, :, window.units] for s in settings if s.case.projection is not None
        ]
        return cls(
            z,
            hidden_of(settings, window),
            np.stack(cells) if cells else None,
            mask_of(settings[0], window),
            start.astype(np.float64),
            np.stack(peepholes) if peepholes else None,
            np.stack(projections) if projections else None,
        )

    def predict(self, equation: Equation, forget: Array | float = 0.0) -> tuple[Array, Array]:
        gate, new, output, project = (each.function for each in functions(equation))
        shift = equation.forget_bias + np.asarray(forget)
        z = dict(zip("ijfo", np.moveaxis(self.z, 1, 0), strict=True))
        z["f"] = z["f"] + shift
        candidate = new(z["j"])
        if self.peepholes is None and not equation.cell_clip and self.cell is not None:
            cell = _next(equation, gate(z["i"]), candidate, gate(z["f"]), self._before(self.cell))
            hidden = gate(z["o"]) * output(cell)
        else:
            hidden, cell = self._stepped(equation, z, candidate)
        if self.projection is not None:
            hidden = project(hidden @ self.projection)
        return hidden, cell

    def _before(self, cell: Array) -> Array:
        return np.concatenate([self.start[:, :, None], cell[:, :, :-1]], axis=2)

    def _stepped(self, equation: Equation, z: dict[str, Array], candidate: Array) -> tuple[Array, Array]:
        gate, _, output, _ = (each.function for each in functions(equation))
        before = None if self.cell is None else self._before(self.cell)
        still = {} if self.peepholes is not None else {name: gate(z[name]) for name in "ifo"}

        def activated(name: str, t: int, seen: Array) -> Array:
            if self.peepholes is None:
                return still[name][:, :, t]
            return gate(z[name][:, :, t] + self.peepholes[:, PEEPHOLES.index(name)] * seen)

        c = self.start
        cells: list[Array] = []
        hiddens: list[Array] = []
        for t in range(z["j"].shape[2]):
            old = c if before is None else before[:, :, t]
            c = _next(equation, activated("i", t, old), candidate[:, :, t], activated("f", t, old), old)
            out = activated("o", t, old if equation.output_peephole_previous else c)
            cells.append(c)
            hiddens.append(out * output(c))
        return np.stack(hiddens, axis=2), np.stack(cells, axis=2)


def _next(equation: Equation, i: Array, j: Array, f: Array, c: Array) -> Array:
    if equation.coupled:
        f = 1 - i
    if equation.input_coupled:
        i = 1 - f
    value: Array = (f + equation.forget_bias_after) * c + i * j
    return value if equation.cell_clip is None else np.clip(value, -equation.cell_clip, equation.cell_clip)


@dataclass(frozen=True, eq=False)
class TeacherForcedGru(TeacherForced):
    """A GRU. ``z`` has the pre-activations r, z, n (from x) and m (from h) of all units.

    All units are needed, because a reset gate may act on any of them, through n's recurrent ``kernel``
    ``[S, 1, U, U]``. ``bias`` ``[S, 1, 1, U]`` is m, ``before`` ``[S, B, T, U]`` the previous hidden state.
    ``units`` ``[units]`` are those that are predicted.
    """

    kernel: Array
    bias: Array
    before: Array
    units: NDArray[np.signedinteger]

    @classmethod
    def of(cls, settings: Sequence[Setting], window: Window) -> Self:
        units, size = settings[0].case.units, settings[0].case.input_size
        z, kernels, biases, states = [], [], [], []
        for setting in settings:
            kernel, bias = (np.asarray(array, np.float64) for array in setting.case.weights)
            v = vectors(setting, window.rows, window.steps)
            blocks, own = kernel.reshape(len(kernel), 3, units), bias.reshape(4, units)
            both = np.tensordot(v, blocks[:, :2], axes=1) + own[:2]
            alone = v[..., :size] @ blocks[:size, 2] + own[2]
            recurrent = v[..., size:] @ blocks[size:, 2] + own[3]
            z.append(np.stack([both[..., 0, :], both[..., 1, :], alone, recurrent]))
            kernels.append(blocks[None, size:, 2])
            biases.append(own[None, None, 3])
            before = v[..., size:]
            states.append(before if setting.units is None else before[..., window.units])
        targets = hidden_of(settings, window)
        return cls(
            np.stack(z), targets, None, mask_of(settings[0], window),
            np.stack(kernels), np.stack(biases), np.stack(states), columns_of(settings[0], window),
        )  # fmt: skip

    def predict(self, equation: Equation, forget: Array | float = 0.0) -> tuple[Array, Array]:
        gate, new, *_ = (each.function for each in functions(equation))
        r, z = gate(self.z[:, 0]), gate(self.z[:, 1])
        after = equation.reset_after
        recurrent = r * self.z[:, 3] if after else (r * self.before) @ self.kernel + self.bias
        n = new(self.z[:, 2] + recurrent)
        kept = 1 - z if equation.update_inverted else z
        hidden = (kept * self.before + (1 - kept) * n)[..., self.units]
        return hidden, hidden

    @classmethod
    def is_by_unit(cls, equation: Equation) -> bool:
        """As in the base class: without ``reset_after`` r acts on all units."""
        return equation.reset_after

    @classmethod
    def blocks(cls, setting: Setting) -> Iterator[BlockInput]:
        """Every gate's block; for n, the recurrent kernel ``[U, U]`` is told apart from the input's.

        With ``reset_after`` it adds to the pre-activation of m, without it multiplies ``r * h``.
        """
        reset_after = setting.case.equation.reset_after
        for block in super().blocks(setting):
            if (block.gate, block.tensor) != ("n", "h"):
                yield block._replace(mixes=block.gate == "r" and not reset_after)
        v = multiplied(setting)
        if reset_after:
            yield BlockInput("b", "m", 3, v["b"])
            yield BlockInput("h", "n", 3, v["h"])
        else:
            gate = functions(setting.case.equation).gate.function
            reset = gate(cls.of([setting], whole(setting)).z[0, 0])
            yield BlockInput("h", "n", 2, reset * v["h"])

    def for_units(self, units: Units, equation: Equation) -> tuple[TeacherForced, Units]:
        """As in the base class. Without ``reset_after`` all units ``[U]`` stay, because r acts on all."""
        if not equation.reset_after:
            return self, units
        columns = np.arange(len(units))
        parts = {name: getattr(self, name)[..., units] for name in ("z", "before", "bias")}
        return replace(self, **parts, units=columns), columns


@dataclass(frozen=True, eq=False)
class TeacherForcedRnn(TeacherForced):
    """A simple RNN, which has one pre-activation and nothing else."""

    @classmethod
    def of(cls, settings: Sequence[Setting], window: Window) -> Self:
        z = np.stack([sums_of(setting, window, columns_of(setting, window)) for setting in settings])
        return cls(z, hidden_of(settings, window), None, mask_of(settings[0], window))

    def predict(self, equation: Equation, forget: Array | float = 0.0) -> tuple[Array, Array]:
        hidden = functions(equation).new.function(self.z[:, 0])
        return hidden, hidden
