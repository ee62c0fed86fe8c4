"""What a pytest run has used, gathered from all its processes, and what that says at its end."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from rnnparity.pytest_plugin.known_differences import KnownDifference


class Ledger:
    """By path: the recordings that were ``used``, how some were ``recorded``, and what has changed
    (``provenance_changed``) around those that hold. And the ``known`` differences, of which the lines
    ``matched`` are those of a test.
    """

    def __init__(self, known: "list[KnownDifference]") -> None:
        self.known = known
        self.used: set[str] = set()
        self.recorded: dict[str, str] = {}
        self.provenance_changed: dict[str, list[str]] = {}
        self.matched: set[int] = set()
        self._claimed: dict[str, dict[Path, str]] = {}

    def claim(self, path: Path, test: str) -> str:
        """Note that a test uses a recording; the other test whose recording that is, or nothing.

        That can only be where the file system does not tell upper case from lower case.
        """
        self.used.add(str(path))
        alike = self._claimed.setdefault(str(path).casefold(), {})
        for other, claimant in alike.items():
            if other != path and os.path.exists(path) and os.path.samefile(path, other):
                return claimant
        alike[path] = test
        return ""

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """A process of pytest-xdist has ended: take over what it used."""
        said = getattr(node, "workeroutput", {}).get("rnnparity")
        if said:
            self.used |= set(said["used"])
            self.recorded |= said["recorded"]
            self.provenance_changed |= said["provenance_changed"]
            self.matched |= set(said["matched"])

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """In a process of pytest-xdist hand everything over; elsewhere fail for lines that match no test."""
        config = session.config
        handed_over: dict[str, Any] | None = getattr(config, "workeroutput", None)
        if handed_over is not None:
            handed_over["rnnparity"] = {
                "used": sorted(self.used), "recorded": self.recorded,
                "provenance_changed": self.provenance_changed, "matched": sorted(self.matched),
            }  # fmt: skip
        elif session.exitstatus == pytest.ExitCode.OK and any(self._idle(config)):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print what no single test can say."""
        config = terminalreporter.config
        said = [*self._idle(config), *self._recorded(), *self._unused(config), *self._elsewhere()]
        if said:
            terminalreporter.section("rnnparity")
            for line in said:
                terminalreporter.line(line)

    def _idle(self, config: pytest.Config) -> Iterator[str]:
        """Known differences that match no test of a complete run."""
        for known in self.known if _complete(config) else ():
            if known.line not in self.matched:
                yield (
                    f"FAILED: {config.getini('rnnparity_known')}, line {known.line}: "
                    f"{known.api} | {known.case} matches no test; remove it"
                )

    def _recorded(self) -> Iterator[str]:
        """Recordings that are new, or no longer what they were."""
        for how in sorted(set(self.recorded.values())):
            paths = sorted(path for path, so in self.recorded.items() if so == how)
            yield f"{_counted(paths)} {how}:"
            yield from (f"    {path}" for path in paths)

    def _unused(self, config: pytest.Config) -> Iterator[str]:
        """Recordings that no test of a complete run asked for."""
        if not _complete(config):
            return
        folder = config.getini("rnnparity_recordings")
        folders = [config.rootpath / folder] if folder else {Path(path).parent for path in self.used}
        kept = {str(path) for place in folders for path in place.rglob("*.npz")}
        for path in sorted(kept - self.used):
            yield f"unused recording: {path}"

    def _elsewhere(self) -> Iterator[str]:
        """Recordings that still hold, and what has changed around them."""
        changes: dict[str, list[str]] = {}
        for path, provenance_changed in self.provenance_changed.items():
            for change in provenance_changed:
                changes.setdefault(change, []).append(path)
        for change, paths in sorted(changes.items()):
            yield f"{_counted(paths)} still hold{'s' if len(paths) == 1 else ''}: {change}"


def _counted(paths: list[str]) -> str:
    return "1 recording" if len(paths) == 1 else f"{len(paths)} recordings"


def _complete(config: pytest.Config) -> bool:
    """Whether everything was asked for, so that what is not used is not needed."""
    chosen = config.option.keyword or config.option.markexpr or getattr(config.option, "lf", False)
    return config.args_source != pytest.Config.ArgsSource.ARGS and not chosen


LEDGER = pytest.StashKey[Ledger]()
