"""Recordings as a user without rnnparity writes them: run by the interpreter of an environment.

    python foreign_recordings.py FRAMEWORK FOLDER            # one for each layout that is the framework's
    python foreign_recordings.py FRAMEWORK FOLDER ROOT ...   # those, and cells with other options

A layout's file has the name of its record in ``layouts.py``, with an option behind a hyphen where one is not
enough. The roots are those of rnnparity, which records a live layer where there is Python 3.11.

Weights, biases and states are random, none of them zero; names and shapes are the framework's own. All is
drawn anew for each file, from its name: it does not depend on what else is recorded.
"""

# pyright: reportMissingImports=false, reportMissingModuleSource=false

import functools
import importlib.util
import json
import os
import platform
import sys
import zlib
from typing import Any, Dict, List, Optional, Tuple

import numpy as np

B, T, IN, U, P = 3, 8, 5, 6, 4
"""Batch, steps, input size, units, width of a projection: no two that meet in a shape are equal."""

RANDOM = np.random.RandomState(3)
FRAMEWORK, FOLDER, ROOTS = sys.argv[1], sys.argv[2], sys.argv[3:]
MADE = "%s %s, Python %s, numpy %s" % (
    os.path.basename(__file__), FRAMEWORK, platform.python_version(), np.__version__,
)  # fmt: skip
ARTICLE = os.path.join(
    os.path.dirname(os.path.abspath(__file__)), "../../adapters/rnnparity_adapters/nnabla_article.py"
)

Kinds = Tuple[Tuple[str, str, Dict[str, Any]], ...]
"""Of each recording the name of its file, the framework's class or function, and that one's options."""


def draw(*shape: int) -> Any:
    return RANDOM.uniform(-0.7, 0.7, shape).astype("float32")


X, H, C, PROJECTED = draw(B, T, IN), draw(B, U), draw(B, U), draw(B, P)


def kinds(layouts: Kinds, others: Kinds = ()) -> Any:
    """What to record, one after another, each with random numbers of its own."""
    for kind in layouts + (others if ROOTS else ()):
        RANDOM.seed(zlib.crc32(kind[0].encode()))
        yield kind


def write(
    name: str, api: str, version: str, weights: Dict[str, Any], hidden: Any,
    options: Optional[Dict[str, Any]] = None, **arrays: Any
) -> None:  # fmt: skip
    meta = {"recording": 1, "api": api, "version": version, "options": options or {}, "made": MADE}
    named = {"weights/" + key: value for key, value in weights.items()}
    named.update(arrays, inputs=X, hidden=np.array(hidden), meta=np.array(json.dumps(meta)))
    np.savez(os.path.join(FOLDER, name + ".npz"), **named)


def live(api: str, version: str, layer: Any, inputs: Any, hidden: Any, start: Any) -> None:
    """By rnnparity itself, from the layer and the tensors as the framework has them."""
    sys.path += ROOTS
    import rnnparity

    path = os.path.join(FOLDER, "live.npz")
    rnnparity.record(path, api, layer, inputs, hidden, initial_hidden=start, version=version)


def torch_recordings() -> None:
    import torch

    def filled(module: Any) -> Dict[str, Any]:
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.copy_(torch.tensor(draw(*parameter.shape)))
        return {name: value.detach().numpy().copy() for name, value in module.named_parameters()}

    x, h, c = torch.tensor(X), torch.tensor(H), torch.tensor(C)
    for name, cls, options in kinds(
        (
            ("torch_layer", "LSTM", {"proj_size": P}), ("torch_cell", "LSTMCell", {}),
            ("torch_gru_layer", "GRU", {}), ("torch_gru_cell", "GRUCell", {}),
            ("torch_rnn_layer", "RNN", {}), ("torch_rnn_cell", "RNNCell", {}),
        ),
        (
            ("unbiased", "GRU", {"bias": False}), ("unbiased_cell", "GRUCell", {"bias": False}),
            ("relu", "RNN", {"nonlinearity": "relu"}), ("relu_cell", "RNNCell", {"nonlinearity": "relu"}),
        ),
    ):  # fmt: skip
        is_cell, is_lstm = cls.endswith("Cell"), cls.startswith("LSTM")
        start = PROJECTED if "proj_size" in options else H
        module = getattr(torch.nn, cls)(IN, U, **options, **({} if is_cell else {"batch_first": True}))
        weights = filled(module)
        # One step at a time; of a layer, which returns the last cell state alone, the hidden states at once.
        state = torch.tensor(start) if is_cell else torch.tensor(start)[None]
        state = (state, c if is_cell else c[None]) if is_lstm else state
        hidden = None if is_cell else module(x, state)[0].detach().numpy()
        states: List[Any] = []
        for t in range(T):
            state = module(x[:, t], state) if is_cell else module(x[:, t : t + 1], state)[1]
            states.append([s.detach().numpy().reshape(B, -1) for s in (state if is_lstm else [state])])
        stepped = [np.stack(each, 1) for each in zip(*states)]
        arrays = {"initial_hidden": start if is_cell else start[None]}
        if is_lstm:
            arrays.update(initial_cell=C, cell=stepped[1])
        hidden = stepped[0] if hidden is None else hidden
        write(name, "torch.nn." + cls, torch.__version__, weights, hidden, options, **arrays)
    if ROOTS:
        layer = torch.nn.GRU(IN, U, batch_first=True)
        filled(layer)
        live("torch.nn.GRU", torch.__version__, layer, x, layer(x, h[None])[0], h[None])


def keras_layers(module: str, package: Any, version: str, recorded: Any, tensor: Any, array: Any) -> None:
    """Of the Keras that is called ``module``; its tensors come from and go to numpy by the last two."""
    for name, cls, options in recorded:
        layer = getattr(package.layers, cls)(U, return_sequences=True, **options)
        layer.build(X.shape)
        layer.set_weights([draw(*weight.shape) for weight in layer.get_weights()])
        states = [H, C] if cls == "LSTM" else [H]
        given = [tensor(state) for state in states]
        hidden = array(layer(tensor(X), initial_state=given if len(given) > 1 else given[0]))
        weights = {
            getattr(weight, "path", weight.name): value
            for weight, value in zip(layer.weights, layer.get_weights())
        }
        starts = dict(zip(("initial_hidden", "initial_cell"), states))
        write(name, "%s.layers.%s" % (module, cls), version, weights, hidden, options, **starts)


def keras_recordings() -> None:
    import keras

    to_and_from = keras.ops.convert_to_tensor, keras.ops.convert_to_numpy
    recorded = kinds(
        (
            ("keras", "LSTM", {}), ("keras_rnn", "SimpleRNN", {}),
            ("keras_gru", "GRU", {"reset_after": False}), ("keras_gru_reset_after", "GRU", {}),
        ),
        (
            ("unbiased", "GRU", {"use_bias": False}),
            ("gru_hard", "GRU", {"recurrent_activation": "hard_sigmoid"}),
            ("backwards", "GRU", {"go_backwards": True}),
            ("lstm_backwards", "LSTM", {"go_backwards": True}),
        ),
    )  # fmt: skip
    keras_layers("keras", keras, keras.__version__, recorded, *to_and_from)
    if FRAMEWORK == "keras-tf":
        import tensorflow as tf

        keras_layers("tf.keras", tf.keras, tf.__version__, of_tensorflow("tf.keras"), *to_and_from)
    if ROOTS:
        layer = keras.layers.GRU(U, return_sequences=True)
        given = keras.ops.convert_to_tensor(H)
        hidden = layer(keras.ops.convert_to_tensor(X), initial_state=given)
        layer.set_weights([draw(*weight.shape) for weight in layer.get_weights()])
        hidden = layer(keras.ops.convert_to_tensor(X), initial_state=given)
        live("keras.layers.GRU", keras.__version__, layer, X, hidden, given)


def of_tensorflow(module: str) -> Any:
    """What to record of a Keras of TensorFlow 2: its defaults, and its own hard_sigmoid."""
    return kinds(
        (),
        (
            (module + "_lstm", "LSTM", {}),
            (module + "_lstm_hard", "LSTM", {"recurrent_activation": "hard_sigmoid"}),
            (module + "_gru", "GRU", {}), (module + "_gru_before", "GRU", {"reset_after": False}),
            (module + "_rnn", "SimpleRNN", {}),
        ),
    )  # fmt: skip


def tensorflow1_recordings() -> None:
    import keras
    import tensorflow as tf

    plain: Dict[str, Any] = {"num_proj": P, "use_peepholes": True, "forget_bias": 0.5}
    block: Dict[str, Any] = {"use_peephole": True, "forget_bias": 0.5, "cell_clip": 0.6}
    for name, api, options in kinds(
        (
            ("tensorflow", "nn.rnn_cell.LSTMCell", plain), ("tensorflow_gru", "nn.rnn_cell.GRUCell", {}),
            ("tensorflow_rnn", "nn.rnn_cell.BasicRNNCell", {}),
            ("tensorflow_coupled", "contrib.rnn.CoupledInputForgetGateLSTMCell", plain),
            ("block_gru", "contrib.rnn.GRUBlockCell", {}),
            ("cudnn_lstm", "contrib.cudnn_rnn.CudnnCompatibleLSTMCell", {}),
            ("cudnn_gru", "contrib.cudnn_rnn.CudnnCompatibleGRUCell", {}),
        ),
        (
            ("clipped", "nn.rnn_cell.LSTMCell", dict(plain, cell_clip=0.6)),
            ("block", "contrib.rnn.LSTMBlockCell", block), ("fused", "contrib.rnn.LSTMBlockFusedCell", block),
            ("block_gru_v2", "contrib.rnn.GRUBlockCellV2", {}),
            ("coupled_clip", "contrib.rnn.CoupledInputForgetGateLSTMCell", dict(plain, proj_clip=0.2)),
        ),
    ):  # fmt: skip
        with tf.Graph().as_default(), tf.Session() as session:
            cell: Any = functools.reduce(getattr, api.split("."), tf)
            cell = cell(U, **options)
            start = PROJECTED if "num_proj" in options else H
            state: Any = tf.constant(start)
            starts = {"initial_hidden": start}
            if "LSTM" in api:
                state = tf.nn.rnn_cell.LSTMStateTuple(c=tf.constant(C), h=state)
                starts["initial_cell"] = C
            if "Fused" in api:  # it is no cell, and has [T, B, ...]
                outputs, _ = cell(tf.constant(X.swapaxes(0, 1).copy()), initial_state=tuple(state))
                outputs = tf.transpose(outputs, [1, 0, 2])
            else:
                outputs, _ = tf.nn.dynamic_rnn(cell, tf.constant(X), initial_state=state)
            session.run(tf.global_variables_initializer())
            weights = {}
            for variable in cell.weights:
                weights[variable.name] = draw(*variable.shape.as_list())
                variable.load(weights[variable.name], session)
            write(name, "tf." + api, tf.__version__, weights, session.run(outputs), options, **starts)
    own_keras = (("keras", keras, keras.__version__), ("tf.keras", tf.keras, tf.__version__))
    for module, package, version in own_keras:
        for name, cls, options in kinds(
            (),
            (
                ("lstm", "LSTM", {}), ("gru", "GRU", {}), ("gru_after", "GRU", {"reset_after": True}),
                ("rnn", "SimpleRNN", {}), ("backwards", "GRU", {"go_backwards": True}),
            ),
        ):  # fmt: skip
            states = [H, C] if cls == "LSTM" else [H]
            inputs, given = package.layers.Input((T, IN)), [package.layers.Input((U,)) for _ in states]
            layer = getattr(package.layers, cls)(U, return_sequences=True, **options)
            outputs = layer(inputs, initial_state=given if len(given) > 1 else given[0])
            model = package.models.Model([inputs, *given], outputs)
            values = [draw(*value.shape) for value in layer.get_weights()]
            layer.set_weights(values)
            weights = {weight.name: value for weight, value in zip(layer.weights, values)}
            starts = dict(zip(("initial_hidden", "initial_cell"), states))
            api, hidden = "%s.layers.%s" % (module, cls), model.predict([X, *states])
            write("%s_%s" % (module, name), api, version, weights, hidden, options, **starts)


def tensorflow2_recordings() -> None:
    import tensorflow as tf
    import tf_keras

    own = of_tensorflow("tf_keras")
    keras_layers("tf_keras", tf_keras, tf_keras.__version__, own, tf.constant, np.array)

    for name, op, options in kinds(
        (
            ("block_lstm", "BlockLSTM", {"use_peephole": True, "forget_bias": 0.5, "cell_clip": -1.0}),
            ("block_lstm_v2", "BlockLSTMV2", {"use_peephole": True, "cell_clip": 0.6}),
        )
    ):
        weights = {"w": draw(IN + U, 4 * U), "b": draw(4 * U)}
        weights.update((peephole, draw(U)) for peephole in ("wci", "wcf", "wco"))
        # Sequences are [T, B, ...].
        states = getattr(tf.raw_ops, op)(
            seq_len_max=T, x=X.swapaxes(0, 1), cs_prev=C, h_prev=H, **weights, **options
        )
        hidden, cell = (state.numpy().swapaxes(0, 1) for state in (states.h, states.cs))
        write(name, "tf.raw_ops." + op, tf.__version__, weights, hidden, options, cell=cell,
              initial_hidden=H, initial_cell=C)  # fmt: skip


def nnabla_recordings() -> None:
    import nnabla as nn
    import nnabla.functions as F
    import nnabla.parametric_functions as PF

    nn.set_auto_forward(True)

    def filled() -> Dict[str, Any]:
        parameters = nn.get_parameters()
        for parameter in parameters.values():
            parameter.d = draw(*parameter.shape)
        return {name: parameter.d.copy() for name, parameter in parameters.items()}

    spec = importlib.util.spec_from_file_location("nnabla_article", ARTICLE)
    assert spec is not None
    assert spec.loader is not None
    article = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(article)
    for name, function, _ in kinds(
        (
            ("nnabla_lstm_cell", "PF.lstm_cell", {}), ("nnabla_one_affine", "article.lstm_cell", {}),
            ("nnabla_four_affines", "article.lstm_cell_four_affines", {}),
        )
    ):  # fmt: skip
        nn.clear_parameters()
        step = getattr(PF if function.startswith("PF.") else article, function.partition(".")[2])
        x, h, c = (nn.Variable.from_numpy_array(array) for array in (X, H, C))
        step(x[:, 0], h, c, U)
        weights, states = filled(), []
        for t in range(T):
            h, c = step(x[:, t], h, c, U)
            states.append((h.d.copy(), c.d.copy()))
        hidden, cell = (np.stack(each, 1) for each in zip(*states))
        write(name, function, nn.__version__, weights, hidden, cell=cell, initial_hidden=H, initial_cell=C)

    x = nn.Variable.from_numpy_array(X.transpose(1, 0, 2))
    for name, kind, options in kinds(
        (("nnabla_lstm", "lstm", {}), ("nnabla_gru", "gru", {}), ("nnabla_rnn", "rnn", {})),
        (("rnn_relu", "rnn", {"nonlinearity": "relu"}),),
    ):
        nn.clear_parameters()
        starts = {"initial_hidden": H}
        if kind == "lstm":
            starts["initial_cell"] = C
        given = [nn.Variable.from_numpy_array(state[None, None]) for state in starts.values()]
        layer, function = getattr(PF, kind), getattr(F, kind)
        layer(x, *given, **options)
        weights = filled()
        hidden = layer(x, *given, **options)[0].d.transpose(1, 0, 2)
        write(name, "PF." + kind, nn.__version__, weights, hidden, options, **starts)
        if ROOTS:
            names = [kind + "/" + part for part in ("weight_l0", "bias")]
            weight, bias = (nn.Variable.from_numpy_array(weights[each]) for each in names)
            hidden = function(x, *given, weight, None, bias, 1, training=False, **options)[0]
            write("function_" + name, "F." + kind, nn.__version__, weights, hidden.d.transpose(1, 0, 2),
                  options, **starts)  # fmt: skip


ONNX_LAYOUTS: Kinds = (
    ("onnx", "LSTM", {}), ("onnx_rnn", "RNN", {}), ("onnx_gru", "GRU", {}),
    ("onnx_gru-linear_before_reset", "GRU", {"linear_before_reset": 1}),
)  # fmt: skip
ONNX_NUMBERS: Dict[str, Tuple[float, ...]] = {
    "Affine": (0.7, 0.1), "LeakyRelu": (0.3,), "ThresholdedRelu": (0.2,), "ScaledTanh": (1.3, 0.6),
    "HardSigmoid": (0.35, 0.4), "Elu": (0.8,), "Relu": (), "Softsign": (), "Softplus": (),
}  # fmt: skip
"""Functions, with a number alpha and a number beta where they have one."""


def onnx_functions() -> Kinds:
    """ONNX's ``clip``, and all of its functions."""
    made: List[Tuple[str, str, Dict[str, Any]]] = [
        ("clip-lstm", "LSTM", {"clip": 0.4}), ("clip-rnn", "RNN", {"clip": 0.4}),
        ("clip-gru", "GRU", {"clip": 0.4}),
        ("clip-gru-linear_before_reset", "GRU", {"clip": 0.4, "linear_before_reset": 1}),
    ]  # fmt: skip
    for function, numbers in ONNX_NUMBERS.items():
        given = dict(zip(("activation_alpha", "activation_beta"), ([number] for number in numbers)))
        for operator, functions in (("RNN", [function]), ("LSTM", ["Sigmoid", function, "Tanh"])):
            name = "%s-%s" % (function.lower(), operator.lower())
            made.append((name, operator, dict({"activations": functions}, **given)))
    two = ["HardSigmoid", "ScaledTanh"]
    numbers_of_two = {"activation_alpha": [0.35, 1.3], "activation_beta": [0.4, 0.6]}
    made.append(("two-gru", "GRU", dict({"activations": two}, **numbers_of_two)))
    made.append(("two-lstm", "LSTM", dict({"activations": [*two, "Elu"]}, **numbers_of_two)))
    return tuple(made)


def onnx_recordings(layouts: Kinds = ONNX_LAYOUTS) -> None:
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    def declared(name: str, array: Any) -> Any:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, array.shape)

    for name, operator, options in kinds(layouts):
        gates = {"LSTM": 4, "GRU": 3, "RNN": 1}[operator]
        weights = {"W": draw(1, gates * U, IN), "R": draw(1, gates * U, U), "B": draw(1, 2 * gates * U)}
        names = ["X", "W", "R", "B", "", "initial_h"]
        starts = {"initial_hidden": H}
        # Sequences are [T, B, ...], states [1, B, U], and Y [T, 1, B, U].
        fed = {"X": X.transpose(1, 0, 2).copy(), "initial_h": H[None]}
        if operator == "LSTM":
            weights["P"] = draw(1, 3 * U)
            names += ["initial_c", "P"]
            fed["initial_c"] = C[None]
            starts["initial_cell"] = C
        graph = helper.make_graph(
            [helper.make_node(operator, names, ["Y"], hidden_size=U, **options)],
            name,
            [declared(each, array) for each, array in fed.items()],
            [declared("Y", np.empty((T, 1, B, U)))],
            [numpy_helper.from_array(tensor, each) for each, tensor in weights.items()],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        hidden = session.run(None, fed)[0][:, 0].transpose(1, 0, 2)
        version = onnxruntime.__version__
        write(name, "onnx." + operator, version, weights, hidden, options, **starts)


def onnx_function_recordings() -> None:
    onnx_recordings(onnx_functions())


def jax_recordings() -> None:
    """Of a cell: the weights, a step ``(x, state) -> state`` in its own form, and whether c comes first."""
    import equinox
    import flax
    import haiku
    import jax
    from flax import nnx

    def nested(old: Any, names: str = "") -> Any:
        """Random numbers in the form of ``old``, and the same by their names."""
        if not isinstance(old, dict):
            new = draw(*old.shape)
            return new, {names[1:]: new}
        made = {name: nested(each, names + "/" + name) for name, each in sorted(old.items())}
        flat = {name: value for _, named in made.values() for name, value in named.items()}
        return {name: each for name, (each, _) in made.items()}, flat

    def of_linen(cls: str, start: Any) -> Any:
        cell = getattr(flax.linen, cls)(U)
        drawn, weights = nested(cell.init(jax.random.key(0), start, X[:, 0])["params"])
        return weights, lambda x, state: cell.apply({"params": drawn}, state, x)[0]

    def of_nnx(cls: str, start: Any) -> Any:
        graph, state = nnx.split(getattr(nnx, cls)(IN, U, rngs=nnx.Rngs(0)))
        flat = [(path, old.replace(draw(*old.get_value().shape))) for path, old in nnx.to_flat_state(state)]
        cell = nnx.merge(graph, nnx.from_flat_state(flat))
        return {"/".join(path): each.get_value() for path, each in flat}, lambda x, s: cell(s, x)[0]

    def of_haiku(cls: str, start: Any) -> Any:
        call = haiku.without_apply_rng(haiku.transform(lambda x, s: getattr(haiku, cls)(U)(x, s)[1]))
        drawn, weights = nested(call.init(jax.random.key(0), X[:, 0], start))
        return weights, lambda x, state: call.apply(drawn, x, state)

    def of_equinox(cls: str, start: Any) -> Any:
        cell = getattr(equinox.nn, cls)(IN, U, key=jax.random.key(0))
        names = [name for name in ("weight_ih", "weight_hh", "bias", "bias_n") if hasattr(cell, name)]
        weights = {name: draw(*getattr(cell, name).shape) for name in names}
        cell = equinox.tree_at(lambda c: [getattr(c, name) for name in names], cell, list(weights.values()))
        return weights, jax.vmap(cell)

    packages = {"linen": of_linen, "nnx": of_nnx, "haiku": of_haiku, "equinox": of_equinox}
    for name, cls, options in kinds(
        (
            ("flax_linen", "linen.LSTMCell", {}), ("flax_linen-optimized", "linen.OptimizedLSTMCell", {}),
            ("flax_linen_gru", "linen.GRUCell", {}), ("flax_linen_rnn", "linen.SimpleCell", {}),
            ("flax_nnx", "nnx.LSTMCell", {}), ("flax_nnx_optimized", "nnx.OptimizedLSTMCell", {}),
            ("flax_nnx_gru", "nnx.GRUCell", {}), ("flax_nnx_rnn", "nnx.SimpleCell", {}),
            ("haiku", "haiku.LSTM", {}), ("haiku_gru", "haiku.GRU", {}),
            ("haiku_rnn", "haiku.VanillaRNN", {}),
            ("equinox", "equinox.nn.LSTMCell", {}), ("equinox_gru", "equinox.nn.GRUCell", {}),
        )
    ):  # fmt: skip
        package, short = cls.split(".")[0], cls.split(".")[-1]
        is_lstm, is_flax = "LSTM" in cls, package in ("linen", "nnx")
        state: Any = ((C, H) if is_flax else (H, C)) if is_lstm else H  # Flax has the cell state first
        state = haiku.LSTMState(*state) if cls == "haiku.LSTM" else state
        weights, step = packages[package](short, state)
        states = []
        for t in range(T):
            state = step(X[:, t], state)
            both = tuple(state) if is_lstm else (state,)
            states.append([np.array(each) for each in (both[::-1] if is_flax else both)])
        trajectories = [np.stack(each, 1) for each in zip(*states)]
        arrays = {"initial_hidden": H}
        arrays.update({"initial_cell": C, "cell": trajectories[1]} if is_lstm else {})
        of = flax if is_flax else {"haiku": haiku, "equinox": equinox}[package]
        named = {each: np.array(value) for each, value in weights.items()}
        api = "flax." + cls if is_flax else cls
        write(name, api, of.__version__, named, trajectories[0], options, **arrays)


if __name__ == "__main__":
    {
        "torch": torch_recordings, "keras-tf": keras_recordings, "keras-torch": keras_recordings,
        "tf1": tensorflow1_recordings, "tf2": tensorflow2_recordings, "nnabla": nnabla_recordings,
        "onnx": onnx_recordings, "onnx-functions": onnx_function_recordings,
        "jax": jax_recordings,
    }[FRAMEWORK]()  # fmt: skip
