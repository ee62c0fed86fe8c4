"""Recordings as a user without rnnparity writes them, one of each kind of cell: run in an environment.

    python foreign_recordings.py FRAMEWORK FOLDER ROOT ...

The roots are those of rnnparity, which records a live layer where there is Python 3.11.

Weights, biases and states are random, none of them zero; names and shapes are the framework's own.
"""

# pyright: reportMissingImports=false, reportMissingModuleSource=false

import json
import os
import sys
from typing import Any, Dict, Optional

import numpy as np

RANDOM = np.random.RandomState(3)
B, T, IN, U, P = 3, 8, 5, 6, 4

PROJECTED = {"num_proj": P, "use_peepholes": True, "forget_bias": 0.5, "cell_clip": 0.6}


def draw(*shape: int) -> Any:
    return RANDOM.uniform(-0.7, 0.7, shape).astype("float32")


X, H, C = draw(B, T, IN), draw(B, U), draw(B, U)


def write(
    name: str, api: str, version: str, weights: Dict[str, Any], hidden: Any,
    options: Optional[Dict[str, Any]] = None, **arrays: Any
) -> None:  # fmt: skip
    meta = json.dumps({"recording": 1, "api": api, "version": version, "options": options or {}})
    named = {"weights/" + key: value for key, value in weights.items()}
    path = os.path.join(sys.argv[2], name + ".npz")
    np.savez(path, inputs=X, hidden=np.array(hidden), meta=meta, **named, **arrays)


def live(api: str, version: str, layer: Any, inputs: Any, hidden: Any, start: Any) -> None:
    """By rnnparity itself, from the layer and the tensors as the framework has them."""
    sys.path += sys.argv[3:]
    import rnnparity

    path = os.path.join(sys.argv[2], "live.npz")
    rnnparity.record(path, api, layer, inputs, hidden, initial_hidden=start, version=version)


def torch_recordings() -> None:
    import torch

    def filled(module: Any) -> Dict[str, Any]:
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.copy_(torch.tensor(draw(*parameter.shape)))
        return {name: value.detach().numpy().copy() for name, value in module.named_parameters()}

    x, h, c = torch.tensor(X), torch.tensor(H), torch.tensor(C)
    kinds: Any = (
        ("gru", "GRU", {}), ("unbiased", "GRU", {"bias": False}), ("rnn", "RNN", {}),
        ("relu", "RNN", {"nonlinearity": "relu"}),
    )  # fmt: skip
    for name, cls, options in kinds:
        layer = getattr(torch.nn, cls)(IN, U, batch_first=True, **options)
        weights = filled(layer)
        hidden = layer(x, h[None])[0].detach().numpy()
        write(name, "torch.nn." + cls, torch.__version__, weights, hidden, options, initial_hidden=H[None])
        cell = getattr(torch.nn, cls + "Cell")(IN, U, **options)
        weights, state, states = filled(cell), h, []
        for t in range(T):
            state = cell(x[:, t], state)
            states.append(state.detach().numpy())
        write(name + "_cell", "torch.nn." + cls + "Cell", torch.__version__, weights, np.stack(states, 1),
              options, initial_hidden=H)  # fmt: skip
    layer = torch.nn.GRU(IN, U, batch_first=True)
    filled(layer)
    live("torch.nn.GRU", torch.__version__, layer, x, layer(x, h[None])[0], h[None])
    layer = torch.nn.LSTM(IN, U, batch_first=True, proj_size=P)
    weights, start = filled(layer), draw(B, P)
    hidden, (_, _) = layer(x, (torch.tensor(start)[None], c[None]))
    cells, state = [], (torch.tensor(start)[None], c[None])
    for t in range(T):
        _, state = layer(x[:, t : t + 1], state)
        cells.append(state[1][0].detach().numpy())
    write("projected", "torch.nn.LSTM", torch.__version__, weights, hidden.detach().numpy(), {"proj_size": P},
          initial_hidden=start, initial_cell=C, cell=np.stack(cells, 1))  # fmt: skip


def keras_recordings() -> None:
    import keras

    cases: Any = (
        ("gru", "GRU", {}), ("gru_before", "GRU", {"reset_after": False}),
        ("unbiased", "GRU", {"use_bias": False}), ("rnn", "SimpleRNN", {}),
        ("gru_hard", "GRU", {"recurrent_activation": "hard_sigmoid"}),
        ("backwards", "GRU", {"go_backwards": True}), ("lstm_backwards", "LSTM", {"go_backwards": True}),
    )  # fmt: skip
    for name, cls, options in cases:
        layer = getattr(keras.layers, cls)(U, return_sequences=True, **options)
        layer.build(X.shape)
        layer.set_weights([draw(*weight.shape) for weight in layer.get_weights()])
        states = [H, C] if cls == "LSTM" else [H]
        given = [keras.ops.convert_to_tensor(state) for state in states]
        hidden = keras.ops.convert_to_numpy(layer(X, initial_state=given if len(given) > 1 else given[0]))
        weights = {weight.path: value for weight, value in zip(layer.weights, layer.get_weights())}
        starts = dict(zip(("initial_hidden", "initial_cell"), states))
        write(name, "keras.layers." + cls, keras.__version__, weights, hidden, options, **starts)

    layer = keras.layers.GRU(U, return_sequences=True)
    given = keras.ops.convert_to_tensor(H)
    hidden = layer(keras.ops.convert_to_tensor(X), initial_state=given)
    layer.set_weights([draw(*weight.shape) for weight in layer.get_weights()])
    hidden = layer(keras.ops.convert_to_tensor(X), initial_state=given)
    live("keras.layers.GRU", keras.__version__, layer, X, hidden, given)


def tensorflow1_recordings() -> None:
    import keras
    import tensorflow as tf

    kinds: Any = (
        ("gru", "GRUCell", {}), ("rnn", "BasicRNNCell", {}),
        ("projected", "LSTMCell", PROJECTED),
    )  # fmt: skip
    for name, cls, options in kinds:
        with tf.Graph().as_default(), tf.Session() as session:
            cell = getattr(tf.nn.rnn_cell, cls)(U, **options)
            state, starts = tf.constant(H), {"initial_hidden": H}
            if cls == "LSTMCell":
                start = draw(B, P)
                state = tf.nn.rnn_cell.LSTMStateTuple(c=tf.constant(C), h=tf.constant(start))
                starts = {"initial_hidden": start, "initial_cell": C}
            outputs, _ = tf.nn.dynamic_rnn(cell, tf.constant(X), initial_state=state)
            session.run(tf.global_variables_initializer())
            weights = {}
            for variable in cell.weights:
                weights[variable.name] = draw(*variable.shape.as_list())
                variable.load(weights[variable.name], session)
            write(
                name,
                "tf.nn.rnn_cell." + cls,
                tf.__version__,
                weights,
                session.run(outputs),
                options,
                **starts,
            )
    layers: Any = (
        ("keras2_gru", "GRU", {}), ("keras2_gru_after", "GRU", {"reset_after": True}),
        ("keras2_rnn", "SimpleRNN", {}), ("keras2_backwards", "GRU", {"go_backwards": True}),
    )  # fmt: skip
    for name, cls, options in layers:
        inputs, state = keras.layers.Input((T, IN)), keras.layers.Input((U,))
        layer = getattr(keras.layers, cls)(U, return_sequences=True, **options)
        model = keras.models.Model([inputs, state], layer(inputs, initial_state=state))
        values = [draw(*value.shape) for value in layer.get_weights()]
        layer.set_weights(values)
        weights = {weight.name: value for weight, value in zip(layer.weights, values)}
        hidden = model.predict([X, H])
        write(name, "keras.layers." + cls, keras.__version__, weights, hidden, options, initial_hidden=H)


def nnabla_recordings() -> None:
    import nnabla as nn
    import nnabla.functions as F
    import nnabla.parametric_functions as PF

    nn.set_auto_forward(True)
    x = nn.Variable.from_numpy_array(X.transpose(1, 0, 2))
    h = nn.Variable.from_numpy_array(H[None, None])
    kinds: Any = (("gru", {}), ("rnn", {}), ("rnn", {"nonlinearity": "relu"}))
    for cls, options in kinds:
        nn.clear_parameters()
        layer = getattr(PF, cls)
        layer(x, h, **options)
        parameters = nn.get_parameters()
        for parameter in parameters.values():
            parameter.d = draw(*parameter.shape)
        weights = {name: parameter.d.copy() for name, parameter in parameters.items()}
        name = cls + "".join("_" + value for value in options.values())
        hidden = layer(x, h, **options)[0].d.transpose(1, 0, 2)
        write(name, "PF." + cls, nn.__version__, weights, hidden, options, initial_hidden=H)
        tensors = [nn.Variable.from_numpy_array(weights[cls + "/" + part]) for part in ("weight_l0", "bias")]
        function = getattr(F, cls)
        hidden = function(x, h, tensors[0], None, tensors[1], 1, training=False, **options)[0]
        write("function_" + name, "F." + cls, nn.__version__, weights, hidden.d.transpose(1, 0, 2), options,
              initial_hidden=H)  # fmt: skip


if __name__ == "__main__":
    {
        "torch": torch_recordings, "keras-tf": keras_recordings, "keras-torch": keras_recordings,
        "tf1": tensorflow1_recordings, "nnabla": nnabla_recordings,
    }[sys.argv[1]]()  # fmt: skip
