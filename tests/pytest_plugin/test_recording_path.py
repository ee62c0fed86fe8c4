"""Recordings of different tests are different files; what cannot be written or read is one line."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rnnparity.pytest_plugin.recording_path import _file_name

MANY = """
    import numpy as np
    import pytest

    def hidden(value):
        return {{"hidden": np.full((1, 2, 3), value, "float32")}}

    class TestOne:
        def test_it(self, rnnparity_regression):
            rnnparity_regression.check(hidden(0.1))

    class TestTwo:
        def test_it(self, rnnparity_regression):
            rnnparity_regression.check(hidden(0.2))

        class TestInner:
            def test_it(self, rnnparity_regression):
                rnnparity_regression.check(hidden(0.3))

    @pytest.mark.slow
@pytest.mark.parametrize("value", [1, 2, 3, 4], ids=["a/b", "a b", "a:b", "a::b"])
    def test_ids(value, rnnparity_regression):
        rnnparity_regression.check(hidden(value / 10))

    @pytest.mark.parametrize("value", [5], ids=["b"])
    def test_a(value, rnnparity_regression):
        rnnparity_regression.check(hidden(value / 10))

    def test_a_b(rnnparity_regression):
        rnnparity_regression.check(hidden(0.6))

    def test_two_checks(rnnparity_regression):
        rnnparity_regression.check(hidden(0.7))
        rnnparity_regression.check(hidden(0.8))

    @pytest.mark.parametrize("value", [9, 10], ids=["x" * 300, "x" * 300 + "y"])
    def test_long(value, rnnparity_regression):
        rnnparity_regression.check(hidden(value / 20))

    def test_module(rnnparity_regression):
        rnnparity_regression.check(hidden({module}))
"""
TESTS, FILES = 13, 14


@pytest.mark.parametrize("folder", ["", "kept"])
def test_every_test_has_its_own(pytester: pytest.Pytester, folder: str) -> None:
    """Also where two folders have test files of one name, and all recordings are below one folder."""
    pytester.makeini(f"[pytest]\nrnnparity_recordings = {folder}\naddopts = --import-mode=importlib")
    for number, name in enumerate(("one", "two"), start=1):
        pytester.mkdir(name).joinpath("test_same.py").write_text(MANY.format(module=number / 100))
        text = (pytester.path / name / "test_same.py").read_text()
        lines = (line.removeprefix("    ") for line in text.splitlines())
        (pytester.path / name / "test_same.py").write_text("\n".join(lines))
    pytester.runpytest_subprocess("--rnnparity-record").assert_outcomes(passed=2 * TESTS)
    assert len(list((pytester.path / folder).rglob("*.npz"))) == 2 * FILES
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(passed=2 * TESTS)
    result.stdout.no_fnmatch_line("unused recording*")


@given(st.text(max_size=300), st.text(max_size=300))
@example("a/b", "a%2Fb")
@example("x" * 300, "x" * 299)
@example("..", "%2E%2E")
@example("\ud800", "\\ud800")
def test_names_of_files_are_as_different_as_what_they_name(one: str, other: str) -> None:
    names = [_file_name(text) for text in (one, other)]
    assert (names[0] == names[1]) == (one == other)
    for name in names:
        assert name.isascii()
        assert len(name) <= 255
        assert not set(name) & set("/\\:\0")
        assert name not in (".", "..")


RECORDED = """
    import numpy as np

    def test_it(rnnparity_regression):
        rnnparity_regression.check({"hidden": np.zeros((1, 2, 3), "float32")})
"""


def test_a_folder_that_cannot_be(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_recorded=RECORDED)
    (pytester.path / "test_recorded").write_text("a file where the folder should be")
    for arguments in ([], ["--rnnparity-record"]):
        result = pytester.runpytest_subprocess(*arguments)
        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines([f"E *{Path('test_recorded', 'test_it.npz')} cannot be written: *"])
        result.stdout.no_fnmatch_line("*FileExistsError*")
        result.stdout.no_fnmatch_line("*NotADirectoryError*")


@pytest.mark.parametrize("provenance", ["[1]", '"x"', "null"])
def test_provenance_of_another_type(pytester: pytest.Pytester, provenance: str) -> None:
    pytester.makepyfile(test_recorded=RECORDED)
    (pytester.path / "test_recorded").mkdir()
    path = pytester.path / "test_recorded" / "test_it.npz"
    meta = f'{{"recording": 1, "provenance": {provenance}}}'
    np.savez(path, hidden=np.zeros((1, 2, 3), "float32"), meta=np.array(meta))
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*test_it.npz is no recording: meta: got provenance *, but should be an object"]
    )


def test_provenance_of_escapes(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_recorded=RECORDED)
    (pytester.path / "test_recorded").mkdir()
    path = pytester.path / "test_recorded" / "test_it.npz"
    meta = {"recording": 1, "provenance": {"versions": {"\x1b[2J\nnumpy": "\x1b[31m"}}}
    np.savez(path, hidden=np.zeros((1, 2, 3), "float32"), meta=np.array(json.dumps(meta)))
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(passed=1)
    assert "\x1b[2J" not in result.stdout.str()
    assert "\x1b[31m" not in result.stdout.str()
    result.stdout.fnmatch_lines(
        [r"1 recording still holds: versions \x1b[[]2J\nnumpy: recorded with \x1b[[]31m, now none"]
    )


@pytest.mark.parametrize("content", [b"\xff\xfe", b"a | b\n", b"\xc3"])
def test_known_differences_that_are_none(pytester: pytest.Pytester, content: bytes) -> None:
    pytester.makeini("[pytest]\nrnnparity_known = known.txt")
    (pytester.path / "known.txt").write_bytes(content)
    pytester.makepyfile("def test_it(): pass")
    result = pytester.runpytest_subprocess()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: *known.txt*, but should be *"])
    result.stderr.no_fnmatch_line("*Traceback*")
