"""What runs in a worker process: it reads frames and answers them, and keeps one adapter between cases."""

import functools
import importlib
import importlib.util
import os
import platform
import queue
import signal
import sys
import threading
import traceback
from typing import Any, BinaryIO, Dict, Optional, Tuple, Type

import numpy as np

from . import wire
from .adapter import Adapter, Setup

LOADED = "loaded"
"""A run with the weights of the case, put into the framework."""
OWN = "own"
"""A run with weights that the framework initialised itself."""


def serve(requests: BinaryIO, responses: BinaryIO) -> None:
    """Answer frames until the harness closes its end of the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the harness handles it
    waiting: queue.Queue[bytes] = queue.Queue()
    threading.Thread(target=_receive, args=(requests, waiting), daemon=True).start()
    adapters = _Adapters()
    while True:
        responses.write(wire.encode(_answer(wire.decode(waiting.get()), adapters)))
        responses.flush()


def _receive(requests: BinaryIO, waiting: "queue.Queue[bytes]") -> None:
    """Read frames ahead, and end the process with the harness, even in the middle of a long case."""
    while True:
        body = wire.read(requests)
        if body is None:
            os._exit(0)
        waiting.put(body)


class _Adapters:
    """The adapter in use. Cases of the same api come one after another, so only one is kept."""

    def __init__(self) -> None:
        self._current: Optional[Tuple[str, Adapter]] = None

    def get(self, path: str, setup: Setup) -> Adapter:
        """The adapter class at ``path`` (``module:Class`` or ``file.py:Class``), built for ``setup``."""
        if self._current and (self._current[0], self._current[1].setup) == (path, setup):
            return self._current[1]
        if self._current:
            self._current[1].close()
            self._current = None
        adapter = adapter_class(path)(setup)
        self._current = path, adapter
        return adapter


def adapter_class(path: str) -> Type[Adapter]:
    """The adapter class at ``module:Class`` of this package, or at ``file.py:Class``."""
    module, _, name = path.rpartition(":")
    if not module.endswith(".py"):
        return getattr(importlib.import_module("rnnparity_adapters." + module), name)
    if module not in sys.modules:
        spec = importlib.util.spec_from_file_location(module, module)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[module] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[module])
    return getattr(sys.modules[module], name)


def _answer(request: wire.Frame, adapters: _Adapters) -> wire.Frame:
    """The answer to one case: both directions, or what went wrong."""
    try:
        message = request.message
        adapter = adapters.get(message["adapter"], Setup(**message["setup"]))
        adapter.write(wire.group("weights", request.arrays))
        arrays = run(LOADED, adapter, request.arrays)
        adapter.initialise(message["seed"])
        arrays.update(run(OWN, adapter, request.arrays))
        return wire.Frame(
            {"ok": True, "python": platform.python_version(), "version": _version(message["package"])}, arrays
        )
    except Exception as error:
        summary = traceback.format_exception_only(type(error), error)[-1].strip()
        return wire.Frame({"ok": False, "error": summary, "log": traceback.format_exc()}, {})


def run(direction: str, adapter: Adapter, arrays: Dict[str, np.ndarray]) -> Dict[str, np.ndarray]:
    """Run the adapter with its present weights on ``arrays``: those of a case, by name.

    These are ``inputs`` ``[B, T, I]``, ``initial_hidden`` and ``initial_cell`` ``[B, U]``. The result has the
    native tensors under ``direction/weights/`` and what :meth:`Adapter.run` returns under
    ``direction/trajectory/``.
    """
    weights = adapter.read()
    trajectory = adapter.run(arrays["inputs"], arrays["initial_hidden"], arrays["initial_cell"])
    named = dict(wire.prefixed("weights", weights), **wire.prefixed("trajectory", trajectory))
    return wire.prefixed(direction, named)


@functools.lru_cache(maxsize=None)
def _version(package: str) -> str:
    try:
        metadata: Any = importlib.import_module("importlib.metadata")
    except ImportError:  # Python 3.7
        metadata = importlib.import_module("importlib_metadata")
    return str(metadata.version(package))
