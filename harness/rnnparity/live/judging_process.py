"""Answers judged in processes of their own: comparing takes as much time as running, and Python's threads
take turns.

Such a process is this interpreter again, with the same packages, started without the caller's main module: a
script without ``if __name__ == "__main__"`` must work too. It has all cases, and keeps references as long as
they fit. What is sent is pickled, for both ends are ours.
"""

import contextlib
import functools
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import IO, Any, NamedTuple, cast

import numpy as np

from rnnparity.environments.processes import Processes, Stopped
from rnnparity.judge import comparison
from rnnparity.live.fitting import Form
from rnnparity.live.judge_run import judge_both, reference_of, references_in
from rnnparity.live.result import Run
from rnnparity.reference.case import Case
from rnnparity.reference.forward import Reference
from rnnparity_adapters import wire
from rnnparity_adapters.layout import Layout

_START = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from rnnparity.live.judging_process import serve
serve(sys.stdin.buffer, sys.stdout.buffer)
"""
_ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1"
)
"""Each process has a CPU to itself, at best."""
_KEPT_BYTES = 2**28
"""References that a process keeps for the other apis of its environment."""


class Answered(NamedTuple):
    """What is to be judged: the answer to case number ``case``, run in this form and layout.

    ``arrays`` ``[...]`` are those of :func:`rnnparity_adapters.worker.run` in both directions. With ``keep``
    each run comes with its reference, with ``explain`` those that diverge.
    """

    case: int
    form: Form
    layout: Layout
    arrays: Mapping[str, np.ndarray]
    keep: bool
    explain: bool


class JudgingProcess:
    """A process that judges answers to ``cases`` in an ``arithmetic``. It is one of ``processes``."""

    def __init__(self, cases: Sequence[Case], arithmetic: str | None, processes: Processes) -> None:
        self._processes = processes
        self._process: subprocess.Popen[bytes] | None = None
        with contextlib.suppress(OSError, Stopped):
            self._process = processes.start(
                [sys.executable, "-c", _START, json.dumps(sys.path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, **_ONE_THREAD},
            )
            with contextlib.suppress(BrokenPipeError):
                _send(cast(IO[bytes], self._process.stdin), (cases, arithmetic))

    def judge(self, answered: Answered) -> list[Run] | None:
        """The runs of an answer, loaded weights first; None where the process could not judge it."""
        if self._process is None:
            return None
        try:
            _send(cast(IO[bytes], self._process.stdin), answered)
            runs: list[Run] | None = pickle.load(cast(IO[bytes], self._process.stdout))
            return None if runs is None else [_whole(run, answered) for run in runs]
        except (OSError, EOFError, pickle.UnpicklingError):  # it was killed, or ran out of memory
            self.close()
            return None

    def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is not None:
            self._processes.end(process)
            for stream in (process.stdin, process.stdout):
                with contextlib.suppress(BrokenPipeError):
                    cast(IO[bytes], stream).close()


def _send(stream: IO[bytes], sent: Any) -> None:
    stream.write(pickle.dumps(sent, protocol=pickle.HIGHEST_PROTOCOL))  # all of it, or nothing
    stream.flush()


def serve(requests: IO[bytes], responses: IO[bytes]) -> None:
    """Judge until the pipe ends. What raises here is judged again by the one who asked, and raises there."""
    cases: Sequence[Case]
    cases, arithmetic = pickle.load(requests)

    @functools.lru_cache(maxsize=references_in(_KEPT_BYTES, cases))
    def reference(case: int, form: Form) -> Reference:
        return reference_of(cases[case], form, arithmetic)

    while True:
        try:
            answered: Answered = pickle.load(requests)
        except EOFError:
            return
        try:
            expected = reference(answered.case, answered.form)
            runs = judge_both(answered.layout, expected, answered.arrays, arithmetic)
            said = [_smaller(run, answered) for run in runs]
        except Exception:
            said = None
        try:
            _send(responses, said)
        except OSError:  # nobody listens any more
            return


def _smaller(run: Run, answered: Answered) -> Run:
    """A run without what the one who asked has himself, or does not need."""
    needed = answered.keep or (answered.explain and run.comparison.verdict == comparison.DIVERGE)
    observed: dict[str, np.ndarray] | None = None if run.observed is None else {}
    reference = replace(run.reference, linear=None) if needed and run.reference else None
    return replace(run, observed=observed, reference=reference)


def _whole(run: Run, answered: Answered) -> Run:
    """The inverse of that: the run with its trajectory."""
    if run.observed is None:
        return run
    return replace(run, observed=wire.group("trajectory", wire.group(run.direction, dict(answered.arrays))))
