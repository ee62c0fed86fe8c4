"""Compare a trajectory with its reference. This is the only place that decides whether two are equal."""

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from rnnparity.errors import InputError
from rnnparity.judge.comparison import (
    AGREE,
    CHAOTIC,
    DIVERGE,
    FAILED,
    LOCAL,
    NONFINITE,
    Comparison,
    Difference,
    Place,
    first_step,
)
from rnnparity.judge.differences import Differences, difference_of
from rnnparity.judge.local_errors import Analysis
from rnnparity.judge.matched_filter import Pattern
from rnnparity.reference import masks
from rnnparity.reference.case import Case
from rnnparity.reference.forward import Reference, ensemble
from rnnparity.reference.noise import ARITHMETICS, LIMIT, Array, assumed
from rnnparity_adapters.adapter import CELL, HIDDEN, LAST_CELL, LAST_HIDDEN, STEPPED_HIDDEN
from rnnparity_adapters.kinds import GATE_NAMES, KINDS
from rnnparity_adapters.layout import Weights

_SPREAD = 4096
"""A run's residual is kept at this many elements at most: enough to tell apis apart."""
_DOUBTFUL = 5 * LIMIT
"""Noise units up to which a difference may still be rounding that the noise underestimates; only then is the
ensemble, which costs sixteen runs, worth its time.
"""


_STATES = {HIDDEN: HIDDEN, STEPPED_HIDDEN: HIDDEN, CELL: CELL, LAST_HIDDEN: HIDDEN, LAST_CELL: CELL}
"""The state of the reference with which each observed array is compared."""
_LAST = (LAST_HIDDEN, LAST_CELL)


class Comparing:
    """The comparison of a run of ``steps`` steps with its reference, piece after piece; one is usual.

    ``by_steps`` also judges each step by itself. If it is ``strict``, every array that an adapter returns
    must be there; otherwise ``hidden`` is enough.
    """

    def __init__(self, steps: int, *, by_steps: bool = True, strict: bool = True) -> None:
        self._steps, self._strict = steps, strict
        self._done = 0
        self._trajectory: dict[str, Differences] = {}
        self._alone: dict[str, Differences] = {}
        self._local = Analysis(steps) if by_steps else None
        self._residual: list[Array] = []
        self._judged, self._lost = 0.0, steps
        self._ended: tuple[str, str] | None = None

    def add(
        self,
        observed: Mapping[str, NDArray[np.floating]],
        reference: Reference,
        mask: NDArray[np.bool_] | None = None,
    ) -> Reference:
        """Compare the next piece: shapes as for :func:`compare`, with t steps instead of T.

        ``mask`` ``[B, t]`` says which steps count, all if it is None.

        Returns the reference with the noise that was used. Its case begins from the states that were observed
        before the piece.
        """
        wrong = _wrong_form(observed, reference) if self._strict else ""
        if wrong and not self._ended:
            self._ended = FAILED, wrong
        if self._ended:
            return reference
        start, self._done = self._done, self._done + reference.case.steps
        against = _all_against(reference, observed, mask)
        finite = all(np.isfinite(absolute.max()) for absolute, _, _ in against.values())
        known = self._local is not None and finite and self._add_steps(observed, reference, start, mask)
        # Where every step is right, or none was looked at, the noise of the whole run may be too small.
        largest = max(float(in_noise.max()) for _, in_noise, _ in against.values())
        right = not any(found.first_step is not None for found in self._alone.values())
        if finite and right and largest > LIMIT and (known or largest < _DOUBTFUL):
            reference = ensemble(reference)
            against = _all_against(reference, observed, mask)
        for name, (absolute, in_noise, first) in against.items():
            self._add(self._trajectory, name, _STATES[name], absolute, in_noise, start + first)
            if not self._trajectory[name].finite and not self._ended:
                place = self._trajectory[name].result().place
                self._ended = NONFINITE, f"{_where(name, place)} is not finite"
        if finite:
            self._add_horizon(observed[HIDDEN], reference, start)
        return reference

    def _add(
        self,
        kept: dict[str, Differences],
        name: str,
        state: str,
        absolute: Array,
        in_noise: Array,
        start: int,
    ) -> None:
        if name not in kept:
            kept[name] = Differences(name, state, self._steps, shown=name in (HIDDEN, CELL))
        kept[name].add(absolute, in_noise, start)

    def _add_steps(
        self,
        observed: Mapping[str, np.ndarray],
        reference: Reference,
        start: int,
        mask: NDArray[np.bool_] | None,
    ) -> bool:
        """Judge each step by itself; False if too little was observed: a projection hides the cell states.

        Nor can it be done where the inputs have errors, which are not independent from step to step.
        """
        case = reference.case
        # The cell state is that of the stepped run, where there are two.
        hidden = observed.get(STEPPED_HIDDEN, observed[HIDDEN])
        cell = observed.get(CELL) if case.has_cell_state else reference.cell
        hides = cell is None and case.projection is not None
        if self._local is None or hides or case.inputs_noise is not None:
            self._local = None
            return False
        found = self._local.add(case, hidden, cell, reference.arithmetic, mask, reference.linear)
        for first, parts in found:
            for name, errors in zip(LOCAL, parts, strict=True):
                if errors.size:
                    size = np.abs(errors)
                    self._add(self._alone, name, name, size, size, start + first)
        return True

    def _add_horizon(self, hidden: np.ndarray, reference: Reference, start: int) -> None:
        horizon, length = reference.horizon, reference.case.steps
        self._judged += float(horizon.mean())
        if horizon.min() < length:
            self._lost = min(self._lost, start + int(horizon.min()))
        self._residual.append(_residual(hidden, reference, self._steps))

    @property
    def ended(self) -> bool:
        """Whether it is of no use to go on: a form is wrong, or a number is none."""
        return self._ended is not None

    @property
    def first_step(self) -> int | None:
        """The first step at which an element was beyond the limit; None if none was so far."""
        found = (*self._trajectory.values(), *self._alone.values())
        return min((each.first_step for each in found if each.first_step is not None), default=None)

    def comparison(self) -> Comparison:
        """The comparison of all pieces."""
        trajectory = tuple(found.result() for found in self._trajectory.values())
        if self._ended:
            return Comparison(*self._ended, trajectory)
        steps = tuple(found.result() for found in self._alone.values())
        pattern = self._local.pattern() if self._local else None
        judged = self._judged / self._steps
        verdict, reason = DIVERGE, _divergence(trajectory, steps, pattern)
        if not reason and self._lost < self._steps:
            verdict, reason = CHAOTIC, _chaos(self._lost, judged, bool(steps))
        return Comparison(
            verdict if reason else AGREE,
            reason,
            (*trajectory, *steps),
            pattern.parameter if pattern else None,
            pattern.significance if pattern else 0.0,
            pattern.gates if pattern and verdict == DIVERGE and reason else (),
            judged,
            np.concatenate(self._residual),
        )


def compare(observed: Mapping[str, NDArray[np.floating]], reference: Reference) -> Comparison:
    """Compare what an api returned with the reference: names, shapes and dtypes first, then values.

    ``observed`` has ``hidden`` ``[B, T, P]`` and, where there is a cell state, ``cell`` ``[B, T, U]``. A
    layer also has ``stepped_hidden`` ``[B, T, P]``, ``last_hidden`` ``[1, B, P]`` and, with a cell state,
    ``last_cell`` ``[1, B, U]``. All have the dtype of the case. A wrong name, shape or dtype is ``failed``;
    a NaN or an infinity on either side is ``nonfinite``.

    The verdict is ``diverge`` if an element of the trajectory or of the local errors is beyond the limit, or
    if the local errors follow the pattern of a parameter. Otherwise it is ``chaotic`` if rounding alone
    decides the reference from some step on, and else ``agree``.
    """
    return _whole(Comparing(reference.case.steps), observed, reference)


def compare_recording(
    observed: Mapping[str, NDArray[np.floating]],
    reference: Reference,
    mask: NDArray[np.bool_] | None = None,
) -> Comparison:
    """As :func:`compare`, for a recorded trajectory ``[B, T, ...]`` of any dtype; ``cell`` may be missing.

    ``mask`` ``[B, T]`` says which steps count, all if it is None.
    """
    case = reference.case
    return _whole(of_recording(case, case.steps, observed), in_dtype(observed, case), reference, mask)


def in_dtype(observed: Mapping[str, NDArray[np.floating]], case: Case) -> dict[str, NDArray[np.floating]]:
    """Recorded arrays ``[B, t, ...]`` in the dtype of the case, as :class:`Comparing` takes them."""
    return {name: array.astype(case.dtype) for name, array in observed.items()}


def of_recording(case: Case, steps: int, observed: Mapping[str, NDArray[np.floating]]) -> Comparing:
    """The comparison of a recorded run of ``steps`` steps, which has the arrays that are ``observed``."""
    return Comparing(steps, strict=CELL in observed or not case.has_cell_state)


def compare_whole_run(hidden: NDArray[np.floating], reference: Reference) -> Comparison:
    """As :func:`compare`, for a hidden trajectory ``[B, T, P]`` alone and without looking at single steps."""
    return _whole(Comparing(reference.case.steps, by_steps=False, strict=False), {HIDDEN: hidden}, reference)


def _whole(
    comparing: Comparing,
    observed: Mapping[str, NDArray[np.floating]],
    reference: Reference,
    mask: NDArray[np.bool_] | None = None,
) -> Comparison:
    """The comparison of a run in one piece."""
    comparing.add(observed, reference, mask)
    return comparing.comparison()


def _chaos(lost: int, judged: float, by_steps: bool) -> str:
    said = f"agrees up to step {lost}; from there on rounding alone decides the trajectory"
    alone = ", and only that each step agrees by itself can be said" if by_steps else ""
    return f"{said}{alone}: as a whole {judged:.0%} of the steps were judged"


def compare_weights(extracted: Weights, loaded: Weights, cell: str = "lstm") -> Comparison:
    """Compare weights read back from a framework with those loaded into it, bit for bit.

    Both are canonical, a kernel ``[I+U, G U]`` and a bias ``[G U]``. ``cell`` names the kind of cell.
    """
    blocks_of = KINDS[cell].gates, KINDS[cell].bias_gates
    for name, names, got, expected in zip(Weights._fields, blocks_of, extracted, loaded, strict=True):
        same = got.astype(expected.dtype).view(np.uint8) == expected.view(np.uint8)
        if not same.all():
            columns = ~same.reshape(*expected.shape, -1).all(axis=-1).reshape(-1, expected.shape[-1]).all(
                axis=0
            )
            blocks = columns.reshape(len(names), -1)
            gates = [gate for gate, block in zip(names, blocks, strict=True) if block.any()]
            reason = f"{name} read back is not the {name} loaded, in gate {', '.join(gates)}"
            return Comparison(DIVERGE, reason, gates=tuple(gates))
    return Comparison(AGREE)


def compare_hidden(
    observed: NDArray[np.floating], other: NDArray[np.floating], arithmetics: tuple[str, str]
) -> Difference:
    """Compare two hidden trajectories ``[B, T, U]`` whose weights are not known.

    ``arithmetics`` names the arithmetic of each. Neither is a reference, so the error to be expected can only
    be assumed from the values themselves. Raises :class:`~rnnparity.errors.InputError` for different shapes.
    """
    if observed.shape != other.shape:
        raise InputError("hidden", list(observed.shape), f"as the other one: {list(other.shape)}")
    one, two = observed.astype(np.float64), other.astype(np.float64)
    difference = np.abs(one - two)
    error = np.hypot(*(assumed(h, ARITHMETICS[a]) for h, a in zip((one, two), arithmetics, strict=True)))
    return difference_of(HIDDEN, HIDDEN, difference, difference / error)


def compare_recorded(observed: np.ndarray, stored: np.ndarray, error: Array | None, name: str) -> Comparison:
    """Compare a trajectory ``[B, T, U]`` with a stored one of the same case: form first, then values.

    ``error`` ``[B, T, U]`` is the standard error of each of the two. It is None where the weights are not
    known; then it is assumed from the values. Equal numbers agree, finite or not.
    """
    if (observed.shape, observed.dtype) != (stored.shape, stored.dtype):
        forms = [f"{list(array.shape)} {array.dtype}" for array in (observed, stored)]
        return Comparison(FAILED, f"{name} is {forms[0]}, but should be {forms[1]}")
    one, two = observed.astype(np.float64), stored.astype(np.float64)
    if error is None:
        arithmetic = ARITHMETICS[str(stored.dtype)]
        both = np.hypot(assumed(one, arithmetic), assumed(two, arithmetic))
    else:
        both = np.sqrt(2) * error
    with np.errstate(invalid="ignore", divide="ignore"):
        same = (observed == stored) | (np.isnan(observed) & np.isnan(stored))
        distance = np.where(same, 0.0, np.abs(one - two))
        distance[np.isnan(distance)] = np.inf
        in_noise = np.where(same, 0.0, distance / np.where(np.isfinite(both), both, 1.0))
    difference = difference_of(name, name, distance, in_noise)
    if difference.first_step is None:
        return Comparison(AGREE, "", (difference,))
    return Comparison(DIVERGE, said_of(difference), (difference,))


def _wrong_form(observed: Mapping[str, np.ndarray], reference: Reference) -> str:
    states = {HIDDEN, CELL} if reference.case.has_cell_state else {HIDDEN}
    known = {name for name, state in _STATES.items() if state in states}
    required = {HIDDEN, CELL} & known
    if required - set(observed) or set(observed) - known:
        return f"returned {sorted(observed)}, but should return {sorted(required)} (of {sorted(known)})"
    for name, array in observed.items():
        expected: tuple[int, ...] = getattr(reference, _STATES[name]).shape
        if name in _LAST:
            expected = (1, expected[0], expected[2])
        if array.shape != expected:
            return f"{name} has shape {list(array.shape)}, but should have {list(expected)}"
        if array.dtype != reference.case.dtype:
            return f"{name} has dtype {array.dtype}, but should have {reference.case.dtype}"
    return ""


def _all_against(
    reference: Reference, observed: Mapping[str, np.ndarray], mask: NDArray[np.bool_] | None
) -> dict[str, tuple[Array, Array, int]]:
    """Each observed array against the reference; where h of both runs is the same, it is looked at once."""
    found: dict[str, tuple[Array, Array, int]] = {}
    for name, array in observed.items():
        again = name == STEPPED_HIDDEN and HIDDEN in found and np.array_equal(array, observed[HIDDEN])
        found[name] = found[HIDDEN] if again else _against(reference, name, array, mask)
    return found


def _against(
    reference: Reference, name: str, observed: np.ndarray, mask: NDArray[np.bool_] | None = None
) -> tuple[Array, Array, int]:
    """An observed array against the reference, up to the step from which rounding alone decides.

    |difference| and the same in noise units, both ``[B, t, U]``, and the step at which they begin. ``mask``
    ``[B, t]`` says which steps count.
    """
    state, case = _STATES[name], reference.case
    expected: Array = getattr(reference, state)
    noise: Array = getattr(reference, state + "_noise")
    steps = np.broadcast_to(np.arange(case.steps), expected.shape[:2])
    if name in _LAST:
        ends = np.full((case.batch, 1), case.steps - 1) if mask is None else mask.sum(axis=1)[:, None] - 1
        start: Array = getattr(case, f"initial_{state}")
        unmoved = ends[:, :, None] < 0  # a row of no steps ends as it starts
        steps = np.maximum(ends, 0)
        expected, noise = (masks.taken(each, steps) for each in (expected, noise))
        expected, noise = np.where(unmoved, start[:, None], expected), np.where(unmoved, 0.0, noise)
    difference = np.subtract(observed.reshape(expected.shape), expected, dtype=np.float64)
    np.abs(difference, out=difference)
    if np.isnan(difference.max()):
        difference[np.isnan(difference)] = np.inf
    if mask is not None and name not in _LAST:
        difference = np.where(mask[:, :, None], difference, 0.0)
    # Where the noise is zero, an equal element is right and any other one infinitely wrong.
    with np.errstate(divide="ignore", invalid="ignore"):
        in_noise = difference / noise
    if np.isnan(in_noise.max()):
        in_noise[difference == 0] = 0
    if reference.horizon.min() < case.steps:
        unknown = (steps >= reference.horizon[:, None])[:, :, None] & np.isfinite(difference)
        in_noise = np.where(unknown, _impossible(reference, state, observed), in_noise)
    return difference, in_noise, int(steps.min()) if name in _LAST else 0


def _impossible(reference: Reference, state: str, observed: np.ndarray) -> Array | float:
    """By how much states ``[B, T, U]`` are beyond what the equation allows, in noise units.

    No chaos makes h larger than its activations are.
    """
    bound = reference.bound if state == HIDDEN else np.inf
    if not np.isfinite(bound):
        return 0.0
    size = bound * max(reference.arithmetic.element, reference.arithmetic.activation)
    beyond: Array = np.maximum(np.abs(observed.astype(np.float64)) - bound, 0) / size
    return beyond


def _residual(hidden: np.ndarray, reference: Reference, steps: int) -> Array:
    """(hidden - reference) / standard error ``[places]``, at places before the horizon.

    There are as many as belong to this piece of a run of ``steps`` steps.
    """
    known = np.arange(reference.case.steps) < reference.horizon[:, None]
    places = np.flatnonzero(np.broadcast_to(known[:, :, None], hidden.shape))
    places = places[:: len(places) * steps // reference.case.steps // _SPREAD + 1]
    difference = hidden.reshape(-1)[places] - reference.hidden.reshape(-1)[places]
    residual: Array = difference / reference.hidden_noise.reshape(-1)[places]
    return residual


def _divergence(
    trajectory: Iterable[Difference], by_step: Iterable[Difference], local: Pattern | None
) -> str:
    """Why a run diverges, in a sentence or two; empty if it does not."""
    beyond = [difference for difference in (*trajectory, *by_step) if difference.first_step is not None]
    if not beyond:
        together = local and local.gates and _parameter(local)
        return f"no element is beyond the noise, all together are: {together}" if together else ""
    first = min(beyond, key=lambda d: (d.observed in LOCAL, d.first_step, -d.noise))
    said = said_of(first)
    start = first_step(by_step)
    if local is None:
        return said
    if start is None:
        return f"{said}; step by step it agrees"
    names = ", ".join(GATE_NAMES[gate] for gate in local.gates)
    return f"{said}; errors are made from step {start} on" + (f", in the {names}" if names else "")


def said_of(difference: Difference) -> str:
    """What a difference is, where it is largest, in a sentence."""
    return (
        f"{difference.observed} differs from step {difference.first_step} on; "
        f"largest at {_where(difference.observed, difference.place)}: {difference.noise:.3g} times the noise"
    )


def _parameter(local: Pattern) -> str:
    """The parameter that would explain the local errors, in words."""
    parameter = local.parameter
    place = "bias" if parameter.row is None else f"kernel row {parameter.row}"
    return (
        f"as if {place}, {GATE_NAMES[parameter.gate]}, unit {parameter.unit} were larger by "
        f"{parameter.change:.2g} ({local.significance:.3g} times what rounding explains)"
    )


def _where(name: str, place: Place) -> str:
    return f"{name}[batch {place.batch}, step {place.step}, unit {place.unit}]"
