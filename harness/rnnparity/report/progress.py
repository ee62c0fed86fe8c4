"""What a run is doing, on stderr: a display on a terminal, a line for each environment made elsewhere."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from rnnparity.printable import one_line

_WIDTH = 200
"""Characters of what is said about an environment: a line of progress should not wrap."""


class Display:
    """A :class:`rnnparity.live.runner.Notify`; ``total`` cases are expected of each environment."""

    def __init__(self, total: dict[str, int]) -> None:
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.fields[environment]}"),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.description}", markup=False),
            console=Console(stderr=True, markup=False, emoji=False),
            transient=True,
        )
        self._tasks: dict[str, TaskID] = {
            name: self._progress.add_task("waiting", total=count, environment=name, start=False)
            for name, count in total.items()
        }

    def __call__(self, environment: str, doing: str, done: int = 0) -> None:
        """Show what an environment is doing."""
        if not self._progress.console.is_terminal:
            if doing.startswith("installing"):
                self._progress.console.print(f"{environment}: {one_line(doing)}", soft_wrap=True)
            return
        task = self._tasks[environment]
        self._progress.start_task(task)
        self._progress.update(task, description=one_line(doing, _WIDTH), completed=done)

    def __enter__(self) -> Self:
        if self._progress.console.is_terminal:
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress.console.is_terminal:
            self._progress.stop()
