"""Local errors: what a framework adds at each step, apart from what it carries there.

Each step of the reference starts from the framework's *own* previous state, so an error is seen where it
is made, chaos does not matter, and all steps are computed at once. Without a mistake the local errors
are rounding: small, and related to nothing. A parameter that differs by d moves a gate's pre-activation
by d times what the parameter multiplies, at every step; so the errors are projected on just that, for
each parameter (a matched filter). What a single element hides, thousands of them together show.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from rnnparity import noise
from rnnparity.case import Case
from rnnparity.noise import Arithmetic, Array
from rnnparity.reference import ACTIVATIONS, Estimate, Gate, Step
from rnnparity_adapters.layout import GATES

SCORE_LIMIT = 12.0
"""Standard deviations of a projection. Its tails are longer than normal where few steps count."""

SYSTEMATIC = 0.2
"""How much of an activation's error may be alike from step to step.

Libraries approximate exp and tanh, and an approximation errs alike wherever its argument does: this much
of it is no sign of a wrong parameter, however many steps repeat it.
"""

_ALIKE = 0.9  # of the best explanation's score

_ROWS = 4096  # at a time: enough to be fast, few enough for a hundred thousand steps


class Parameter(NamedTuple):
    """The parameter whose change would explain the local errors best, by least squares.

    ``row`` counts the kernel's rows x then h, None stands for the bias; ``change`` estimates how much
    larger the framework's is than the reference's; ``score`` is the size of what that explains, in standard
    deviations of rounding.
    """

    gate: str
    row: int | None
    unit: int
    change: float
    score: float


@dataclass(frozen=True, eq=False)
class Local:
    """Local errors of hidden and of cell in noise units, each ``[B, T, U]``, and what relates them.

    ``parameters`` has the best explanation for each gate, ``significance`` the largest score / limit of any
    parameter: above 1, rounding does not explain the errors, however small each of them is.
    """

    hidden: Array
    cell: Array
    parameters: dict[str, Parameter]
    significance: float

    @property
    def parameter(self) -> Parameter:
        """The best explanation of all."""
        return max(self.parameters.values(), key=lambda parameter: parameter.score)

    @property
    def gates(self) -> tuple[str, ...]:
        """The gates at fault: those that explain the errors about as well as the best; none if none errs."""
        if self.significance <= 1:
            return ()
        enough = _ALIKE * self.parameter.score
        return tuple(gate for gate, parameter in self.parameters.items() if parameter.score > enough)


class _Sums:
    """What the projections on one gate's parameters need, summed over all steps, for each unit."""

    def __init__(self, rows: int, units: int) -> None:
        self.error = np.zeros((rows, units))  # of v * sensitivity * error
        self.first = np.zeros((rows, units))  # of v * sensitivity**2
        self.second = np.zeros((rows, units))  # of v**2 * sensitivity**2
        self.bias_error, self.bias_second = np.zeros(units), np.zeros(units)
        self.alike, self.alike_second = np.zeros(units), np.zeros(units)

    def add(self, v: Array, error: Array, sensitivity: Array, alike: Array) -> None:
        moved, second = sensitivity * error, sensitivity * sensitivity
        self.error += v.T @ moved
        self.first += v.T @ second
        self.second += (v * v).T @ second
        self.bias_error += moved.sum(axis=0)
        self.bias_second += second.sum(axis=0)
        self.alike += (np.abs(sensitivity) * alike).sum(axis=0)
        self.alike_second += (alike * alike).sum(axis=0)

    def best(self, gate: str, scale: float) -> Parameter:
        """The parameter that explains most; ``scale`` is the size of errors, in noise units."""
        scores = np.concatenate([self.error, [self.bias_error]])
        seconds = np.concatenate([self.second, [self.bias_second]])
        seconds[seconds == 0] = np.inf
        np.divide(np.abs(scores), np.sqrt(seconds), out=scores)
        row, unit = np.unravel_index(np.argmax(scores), scores.shape)
        is_bias = row == len(self.error)
        error = self.bias_error[unit] if is_bias else self.error[row, unit]
        change, score = error / seconds[row, unit], scores[row, unit] / scale
        return Parameter(gate, None if is_bias else int(row), int(unit), float(change), float(score))

    def significance(self, scale: float) -> float:
        """The largest score / limit of any parameter."""
        return max(self._kernel(scale), self._bias(scale))

    def _kernel(self, scale: float) -> float:
        """Without what a change of the bias would do as well: v less its mean."""
        mean = self.first / np.where(self.bias_second > 0, self.bias_second, 1)
        second = self.second - mean * self.first
        second[second <= 1e-9 * self.second] = np.inf  # v does not change
        moved = np.subtract(self.error, np.multiply(mean, self.bias_error, out=mean), out=mean)
        limit = SCORE_LIMIT + SYSTEMATIC * np.sqrt(self.alike_second) / scale
        return float(np.sqrt(np.max(moved * moved / (second * (scale * limit) ** 2))))

    def _bias(self, scale: float) -> float:
        root = np.sqrt(np.where(self.bias_second > 0, self.bias_second, np.inf))
        limit = SCORE_LIMIT + self.alike / root / scale
        return float(np.max(np.abs(self.bias_error) / root / scale / limit))


class Part(NamedTuple):
    """Some rows of the local analysis, N = batch rows times steps of them.

    ``v`` = [x, h] ``[N, I+U]``; ``hidden`` and ``cell`` the local errors in noise units, ``[N, U]``;
    ``sensitivity`` how a change of each gate's pre-activation shows in them: i, j and f in the cell's, o in
    the hidden state's; ``alike`` how large errors there are that may be alike at every step.
    """

    rows: slice
    v: Array
    hidden: Array
    cell: Array
    sensitivity: dict[str, Array]
    alike: dict[str, Array]

    def error(self, gate: str) -> Array:
        """The errors in which the gate shows."""
        return self.hidden if gate == "o" else self.cell


def parts(case: Case, hidden: np.ndarray, cell: np.ndarray, arithmetic: Arithmetic) -> Iterator[Part]:
    """The local analysis of an observed trajectory ``hidden``, ``cell`` ``[B, T, U]``, part by part.

    The cell's errors are taken from the previous observed state, the hidden state's from the observed cell
    state of the same step.
    """
    step = Step(case.equation, case.weights, arithmetic, case.peepholes)
    squash = ACTIVATIONS[case.equation.output].function
    rows, units = case.batch * case.steps, case.units
    h_before = np.concatenate([case.initial_hidden[:, None], hidden[:, :-1]], axis=1)
    c_before = np.concatenate([case.initial_cell[:, None], cell[:, :-1]], axis=1).reshape(rows, units)
    v = np.concatenate([case.inputs, h_before], axis=2).reshape(rows, -1)
    h, c = hidden.reshape(rows, units), cell.reshape(rows, units)
    for start in range(0, rows, _ROWS):
        now = slice(start, min(start + _ROWS, rows))
        vs, hs, cs, before = (array[now].astype(np.float64) for array in (v, h, c, c_before))
        exact = np.zeros_like(cs)
        sums, start_c, end_c = step.sums(vs, 0.0), Estimate(before, exact), Estimate(cs, exact)
        gates = dict(zip("ijf", step.inner(sums, start_c), strict=True))
        gates["o"] = step.outer(sums, start_c, end_c)
        expected_c = step.cell(gates["i"], gates["j"], gates["f"], start_c)
        expected_h = step.hidden(gates["o"], end_c)
        c_scale, h_scale = (noise.error(state.variance, arithmetic) for state in (expected_c, expected_h))
        scales = dict.fromkeys("ijf", c_scale) | {"o": h_scale}
        output = squash(cs)
        alike_h = gates["o"].own_error * np.abs(output) + arithmetic.activation * np.abs(hs)
        alike = dict.fromkeys("ijf", _alike_in_cell(gates, before) / c_scale) | {"o": alike_h / h_scale}
        sensitivity = _sensitivities(gates, before, output)
        if case.equation.coupled:
            sensitivity |= {
                "i": gates["i"].derivative * (gates["j"].value - before),
                "f": np.zeros_like(before),
            }
        yield Part(
            now,
            vs,
            (hs - expected_h.value) / h_scale,
            (cs - expected_c.value) / c_scale,
            {gate: sensitivity[gate] / scales[gate] for gate in GATES},
            alike,
        )


def local_errors(case: Case, hidden: np.ndarray, cell: np.ndarray, arithmetic: Arithmetic) -> Local:
    """The local errors of an observed trajectory ``hidden``, ``cell`` ``[B, T, U]`` of ``case``."""
    rows, units = case.batch * case.steps, case.units
    h_errors, c_errors = np.empty((rows, units)), np.empty((rows, units))
    sums = {gate: _Sums(case.input_size + units, units) for gate in GATES}
    for part in parts(case, hidden, cell, arithmetic):
        h_errors[part.rows], c_errors[part.rows] = part.hidden, part.cell
        for gate in GATES:
            sums[gate].add(part.v, part.error(gate), part.sensitivity[gate], part.alike[gate])
    sizes = dict.fromkeys("ijf", typical(c_errors)) | {"o": typical(h_errors)}
    return Local(
        h_errors.reshape(hidden.shape),
        c_errors.reshape(cell.shape),
        {gate: sums[gate].best(gate, sizes[gate]) for gate in GATES},
        max(sums[gate].significance(sizes[gate]) for gate in GATES),
    )


def _sensitivities(gates: dict[str, Gate], c_before: Array, output: Array) -> dict[str, Array]:
    """How the state of the same step moves with each gate's pre-activation: c' with i, j, f, h' with o."""
    i, j, f, o = (gates[gate] for gate in GATES)
    return {
        "i": i.derivative * j.value,
        "j": j.derivative * i.value,
        "f": f.derivative * c_before,
        "o": o.derivative * output,
    }


def _alike_in_cell(gates: dict[str, Gate], c_before: Array) -> Array:
    """The cell's error if the activations of i, j and f erred by their standard errors, all to one side."""
    i, j, f = (gates[gate] for gate in "ijf")
    return f.own_error * np.abs(c_before) + i.own_error * np.abs(j.value) + j.own_error * np.abs(i.value)


def typical(errors: Array) -> float:
    """The size of rounding here, in noise units: that of the median unit, so that a wrong one does not count.

    It is at most 1, which the noise promises, and not so small that the grain of the dtype would count.
    """
    return float(np.clip(np.median(np.sqrt(np.mean(errors * errors, axis=0))), 0.2, 1.0))
