"""What has changed since a stored run: new divergences, versions, noise."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from rnnparity.errors import InputError
from rnnparity.files.source import parse_json, read_text
from rnnparity.judge import comparison
from rnnparity.printable import one_line
from rnnparity.reference.network_case import NetworkForm
from rnnparity.report.json_document import SCHEMA, Document
from rnnparity.report.numbers import INFINITY
from rnnparity.report.phrases import case_line, key
from rnnparity_adapters import kinds

GROWTH = 1.5
"""Times the noise before: another processor or another order of summation makes less difference."""

KINDS = ("worse", "case", "gone", "new", "better", "version", "noise")
"""The kinds of change, the gravest first."""

Change = dict[str, str]


def read_baseline(path: str | Path) -> Document:
    """A stored document: a ``--json`` file or a ``report.json``.

    Raises :class:`~rnnparity.errors.InputError` for anything else, and for a document in which something is
    missing, or of another type, that :func:`since` needs.
    """
    try:
        document = parse_json(read_text(path, "baseline"))
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise _refused(path, f"no JSON: {error}") from None
    if not isinstance(document, dict) or "schema" not in document:
        raise _refused(path, "no schema")
    if document["schema"] != SCHEMA:
        given = f"{path} of schema {document['schema']}"
        raise InputError("baseline", given, f"of schema {SCHEMA}: run it again")
    for name, fits in _FORM.items():
        if name not in document or not fits(document[name]):
            raise _refused(path, f"its {name} is not as in one")
    for number, row in enumerate(document["rows"]):
        for name, fits in _ROW.items():
            if not isinstance(row, dict) or name not in row or not fits(row[name]):
                raise _refused(path, f"{name} of row {number} is not as in one")
    return document


def _refused(path: str | Path, why: str) -> InputError:
    return InputError("baseline", f"{path} ({why})", "a file that `rnnparity run --json` wrote")


Fits = Callable[[Any], bool]


def _text(value: object) -> bool:
    return isinstance(value, str) and one_line(value) == value


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _difference(value: object) -> bool:
    noise = value.get("noise") if isinstance(value, dict) else None
    return value is None or noise == INFINITY or _number(noise)


def _options(value: object) -> bool:
    return isinstance(value, dict) and all(map(_text, (*value, *map(str, value.values()))))


def _case(value: object) -> bool:
    return isinstance(value, dict) and all(
        (name in value or name in NetworkForm._fields) and fits(value.get(name))
        for name, fits in _CASE.items()
    )


_CASE: Mapping[str, Fits] = {
    "cell": lambda value: _text(value) and value in kinds.KINDS,
    "seeds": lambda value: isinstance(value, list) and bool(value) and all(map(_whole, value)),
    **dict.fromkeys(("batch", "steps", "input_size", "units"), _whole),
    "forget_bias": _number,
    "arithmetic": _text,
    "layers": lambda value: value is None or _whole(value),
    **dict.fromkeys(("bidirectional", "lengths"), lambda value: value in (None, True, False)),
}
_FORM: Mapping[str, Fits] = {"case": _case, "rows": lambda value: isinstance(value, list)}
_ROW: Mapping[str, Fits] = {
    "api": _text,
    "options": _options,
    "environment": _text,
    "version": _text,
    "verdict": lambda value: _text(value) and value in comparison.VERDICTS,
    "hidden": _difference,
    "cell": _difference,
}
"""What is needed of a document, of its case and of each of its rows: whether a value is as it should be."""


def since(before: Document, now: Document) -> list[Change]:
    """The changes from one document to another, the gravest first.

    Each has its ``kind`` of :data:`KINDS`, the ``api`` concerned, and what ``was`` and what is ``now``.
    """
    found = _changes(before, now)
    return sorted(found, key=lambda change: KINDS.index(change["kind"]))


def _changes(before: Document, now: Document) -> Iterator[Change]:
    same_case = before["case"] == now["case"]
    if not same_case:
        yield _change("case", "", case_line(before), case_line(now))
    old, new = ({key(row): row for row in document["rows"]} for document in (before, now))
    for name, row in old.items():
        if name not in new:
            yield _change("gone", name, row["verdict"], "")
    for name, row in new.items():
        if name not in old:
            yield _change("new", name, "", row["verdict"])
        else:
            yield from _of_row(name, old[name], row, same_case)


def _of_row(name: str, was: dict[str, Any], now: dict[str, Any], same_case: bool) -> Iterator[Change]:
    ranks = [comparison.VERDICTS.index(row["verdict"]) for row in (was, now)]
    if ranks[0] != ranks[1]:
        reason = f": {now['reason']}" if now["reason"] else ""
        kind = "worse" if ranks[1] > ranks[0] else "better"
        yield _change(kind, name, was["verdict"], now["verdict"] + reason)
    if was["version"] != now["version"]:
        yield _change("version", name, was["version"], now["version"])
    for state in ("hidden", "cell"):
        if same_case and was[state] and now[state]:
            noises = [float(row[state]["noise"]) for row in (was, now)]
            if noises[1] > GROWTH * noises[0]:
                yield _change("noise", f"{name} {state}", *(f"{noise:.3g}" for noise in noises))


def _change(kind: str, api: str, was: str, now: str) -> Change:
    return {"kind": kind, "api": api, "was": was, "now": now}
