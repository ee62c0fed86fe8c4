"""What uv is asked to do, with which settings, and what it says when it does not do it."""

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

Notify = Callable[[str], None]

PROGRESS = ("Using CPython", "Downloading", "Building", "Resolved", "Prepared", "Installed")
"""How those lines of uv begin that tell how far it is."""
OLDEST = [3, 6]
"""The first Python that uv can use."""
ERROR = ("error:", "\N{MULTIPLICATION SIGN} ")
CAUSE = re.compile(rf"\s*(?:{'|'.join(ERROR)}|cause:|Caused by:|[├╰]─▶)\s*(.*)")
"""A line of uv that begins an error, or a cause of it."""


class UvError(Exception):
    """uv did not do it; the text is the reason that it gave, a sentence."""


class Uv:
    """uv at work in the folder ``cache``, with pip's settings.

    It runs among ``processes``, so that who stops those stops it. ``notify`` gets its progress.
    """

    def __init__(self, cache: Path, notify: Notify, processes: Processes) -> None:
        self._cache = cache
        self._notify = notify
        self._processes = processes
        self._settings = pip_settings.read_settings()
        self._variables = {"UV_PYTHON_SEARCH_PATH": search_path(), **pip_settings.variables(self._settings)}

    def create(self, python: str, folder: Path) -> None:
        """Make a virtual environment. Raises :class:`Unavailable` where no Python fits."""
        self._notify(f"finding Python {python}")
        try:
            self._run(["venv", "--relocatable", "--no-project", "--python", python, str(folder)], {})
        except UvError as error:
            raise Unavailable(f"uv found no Python {python}: {error}", _get_python(python)) from None

    def install(self, python: Path, requirements: Sequence[str], torch_backend: str) -> None:
        """Install ``requirements`` beside the interpreter ``python``. Raises :class:`UvError`."""
        self._notify(f"installing {', '.join(requirements)}")
        options = pip_settings.options(self._settings, os.environ)
        variables = {"UV_TORCH_BACKEND": torch_backend} if torch_backend and not _own_wheels(options) else {}
        self._run(["pip", "install", "--python", str(python), *options, *requirements], variables)

    def _run(self, arguments: list[str], variables: dict[str, str]) -> None:
        """Run uv, out of sight of projects in or above the current folder and above the cache.

        Whatever ends this ends uv, and the builds that uv started. Variables that the user has set stay.
        """
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
                text = line.decode("utf-8", "replace").rstrip()
                if text.lstrip().startswith(PROGRESS):
                    self._notify(text.strip())
                yield text


def reason(lines: Sequence[str]) -> str:
    """The last error in uv's output as one sentence: what failed, why, and the root of it."""
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
    if "[stderr]" in told:  # of a build
        causes.append(told[-1])
    return ": ".join(dict.fromkeys([*causes[:2], causes[-1]])).rstrip(".") + "."


def _own_wheels(options: Sequence[str]) -> bool:
    """Whether the user keeps wheels, which then go before PyTorch's own index."""
    return "UV_FIND_LINKS" in os.environ or any(o.startswith(("--find-links", "--no-index")) for o in options)


def _get_python(specifier: str) -> str:
    """What installs such a Python; pyenv and conda also have those too old for uv."""
    command = [binary(), "python", "list", "--only-downloads", "--no-config", specifier]
    offered = subprocess.run(command, check=False, capture_output=True).stdout.strip()
    found = re.search(r"\d+\.\d+", specifier)
    version = found[0] if found else specifier
    if offered:
        return f"uv python install {version}"
    name = f"py{version.replace('.', '')}"
    return f"pyenv install {version}, or conda create -n {name} python={version} with its bin folder on PATH"


def binary() -> str:
    """The path of uv."""
    try:
        return uv.find_uv_bin()
    except FileNotFoundError as error:
        raise Unavailable("uv is missing.", f"{sys.executable} -m pip install uv") from error


def search_path() -> str:
    """PATH, with every version of pyenv's instead of its shims: a shim refuses the versions not selected."""
    root = Path(os.environ.get("PYENV_ROOT") or "~/.pyenv").expanduser()
    folders = [Path(folder) for folder in os.environ.get("PATH", os.defpath).split(os.pathsep)]
    kept = [folder for folder in folders if not (folder.name == "shims" and root in folder.parents)]
    versions = sorted(root.glob("versions/3.*/bin"), key=_version, reverse=True)
    usable = [folder for folder in versions if _version(folder) >= OLDEST]  # uv fails where an older one is
    return os.pathsep.join(map(str, [*kept, *usable]))


def _version(folder: Path) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", folder.parent.name)]
