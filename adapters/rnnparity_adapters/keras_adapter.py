"""The recurrent layers and cells of Keras 3, on the backend that KERAS_BACKEND names."""

import functools
import importlib
from typing import Any, Dict, Iterator, List, Sequence, Tuple

import keras
import numpy as np

from . import keras_names
from .adapter import Adapter, Setup, States, derivatives, layer, outputs, stepped, whole

# How a user of each backend wraps a call for inference. Without a tf.function TensorFlow's LSTM takes ten
# times as long.
_INFERENCE: Dict[str, Any] = {
    "tensorflow": lambda tensorflow: tensorflow.function,
    "torch": lambda torch: torch.inference_mode(),
    # jax.jit would take the weights for constants.
    "jax": lambda jax: lambda call: call,
}


def _by_tensorflow(adapter: "_Object") -> Any:
    tensorflow = importlib.import_module("tensorflow")

    def differentiate(cotangent: Any, x: Any, states: Any) -> Any:
        with tensorflow.GradientTape() as tape:
            tape.watch([x, *states])
            loss = tensorflow.reduce_sum(adapter.hidden(adapter.object, x, states) * cotangent)
        return tape.gradient(loss, [x, *states, *(weight.value for weight in adapter.object.weights)])

    return tensorflow.function(differentiate)


def _by_torch(adapter: "_Object") -> Any:
    def differentiate(cotangent: Any, x: Any, states: Any) -> Any:
        given = [each.requires_grad_() for each in (x, *states)]
        loss = (adapter.hidden(adapter.object, given[0], given[1:]) * cotangent).sum()
        weights = [weight.value for weight in adapter.object.weights]
        return importlib.import_module("torch").autograd.grad(loss, given + weights)

    return differentiate


def _by_jax(adapter: "_Object") -> Any:
    jax, held = importlib.import_module("jax"), adapter.object
    # Not all of it: a cell's steps in a row take a minute to compile.
    compiled = jax.jit(lambda *given, **named: held.stateless_call(*given, **named)[0])

    def loss(x: Any, states: Any, values: Any, rest: Any, cotangent: Any) -> Any:
        call = functools.partial(compiled, values, rest)
        return (adapter.hidden(call, x, states) * cotangent).sum()

    found = jax.grad(loss, argnums=(0, 1, 2))

    def differentiate(cotangent: Any, x: Any, states: Any) -> Any:
        values, rest = (
            [variable.value for variable in variables]
            for variables in (held.trainable_variables, held.non_trainable_variables)
        )
        by_x, by_states, by_values = found(x, states, values, rest, cotangent)
        return [by_x, *by_states, *by_values]

    return differentiate


_DIFFERENTIATED = {"tensorflow": _by_tensorflow, "torch": _by_torch, "jax": _by_jax}
"""How a user of each backend differentiates: by inputs, states and weights, in this order."""


def _inference(call: Any) -> Any:
    backend = keras.config.backend()
    return _INFERENCE[backend](importlib.import_module(backend))(call)


def _new(setup: Setup, **more: Any) -> Any:
    """A new object of the api."""
    kind = getattr(keras.layers, setup.name.rpartition(".")[2])
    return kind(setup.units, dtype=setup.dtype, **more, **setup.options)


def _tensor(setup: Setup, array: np.ndarray) -> Any:
    return keras.ops.convert_to_tensor(array, dtype=setup.dtype)


def _array(tensor: Any) -> np.ndarray:
    return keras.ops.convert_to_numpy(tensor)


def _initialise(given: Any, shape: Sequence[int], seed: int) -> None:
    """Give an object the weights that a new one for inputs of ``shape`` draws."""
    # Not keras.utils.set_random_seed: it clears TensorFlow's caches, and the next run takes three times as
    # long.
    config = given.get_config()
    for name in ("kernel_initializer", "recurrent_initializer"):
        config[name]["config"]["seed"] = seed
    new = type(given).from_config(config)
    new.build(shape)
    for weight, value in zip(given.weights, new.weights):
        weight.assign(value)


def _write(given: Any, tensors: Dict[str, np.ndarray]) -> None:
    """Put native tensors ``[...]`` into an object, by name."""
    stored = keras_names.whole(tensors)
    for weight in given.weights:
        weight.assign(stored[weight.name])


def _read(given: Any) -> Dict[str, np.ndarray]:
    """The inverse of that."""
    return keras_names.parted({weight.name: _array(weight).copy() for weight in given.weights})


class _Object(Adapter):
    """What the layer and the cell share: their weights."""

    def _hold(self, new: Any, *shape: int) -> None:
        """Build ``new`` for inputs of ``shape`` and keep it."""
        new.build(shape)
        self.object, self.shape = new, shape
        self.infer = _inference(new.__call__)
        self.differentiate = _DIFFERENTIATED[keras.config.backend()](self)

    def copy(self, given: Any) -> None:
        setup, sequences = self.setup, "return_sequences" in given.get_config()
        flags = {"return_sequences": True, "return_state": True} if sequences else {}
        new = type(given).from_config(dict(given.get_config(), **flags))
        self._hold(new, *((setup.batch, setup.steps) if sequences else (setup.batch,)), setup.input_size)
        if given.built:
            new.set_weights(given.get_weights())

    def initialise(self, seed: int) -> None:
        _initialise(self.object, self.shape, seed)

    def write(self, tensors: Dict[str, np.ndarray]) -> None:
        _write(self.object, tensors)

    def read(self) -> Dict[str, np.ndarray]:
        return _read(self.object)

    def gradients(self, inputs: np.ndarray, states: States, cotangent: np.ndarray) -> Dict[str, np.ndarray]:
        given = self._states(states)
        result = self.differentiate(self._tensor(cotangent), self._tensor(inputs), given)
        found = [_array(each) for each in result]
        count = 1 + len(given)
        weights = {weight.name: each for weight, each in zip(self.object.weights, found[count:])}
        return derivatives(self.setup, found[0], found[1:count], keras_names.parted(weights))

    def hidden(self, call: Any, x: Any, states: Any) -> Any:
        """The hidden states ``[B, T, U]`` that ``call``, the object or what stands for it, makes of ``x``."""
        raise NotImplementedError

    def _new(self, **more: Any) -> Any:
        """A new object of the api."""
        return _new(self.setup, **more)

    def _tensor(self, array: np.ndarray) -> Any:
        return _tensor(self.setup, array)

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

    def hidden(self, call: Any, x: Any, states: Any) -> Any:
        steps = []
        for each in keras.ops.unstack(x, axis=1):
            _, states = call(each, states)
            steps.append(states[0])
        return keras.ops.stack(steps, axis=1)


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

    def hidden(self, call: Any, x: Any, states: Any) -> Any:
        return call(x, initial_state=states)[0]


class Network(Adapter):
    """Layers one after another, each perhaps in a ``Bidirectional``: what a ``Sequential`` does.

    That takes no initial states, so that the layers are called as the functional API calls them.
    """

    def build(self) -> None:
        setup = self.setup
        self.layers: List[Any] = []
        width = setup.input_size
        for _ in range(setup.layers):
            new = _new(setup, return_sequences=True, return_state=True)
            new = keras.layers.Bidirectional(new, dtype=setup.dtype) if setup.directions > 1 else new
            new.build((setup.batch, setup.steps, width))
            self.layers.append(new)
            width = setup.directions * setup.units
        self.infer = _inference(self._whole)

    def _cells(self) -> Iterator[Tuple[str, Any, int]]:
        """Each direction of each layer: what its names begin with, its object, the width of its inputs."""
        width = self.setup.input_size
        for start, held in keras_names.scoped(self.layers, "layer_%d/"):
            for inner, cell in keras_names.directions(held, self.setup.directions):
                yield start + inner, cell, width
            width = self.setup.directions * self.setup.units

    def initialise(self, seed: int) -> None:
        for number, (_, cell, width) in enumerate(self._cells()):
            # Another one for each, or all cells of the same sizes would be alike.
            _initialise(cell, (self.setup.batch, self.setup.steps, width), seed + number)

    def write(self, tensors: Dict[str, np.ndarray]) -> None:
        for start, cell, _ in self._cells():
            _write(cell, {n[len(start) :]: tensor for n, tensor in tensors.items() if n.startswith(start)})

    def read(self) -> Dict[str, np.ndarray]:
        return {start + name: a for start, cell, _ in self._cells() for name, a in _read(cell).items()}

    def run(self, inputs: np.ndarray, states: States) -> Dict[str, np.ndarray]:
        return self._run(inputs, states, None)

    def run_lengths(self, inputs: np.ndarray, states: States, lengths: np.ndarray) -> Dict[str, np.ndarray]:
        counts = np.arange(self.setup.steps) < lengths[:, None]
        return self._run(inputs, states, keras.ops.convert_to_tensor(counts, dtype="bool"))

    def _run(self, inputs: np.ndarray, states: States, mask: Any) -> Dict[str, np.ndarray]:
        given = [[_tensor(self.setup, state[k]) for state in states] for k in range(len(states[0]))]
        sequences, last = self.infer(_tensor(self.setup, inputs), given, mask)
        ends = [np.stack([_array(state) for state in of_cells]) for of_cells in zip(*last)]
        inner = {outputs(k): _array(sequence) for k, sequence in enumerate(sequences[:-1])}
        return dict(inner, **whole(_array(sequences[-1]), ends))

    def _whole(self, x: Any, given: List[List[Any]], mask: Any) -> Tuple[List[Any], List[List[Any]]]:
        """What each layer returns, and the last states of each cell."""
        sequences, last, count = [], [], self.setup.directions
        masked = {} if mask is None else {"mask": mask}
        for k, held in enumerate(self.layers):
            own = [state for cell in given[k * count : (k + 1) * count] for state in cell]
            x, *ends = held(x, initial_state=own, **masked)
            sequences.append(x)
            each = len(ends) // count
            last += [ends[d * each : (d + 1) * each] for d in range(count)]
        return sequences, last
