"""Causes that are no structure: what is irregular, coarse, or one parameter; and what is known otherwise."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnnparity.diagnosis import fitted_blocks
from rnnparity.diagnosis.teacher_forcing import Setting, Window, force, vectors, whole
from rnnparity.diagnosis.weight_hypotheses import with_weights
from rnnparity.judge.local_errors import Local, Parameter, local_errors
from rnnparity.reference.forward import Reference
from rnnparity.reference.noise import ARITHMETICS, LIMIT, Array
from rnnparity.selftest.planted_mistakes import ROUNDED
from rnnparity_adapters.equation import RELU
from rnnparity_adapters.layout import BIAS_GATES, GATE_NAMES, Weights

_COARSER = (
    "float64", "float32", "tf32", "float16-float32", "float16", "bfloat16-float32", "bfloat16",
)  # fmt: skip


ENOUGH = 3
"""Steps, of all rows together, from which a parameter can be told: one would fit anything."""

_NAMED = 4  # parameters that are followed, the best of each gate
_ROUNDS = 12


class Found(NamedTuple):
    """A cause, in words and for a machine, and the setting that it would make."""

    id: str
    detail: str
    about: dict[str, Any]
    setting: Setting


def irregular(setting: Setting, base: Reference) -> Iterator[Found]:
    """Steps past a length that were zeroed or held, and outputs that were dropped."""
    tails = _tails(setting.hidden)
    for how, lengths in tails.items():
        if np.all(lengths == setting.case.steps):
            continue
        past = np.arange(setting.case.steps) >= lengths[:, None]
        detail = f"steps past lengths {lengths.tolist()} are {how}"
        yield Found(
            "masking",
            detail,
            {"lengths": lengths.tolist(), "steps": how},
            _filled(setting, base, past[:, :, None]),
        )
    alive = np.abs(base.hidden) > np.maximum(1e-3, LIMIT * base.hidden_noise)
    zero = setting.hidden == 0
    rate = float((zero & alive).sum() / max(1, alive.sum()))  # a relu's own zeros do not count
    kept_ones = alive & ~zero
    if 0.02 < rate < 0.98 and kept_ones.sum() >= ENOUGH:
        ratio = float(np.median(setting.hidden[kept_ones] / base.hidden[kept_ones]))
        if ratio > (1.02 if setting.case.equation.activation == RELU else 0):  # whose zeros are its own
            kept = replace(setting, hidden=np.where(zero, base.hidden, setting.hidden / ratio), cell=None)
            detail = f"{rate:.0%} of the outputs are zero, the others {ratio:.4g} times too large"
            yield Found("dropout", detail, {"rate": round(1 - 1 / ratio, 4) if ratio > 1 else rate}, kept)


def _tails(hidden: Array) -> dict[str, Array]:
    """For each row ``[B]``, from which step on its states are zero, and from which they no longer change."""
    steps = hidden.shape[1]
    zero = np.all(hidden == 0, axis=2)
    held = np.concatenate(
        [np.zeros((len(hidden), 1), bool), np.all(hidden[:, 1:] == hidden[:, :-1], axis=2)], 1
    )

    def start(flags: Array) -> Array:
        first: Array = steps - np.cumprod(flags[:, ::-1], axis=1).sum(axis=1)
        return first

    return {"zeroed": start(zero), "held": np.where(start(zero) < steps, steps, start(held))}


def _filled(setting: Setting, base: Reference, past: NDArray[np.bool_]) -> Setting:
    cell = None if setting.cell is None else np.where(past, base.cell, setting.cell)
    return replace(setting, hidden=np.where(past, base.hidden, setting.hidden), cell=cell)


def coarser(base: Reference) -> Iterator[str]:
    """Arithmetics that err more than that of the reference."""
    for name in _COARSER:
        if max(ARITHMETICS[name].element, ARITHMETICS[name].factor) > 4 * base.arithmetic.element:
            yield name


def rounds_so(setting: Setting, name: str) -> bool:
    """Whether the states are numbers of that format, or the error is what rounding the factors of matrix
    products to it makes: that error is no accident, it can be computed.
    """
    rounded = _ROUNDED[name]
    if np.mean(rounded(setting.hidden) == setting.hidden) > _ALMOST_ALL:
        return True
    case = setting.case
    weights = Weights(rounded(np.asarray(case.weights.kernel)), case.weights.bias)
    coarse = replace(
        setting,
        hidden=rounded(setting.hidden),
        case=replace(
            case, weights=weights, inputs=rounded(case.inputs), initial_hidden=rounded(case.initial_hidden)
        ),
    )
    one, other = (force([each], whole(each)).predict(case.equation)[0][0] for each in (setting, coarse))
    made, seen = (other - one).reshape(-1), (setting.hidden - one).reshape(-1)
    alike = float(made @ seen) / max(float(np.linalg.norm(made) * np.linalg.norm(seen)), 1e-300)
    return alike > max(_CORRELATED, LIMIT / float(np.sqrt(seen.size)))


def _format(dtype: str) -> Callable[[np.ndarray], Array]:
    return lambda values: values.astype(dtype).astype(np.float64)


def _mantissa(name: str) -> Callable[[np.ndarray], Array]:
    return lambda values: ROUNDED[name](values.astype(np.float32)).astype(np.float64)


_ROUNDED = {
    "float32": _format("float32"), "tf32": _mantissa("tf32"),
    "float16": _format("float16"), "float16-float32": _format("float16"),
    "bfloat16": _mantissa("bfloat16"), "bfloat16-float32": _mantissa("bfloat16"),
    "float64": _format("float64"),
}  # fmt: skip
_ALMOST_ALL = 0.99
_CORRELATED = 0.2


def touched(setting: Setting, other: Setting, base: Reference) -> int:
    """At how many steps, of all rows together, a change of weights shows in what is made there."""
    one, two = (force([each], whole(each)).predict(each.case.equation)[0][0] for each in (setting, other))
    return int(np.sum(np.any(np.abs(one - two) > base.hidden_noise, axis=2)))


def single(setting: Setting, base: Reference) -> Iterator[Found]:
    """One parameter of another value, if there is enough to tell it from."""
    if setting.case.batch * setting.case.steps < ENOUGH:
        return
    local = _local(setting, base) if setting.complete else None
    if local:
        yield from _followed(setting, base, local)
    if setting.case.equation.cell != "lstm" or setting.case.projection is not None:
        return
    errors = _errors(setting, base, local)
    wrong = np.flatnonzero(errors > LIMIT)
    if setting.cell is not None and not len(wrong):
        wrong = np.flatnonzero(errors >= errors.max())
    if len(wrong) <= 2:
        for unit in wrong[np.argsort(-errors[wrong])]:
            yield from _single(setting, int(unit))


def _followed(setting: Setting, base: Reference, first: Local) -> Iterator[Found]:
    """The parameters that the matched filter names, each followed until nothing is left to explain."""
    for named in sorted(first.parameters.values(), key=lambda p: -p.score)[:_NAMED]:
        if named.gate == "p":
            continue
        place, change, found = _place(setting, named), 0.0, named
        for _ in range(_ROUNDS):
            change += found.change
            if abs(found.change) < 1e-7 * abs(change):
                break
            found = _local(_with_change(setting, place, change), base).parameters[named.gate]
            if (found.row, found.unit) != (named.row, named.unit):
                break
        yield _found(setting, place, change)


def _local(setting: Setting, base: Reference) -> Local:
    cell = base.cell if setting.cell is None else setting.cell
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        return local_errors(setting.case, setting.hidden, cell, base.arithmetic)


def block(setting: Setting, noise: float) -> Iterator[Found]:
    """One gate's bias or kernel, if it leaves about the ``noise`` and there is enough to tell it from."""
    gates, size = setting.case.gates, setting.case.input_size
    names = BIAS_GATES[setting.case.equation.cell]
    for tensor, gate, change in fitted_blocks.solve(setting, noise):
        kernel, bias = (np.array(a, np.float64) for a in setting.case.weights)
        if tensor == "bias":
            bias.reshape(len(names), -1)[names.index(gate)] += change[0]
        else:
            rows = slice(0, size) if tensor == "input kernel" else slice(size, None)
            kernel.reshape(len(kernel), len(gates), -1)[rows, gates.index(gate)] += change
        detail = f"the {GATE_NAMES[gate]}'s {tensor} is larger by {change.min():.3g} to {change.max():.3g}"
        about = {"tensor": tensor, "gate": gate, "change": change.tolist()}
        yield Found("parameter", detail, about, with_weights(setting, kernel, bias))


def _errors(setting: Setting, base: Reference, local: Local | None) -> Array:
    """Of each unit ``[U]``, in noise units, made at single steps; ``local`` where every state is known."""
    if local:
        states = [np.abs(errors).max(axis=(0, 1)) for errors in (local.hidden, local.cell) if errors.size]
        largest: Array = np.maximum.reduce([errors for errors in states if len(errors) == len(states[-1])])
        if largest.max() <= LIMIT:
            largest = np.zeros(setting.case.units)
            largest[local.parameter.unit] = LIMIT
        return largest
    hidden, _ = force([setting], whole(setting)).predict(setting.case.equation)
    worst: Array = (np.abs(hidden[0] - setting.hidden) / base.hidden_noise).max(axis=(0, 1))
    return worst


def _single(setting: Setting, unit: int) -> Iterator[Found]:
    """The parameters of one unit, each fitted by itself, those that leave least."""
    rows, steps = np.arange(setting.hidden.shape[0]), setting.hidden.shape[1]
    window = Window(rows, np.array([unit]), steps)
    v = np.concatenate([vectors(setting, rows, steps), np.ones((len(rows), steps, 1))], axis=2)
    equation = setting.case.equation
    forced = force([setting], window)
    residual = forced.residual(equation)[0]
    candidates = []
    for number in range(len(setting.case.gates)):
        for row in range(v.shape[2]):
            slope = (_moved(forced, number, v[:, :, row], 1e-6, equation) - residual) / 1e-6
            square = float(slope @ slope)
            if square > 0:
                change = -float(slope @ residual) / square
                left = _moved(forced, number, v[:, :, row], change, equation)
                candidates.append((float(left @ left), number, row, change))
    for _, number, row, first in sorted(candidates)[:4]:
        change = first
        for _ in range(5):
            left = _moved(forced, number, v[:, :, row], change, equation)
            slope = (_moved(forced, number, v[:, :, row], change + 1e-6, equation) - left) / 1e-6
            square = float(slope @ slope)
            change -= float(slope @ left) / square if square else 0.0
        place = _Place(setting.case.gates[number], None if row == v.shape[2] - 1 else row, unit)
        yield _found(setting, place, change)


def _moved(forced: Any, gate: int, by: Array, size: float, equation: Any) -> Array:
    z = forced.z.copy()
    z[:, gate] += size * by[None, :, :, None]
    moved: Array = replace(forced, z=z).residual(equation)[0]
    return moved


class _Place(NamedTuple):
    """One parameter: the gate whose block it is in, its row in the kernel (None: the bias), and its unit."""

    gate: str
    row: int | None
    unit: int


def _place(setting: Setting, parameter: Parameter) -> _Place:
    """Where the parameter that the matched filter names stands: m has only a bias, its rows are n's."""
    gate = "n" if parameter.gate == "m" and parameter.row is not None else parameter.gate
    return _Place(gate, parameter.row, parameter.unit)


def _with_change(setting: Setting, place: _Place, change: float) -> Setting:
    units, cell = setting.case.units, setting.case.equation.cell
    kernel, bias = (np.array(a, np.float64) for a in setting.case.weights)
    if place.row is None:
        bias[BIAS_GATES[cell].index(place.gate) * units + place.unit] += change
    else:
        kernel[place.row, setting.case.gates.index(place.gate) * units + place.unit] += change
    return with_weights(setting, kernel, bias)


def _found(setting: Setting, place: _Place, change: float) -> Found:
    size = setting.case.input_size
    about: dict[str, Any] = {"tensor": "bias", "gate": place.gate, "unit": place.unit, "change": change}
    where = "bias"
    if place.row is not None:
        recurrent = place.row >= size
        about["tensor"] = "recurrent kernel" if recurrent else "input kernel"
        about["row"] = place.row - size * recurrent
        where = f"{about['tensor']} row {about['row']}"
    detail = f"{where}, {GATE_NAMES[place.gate]}, unit {place.unit} is larger by {change:.6g}"
    return Found("parameter", detail, about, _with_change(setting, place, change))


def known(setting: Setting, base: Reference) -> str:
    """What can be said of a difference that nothing explains."""
    in_noise = np.abs(setting.hidden - base.hidden) / base.hidden_noise
    beyond = in_noise > LIMIT
    if not beyond.any():
        return "only all elements together differ, none by itself"
    steps = np.flatnonzero(beyond.any(axis=(0, 2)))
    local = _local(setting, base) if setting.complete else None
    errors = np.flatnonzero(_errors(setting, base, local) > LIMIT)
    rows = np.flatnonzero(beyond.any(axis=(1, 2)))
    batch, _, units = setting.hidden.shape
    said = [
        f"none of the known causes; from step {steps[0]} on",
        f"{len(rows)} of {batch} batch rows",
        f"made in {len(errors)} of {units} units"
        + (f" ({', '.join(map(str, errors))})" if len(errors) <= 4 else ""),
    ]
    if local:
        said.append(f"most of it in the {GATE_NAMES[local.parameter.gate]}")
    return ", ".join(said)
