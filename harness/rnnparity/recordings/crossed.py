"""Cross two recordings: the weights of one with the inputs and outputs of the other, both ways.

Both sides' layouts become canonical first. So it shows whether the weights of a port are those of the
original, and whether what the port computes is what the original would compute with them.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from rnnparity.diagnosis import explain
from rnnparity.diagnosis.causes import Cause
from rnnparity.diagnosis.findings import Finding, GateOrder
from rnnparity.diagnosis.hypothesis import Hypothesis
from rnnparity.diagnosis.sentences import detail
from rnnparity.diagnosis.teacher_forcing import Setting
from rnnparity.diagnosis.vocabulary import Vocabulary
from rnnparity.diagnosis.weight_hypotheses import tables
from rnnparity.errors import InputError
from rnnparity.files import array_file
from rnnparity.judge.comparison import AGREE, DIVERGE, NONFINITE, Comparison
from rnnparity.recordings.check import Check, against, check
from rnnparity.recordings.recording import WEIGHTS, Recording, from_arrays
from rnnparity.reference import forward
from rnnparity.reference.case import Case
from rnnparity.reference.noise import Array
from rnnparity_adapters.layout import Weights

CANNOT_TELL = "cannot tell"
_ROUNDED = 1e-6
"""Weights are the same if they differ by less than this part of the largest: float32 has seven digits."""
_PARTS = ("input kernel", "recurrent kernel", "bias")


@dataclass(frozen=True)
class Side:
    """A recording, the name to call it by, and its own :class:`~rnnparity.recordings.check.Check`."""

    name: str
    recording: Recording
    checked: Check


@dataclass(frozen=True)
class Way:
    """The equation and weights of the side ``given`` with the inputs, states and outputs of ``ran``."""

    given: Side
    ran: Side
    comparison: Comparison
    causes: tuple[Cause, ...]


@dataclass(frozen=True)
class Crossing:
    """Two recordings of the same sizes, and both ways to cross them.

    ``remarks`` say what the weights, inputs and initial states of the second are of the first's.
    """

    one: Side
    other: Side
    remarks: tuple[str, ...]
    ways: tuple[Way, Way]

    @property
    def verdict(self) -> str:
        """``agree`` if both ways do, ``diverge`` if either does, otherwise ``cannot tell``."""
        verdicts = {way.comparison.verdict for way in self.ways}
        if verdicts & {DIVERGE, NONFINITE}:
            return DIVERGE
        return AGREE if verdicts == {AGREE} else CANNOT_TELL


def both_recordings(one: str, other: str) -> tuple[Recording, Recording] | None:
    """The recordings in two files; None unless both hold weights.

    Raises :class:`~rnnparity.errors.InputError` for weights that do not fit what their file says.
    """
    stored = []
    for path in (one, other):
        if Path(path).suffix not in (".npz", ".safetensors") or not Path(path).exists():
            return None
        read = array_file.read_arrays(path)
        if "meta" not in read.arrays or not any(name.startswith(WEIGHTS) for name in read.arrays):
            return None
        stored.append(read)
    first, second = (from_arrays(read.arrays, read.bfloat16) for read in stored)
    return first, second


def cross(names: tuple[str, str], recordings: tuple[Recording, Recording]) -> Crossing:
    """Cross two recordings.

    Raises :class:`~rnnparity.errors.InputError` where they are of other kinds of cell or of other sizes.
    """
    first, second = (each.case for each in recordings)
    _check_sizes(names, first, second)
    one, other = (Side(name, each, check(each)) for name, each in zip(names, recordings, strict=True))
    ways = _way(one, other), _way(other, one)
    return Crossing(one, other, (*_fed(first, second, names), *_weights(one, other)), ways)


def _fed(first: Case, second: Case, names: tuple[str, str]) -> Iterator[str]:
    """Which of the inputs and initial states of the two cases are others."""
    arrays = (("inputs", "inputs"), ("initial_hidden", "initial states"), ("initial_cell", "initial states"))
    apart = [said for name, said in arrays if not _same(getattr(first, name), getattr(second, name))]
    if apart:
        said = " and the ".join(dict.fromkeys(apart))
        yield f"the {said} of {names[1]} are others than those of {names[0]}"


def _check_sizes(names: tuple[str, str], first: Case, second: Case) -> None:
    for what in ("cell", "input_size", "units", "width of hidden"):
        mine, yours = (_sizes(case)[what] for case in (first, second))
        if mine != yours:
            raise InputError(f"{what} of {names[1]}", yours, f"{mine}, as in {names[0]}")


def _sizes(case: Case) -> dict[str, object]:
    return {
        "cell": case.equation.cell, "input_size": case.input_size, "units": case.units,
        "width of hidden": case.initial_hidden.shape[1],
    }  # fmt: skip


def _way(given: Side, ran: Side) -> Way:
    weights, run, stored = given.recording.case, ran.recording.case, ran.recording
    case = replace(
        weights, inputs=run.inputs, initial_hidden=run.initial_hidden, initial_cell=run.initial_cell
    )
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        expected = forward.run(case, stored.arithmetic)
    compared, causes = against(expected, stored.trajectory, stored.mask, given.recording, stored.arithmetic)
    return Way(given, ran, compared, tuple(causes))


def _weights(one: Side, other: Side) -> Iterator[str]:
    """What the weights of the second are of those of the first, in sentences."""
    first, second = (side.recording.case for side in (one, other))
    apart = [
        name
        for name, mine, yours in zip(_PARTS, _parts(first), _parts(second), strict=True)
        if not _same(mine, yours)
    ]
    if not apart:
        yield f"the weights of {other.name} are those of {one.name}"
    else:
        yield from _changed(one, other, apart)
    for what in ("peepholes", "projection"):
        mine, yours = (getattr(case, what) for case in (first, second))
        if (mine is None) != (yours is None):
            yield f"{(one if yours is None else other).name} alone has {what}"
        elif mine is not None and not _same(mine, yours):
            yield f"the {what} of {other.name} are others than those of {one.name}"


def _changed(one: Side, other: Side, apart: list[str]) -> Iterator[str]:
    """How the weights differ: by a known mistake in reading them, or only where."""
    for source, target in ((one, other), (other, one)):
        recording, wanted = source.recording, target.recording.case
        words = Vocabulary(recording.known, recording.equation, recording.names)
        findings = _misread(recording, wanted)
        if findings:
            how = detail(findings, words)
            yield f"the weights of {target.name} are those of {source.name}, but {how}"
            return
    forget = _forget_bias(one.recording.case, other.recording.case) if apart == ["bias"] else None
    if forget is not None:
        larger = f"its forget bias is larger by {forget:.6g}"
        yield f"the weights of {other.name} are those of {one.name}, but {larger}"
    elif len(apart) == len(_PARTS):
        yield f"all weights of {other.name} are others than those of {one.name}"
    else:
        yield f"of the weights of {other.name} the {' and the '.join(apart)} differ from {one.name}'s"


def _misread(recording: Recording, wanted: Case) -> tuple[Finding, ...]:
    """The known mistake that reads a recording's weights as those of ``wanted``; empty if there is none."""
    case = recording.case
    shares = explain.stored_biases(recording.layout, recording.weights)
    stored = case.equation.forget_bias if recording.layout.forget_bias == "bias" else 0.0
    setting = Setting(case, np.zeros((1, 1, 1)), None, shares, stored_forget_bias=stored)
    few, few_wanted = replace(setting, case=_few(case), shares=_few_of(shares, case)), _few(wanted)
    known = tables(case.equation.cell)
    for hypothesis in (*known.orders, *known.layouts):
        # There are hundreds of orders, and each does to all units what it does to some.
        is_order = isinstance(hypothesis.findings[0], GateOrder)
        likely = not is_order or _leads_to(hypothesis, few, few_wanted)
        if likely and _leads_to(hypothesis, setting, wanted):
            return hypothesis.findings
    return ()


def _leads_to(hypothesis: Hypothesis, setting: Setting, wanted: Case) -> bool:
    changed = hypothesis.change(setting)
    return changed is not None and all(map(_same, _parts(changed.case), _parts(wanted)))


_FEW = 8
"""The inputs and units in which an order of gates is looked for first."""


def _few(case: Case) -> Case:
    """The case with its first inputs and units alone."""
    kernel = np.asarray(case.weights.kernel)
    rows = np.r_[0 : min(_FEW, case.input_size), case.input_size : min(len(kernel), case.input_size + _FEW)]
    columns = kernel.reshape(len(kernel), len(case.gates), -1)[rows][:, :, :_FEW]
    (bias,) = _few_of((np.asarray(case.weights.bias),), case)
    return replace(
        case,
        weights=Weights(columns.reshape(len(rows), -1), bias),
        inputs=case.inputs[:, :, :_FEW],
        initial_hidden=case.initial_hidden[:, :_FEW],
        initial_cell=case.initial_cell[:, :_FEW],
    )


def _few_of(biases: tuple[Array, ...], case: Case) -> tuple[Array, ...]:
    """Biases ``[G U]`` of the first units alone."""
    gates = len(case.kind.bias_gates)
    return tuple(np.ascontiguousarray(bias.reshape(gates, -1)[:, :_FEW]).reshape(-1) for bias in biases)


def _parts(case: Case) -> tuple[Array, Array, Array]:
    """The input kernel, the recurrent kernel and the bias of a case."""
    kernel = np.asarray(case.weights.kernel, np.float64)
    return kernel[: case.input_size], kernel[case.input_size :], np.asarray(case.weights.bias, np.float64)


def _same(mine: Array, yours: Array) -> bool:
    scale = max(float(np.abs(mine).max(initial=0)), float(np.abs(yours).max(initial=0)))
    return mine.shape == yours.shape and bool(np.all(np.abs(mine - yours) <= _ROUNDED * scale))


def _forget_bias(first: Case, second: Case) -> float | None:
    """The constant by which the second's forget bias is larger; None if that is not all."""
    gates = first.kind.bias_gates
    if "f" not in gates:
        return None
    more = np.reshape(np.asarray(second.weights.bias) - np.asarray(first.weights.bias), (len(gates), -1))
    value = float(more[gates.index("f")].mean())
    expected = np.array([[value * (gate == "f")] for gate in gates])
    return value if np.allclose(more, expected, rtol=0, atol=_ROUNDED * max(1.0, abs(value))) else None
