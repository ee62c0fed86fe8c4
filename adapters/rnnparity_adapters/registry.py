"""The list of apis: data only. Command line, tests, README and worker all read it."""

from dataclasses import dataclass, field
from typing import Any, Dict, Tuple

from . import layouts
from .equation import HARD_SIGMOID_5
from .layout import Layout

BOTH = ("float32", "float64")
FLOAT32 = ("float32",)


@dataclass(frozen=True, eq=False)
class Api:
    """One row of the table.

    ``name`` is the public dotted name, ``adapter`` is ``module:Class`` in this package, ``package`` the
    distribution whose version the row shows, ``options`` the framework's own constructor arguments,
    and ``equation`` the fields of :class:`~rnnparity_adapters.equation.Equation` they amount to.
    ``source`` says where a published equation is printed; it is empty for what runs in a framework.
    """

    name: str
    environment: str
    package: str
    adapter: str
    layout: Layout
    dtypes: Tuple[str, ...] = BOTH
    options: Dict[str, Any] = field(default_factory=dict)
    equation: Dict[str, Any] = field(default_factory=dict)
    source: str = ""

    @property
    def label(self) -> str:
        """The name, with the values of options that are not the framework's defaults."""
        values = ", ".join(str(value) for value in self.options.values())
        return "%s(%s)" % (self.name, values) if values else self.name

    @property
    def key(self) -> str:
        """``label@environment``: unique."""
        return "%s@%s" % (self.label, self.environment)


APIS = (
    Api("numpy.lstm_cell", "numpy", "numpy", "numpy_adapter:Cell", layouts.CANONICAL),
    Api("torch.nn.LSTM", "torch", "torch", "torch_adapter:Layer", layouts.TORCH_LAYER),
    Api("torch.nn.LSTMCell", "torch", "torch", "torch_adapter:Cell", layouts.TORCH_CELL),
    Api("keras.layers.LSTM", "keras-tf", "keras", "keras_adapter:Layer", layouts.KERAS),
    Api("keras.layers.LSTMCell", "keras-tf", "keras", "keras_adapter:Cell", layouts.KERAS),
    Api("keras.layers.LSTM", "keras-torch", "keras", "keras_adapter:Layer", layouts.KERAS),
    Api("keras.layers.LSTMCell", "keras-torch", "keras", "keras_adapter:Cell", layouts.KERAS),
    Api("tf.compat.v1.nn.rnn_cell.LSTMCell", "tf2", "tensorflow-cpu", "tensorflow_graph_adapter:StaticRNN", layouts.TENSORFLOW),
    Api("tf.compat.v1.nn.rnn_cell.BasicLSTMCell", "tf2", "tensorflow-cpu", "tensorflow_graph_adapter:StaticRNN", layouts.TENSORFLOW),
    Api("tf.raw_ops.BlockLSTM", "tf2", "tensorflow-cpu", "tensorflow_adapter:BlockLSTM", layouts.BLOCK_LSTM, FLOAT32),
    Api("tf.nn.rnn_cell.LSTMCell", "tf1", "tensorflow", "tensorflow_graph_adapter:StaticRNN", layouts.TENSORFLOW),
    Api("tf.contrib.rnn.BasicLSTMCell", "tf1", "tensorflow", "tensorflow_graph_adapter:StaticRNN", layouts.TENSORFLOW),
    Api(
        "keras.layers.LSTM", "tf1", "keras", "keras2_adapter:Layer", layouts.KERAS,
        options={"recurrent_activation": "sigmoid"},
    ),
    Api(
        "keras.layers.LSTM", "tf1", "keras", "keras2_adapter:Layer", layouts.KERAS,
        options={"recurrent_activation": "hard_sigmoid"},
        equation={"recurrent_activation": HARD_SIGMOID_5},
    ),
    Api("article.lstm_cell", "nnabla", "nnabla", "nnabla_adapter:OneAffine", layouts.NNABLA_ONE_AFFINE, FLOAT32),
    Api("article.lstm_cell_four_affines", "nnabla", "nnabla", "nnabla_adapter:FourAffines", layouts.NNABLA_FOUR_AFFINES, FLOAT32),
    Api("article.lstm", "nnabla", "nnabla", "nnabla_adapter:ArticleLayer", layouts.NNABLA_ONE_AFFINE, FLOAT32),
    Api("PF.lstm_cell", "nnabla", "nnabla", "nnabla_adapter:Cell", layouts.NNABLA_LSTM_CELL, FLOAT32),
    Api("PF.lstm", "nnabla", "nnabla", "nnabla_adapter:ParametricLayer", layouts.NNABLA_LSTM, FLOAT32),
    Api("F.lstm", "nnabla", "nnabla", "nnabla_adapter:FunctionLayer", layouts.NNABLA_LSTM, FLOAT32),
)  # fmt: skip


def _published(name: str, adapter: str, layout: Layout, source: str, **options: str) -> Api:
    """An equation as it is printed, in numpy; ``options`` are the ways to read it."""
    return Api(
        "published." + name,
        "numpy",
        "numpy",
        "published_adapter:" + adapter,
        layout,
        options=options,
        source=source,
    )


_TEXTBOOK = "Goodfellow, Bengio & Courville: Deep Learning, 10.10"
_CHOLLET = "Chollet: Deep Learning with Python, 6.2.2"
_TENSORFLOW = "the documentation of tf.raw_ops.LSTMBlockCell"

PUBLISHED = (
    _published("goodfellow", "Goodfellow", layouts.GOODFELLOW, _TEXTBOOK, squashing="sigmoid"),
    _published("goodfellow", "Goodfellow", layouts.GOODFELLOW, _TEXTBOOK, squashing="tanh"),
    _published("chollet", "Chollet", layouts.CHOLLET, _CHOLLET, activation="sigmoid", carry="no Vo"),
    _published("chollet", "Chollet", layouts.CHOLLET, _CHOLLET, activation="tanh", carry="no Vo"),
    _published("chollet", "Chollet", layouts.CHOLLET, _CHOLLET, activation="sigmoid/tanh", carry="no Vo"),
    _published("chollet", "Chollet", layouts.CHOLLET, _CHOLLET, activation="sigmoid/tanh", carry="Vo"),
    _published("pytorch", "PyTorch", layouts.PYTORCH_PRINTED, "the documentation of torch.nn.LSTM"),
    _published("tensorflow", "TensorFlow", layouts.BLOCK_LSTM, _TENSORFLOW, gates="i, f, ci, o"),
    _published("tensorflow", "TensorFlow", layouts.BLOCK_LSTM, _TENSORFLOW, gates="i, ci, f, o"),
    _published(
        "nnabla_article",
        "NNablaArticle",
        layouts.NNABLA_ARTICLE_PRINTED,
        "an article on a Keras-like LSTM in NNabla",
    ),
)
"""Equations as they are printed. They run beside the apis where they are asked for by name."""
