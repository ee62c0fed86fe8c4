"""Where the recording of a test lies: two tests never share a file, whatever they are called.

Class, function and id make the name of the file, ``TestLayers.test_it-keras-seed0.npz``. What is special in a
name of a file is written as in a URL, ``%2F``, so different ids give different names: ``a/b``, ``a b``,
``a:b``.
"""

import hashlib
import re
from pathlib import Path

import pytest

_SPECIAL = re.compile(rb"[^A-Za-z0-9_.@()-]")
_LONGEST = 200
"""Bytes of a name; file systems allow 255. What is longer ends in its hash."""


def recording_path(node: pytest.Item) -> Path:
    """The file of a test: beside its own file, or below the folder that ``rnnparity_recordings`` names."""
    folder = node.config.getini("rnnparity_recordings")
    chain = [each.name for each in node.listchain() if isinstance(each, pytest.Class)]
    function, _, identity = node.name.partition("[")
    # The functions of Python have no hyphen in their names, so the first one begins the id.
    said = [*chain, f"{function}-{identity.removesuffix(']')}" if identity else function]
    name = f"{_file_name('.'.join(said))}.npz"
    if not folder:
        return node.path.parent / node.path.stem / name
    root = node.config.rootpath
    inside = node.path.is_relative_to(root)
    module = (node.path.relative_to(root) if inside else node.path).with_suffix("")
    return root.joinpath(folder, *map(_file_name, module.parts), name)


def numbered(path: Path, number: int) -> Path:
    """The file of a test's second check, third check, ..."""
    return path if number == 1 else path.with_name(f"{path.stem}~{number}{path.suffix}")


def _file_name(text: str) -> str:
    encoded = text.encode("utf-8", "surrogatepass")
    name = _SPECIAL.sub(lambda found: b"%%%02X" % found[0][0], encoded).decode("ascii")
    if name in (".", ".."):
        name = name.replace(".", "%2E")
    if len(name) <= _LONGEST:
        return name
    return f"{name[: _LONGEST - 17]}~{hashlib.sha256(encoded).hexdigest()[:16]}"
