"""pip's settings, so that they hold for uv too.

uv reads nothing of pip's: whoever has told pip of a mirror, a proxy or a folder of wheels has told uv
nothing. Here pip is asked for its settings, and two tables say what each means to uv:
:data:`OPTIONS` of ``uv pip install``, and :data:`VARIABLES` that every uv command reads. What a
variable of uv's own says goes before both.
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
"""Where the settings of ``pip install`` are written; the later goes before the earlier."""

SYNONYMS = {"default-timeout": "timeout"}


def read_settings() -> Settings:
    """What pip says; nothing where there is no pip."""
    for pip in ((sys.executable, "-m", "pip"), (shutil.which("pip") or "",)):
        if pip[0]:
            command = [*pip, "config", "list"]
            listing = subprocess.run(command, check=False, capture_output=True, encoding="utf-8")
            if listing.returncode == 0:
                return parse(listing.stdout)
    return {}


def parse(listing: str) -> Settings:
    """The output of ``pip config list``, lines ``section.name='value'`` -> the settings that hold."""
    settings: Settings = {}
    for wanted in SECTIONS:
        for line in listing.splitlines():
            key, _, literal = line.partition("=")
            section, _, name = key.partition(".")
            if section == wanted and (value := str(ast.literal_eval(literal)).strip()):
                settings[SYNONYMS.get(name, name)] = value
    return settings


def options(settings: Settings, environ: Mapping[str, str]) -> list[str]:
    """The arguments of ``uv pip install`` that ``settings`` amount to."""
    return [
        argument
        for option in OPTIONS
        if option.name in settings and not any(variable in environ for variable in option.overruled_by)
        for argument in option.arguments(settings[option.name])
    ]


def variables(settings: Settings) -> dict[str, str]:
    """The environment variables for uv that ``settings`` amount to."""
    return {rule.uv: rule.value(settings[rule.name]) for rule in VARIABLES if rule.name in settings}


def place(text: str) -> str:
    """A URL, or a path, which becomes absolute."""
    return text if "://" in text else str(Path(text).expanduser().absolute())


def places(text: str) -> list[str]:
    """Several, split at whitespace as pip does it."""
    return [place(word) for word in text.split()]


def existing_places(text: str) -> list[str]:
    """Several, without the folders that are not there: pip passes over them, uv would fail."""
    return [word for word in places(text) if _exists(word)]


def _exists(word: str) -> bool:
    url = urlsplit(word)
    if url.scheme == "file":
        return Path(url2pathname(url.path)).exists()
    return "://" in word or Path(word).exists()


def packages(text: str) -> list[str]:
    """Names of packages, ``:all:`` or ``:none:``."""
    return text.replace(",", " ").split()


def seconds(text: str) -> str:
    """Whole ones: uv takes no fractions."""
    return str(math.ceil(float(text)))


Arguments = Callable[[str], list[str]]


def each(option: str, split: Arguments) -> Arguments:
    """``option`` once for each part of the text."""
    return lambda text: [f"{option}={part}" for part in split(text)]


def flag(argument: str) -> Arguments:
    """``argument`` where the text says yes, in one of pip's ways."""
    return lambda text: [argument] if text.lower() in ("1", "on", "t", "true", "y", "yes") else []


def always(argument: str) -> Arguments:
    """``argument``, whatever the text."""
    return lambda _: [argument]


@dataclass(frozen=True)
class UvOption:
    """What pip's setting ``name`` means to ``uv pip install``, unless one of ``overruled_by`` is set."""

    name: str
    arguments: Arguments
    overruled_by: tuple[str, ...] = ()


@dataclass(frozen=True)
class UvVariable:
    """The environment variable ``uv`` that pip's setting ``name`` means."""

    name: str
    uv: str
    value: Callable[[str], str] = str


OPTIONS = (
    UvOption("find-links", each("--find-links", existing_places), ("UV_FIND_LINKS",)),
    UvOption("no-index", flag("--no-index")),
    UvOption("index-url", each("--default-index", places), ("UV_DEFAULT_INDEX", "UV_INDEX_URL")),
    UvOption("extra-index-url", each("--index", places), ("UV_INDEX", "UV_EXTRA_INDEX_URL")),
    # pip takes the best version of all indexes; uv alone looks only in the first that has the package.
    UvOption("extra-index-url", always("--index-strategy=unsafe-best-match"), ("UV_INDEX_STRATEGY",)),
    UvOption("trusted-host", each("--allow-insecure-host", str.split), ("UV_INSECURE_HOST",)),
    UvOption("constraint", each("--constraints", places), ("UV_CONSTRAINT",)),
    UvOption("pre", flag("--prerelease=allow"), ("UV_PRERELEASE",)),
    UvOption("only-binary", each("--only-binary", packages)),
    UvOption("no-binary", each("--no-binary", packages)),
)

VARIABLES = (
    UvVariable("cert", "SSL_CERT_FILE", place),
    UvVariable("client-cert", "SSL_CLIENT_CERT", place),
    UvVariable("proxy", "HTTP_PROXY"),
    UvVariable("proxy", "HTTPS_PROXY"),
    UvVariable("timeout", "UV_HTTP_TIMEOUT", seconds),
)
