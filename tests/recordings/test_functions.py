"""ONNX's clip and functions, as onnxruntime computes them: see `fixtures/README.md`."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnnparity.judge import compare
from rnnparity.judge.comparison import AGREE, DIVERGE
from rnnparity.recordings.check import check
from rnnparity.recordings.recording import from_arrays, read_recording
from rnnparity.reference import forward

FOLDER = Path(__file__).parents[2] / "fixtures" / "functions"
FILES = sorted(file.stem for file in FOLDER.glob("*.npz"))
RUNTIME = "clip-lstm"
"""Where onnxruntime does not do what ONNX says."""


def test_every_function_is_there() -> None:
    assert len(FILES) == 4 + 2 * 9 + 2


@pytest.mark.parametrize("name", [name for name in FILES if name != RUNTIME])
def test_what_onnxruntime_computes_agrees(name: str) -> None:
    found = check(read_recording(FOLDER / f"{name}.npz"))
    assert found.verdict == AGREE, found.comparison.reason


def test_onnxruntime_leaves_a_cell_state_unclipped() -> None:
    """https://github.com/microsoft/onnxruntime/issues/27224"""
    (cause,) = check(read_recording(FOLDER / f"{RUNTIME}.npz")).causes
    assert (cause.id, cause.status) == ("pre-activation-clip", "confirmed")
    assert cause.detail == "c is not clipped on its way into its function"
    said = "in what ran, clip c at 0.4 on its way into its function, but not c itself"
    assert cause.fix == f"{said} (onnx.LSTM has no option for it)"


@pytest.mark.parametrize("name", FILES)
def test_a_little_beside_it_diverges(name: str) -> None:
    """With one of its numbers off by a half, a clip by a hundredth, or without its function."""
    with np.load(FOLDER / f"{name}.npz") as stored:
        arrays = dict(stored)
    meta = json.loads(arrays["meta"].item())
    for option, value in meta["options"].items():
        others: list[Any] = [None] if option == "activations" else []
        if option == "clip":
            others = [value * 1.01, None]
        if option.startswith("activation_"):
            others = [[*value[:k], one * 1.5, *value[k + 1 :]] for k, one in enumerate(value)]
        for other in others:
            options = {**meta["options"], option: other}
            said = {**arrays, "meta": np.array(json.dumps({**meta, "options": options}))}
            stated = from_arrays(said)
            found = compare.compare_recording(stated.trajectory, forward.run(stated.case))
            assert found.verdict == DIVERGE, (option, other)
