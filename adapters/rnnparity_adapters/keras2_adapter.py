"""The recurrent layers of Keras 2 on TensorFlow 1."""

import contextlib
from typing import Any, Dict, Iterator

import keras
import numpy as np
import tensorflow as tf

from . import keras_names
from .adapter import Adapter, States, layer
from .tensorflow_graph_adapter import CALLER_THREAD

NAMES = "kernel", "recurrent_kernel", "bias"
"""The tensors in the order of ``get_weights()``."""


class Layer(Adapter):
    """A layer in one functional model, called for the whole sequence and for single steps."""

    session: Any
    layer: Any
    model: Any

    def build(self) -> None:
        units = self.setup.units
        self.session = tf.Session(graph=tf.Graph(), config=CALLER_THREAD)
        with self._active():
            inputs = keras.layers.Input((None, self.setup.input_size))
            first = [keras.layers.Input((units,)) for _ in self.setup.kind.states]
            self.layer = self._kind(units, return_sequences=True, return_state=True, **self.setup.options)
            outputs = self.layer(inputs, initial_state=first)
            self.model = keras.models.Model([inputs, *first], outputs)

    @property
    def _kind(self) -> Any:
        """The api."""
        return getattr(keras.layers, self.setup.name.rpartition(".")[2])

    def initialise(self, seed: int) -> None:
        # Keras 2 draws its weights, or the seeds of the ops that draw them, from numpy's global generator:
        # https://github.com/keras-team/keras/blob/2.2.4/keras/backend/tensorflow_backend.py
        np.random.seed(seed)
        with self._active():
            self.layer.set_weights(self._initial_values())

    def write(self, tensors: Dict[str, np.ndarray]) -> None:
        with self._active():
            self.layer.set_weights([keras_names.whole(tensors)[name] for name in NAMES])

    def read(self) -> Dict[str, np.ndarray]:
        with self._active():
            return keras_names.parted(dict(zip(NAMES, self.layer.get_weights())))

    def run(self, inputs: np.ndarray, states: States) -> Dict[str, np.ndarray]:
        now = [state[0] for state in states]
        steps = []
        with self._active():
            sequence, *last = self.model.predict_on_batch([inputs, *now])
            for step in range(self.setup.steps):
                _, *now = self.model.predict_on_batch([inputs[:, step : step + 1], *now])
                steps.append(now)
        return layer(sequence, [state[None] for state in last], steps)

    def close(self) -> None:
        self.session.close()

    @contextlib.contextmanager
    def _active(self) -> Iterator[None]:
        """Make the session current, in which Keras works, and the dtype of all weights that it creates."""
        keras.backend.set_floatx(self.setup.dtype)
        with self.session.graph.as_default(), self.session.as_default():
            yield

    def _initial_values(self) -> Any:
        """The initial weights of a new layer, computed in a graph that is dropped afterwards."""
        with tf.Graph().as_default(), tf.Session(config=CALLER_THREAD) as session:
            new = self._kind.from_config(self.layer.get_config())
            new.build((None, None, self.setup.input_size))
            values = session.run([variable.initial_value for variable in new.weights])
        keras.backend.reset_uids()  # its table of names would keep every graph alive
        return values
