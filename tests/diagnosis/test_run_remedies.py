"""Runs that went wrong, of cells written here: what is told is done to the recording, and it agrees."""

import io
import json
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from rich.console import Console
from support.followed import Followed

from rnnparity.diagnosis import actions as act
from rnnparity.diagnosis.causes import CONFIRMED
from rnnparity.judge.comparison import AGREE, DIVERGE
from rnnparity.recordings.check import Check, check
from rnnparity.recordings.recording import from_arrays
from rnnparity.report.check_text import print_check

B, T, IN, U = 4, 9, 5, 6
APIS = {"lstm": "torch.nn.LSTM", "gru": "torch.nn.GRU", "rnn": "torch.nn.RNN"}
GATES = {"lstm": 4, "gru": 3, "rnn": 1}
LENGTHS = np.array([T, 3, 6, 1])


class Given(NamedTuple):
    """Inputs ``[B, T, I]`` and initial states ``[B, U]``."""

    x: np.ndarray
    h: np.ndarray
    c: np.ndarray


class Cell:
    """A cell of a kind as PyTorch documents it, with random weights."""

    def __init__(self, kind: str, seed: int) -> None:
        self.kind, self.random = kind, np.random.RandomState(seed)
        width = GATES[kind] * U
        self.w_ih, self.w_hh = self.draw(width, IN), self.draw(width, U)
        self.b_ih, self.b_hh = self.draw(width), self.draw(width)
        self.given = Given(self.draw(B, T, IN, size=2), self.draw(B, U), self.draw(B, U, size=2))

    def draw(self, *shape: int, size: float = 0.8) -> np.ndarray:
        return self.random.uniform(-size, size, shape).astype("float32")

    def step(self, x: np.ndarray, h: np.ndarray, c: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        def sigmoid(z: np.ndarray) -> np.ndarray:
            return np.asarray(1 / (1 + np.exp(-z)))

        own, recurrent = x @ self.w_ih.T + self.b_ih, h @ self.w_hh.T + self.b_hh
        if self.kind == "rnn":
            return np.tanh(own + recurrent), c
        if self.kind == "gru":
            (r, z, n), (hr, hz, hn) = np.split(own, 3, axis=1), np.split(recurrent, 3, axis=1)
            z = sigmoid(z + hz)
            return (1 - z) * np.tanh(n + sigmoid(r + hr) * hn) + z * h, c
        i, f, g, o = np.split(own + recurrent, 4, axis=1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        return sigmoid(o) * np.tanh(c), c

    def run(self, given: Given) -> list[np.ndarray]:
        """The hidden and cell states ``[B, T, U]``."""
        h, c, states = given.h, given.c, []
        for x in given.x.swapaxes(0, 1):
            h, c = self.step(x, h, c)
            states.append((h, c))
        return [np.stack(state, axis=1).astype("float32") for state in zip(*states, strict=True)]

    def recorded(self, states: list[np.ndarray], with_cell: bool, **more: Any) -> dict[str, np.ndarray]:
        names = {"weight_ih_l0": self.w_ih, "weight_hh_l0": self.w_hh}
        names |= {"bias_ih_l0": self.b_ih, "bias_hh_l0": self.b_hh}
        meta = json.dumps({"recording": 1, "api": APIS[self.kind], "version": "", "options": {}})
        arrays = {f"weights/{name}": tensor for name, tensor in names.items()}
        arrays |= {"inputs": self.given.x, "hidden": states[0], "initial_hidden": self.given.h, **more}
        if self.kind == "lstm":
            arrays |= {"initial_cell": self.given.c} | ({"cell": states[1]} if with_cell else {})
        return arrays | {"meta": np.array(meta)}


def turned_within(x: np.ndarray) -> np.ndarray:
    made = x.copy()
    for row, length in enumerate(LENGTHS):
        made[row, :length] = x[row, :length][::-1]
    return made


def past(states: list[np.ndarray], held: bool) -> list[np.ndarray]:
    hidden = states[0].copy()
    for row, length in enumerate(LENGTHS):
        hidden[row, length:] = hidden[row, length - 1] if held else 0
    return [hidden, states[1]]


def by_time(cell: Cell, given: Given) -> list[np.ndarray]:
    zero = np.zeros((T, U), "float32")
    return [s.swapaxes(0, 1) for s in cell.run(Given(given.x.swapaxes(0, 1), zero, zero))]


Run = Callable[[Cell, Given], list[np.ndarray]]
ROWS, FEATURES = [1, 2, 3, 0], [1, 0, 2, 3, 4]
RUNS: dict[str, tuple[Run, dict[str, np.ndarray]]] = {
    "inputs turned": (lambda cell, g: cell.run(g._replace(x=g.x[:, ::-1])), {}),
    "outputs turned": (lambda cell, g: [s[:, ::-1] for s in cell.run(g)], {}),
    "both turned": (lambda cell, g: [s[:, ::-1] for s in cell.run(g._replace(x=g.x[:, ::-1]))], {}),
    "from zero": (lambda cell, g: cell.run(Given(g.x, 0 * g.h, 0 * g.c)), {}),
    "late": (lambda cell, g: [np.roll(s, 2, axis=1) for s in cell.run(g)], {}),
    "time first": (by_time, {}),
    "rows": (lambda cell, g: [s[ROWS] for s in cell.run(g)], {}),
    "rows of the inputs": (lambda cell, g: cell.run(g._replace(x=g.x[ROWS])), {}),
    "features": (lambda cell, g: cell.run(g._replace(x=g.x[:, :, FEATURES])), {}),
    "of pixels": (lambda cell, g: cell.run(g._replace(x=g.x / np.float32(255))), {}),
    "held past lengths": (lambda cell, g: past(cell.run(g), held=True), {"lengths": LENGTHS}),
    "turned within lengths": (
        lambda cell, g: past(cell.run(g._replace(x=turned_within(g.x))), held=False), {"lengths": LENGTHS},
    ),
}  # fmt: skip
"""What is run, and what else is recorded."""


@pytest.mark.parametrize("kind", APIS)
@pytest.mark.parametrize("fault", RUNS)
def test_what_is_told_of_a_run_can_be_done_to_its_recording(fault: str, kind: str) -> None:
    """Nothing need run again."""
    run, more = RUNS[fault]
    for with_cell in (True, False) if kind == "lstm" else (False,):
        cell = Cell(kind, seed=11)
        arrays = cell.recorded([np.ascontiguousarray(s) for s in run(cell, cell.given)], with_cell, **more)
        found = check(from_arrays(arrays))
        assert found.verdict == DIVERGE
        cause = found.causes[0]
        assert cause.status == CONFIRMED
        again = act.Rerun | act.Compute | act.Feed | act.FindOut
        assert not any(isinstance(action, again) for action in cause.remedy.actions), cause.fix
        assert check(from_arrays(arrays)).verdict == DIVERGE
        followed = Followed(arrays, U).follow(cause.remedy.actions)
        assert check(from_arrays(followed)).verdict == AGREE, cause.fix


def test_what_is_wrong_past_the_lengths_alone_is_said_so() -> None:
    """The difference within the lengths, which is none, is not shown as if it were the reason."""
    run, more = RUNS["held past lengths"]
    cell = Cell("gru", seed=11)
    found = check(from_arrays(cell.recorded(run(cell, cell.given), False, **more)))
    printed = shown(found)
    assert "torch.nn.GRU diverge, within the lengths hidden" in printed
    assert printed.count("(confirmed)") == 1


def shown(found: Check) -> str:
    stream = io.StringIO()
    print_check(found, Console(file=stream, width=400))
    return stream.getvalue()
