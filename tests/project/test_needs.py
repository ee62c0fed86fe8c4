"""What a machine lacks is skipped and counted there, and fails in continuous integration."""

from pathlib import Path

import pytest
from support import needs

TESTS = """
    import pytest
    from support import needs

    @pytest.mark.parametrize("number", range(3))
    def test_nothing_of_it(number):
        needs.lacking("no Python 3.7. To make it available: pyenv install 3.7")

    def test_without_a_browser(monkeypatch):
        monkeypatch.setenv("PATH", "")
        needs.browser()

    def test_some_of_it(record_property):
        needs.in_part(["no torch", "no torch"], record_property)
        needs.in_part([], record_property)

    def test_all_of_it(record_property):
        needs.in_part([], record_property)
"""


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.setenv("PYTHONPATH", str(Path(needs.__file__).parents[1]))
    pytester.makeconftest("from support.needs import pytest_terminal_summary")
    pytester.makepyfile(TESTS)
    return pytester


@pytest.mark.parametrize("processes", [[], pytest.param(["-n", "2"], marks=pytest.mark.slow)])
def test_it_is_skipped_and_counted(
    suite: pytest.Pytester, processes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI", raising=False)
    result = suite.runpytest_subprocess(*processes)
    result.assert_outcomes(passed=2, skipped=4)
    result.stdout.fnmatch_lines(
        [
            "*= not tried here =*",
            "3 tests: no Python 3.7. To make it available: pyenv install 3.7",
            "1 test: no *. To make it available: *",
            "1 test in part: no torch",
        ],
        consecutive=True,
    )


def test_it_fails_in_continuous_integration(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    result = suite.runpytest_subprocess()
    result.assert_outcomes(passed=1, failed=5)
    result.stdout.no_fnmatch_line("*not tried here*")
    result.stdout.fnmatch_lines(["missing, which it may not be in continuous integration: no torch"])
