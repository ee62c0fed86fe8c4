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
from .adapter import Adapter, Setup, States

LOADED = "loaded"
"""A run with the weights of the case, put into the framework."""
OWN = "own"
"""A run with weights that the framework initialised itself."""
DIRECTIONS = (LOADED, OWN)
COTANGENT, GRADIENTS = "cotangent", "gradients"
"""The array of a case that asks for gradients, and the group of those that are returned."""


_LONGEST = 2000, 20000
"""Characters of the summary of an error, and of its traceback, that are sent: an adapter may put anything
there.
"""


def serve(requests: BinaryIO, responses: BinaryIO) -> None:
    """Answer frames until the harness closes its end of the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the harness handles it
    served_by = os.getpid()
    waiting: queue.Queue[Tuple[int, bytearray]] = queue.Queue()
    threading.Thread(target=_receive, args=(requests, waiting), daemon=True).start()
    adapters = _Adapters()
    while True:
        number, body = waiting.get()
        answer = _encoded(number, _answer(wire.decode(body), adapters))
        if os.getpid() != served_by:  # an adapter has forked: this is the copy, and must not answer as well
            os._exit(0)
        responses.write(answer)
        responses.flush()


def _receive(requests: BinaryIO, waiting: "queue.Queue[Tuple[int, bytearray]]") -> None:
    """Read frames ahead, and end the process with the harness, even in the middle of a long case."""
    while True:
        read = wire.read(requests)
        if read is None:
            os._exit(0)
        waiting.put(read)


def _encoded(number: int, answer: wire.Frame) -> bytes:
    """The bytes of an answer, or of what is wrong with it."""
    try:
        return wire.encode(number, answer)
    except wire.WireError as error:
        return wire.encode(number, _failure(error))


class _Adapters:
    """The adapter in use. Cases of the same api come one after another, so only one is kept."""

    def __init__(self) -> None:
        self._current: Optional[Tuple[str, Adapter]] = None

    def get(self, path: str, setup: Setup) -> Adapter:
        """The adapter class at ``path`` (``module:Class`` or ``file.py:Class``), built for ``setup``."""
        if self._current and (self._current[0], self._current[1].setup) == (path, setup):
            return self._current[1]
        self.close()
        adapter = adapter_class(path)(setup)
        self._current = path, adapter
        return adapter

    def close(self) -> None:
        """Close the adapter in use, if there is one."""
        current, self._current = self._current, None
        if current:
            current[1].close()


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
    """The answer to one case: its directions, or what went wrong. Without a case the adapter is closed."""
    try:
        message = request.message
        if not message:
            adapters.close()
            return wire.Frame({"ok": True}, {})
        adapter = adapters.get(message["adapter"], Setup(**message["setup"]))
        adapter.write(wire.group("weights", request.arrays))
        arrays: Dict[str, np.ndarray] = {}
        for direction in message["directions"]:
            if direction == OWN:
                adapter.initialise(message["seed"])
            arrays.update(run(direction, adapter, request.arrays))
            if direction == LOADED and COTANGENT in request.arrays:
                arrays.update(wire.prefixed(GRADIENTS, _gradients(adapter, request.arrays)))
        _check_size(arrays, message["largest"])
        return wire.Frame(
            {"ok": True, "python": platform.python_version(), "version": _version(message["package"])}, arrays
        )
    except NoGradients as error:
        return wire.Frame(dict(_failure(error).message, unsupported=str(error)[: _LONGEST[0]]), {})
    except Exception as error:
        return _failure(error)


class NoGradients(Exception):
    """An adapter was asked for gradients, and has none."""


def _gradients(adapter: Adapter, arrays: Dict[str, np.ndarray]) -> Dict[str, np.ndarray]:
    """What :meth:`Adapter.gradients` returns for the arrays of a case. Raises :class:`NoGradients`."""
    try:
        return adapter.gradients(arrays["inputs"], _states(adapter, arrays), arrays[COTANGENT])
    except NotImplementedError as error:
        raise NoGradients(str(error)) from error


def _states(adapter: Adapter, arrays: Dict[str, np.ndarray]) -> States:
    """The initial states of a case, in the order in which an adapter takes them."""
    states = wire.group("states", arrays)
    return tuple(states[name] for name in adapter.setup.kind.states)


def _failure(error: Exception) -> wire.Frame:
    summary = traceback.format_exception_only(type(error), error)[-1].strip()[: _LONGEST[0]]
    trace = "".join(traceback.format_exception(type(error), error, error.__traceback__))[-_LONGEST[1] :]
    return wire.Frame({"ok": False, "error": summary, "log": trace}, {})


def _check_size(arrays: Dict[str, np.ndarray], largest: int) -> None:
    """Refuse to send what is far more than any run returns: it would be copied on both sides."""
    found = sum(np.asarray(array).nbytes for array in arrays.values())
    if found > largest:
        raise ValueError(
            "the adapter returned %s, %d bytes in all, where at most %d are expected"
            % (", ".join(sorted(arrays)), found, largest)
        )


def run(direction: str, adapter: Adapter, arrays: Dict[str, np.ndarray]) -> Dict[str, np.ndarray]:
    """Run the adapter with its present weights on ``arrays``: those of a case, by name.

    These are ``inputs`` ``[B, T, I]`` and the initial states, each ``[K, B, U]`` and under ``states/``, and
    perhaps ``lengths`` ``[B]``. The result has the native tensors under ``direction/weights/`` and what
    :meth:`Adapter.run` returns under ``direction/trajectory/``.
    """
    weights = adapter.read()
    states = _states(adapter, arrays)
    if "lengths" in arrays:
        trajectory = adapter.run_lengths(arrays["inputs"], states, arrays["lengths"])
    else:
        trajectory = adapter.run(arrays["inputs"], states)
    named = dict(wire.prefixed("weights", weights), **wire.prefixed("trajectory", trajectory))
    return wire.prefixed(direction, named)


@functools.lru_cache(maxsize=None)
def _version(package: str) -> str:
    try:
        metadata: Any = importlib.import_module("importlib.metadata")
    except ImportError:  # Python 3.7
        metadata = importlib.import_module("importlib_metadata")
    return str(metadata.version(package))
