"""pip's settings, translated for uv.

uv does not read pip's settings (https://docs.astral.sh/uv/pip/compatibility/). So a mirror, a proxy or a
folder of wheels that a user has configured for pip would be ignored. Here pip is asked for its settings, and
two tables translate them: :data:`OPTIONS` for ``uv pip install``, and :data:`VARIABLES` for every uv command.
uv's own environment variables win over both.
"""

import ast
import math
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

Settings = dict[str, str]
"""The name of a setting (pip's long option without its dashes) -> its text."""

SECTIONS = ("global", "install", ":env:")
"""The sections whose settings hold for ``pip install``. A later section wins over an earlier one:
https://pip.pypa.io/en/stable/topics/configuration/
"""

SYNONYMS = {"default-timeout": "timeout"}
"""Other names of pip's options -> the names that the tables use."""


def read_settings() -> Settings:
    """The settings of this interpreter's pip, or of the one on PATH; none where there is no pip."""
    for pip in ((sys.executable, "-m", "pip"), (shutil.which("pip") or "",)):
        if pip[0]:
            command = [*pip, "config", "list"]
            listing = subprocess.run(command, check=False, capture_output=True, encoding="utf-8")
            if listing.returncode == 0:
                return parse(listing.stdout)
    return {}


def parse(listing: str) -> Settings:
    """The settings in the output of ``pip config list``, which has lines ``section.name='value'``."""
    settings: Settings = {}
    for wanted in SECTIONS:
        for line in listing.splitlines():
            key, _, literal = line.partition("=")
            section, _, name = key.partition(".")
            if section == wanted and (value := str(ast.literal_eval(literal)).strip()):
                settings[SYNONYMS.get(name, name)] = value
    return settings


def options(settings: Settings, environ: Mapping[str, str]) -> list[str]:
    """The arguments of ``uv pip install`` that mean the same as ``settings``."""
    return [
        argument
        for option in OPTIONS
        if option.name in settings and not any(variable in environ for variable in option.overruled_by)
        for argument in option.arguments(settings[option.name])
    ]


def variables(settings: Settings) -> dict[str, str]:
    """The environment variables that mean the same to uv as ``settings``."""
    return {rule.uv: rule.value(settings[rule.name]) for rule in VARIABLES if rule.name in settings}


def place(text: str) -> str:
    """A URL as it is, or a path made absolute."""
    return text if "://" in text else str(Path(text).expanduser().absolute())


def places(text: str) -> list[str]:
    """Several URLs or paths, split at whitespace as pip does it."""
    return [place(word) for word in text.split()]


def existing_places(text: str) -> list[str]:
    """As :func:`places`, without folders that do not exist: pip skips them, uv would fail."""
    return [word for word in places(text) if _exists(word)]


def _exists(word: str) -> bool:
    url = urlsplit(word)
    if url.scheme == "file":
        return Path(url2pathname(url.path)).exists()
    return "://" in word or Path(word).exists()


def packages(text: str) -> list[str]:
    """The names of packages in a text, or ``:all:`` or ``:none:``, separated by commas or whitespace."""
    return text.replace(",", " ").split()


def seconds(text: str) -> str:
    """Seconds rounded up, because uv takes whole seconds only."""
    return str(math.ceil(float(text)))


Arguments = Callable[[str], list[str]]
"""The text of a setting -> arguments of uv."""


def each(option: str, split: Arguments) -> Arguments:
    """``option`` once for each part of the text."""
    return lambda text: [f"{option}={part}" for part in split(text)]


def flag(argument: str) -> Arguments:
    """``argument`` where the text means yes, in one of the ways that pip accepts."""
    return lambda text: [argument] if text.lower() in ("1", "on", "t", "true", "y", "yes") else []


def always(argument: str) -> Arguments:
    """``argument``, whatever the text."""
    return lambda _: [argument]


@dataclass(frozen=True)
class UvOption:
    """The ``arguments`` of ``uv pip install`` for pip's setting ``name``.

    They are left out if one of the environment variables ``overruled_by`` is set.
    """

    name: str
    arguments: Arguments
    overruled_by: tuple[str, ...] = ()


@dataclass(frozen=True)
class UvVariable:
    """The environment variable ``uv`` for pip's setting ``name``; ``value`` translates the text."""

    name: str
    uv: str
    value: Callable[[str], str] = str


# https://docs.astral.sh/uv/reference/cli/#uv-pip-install, https://pip.pypa.io/en/stable/cli/pip_install/
OPTIONS = (
    UvOption("find-links", each("--find-links", existing_places), ("UV_FIND_LINKS",)),
    UvOption("no-index", flag("--no-index")),
    UvOption("index-url", each("--default-index", places), ("UV_DEFAULT_INDEX", "UV_INDEX_URL")),
    UvOption("extra-index-url", each("--index", places), ("UV_INDEX", "UV_EXTRA_INDEX_URL")),
    # pip takes the best version of all indexes. uv takes one from the first index that has the package,
    # unless told otherwise: https://docs.astral.sh/uv/concepts/indexes/
    UvOption("extra-index-url", always("--index-strategy=unsafe-best-match"), ("UV_INDEX_STRATEGY",)),
    UvOption("trusted-host", each("--allow-insecure-host", str.split), ("UV_INSECURE_HOST",)),
    UvOption("constraint", each("--constraints", places), ("UV_CONSTRAINT",)),
    UvOption("pre", flag("--prerelease=allow"), ("UV_PRERELEASE",)),
    UvOption("only-binary", each("--only-binary", packages)),
    UvOption("no-binary", each("--no-binary", packages)),
)

# https://docs.astral.sh/uv/reference/environment/
VARIABLES = (
    UvVariable("cert", "SSL_CERT_FILE", place),
    UvVariable("client-cert", "SSL_CLIENT_CERT", place),
    UvVariable("proxy", "HTTP_PROXY"),
    UvVariable("proxy", "HTTPS_PROXY"),
    UvVariable("timeout", "UV_HTTP_TIMEOUT", seconds),
)
