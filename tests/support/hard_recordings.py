"""Clean runs that are hard to judge: run by the interpreter of an environment, which has no rnnparity.

    python hard_recordings.py FRAMEWORK FOLDER FIRST COUNT

Writes the recordings FIRST, FIRST + 1, ... of a framework. Each is drawn from its number: a cell, a dtype,
sizes from 1 to 1024, weights, biases and inputs of the kinds that rounding makes difficult. All are correct.
"""

# pyright: reportMissingImports=false, reportMissingModuleSource=false

import json
import os
import struct
import sys
from typing import Any, Dict, Tuple

import numpy as np

EFFORT = 3e7
"""Multiplications of one run, at most."""

DTYPES = ("float64", "float32", "float32", "float16", "bfloat16")
BIASES = ("default", "opposing", "random", "zero", "none", "large")
INPUTS = ("random", "ones", "zeros", "equal-rows", "impulse", "repeated", "denormal", "huge", "constant-rows")
WEIGHTS = ("default", "default", "large", "tiny", "saturated", "sparse")
STATES = ("zero", "random", "equal")


class Draw:
    """One run: ``cell`` is rnn, relu, gru or lstm; arrays are float64, to be rounded by the framework."""

    def __init__(self, number: int, cells: Tuple[str, ...], dtypes: Tuple[str, ...]) -> None:
        self.random = random = np.random.RandomState(number)
        self.number, self.cell = number, cells[random.randint(len(cells))]
        self.dtype = dtypes[random.randint(len(dtypes))]
        while True:
            self.batch, self.steps, self.size, self.units = (
                int(np.exp(random.uniform(0, np.log(most)))) for most in (17, 400, 1025, 1025)
            )
            effort = self.batch * self.steps * 4.0 * self.units * (self.size + self.units)
            if effort < EFFORT:
                break
        self.biases, self.inputs, self.weights, self.states = (
            kinds[random.randint(len(kinds))] for kinds in (BIASES, INPUTS, WEIGHTS, STATES)
        )

    def x(self) -> Any:
        """The inputs ``[B, T, I]``."""
        shape = self.batch, self.steps, self.size
        x = self.random.standard_normal(shape)
        if self.inputs == "ones":
            x = np.ones(shape)
        elif self.inputs == "zeros":
            x = np.zeros(shape)
        elif self.inputs == "equal-rows":
            x = np.repeat(x[:1], self.batch, axis=0)
        elif self.inputs == "impulse":
            x[:, 1:] = 0
        elif self.inputs == "repeated":
            x = x[:, np.arange(self.steps) % 3 % self.steps]
        elif self.inputs == "denormal":
            x = x * {"float64": 1e-310, "float16": 1e-6}.get(self.dtype, 1e-39)
        elif self.inputs == "huge":
            x = x * 30
        elif self.inputs == "constant-rows":
            x = np.repeat(x[:, :1], self.steps, axis=1)
        return x

    def state(self) -> Any:
        """An initial state ``[B, U]``."""
        shape = self.batch, self.units
        if self.states == "zero":
            return np.zeros(shape)
        state = self.random.uniform(-0.9, 0.9, shape)
        return state if self.states == "random" else np.repeat(state[:1], self.batch, axis=0)

    def weight(self, own: Any) -> Any:
        """A kernel of this kind, where the framework itself made ``own``."""
        if self.weights == "large":
            return own * 4
        if self.weights == "tiny":
            return own * 1e-3
        if self.weights == "saturated":
            return own * 40
        return own * (self.random.uniform(size=own.shape) < 0.2) if self.weights == "sparse" else own

    def bias(self, own: Any, other: Any = None) -> Any:
        """A bias of this kind; ``other`` is the one that is added to it, if it exists already."""
        if self.biases == "zero":
            return 0 * own
        if self.biases == "opposing":
            near = 10.0 ** -self.random.randint(2, 9)
            if other is None:
                return self.random.uniform(-1, 1, own.shape) * 10.0 ** self.random.randint(-2, 3)
            return near * self.random.standard_normal(own.shape) * np.abs(other) - other
        if self.biases == "random":
            return self.random.uniform(-0.5, 0.5, own.shape)
        return self.random.uniform(-5, 5, own.shape) if self.biases == "large" else own


def write(folder: str, draw: Draw, meta: Dict[str, Any], arrays: Dict[str, Any]) -> None:
    """A recording in a ``.safetensors`` file; bfloat16 comes as its bits, in uint16.

    The format: https://github.com/huggingface/safetensors#format
    """
    names = {"float64": "F64", "float32": "F32", "float16": "F16", "uint16": "BF16"}
    made = "%s %s %s %s %s" % (draw.weights, draw.biases, draw.inputs, draw.states, draw.number)
    header = {"__metadata__": {"meta": json.dumps(dict(meta, recording=1, made=made))}}  # type: Dict[str, Any]
    blobs, start = [], 0
    for name, array in arrays.items():
        blobs.append(np.ascontiguousarray(array).tobytes())
        place = [start, start + len(blobs[-1])]
        header[name] = {"dtype": names[str(array.dtype)], "shape": list(array.shape), "data_offsets": place}
        start = place[1]
    text = json.dumps(header).encode()
    with open(os.path.join(folder, "%06d.safetensors" % draw.number), "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(blobs))


def torch_run(folder: str, number: int) -> None:
    import torch

    torch.set_num_threads(1)
    draw = Draw(number, ("rnn", "relu", "gru", "lstm"), DTYPES)
    dtype = getattr(torch, draw.dtype)
    torch.manual_seed(number)
    kind = {"rnn": torch.nn.RNN, "relu": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}[draw.cell]
    options = {"bias": False} if draw.biases == "none" else {}  # type: Dict[str, Any]
    if draw.cell == "relu":
        options["nonlinearity"] = "relu"
    layer = kind(draw.size, draw.units, batch_first=True, **options)
    own = dict(layer.named_parameters())
    first = None
    with torch.no_grad():
        for name, parameter in own.items():
            before = parameter.numpy().astype(np.float64)
            drawn = draw.bias(before, first) if "bias" in name else draw.weight(before)
            first = drawn if name.startswith("bias_ih") else first
            parameter.copy_(torch.tensor(drawn))
    layer = layer.to(dtype)
    x, h, c = (torch.tensor(array).to(dtype) for array in (draw.x(), draw.state(), draw.state()))
    with torch.no_grad():
        arrays = {"inputs": x, "initial_hidden": h}
        if draw.cell == "lstm":
            arrays["initial_cell"] = c
            hidden, cell = [], []
            hidden_all, _ = layer(x, (h[None], c[None]))
            stepper = torch.nn.LSTMCell(draw.size, draw.units, **options).to(dtype)
            for name, parameter in stepper.named_parameters():
                parameter.copy_(getattr(layer, name + "_l0"))
            for t in range(draw.steps):
                h, c = stepper(x[:, t], (h, c))
                hidden.append(h)
                cell.append(c)
            arrays["hidden"] = hidden_all
            if draw.random.uniform() < 0.6:
                arrays.update(stepped_hidden=torch.stack(hidden, 1), cell=torch.stack(cell, 1))
        else:
            arrays["hidden"], _ = layer(x, h[None])
        arrays.update(("weights/" + name, parameter) for name, parameter in layer.named_parameters())
        if not all(bool(torch.isfinite(array).all()) for array in arrays.values()):
            return

        def bits(tensor: Any) -> Any:
            tensor = tensor.contiguous()
            if draw.dtype == "bfloat16":
                return tensor.view(torch.int16).numpy().view(np.uint16)
            return tensor.numpy()

        meta = {"api": "torch.nn." + kind.__name__, "version": torch.__version__, "options": options}
        write(folder, draw, meta, {name: bits(array) for name, array in arrays.items()})


def keras_run(folder: str, number: int) -> None:
    import keras

    # On PyTorch Keras computes float64 in float32: https://github.com/keras-team/keras/issues/23704
    dtypes = ("float32",) if keras.backend.backend() == "torch" else DTYPES
    draw = Draw(number, ("rnn", "gru", "lstm"), dtypes)
    keras.utils.set_random_seed(number)
    name = {"rnn": "SimpleRNN", "gru": "GRU", "lstm": "LSTM"}[draw.cell]
    options = {"use_bias": False} if draw.biases == "none" else {}  # type: Dict[str, Any]
    options["recurrent_initializer"] = "glorot_uniform"  # the default needs what has no float16
    if draw.cell == "gru" and draw.random.uniform() < 0.5:
        options["reset_after"] = False
    layer = getattr(keras.layers, name)(draw.units, return_sequences=True, dtype=draw.dtype, **options)
    layer.build((draw.batch, draw.steps, draw.size))
    for variable in layer.weights:
        if not variable.trainable:  # the seed of a dropout
            continue
        own = keras.ops.convert_to_numpy(keras.ops.cast(variable.value, "float64"))
        if "bias" not in variable.path:
            variable.assign(draw.weight(own))
        elif own.ndim == 2:
            first = draw.bias(own[0])
            variable.assign(np.stack([first, draw.bias(own[1], first)]))
        else:
            variable.assign(draw.bias(own))
    count = 2 if draw.cell == "lstm" else 1
    x, states = (
        keras.ops.convert_to_tensor(draw.x(), draw.dtype),
        [keras.ops.convert_to_tensor(draw.state(), draw.dtype) for _ in range(count)],
    )
    arrays = {"inputs": x, "hidden": layer(x, initial_state=states)}
    arrays.update(zip(("initial_hidden", "initial_cell"), states))
    arrays.update(("weights/" + v.path, v.value) for v in layer.weights if v.trainable)

    def bits(tensor: Any) -> Any:
        array = keras.ops.convert_to_numpy(tensor)
        if draw.dtype == "bfloat16":
            return array.view(np.uint16) if array.dtype.itemsize == 2 else array.astype(draw.dtype).view("u2")
        return array

    found = {name: bits(array) for name, array in arrays.items()}
    if draw.dtype == "bfloat16" or all(np.isfinite(array).all() for array in found.values()):
        del options["recurrent_initializer"]
        meta = {"api": "keras.layers." + name, "version": keras.__version__, "options": options}
        write(folder, draw, meta, found)


RUNS = {"torch": torch_run, "keras-tf": keras_run, "keras-torch": keras_run}

if __name__ == "__main__":
    for number in range(int(sys.argv[3]), int(sys.argv[3]) + int(sys.argv[4])):
        RUNS[sys.argv[1]](sys.argv[2], number)
