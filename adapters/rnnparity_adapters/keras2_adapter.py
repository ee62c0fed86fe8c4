"""``keras.layers.LSTM`` of Keras 2 on TensorFlow 1."""

import contextlib
from typing import Any, Dict, Iterator

import keras
import numpy as np
import tensorflow as tf

from .adapter import Adapter, layer
from .tensorflow_graph_adapter import CALLER_THREAD

NAMES = "kernel", "recurrent_kernel", "bias"
"""The tensors in the order of ``get_weights()``."""


class Layer(Adapter):
    """``keras.layers.LSTM`` in one functional model, called for the whole sequence and for single steps."""

    session: Any
    lstm: Any
    model: Any

    def build(self) -> None:
        units = self.setup.units
        self.session = tf.Session(graph=tf.Graph(), config=CALLER_THREAD)
        with self._active():
            shapes = (None, self.setup.input_size), (units,), (units,)
            inputs, hidden, cell = (keras.layers.Input(shape) for shape in shapes)
            self.lstm = keras.layers.LSTM(
                units, return_sequences=True, return_state=True, **self.setup.options
            )
            outputs = self.lstm(inputs, initial_state=[hidden, cell])
            self.model = keras.models.Model([inputs, hidden, cell], outputs)

    def initialise(self, seed: int) -> None:
        # Keras 2 draws its weights, or the seeds of the ops that draw them, from numpy's global generator:
        # https://github.com/keras-team/keras/blob/2.2.4/keras/backend/tensorflow_backend.py
        np.random.seed(seed)
        with self._active():
            self.lstm.set_weights(self._initial_values())

    def write(self, tensors: Dict[str, np.ndarray]) -> None:
        with self._active():
            self.lstm.set_weights([tensors[name] for name in NAMES])

    def read(self) -> Dict[str, np.ndarray]:
        with self._active():
            return dict(zip(NAMES, self.lstm.get_weights()))

    def run(self, inputs: np.ndarray, hidden: np.ndarray, cell: np.ndarray) -> Dict[str, np.ndarray]:
        steps = []
        with self._active():
            sequence, _, last_cell = self.model.predict_on_batch([inputs, hidden, cell])
            for step in range(self.setup.steps):
                x = inputs[:, step : step + 1]
                _, hidden, cell = self.model.predict_on_batch([x, hidden, cell])
                steps.append((hidden, cell))
        return layer(sequence, last_cell, steps)

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
            lstm = keras.layers.LSTM.from_config(self.lstm.get_config())
            lstm.build((None, None, self.setup.input_size))
            values = session.run([variable.initial_value for variable in lstm.weights])
        keras.backend.reset_uids()  # its table of names would keep every graph alive
        return values
