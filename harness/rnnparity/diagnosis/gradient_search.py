"""Why gradients differ where the trajectory does not.

A mistake in what is passed back is tried by going backwards once more with that mistake. What concerns
tensors alone, a factor or the order of the gates, is read off the gradients that were observed.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnparity.apis.api import Api
from rnnparity.diagnosis.causes import CONFIRMED, SUSPECT, Cause
from rnnparity.diagnosis.findings import Finding
from rnnparity.diagnosis.gradient_findings import (
    GradientScaled,
    GradientsReordered,
    GradientUnknown,
    LastStepAlone,
    PathCut,
    ThroughClip,
)
from rnnparity.diagnosis.sentences import sentence
from rnnparity.diagnosis.vocabulary import Vocabulary
from rnnparity.judge import gradients
from rnnparity.judge.gradients import Expected
from rnnparity.reference import backward
from rnnparity.reference.backward_steps import Passed
from rnnparity.reference.forward import Reference
from rnnparity.reference.noise import LIMIT
from rnnparity_adapters.adapter import INPUTS
from rnnparity_adapters.layout import Layout

Observed = Mapping[str, NDArray[np.floating]]
"""Gradients ``[...]`` by name."""
_NICE = (0.0, 2.0, 0.5, -1.0)
"""Factors that a mistake is likely to have; one that is as near as rounding tells is said to be that."""


def diagnose(reference: Reference, observed: Observed, stored_as: Layout, api: Api) -> tuple[Cause, ...]:
    """The causes for which ``observed`` gradients differ from those of a ``reference``; ``unknown`` if none.

    They are named and shaped as :func:`rnnparity_adapters.adapter.derivatives` says, with the tensors of the
    layout, and the causes are told in the words of the ``api``. Together they explain all that is wrong.
    """
    words = Vocabulary(api, reference.case.equation)
    right = gradients.native(stored_as, gradients.of_reference(reference))
    before = worst(observed, right)
    for finding, change in _paths(reference, observed, right):
        after = worst(observed, gradients.native(stored_as, change()))
        if after <= LIMIT:
            return (_told(finding, CONFIRMED, before, after, words),)
    wrong = [name for name in right if worst(observed, {name: right[name]}) > LIMIT]
    found = [*_of_tensors(wrong, observed, right, stored_as, reference)]
    explained = {name for finding, _ in found for name in finding.about["tensors"]}
    causes = [_told(finding, CONFIRMED, before, after, words) for finding, after in found]
    rest = tuple(name for name in wrong if name not in explained)
    if rest:
        differences = gradients.compare(observed, right, stored_as, reference.case)
        gates = dict.fromkeys(gate for each in differences if each.tensor in rest for gate in each.gates)
        unknown = GradientUnknown(rest, "".join(gates))
        causes.append(_told(unknown, SUSPECT, before, before, words))
    return tuple(causes)


def worst(observed: Observed, expected: Mapping[str, Expected]) -> float:
    """The largest difference in noise units."""
    return max(
        float(gradients.in_noise(observed[name], each).max(initial=0)) for name, each in expected.items()
    )


def _paths(
    reference: Reference, observed: Observed, right: Mapping[str, Expected]
) -> Iterator[tuple[Finding, Callable[[], backward.Gradients]]]:
    """What may be wrong with what is passed back, each with the gradients that it makes."""
    case = reference.case

    def of(**passed: Any) -> Callable[[], backward.Gradients]:
        return lambda: backward.run(reference, Passed(**passed))

    beyond = gradients.in_noise(observed[INPUTS], right[INPUTS]).max(axis=(0, 2)) > LIMIT
    if beyond.any():
        stopped = int(np.flatnonzero(beyond)[-1]) + 1
        if stopped < case.steps:
            yield PathCut(step=stopped), of(stopped=frozenset({stopped}))
    yield PathCut(), of(hidden=False, cell=False)
    if case.has_cell_state:
        yield PathCut("hidden"), of(hidden=False)
        yield PathCut("cell"), of(cell=False)
    if case.equation.cell_clip is not None:
        yield ThroughClip(), of(through_clip=True)
    assert case.cotangent is not None
    last = case.cotangent * (np.arange(case.steps) == case.steps - 1)[:, None]
    yield LastStepAlone(), lambda: backward.run(replace(reference, case=replace(case, cotangent=last)))


def _of_tensors(
    wrong: Iterable[str],
    observed: Observed,
    right: Mapping[str, Expected],
    stored_as: Layout,
    reference: Reference,
) -> Iterator[tuple[Any, float]]:
    """What is wrong with tensors by themselves, and the largest difference that is left of each, in noise."""
    tensors, sizes = gradients.tensors_of(stored_as), gradients.sizes_of(reference.case)
    found: dict[tuple[Any, ...], list[tuple[str, float]]] = {}
    for name in wrong:
        whole = _factor(observed[name], right[name])
        if whole:
            found.setdefault(("", whole[0]), []).append((name, whole[1]))
            continue
        if name not in tensors:
            continue
        apart = [
            gradients.by_gate(tensors[name], np.asarray(each, np.float64), sizes)
            for each in (observed[name], *right[name])
        ]
        gates = list(apart[0])
        blocks = {gate: (apart[0][gate], Expected(apart[1][gate], apart[2][gate])) for gate in gates}
        off = [gate for gate in gates if worst({"": blocks[gate][0]}, {"": blocks[gate][1]}) > LIMIT]
        order = _order(blocks, gates) if len(off) > 1 else None
        if order:
            key = "".join(gates), order[0]
            found.setdefault(key, []).append((name, order[1]))
            continue
        scaled = [(gate, _factor(*blocks[gate])) for gate in off]
        if all(factor for _, factor in scaled):
            for gate, factor in scaled:
                assert factor is not None
                found.setdefault((gate, factor[0]), []).append((name, factor[1]))
    for (gates_or_gate, value), named in found.items():
        names, after = tuple(name for name, _ in named), max(left for _, left in named)
        if isinstance(value, str):
            yield GradientsReordered(names, gates_or_gate, value), after
        else:
            yield GradientScaled(names, gates_or_gate, value, len(names) == len(right)), after


def _factor(observed: NDArray[np.floating], right: Expected) -> tuple[float, float] | None:
    """The factor of a gradient ``[...]`` to the right one, and the difference that it leaves, if it fits."""
    size = float((right.value * right.value / right.error**2).sum())
    if not size:
        return None
    fitted = float((observed * right.value / right.error**2).sum()) / size
    whole = float(round(1 / fitted)) if fitted else 0.0
    for factor in (*_NICE, 1 / whole if whole else 0.0, float(f"{fitted:.3g}"), fitted):
        wider = Expected(factor * right.value, right.error * max(1.0, abs(factor)))
        left = worst({"": observed}, {"": wider})
        if left <= LIMIT:
            return factor, left
    return None


def _order(
    blocks: Mapping[str, tuple[NDArray[np.floating], Expected]], gates: list[str]
) -> tuple[str, float] | None:
    """The gates that stand in the places of ``gates``, and the difference that is left, if an order fits."""
    for order in itertools.permutations(gates):
        left = max(
            worst({"": blocks[place][0]}, {"": blocks[gate][1]})
            for place, gate in zip(gates, order, strict=True)
        )
        if left <= LIMIT:
            return "".join(order), left
    return None


def _told(finding: Finding, status: str, before: float, after: float, words: Vocabulary) -> Cause:
    """The cause of a finding, in words."""
    detail = sentence(finding, words)
    return Cause((finding,), status, before, after, detail=detail, fix=_FIXES[type(finding)])


_FIXES: Mapping[type[Finding], str] = {
    GradientScaled: "in the backward pass of what ran, use these gradients once, and as they are",
    GradientsReordered: "in the backward pass of what ran, put the gates in the order of the weights",
    PathCut: "in the backward pass of what ran, pass the gradients by all states to the step before",
    ThroughClip: "in the backward pass of what ran, pass nothing where the cell state is clipped",
    LastStepAlone: "in the loss of what ran, use the hidden states of all steps",
    GradientUnknown: "differentiate a run of one step (`--steps 1`)",
}


def _tensors(names: Iterable[str]) -> str:
    return ", ".join(gradients.said_by(name).removeprefix("the gradient by ") for name in names)


@sentence.register
def _(finding: GradientScaled, words: Vocabulary) -> str:
    what = f"the gradient by {_tensors(finding.tensors)}" if not finding.whole else "every gradient"
    of = f" of the {words.gate(finding.gate)}" if finding.gate else ""
    times = f"{finding.factor:.6g} times what it should be" if finding.factor else "zero"
    return f"{what}{of} is {times}"


@sentence.register
def _(finding: GradientsReordered, words: Vocabulary) -> str:
    places, order = words.letters(finding.gates), words.letters(finding.order)
    return f"where {places} belong, the gradient by {_tensors(finding.tensors)} has {order}"


@sentence.register
def _(finding: PathCut, words: Vocabulary) -> str:
    state = f"the gradient by the {finding.state} state is" if finding.state else "gradients are"
    step = "" if finding.step is None else f" to the steps before step {finding.step}"
    return f"{state} not passed back{step or ' from step to step'}"


@sentence.register
def _(finding: ThroughClip, words: Vocabulary) -> str:
    return "the gradient goes through the clipped cell state as if it were not clipped"


@sentence.register
def _(finding: LastStepAlone, words: Vocabulary) -> str:
    return "only the last step's hidden state is in the loss"


@sentence.register
def _(finding: GradientUnknown, words: Vocabulary) -> str:
    gates = f", in the {', '.join(map(words.gate, finding.gates))}" if finding.gates else ""
    return f"nothing known explains the gradient by {_tensors(finding.tensors)}{gates}"
