"""What has changed since a stored run: new divergences, versions, noise."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rnnparity.errors import InputError
from rnnparity.judge import comparison
from rnnparity.report.json_document import SCHEMA, Document
from rnnparity.report.phrases import case_line, key

GROWTH = 1.5
"""Noise that has grown less than this is taken for another processor or another order of summation."""

KINDS = ("worse", "case", "gone", "new", "better", "version", "noise")
"""From the gravest to the least."""

Change = dict[str, str]
_ALLOWED = "a file that `rnnparity run --json` wrote"


def read_baseline(path: Path) -> Document:
    """A stored document: a ``--json`` file or a ``report.json``. Raises InputError for anything else."""
    try:
        document = json.loads(path.read_text("utf-8"))
        found = document["schema"], document["rows"], document["case"]
    except OSError as error:
        raise InputError(
            "baseline", f"{path} ({error.strerror})", "a file of `rnnparity run --json`"
        ) from None
    except (ValueError, KeyError, TypeError):
        raise InputError("baseline", path, _ALLOWED) from None
    if found[0] != SCHEMA:
        raise InputError("baseline", f"{path} of schema {found[0]}", f"of schema {SCHEMA}: run it again")
    return dict(document)


def since(before: Document, now: Document) -> list[Change]:
    """Each with its ``kind`` of :data:`KINDS`, the ``api`` concerned, and what ``was`` and is ``now``."""
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
