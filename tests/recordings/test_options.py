"""Every value of every option that a record knows: with it a recording agrees, with another it does not."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pytest
from support.writer import Arrays, written

import rnnparity
from rnnparity import Api, Option
from rnnparity.apis.catalogue import APIS
from rnnparity.judge import compare, comparison
from rnnparity.judge.comparison import Comparison
from rnnparity.recordings.recording import from_arrays
from rnnparity.reference import forward
from rnnparity_adapters.kinds import PEEPHOLES
from rnnparity_adapters.layout import Weights, held

FUNCTIONS = (
    "sigmoid", "tanh", "relu", "linear", "softsign", "hard_sigmoid", "softplus", "elu",
    "hard_sigmoid(alpha=0.3, beta=0.4)", "affine(alpha=0.5, beta=0.25)", "leaky_relu(alpha=0.2)",
    "thresholded_relu(alpha=0.3)", "scaled_tanh(alpha=1.5, beta=0.5)", "elu(alpha=0.5)",
)  # fmt: skip
VALUES: dict[str, tuple[Any, ...]] = {
    "activation": FUNCTIONS,
    "recurrent_activation": FUNCTIONS,
    "output_activation": FUNCTIONS,
    "forget_bias": (0.0, -0.3, 2.5),
    "forget_bias_after": (0.0, 0.5),
    "cell_clip": (0.25, 6.0),
    "gate_clip": (0.25, 0.75),
    "output_clip": (0.125, 0.25),
    "projection_clip": (0.125, 0.25),
}
"""By the field of the equation to which an option's value goes; the others are switches."""


class Given(NamedTuple):
    """One value of one option."""

    api: Api
    name: str
    option: Option
    value: Any

    @property
    def label(self) -> str:
        return f"{self.api.name}-{self.name}={self.value}"


def values(option: Option) -> tuple[Any, ...]:
    if option.only:
        return option.only
    if option.mirrors:  # what it has to be where the other one is not given
        return (None,)
    if option.functions:
        return (None, ["Relu", "Softsign", "Tanh"][: len(option.functions)])
    if option.field:
        return VALUES.get(option.field, (True, False))
    return (True, False) if option.brings or option.orders or option.biases else ("whatever",)


EVERYTHING = [
    Given(api, name, option, value)
    for api in APIS.values()
    for name, option in api.arguments.items()
    for value in values(option)
]


def recording(given: Given) -> Arrays:
    """What the api would write, if it is what its record says."""
    api, options = given.api, {given.name: given.value}
    kind, layout = api.layout.kind, api.layout
    case = rnnparity.make_case(11, batch=3, steps=6, input_size=5, units=4, cell=kind.name)
    case = replace(case, equation=api.equation(options))
    layout = api.layout_for(case.equation)
    has_biases = not (given.option.biases and given.value is False)
    kernel, bias = held(layout, case.weights)
    case = replace(case, weights=Weights(kernel, bias if has_biases else 0 * bias))
    random = np.random.RandomState(3)
    seen_by_peepholes = given.option.field == "output_peephole_previous"
    if seen_by_peepholes or (given.option.brings == "peepholes" and given.value):
        seeing = {gate for tensor in layout.peepholes for gate in tensor.gates}
        peepholes = random.uniform(-1, 1, (3, 4)).astype("float32").astype("float64")
        case = replace(case, peepholes=peepholes * [[gate in seeing or not seeing] for gate in PEEPHOLES])
    projected = given.option.field == "projection_clip"
    if projected or (given.option.brings == "projection" and given.value):
        matrix = random.uniform(-1, 1, (4, 3)).astype("float32").astype("float64")
        rows = case.input_size + 3
        kernel, hidden = case.weights.kernel[:rows], case.initial_hidden[:, :3]
        case = replace(
            case, weights=Weights(kernel, case.weights.bias), initial_hidden=hidden, projection=matrix
        )
    order = api.order(options)
    run = forward.run(replace(case, inputs=case.inputs[:, ::-1]) if order.backwards else case)
    hidden, cell = (
        (state[:, ::-1] if order.turned_back else state).astype("float32") for state in (run.hidden, run.cell)
    )
    return written(api, case, hidden, cell, options, has_biases)


def judged(arrays: Arrays) -> Comparison:
    """As ``check``, without a search for causes."""
    stored = from_arrays(arrays)
    return compare.compare_recording(stored.trajectory, forward.run(stored.case))


@pytest.mark.parametrize("api", APIS.values(), ids=APIS)
def test_what_is_said_is_believed(api: Api) -> None:
    for given in EVERYTHING:
        if given.api is api:
            found = judged(recording(given))
            assert found.verdict == comparison.AGREE, (given.label, found.reason)


def other_values(given: Given) -> Iterator[Any]:
    """Values that mean another function than the one given."""
    equation = given.api.equation({given.name: given.value})
    for value in values(given.option):
        if given.api.equation({given.name: value}) != equation:
            yield value


@pytest.mark.parametrize("api", APIS.values(), ids=APIS)
def test_what_is_said_wrong_is_noticed(api: Api) -> None:
    """Where another value means another function, the recording that says it is accused."""
    for given in EVERYTHING:
        if given.api is not api or not given.option.field:
            continue
        arrays = recording(given)
        for value in other_values(given):
            meta = json.loads(arrays["meta"].item()) | {"options": {given.name: value}}
            layouts = {id(api.layout_for(api.equation({given.name: each}))) for each in (given.value, value)}
            if len(layouts) == 1:  # otherwise the tensors do not fit, which is another test's
                wrong = judged({**arrays, "meta": np.array(json.dumps(meta))})
                assert wrong.verdict == comparison.DIVERGE, (given.label, value)
