"""Declared environments: which interpreter and which packages each group of apis needs.

An environment is a folder ``NAME-KEY`` in the cache, the key a hash of all that shapes what is installed
there: what is declared anew is made anew (:mod:`rnnparity.environments.cache`).
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


@dataclass(frozen=True)
class Environment:
    """A row of environments.toml: ``python`` a version specifier, ``torch_backend`` empty if not declared."""

    name: str
    python: str
    requirements: tuple[str, ...]
    variables: dict[str, str]
    torch_backend: str = ""

    @property
    def record(self) -> dict[str, Any]:
        """All that shapes what is installed."""
        return {
            "python": self.python,
            "requirements": list(self.requirements),
            "torch-backend": self.torch_backend,
            "platform": sys.platform,
            "machine": platform.machine(),
        }

    @property
    def key(self) -> str:
        """A hash of the record."""
        return hashlib.sha256(json.dumps(self.record, sort_keys=True).encode()).hexdigest()[:12]

    @property
    def path(self) -> Path:
        """Its folder, made or not."""
        return cache_dir() / f"{self.name}-{self.key}"

    def pinned(self, package: str) -> str:
        """The version required of ``package``: what an api's row shows where it does not run."""
        for requirement in self.requirements:
            name, _, version = requirement.partition("==")
            if name == package:
                return version
        raise ValueError(f"environment {self.name} pins no {package}")


PINS = "RNNPARITY_PINS"
"""Environment variable with other versions than those declared, such as ``keras==3.14.0 torch==2.12.0``."""


def declared() -> dict[str, Environment]:
    """Every environment of environments.toml by its name, with the versions that :data:`PINS` asks for.

    Raises :class:`~rnnparity.errors.InputError` for a pin of what no environment requires.
    """
    text = (resources.files("rnnparity_adapters") / "environments.toml").read_text("utf-8")
    rows = tomllib.loads(text)
    asked: list[str] = os.environ.get(PINS, "").split()
    pins = {pin.partition("==")[0]: pin for pin in asked}
    required = {
        requirement.partition("==")[0] for row in rows.values() for requirement in row["requirements"]
    }
    for name, pin in pins.items():
        if name not in required or pin == name:
            raise InputError(PINS, pin, f"NAME==VERSION, the name one of {', '.join(sorted(required))}")
    return {
        name: Environment(
            name,
            row["python"],
            tuple(str(pins.get(pinned.partition("==")[0], pinned)) for pinned in row["requirements"]),
            row.get("variables", {}),
            row.get("torch-backend", ""),
        )
        for name, row in rows.items()
    }


def cache_dir() -> Path:
    """Where environments are kept: ``RNNPARITY_CACHE_DIR``, or a folder in the user's cache."""
    chosen = os.environ.get("RNNPARITY_CACHE_DIR")
    if chosen:
        return Path(chosen).expanduser().absolute()
    return platformdirs.user_cache_path("rnnparity") / "environments"
