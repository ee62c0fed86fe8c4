"""A bare script: bare.py in the environment of an api, with the variables that a worker gets."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import rnnparity_adapters
from rnnparity import Case, Target
from rnnparity.environments import cache, declarations
from rnnparity.live import fitting, request, workers
from rnnparity_adapters import wire

_BARE = Path(__file__).with_name("bare.py")
_ADAPTERS = Path(rnnparity_adapters.__file__).parent


class Script:
    """The script of ``target`` for ``cases``, waiting to be told what to do."""

    def __init__(self, target: Target, cases: Sequence[Case]) -> None:
        environment = declarations.declared()[target.live.environment]
        self._process = subprocess.Popen(
            [cache.ensure(environment), "-I", _BARE, _ADAPTERS, str(len(cases))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**workers._VARIABLES, **os.environ, **environment.variables},
            start_new_session=True,  # as workers are: Linux shares busy CPUs out by session
        )
        version = environment.pinned(target.live.package)
        for number, case in enumerate(cases):
            form = fitting.form(target, case.equation, version)
            asked = request.of_case(target, fitting.fitted(case, form))
            self._write(wire.encode(number, asked))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._process.communicate()

    def seconds(self, what: str, count: int) -> float:
        """For each of ``count`` cases; ``what`` as bare.py takes it."""
        self._write(f"{what} {count}\n".encode())
        assert self._process.stdout is not None
        return float(self._process.stdout.readline()) / count

    def _write(self, text: bytes) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(text)
        self._process.stdin.flush()
