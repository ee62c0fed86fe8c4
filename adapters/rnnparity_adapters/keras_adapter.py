"""``keras.layers.LSTM`` and ``keras.layers.LSTMCell`` of Keras 3, on the backend that KERAS_BACKEND names."""

import importlib
from typing import Any, Callable, Dict, List

import keras
import numpy as np

from .adapter import Adapter, layer, stepped

# What makes a call for inference cheap. Without it TensorFlow's LSTM takes ten times as long.
_INFERENCE = {
    "tensorflow": lambda tensorflow: tensorflow.function,
    "torch": lambda torch: torch.inference_mode(),
}  # type: Dict[str, Callable[[Any], Any]]


def _inference(call: Callable[..., Any]) -> Any:
    """``call`` as a user of the backend would wrap it for inference."""
    backend = keras.config.backend()
    return _INFERENCE[backend](importlib.import_module(backend))(call)


class _Object(Adapter):
    """What the two share: their weights."""

    def make(self) -> Any:
        """A new object, built, with weights by its own initialisers."""
        raise NotImplementedError

    def call(self, x: Any, state: List[Any]) -> Any:
        """The object, called for inference."""
        raise NotImplementedError

    def build(self) -> None:
        self.object = self.make()
        self.infer = _inference(self.call)

    def initialise(self, seed: int) -> None:
        keras.utils.set_random_seed(seed)
        for weight, fresh in zip(self.object.weights, self.make().weights):
            weight.assign(fresh.value)

    def write(self, tensors: Dict[str, np.ndarray]) -> None:
        for weight in self.object.weights:
            weight.assign(tensors[weight.name])

    def read(self) -> Dict[str, np.ndarray]:
        # The array may share the weight's memory.
        return {weight.name: _array(weight).copy() for weight in self.object.weights}

    def tensor(self, array: np.ndarray) -> Any:
        return keras.ops.convert_to_tensor(array, dtype=self.setup.dtype)


def _array(tensor: Any) -> np.ndarray:
    return keras.ops.convert_to_numpy(tensor)


class Cell(_Object):
    """``keras.layers.LSTMCell``, stepped."""

    def make(self) -> Any:
        cell = keras.layers.LSTMCell(self.setup.units, dtype=self.setup.dtype, **self.setup.options)
        cell.build((self.setup.batch, self.setup.input_size))
        return cell

    def call(self, x: Any, state: List[Any]) -> Any:
        return self.object(x, state)

    def run(self, inputs: np.ndarray, hidden: np.ndarray, cell: np.ndarray) -> Dict[str, np.ndarray]:
        state = [self.tensor(hidden), self.tensor(cell)]
        steps = []
        for x in keras.ops.unstack(self.tensor(inputs), axis=1):
            _, state = self.infer(x, state)
            steps.append((_array(state[0]), _array(state[1])))
        return stepped(steps)


class Layer(_Object):
    """``keras.layers.LSTM``: called once over the sequence, and one step at a time."""

    def make(self) -> Any:
        layer = keras.layers.LSTM(
            self.setup.units, return_sequences=True, return_state=True, dtype=self.setup.dtype, **self.setup.options
        )
        layer.build((self.setup.batch, self.setup.steps, self.setup.input_size))
        return layer

    def call(self, x: Any, state: List[Any]) -> Any:
        return self.object(x, initial_state=state)

    def run(self, inputs: np.ndarray, hidden: np.ndarray, cell: np.ndarray) -> Dict[str, np.ndarray]:
        x = self.tensor(inputs)
        state = first = [self.tensor(hidden), self.tensor(cell)]
        sequence, _, last_cell = self.infer(x, first)
        steps = []
        for one in keras.ops.split(x, self.setup.steps, axis=1):
            _, *state = self.infer(one, state)
            steps.append((_array(state[0]), _array(state[1])))
        return layer(_array(sequence), _array(last_cell), steps)
