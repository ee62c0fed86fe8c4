"""The calls of a worker without a harness: ``python -I bare.py ADAPTERS COUNT``, in an environment.

``ADAPTERS`` is the folder of rnnparity_adapters. On stdin come COUNT requests to one api, then lines: for
``calls N`` the adapter runs N of the cases, for ``frames N`` as many are decoded and encoded as a worker
does it. The answer is the seconds that took. It must run on Python 3.7.
"""

import importlib
import itertools
import sys
import time
from typing import Any


def main(folder: str, count: str) -> None:
    """Serve stdin until it ends."""
    sys.path.insert(0, folder)
    boot = importlib.import_module("boot")
    del sys.path[0]  # beside boot.py lie adapter.py, layout.py and more, which are no modules of their own
    requests, answers = boot._take_stdio()
    boot._import_package("rnnparity_adapters")
    wire = importlib.import_module("rnnparity_adapters.wire")

    bodies = [wire.read(requests)[1] for _ in range(int(count))]
    cases = [wire.decode(body) for body in bodies]
    adapter = build(cases[0].message)
    returned: Any = {}

    def call(case: Any) -> None:
        returned.update(both_directions(adapter, case, wire))

    def frame(body: bytes) -> None:
        wire.decode(body)
        wire.encode(0, wire.Frame({}, returned))

    work: Any = {b"calls": (call, itertools.cycle(cases)), b"frames": (frame, itertools.cycle(bodies))}
    for line in requests:
        what, times = line.split()
        function, arguments = work[what]
        start = time.perf_counter()
        for argument in itertools.islice(arguments, int(times)):
            function(argument)
        answers.write(b"%.9f\n" % (time.perf_counter() - start))
        answers.flush()


def build(message: Any) -> Any:
    """The adapter that a request names."""
    module, name = message["adapter"].split(":")
    setup = importlib.import_module("rnnparity_adapters.adapter").Setup(**message["setup"])
    return getattr(importlib.import_module("rnnparity_adapters." + module), name)(setup)


def both_directions(adapter: Any, case: Any, wire: Any) -> Any:
    """What the adapter returns with the weights of the case, and with its own."""
    states = wire.group("states", case.arrays)
    sequence = case.arrays["inputs"], tuple(states[name] for name in adapter.setup.kind.states)
    adapter.write(wire.group("weights", case.arrays))
    loaded = wire.prefixed("loaded", dict(adapter.read(), **adapter.run(*sequence)))
    adapter.initialise(case.message["seed"])
    return dict(loaded, **wire.prefixed("own", dict(adapter.read(), **adapter.run(*sequence))))


if __name__ == "__main__":
    main(*sys.argv[1:])
