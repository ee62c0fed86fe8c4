"""The recurrent layers and cells of Keras 3, on the backend that KERAS_BACKEND names."""

import importlib
from typing import Any, Dict

import keras
import numpy as np

from . import keras_names
from .adapter import Adapter, States, layer, stepped

# How a user of each backend wraps a call for inference. Without a tf.function TensorFlow's LSTM takes ten
# times as long.
_INFERENCE: Dict[str, Any] = {
    "tensorflow": lambda tensorflow: tensorflow.function,
    "torch": lambda torch: torch.inference_mode(),
    # jax.jit would take the weights for constants.
    "jax": lambda jax: lambda call: call,
}


def _inference(call: Any) -> Any:
    backend = keras.config.backend()
    return _INFERENCE[backend](importlib.import_module(backend))(call)


def _array(tensor: Any) -> np.ndarray:
    return keras.ops.convert_to_numpy(tensor)


class _Object(Adapter):
    """What the layer and the cell share: their weights."""

    def _hold(self, new: Any, *shape: int) -> None:
        """Build ``new`` for inputs of ``shape`` and keep it."""
        new.build(shape)
        self.object, self.shape = new, shape
        self.infer = _inference(new.__call__)

    def copy(self, given: Any) -> None:
        setup, sequences = self.setup, "return_sequences" in given.get_config()
        flags = {"return_sequences": True, "return_state": True} if sequences else {}
        new = type(given).from_config(dict(given.get_config(), **flags))
        self._hold(new, *((setup.batch, setup.steps) if sequences else (setup.batch,)), setup.input_size)
        if given.built:
            new.set_weights(given.get_weights())

    def initialise(self, seed: int) -> None:
        # Not keras.utils.set_random_seed: it clears TensorFlow's caches, and the next run takes three times
        # as long.
        config = self.object.get_config()
        for name in ("kernel_initializer", "recurrent_initializer"):
            config[name]["config"]["seed"] = seed
        new = type(self.object).from_config(config)
        new.build(self.shape)
        for weight, value in zip(self.object.weights, new.weights):
            weight.assign(value)

    def write(self, tensors: Dict[str, np.ndarray]) -> None:
        stored = keras_names.whole(tensors)
        for weight in self.object.weights:
            weight.assign(stored[weight.name])

    def read(self) -> Dict[str, np.ndarray]:
        return keras_names.parted({weight.name: _array(weight).copy() for weight in self.object.weights})

    def _new(self, **more: Any) -> Any:
        """A new object of the api."""
        kind = getattr(keras.layers, self.setup.name.rpartition(".")[2])
        return kind(self.setup.units, dtype=self.setup.dtype, **more, **self.setup.options)

    def _tensor(self, array: np.ndarray) -> Any:
        return keras.ops.convert_to_tensor(array, dtype=self.setup.dtype)

    def _states(self, states: States) -> Any:
        """The states, each ``[1, B, U]``, as the api takes them."""
        return [self._tensor(state[0]) for state in states]


class Cell(_Object):
    """A cell, called for one step at a time."""

    def build(self) -> None:
        self._hold(self._new(), self.setup.batch, self.setup.input_size)

    def run(self, inputs: np.ndarray, states: States) -> Dict[str, np.ndarray]:
        now = self._states(states)
        steps = []
        for x in keras.ops.unstack(self._tensor(inputs), axis=1):
            _, now = self.infer(x, now)
            steps.append([_array(state) for state in now])
        return stepped(steps)


class Layer(_Object):
    """A layer, called for the whole sequence and for one step at a time."""

    def build(self) -> None:
        new = self._new(return_sequences=True, return_state=True)
        self._hold(new, self.setup.batch, self.setup.steps, self.setup.input_size)

    def run(self, inputs: np.ndarray, states: States) -> Dict[str, np.ndarray]:
        x, now = self._tensor(inputs), self._states(states)
        sequence, *last = self.infer(x, initial_state=now)
        steps = []
        for one in keras.ops.split(x, self.setup.steps, axis=1):
            _, *now = self.infer(one, initial_state=now)
            steps.append([_array(state) for state in now])
        return layer(_array(sequence), [_array(state)[None] for state in last], steps)
