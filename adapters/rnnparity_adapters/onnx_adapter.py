"""ONNX's recurrent operators, by onnxruntime and by the reference evaluator of onnx itself.

A model holds one node. Its weights are inputs of the graph, so that it is made once.
"""

import abc
import importlib
from typing import Any, Dict, List, Sequence

import numpy as np
from onnx import TensorProto, helper

from . import layouts
from .adapter import Adapter, States, layer

_OPSET, _IR = 17, 8
_LAYOUTS = {"lstm": layouts.ONNX, "gru": layouts.ONNX_GRU, "rnn": layouts.ONNX_RNN}


class _Operator(Adapter):
    """A graph of one operator: X ``[T, B, I]``, W, R, B, the states ``[1, B, U]``, and peepholes."""

    def build(self) -> None:
        kind = self.setup.kind
        starts = ["initial_" + name[0] for name in kind.states]
        # The fifth input is sequence_lens; the peepholes come last.
        self.peepholes = kind.has_cell_state
        names = ["X", "W", "R", "B", "", *starts, *(["P"] if self.peepholes else [])]
        outputs = ["Y", *("Y_" + name[0] for name in kind.states)]
        operator, units = self.setup.name.rpartition(".")[2], self.setup.units
        node = helper.make_node(operator, names, outputs, hidden_size=units, **self.setup.options)
        element = {"float32": TensorProto.FLOAT, "float64": TensorProto.DOUBLE}[self.setup.dtype]
        ranks = {"B": 2, "P": 2, "Y": 4}
        given, returned = (
            [helper.make_tensor_value_info(each, element, [None] * ranks.get(each, 3)) for each in some]
            for some in (list(filter(None, names)), outputs)
        )
        graph = helper.make_graph([node], "graph", given, returned)
        opset = [helper.make_opsetid("", _OPSET)]
        self.starts = starts
        self._open(helper.make_model(graph, opset_imports=opset, ir_version=_IR))

    @abc.abstractmethod
    def _open(self, model: Any) -> None:
        """Prepare to run a model."""

    @abc.abstractmethod
    def _outputs(self, fed: Dict[str, np.ndarray]) -> Sequence[np.ndarray]:
        """Run it -> Y ``[T, 1, B, U]`` and the last states, each ``[1, B, U]``."""

    def initialise(self, seed: int) -> None:
        """Draw all tensors, as PyTorch does it: ONNX initialises nothing."""
        random, limit = np.random.RandomState(seed), self.setup.units**-0.5
        shapes = _LAYOUTS[self.setup.cell].shapes(self.setup.input_size, self.setup.units)
        drawn = {name: random.uniform(-limit, limit, shape) for name, shape in shapes.items()}
        self.write({name: tensor.astype(self.setup.dtype) for name, tensor in drawn.items()})

    def write(self, tensors: Dict[str, np.ndarray]) -> None:
        self.tensors = tensors

    def read(self) -> Dict[str, np.ndarray]:
        return self.tensors

    def run(self, inputs: np.ndarray, states: States) -> Dict[str, np.ndarray]:
        by_step = np.ascontiguousarray(inputs.swapaxes(0, 1))
        sequence, last = self._call(by_step, list(states))
        steps, now = [], list(states)
        for step in range(self.setup.steps):
            _, now = self._call(by_step[step : step + 1], now)
            steps.append([state[0] for state in now])
        return layer(sequence[:, 0].swapaxes(0, 1), last, steps)

    def _call(self, inputs: np.ndarray, states: List[np.ndarray]) -> Any:
        held = {name: tensor for name, tensor in self.tensors.items() if name not in ("Wb", "Rb")}
        held["B"] = np.concatenate([self.tensors["Wb"], self.tensors["Rb"]], axis=1)
        if self.peepholes:
            held.setdefault("P", np.zeros((1, 3 * self.setup.units), self.setup.dtype))
        sequence, *last = self._outputs(dict(zip(self.starts, states), X=inputs, **held))
        return sequence, last


class Runtime(_Operator):
    """The operator of onnxruntime, on the CPU."""

    def _open(self, model: Any) -> None:
        onnxruntime = importlib.import_module("onnxruntime")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        providers = ["CPUExecutionProvider"]
        self.session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=providers)

    def _outputs(self, fed: Dict[str, np.ndarray]) -> Sequence[np.ndarray]:
        return self.session.run(None, fed)


class Reference(_Operator):
    """The operator of ``onnx.reference``."""

    def _open(self, model: Any) -> None:
        self.evaluator = importlib.import_module("onnx.reference").ReferenceEvaluator(model)

    def _outputs(self, fed: Dict[str, np.ndarray]) -> Sequence[np.ndarray]:
        return self.evaluator.run(None, fed)
