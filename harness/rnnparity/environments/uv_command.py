"""Run uv: its commands, its settings, and the reason that it gives where it fails."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import takewhile
from pathlib import Path
from typing import IO, cast

import uv

from rnnparity.environments import pip_settings
from rnnparity.environments.processes import Processes
from rnnparity.errors import Unavailable
from rnnparity.printable import one_line

Notify = Callable[[str], None]

PROGRESS = ("Using CPython", "Downloading", "Building", "Resolved", "Prepared", "Installed")
"""The beginnings of the lines in which uv reports its progress."""
OLDEST = [3, 6]
"""The first Python that uv can use: https://docs.astral.sh/uv/reference/policies/python/"""
ERROR = ("error:", "\N{MULTIPLICATION SIGN} ")
"""The beginnings of the lines in which uv reports an error."""
CAUSE = re.compile(rf"\s*(?:{'|'.join(ERROR)}|cause:|Caused by:|[├╰]─▶)\s*(.*)")
"""A line of uv that begins an error, or the cause of one."""


class UvError(Exception):
    """uv failed. The text is the reason that it gave, as a sentence."""


class Uv:
    """uv, working in the folder ``cache`` with pip's settings.

    It is one of ``processes``, so stopping these stops it too. ``notify`` gets its progress.
    """

    def __init__(self, cache: Path, notify: Notify, processes: Processes) -> None:
        self._cache = cache
        self._notify = notify
        self._processes = processes
        self._settings = pip_settings.read_settings()
        self._variables = {"UV_PYTHON_SEARCH_PATH": search_path(), **pip_settings.variables(self._settings)}

    def create(self, python: str, folder: Path) -> None:
        """Make a virtual environment. Raises :class:`Unavailable` if there is no Python that fits."""
        self._notify(f"finding Python {python}")
        try:
            self._run(["venv", "--relocatable", "--no-project", "--python", python, str(folder)], {})
        except UvError as error:
            raise Unavailable(f"uv found no Python {python}: {error}", _get_python(python)) from None

    def install(self, python: Path, requirements: Sequence[str], torch_backend: str) -> None:
        """Install ``requirements`` for the interpreter ``python``. Raises :class:`UvError` if that fails."""
        self._notify(f"installing {', '.join(requirements)}")
        options = pip_settings.options(self._settings, os.environ)
        variables = {"UV_TORCH_BACKEND": torch_backend} if torch_backend and not _own_wheels(options) else {}
        self._run(["pip", "install", "--python", str(python), *options, *requirements], variables)

    def _run(self, arguments: list[str], variables: dict[str, str]) -> None:
        """Run uv, and end it and the builds that it started whenever this call ends.

        uv must not read the settings of a project in the current folder, or of one above the cache.
        Environment variables that the user has set are kept.
        """
        # uv searches for uv.toml from --project upwards:
        # https://docs.astral.sh/uv/concepts/configuration-files/
        (self._cache / "uv.toml").write_text(
            "# Empty: uv looks no further than here for a project.\n", "utf-8"
        )
        process = self._processes.start(
            [binary(), "--color", "never", "--project", str(self._cache), *arguments],
            env={**self._variables, **variables, **os.environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        try:
            lines = list(self._heard(cast(IO[bytes], process.stderr)))
            process.wait()
        finally:
            status = self._processes.end(process)
        if status:
            raise UvError(reason(lines) or f"it ended with status {status}.")

    def _heard(self, stream: IO[bytes]) -> Iterator[str]:
        with stream:
            for line in stream:
                text = one_line(line.decode("utf-8", "replace").rstrip())
                if text.lstrip().startswith(PROGRESS):
                    self._notify(text.strip())
                yield text


def reason(lines: Sequence[str]) -> str:
    """The last error in uv's output as one sentence: what failed, why, and the first cause of all."""
    starts = [number for number, line in enumerate(lines) if line.lstrip().startswith(ERROR)]
    if not starts:
        return ""
    causes: list[str] = []
    error = lines[starts[-1] :]
    for line in takewhile(str.strip, error):
        cause = CAUSE.match(line)
        if cause:
            causes.append(cause[1].rstrip(":"))
        else:
            causes[-1] += " " + line.strip(" │")
    told = [line.strip() for line in takewhile(lambda line: "hint:" not in line, error) if line.strip()]
    if "[stderr]" in told:  # the output of a build that failed
        causes.append(told[-1])
    return ": ".join(dict.fromkeys([*causes[:2], causes[-1]])).rstrip(".") + "."


def _own_wheels(options: Sequence[str]) -> bool:
    """Whether the user has a folder of wheels, or no index. Then PyTorch's own index must not be used."""
    return "UV_FIND_LINKS" in os.environ or any(o.startswith(("--find-links", "--no-index")) for o in options)


def _get_python(specifier: str) -> str:
    """What installs such a Python: uv, or for one that is too old for uv pyenv or conda."""
    command = [binary(), "python", "list", "--only-downloads", "--no-config", specifier]
    offered = subprocess.run(command, check=False, capture_output=True).stdout.strip()
    found = re.search(r"\d+\.\d+", specifier)
    version = found[0] if found else specifier
    if offered:
        return f"uv python install {version}"
    name = f"py{version.replace('.', '')}"
    return f"pyenv install {version}, or conda create -n {name} python={version} with its bin folder on PATH"


def binary() -> str:
    """The path of uv. Raises :class:`~rnnparity.errors.Unavailable` if it is missing."""
    try:
        return uv.find_uv_bin()
    except FileNotFoundError as error:
        raise Unavailable("uv is missing.", f"{sys.executable} -m pip install uv") from error


def search_path() -> str:
    """PATH, but with the folders of all of pyenv's versions in place of its shims.

    A shim only runs the versions that are selected: https://github.com/pyenv/pyenv#how-it-works
    """
    root = Path(os.environ.get("PYENV_ROOT") or "~/.pyenv").expanduser()
    folders = [Path(folder) for folder in os.environ.get("PATH", os.defpath).split(os.pathsep)]
    kept = [folder for folder in folders if not (folder.name == "shims" and root in folder.parents)]
    versions = sorted(root.glob("versions/3.*/bin"), key=_version, reverse=True)
    usable = [
        folder for folder in versions if _version(folder) >= OLDEST
    ]  # uv fails if an older one is there
    return os.pathsep.join(map(str, [*kept, *usable]))


def _version(folder: Path) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", folder.parent.name)]
