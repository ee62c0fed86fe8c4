"""The recurrent layers of Keras 2 on TensorFlow 1."""

import contextlib
from typing import Any, Dict, Iterator, List, Sequence, Tuple

import keras
import numpy as np
import tensorflow as tf

from . import keras_names
from .adapter import Adapter, States, derivatives, layer, outputs, whole
from .tensorflow_graph_adapter import CALLER_THREAD

NAMES = "kernel", "recurrent_kernel", "bias"
"""The tensors in the order of ``get_weights()``."""


_HIDDEN = -1e4
"""No input is as small: what stands where a mask is."""


@contextlib.contextmanager
def _active(adapter: Any) -> Iterator[None]:
    """Make an adapter's session current, in which Keras works, and the dtype of all that it creates."""
    keras.backend.set_floatx(adapter.setup.dtype)
    with adapter.session.graph.as_default(), adapter.session.as_default():
        yield


class Layer(Adapter):
    """A layer in one functional model, called for the whole sequence and for single steps."""

    session: Any
    layer: Any
    model: Any
    differentiate: Any = None

    def build(self) -> None:
        units = self.setup.units
        self.session = tf.Session(graph=tf.Graph(), config=CALLER_THREAD)
        with _active(self):
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
        with _active(self):
            self.layer.set_weights(self._initial_values())

    def write(self, tensors: Dict[str, np.ndarray]) -> None:
        with _active(self):
            self.layer.set_weights([keras_names.whole(tensors)[name] for name in NAMES])

    def read(self) -> Dict[str, np.ndarray]:
        with _active(self):
            return keras_names.parted(dict(zip(NAMES, self.layer.get_weights())))

    def run(self, inputs: np.ndarray, states: States) -> Dict[str, np.ndarray]:
        now = [state[0] for state in states]
        steps = []
        with _active(self):
            sequence, *last = self.model.predict_on_batch([inputs, *now])
            for step in range(self.setup.steps):
                _, *now = self.model.predict_on_batch([inputs[:, step : step + 1], *now])
                steps.append(now)
        return layer(sequence, [state[None] for state in last], steps)

    def gradients(self, inputs: np.ndarray, states: States, cotangent: np.ndarray) -> Dict[str, np.ndarray]:
        backend = keras.backend
        with _active(self):
            if self.differentiate is None:
                given, weights = self.model.inputs, self.layer.weights
                factor = backend.placeholder((None, None, self.setup.units))
                found = backend.gradients(backend.sum(self.model.outputs[0] * factor), given + weights)
                self.differentiate = backend.function([factor, *given], found)
            result = self.differentiate([cotangent, inputs, *(state[0] for state in states)])
        count = 1 + len(states)
        named = keras_names.parted(dict(zip(NAMES, result[count:])))
        return derivatives(self.setup, result[0], result[1:count], named)

    def close(self) -> None:
        self.session.close()

    def _initial_values(self) -> Any:
        """The initial weights of a new layer, computed in a graph that is dropped afterwards."""
        with tf.Graph().as_default(), tf.Session(config=CALLER_THREAD) as session:
            new = self._kind.from_config(self.layer.get_config())
            new.build((None, None, self.setup.input_size))
            values = session.run([variable.initial_value for variable in new.weights])
        keras.backend.reset_uids()  # its table of names would keep every graph alive
        return values


class Network(Adapter):
    """Layers one after another, each perhaps in a ``Bidirectional``, in one functional model.

    A ``Masking`` layer hides the steps past a row's length, in whose place there is :data:`_HIDDEN`.
    """

    session: Any
    layers: List[Any]
    model: Any
    masked: Any

    def build(self) -> None:
        self.session = tf.Session(graph=tf.Graph(), config=CALLER_THREAD)
        with _active(self):
            self.layers = [self._new() for _ in range(self.setup.layers)]
            self.model, self.masked = (self._model(self.layers, masked) for masked in (False, True))

    def _new(self) -> Any:
        kind = getattr(keras.layers, self.setup.name.rpartition(".")[2])
        new = kind(self.setup.units, return_sequences=True, return_state=True, **self.setup.options)
        return keras.layers.Bidirectional(new) if self.setup.directions > 1 else new

    def _model(self, layers: Sequence[Any], masked: bool) -> Any:
        """A model that returns what each layer returns, and then the last states of each cell."""
        each = self.setup.directions * len(self.setup.kind.states)
        inputs = keras.layers.Input((None, self.setup.input_size))
        first = [keras.layers.Input((self.setup.units,)) for _ in range(len(layers) * each)]
        x = keras.layers.Masking(_HIDDEN)(inputs) if masked else inputs
        sequences: List[Any] = []
        last: List[Any] = []
        for k, held in enumerate(layers):
            x, *ends = held(x, initial_state=first[k * each : (k + 1) * each])
            sequences.append(x)
            last += ends
        return keras.models.Model([inputs, *first], [*sequences, *last])

    def _cells(self, layers: Sequence[Any]) -> List[Tuple[str, Any]]:
        """Each direction of each layer, and what its names begin with."""
        return [
            (start + inner, cell)
            for start, held in keras_names.scoped(layers, "layer_%d/")
            for inner, cell in keras_names.directions(held, self.setup.directions)
        ]

    def initialise(self, seed: int) -> None:
        np.random.seed(seed)  # as in a Layer
        with tf.Graph().as_default(), tf.Session(config=CALLER_THREAD) as session:
            layers = [self._new() for _ in range(self.setup.layers)]
            self._model(layers, masked=False)
            drawn = [session.run([v.initial_value for v in cell.weights]) for _, cell in self._cells(layers)]
        keras.backend.reset_uids()
        with _active(self):
            for (_, cell), values in zip(self._cells(self.layers), drawn):
                cell.set_weights(values)

    def write(self, tensors: Dict[str, np.ndarray]) -> None:
        with _active(self):
            for start, cell in self._cells(self.layers):
                own = {n[len(start) :]: tensor for n, tensor in tensors.items() if n.startswith(start)}
                cell.set_weights([keras_names.whole(own)[name] for name in NAMES])

    def read(self) -> Dict[str, np.ndarray]:
        with _active(self):
            return {
                start + name: tensor
                for start, cell in self._cells(self.layers)
                for name, tensor in keras_names.parted(dict(zip(NAMES, cell.get_weights()))).items()
            }

    def run(self, inputs: np.ndarray, states: States) -> Dict[str, np.ndarray]:
        return self._run(self.model, inputs, states)

    def run_lengths(self, inputs: np.ndarray, states: States, lengths: np.ndarray) -> Dict[str, np.ndarray]:
        counts = np.arange(self.setup.steps) < lengths[:, None]
        hidden = np.where(counts[:, :, None], inputs, _HIDDEN).astype(inputs.dtype)
        return self._run(self.masked, hidden, states)

    def _run(self, model: Any, inputs: np.ndarray, states: States) -> Dict[str, np.ndarray]:
        given = [state for of_cell in zip(*states) for state in of_cell]
        with _active(self):
            returned = model.predict_on_batch([inputs, *given])
        sequences, last = returned[: self.setup.layers], returned[self.setup.layers :]
        kinds = len(self.setup.kind.states)
        inner = {outputs(k): sequence for k, sequence in enumerate(sequences[:-1])}
        return dict(inner, **whole(sequences[-1], [np.stack(last[kind::kinds]) for kind in range(kinds)]))

    def close(self) -> None:
        self.session.close()
