"""Patterns of a user -> apis of the registry."""

import difflib
import fnmatch
from collections.abc import Iterable, Sequence

from rnnparity.errors import InputError
from rnnparity_adapters.registry import APIS, PUBLISHED, Api

PUBLISHED_PATTERN = "published.*"
"""All published equations."""


def select(patterns: str | Api | Iterable[str | Api] = "*") -> list[Api]:
    """The apis that match any pattern, in the order of the registry; an :class:`Api` stands for itself.

    A pattern is a name (``torch.nn.LSTM``), a name in one environment (``keras.layers.LSTM@keras-torch``),
    or either with wildcards (``keras.*``, ``*@tf1``). Case does not matter. Published equations are chosen by
    patterns that begin with ``published``, as :data:`PUBLISHED_PATTERN`, and by no others.
    Raises :class:`~rnnparity.errors.InputError` for a pattern that matches nothing, with the nearest names.
    """
    asked = [patterns] if isinstance(patterns, str | Api) else list(patterns)
    if not asked:
        raise InputError("api", "nothing", "at least one name or pattern")
    own = [api for api in asked if isinstance(api, Api)]
    chosen = {api.key for pattern in asked if isinstance(pattern, str) for api in _matching(pattern)}
    return [api for api in (*APIS, *PUBLISHED) if api.key in chosen] + own


def _matching(pattern: str) -> Sequence[Api]:
    wanted = pattern.lower()
    among = PUBLISHED if wanted.startswith("published") else APIS
    matching = [api for api in among if any(fnmatch.fnmatchcase(n.lower(), wanted) for n in _names(api))]
    if not matching:
        names = {name.lower(): name for api in (*APIS, *PUBLISHED) for name in _names(api)}
        nearest = difflib.get_close_matches(wanted, names, n=3, cutoff=0.5)
        suggestion = ", ".join(names[name] for name in nearest) or "a name that `rnnparity apis` lists"
        raise InputError("api", pattern, suggestion)
    return matching


def _names(api: Api) -> tuple[str, ...]:
    return api.name, api.label, f"{api.name}@{api.environment}", api.key
