"""Recordings of the frameworks that few people still port from: run by the interpreter of an environment.

    python archived_recordings.py FRAMEWORK FOLDER        # one for each layout that is the framework's
    python archived_recordings.py FRAMEWORK FOLDER forms  # what else it has too: layers, directions, lengths

As in ``foreign_recordings.py``, whose numbers these are, weights, biases and states are random, none of them
zero, and drawn anew for each file, from its name.
"""

# pyright: reportMissingImports=false, reportMissingModuleSource=false

import itertools
import os
import sys
from typing import Any, Dict, List, Sequence

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir))

from support.foreign_recordings import FRAMEWORK, IN, PROJECTED, B, C, H, P, T, U, X, draw, kinds, write

LENGTHS = np.array([8, 3, 5])


def states_of(cells: int, is_lstm: bool, width: int = U) -> List[Any]:
    """Initial states ``[K, B, U]`` of so many cells."""
    one = [PROJECTED if width == P else H, C][: 1 + is_lstm]
    if cells == 1:
        return [state[None] for state in one]
    return [draw(cells, *state.shape) for state in one]


def arrays_of(states: Sequence[Any], last: Sequence[Any]) -> Dict[str, Any]:
    """The arrays of initial and last states, each ``[K, B, U]``."""
    named: Dict[str, Any] = dict(zip(("initial_hidden", "initial_cell"), states))
    named.update(zip(("last_hidden", "last_cell"), last))
    return named


# Chainer.


def chainer_recordings() -> None:
    chainer_links()
    chainer_layers()


def chainer_links() -> None:
    import chainer
    import chainer.links as L

    for name, cls, options in kinds(
        (("chainer_lstm", "StatelessLSTM", {}), ("chainer_gru", "StatelessGRU", {})),
        (("chainer_stateful", "LSTM", {}), ("chainer_stateful_gru", "StatefulGRU", {})),
    ):
        link = getattr(L, cls)(IN, U, **options)
        weights = chainer_filled(link)
        h, c = chainer.Variable(H), chainer.Variable(C)
        is_lstm, is_stateful = "LSTM" in cls, not cls.startswith("Stateless")
        if is_stateful:
            link.set_state(*([c, h] if is_lstm else [h]))
        hidden, cell = [], []
        for t in range(T):
            x = X[:, t]
            if is_stateful:
                h = link(x)
                c = link.c if is_lstm else c
            elif is_lstm:
                c, h = link(c, h, x)
            else:
                h = link(h, x)
            hidden.append(h.array)
            cell.append(c.array)
        arrays = {"initial_hidden": H}
        arrays.update({"initial_cell": C, "cell": np.stack(cell, 1)} if is_lstm else {})
        write(name, "chainer.links." + cls, chainer.__version__, weights, np.stack(hidden, 1), **arrays)


def chainer_layers() -> None:
    import chainer
    import chainer.links as L

    stacked = [
        ("chainer_%d_%s%s" % (layers, cell.lower(), "_two" * bool(two)), "NStep%s%s" % (two, cell),
         {"n_layers": layers, "dropout": 0.0})
        for cell, two, layers in itertools.product(("LSTM", "GRU", "RNNTanh"), ("", "Bi"), (1, 2))
        if two or layers > 1
    ]  # fmt: skip
    one = {"n_layers": 1, "dropout": 0.0}
    for name, cls, options in kinds(
        (
            ("chainer_n_step_lstm", "NStepLSTM", one), ("chainer_n_step_gru", "NStepGRU", one),
            ("chainer_n_step_rnn", "NStepRNNTanh", one),
        ),
        (("chainer_relu", "NStepRNNReLU", one), *stacked),
    ):  # fmt: skip
        layer = getattr(L, cls)(options["n_layers"], IN, U, options["dropout"])
        weights = chainer_filled(layer)
        is_lstm, cells = "LSTM" in cls, options["n_layers"] * (1 + ("Bi" in cls))
        # Sequences of several lengths are a list, each [T_b, I].
        lengths = LENGTHS if cells > 1 else np.full(B, T)
        states = states_of(cells, is_lstm)
        *last, outputs = layer(*states, [x[:length] for x, length in zip(X, lengths)])
        hidden = np.zeros((B, T, outputs[0].shape[1]), "float32")
        for row, output in zip(hidden, outputs):
            row[: len(output)] = output.array
        arrays = arrays_of(states, [state.array for state in last])
        arrays.update({"lengths": lengths} if cells > 1 else {})
        write(name, "chainer.links." + cls, chainer.__version__, weights, hidden, options, **arrays)


def chainer_filled(link: Any) -> Dict[str, Any]:
    """Random numbers in all parameters, and these by name."""
    for _, parameter in sorted(link.namedparams()):
        parameter.array[...] = draw(*parameter.shape)
    return {name[1:]: parameter.array.copy() for name, parameter in link.namedparams()}


# MXNet.


def mxnet_recordings() -> None:
    import mxnet as mx

    def filled(block: Any, *inputs: Any) -> Dict[str, Any]:
        block.initialize()
        block(*inputs)  # which is when it learns its shapes
        for _, parameter in sorted(block.collect_params().items()):
            parameter.set_data(mx.nd.array(draw(*parameter.shape)))
        return {name: each.data().asnumpy() for name, each in block.collect_params().items()}

    stacked = [
        ("mxnet_%d_%s%s" % (layers, cell.lower(), "_two" * two), cell,
         {"num_layers": layers, "bidirectional": two})
        for cell, two, layers in itertools.product(("LSTM", "GRU", "RNN"), (False, True), (1, 2))
        if two or layers > 1
    ]  # fmt: skip
    clipped = {"state_clip_min": -0.2, "state_clip_max": 0.2}
    for name, cls, options in kinds(
        (
            ("mxnet_layer", "LSTM", {"projection_size": P}), ("mxnet_gru_layer", "GRU", {}),
            ("mxnet_rnn_layer", "RNN", {}),
        ),
        (
            ("mxnet_tanh", "RNN", {"activation": "tanh"}), *stacked,
            # On the CPU it ignores both without a word: see known_differences.txt.
            ("mxnet_clipped", "LSTM", clipped), ("mxnet_lengths", "GRU", {"use_sequence_length": True}),
        ),
    ):  # fmt: skip
        layer = getattr(mx.gluon.rnn, cls)(U, input_size=IN, layout="NTC", prefix="layer_", **options)
        is_lstm, width = cls == "LSTM", options.get("projection_size", U)
        cells = options.get("num_layers", 1) * (1 + options.get("bidirectional", False))
        states = states_of(cells, is_lstm, width)
        given = [mx.nd.array(X), [mx.nd.array(state) for state in states]]
        lengths = {}
        if "use_sequence_length" in options:
            lengths["lengths"] = LENGTHS
            given.append(mx.nd.array(LENGTHS))
        weights = filled(layer, *given)
        hidden, last = layer(*given)
        arrays = arrays_of(states, [state.asnumpy() for state in last])
        arrays.update(lengths)
        write(name, "mxnet.gluon.rnn." + cls, mx.__version__, weights, hidden.asnumpy(), options, **arrays)

    for name, cls, options in kinds(
        (
            ("mxnet_cell", "LSTMCell", {}), ("mxnet_gru_cell", "GRUCell", {}),
            ("mxnet_rnn_cell", "RNNCell", {}),
        ),
        (
            ("mxnet_relu_cell", "RNNCell", {"activation": "relu"}),
            ("mxnet_other_cell", "LSTMCell", {"activation": "softsign", "recurrent_activation": "tanh"}),
        ),
    ):  # fmt: skip
        step = getattr(mx.gluon.rnn, cls)(U, input_size=IN, prefix="cell_", **options)
        now = [mx.nd.array(state) for state in ([H, C] if cls == "LSTMCell" else [H])]
        weights = filled(step, mx.nd.array(X[:, 0]), now)
        states = []
        for t in range(T):
            _, now = step(mx.nd.array(X[:, t]), now)
            states.append([state.asnumpy() for state in now])
        hidden, *cell = (np.stack(each, 1) for each in zip(*states))
        arrays = {"initial_hidden": H}
        arrays.update({"initial_cell": C, "cell": cell[0]} if cell else {})
        write(name, "mxnet.gluon.rnn." + cls, mx.__version__, weights, hidden, options, **arrays)


# PaddlePaddle.


def paddle_recordings() -> None:
    import paddle

    def filled(layer: Any) -> Dict[str, Any]:
        for _, parameter in layer.named_parameters():
            parameter.set_value(paddle.to_tensor(draw(*parameter.shape)))
        return {name: parameter.numpy() for name, parameter in layer.named_parameters()}

    stacked = [
        ("paddle_%d_%s%s" % (layers, cell.lower(), "_two" * (how != "forward")), cell,
         {"num_layers": layers, "direction": how})
        for cell in ("LSTM", "GRU", "SimpleRNN")
        for how, layers in itertools.product(("forward", "bidirect"), (1, 2))
        if how != "forward" or layers > 1
    ]  # fmt: skip
    for name, cls, options in kinds(
        (("paddle_layer", "LSTM", {"proj_size": P}), ("paddle_cell", "LSTMCell", {"proj_size": P})),
        (
            ("paddle_gru", "GRU", {}),
            ("paddle_gru_cell", "GRUCell", {}),
            ("paddle_rnn", "SimpleRNN", {}),
            ("paddle_rnn_cell", "SimpleRNNCell", {}),
            ("paddle_relu", "SimpleRNN", {"activation": "relu"}),
            *stacked,
        ),
    ):
        layer = getattr(paddle.nn, cls)(IN, U, **options)
        is_lstm, width = "LSTM" in cls, options.get("proj_size", U)
        cells = options.get("num_layers", 1) * (1 + (options.get("direction") == "bidirect"))
        weights, api = filled(layer), "paddle.nn." + cls
        states = states_of(cells, is_lstm, width)
        if cls.endswith("Cell"):
            now, each = [paddle.to_tensor(state[0]) for state in states], []
            for t in range(T):
                _, new = layer(paddle.to_tensor(X[:, t]), tuple(now) if is_lstm else now[0])
                now = list(new) if is_lstm else [new]
                each.append([state.numpy() for state in now])
            hidden, *cell = (np.stack(steps, 1) for steps in zip(*each))
            arrays = dict(arrays_of(states, []), **({"cell": cell[0]} if cell else {}))
            write(name, api, paddle.__version__, weights, hidden, options, **arrays)
            continue
        given = tuple(map(paddle.to_tensor, states))
        lengths = {"sequence_length": paddle.to_tensor(LENGTHS)} if cells > 1 else {}
        outputs, new = layer(paddle.to_tensor(X), given if is_lstm else given[0], **lengths)
        arrays = arrays_of(states, [state.numpy() for state in (new if is_lstm else [new])])
        arrays.update({"lengths": LENGTHS} if lengths else {})
        write(name, api, paddle.__version__, weights, outputs.numpy(), options, **arrays)


if __name__ == "__main__":
    {
        "chainer": chainer_recordings, "mxnet": mxnet_recordings, "paddle": paddle_recordings,
    }[FRAMEWORK]()  # fmt: skip
