"""``tf.nn.rnn_cell.LSTMCell`` and similar cells in graph mode, on TensorFlow 1, or 2 by ``compat.v1``."""

import functools
import posixpath
import random
from typing import Any, Callable, Dict, List, Optional, Tuple

import numpy as np
import tensorflow
import tensorflow.compat.v1 as tf

from .adapter import Adapter, States, derivatives, layer, whole

CALLER_THREAD = tf.ConfigProto(inter_op_parallelism_threads=-1)
"""Run each op in the thread that calls the session, which a negative number asks for. For steps as small as
these, a pool of threads doubles the time.

Source: https://github.com/tensorflow/tensorflow/blob/v1.15.5/tensorflow/core/protobuf/config.proto
"""


class StaticRNN(Adapter):
    """A cell in ``nn.static_rnn``: a graph of all T steps, and a graph of one step that is run T times.

    Inputs are ``[B, T, I]``, states ``[B, U]``.
    """

    session: Any
    names: List[str]
    _assign: Callable[..., Any]
    _fetch: Callable[..., List[np.ndarray]]
    _sequence: Callable[..., List[np.ndarray]]
    _step: Callable[..., List[np.ndarray]]
    _differentiate: Optional[Callable[..., List[np.ndarray]]] = None

    def build(self) -> None:
        batch, steps = self.setup.batch, self.setup.steps
        size = self.setup.input_size
        with tf.Graph().as_default() as graph:
            inputs, x = (
                tf.placeholder(self.setup.dtype, shape) for shape in ([batch, steps, size], [batch, size])
            )
            first = self._states(batch)
            cell = self._cell()
            outputs, last = tf.nn.static_rnn(cell, tf.unstack(inputs, axis=1), _packed(first))
            sequence = tf.stack(outputs, axis=1)
            _, state = tf.nn.static_rnn(cell, [x], _packed(first))
        self._differentiable = sequence, [inputs, *first], cell.weights
        self.session = tf.Session(graph=graph, config=CALLER_THREAD)
        self._sequence = self.session.make_callable([sequence, *_unpacked(last)], [inputs, *first])
        self._step = self.session.make_callable(_unpacked(state), [x, *first])
        self._share(cell.weights)

    def initialise(self, seed: int) -> None:
        # tf_keras draws the seeds of its initialisers from Python's generator:
        # https://github.com/keras-team/tf-keras/blob/master/tf_keras/backend.py
        random.seed(seed)
        with tf.Graph().as_default():  # a new graph: random ops keep the seed that they were made with
            tf.set_random_seed(seed)
            cell = self._cell()
            cell(tf.placeholder(self.setup.dtype, [1, self.setup.input_size]), _packed(self._states(1)))
            with tf.Session(config=CALLER_THREAD) as session:
                values = session.run([variable.initial_value for variable in cell.weights])
        self._assign(*values)

    def write(self, tensors: Dict[str, np.ndarray]) -> None:
        self._assign(*(tensors[name] for name in self.names))

    def read(self) -> Dict[str, np.ndarray]:
        return dict(zip(self.names, self._fetch()))

    def run(self, inputs: np.ndarray, states: States) -> Dict[str, np.ndarray]:
        now = [state[0] for state in states]
        sequence, *last = self._sequence(inputs, *now)
        steps = []
        for x in inputs.swapaxes(0, 1):
            now = self._step(x, *now)
            steps.append(now)
        return layer(sequence, [state[None] for state in last], steps)

    def gradients(self, inputs: np.ndarray, states: States, cotangent: np.ndarray) -> Dict[str, np.ndarray]:
        if self._differentiate is None:
            self._differentiate = self._backward()
        found = self._differentiate(cotangent, inputs, *(state[0] for state in states))
        count = 1 + len(states)
        return derivatives(self.setup, found[0], found[1:count], dict(zip(self.names, found[count:])))

    def _backward(self) -> Callable[..., List[np.ndarray]]:
        """The gradients of the graph of all steps, which takes as long to build as the graph itself."""
        sequence, given, weights = self._differentiable
        with self.session.graph.as_default():
            cotangent = tf.placeholder(self.setup.dtype, sequence.shape)
            found = tf.gradients(tf.reduce_sum(sequence * cotangent), given + weights)
        return self.session.make_callable(found, [cotangent, *given])

    def close(self) -> None:
        self.session.close()

    def _cell(self) -> Any:
        """The api's cell, not yet built, in the current graph."""
        cell: Any = functools.reduce(getattr, self.setup.name.split(".")[1:], tensorflow)
        return cell(self.setup.units, dtype=self.setup.dtype, **self.setup.options)

    def _states(self, batch: int) -> List[Any]:
        """A placeholder for each state: ``[B, P]`` of the hidden one, ``[B, U]`` of a cell state."""
        widths = (self.setup.width, self.setup.units)
        return [tf.placeholder(self.setup.dtype, [batch, n]) for n, _ in zip(widths, self.setup.kind.states)]

    def _share(self, variables: List[Any]) -> None:
        """Prepare reading and writing the cell's variables without adding an op to the graph."""
        self._hold(variables, _names(variables))

    def _hold(self, variables: List[Any], names: List[str]) -> None:
        """The same, by these names.

        Values to write are fed to the variables' initialisers, in place of the initial values. So does
        ``Variable.load``:
        https://github.com/tensorflow/tensorflow/blob/v1.15.5/tensorflow/python/ops/variables.py
        """
        initialisers = [variable.initializer for variable in variables]
        values = [initialiser.inputs[1] for initialiser in initialisers]
        self.names = names
        self._assign = self.session.make_callable(initialisers, values)
        self._fetch = self.session.make_callable(variables)


def _names(variables: List[Any]) -> List[str]:
    """The names of a cell's variables, without its own scope, however deep that is."""
    names = [variable.op.name for variable in variables]
    scope = posixpath.commonpath(names)
    return [posixpath.relpath(name, scope) for name in names]


class DynamicRNN(StaticRNN):
    """Cells in ``nn.dynamic_rnn``, several in a ``MultiRNNCell``; two in ``nn.bidirectional_dynamic_rnn``."""

    _lengths: Callable[..., List[np.ndarray]]

    def build(self) -> None:
        with tf.Graph().as_default() as graph:
            inputs, first, whole_rows, cells = self._connected(None)
            lengths = tf.placeholder(tf.int64, [self.setup.batch])
            *_, counted, _ = self._connected(lengths, (inputs, first, cells))  # the same variables
        graph.finalize()
        self.session = tf.Session(graph=graph, config=CALLER_THREAD)
        fed = [inputs, *(state for states in first for state in states)]
        self._sequence = self.session.make_callable(whole_rows, fed)
        self._lengths = self.session.make_callable(counted, [*fed, lengths])
        self._hold(*self._variables(cells))

    def _connected(self, lengths: Any, given: Any = None) -> Tuple[Any, List[Any], List[Any], List[Any]]:
        """The inputs, the initial states, what is computed of them, and the cells, in the current graph.

        The inputs, the states and the cells are new unless ``given``.
        """
        setup = self.setup
        inputs, first, cells = given or (
            tf.placeholder(setup.dtype, [setup.batch, setup.steps, setup.input_size]),
            [self._states(setup.batch) for _ in range(setup.layers * setup.directions)],
            [self._cell() for _ in range(setup.layers * setup.directions)],
        )
        packed = [_packed(states) for states in first]
        if setup.directions > 1:
            (one, other), (start, end) = cells, packed
            both, last = tf.nn.bidirectional_dynamic_rnn(one, other, inputs, lengths, start, end)
            outputs = tf.concat(both, 2)
        elif setup.layers > 1:
            stacked = tf.nn.rnn_cell.MultiRNNCell(cells)
            outputs, last = tf.nn.dynamic_rnn(stacked, inputs, lengths, tuple(packed))
        else:
            outputs, last = tf.nn.dynamic_rnn(cells[0], inputs, lengths, packed[0])
            last = (last,)
        return inputs, first, [outputs, *(state for each in last for state in _unpacked(each))], cells

    def _variables(self, cells: List[Any]) -> Tuple[List[Any], List[str]]:
        """The variables of all cells, and their names, which begin with the scopes of the cells."""
        scopes = ["fw/", "bw/"] if self.setup.directions > 1 else ["cell_%d/" % k for k in range(len(cells))]
        scopes = scopes if len(cells) > 1 else [""]
        names = [scope + name for scope, cell in zip(scopes, cells) for name in _names(cell.weights)]
        return [variable for cell in cells for variable in cell.weights], names

    def initialise(self, seed: int) -> None:
        random.seed(seed)  # as in a StaticRNN
        with tf.Graph().as_default():
            tf.set_random_seed(seed)
            *_, cells = self._connected(None)
            with tf.Session(config=CALLER_THREAD) as session:
                values = session.run([variable.initial_value for variable in self._variables(cells)[0]])
        self._assign(*values)

    def run(self, inputs: np.ndarray, states: States) -> Dict[str, np.ndarray]:
        return self._whole(self._sequence(inputs, *_by_cell(states)))

    def run_lengths(self, inputs: np.ndarray, states: States, lengths: np.ndarray) -> Dict[str, np.ndarray]:
        return self._whole(self._lengths(inputs, *_by_cell(states), lengths))

    def _whole(self, computed: List[np.ndarray]) -> Dict[str, np.ndarray]:
        sequence, *last = computed
        kinds = len(self.setup.kind.states)
        return whole(sequence, [np.stack(last[kind::kinds]) for kind in range(kinds)])


def _by_cell(states: States) -> List[np.ndarray]:
    """States ``[K, B, ...]`` by kind -> the states ``[B, ...]`` of each cell, one cell after another."""
    return [state for of_cell in zip(*states) for state in of_cell]


def _packed(states: List[Any]) -> Any:
    """The states as TensorFlow's cells have them: of an LSTM the pair (c, h), else the hidden state."""
    return tf.nn.rnn_cell.LSTMStateTuple(*reversed(states)) if len(states) > 1 else states[0]


def _unpacked(packed: Any) -> List[Any]:
    """The inverse of that."""
    return list(reversed(packed)) if isinstance(packed, tuple) else [packed]
