"""Declared environments: which interpreter and which packages each group of apis needs.

An environment is a folder ``NAME-KEY`` in the cache. The key is a hash of everything that decides what is
installed there, so a changed declaration leads to a new folder (:mod:`rnnparity.environments.cache`).
"""

import hashlib
import json
import os
import platform
import sys
import tomllib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import platformdirs

from rnnparity.errors import InputError
from rnnparity.printable import one_line


@dataclass(frozen=True)
class Environment:
    """A row of environments.toml.

    ``python`` is a version specifier, ``variables`` are environment variables for workers. ``torch_backend``
    is the variant of PyTorch that uv chooses, such as ``cpu``, or empty if none is declared:
    https://docs.astral.sh/uv/guides/integration/pytorch/. ``megabytes`` is about how much is downloaded to
    make it, where nothing is in uv's cache.
    """

    name: str
    python: str
    requirements: tuple[str, ...]
    variables: dict[str, str]
    torch_backend: str = ""
    megabytes: int = 0

    @property
    def record(self) -> dict[str, Any]:
        """Everything that decides what is installed."""
        return {
            "python": self.python,
            "requirements": list(self.requirements),
            "torch-backend": self.torch_backend,
            "platform": sys.platform,
            "machine": platform.machine(),
        }

    @property
    def key(self) -> str:
        """The first 12 digits of a hash of the record."""
        return hashlib.sha256(json.dumps(self.record, sort_keys=True).encode()).hexdigest()[:12]

    @property
    def path(self) -> Path:
        """The folder of the environment, whether it exists or not."""
        return cache_dir() / f"{self.name}-{self.key}"

    def pinned(self, package: str) -> str:
        """The version of ``package`` that is required here. Raises ValueError if none is."""
        for requirement in self.requirements:
            name, _, version = requirement.partition("==")
            if name == package:
                return version
        raise ValueError(f"environment {self.name} pins no {package}")


PINS = "RNNPARITY_PINS"
"""The environment variable that replaces declared versions, such as ``keras==3.14.0 torch==2.12.0``."""


def declared() -> dict[str, Environment]:
    """Every environment of environments.toml by its name, with the versions that :data:`PINS` asks for.

    Raises :class:`~rnnparity.errors.InputError` for the pin of a package that no environment requires.
    """
    text = (resources.files("rnnparity_adapters") / "environments.toml").read_text("utf-8")
    rows = tomllib.loads(text)
    asked: list[str] = os.environ.get(PINS, "").split()
    pins = {pin.partition("==")[0]: pin for pin in asked}
    required = {
        requirement.partition("==")[0] for row in rows.values() for requirement in row["requirements"]
    }
    for name, pin in pins.items():
        if name not in required or pin == name or one_line(pin) != pin:
            raise InputError(PINS, pin, f"NAME==VERSION, the name one of {', '.join(sorted(required))}")
    return {
        name: Environment(
            name,
            row["python"],
            tuple(str(pins.get(pinned.partition("==")[0], pinned)) for pinned in row["requirements"]),
            row.get("variables", {}),
            row.get("torch-backend", ""),
            row.get("megabytes", 0),
        )
        for name, row in rows.items()
    }


CACHE_DIR = "RNNPARITY_CACHE_DIR"
"""The environment variable that names another folder for all environments."""


def cache_dir() -> Path:
    """The folder of all environments: :data:`CACHE_DIR`, or one in the user's cache.

    Raises :class:`~rnnparity.errors.InputError` for the home of a user whom nobody knows, and for a name that
    no folder can have.
    """
    chosen = os.environ.get(CACHE_DIR)
    if chosen:
        try:
            folder = Path(chosen).expanduser().absolute()
            folder.exists()
            return folder
        except (RuntimeError, OSError) as error:  # there is no such user, and there are no such names
            said = getattr(error, "strerror", error)
            raise InputError(CACHE_DIR, f"{one_line(chosen, 200)} ({said})", "a folder") from None
    return platformdirs.user_cache_path("rnnparity") / "environments"
