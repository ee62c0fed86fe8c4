"""The environments in the cache: finding them, making them with uv, removing them.

An environment is made in a folder beside its place, and that folder is renamed when it is complete. So a
folder with the environment's own name is always complete. One process makes it, under a lock; others wait for
it.
"""

import contextlib
import itertools
import json
import os
import re
import secrets
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import filelock

from rnnparity.environments.declarations import Environment, cache_dir, declared
from rnnparity.environments.processes import Processes, Stopped
from rnnparity.environments.uv_command import Notify, Uv, UvError
from rnnparity.errors import CorruptEnvironment, Unavailable, Unwritable
from rnnparity.files.source import parse_json, read_text

RECORD = "environment.json"
"""The file in an environment that states from what it was made."""
MAKING = ".making-"
"""Stands between an environment's name and a random end in the name of a folder that is not complete."""
FOLDER = re.compile(rf".+-[0-9a-f]{{12}}({re.escape(MAKING)}\w+)?")
"""The names of folders that this module creates, complete or not."""


def find(environment: Environment) -> Path | None:
    """The interpreter of an environment that exists, or None.

    Raises :class:`CorruptEnvironment` where its folder is not what was made there.
    """
    folder = environment.path
    if not os.path.exists(folder):  # which, unlike Path's, takes a name of any length
        return None
    try:
        record = parse_json(read_text(folder / RECORD))
    except ValueError:
        raise _corrupt(environment, f"no readable {folder / RECORD}") from None
    if record != environment.record:
        raise _corrupt(environment, f"something else recorded in {folder / RECORD}")
    python = _python(folder)
    if not os.access(python, os.X_OK):
        found = "no interpreter that may be run" if python.exists() else "no interpreter any more"
        raise _corrupt(environment, f"{found} at {python}")
    return python


def _corrupt(environment: Environment, found: str) -> CorruptEnvironment:
    remedy = f"as it was made: `rnnparity envs remove {environment.name}`, then run again"
    return CorruptEnvironment(f"environment {environment.name}", found, remedy)


def ignore(line: str) -> None:
    """Ignore the progress."""


def ensure(environment: Environment, notify: Notify = ignore, processes: Processes | None = None) -> Path:
    """The interpreter of ``environment``, which is made if it does not exist.

    ``notify`` gets lines of progress. uv is one of ``processes``, so stopping these stops it too. Raises
    :class:`CorruptEnvironment` as :func:`find` does, and :class:`Unavailable` where it cannot be made.
    """
    python = find(environment)
    if python:
        return python
    processes = processes or Processes()
    try:
        with _locked(environment.path, notify, processes):
            return find(environment) or _make(environment, notify, processes)
    except OSError as error:
        reason = f"The environment {environment.name} could not be written: {error}."
        raise Unavailable(reason, "set RNNPARITY_CACHE_DIR to a folder with room to write") from error


def remove(target: Environment | Path) -> bool:
    """Remove an environment, or a folder that :func:`stale` returned. True if there was one.

    Raises :class:`Unwritable` where it cannot be removed.
    """
    folder = target if isinstance(target, Path) else target.path
    if not os.path.exists(folder):
        return False
    try:
        with _locked(folder, ignore, Processes()):
            if not folder.exists():
                return False
            doomed = _sibling(folder)
            folder.rename(doomed)  # so that, if interrupted, the rest has the name of an incomplete folder
            shutil.rmtree(doomed)
            return True
    except OSError as error:
        raise Unwritable(folder, error.strerror or error) from None


def size(target: Environment | Path) -> int:
    """The bytes of all files of an environment or folder."""
    folder = target if isinstance(target, Path) else target.path
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):  # it is being removed
            total += 0 if path.is_dir() else path.lstat().st_size
    return total


def stale() -> list[Path]:
    """Folders in the cache that no declared environment uses and nobody is making."""
    used = {environment.path for environment in declared().values()}
    ours = [path for path in sorted(cache_dir().glob("*")) if FOLDER.fullmatch(path.name) and path.is_dir()]
    return [folder for folder in ours if folder not in used and not _being_made(folder)]


def _place(folder: Path) -> Path:
    """The name that an incomplete folder will have in the end."""
    return folder.with_name(folder.name.partition(MAKING)[0])


def _sibling(folder: Path) -> Path:
    """A new name for each attempt, so that a uv left over from an earlier one writes into another folder."""
    return folder.with_name(f"{_place(folder).name}{MAKING}{secrets.token_hex(4)}")


def _lock(folder: Path) -> filelock.BaseFileLock:
    return filelock.FileLock(_place(folder).with_name(f"{_place(folder).name}.lock"))


def _being_made(folder: Path) -> bool:
    if MAKING not in folder.name:
        return False
    try:
        with _lock(folder).acquire(timeout=0):
            return False
    except filelock.Timeout:
        return True


@contextlib.contextmanager
def _locked(folder: Path, notify: Notify, processes: Processes) -> Iterator[None]:
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = _lock(folder)
    for attempt in itertools.count():
        try:
            lock.acquire(timeout=0.2)
            break
        except filelock.Timeout:
            if processes.stopped:  # Ctrl-C does not reach the process that holds the lock
                raise Stopped from None
            if attempt == 0:
                notify("waiting for another process that makes it")
    try:
        yield
    finally:
        lock.release()


def _python(folder: Path) -> Path:
    return folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def _make(environment: Environment, notify: Notify, processes: Processes) -> Path:
    """Make an environment beside its place, and rename it. The caller holds the lock."""
    place = environment.path
    wanted = ", ".join(environment.requirements)
    for leftover in place.parent.glob(f"{place.name}{MAKING}*"):
        shutil.rmtree(leftover, ignore_errors=True)
    folder = _sibling(place)
    uv = Uv(place.parent, notify, processes)
    try:
        # Relocatable, because the folder is renamed: https://docs.astral.sh/uv/reference/cli/#uv-venv
        uv.create(environment.python, folder)
        uv.install(_python(folder), environment.requirements, environment.torch_backend)
        (folder / RECORD).write_text(json.dumps(environment.record, indent=2), "utf-8")
        folder.rename(place)
    except UvError as error:
        remedy = f"rnnparity envs build {environment.name}"
        raise Unavailable(f"uv could not install {wanted}: {error}", remedy) from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)  # only there if it is incomplete
    return _python(place)
