"""A long run, piece after piece: the framework's states at the end of one are where its next one begins."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from rnnparity.apis.api import Target
from rnnparity.diagnosis import parts
from rnnparity.judge import comparison
from rnnparity.judge.compare import Comparing
from rnnparity.judge.comparison import Comparison
from rnnparity.live.judge_run import explained, read_back
from rnnparity.live.result import Run
from rnnparity.reference import forward
from rnnparity.reference.case import Case, long_pieces
from rnnparity.reference.forward import Carried
from rnnparity_adapters import wire, worker
from rnnparity_adapters.adapter import CELL, HIDDEN, LAST_CELL, LAST_HIDDEN
from rnnparity_adapters.equation import Equation
from rnnparity_adapters.layout import LayoutError


class LongRun:
    """One ``direction`` of a fitted case through a row of the table."""

    def __init__(self, target: Target, case: Case, direction: str, arithmetic: str | None) -> None:
        self.target, self.direction = target, direction
        self._case, self._arithmetic = case, arithmetic
        self._coming = long_pieces(case.batch, case.steps, case.input_size, case.units)
        self._before = case.initial_hidden, case.initial_cell
        self._asked: Case | None = None
        self._comparing = Comparing(case.steps)
        self._carried: Carried | None = None
        self._wrong: Comparison | None = None
        self._seen: tuple[parts.Part, Mapping[str, np.ndarray], int | None] | None = None
        self.done = 0

    @property
    def equation(self) -> Equation:
        """The equation that the row computes."""
        return self._case.equation

    @property
    def waiting(self) -> bool:
        """Whether a piece was asked for that has not been answered yet."""
        return self._asked is not None

    @property
    def finished(self) -> bool:
        """Whether there is nothing more to ask."""
        return self._wrong is not None or (self.done == self._case.steps and not self.waiting)

    def fail(self) -> None:
        """Ask for no more pieces: one could not be run."""
        self._wrong, self._asked = Comparison(comparison.FAILED), None

    def ask(self) -> Case:
        """The next piece, a case of t steps."""
        now = next(self._coming)
        hidden, cell = self._before
        self._asked = replace(
            self._case, inputs=self._case.inputs[:, now], initial_hidden=hidden, initial_cell=cell
        )
        return self._asked

    def add(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Judge the answer to the piece that was asked for; arrays ``[...]`` as a worker returns them."""
        piece, self._asked = self._asked, None
        assert piece is not None
        found = wire.group(self.direction, dict(arrays))
        observed, native = wire.group("trajectory", found), wire.group("weights", found)
        # From the second piece on, the framework's own weights must be those of the first.
        direction = worker.LOADED if self.done else self.direction
        try:
            self._case, same = read_back(self.target.layout, self._case, direction, native)
        except LayoutError as error:
            self._wrong = Comparison(comparison.FAILED, f"weights read back: {error}")
            return
        if same.verdict != comparison.AGREE:
            self._wrong = same
            return
        piece = replace(
            self._case,
            inputs=piece.inputs,
            initial_hidden=piece.initial_hidden,
            initial_cell=piece.initial_cell,
        )
        expected = forward.run(piece, self._arithmetic, self._carried)
        self._carried = self._comparing.add(observed, expected).carried
        first = self._comparing.first_step
        if self._comparing.ended:
            self._wrong = self._comparing.comparison()
            return
        if self._seen is None or (self._seen[2] is None and first is not None):
            part = parts.around(piece, observed, first, self.done, expected.cell)
            self._seen = part, dict(wire.prefixed(self.direction, wire.prefixed("weights", native))), first
        self._before = _last(observed, HIDDEN, LAST_HIDDEN), piece.initial_cell
        if CELL in observed:
            self._before = self._before[0], _last(observed, CELL, LAST_CELL)
        self.done += piece.steps

    def run(self, diagnose: bool) -> Run:
        """The run of all pieces, with causes if it diverges and they are asked for; no states are kept."""
        compared = self._comparing.comparison() if self._wrong is None else self._wrong
        run = Run(self._case.seed, self.direction, compared)
        if not diagnose or self._seen is None or compared.verdict != comparison.DIVERGE:
            return run
        part, weights, _ = self._seen
        looked_at = replace(run, observed=part.observed, reference=forward.run(part.case, self._arithmetic))
        causes = explained(looked_at, self.target, weights, self._arithmetic).causes
        return replace(run, causes=tuple(parts.counted_from(causes, part.start)))


def _last(observed: Mapping[str, np.ndarray], state: str, last: str) -> np.ndarray:
    """The last of the states ``[B, t, n]``: that which a layer itself returns as the ``last``, if it does."""
    return observed[last][0] if last in observed else observed[state][:, -1]
