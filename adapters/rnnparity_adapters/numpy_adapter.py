"""A plain numpy cell: the smallest real adapter, which tests the path to a worker and back."""

import abc
from typing import Any, Dict, Sequence, Tuple

import numpy as np

from . import layouts
from .adapter import Adapter, States, stepped
from .layout import Layout

Pair = Tuple[np.ndarray, np.ndarray]
"""The new hidden and cell state, each ``[B, U]``."""


def sigmoid(z: Any) -> Any:
    """The logistic function of ``z`` ``[...]``, in its dtype. By way of tanh, which cannot overflow."""
    return 0.5 * np.tanh(0.5 * z) + 0.5


def lstm_cell(
    kernel: np.ndarray, bias: np.ndarray, forget_bias: float, x: np.ndarray, h: np.ndarray, c: np.ndarray
) -> Pair:
    """One step of ``tf.nn.rnn_cell.LSTMCell``: x ``[B, I]``, h and c ``[B, U]`` -> the new h and c.

    ``kernel`` is ``[I+U, 4U]``, ``bias`` ``[4U]``, both in the order i, j, f, o.
    Source: https://github.com/tensorflow/tensorflow/blob/v1.15.5/tensorflow/python/ops/rnn_cell_impl.py
    """
    i, j, f, o = np.split(np.concatenate([x, h], axis=1) @ kernel + bias, 4, axis=1)
    c = sigmoid(f + forget_bias) * c + sigmoid(i) * np.tanh(j)
    return sigmoid(o) * np.tanh(c), c


class Stepped(Adapter):
    """A step in numpy. It takes the tensors of ``layout`` by their names from ``self.tensors``."""

    layout: Layout

    @abc.abstractmethod
    def step(self, *x_and_states: Any, **nothing: Any) -> Sequence[np.ndarray]:
        """One step: x ``[B, I]`` and the states, each ``[B, U]`` -> the new states.

        (To a type checker, ``**nothing`` says that a subclass may name what it takes.)
        """

    def build(self) -> None:
        """Do nothing: a step in numpy needs no object. Subclasses read their options here."""

    def initialise(self, seed: int) -> None:
        random = np.random.RandomState(seed)
        size, units = self.setup.input_size, self.setup.units
        # The limit of Glorot & Bengio 2010 for a kernel [I+U, 4U]:
        # https://proceedings.mlr.press/v9/glorot10a.html
        limit = (6.0 / (size + 5 * units)) ** 0.5
        shapes = self.layout.shapes(size, units)
        drawn = {name: random.uniform(-limit, limit, shape) for name, shape in shapes.items()}
        self.write({name: tensor.astype(self.setup.dtype) for name, tensor in drawn.items()})

    def write(self, tensors: Dict[str, np.ndarray]) -> None:
        self.tensors = tensors

    def read(self) -> Dict[str, np.ndarray]:
        return self.tensors

    def run(self, inputs: np.ndarray, states: States) -> Dict[str, np.ndarray]:
        now: Sequence[np.ndarray] = [state[0] for state in states]
        steps = []
        for x in inputs.swapaxes(0, 1):
            now = self.step(x, *now)
            steps.append(now)
        return stepped(steps)


class Cell(Stepped):
    """:func:`lstm_cell`, called for one step at a time."""

    layout = layouts.CANONICAL

    def build(self) -> None:
        self.forget_bias = np.dtype(self.setup.dtype).type(self.setup.options["forget_bias"])

    def step(self, x: np.ndarray, h: np.ndarray, c: np.ndarray) -> Pair:
        return lstm_cell(self.tensors["kernel"], self.tensors["bias"], self.forget_bias, x, h, c)
