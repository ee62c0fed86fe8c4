"""Every value of every option that decides the function: run by the framework, recorded, and checked.

A live row and a recording of it must say the same of an api: what was run with an option, and stored with it,
is judged by what the record says of that option, the version's defaults included.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import needs
from support.cases import SIZES, RunLive

import rnnparity
from rnnparity import Target
from rnnparity.apis.selection import TARGETS
from rnnparity.judge import comparison
from rnnparity.live.result import Row, Run
from rnnparity.live.workers import Pool
from rnnparity.pytest_plugin import stored_trajectory
from rnnparity.pytest_plugin.known_differences import read_known_differences
from rnnparity.recordings.check import Check, check
from rnnparity.recordings.recording import from_arrays
from rnnparity_adapters.kinds import KINDS

pytestmark = pytest.mark.frameworks

FUNCTIONS = ("sigmoid", "tanh", "relu", "linear", "softsign", "hard_sigmoid")
KNOWN = read_known_differences(Path(__file__).parents[2] / "fixtures" / "known_differences.txt")
VALUES: dict[str, tuple[Any, ...]] = {
    "activation": FUNCTIONS,
    "recurrent_activation": FUNCTIONS,
    "forget_bias": (0.0, -0.3, 2.5),
    "cell_clip": (-1.0, 0.25, 6.0),
    "reset_after": (False, True),
}
"""By the field of the equation to which an option's value goes; those of others have rows of their own."""


def with_options(target: Target) -> Iterator[Target]:
    """The row as it is, and with each value of each option that its record knows to decide the function."""
    yield target
    for name, option in target.api.arguments.items():
        for value in VALUES.get(option.field, ()):
            if (option.above is None or value > option.above) and value in (option.only or (value,)):
                others = {key: old for key, old in target.live.options.items() if key != name}
                given = {**others, name: int(value) if option.as_int else value}
                yield replace(target, live=replace(target.live, options=given))


def verdict_of(row: Row, run: Run, **changes: Any) -> Check:
    """A run as the pytest plugin stores it, with changes to what is said of it, checked."""
    taken = stored_trajectory.of_run(row.target, run, row.version, row.python)
    meta = json.dumps({"recording": 1, **taken.meta, **changes})
    return check(from_arrays({**taken.arrays, "meta": np.array(meta)}))


@pytest.fixture(scope="module")
def result() -> list[Row]:
    rows: list[Row] = []
    with Pool() as pool:
        for cell in KINDS:
            # A GRU whose gates have no bounds grows without them too, until rounding decides.
            case = rnnparity.make_case(5, **SIZES, cell=cell, scale=0.5 if cell == "gru" else 1.0)
            targets = [each for target in TARGETS if target.cell == cell for each in with_options(target)]
            rows += rnnparity.run(case, targets, pool=pool)
    return rows


@pytest.mark.parametrize("key", [target.key for target in TARGETS])
def test_a_recording_of_a_clean_run_agrees(key: str, result: list[Row]) -> None:
    (target,) = rnnparity.select(key)
    if any(known.matches(key, "seed5") for known in KNOWN):
        return
    place = target.name, target.live.adapter, target.live.environment
    rows = [r for r in result if (r.target.name, r.target.live.adapter, r.target.live.environment) == place]
    assert rows
    for row in map(needs.row, rows):
        known = any(known.matches(row.target.key, "seed5") for known in KNOWN)
        if known or row.target.live.parts != target.live.parts:
            continue
        # A GRU whose gates have no bounds may grow until rounding decides.
        unbounded = row.target.cell == "gru" and {"relu", "linear"} & set(row.target.live.options.values())
        allowed = (comparison.AGREE, comparison.CHAOTIC) if unbounded else (comparison.AGREE,)
        assert row.verdict in allowed, (row.target.key, row.verdict, row.reason)
        for run in row.runs:
            found = verdict_of(row, run)
            assert found.verdict in allowed, (row.target.key, run.direction, found.causes)


@pytest.mark.parametrize("key", [target.key for target in TARGETS])
def test_loud_runs_agree_too(key: str, live: RunLive) -> None:
    """With states far above 3, where the raw op of TensorFlow would clip by default."""
    (target,) = rnnparity.select(key)
    loud: dict[str, Any] = {"scale": 6.0, **({"forget_bias": 5.0} if target.cell == "lstm" else {})}
    (row,) = live(rnnparity.make_case(0, **SIZES, **loud, cell=target.cell), key)
    if any(known.matches(key, "seed0") for known in KNOWN):
        return
    for run in row.runs:
        assert verdict_of(row, run).verdict in (comparison.AGREE, comparison.CHAOTIC)


@pytest.mark.parametrize("name", ["tf.raw_ops.BlockLSTM", "numpy.lstm_cell"])
def test_a_recording_that_is_silent_has_the_defaults(name: str, result: list[Row]) -> None:
    """Were the forget bias of a run not stored with it, the default of 1 would accuse it."""
    rows = [row for row in result if row.target.name == name]
    (row,) = [row for row in rows if row.target.live.options == {"forget_bias": 2.5}]
    (cause, *_) = verdict_of(row, row.run(), options={"cell_clip": -1.0} if "Block" in name else {}).causes
    assert (cause.id, cause.about["value"]) == ("forget-bias", 1.5)


def test_a_loud_recording_that_is_silent_would_have_been_clipped(live: RunLive) -> None:
    """The raw op clips the cell state at 3 where nobody asks. Our row asks for none."""
    (row,) = live(rnnparity.make_case(0, **SIZES, scale=6.0, forget_bias=5.0), "tf.raw_ops.BlockLSTM")
    states = row.run().observed
    assert row.target.live.fixed["cell_clip"] == -1.0
    assert states is not None
    assert states["cell"].max() > 3.0
    (cause,) = verdict_of(row, row.run(), options={"forget_bias": 5.0}).causes
    assert (cause.id, cause.fix) == ("cell-clip", "in tf.raw_ops.BlockLSTM as given, pass `cell_clip=-1`")
