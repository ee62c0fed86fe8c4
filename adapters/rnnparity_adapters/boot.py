"""Start a worker: ``python -I boot.py``, with any interpreter from 3.7 on.

The package is imported from its folder, not through ``sys.path``: the folder above may hold packages of
another interpreter, such as a numpy that this one cannot load. For the same reason ``-I`` keeps PYTHONPATH
and the user's own packages out: https://docs.python.org/3/using/cmdline.html#cmdoption-I
"""

import faulthandler
import importlib.util
import os
import sys
from typing import BinaryIO, Tuple


def _take_stdio() -> Tuple[BinaryIO, BinaryIO]:
    """The two pipes to the harness, on new file descriptors: frameworks print on 1, and may read from 0."""
    requests, responses = os.dup(0), os.dup(1)
    with open(os.devnull) as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    return os.fdopen(requests, "rb"), os.fdopen(responses, "wb")


def _import_package(name: str) -> None:
    """Make ``import name`` find the folder that this file is in."""
    folder = os.path.dirname(os.path.abspath(__file__))
    spec = importlib.util.spec_from_file_location(
        name, os.path.join(folder, "__init__.py"), submodule_search_locations=[folder]
    )
    assert spec is not None
    assert spec.loader is not None
    sys.modules[name] = package = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(package)


if __name__ == "__main__":
    faulthandler.enable(all_threads=False)
    streams = _take_stdio()
    _import_package("rnnparity_adapters")
    from rnnparity_adapters import worker

    worker.serve(*streams)
