"""Adapters with one planted fault each. They run in workers, by their path, and never import rnnparity."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from typing import Dict

import numpy as np

from rnnparity_adapters.adapter import States
from rnnparity_adapters.numpy_adapter import Cell, Pair
from rnnparity_adapters.published_adapter import Goodfellow

Arrays = Dict[str, np.ndarray]


class Sound(Cell):
    """No fault: proves that the path to this file works."""


class Segfault(Cell):
    def run(self, inputs: np.ndarray, states: States) -> Arrays:
        print("about to read address 0", file=sys.stderr, flush=True)
        ctypes.string_at(0)
        return {}


class SegfaultOnce(Cell):
    """Crashes for odd seeds only: the second case must go on in a new worker."""

    def initialise(self, seed: int) -> None:
        if seed % 2:
            os.abort()
        super().initialise(seed)


class Exit(Cell):
    def run(self, inputs: np.ndarray, states: States) -> Arrays:
        os._exit(7)


class Slow(Cell):
    def run(self, inputs: np.ndarray, states: States) -> Arrays:
        time.sleep(0.2)
        return super().run(inputs, states)


class Hang(Cell):
    def run(self, inputs: np.ndarray, states: States) -> Arrays:
        print("going to sleep", file=sys.stderr, flush=True)
        while True:
            time.sleep(60)


class Raise(Cell):
    def run(self, inputs: np.ndarray, states: States) -> Arrays:
        raise RuntimeError("this cell cannot run")


class RaiseInBuild(Cell):
    def build(self) -> None:
        raise TypeError("an option that no longer exists")


class Chatter(Cell):
    """Prints to stdout, from Python and from below it, as frameworks do: no fault at all."""

    def run(self, inputs: np.ndarray, states: States) -> Arrays:
        print("x" * 100_000, flush=True)
        os.write(1, b"\x00\xff" * 10_000)
        return super().run(inputs, states)


class Garbage(Cell):
    """Writes bytes that are no frame into the pipe to the harness."""

    def run(self, inputs: np.ndarray, states: States) -> Arrays:
        for descriptor in range(3, 20):
            try:
                os.write(descriptor, b"PK\x03\x04 this is no frame of ours at all")
            except OSError:
                continue
        return super().run(inputs, states)


class Forks(Cell):
    """Forks, and both processes go on: they would answer twice."""

    def run(self, inputs: np.ndarray, states: States) -> Arrays:
        os.fork()
        return super().run(inputs, states)


def _leave_a_child() -> None:
    """Start a child in a session of its own, which keeps the pipe to the harness open."""
    subprocess.Popen(["sleep", "600"], start_new_session=True, close_fds=False)


class LeavesAChild(Cell):
    def run(self, inputs: np.ndarray, states: States) -> Arrays:
        for descriptor in range(3, 20):
            try:
                os.set_inheritable(descriptor, True)
            except OSError:
                continue
        _leave_a_child()
        return super().run(inputs, states)


class LeavesAChildAndExits(LeavesAChild):
    def run(self, inputs: np.ndarray, states: States) -> Arrays:
        super().run(inputs, states)
        os._exit(7)


class LeavesAChildAndHangs(LeavesAChild):
    def run(self, inputs: np.ndarray, states: States) -> Arrays:
        super().run(inputs, states)
        while True:
            time.sleep(60)


class Stops(Cell):
    """Reads nothing any more, not even the next request."""

    def run(self, inputs: np.ndarray, states: States) -> Arrays:
        os.kill(os.getpid(), signal.SIGSTOP)
        return super().run(inputs, states)


class CloseRaises(Cell):
    def close(self) -> None:
        raise RuntimeError("this cannot be closed")


class CloseHangs(Cell):
    def close(self) -> None:
        while True:
            time.sleep(60)


class LongLine(Cell):
    """Writes a line that does not end, and dies."""

    def run(self, inputs: np.ndarray, states: States) -> Arrays:
        for _ in range(300):
            os.write(2, b"\x1b[2J" + b"x" * 10**6)
        os._exit(7)


class Extra(Cell):
    """Returns an array that nobody has asked for, and that is larger than all others."""

    def run(self, inputs: np.ndarray, states: States) -> Arrays:
        return dict(super().run(inputs, states), extra=np.zeros(2**26))


class NoNumbers(Cell):
    def run(self, inputs: np.ndarray, states: States) -> Arrays:
        return dict(super().run(inputs, states), hidden=np.array([None]))


class RaisesEscapes(Cell):
    """Its exception would clear the screen, and begin a line that looks like one of ours."""

    def run(self, inputs: np.ndarray, states: States) -> Arrays:
        raise RuntimeError("\x1b[2J\ud800\ntorch.nn.LSTM  2.13.0  agree")


class RaisesMuch(Cell):
    def run(self, inputs: np.ndarray, states: States) -> Arrays:
        raise RuntimeError("x" * 10**7)


class NotFinite(Cell):
    def run(self, inputs: np.ndarray, states: States) -> Arrays:
        arrays = super().run(inputs, states)
        arrays["cell"][1, 2, 3] = np.nan
        return arrays


class OneStepTooFew(Cell):
    def run(self, inputs: np.ndarray, states: States) -> Arrays:
        return super().run(inputs[:, :-1], states)


class TimeMajor(Cell):
    def run(self, inputs: np.ndarray, states: States) -> Arrays:
        return {name: array.swapaxes(0, 1) for name, array in super().run(inputs, states).items()}


class WrongDtype(Cell):
    def run(self, inputs: np.ndarray, states: States) -> Arrays:
        return {name: array.astype("float64") for name, array in super().run(inputs, states).items()}


class StatesSwapped(Cell):
    """Takes the initial cell state for the hidden one."""

    def run(self, inputs: np.ndarray, states: States) -> Arrays:
        return super().run(inputs, states[::-1])


class IgnoresOwnWeights(Cell):
    """Runs the loaded weights whatever it was initialised with; only the other direction can show it."""

    def initialise(self, seed: int) -> None:
        self.used = self.tensors
        super().initialise(seed)

    def run(self, inputs: np.ndarray, states: States) -> Arrays:
        shown, self.tensors = self.tensors, getattr(self, "used", self.tensors)
        try:
            return super().run(inputs, states)
        finally:
            self.tensors = shown


def _swapped(tensors: Arrays) -> Arrays:
    """The blocks of the input gate and the forget gate exchanged."""
    return {
        name: np.concatenate([np.split(array, 4, -1)[k] for k in (2, 1, 0, 3)], -1)
        for name, array in tensors.items()
    }


class SwapInLoad(Cell):
    def write(self, tensors: Arrays) -> None:
        super().write(_swapped(tensors))


class SwapInLoadTimeMajor(SwapInLoad, TimeMajor):
    """Two faults at once."""


class SwapInExtract(Cell):
    def read(self) -> Arrays:
        return _swapped(super().read())


class SwapInBoth(Cell):
    """The round trip is exact, the function is not."""

    def write(self, tensors: Arrays) -> None:
        super().write(_swapped(tensors))

    def read(self) -> Arrays:
        return _swapped(super().read())


class Odd(Cell):
    """What no cause explains: the states of a step are shifted by its number."""

    def run(self, inputs: np.ndarray, states: States) -> Arrays:
        steps = 0.3 * np.sin(np.arange(inputs.shape[1]))[:, None]
        return {
            name: (array + steps).astype(array.dtype) for name, array in super().run(inputs, states).items()
        }


class GoodfellowOutputLinear(Goodfellow):
    """A printed equation altered: h = s q instead of tanh(s) q."""

    def step(self, x: np.ndarray, h: np.ndarray, c: np.ndarray) -> Pair:
        hidden, s = super().step(x, h, c)
        return hidden / np.tanh(s) * s, s


class GoodfellowCoupled(Goodfellow):
    """A printed equation altered: the forget gate is 1 - g."""

    def step(self, x: np.ndarray, h: np.ndarray, c: np.ndarray) -> Pair:
        p = self.tensors
        g = 1 / (1 + np.exp(-(p["bg"] + x @ p["Ug"].T + h @ p["Wg"].T)))
        f = 1 / (1 + np.exp(-(p["bf"] + x @ p["Uf"].T + h @ p["Wf"].T)))
        q = 1 / (1 + np.exp(-(p["bo"] + x @ p["Uo"].T + h @ p["Wo"].T)))
        _, s = super().step(x, h, c)
        s = s + (1 - g - f) * c
        return np.tanh(s) * q, s


class GoodfellowLastStep(Goodfellow):
    """A printed equation altered in its last step alone."""

    def run(self, inputs: np.ndarray, states: States) -> Arrays:
        arrays = super().run(inputs, states)
        arrays["hidden"][0, -1, 1] += 1e-3
        return arrays


class GoodfellowSometimes(Goodfellow):
    """Likewise, where the first number of the inputs is positive."""

    def run(self, inputs: np.ndarray, states: States) -> Arrays:
        arrays = super().run(inputs, states)
        arrays["hidden"][0, -1, 1] += 1e-3 * (inputs[0, 0, 0] > 0)
        return arrays


class GoodfellowRaises(Goodfellow):
    def step(self, x: np.ndarray, h: np.ndarray, c: np.ndarray) -> Pair:
        raise RuntimeError("this equation cannot run")


class WrongLater(Cell):
    """Runs the first two pieces of a long case in both directions, and gets the others wrong."""

    _calls = 0

    def run(self, inputs: np.ndarray, states: States) -> Arrays:
        WrongLater._calls += 1
        arrays = super().run(inputs, states)
        if WrongLater._calls > 4:
            arrays["hidden"][0, 3, 1] += 1e-3
        return arrays


class ForgetsBetweenPieces(Cell):
    """Does not begin from the states that it is given, but in its first piece."""

    _calls = 0

    def run(self, inputs: np.ndarray, states: States) -> Arrays:
        ForgetsBetweenPieces._calls += 1
        if ForgetsBetweenPieces._calls > 2:
            states = tuple(0 * state for state in states)
        return super().run(inputs, states)


class OtherWeightsLater(Cell):
    """Initialises other weights in the second piece, though the seed is the same."""

    _calls = 0

    def initialise(self, seed: int) -> None:
        OtherWeightsLater._calls += 1
        super().initialise(seed + (OtherWeightsLater._calls > 1))


class DiesLater(Cell):
    """Ends its process in the second piece."""

    _calls = 0

    def run(self, inputs: np.ndarray, states: States) -> Arrays:
        DiesLater._calls += 1
        if DiesLater._calls > 2:
            os._exit(9)
        return super().run(inputs, states)
