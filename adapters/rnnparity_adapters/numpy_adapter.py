"""A plain numpy cell: the smallest real adapter, and the proof of the path to a worker and back."""

from typing import Any, Dict, Tuple

import numpy as np

from .adapter import Adapter, stepped


def sigmoid(z: Any) -> Any:
    """The logistic function, in the dtype of ``z``, without overflow."""
    return 0.5 * np.tanh(0.5 * z) + 0.5


def lstm_cell(
    kernel: np.ndarray, bias: np.ndarray, forget_bias: float, x: np.ndarray, h: np.ndarray, c: np.ndarray
) -> Tuple[np.ndarray, np.ndarray]:
    """One step of ``tf.nn.rnn_cell.LSTMCell`` in numpy: x ``[B, I]``, h and c ``[B, U]`` -> new h and c."""
    i, j, f, o = np.split(np.concatenate([x, h], axis=1) @ kernel + bias, 4, axis=1)
    c = sigmoid(f + forget_bias) * c + sigmoid(i) * np.tanh(j)
    return sigmoid(o) * np.tanh(c), c


class Cell(Adapter):
    """:func:`lstm_cell`, stepped."""

    def build(self) -> None:
        self.forget_bias = np.dtype(self.setup.dtype).type(self.setup.options["forget_bias"])

    def initialise(self, seed: int) -> None:
        random = np.random.RandomState(seed)
        size, units = self.setup.input_size, self.setup.units
        limit = (6.0 / (size + 5 * units)) ** 0.5
        kernel = random.uniform(-limit, limit, (size + units, 4 * units))
        bias = random.uniform(-limit, limit, 4 * units)
        self.write({"kernel": kernel.astype(self.setup.dtype), "bias": bias.astype(self.setup.dtype)})

    def write(self, tensors: Dict[str, np.ndarray]) -> None:
        self.tensors = tensors

    def read(self) -> Dict[str, np.ndarray]:
        return self.tensors

    def run(self, inputs: np.ndarray, hidden: np.ndarray, cell: np.ndarray) -> Dict[str, np.ndarray]:
        kernel, bias = self.tensors["kernel"], self.tensors["bias"]
        steps = []
        for x in inputs.swapaxes(0, 1):
            hidden, cell = lstm_cell(kernel, bias, self.forget_bias, x, hidden, cell)
            steps.append((hidden, cell))
        return stepped(steps)
