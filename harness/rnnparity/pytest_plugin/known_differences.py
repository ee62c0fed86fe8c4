"""Known differences: a text file of what diverges for a reason.

A line for each: api, case, cause, reason, link, separated by ``|``. Api and case are patterns as in
:mod:`fnmatch`; a case is written as in a test's name, ``seed0-units4``. Lines that begin with ``#`` are
comments. The cause is an id of :data:`rnnparity.diagnosis.causes.IDS`, ``unknown`` for what none of them
explains::

    # api               | case | cause                | reason                          | link
    keras.layers.LSTM@* | *    | recurrent-activation | Keras 2's default is no sigmoid | https://keras.io/...
"""

import fnmatch
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from rnnparity.diagnosis import causes
from rnnparity.diagnosis.causes import Cause
from rnnparity.errors import InputError
from rnnparity.files.source import read_text
from rnnparity.printable import one_line

_COLUMNS = ("api", "case", "cause", "reason", "link")


class KnownDifference(NamedTuple):
    """One line of the file: the patterns, the cause that is expected, and why; ``line`` is its number."""

    line: int
    api: str
    case: str
    cause: str
    reason: str
    link: str

    def explains(self, found: Iterable[Cause]) -> bool:
        """Whether the cause named is among those found, or there is none and ``unknown`` is named."""
        return set(causes.single(self.cause)) <= causes.ids(found)

    def matches(self, api: str, case: str) -> bool:
        """Whether this is about an api (``name@environment``) and a case."""
        return fnmatch.fnmatchcase(api, self.api) and fnmatch.fnmatchcase(case, self.case)


def read_known_differences(path: Path) -> list[KnownDifference]:
    """The differences of a file. Raises :class:`~rnnparity.errors.InputError` for a line that is none."""
    found = []
    for number, line in enumerate(read_text(path, "rnnparity_known").split("\n"), start=1):
        if line.strip() and not line.lstrip().startswith("#"):
            columns = [one_line(column.strip()) for column in line.split("|")]
            if len(columns) != len(_COLUMNS) or not all(columns):
                raise InputError(f"{path}, line {number}", line.strip(), " | ".join(_COLUMNS))
            known = KnownDifference(number, *columns)
            try:
                causes.check_id(known.cause)
            except InputError as error:
                what = f"{path}, line {number}: {error.what}"
                raise InputError(what, error.given, error.allowed) from None
            found.append(known)
    return found
