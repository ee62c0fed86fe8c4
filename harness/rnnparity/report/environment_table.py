"""Environments in a table."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from rich.console import Console

from rnnparity.environments.declarations import Environment
from rnnparity.printable import one_line
from rnnparity.report.console import print_table


class Shown(NamedTuple):
    """An environment, its ``state``, and how many bytes it takes; None unless it is made."""

    environment: Environment
    state: str
    size: int | None


def print_environments(shown: Sequence[Shown], unused: int, folder: Path, target: Console) -> None:
    """Every environment and what is in it; how many folders nothing uses, and where all of them are."""
    rows = [
        [
            one.name,
            one.python,
            ", ".join(one.requirements),
            state,
            "" if size is None else f"{size / 1e6:.0f} MB",
        ]
        for one, state, size in shown
    ]
    print_table(("environment", "python", "requirements", "state", "size"), rows, target, right=[4])
    if unused:
        target.print(f"\n{unused} in no use any more; `rnnparity envs remove` removes them with the rest")
    target.print(f"\nin {one_line(folder)}", soft_wrap=True)
