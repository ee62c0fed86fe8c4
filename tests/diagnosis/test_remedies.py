"""Every remedy is done word by word to what a user has, and checked again: the two sides must agree then."""

import zlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from support.followed import RETURNED, followed
from support.planted_recordings import SMALL, PlantedRecording, planted_recording

from rnnparity.apis.catalogue import APIS
from rnnparity.diagnosis import actions as act
from rnnparity.diagnosis.actions import Action
from rnnparity.diagnosis.causes import CONFIRMED, Cause
from rnnparity.errors import InputError
from rnnparity.judge.comparison import AGREE
from rnnparity.recordings.check import check
from rnnparity.recordings.recording import from_arrays
from rnnparity.selftest.planted_mistakes import MISTAKES
from rnnparity_adapters.equation import RELU

Remedied = tuple[PlantedRecording, Cause]
_APIS_A_MISTAKE = 3
"""Apis that each mistake is planted in where every one takes too long."""


def diagnosed(api: str, mistake: str, seed: int = 0) -> Remedied | None:
    planted = planted_recording(api, mistake, seed, SMALL)
    if planted is None:
        return None
    cause = check(from_arrays(planted.arrays)).causes[0]
    if cause.status != CONFIRMED and planted.api.equation({}).activation == RELU:
        return None  # what is behind a relu may never be seen
    assert cause.status == CONFIRMED, (api, mistake, cause)
    return planted, cause


def assert_followed(planted: PlantedRecording, cause: Cause) -> None:
    for said, actions in ((cause.fix, cause.remedy.actions), (cause.instead, cause.remedy.instead)):
        assert bool(said) == bool(actions)
        if actions:
            found = check(from_arrays(followed(planted, actions)))
            where = planted.api.name, planted.mistake.name, said
            assert found.verdict == AGREE, (*where, found.comparison.reason)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_what_is_told_removes_the_difference(mistake: str) -> None:
    """On either side, in some apis of all."""
    remedied = filter(None, (diagnosed(api, mistake) for api in shuffled(mistake)))
    tried = [each for each, _ in zip(remedied, range(_APIS_A_MISTAKE), strict=False)]
    assert tried
    for planted, cause in tried:
        assert_followed(planted, cause)


def shuffled(mistake: str) -> Sequence[str]:
    order = np.random.RandomState(zlib.crc32(mistake.encode())).permutation(len(APIS))
    return [list(APIS)[k] for k in order]


@pytest.mark.slow
@pytest.mark.parametrize("api", APIS)
def test_what_is_told_removes_the_difference_in_every_api(api: str) -> None:
    for mistake in MISTAKES:
        remedied = diagnosed(api, mistake, seed=1)
        if remedied:
            assert_followed(*remedied)


def verdict(planted: PlantedRecording, actions: Sequence[Action]) -> str:
    try:
        return check(from_arrays(followed(planted, actions))).verdict
    except InputError as error:  # tensors of one form, options of another
        return str(error)


def spoiled(action: Action) -> Action | None:
    """The action a little wrong; None where nothing of it can be."""
    match action:
        case act.TakeBlocks(blocks=blocks):
            return replace(action, blocks=(*blocks[1:], blocks[0]))
        case act.Reform(form="b.T"):
            return replace(action, form="b")
        case act.Scale():
            return replace(action, factor=0.5)
        case act.Add():
            return replace(action, times=-action.times)
        case act.Pass(options=options):
            return act.Pass({}, str(options))
        case act.Turn():
            return replace(action, arrays=())
        case act.RollRows():
            return replace(action, count="I-1")
        case act.Compute():
            return act.Compute({})
        case act.Rerun(what=what):
            return act.Rerun("fold" if what in RETURNED or what == "precision" else "steps")
    return None


@pytest.mark.parametrize("mistake", MISTAKES)
def test_what_is_told_a_little_wrong_would_be_found_out(mistake: str) -> None:
    for api in shuffled(mistake):
        remedied = diagnosed(api, mistake)
        if remedied:
            break
    else:
        raise AssertionError(mistake)
    planted, cause = remedied
    for actions in (cause.remedy.actions, cause.remedy.instead):
        for k, action in enumerate(actions):
            wrong = spoiled(action)
            if wrong:
                changed = (*actions[:k], wrong, *actions[k + 1 :])
                assert verdict(planted, changed) != AGREE, (planted.api.name, changed)


@pytest.mark.parametrize("mistake", ["hard sigmoid 1/6", "relu", "coupled", "clipped", "reset before"])
def test_options_that_are_told_are_the_api_s_own(mistake: str) -> None:
    """Where there is none for it, that is said."""
    for api in shuffled(mistake)[:20]:
        remedied = diagnosed(api, mistake)
        if remedied is None:
            continue
        _, cause = remedied
        passed = [action for action in cause.remedy.actions if isinstance(action, act.Pass)]
        for action in passed:
            assert set(action.options) <= set(APIS[api].arguments)
            assert all(f"`{name}=" in cause.fix for name in action.options)
        assert bool(passed) != ("has no option for it" in cause.fix), (api, cause.fix)
