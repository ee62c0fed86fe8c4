"""The matched filter: is there a parameter whose pattern local errors follow?

Without a mistake local errors are rounding: small, and without a pattern. A parameter that differs by d
changes a gate's pre-activation by d times what the parameter multiplies, at every step. So for each parameter
the errors are projected on that pattern. A difference that is too small to show in a single element shows in
the sum over thousands of them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from rnnparity.reference.noise import Array
from rnnparity.reference.sensitivities import Sensitivity
from rnnparity.reference.steps import States

SCORE_LIMIT = 8.0
"""Standard deviations of a projection above which it is no rounding. Where only a few steps contribute, the
distribution has longer tails than the normal one, so the limit is far above the usual 3 or 5.
"""

SYSTEMATIC = 0.1
"""The part of an activation's error that may be the same at every step.

Libraries approximate exp and tanh, and an approximation has the same error wherever it has the same argument.
This much of it is no sign of a wrong parameter, however many steps repeat it.
"""

_FEW = 1.0
"""The square of the size of an error, in noise units, where a single one is all that is known: with it a
score is beyond its limit where that error is beyond its own.
"""

_ABOUT_AS_WELL = 0.9
"""A gate is at fault with the best one if its score is at least this part of the best score."""


_ORDER = "ijfoznmrp"
"""All gates, in the order in which they are named."""


class Explanation(NamedTuple):
    """One parameter whose change would explain the local errors, by least squares.

    ``row`` counts the rows of the kernel ``[I+P, G U]``, x before h; None stands for the bias. Gate m has the
    bias of that name and the recurrent rows of n, gate p the rows of a projection. ``change`` estimates by
    how much the framework's parameter is larger than the reference's. ``score`` is the size of the errors
    that this explains, in standard deviations of rounding.
    """

    gate: str
    row: int | None
    unit: int
    change: float
    score: float


@dataclass(frozen=True, eq=False)
class Pattern:
    """The pattern of local errors.

    ``parameters`` has the best explanation within each gate. ``significance`` is the largest score / limit of
    any parameter: above 1, rounding does not explain the errors, however small each of them is.
    """

    parameters: dict[str, Explanation]
    significance: float

    @property
    def parameter(self) -> Explanation:
        """The best explanation of all gates."""
        return max(self.parameters.values(), key=lambda parameter: parameter.score)

    @property
    def gates(self) -> tuple[str, ...]:
        """The gates at fault: those that explain the errors about as well as the best one, if any is."""
        if self.significance <= 1:
            return ()
        enough = _ABOUT_AS_WELL * self.parameter.score
        return tuple(gate for gate, parameter in self.parameters.items() if parameter.score > enough)


class _Sums:
    """The sums over all steps that the projections on some gates' parameters need, for each gate and unit.

    Arrays are ``[G, rows, U]`` for the kernel and ``[G, U]`` for the bias.
    """

    def __init__(self, shown: Sensitivity) -> None:
        rows, (gates, _, units) = shown.v.shape[1], shown.size.shape
        self.gates, self.start, self.in_cell = shown.gates, shown.start, shown.in_cell
        self.error = np.zeros((gates, rows, units))  # of v * sensitivity * error
        self.first = np.zeros((gates, rows, units))  # of v * sensitivity**2
        self.second = np.zeros((gates, rows, units))  # of v**2 * sensitivity**2
        self.bias_error, self.bias_second = np.zeros((2, gates, units))
        self.systematic, self.systematic_second = np.zeros((gates, units)), np.zeros(units)
        self.different = np.zeros(units)  # how many errors there are, what repeats counted once
        self.fourth = np.zeros((gates, units))  # of sensitivity**4
        self.v_second, self.v_fourth, self.count = np.zeros(rows), np.zeros(rows), 0

    def add(self, shown: Sensitivity, part: Array | None) -> None:
        """Add steps, of which each counts as a ``part`` ``[N, U]``, or ``[N, 1]``; wholly if it is None."""
        v, size, errors, systematic = shown.v, shown.size, shown.weighted_errors, shown.systematic
        v_second, square = v * v, size * size
        second = square
        if part is None:
            self.different += len(v)
        else:  # through a matrix all units of the state count
            least = part if part.shape[1] == size.shape[2] else np.min(part, axis=1, keepdims=True)
            errors, second, systematic = errors * least, square * least, systematic * least
            self.different += least.sum(axis=0)
        self.error += np.matmul(v.T, errors)
        self.first += np.matmul(v.T, second)
        self.second += np.matmul(v_second.T, second)
        self.v_second += v_second.sum(axis=0)
        self.v_fourth += np.square(v_second).sum(axis=0)
        self.count += len(v)
        self.bias_error += errors.sum(axis=1)
        self.bias_second += second.sum(axis=1)
        self.systematic += _total(size * systematic)
        self.systematic_second += _total(shown.systematic * systematic)
        self.fourth += _total(square * second)

    def best(self, scale: float, unit: float) -> Iterator[Explanation]:
        """Each gate's parameter that explains most.

        ``scale`` is the typical size of an error, in noise units. The sums are those of sensitivities to a
        change by a ``unit``.
        """
        for which, gate in enumerate(self.gates):
            scores = np.concatenate([self.error[which], self.bias_error[which : which + 1]])
            seconds = np.concatenate([self.second[which], self.bias_second[which : which + 1]])
            seconds[seconds == 0] = np.inf
            row, column = np.unravel_index(np.argmax(np.abs(scores) / np.sqrt(seconds)), scores.shape)
            error, second = scores[row, column], seconds[row, column]
            place = None if row == len(self.error[which]) else self.start + int(row)
            score = np.abs(error) / np.sqrt(second) / scale
            yield Explanation(gate, place, int(column), float(unit * error / second), float(score))

    def significance(self, scale: float) -> float:
        """The largest score / limit of any parameter; ``scale`` as for :meth:`best`."""
        # Where a sum is no number, single errors are so large that they say it all.
        return float(np.nan_to_num(max(self._kernel(scale), self._bias(scale))))

    def _kernel(self, scale: float) -> float:
        """That of the kernel. v is centred, because its mean acts as a bias: see :meth:`_bias`."""
        mean = self.first / np.where(self.bias_second > 0, self.bias_second, 1)[:, None]
        second = self.second - mean * self.first
        second[second <= 1e-9 * self.second] = np.inf  # v is constant but for rounding
        centred = self.error - mean * self.bias_error[:, None]
        even = self._even()[:, None] * _even(self.v_second, self.v_fourth, self.count)[:, None]
        limit = SCORE_LIMIT * self._scales(scale, even) + SYSTEMATIC * np.sqrt(self.systematic_second)
        return float(np.sqrt(np.max(centred * centred / (second * limit * limit))))

    def _bias(self, scale: float) -> float:
        root = np.sqrt(np.where(self.bias_second > 0, self.bias_second, np.inf))
        limit = SCORE_LIMIT * self._scales(scale, self._even()) + self.systematic / root
        return float(np.max(np.abs(self.bias_error) / root / limit))

    def _even(self) -> Array:
        """The part ``[G, U]`` of all steps that matters, by the sensitivity: 1 if it is the same at all."""
        return _even(self.bias_second, self.fourth, self.different)

    def _scales(self, scale: float, even: Array) -> Array:
        """The typical size of an error, or what so few different ones leave open.

        ``even`` is the part of all errors that matters: after an impulse, or where most saturate, few do.
        """
        sizes: Array = np.sqrt(scale * scale + _FEW / np.maximum(self.different * even, 1))
        return sizes


def _total(steps: Array) -> Array:
    """The sum of ``[..., N, U]`` over all steps; BLAS is faster at it than numpy."""
    total: Array = np.matmul(np.ones(steps.shape[-2], steps.dtype), steps)
    return total


def _even(second: Array, fourth: Array, count: Array | float) -> Array:
    """The part of ``count`` numbers that makes up their sums of squares and of fourth powers, all ``[n]``."""
    with np.errstate(all="ignore"):  # fourth powers of tiny numbers are zero
        even = second * second / (fourth * count)
    return np.where(np.isfinite(even), np.clip(even, 0, 1), 1.0)


class Part(NamedTuple):
    """Some ``steps`` of a local analysis; N are these steps times all batch rows, step by step.

    ``hidden`` ``[N, P]`` and ``cell`` ``[N, U]`` are the local errors in noise units, and ``sensitivities``
    say how the gates' parameters show in them. Each of k errors that are the same rounding counts as the
    k-th part of one: ``repeated`` has these numbers k, for ``hidden`` ``[N, P]`` and ``cell`` ``[N, U]``, or
    ``[N, 1]`` for all units; it is None where nothing repeats.
    """

    steps: slice
    hidden: Array
    cell: Array
    sensitivities: tuple[Sensitivity, ...]
    repeated: States | None


class Filter:
    """The projections of all local errors of a run, part by part."""

    def __init__(self) -> None:
        self._sums: list[_Sums] = []
        self._sizes = Typical(), Typical()

    def add(self, part: Part, batch: int, share: float = 1.0) -> States:
        """Add a part; returns its local errors, ``hidden`` ``[B, t, P]`` and ``cell`` ``[B, t, U]``.

        ``share`` is the part of all steps that counts; the others have no errors.
        """
        shown_errors = []
        for size, errors in zip(self._sizes, (part.hidden, part.cell), strict=True):
            by_step = errors.reshape(len(errors) // batch, batch, errors.shape[1])
            if share:
                size.add(by_step if share == 1 else by_step / np.sqrt(share))
            shown_errors.append(by_step.swapaxes(0, 1))
        self._sums = self._sums or [_Sums(shown) for shown in part.sensitivities]
        parts = part.repeated and States(*(1 / each for each in part.repeated))
        for sums, shown in zip(self._sums, part.sensitivities, strict=True):
            sums.add(shown, parts and (parts.cell if shown.in_cell else parts.hidden))
        return States(*shown_errors)

    def pattern(self, unit: float) -> Pattern:
        """The pattern of everything that was added, of which the unit roundoff is the ``unit``."""
        hidden, cell = (size.value for size in self._sizes)
        each = [(sums, cell if sums.in_cell else hidden) for sums in self._sums]
        found = {best.gate: best for sums, size in each for best in sums.best(size, unit)}
        return Pattern(
            {gate: found[gate] for gate in _ORDER if gate in found},
            max(sums.significance(size) for sums, size in each),
        )


class Typical:
    """The typical size of rounding in local errors, in noise units.

    It is the median of the root mean squares of all batch rows, at each step and unit, so that what is wrong
    in some has no influence. It is at most 1, which the noise promises, and at least 0.2, below which the
    spacing of the dtype's numbers would count. What is between is counted, as no more than that is needed.
    """

    _LOWEST, _BINS = 0.2, 2**14

    def __init__(self) -> None:
        self._counts = np.zeros(self._BINS + 1, np.int64)

    def add(self, errors: Array) -> None:
        """Add local errors ``[t, B, U]``."""
        sizes = np.sqrt(np.einsum("tbu,tbu->tu", errors, errors) / errors.shape[1])
        bins = (sizes.clip(self._LOWEST, 1.0) - self._LOWEST) * (self._BINS / (1 - self._LOWEST))
        bins[np.isnan(bins)] = self._BINS
        self._counts += np.bincount(bins.astype(np.int64).reshape(-1), minlength=self._BINS + 1)

    @property
    def value(self) -> float:
        """The typical size; 1 without errors."""
        total = int(self._counts.sum())
        if not total:
            return 1.0
        median = int(np.searchsorted(np.cumsum(self._counts), (total + 1) // 2))
        return self._LOWEST + median * (1 - self._LOWEST) / self._BINS
