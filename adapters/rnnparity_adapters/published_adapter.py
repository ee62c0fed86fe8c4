"""LSTM equations as books and documentation print them, in numpy and with the symbols of the source.

Every step takes x ``[B, I]``, h and c ``[B, U]`` and returns the new h and c ``[B, U]``, in the dtype of the
case. Whatever the source calls its states, h is the one that is the output, and c the one that is not.
"""

from typing import Any, Callable, Dict, Tuple

import numpy as np

from . import layouts
from .numpy_adapter import Pair, Stepped, sigmoid

_FUNCTIONS: Dict[str, Tuple[Callable[..., Any], Callable[..., Any]]] = {
    "sigmoid": (sigmoid, sigmoid),
    "tanh": (np.tanh, np.tanh),
    "sigmoid/tanh": (sigmoid, np.tanh),
}
"""An option's value -> the function of the gates, and that of the new input."""


class Goodfellow(Stepped):
    """The equation of the textbook Deep Learning: input gate g, forget gate f, output gate q, state s.

    The parameters of q are named o. ``squashing`` is the function of the new input: ``sigmoid`` as printed,
    or ``tanh``, which implementations use and which the text allows.

    Source: Goodfellow, Bengio & Courville, Deep Learning, 2016, section 10.10:
    https://www.deeplearningbook.org/contents/rnn.html
    """

    layout = layouts.GOODFELLOW

    def build(self) -> None:
        _, self.squash = _FUNCTIONS[self.setup.options["squashing"]]

    def step(self, x: np.ndarray, h: np.ndarray, c: np.ndarray) -> Pair:
        p, sigma, s = self.tensors, sigmoid, c
        f = sigma(p["bf"] + x @ p["Uf"].T + h @ p["Wf"].T)
        g = sigma(p["bg"] + x @ p["Ug"].T + h @ p["Wg"].T)
        q = sigma(p["bo"] + x @ p["Uo"].T + h @ p["Wo"].T)
        s = f * s + g * self.squash(p["b"] + x @ p["U"].T + h @ p["W"].T)
        return np.tanh(s) * q, s


class Chollet(Stepped):
    """The equation of Deep Learning with Python: state_t is h, the carry C_t is c.

    As printed, ``activation`` is one unspecified function, and output_t sees the carry before it is updated,
    through a full matrix Vo ``[U, U]``, which no implementation has. So the possible readings are options.
    ``activation`` is ``sigmoid`` or ``tanh`` everywhere, or ``sigmoid/tanh``: as in Keras, tanh for k and
    sigmoid for the others. ``carry`` is ``no Vo``, or ``Vo``, whose values are drawn here.

    Source: Chollet, Deep Learning with Python, 2017, section 6.2.2.
    """

    layout = layouts.CHOLLET

    def build(self) -> None:
        self.activation, self.activation_of_k = _FUNCTIONS[self.setup.options["activation"]]
        limit = {"no Vo": 0.0, "Vo": (3.0 / self.setup.units) ** 0.5}[self.setup.options["carry"]]
        drawn = np.random.RandomState(0).uniform(-limit, limit, (self.setup.units, self.setup.units))
        self.Vo = drawn.astype(self.setup.dtype)

    def step(self, x: np.ndarray, h: np.ndarray, c: np.ndarray) -> Pair:
        p, activation = self.tensors, self.activation
        output = activation(h @ p["Uo"] + x @ p["Wo"] + c @ self.Vo + p["bo"])
        i = activation(h @ p["Ui"] + x @ p["Wi"] + p["bi"])
        f = activation(h @ p["Uf"] + x @ p["Wf"] + p["bf"])
        k = self.activation_of_k(h @ p["Uk"] + x @ p["Wk"] + p["bk"])
        return output, i * k + c * f


class PyTorch(Stepped):
    """The equation in PyTorch's documentation, with two biases in each gate.

    Source: the documentation of ``torch.nn.LSTM``,
    https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTM.html
    """

    layout = layouts.PYTORCH_PRINTED

    def step(self, x: np.ndarray, h: np.ndarray, c: np.ndarray) -> Pair:
        p = self.tensors
        i = sigmoid(x @ p["W_ii"].T + p["b_ii"] + h @ p["W_hi"].T + p["b_hi"])
        f = sigmoid(x @ p["W_if"].T + p["b_if"] + h @ p["W_hf"].T + p["b_hf"])
        g = np.tanh(x @ p["W_ig"].T + p["b_ig"] + h @ p["W_hg"].T + p["b_hg"])
        o = sigmoid(x @ p["W_io"].T + p["b_io"] + h @ p["W_ho"].T + p["b_ho"])
        c = f * c + i * g
        return o * np.tanh(c), c


class TensorFlow(Stepped):
    """The equation in TensorFlow's documentation, without peepholes and without a limit on the cell state.

    ``gates`` are the parts of ``xh w + b`` ``[B, 4U]`` from left to right: ``i, f, ci, o`` as printed, or
    ``i, ci, f, o``, the order that TensorFlow's kernels use for the weights that it stores.

    Source: the documentation of ``tf.raw_ops.LSTMBlockCell``,
    https://www.tensorflow.org/api_docs/python/tf/raw_ops/LSTMBlockCell
    """

    layout = layouts.BLOCK_LSTM

    def build(self) -> None:
        self.gates = self.setup.options["gates"].split(", ")
        self.forget_bias = np.dtype(self.setup.dtype).type(self.setup.options["forget_bias"])

    def step(self, x: np.ndarray, h: np.ndarray, c: np.ndarray) -> Pair:
        xh = np.concatenate([x, h], axis=1)
        z = dict(zip(self.gates, np.split(xh @ self.tensors["w"] + self.tensors["b"], 4, axis=1)))
        z["f"] = z["f"] + self.forget_bias
        cs = np.tanh(z["ci"]) * sigmoid(z["i"]) + c * sigmoid(z["f"])
        return np.tanh(cs) * sigmoid(z["o"]), cs


class NNablaArticle(Stepped):
    """The equation of an article on a Keras-like LSTM in NNabla: affines of [x, h] for a, i, f and o.

    Source: that article; :mod:`rnnparity_adapters.nnabla_article` is the same in NNabla.
    """

    layout = layouts.NNABLA_ARTICLE_PRINTED

    def step(self, x: np.ndarray, h: np.ndarray, c: np.ndarray) -> Pair:
        p, xh = self.tensors, np.concatenate([x, h], axis=1)
        a = np.tanh(xh @ p["Wa"] + p["ba"])
        i = sigmoid(xh @ p["Wi"] + p["bi"])
        f = sigmoid(xh @ p["Wf"] + p["bf"])
        o = sigmoid(xh @ p["Wo"] + p["bo"])
        c = i * a + f * c
        return o * np.tanh(c), c
