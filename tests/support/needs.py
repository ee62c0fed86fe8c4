"""What a test needs and a machine may lack: an interpreter, a browser, a package.

Without it a test is skipped here and fails in continuous integration: this is the one place that decides so.
At its end pytest says what was not tried, and why.
"""

import importlib.util
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from rnnparity.environments import cache, declarations
from rnnparity.errors import Unavailable
from rnnparity.live.result import Row

IN_PART = "not tried"
"""The property of a test's report that says what it went without."""


def lacking(reason: str) -> NoReturn:
    """End a test that cannot run here."""
    __tracebackhide__ = True
    _demand(reason)
    pytest.skip(reason)


def _demand(reason: str) -> None:
    __tracebackhide__ = True
    if os.environ.get("CI"):
        pytest.fail(f"missing, which it may not be in continuous integration: {reason}", pytrace=False)


def in_part(reasons: Iterable[str], record_property: Callable[[str, object], None]) -> None:
    """Let a test go on without what is lacking for ``reasons``: the end of the run says so."""
    __tracebackhide__ = True
    for reason in dict.fromkeys(reasons):
        _demand(reason)
        record_property(IN_PART, reason)


def environment(name: str) -> Path:
    """The interpreter of a declared environment."""
    __tracebackhide__ = True
    try:
        return cache.ensure(declarations.declared()[name])
    except Unavailable as error:
        lacking(str(error))


def row(found: Row) -> Row:
    """The row of an api that ran."""
    __tracebackhide__ = True
    if found.verdict == "unavailable":
        lacking(found.reason)
    return found


def browser() -> None:
    """What shows a page: Chromium, and the package that drives it."""
    __tracebackhide__ = True
    if importlib.util.find_spec("selenium") is None:
        lacking("no selenium. To make it available: python -m pip install selenium")
    if not shutil.which("chromedriver"):
        lacking("no chromedriver. To make it available: install chromium and chromium-driver")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Count what was not tried, by reason, the most frequent first: in every process of pytest-xdist."""
    reports = terminalreporter.stats
    skipped = (report.longrepr[2].removeprefix("Skipped: ") for report in reports.get("skipped", ()))
    properties = (named for report in reports.get("passed", ()) for named in report.user_properties)
    in_part = (reason for name, reason in properties if name == IN_PART)
    lines = [*_counted(skipped, "test", "tests"), *_counted(in_part, "test in part", "tests in part")]
    if lines:
        terminalreporter.section("not tried here")
        for line in lines:
            terminalreporter.line(line)


def _counted(reasons: Iterable[str], one: str, several: str) -> Iterator[str]:
    for reason, count in Counter(reasons).most_common():
        yield f"{count} {one if count == 1 else several}: {reason}"
