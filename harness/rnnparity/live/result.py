"""The result of a run: a row for each api, with its numbers and trajectories."""

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NoReturn

import numpy as np

import rnnparity
from rnnparity.apis.api import Target
from rnnparity.diagnosis.causes import Cause
from rnnparity.environments.declarations import Environment
from rnnparity.errors import Divergence, InputError
from rnnparity.judge import comparison
from rnnparity.judge.comparison import Comparison, Difference, GradientDifference
from rnnparity.live.consensus import Consensus, consensus
from rnnparity.live.published_matrix import Matrix, matrix
from rnnparity.reference.case import Case
from rnnparity.reference.forward import Reference
from rnnparity.reference.network_case import NetworkCase
from rnnparity_adapters.equation import Equation

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    "api", "version", "environment", "hidden", "cell", "hidden_noise", "cell_noise", "gradient",
    "gradient_noise", "first_step", "verdict", "reason",
)  # fmt: skip
"""The columns of :attr:`Result.frame`; ``hidden``, ``cell`` and ``gradient``, which is None where it was not
asked for, are the largest |difference| of each.
"""


@dataclass(frozen=True, eq=False)
class Run:
    """One case through one api, in one direction.

    ``direction`` is ``loaded`` (the case's weights put into the framework) or ``own`` (weights that the
    framework initialised, taken out and run by the reference). ``observed`` has arrays by name, such as
    ``hidden`` ``[B, T, U]``, as in :func:`rnnparity.judge.compare.compare`. It and ``reference`` are None
    where the trajectories were not kept. ``causes`` belong to the first run of an api that diverges.

    A published equation with the case's weights has ``others``: its trajectory compared with each other
    equation that an api of the same run computes.
    """

    seed: int
    direction: str
    comparison: Comparison
    observed: Mapping[str, np.ndarray] | None = None
    reference: Reference | None = None
    causes: tuple[Cause, ...] = ()
    others: Mapping[Equation, "Run"] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Row:
    """One row of the table. ``log`` is the end of the worker's stderr, or a traceback."""

    target: Target
    version: str
    python: str
    verdict: str
    reason: str
    runs: tuple[Run, ...] = ()
    log: str = ""

    @property
    def agree(self) -> bool:
        """Whether every run of this api agrees with the reference."""
        return self.verdict == comparison.AGREE

    @property
    def counted(self) -> str:
        """The verdict for :attr:`Result.agree`: a published equation that diverges counts as ``agree``."""
        return (
            comparison.AGREE
            if self.target.api.source and self.verdict == comparison.DIVERGE
            else self.verdict
        )

    def difference(self, state: str) -> Difference | None:
        """The largest difference of ``hidden`` or ``cell`` over all runs; None if there is none."""
        return comparison.worst(self._differences(), state)

    @property
    def gradient(self) -> GradientDifference | None:
        """The gradient that differs most in noise units over all runs, with the largest absolute of them all;
        None if there is none.
        """
        found = [each for run in self.runs for each in run.comparison.gradients]
        if not found:
            return None
        worst = max(found, key=lambda each: each.noise)
        return replace(worst, absolute=max(each.absolute for each in found))

    @property
    def first_step(self) -> int | None:
        """The first diverging step over all runs."""
        return comparison.first_step(self._differences())

    def _differences(self) -> Iterator[Difference]:
        return (difference for run in self.runs for difference in run.comparison.differences)

    @property
    def causes(self) -> tuple[Cause, ...]:
        """Why the api diverges, the best cause first."""
        return next((run.causes for run in self.runs if run.causes), ())

    def run(self, direction: str = "loaded", seed: int | None = None) -> Run:
        """The run of a direction: of the first case, or of the case with ``seed``.

        Raises :class:`~rnnparity.errors.InputError` if there is none.
        """
        for run in self.runs:
            if run.direction == direction and seed in (None, run.seed):
                return run
        known = sorted({f"{run.direction}, seed {run.seed}" for run in self.runs})
        raise InputError("run", f"{direction}, seed {seed}", " or ".join(known) or f"nothing: {self.verdict}")

    def record(self) -> dict[str, object]:
        """The row's figures by the names of :data:`COLUMNS`."""
        hidden, cell, gradient = self.difference("hidden"), self.difference("cell"), self.gradient
        values = (
            self.target.label, self.version, self.target.live.environment,
            hidden and hidden.absolute, cell and cell.absolute, hidden and hidden.noise, cell and cell.noise,
            gradient and gradient.absolute, gradient and gradient.noise,
            self.first_step, self.verdict, self.reason,
        )  # fmt: skip
        return dict(zip(COLUMNS, values, strict=True))


@dataclass(frozen=True, eq=False)
class Result:
    """The result of a run. ``rows`` are in the order of the table.

    ``cases`` are those that were run, ``arithmetic`` names the one whose noise decided the verdicts, and
    ``environments`` are those that were used, by name. ``gradients`` says whether they were asked
    for. ``result["torch.nn.LSTM"]`` is a row, by its label or by ``label@environment``.
    """

    cases: tuple[Case | NetworkCase, ...]
    rows: tuple[Row, ...]
    arithmetic: str
    environments: Mapping[str, Environment] = field(default_factory=dict)
    gradients: bool = False

    def __bool__(self) -> NoReturn:
        """Raises TypeError: ``assert rnnparity.run(...)`` would pass whatever the verdicts."""
        raise TypeError("a result is neither true nor false; ask whether its rows agree: result.agree")

    @property
    def agree(self) -> bool:
        """Whether every api that was asked for ran and agrees with the reference: see :attr:`Row.counted`."""
        return bool(self.rows) and all(row.counted == comparison.AGREE for row in self.rows)

    @property
    def frame(self) -> "pd.DataFrame":
        """One line for each api, columns as in :data:`COLUMNS`."""
        import pandas as pd

        return pd.DataFrame([row.record() for row in self.rows], columns=list(COLUMNS))

    @functools.cached_property
    def consensus(self) -> Consensus:
        """The groups that agree among the apis that ran and the reference, without published equations."""
        compared = ((row, next((run.comparison for run in row.runs), None)) for row in self.rows)
        return consensus(
            {
                row.target.key: first.residual
                for row, first in compared
                if first is not None and first.residual is not None and not row.target.api.source
            }
        )

    @functools.cached_property
    def published(self) -> Matrix:
        """The published equations among the rows, compared with the apis that ran with them."""
        return matrix(self.rows, self.cases)

    def check(self) -> None:
        """Raise :class:`~rnnparity.errors.Divergence`, which shows the table, unless all agree."""
        if not self.agree:
            raise Divergence(f"not everything agrees\n\n{self}")

    def __getitem__(self, name: str) -> Row:
        found = [row for row in self.rows if name in (row.target.label, row.target.key)]
        if len(found) != 1:
            raise InputError("row", name, "one of " + ", ".join(row.target.key for row in self.rows))
        return found[0]

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __str__(self) -> str:
        return str(rnnparity.text(self))  # by its public name: the report is a higher layer
