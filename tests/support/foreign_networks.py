"""Recordings of networks as a user without rnnparity writes them: run by the interpreter of an environment.

    python foreign_networks.py FRAMEWORK FOLDER

Each file is a network of layers and directions, with masks or lengths where the framework has them. Weights,
biases and states are random, none of them zero, and drawn anew for each file, from its name.
"""

# pyright: reportMissingImports=false, reportMissingModuleSource=false

import itertools
import json
import os
import sys
import zlib
from typing import Any, Dict, List, Optional

import numpy as np

B, T, IN, U = 3, 8, 5, 6
RANDOM = np.random.RandomState(3)
FRAMEWORK, FOLDER = sys.argv[1:3]
LENGTHS = np.array([8, 3, 5])
MASK = np.array([[1, 1, 0, 1, 0, 1, 1, 1], [0, 1, 1, 0, 0, 1, 0, 0], [1, 1, 1, 1, 1, 0, 0, 0]], bool)


def draw(*shape: int) -> Any:
    return RANDOM.uniform(-0.7, 0.7, shape).astype("float32")


def begin(name: str) -> str:
    RANDOM.seed(zlib.crc32(name.encode()))
    return name


X = draw(B, T, IN)


def write(
    name: str, api: str, version: str, weights: Dict[str, Any], hidden: Any,
    options: Optional[Dict[str, Any]] = None, **arrays: Any
) -> None:  # fmt: skip
    meta = {"recording": 1, "api": api, "version": version, "options": options or {}}
    named = {"weights/" + key: value for key, value in weights.items()}
    if hidden is not None:
        named["hidden"] = np.array(hidden)
    named.update(arrays, inputs=X, meta=np.array(json.dumps(meta)))
    np.savez(os.path.join(FOLDER, name + ".npz"), **named)


def torch_networks() -> None:
    import torch

    for kind, layers, two, packed in itertools.product(("LSTM", "GRU", "RNN"), (1, 3), (False, True), (0, 1)):
        if layers == 1 and not two:
            continue
        name = begin("torch_%s_%d%s%s" % (kind, layers, "_two" * two, "_packed" * packed))
        options = {"num_layers": layers, "bidirectional": two}
        if packed and kind == "LSTM":
            options["proj_size"] = U - 2
        module = getattr(torch.nn, kind)(IN, U, batch_first=True, **options)
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.copy_(torch.tensor(draw(*parameter.shape)))
        cells = layers * (1 + two)
        starts = {"initial_hidden": draw(cells, B, options.get("proj_size", U))}
        if kind == "LSTM":
            starts["initial_cell"] = draw(cells, B, U)
        state = tuple(map(torch.tensor, starts.values()))
        x: Any = torch.tensor(X)
        if packed:
            x = torch.nn.utils.rnn.pack_padded_sequence(x, LENGTHS, batch_first=True, enforce_sorted=False)
        with torch.no_grad():
            hidden, last = module(x, state if kind == "LSTM" else state[0])
        last = last if kind == "LSTM" else [last]
        ends = {"last_hidden": last[0].numpy(), **({"last_cell": last[1].numpy()} if kind == "LSTM" else {})}
        if packed:
            hidden, _ = torch.nn.utils.rnn.pad_packed_sequence(hidden, batch_first=True, padding_value=0.0)
            ends["lengths"] = LENGTHS
        weights = {key: value.detach().numpy().copy() for key, value in module.named_parameters()}
        version = torch.__version__
        write(name, "torch.nn." + kind, version, weights, hidden.numpy(), options, **starts, **ends)


def keras_networks() -> None:
    import keras

    to, back = keras.ops.convert_to_tensor, keras.ops.convert_to_numpy

    def filled(layer: Any) -> Dict[str, Any]:
        layer.set_weights([draw(*weight.shape) for weight in layer.get_weights()])
        return {weight.path: back(weight) for weight in layer.weights}

    for kind, merge, masked in itertools.product(
        ("LSTM", "GRU", "SimpleRNN"), ("concat", "sum", "mul", "ave"), (False, True)
    ):
        name = begin("keras_two_%s_%s%s" % (kind, merge, "_masked" * masked))
        layer = keras.layers.Bidirectional(
            getattr(keras.layers, kind)(U, return_sequences=True, return_state=True), merge_mode=merge
        )
        layer.build(X.shape)
        weights = filled(layer)
        count = 2 if kind == "LSTM" else 1
        states = [draw(B, U) for _ in range(2 * count)]
        mask = {"mask": to(MASK)} if masked else {}
        hidden, *last = layer(to(X), initial_state=[to(state) for state in states], **mask)
        arrays = {
            "initial_hidden": np.stack(states[::count]),
            "last_hidden": np.stack(list(map(back, last[::count]))),
        }
        if count == 2:
            arrays["initial_cell"] = np.stack(states[1::2])
            arrays["last_cell"] = np.stack(list(map(back, last[1::2])))
        arrays.update({"mask": MASK} if masked else {})
        options = {"layer": {"api": "keras.layers." + kind, "options": {}}, "merge_mode": merge}
        write(name, "keras.layers.Bidirectional", keras.__version__, weights, back(hidden), options, **arrays)

    for inner in (False, True):
        name = begin("keras_stack%s" % ("_inner" * inner))
        wrapped = keras.layers.Bidirectional(keras.layers.GRU(U + 1, return_sequences=True), merge_mode="sum")
        last = keras.layers.SimpleRNN(4, return_sequences=True)
        layers = [keras.layers.LSTM(U, return_sequences=True), wrapped, last]
        model = keras.Sequential(layers)
        model.build(X.shape)
        weights = filled(model)
        listed: Dict[str, Any] = {
            "layers": [
                {"api": "keras.layers.LSTM", "name": layers[0].name},
                {
                    "api": "keras.layers.Bidirectional", "name": wrapped.name,
                    "options": {"layer": {"api": "keras.layers.GRU"}, "merge_mode": "sum"},
                },
                {"api": "keras.layers.SimpleRNN", "name": layers[2].name},
            ]
        }  # fmt: skip
        x, between = to(X), {}
        for number, layer in enumerate(layers):
            x = layer(x)
            between["outputs_l%d" % number] = back(x)
        arrays = between if inner else {}
        write(name, "keras.Sequential", keras.__version__, weights, back(x), listed, **arrays)


def tensorflow1_networks() -> None:
    import tensorflow as tf

    kinds = (("BasicLSTMCell", 2), ("GRUCell", 1), ("BasicRNNCell", 1))
    for (kind, count), two, long in itertools.product(kinds, (False, True), (False, True)):
        name = begin("tf1_%s%s%s" % (kind, "_two" * two, "" if long else "_lengths"))
        with tf.Graph().as_default(), tf.Session() as session:
            lengths = None if long else tf.constant(LENGTHS)

            def state(shapes: List[Any], kind: str = kind) -> Any:
                made = [tf.constant(each) for each in shapes]
                return tf.nn.rnn_cell.LSTMStateTuple(made[1], made[0]) if len(made) == 2 else made[0]

            starts = [[draw(B, U) for _ in range(count)] for _ in range(2)]
            given = [state(each) for each in starts]
            cells = [getattr(tf.nn.rnn_cell, kind)(U) for _ in range(2)]
            nested: Any = [{"api": "tf.nn.rnn_cell." + kind, "options": {}}] * 2
            if two:
                outputs, last = tf.nn.bidirectional_dynamic_rnn(
                    *cells, tf.constant(X), lengths, given[0], given[1]
                )
                outputs = tf.concat(outputs, 2)
                api, options = "tf.nn.bidirectional_dynamic_rnn", {"cell_fw": nested[0], "cell_bw": nested[1]}
            else:
                stacked = tf.nn.rnn_cell.MultiRNNCell(cells)
                outputs, last = tf.nn.dynamic_rnn(stacked, tf.constant(X), lengths, tuple(given))
                api, options = "tf.nn.rnn_cell.MultiRNNCell", {"cells": nested}
            session.run(tf.global_variables_initializer())
            weights = {}
            for variable in tf.global_variables():
                weights[variable.name] = draw(*variable.shape.as_list())
                variable.load(weights[variable.name], session)
            hidden, ends = session.run([outputs, last])
            arrays = {"initial_hidden": np.stack([each[0] for each in starts])}
            arrays["last_hidden"] = np.stack([each.h if count == 2 else each for each in ends])
            if count == 2:
                arrays["initial_cell"] = np.stack([each[1] for each in starts])
                arrays["last_cell"] = np.stack([each.c for each in ends])
            arrays.update({} if long else {"lengths": LENGTHS})
            write(name, api, tf.__version__, weights, hidden, options, **arrays)


def nnabla_networks() -> None:
    import nnabla as nn
    import nnabla.parametric_functions as PF

    nn.set_auto_forward(True)
    for kind, layers, two in itertools.product(("lstm", "gru", "rnn"), (1, 3), (False, True)):
        if layers == 1 and not two:
            continue
        name = begin("nnabla_%s_%d%s" % (kind, layers, "_two" * two))
        nn.clear_parameters()
        x = nn.Variable.from_numpy_array(X.transpose(1, 0, 2))
        starts = {"initial_hidden": draw(layers, 1 + two, B, U)}
        if kind == "lstm":
            starts["initial_cell"] = draw(layers, 1 + two, B, U)
        given = [nn.Variable.from_numpy_array(state) for state in starts.values()]
        options = {"num_layers": layers, "bidirectional": two}
        getattr(PF, kind)(x, *given, **options)
        weights = {}
        for key, parameter in nn.get_parameters().items():
            parameter.d = weights[key] = draw(*parameter.shape)
        hidden, *last = getattr(PF, kind)(x, *given, **options)
        ends = dict(zip(("last_hidden", "last_cell"), (each.d.reshape(-1, B, U) for each in last)))
        starts = {key: state.reshape(-1, B, U) for key, state in starts.items()}
        outputs = hidden.d.transpose(1, 0, 2)
        write(name, "PF." + kind, nn.__version__, weights, outputs, options, **starts, **ends)


def flax_networks() -> None:
    import flax
    import flax.linen as nn
    import jax

    for kind in ("LSTMCell", "OptimizedLSTMCell", "GRUCell", "SimpleCell"):
        name = begin("flax_" + kind)
        cells = [nn.RNN(getattr(nn, kind)(U)) for _ in range(2)]
        module = nn.Bidirectional(*cells)
        made = module.init(jax.random.PRNGKey(0), X)["params"]
        flat = {path: draw(*array.shape) for path, array in flax.traverse_util.flatten_dict(made).items()}
        hidden = module.apply({"params": flax.traverse_util.unflatten_dict(flat)}, X)
        cell = {"api": "flax.linen." + kind, "options": {}}
        options = {"forward_rnn": cell, "backward_rnn": cell}
        weights = {"/".join(path): array for path, array in flat.items()}
        write(name, "flax.linen.Bidirectional", flax.__version__, weights, hidden, options)


def onnx_networks() -> None:
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    for (kind, gates), long in itertools.product((("LSTM", 4), ("GRU", 3), ("RNN", 1)), (True, False)):
        name = begin("onnx_%s%s" % (kind, "" if long else "_lengths"))
        weights = {"W": draw(2, gates * U, IN), "R": draw(2, gates * U, U), "B": draw(2, 2 * gates * U)}
        starts = {"initial_hidden": draw(2, B, U)}
        fed = {"X": X.transpose(1, 0, 2).copy(), "initial_h": starts["initial_hidden"]}
        names = ["X", "W", "R", "B", "" if long else "sequence_lens", "initial_h"]
        if kind == "LSTM":
            starts["initial_cell"] = fed["initial_c"] = draw(2, B, U)
            names.append("initial_c")
        lengths = {} if long else {"sequence_lens": LENGTHS.astype("int32")}
        fed.update(lengths)
        types = {name: TensorProto.INT32 if name in lengths else TensorProto.FLOAT for name in fed}
        node = helper.make_node(kind, names, ["Y", "Y_h"], hidden_size=U, direction="bidirectional")
        graph = helper.make_graph(
            [node], "network",
            [helper.make_tensor_value_info(key, types[key], array.shape) for key, array in fed.items()],
            [helper.make_tensor_value_info(key, TensorProto.FLOAT, None) for key in ("Y", "Y_h")],
            [numpy_helper.from_array(tensor, key) for key, tensor in weights.items()],
        )  # fmt: skip
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        hidden, last = session.run(None, fed)
        outputs = hidden.transpose(2, 0, 1, 3).reshape(B, T, 2 * U)  # from [T, 2, B, U]
        ends = {"last_hidden": last} if long else {"last_hidden": last, "lengths": LENGTHS}
        options = {"direction": "bidirectional"}
        write(name, "onnx." + kind, onnxruntime.__version__, weights, outputs, options, **starts, **ends)


NETWORKS = {
    "torch": torch_networks, "keras-tf": keras_networks, "keras-torch": keras_networks,
    "tf1": tensorflow1_networks, "nnabla": nnabla_networks, "jax": flax_networks,
    "onnxruntime": onnx_networks,
}  # fmt: skip
if __name__ == "__main__":
    NETWORKS[FRAMEWORK]()
