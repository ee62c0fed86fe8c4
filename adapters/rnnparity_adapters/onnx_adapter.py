"""ONNX's recurrent operators, by onnxruntime and by the reference evaluator of onnx itself.

A model holds one node. Its weights are inputs of the graph, so that it is made once.
"""

import abc
import functools
import importlib
from typing import Any, Callable, Dict, Sequence

import numpy as np
from onnx import TensorProto, helper

from . import layouts
from .adapter import Adapter, States, layer, whole

_OPSET, _IR = 17, 8
_LAYOUTS = {"lstm": layouts.ONNX, "gru": layouts.ONNX_GRU, "rnn": layouts.ONNX_RNN}


Call = Callable[[Dict[str, np.ndarray]], Sequence[np.ndarray]]
"""Runs a graph: from what it is fed to Y ``[T, D, B, U]`` and the last states, each ``[D, B, U]``."""


class _Operator(Adapter):
    """A graph of one operator: X ``[T, B, I]``, W, R, B, lengths, the states ``[D, B, U]``, and peepholes."""

    def build(self) -> None:
        self.starts = ["initial_" + name[0] for name in self.setup.kind.states]
        self.peepholes = self.setup.kind.has_cell_state
        self.whole_rows = self._open(self._model(""))

    def _model(self, lengths: str) -> Any:
        """The model of the operator; ``lengths`` is the name of that input, empty for none."""
        names = ["X", "W", "R", "B", lengths, *self.starts, *(["P"] if self.peepholes else [])]
        outputs = ["Y", *("Y_" + name[0] for name in self.setup.kind.states)]
        operator, units = self.setup.name.rpartition(".")[2], self.setup.units
        node = helper.make_node(operator, names, outputs, hidden_size=units, **self.setup.options)
        element = {"float32": TensorProto.FLOAT, "float64": TensorProto.DOUBLE}[self.setup.dtype]
        ranks, types = {"B": 2, "P": 2, "Y": 4, lengths: 1}, {lengths: TensorProto.INT32}
        given, returned = (
            [
                helper.make_tensor_value_info(each, types.get(each, element), [None] * ranks.get(each, 3))
                for each in some
            ]
            for some in (list(filter(None, names)), outputs)
        )
        graph = helper.make_graph([node], "graph", given, returned)
        opset = [helper.make_opsetid("", _OPSET)]
        return helper.make_model(graph, opset_imports=opset, ir_version=_IR)

    @abc.abstractmethod
    def _open(self, model: Any) -> Call:
        """What runs a model."""

    def initialise(self, seed: int) -> None:
        """Draw all tensors, as PyTorch does it: ONNX initialises nothing."""
        random, limit = np.random.RandomState(seed), self.setup.units**-0.5
        shapes = _LAYOUTS[self.setup.cell].shapes(self.setup.input_size, self.setup.units)
        drawn = {
            name: random.uniform(-limit, limit, (self.setup.directions, *shape[1:]))
            for name, shape in shapes.items()
        }
        self.write({name: tensor.astype(self.setup.dtype) for name, tensor in drawn.items()})

    def write(self, tensors: Dict[str, np.ndarray]) -> None:
        self.tensors = tensors

    def read(self) -> Dict[str, np.ndarray]:
        return self.tensors

    def run(self, inputs: np.ndarray, states: States) -> Dict[str, np.ndarray]:
        by_step = np.ascontiguousarray(inputs.swapaxes(0, 1))
        sequence, last = self._call(self.whole_rows, by_step, states)
        if self.setup.directions > 1:
            return whole(_merged(sequence), last)
        steps, now = [], states
        for step in range(self.setup.steps):
            _, now = self._call(self.whole_rows, by_step[step : step + 1], now)
            steps.append([state[0] for state in now])
        return layer(_merged(sequence), last, steps)

    def run_lengths(self, inputs: np.ndarray, states: States, lengths: np.ndarray) -> Dict[str, np.ndarray]:
        by_step = np.ascontiguousarray(inputs.swapaxes(0, 1))
        opened = self._open(self._model("sequence_lens"))
        sequence, last = self._call(opened, by_step, states, sequence_lens=lengths.astype(np.int32))
        return whole(_merged(sequence), last)

    def _call(self, call: Call, inputs: np.ndarray, states: States, **more: np.ndarray) -> Any:
        held = {name: tensor for name, tensor in self.tensors.items() if name not in ("Wb", "Rb")}
        held["B"] = np.concatenate([self.tensors["Wb"], self.tensors["Rb"]], axis=1)
        if self.peepholes:
            held.setdefault("P", np.zeros((len(held["B"]), 3 * self.setup.units), self.setup.dtype))
        sequence, *last = call(dict(zip(self.starts, states), X=inputs, **held, **more))
        return sequence, tuple(last)


def _merged(sequence: np.ndarray) -> np.ndarray:
    """Y ``[T, D, B, U]`` -> the outputs of all directions, side by side: ``[B, T, D U]``."""
    steps, _, batch, _ = sequence.shape
    return np.ascontiguousarray(sequence.transpose(2, 0, 1, 3).reshape(batch, steps, -1))


class Runtime(_Operator):
    """The operator of onnxruntime, on the CPU."""

    def _open(self, model: Any) -> Call:
        onnxruntime = importlib.import_module("onnxruntime")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        providers = ["CPUExecutionProvider"]
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=providers)
        return functools.partial(session.run, None)


class Reference(_Operator):
    """The operator of ``onnx.reference``."""

    def _open(self, model: Any) -> Call:
        evaluator = importlib.import_module("onnx.reference").ReferenceEvaluator(model)
        return functools.partial(evaluator.run, None)
