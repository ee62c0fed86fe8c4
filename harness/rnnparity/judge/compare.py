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
    LOCAL_CELL,
    LOCAL_HIDDEN,
    NONFINITE,
    Comparison,
    Difference,
    Heat,
    Place,
    first_step,
)
from rnnparity.judge.local_errors import analyse
from rnnparity.judge.matched_filter import LocalAnalysis
from rnnparity.reference import masks
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

HEAT_CELLS = 64
"""A heatmap has at most this many cells along steps, and along units, so that its size is bounded."""


_STATES = {HIDDEN: HIDDEN, STEPPED_HIDDEN: HIDDEN, CELL: CELL, LAST_HIDDEN: HIDDEN, LAST_CELL: CELL}
"""The state of the reference with which each observed array is compared."""
_LAST = (LAST_HIDDEN, LAST_CELL)


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
    wrong = _wrong_form(observed, reference)
    if wrong:
        return Comparison(FAILED, wrong)
    return _judged(observed, reference)


def compare_recording(
    observed: Mapping[str, NDArray[np.floating]],
    reference: Reference,
    mask: NDArray[np.bool_] | None = None,
) -> Comparison:
    """As :func:`compare`, for a recorded trajectory ``[B, T, ...]`` of any dtype; ``cell`` may be missing.

    ``mask`` ``[B, T]`` says which steps count, all if it is None.
    """
    arrays = {name: array.astype(reference.case.dtype) for name, array in observed.items()}
    has_cell = CELL in arrays or not reference.case.has_cell_state
    wrong = _wrong_form(arrays, reference) if has_cell else ""
    return Comparison(FAILED, wrong) if wrong else _judged(arrays, reference, mask=mask)


def compare_whole_run(hidden: NDArray[np.floating], reference: Reference) -> Comparison:
    """As :func:`compare`, for a hidden trajectory ``[B, T, P]`` alone and without looking at single steps."""
    return _judged({HIDDEN: hidden}, reference, by_steps=False)


def _judged(
    observed: Mapping[str, NDArray[np.floating]],
    reference: Reference,
    by_steps: bool = True,
    mask: NDArray[np.bool_] | None = None,
) -> Comparison:
    """The comparison of arrays of the right forms; ``by_steps`` also judges each step by itself."""
    trajectory = [_against(reference, name, array, mask) for name, array in observed.items()]
    for difference in trajectory:
        if not np.isfinite(difference.absolute):
            where = _where(difference.observed, difference.place)
            return Comparison(NONFINITE, f"{where} is not finite", tuple(trajectory))
    local = _local(observed, reference, mask) if by_steps else None
    steps = [] if local is None else [
        difference_of(name, name, np.abs(errors), np.abs(errors))
        for name, errors in ((LOCAL_HIDDEN, local.hidden), (LOCAL_CELL, local.cell))
        if errors.size
    ]  # fmt: skip
    # Where every step is right, or none was looked at, the noise of the whole run may be too small.
    doubtful = local is not None or max(difference.noise for difference in trajectory) < _DOUBTFUL
    if doubtful and first_step(steps) is None and first_step(trajectory) is not None:
        reference = ensemble(reference)
        trajectory = [_against(reference, name, array, mask) for name, array in observed.items()]
    verdict, reason = DIVERGE, _divergence(trajectory, steps, local)
    horizon, length = reference.horizon, reference.case.steps
    if not reason and horizon.min() < length:
        verdict, reason = CHAOTIC, _chaos(int(horizon.min()), float(horizon.mean()) / length, bool(steps))
    return Comparison(
        verdict if reason else AGREE,
        reason,
        (*trajectory, *steps),
        local.parameter if local else None,
        local.significance if local else 0.0,
        local.gates if local and verdict == DIVERGE and reason else (),
        float(horizon.mean()) / length,
        _residual(observed[HIDDEN], reference),
    )


def _local(
    observed: Mapping[str, NDArray[np.floating]], reference: Reference, mask: NDArray[np.bool_] | None
) -> LocalAnalysis | None:
    """The local errors, or None if too little was observed: a projection hides the cell states.

    Nor are there any where the inputs have errors, which are not independent from step to step.
    """
    case = reference.case
    if case.inputs_noise is not None:
        return None
    # The cell state is that of the stepped run, where there are two.
    hidden = observed.get(STEPPED_HIDDEN, observed[HIDDEN])
    cell = observed.get(CELL) if case.has_cell_state else reference.cell
    if cell is None and case.has_cell_state and case.projection is not None:
        return None
    return analyse(case, hidden, cell, reference.arithmetic, mask)


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


def _against(
    reference: Reference, name: str, observed: np.ndarray, mask: NDArray[np.bool_] | None = None
) -> Difference:
    """An observed array against the reference, up to the step from which rounding alone decides."""
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
    difference = np.abs(observed.reshape(expected.shape).astype(np.float64) - expected)
    difference[np.isnan(difference)] = np.inf
    if mask is not None and name not in _LAST:
        difference = np.where(mask[:, :, None], difference, 0.0)
    # Where the noise is zero, an equal element is right and any other one infinitely wrong.
    with np.errstate(divide="ignore", invalid="ignore"):
        in_noise = np.where(difference == 0, 0, difference / noise)
    unknown = (steps >= reference.horizon[:, None])[:, :, None] & np.isfinite(difference)
    if unknown.any():
        in_noise = np.where(unknown, _impossible(reference, state, observed), in_noise)
    return difference_of(name, state, difference, in_noise, int(steps.min()) if name in _LAST else 0)


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


def difference_of(name: str, state: str, difference: Array, in_noise: Array, start: int = 0) -> Difference:
    """|difference| and the same in noise units, both ``[B, T, U]`` and beginning at step ``start``."""
    batch, step, unit = (int(n) for n in np.unravel_index(np.argmax(in_noise), in_noise.shape))
    of_any_row = in_noise.max(axis=0)
    by_step = of_any_row.max(axis=1)
    beyond = np.flatnonzero(by_step > LIMIT)
    return Difference(
        observed=name,
        state=state,
        absolute=float(difference.max()),
        noise=float(in_noise[batch, step, unit]),
        place=Place(batch, start + step, unit),
        first_step=start + int(beyond[0]) if beyond.size else None,
        by_step=by_step,
        heat=_heat(of_any_row) if beyond.size or name in (HIDDEN, CELL) else None,
    )


def _heat(in_noise: Array) -> Heat:
    """``[T, U]`` as a heatmap, whose cells keep the largest element that they cover."""
    steps, units = (-(-length // HEAT_CELLS) for length in in_noise.shape)
    by_steps = np.maximum.reduceat(in_noise, np.arange(0, in_noise.shape[0], steps), axis=0)
    cells = np.maximum.reduceat(by_steps, np.arange(0, in_noise.shape[1], units), axis=1)
    return Heat(cells, steps, units)


def _residual(hidden: np.ndarray, reference: Reference) -> Array:
    """(hidden - reference) / standard error ``[places]``, at places before the horizon."""
    known = np.arange(reference.case.steps) < reference.horizon[:, None]
    places = np.flatnonzero(np.broadcast_to(known[:, :, None], hidden.shape))
    places = places[:: len(places) // _SPREAD + 1]
    difference = hidden.reshape(-1)[places] - reference.hidden.reshape(-1)[places]
    residual: Array = difference / reference.hidden_noise.reshape(-1)[places]
    return residual


def _divergence(
    trajectory: Iterable[Difference], by_step: Iterable[Difference], local: LocalAnalysis | None
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


def _parameter(local: LocalAnalysis) -> str:
    """The parameter that would explain the local errors, in words."""
    parameter = local.parameter
    place = "bias" if parameter.row is None else f"kernel row {parameter.row}"
    return (
        f"as if {place}, {GATE_NAMES[parameter.gate]}, unit {parameter.unit} were larger by "
        f"{parameter.change:.2g} ({local.significance:.3g} times what rounding explains)"
    )


def _where(name: str, place: Place) -> str:
    return f"{name}[batch {place.batch}, step {place.step}, unit {place.unit}]"
