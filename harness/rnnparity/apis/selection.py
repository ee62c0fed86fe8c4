"""Find rows of the table by the patterns that a user gives."""

import difflib
import fnmatch
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from rnnparity.apis.api import Api, Target
from rnnparity.apis.catalogue import APIS, PUBLISHED
from rnnparity.apis.places import ENVIRONMENTS
from rnnparity.errors import InputError
from rnnparity_adapters.kinds import KINDS
from rnnparity_adapters.layout import Layout

PUBLISHED_PATTERN = "published.*"
"""The pattern for all published equations."""

TARGETS: tuple[Target, ...] = tuple(
    sorted(
        (target for api in APIS.values() for target in api.targets),
        key=lambda target: ENVIRONMENTS.index(target.live.environment),
    )
)
"""Every row of an api that runs, in the order of the table."""

PUBLISHED_TARGETS: tuple[Target, ...] = tuple(target for api in PUBLISHED for target in api.targets)


def select(
    patterns: str | Api | Target | Iterable[str | Api | Target] | None = None, cell: str = ""
) -> list[Target]:
    """The rows that match any of the patterns, in the order of the table; without patterns those of
    every day.

    With ``cell``, the name of a kind of cell, only rows of that kind.
    Records of :class:`~rnnparity.apis.api.Api` and rows may stand among the patterns, and follow the rows.
    A pattern is a name (``torch.nn.LSTM``), a name in one environment (``keras.layers.LSTM@keras-torch``), a
    row's label (``torch.nn.LSTM(projection)``), or any of them with wildcards (``keras.*``, ``*@tf1``). Case
    does not matter. Only patterns that begin with ``published``, such as :data:`PUBLISHED_PATTERN`, match
    published equations.
    Raises :class:`~rnnparity.errors.InputError` for a pattern that matches nothing, with the nearest names.
    """
    if patterns is None:
        return [target for target in TARGETS if target.live.everyday and cell in ("", target.cell)]
    asked = [patterns] if isinstance(patterns, str | Api | Target) else list(patterns)
    if not asked:
        raise InputError("api", "nothing", "at least one name or pattern")
    own = [target for each in asked if isinstance(each, Api) for target in each.targets]
    own += [each for each in asked if isinstance(each, Target)]
    other = [target for target in own if cell not in ("", target.cell)]
    if other:
        raise InputError("api", other[0].key, f"an api of {KINDS[cell].article} {KINDS[cell].title}")
    chosen = {
        target.key for pattern in asked if isinstance(pattern, str) for target in _matching(pattern, cell)
    }
    return [target for target in (*TARGETS, *PUBLISHED_TARGETS) if target.key in chosen] + own


def _matching(pattern: str, cell: str) -> Sequence[Target]:
    wanted = pattern.lower()
    among = PUBLISHED_TARGETS if wanted.startswith("published") else TARGETS
    exactly = [one for one in among if one.key.lower() == wanted]
    matching = exactly or [
        one for one in among if any(fnmatch.fnmatchcase(n.lower(), wanted) for n in _names(one))
    ]
    if not set(wanted) & set("*?["):  # a name: of the rows of every day, if it has any
        matching = [one for one in matching if one.live.everyday] or matching
    of_kind = [one for one in matching if cell in ("", one.cell)]
    if matching and not of_kind:
        raise InputError("api", pattern, f"an api of {KINDS[cell].article} {KINDS[cell].title}")
    matching = of_kind
    if not matching:
        names = {name.lower(): name for one in (*TARGETS, *PUBLISHED_TARGETS) for name in _names(one)}
        nearest = difflib.get_close_matches(wanted, names, n=3, cutoff=0.5)
        suggestion = ", ".join(names[name] for name in nearest) or "a name that `rnnparity apis` lists"
        raise InputError("api", pattern, suggestion)
    return matching


def _names(target: Target) -> tuple[str, ...]:
    return target.name, target.label, f"{target.name}@{target.live.environment}", target.key


class Stored(NamedTuple):
    """A layout to be shown: the api's ``name``, ``where`` it runs, and the ``layout``.

    ``names`` has the full name of each tensor that is only a part of a stored one, such as ``B[:, :4*U]``.
    """

    name: str
    where: str
    layout: Layout
    names: Mapping[str, str]


def stored_layouts(pattern: str) -> list[Stored]:
    """The layouts of all apis that match a pattern, of those that run and of those that can be recorded.

    Raises :class:`~rnnparity.errors.InputError` where none matches.
    """
    live: dict[tuple[str, Layout], list[Target]] = {}
    known = {name: api for name, api in APIS.items() if fnmatch.fnmatchcase(name.lower(), pattern.lower())}
    try:
        for target in select(pattern):
            live.setdefault((target.name, target.layout), []).append(target)
    except InputError:
        if not known:
            raise
    shown = [
        Stored(
            name,
            ", ".join(dict.fromkeys(one.live.environment for one in targets)),
            shared,
            _names_in_full(targets[0].api),
        )
        for (name, shared), targets in live.items()
    ]
    running = {name for name, _ in live}
    return shown + [
        Stored(name, "recordings", api.layout_for(api.equation({})), _names_in_full(api))
        for name, api in known.items()
        if name not in running
    ]


def _names_in_full(api: Api) -> dict[str, str]:
    return {part: name + index for name, joined in api.joined.items() for part, index in joined.parts.items()}
