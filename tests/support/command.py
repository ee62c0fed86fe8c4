"""The command line, run in this process."""

import pytest

from rnnparity.cli import commands

SMALL = ["--batch", "3", "--steps", "4", "--input-size", "3", "--units", "2"]


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """The exit status, and what was printed to stdout and to stderr."""
    try:
        status = commands.main(arguments)
    except SystemExit as exit_:
        status = int(exit_.code or 0)
    out, err = capsys.readouterr()
    return status, out, err
