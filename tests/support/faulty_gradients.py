"""Adapters that differentiate by hand, with one planted fault each. They run in workers, by their path.

The cell is an LSTM that stores its weights as ``torch.nn.LSTMCell`` does, with two biases.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np

from rnnparity_adapters import layouts
from rnnparity_adapters.adapter import States, derivatives
from rnnparity_adapters.numpy_adapter import Pair, Stepped, sigmoid

Arrays = dict[str, np.ndarray]


class Sound(Stepped):
    """No fault. The gates of its tensors are i, f, j, o."""

    layout = layouts.TORCH_CELL
    clip = np.inf

    def _gates(self, x: Any, h: Any) -> Any:
        p = self.tensors
        z = x @ p["weight_ih"].T + h @ p["weight_hh"].T + p["bias_ih"] + p["bias_hh"]
        i, f, j, o = np.split(z, 4, axis=1)
        return sigmoid(i), sigmoid(f), np.tanh(j), sigmoid(o)

    def step(self, x: np.ndarray, h: np.ndarray, c: np.ndarray) -> Pair:
        i, f, j, o = self._gates(x, h)
        c = np.clip(f * c + i * j, -self.clip, self.clip)
        return o * np.tanh(c), c

    def gradients(self, inputs: np.ndarray, states: States, cotangent: np.ndarray) -> Arrays:
        """Backpropagation through time, in float32."""
        h, c = (state[0] for state in states)
        tape = []
        for x in inputs.swapaxes(0, 1):
            tape.append((x, h, c, *self._gates(x, h)))
            h, c = self.step(x, h, c)
        dh, dc = np.zeros_like(h), np.zeros_like(c)
        found: dict[str, Any] = {name: np.zeros_like(tensor) for name, tensor in self.tensors.items()}
        by_inputs: list[np.ndarray] = []
        for t, (x, h, c, i, f, j, o) in reversed(list(enumerate(tape))):
            dh = dh + cotangent[:, t]
            raw = f * c + i * j
            squashed = np.tanh(np.clip(raw, -self.clip, self.clip))
            dc = (dc + dh * o * (1 - squashed * squashed)) * self.unclipped(raw)
            of_gates = (
                dc * j * i * (1 - i), dc * c * f * (1 - f), dc * i * (1 - j * j), dh * squashed * o * (1 - o),
            )  # fmt: skip
            z = np.concatenate(of_gates, axis=1)
            found["weight_ih"] += z.T @ x
            found["weight_hh"] += z.T @ h
            found["bias_ih"] += z.sum(axis=0)
            found["bias_hh"] += z.sum(axis=0)
            by_inputs.append(z @ self.tensors["weight_ih"])
            dh, dc = self.passed(t, z @ self.tensors["weight_hh"], dc * f)
        return self.returned(np.stack(by_inputs[::-1], axis=1), (dh, dc), found)

    def unclipped(self, raw: np.ndarray) -> Any:
        """The derivative ``[B, U]`` of the clipped cell state by itself."""
        return np.abs(raw) <= self.clip

    def passed(self, t: int, dh: np.ndarray, dc: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What step ``t`` passes back to the one before it."""
        return dh, dc

    def returned(self, inputs: np.ndarray, states: Iterable[np.ndarray], tensors: Arrays) -> Arrays:
        return derivatives(self.setup, inputs, list(states), tensors)


class ForgetGateScaled(Sound):
    """The forget gate's gradient of one kernel is too large by a thousandth."""

    def returned(self, inputs: np.ndarray, states: Iterable[np.ndarray], tensors: Arrays) -> Arrays:
        units = self.setup.units
        tensors["weight_hh"][units : 2 * units] *= np.float32(1.001)
        return super().returned(inputs, states, tensors)


class Truncated(Sound):
    """Backpropagation ends before step 3."""

    def passed(self, t: int, dh: np.ndarray, dc: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return (0 * dh, 0 * dc) if t == 3 else (dh, dc)


class HiddenNotPassed(Sound):
    """Only the cell state's gradient goes from step to step."""

    def passed(self, t: int, dh: np.ndarray, dc: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return 0 * dh, dc


class CellNotPassed(Sound):
    """Only the hidden state's gradient goes from step to step."""

    def passed(self, t: int, dh: np.ndarray, dc: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return dh, 0 * dc


class InitialStatesDetached(Sound):
    """The gradient by the initial states is zero."""

    def returned(self, inputs: np.ndarray, states: Iterable[np.ndarray], tensors: Arrays) -> Arrays:
        return super().returned(inputs, [0 * state for state in states], tensors)


class RecurrentBiasMissing(Sound):
    """The second bias has no gradient."""

    def returned(self, inputs: np.ndarray, states: Iterable[np.ndarray], tensors: Arrays) -> Arrays:
        return super().returned(inputs, states, dict(tensors, bias_hh=0 * tensors["bias_hh"]))


class BiasDoubled(Sound):
    """A bias's gradient is counted twice."""

    def returned(self, inputs: np.ndarray, states: Iterable[np.ndarray], tensors: Arrays) -> Arrays:
        return super().returned(inputs, states, dict(tensors, bias_ih=2 * tensors["bias_ih"]))


class MeanOverBatch(Sound):
    """The loss is a mean over the batch, not a sum."""

    def returned(self, inputs: np.ndarray, states: Iterable[np.ndarray], tensors: Arrays) -> Arrays:
        found = super().returned(inputs, states, tensors)
        return {name: array / np.float32(self.setup.batch) for name, array in found.items()}


class GatesSwapped(Sound):
    """The gradients of the input and the forget gate stand in each other's place."""

    def returned(self, inputs: np.ndarray, states: Iterable[np.ndarray], tensors: Arrays) -> Arrays:
        swapped = {
            name: np.concatenate([np.split(array, 4)[k] for k in (1, 0, 2, 3)])
            for name, array in tensors.items()
        }
        return super().returned(inputs, states, swapped)


class LastStepOnly(Sound):
    """One step's cotangent is used, that of the last one."""

    def gradients(self, inputs: np.ndarray, states: States, cotangent: np.ndarray) -> Arrays:
        last = np.arange(self.setup.steps) == self.setup.steps - 1
        return super().gradients(inputs, states, (cotangent * last[:, None]).astype(cotangent.dtype))


class Odd(Sound):
    """What no cause explains: one element is off."""

    def returned(self, inputs: np.ndarray, states: Iterable[np.ndarray], tensors: Arrays) -> Arrays:
        tensors["weight_ih"][-1, 2] += np.float32(1e-3)
        return super().returned(inputs, states, tensors)


class Clipped(Sound):
    """No fault: the cell state is clipped, and has no gradient where it is."""

    clip = 0.5


class ClipIgnored(Clipped):
    """The gradient goes through the clip as if there were none, as in TensorFlow's block cells."""

    def unclipped(self, raw: np.ndarray) -> Any:
        return 1.0


class WrongName(Sound):
    def returned(self, inputs: np.ndarray, states: Iterable[np.ndarray], tensors: Arrays) -> Arrays:
        return {f"d_{name}": array for name, array in super().returned(inputs, states, tensors).items()}


class WrongDtype(Sound):
    def returned(self, inputs: np.ndarray, states: Iterable[np.ndarray], tensors: Arrays) -> Arrays:
        found = super().returned(inputs, states, tensors)
        return {name: array.astype("float64") for name, array in found.items()}


class NotFinite(Sound):
    def returned(self, inputs: np.ndarray, states: Iterable[np.ndarray], tensors: Arrays) -> Arrays:
        tensors["weight_hh"][0, 0] = np.nan
        return super().returned(inputs, states, tensors)
