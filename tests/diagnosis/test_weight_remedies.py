"""What is told about weights does to native tensors what the hypothesis did to canonical ones, and back."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from support.followed import Followed
from support.writer import written

import rnnparity
from rnnparity import Api, Case
from rnnparity.apis.catalogue import APIS
from rnnparity.diagnosis import actions as act
from rnnparity.diagnosis import explain
from rnnparity.diagnosis.actions import Action
from rnnparity.diagnosis.hypothesis import Hypothesis
from rnnparity.diagnosis.remedies import remedy_for
from rnnparity.diagnosis.teacher_forcing import Setting
from rnnparity.diagnosis.vocabulary import Vocabulary
from rnnparity.diagnosis.weight_hypotheses import of_extras, tables_for
from rnnparity.recordings.recording import Recording, from_arrays
from rnnparity_adapters.kinds import PEEPHOLES
from rnnparity_adapters.layout import held

SIZES: dict[str, Any] = {"batch": 2, "steps": 3, "input_size": 3, "units": 4}
EACH_LAYOUT = {id(api.layout): api for api in APIS.values()}.values()
"""An api for each way of storing weights."""


def arrays_of(api: Api, square: bool) -> dict[str, np.ndarray]:
    kind = api.layout.kind
    case = rnnparity.make_case(5, cell=kind.name, **{**SIZES, "input_size": 4 if square else 3})
    case = replace(case, equation=api.equation({}))
    random = np.random.RandomState(6)
    case = replace(case, weights=held(api.layout_for(case.equation), case.weights))
    if api.layout.peepholes:
        seeing = {gate for tensor in api.layout.peepholes for gate in tensor.gates}
        peepholes = random.uniform(-1, 1, (3, 4)) * [[gate in seeing] for gate in PEEPHOLES]
        case = replace(case, peepholes=peepholes)
    if api.layout.projection:
        case = replace(case, projection=random.uniform(-1, 1, (4, 4)))
    return written(api, case, 0 * case.initial_hidden[:, None].repeat(3, axis=1), None, {})


def setting_of(recording: Recording) -> Setting:
    case = recording.case
    stored = case.equation.forget_bias if recording.layout.forget_bias == "bias" else 0.0
    shares = explain.stored_biases(recording.layout, recording.weights)
    return Setting(case, recording.hidden.astype(np.float64), None, shares, stored_forget_bias=stored)


def hypotheses(setting: Setting) -> Iterator[Hypothesis]:
    for table in tables_for(setting.case):
        yield from table
    yield from of_extras(setting)


def assert_same(arrays: dict[str, np.ndarray], expected: Case, where: object) -> None:
    case = from_arrays(arrays).case
    for mine, wanted in (
        (case.weights.kernel, expected.weights.kernel),
        (case.weights.bias, expected.weights.bias),
        (case.peepholes, expected.peepholes),
        (case.projection, expected.projection),
    ):
        if wanted is not None:
            assert mine is not None
            np.testing.assert_allclose(mine, wanted, rtol=0, atol=1e-6, err_msg=str(where))


def done(arrays: dict[str, np.ndarray], actions: Sequence[Action]) -> dict[str, np.ndarray]:
    return Followed(arrays, SIZES["units"]).follow(actions)


@pytest.mark.parametrize("square", [pytest.param(False, marks=pytest.mark.slow), True])
@pytest.mark.parametrize("api", EACH_LAYOUT, ids=[api.name for api in EACH_LAYOUT])
def test_tensors_become_what_the_hypothesis_says(api: Api, square: bool) -> None:
    arrays = arrays_of(api, square)
    recording = from_arrays(arrays)
    setting = setting_of(recording)
    words = Vocabulary(api, recording.equation, recording.names, "", recording.options)
    told = 0
    for hypothesis in hypotheses(setting):
        changed = hypothesis.change(setting)
        if changed is None:
            continue
        where = api.name, hypothesis.findings
        remedy = remedy_for(hypothesis.findings, words)
        if any(action.side == act.RAN for action in remedy.actions):
            continue  # no tensors make up for it
        told += 1
        followed = done(arrays, remedy.actions)
        assert_same(followed, changed.case, where)
        for action in remedy.instead:
            if isinstance(action, act.Feed):
                assert_same(done(followed, action.actions), recording.case, where)
    assert told > 10
