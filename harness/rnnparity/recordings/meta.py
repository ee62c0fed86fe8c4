"""The text in a recording that says which api ran, in which version, with which options."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from rnnparity.errors import InputError
from rnnparity.files.source import parse_json
from rnnparity.printable import one_line

FORMAT = 1
"""The version of the format of recordings, as ``meta`` states it."""
_LONGEST_VERSION = 100


def write_meta(meta: Mapping[str, Any]) -> np.ndarray:
    """``meta`` as the array of that name in a file: its JSON text, an array ``[]``."""
    return np.array(json.dumps({"recording": FORMAT, **meta}, indent=1, sort_keys=True))


def read_meta(array: np.ndarray | None) -> dict[str, Any]:
    """The inverse of :func:`write_meta`, for an array ``[]`` of text.

    Raises :class:`~rnnparity.errors.InputError` for anything else.
    """
    if array is None or array.ndim or array.dtype.kind not in "US":
        raise InputError("meta", "none" if array is None else f"an array {array.dtype}", "a JSON text")
    try:
        text = array.item()
        meta = parse_json(text if isinstance(text, str) else text.decode("utf-8"))
    except ValueError as error:  # no Unicode, no JSON
        raise InputError("meta", f"no JSON: {error}", "a JSON text") from None
    if not isinstance(meta, dict) or meta.get("recording") != FORMAT:
        given = meta.get("recording") if isinstance(meta, dict) else type(meta).__name__
        raise InputError("meta", f"recording {given}", f"an object with recording {FORMAT}")
    meta = {"api": None, "version": "", "options": {}, **meta}
    for name in ("options", "provenance"):
        if not isinstance(meta.get(name, {}), dict):
            raise InputError("meta", f"{name} {meta[name]}", "an object")
    version = str(meta["version"])
    if one_line(version, _LONGEST_VERSION) != version:
        allowed = f"at most {_LONGEST_VERSION} characters that can be printed"
        raise InputError("meta", f"version {version}", allowed)
    return {**meta, "version": version}
