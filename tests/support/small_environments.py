"""An environment that is made in no time, one that takes a minute, and a cache and a pip for them."""

import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import filelock
import pytest

from rnnparity.environments.declarations import Environment

THIS = f"=={sys.version_info.major}.{sys.version_info.minor}.*"
SMALL = Environment("small", THIS, ("tiny==1.5",), {})

SLOW_BACKEND = """
import fcntl, time
def build_wheel(*_):
    with open("alive", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        print("yes", file=file, flush=True)
        time.sleep(60)
"""
SLOW_PROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "slow"
version = "1"
"""


@pytest.fixture
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and a pip that knows of nothing but a folder with one tiny wheel."""
    for name in list(os.environ):
        if name.startswith(("PIP_", "UV_")) and name != "UV_CACHE_DIR":
            monkeypatch.delenv(name)
    make_wheel(tmp_path / "wheels", "tiny", "1.5")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    monkeypatch.setenv("RNNPARITY_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def make_wheel(folder: Path, name: str, version: str) -> None:
    """A wheel is a zip."""
    folder.mkdir(exist_ok=True)
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{name}.py", f"version = {version!r}\n")
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")


def version(python: Path) -> str:
    code = "import tiny, sys; print(tiny.version, *sys.version_info[:2])"
    return subprocess.run(
        [python, "-I", "-c", code], check=True, capture_output=True, text=True
    ).stdout.strip()


def folders(cache_folder: Path) -> list[str]:
    return sorted(path.name for path in cache_folder.iterdir() if path.is_dir())


class SlowBuild:
    """A source distribution that takes a minute to build."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        (folder / "backend.py").write_text(SLOW_BACKEND)
        (folder / "pyproject.toml").write_text(SLOW_PROJECT)
        self.requirement = f"slow @ {folder.as_uri()}"
        self._held = folder / "alive"  # locked by the build, as long as there is one

    def wait_until_started(self) -> None:
        wait_for(lambda: self._held.exists() and self._held.read_text() != "")
        with pytest.raises(filelock.Timeout):
            filelock.FileLock(self._held).acquire(timeout=0)

    def wait_until_ended(self) -> None:
        with filelock.FileLock(self._held).acquire(timeout=10):
            pass


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
