"""NNabla: the article's LSTM, and the cells and layers of ``PF`` and ``F``.

Each api becomes a static graph of all T steps, built once and run forward for each case. A graph of one step,
run T times, takes up to three times as long.
"""

from collections import OrderedDict
from typing import Any, Callable, Dict, List, Sequence, Tuple

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF
import numpy as np
from nnabla.initializer import ConstantInitializer, UniformInitializer, calc_uniform_lim_glorot
from nnabla.parameter import get_parameter_or_create

from . import layouts, nnabla_article
from .adapter import Adapter, States, derivatives, layer, stepped, whole

Variables = Sequence[Any]
"""A variable for each state."""


class _Graph(Adapter):
    """What all of them share: their parameters, and a graph of T steps, one after another."""

    scope = ""
    """The scope in which the api puts its parameters, if their names in the layout leave it out."""
    time_axis = 1
    """1 where the api takes inputs ``[B, T, I]``, 0 where it takes ``[T, B, I]``."""
    hidden_axis = 0
    """1 where the hidden states are differentiated as ``[B, T, U]``, 0 where as ``[T, B, U]``."""

    @property
    def state_axes(self) -> Tuple[int, ...]:
        """The lengths of the axes that the api's states have before ``[B, U]``."""
        return ()

    def build(self) -> None:
        self.inputs, *self.states = self._variables(self.setup.steps)
        self.parameters = _parameters(self._connect, self.scope)

    def _connect(self) -> None:
        now: Variables = self.states
        steps = []
        for step in range(self.setup.steps):
            x = self.inputs[(slice(None),) * self.time_axis + (slice(step, step + 1),)]
            now = self._step(x, *now)
            steps.append(now)
        # Stacked to [T, ..., B, U] and read once, because reading a variable takes longer than a step.
        self.outputs = [F.stack(*states, axis=0) for states in zip(*steps)]

    def _step(self, x: Any, *states: Any) -> Variables:
        """Build the graph of one step: x ``[B, 1, I]`` or ``[1, B, I]`` and the states -> the new ones."""
        raise NotImplementedError

    def _variables(self, steps: int) -> List[Any]:
        """New variables for inputs of so many steps, and for each state."""
        batch, size, units = self.setup.batch, self.setup.input_size, self.setup.units
        inputs = (batch, steps, size) if self.time_axis else (steps, batch, size)
        state = (*self.state_axes, batch, units)
        shapes = [inputs] + [state] * len(self.setup.kind.states)
        return [nn.Variable(shape, need_grad=True) for shape in shapes]

    def initialise(self, seed: int) -> None:
        nn.random.set_parameter_seed(seed)
        parameters = _parameters(lambda: self._step(*self._variables(1)), self.scope)
        self.write({name: parameter.d for name, parameter in parameters.items()})

    def write(self, tensors: Dict[str, np.ndarray]) -> None:
        for name, parameter in self.parameters.items():
            parameter.d = tensors[name]

    def read(self) -> Dict[str, np.ndarray]:
        return {name: parameter.d.copy() for name, parameter in self.parameters.items()}

    def gradients(self, inputs: np.ndarray, states: States, cotangent: np.ndarray) -> Dict[str, np.ndarray]:
        hidden, factor = self._hidden(), cotangent if self.hidden_axis else cotangent.swapaxes(0, 1)
        loss = F.sum(hidden * nn.Variable.from_numpy_array(factor.reshape(hidden.shape)))
        self._give(inputs, states)
        given = [self.inputs, *self.states, *self.parameters.values()]
        for variable in given:
            variable.grad.zero()  # backward() adds to it
        loss.forward()
        loss.backward()
        by_inputs, *rest = (variable.g.copy() for variable in given)
        by_batch = by_inputs if self.time_axis else by_inputs.swapaxes(0, 1)
        by_states = [each.reshape(state.shape) for each, state in zip(rest, states)]
        return derivatives(self.setup, by_batch, by_states, dict(zip(self.parameters, rest[len(states) :])))

    def _hidden(self) -> Any:
        """The hidden states of the graph, whose steps are on the axis ``hidden_axis``."""
        return self.outputs[0]

    def _give(self, inputs: np.ndarray, states: States) -> None:
        """Put inputs ``[B, T, I]`` and states ``[K, B, U]`` into the variables of the graph."""
        self.inputs.d = inputs if self.time_axis else inputs.swapaxes(0, 1)
        for variable, state in zip(self.states, states):
            variable.d = state.reshape(variable.shape)

    def _feed(self, inputs: np.ndarray, states: States) -> None:
        """Run the graph."""
        self._give(inputs, states)
        nn.forward_all(self.outputs)

    def _steps(self, states: int) -> List[Tuple[np.ndarray, ...]]:
        """So many states ``[B, U]`` of each step of the graph that was run, in NNabla's own memory."""
        shape = (self.setup.steps, self.setup.batch, self.setup.units)
        return list(zip(*(output.d.reshape(shape) for output in self.outputs[:states])))


def _parameters(connect: Callable[[], Any], scope: str) -> Dict[str, Any]:
    """Call ``connect``, and return the parameters that it creates in ``scope``, by name.

    They are created in a new root scope: in NNabla's own, an earlier call's parameters would be used again.
    """
    with nn.parameter_scope("", OrderedDict()):
        connect()
        with nn.parameter_scope(scope):
            return dict(nn.get_parameters())


class _Stepped(_Graph):
    """An api that is a cell: ``api(x, h, c, units) -> (h, c)``, x ``[B, I]``, h and c ``[B, U]``."""

    api: Any = None

    def _step(self, x: Any, *states: Any) -> Variables:
        x = F.reshape(x, (self.setup.batch, self.setup.input_size))
        return self.api(x, *states, self.setup.units, **self.setup.options)

    def run(self, inputs: np.ndarray, states: States) -> Dict[str, np.ndarray]:
        self._feed(inputs, states)
        return stepped(self._steps(len(states)))


class OneAffine(_Stepped):
    """The article's cell with one affine."""

    api = staticmethod(nnabla_article.lstm_cell)


class FourAffines(_Stepped):
    """The article's cell with four affines."""

    api = staticmethod(nnabla_article.lstm_cell_four_affines)


class Cell(_Stepped):
    """``PF.lstm_cell``, called for one step at a time."""

    api = staticmethod(PF.lstm_cell)


class _Layer(_Graph):
    """An api that is a layer, called for the whole sequence and for one step at a time."""

    def _call(self, x: Any, *states: Any) -> Variables:
        """Build the graph of the layer -> its hidden states over the sequence, and the last states."""
        raise NotImplementedError

    def _step(self, x: Any, *states: Any) -> Variables:
        return self._call(x, *states)[1:]

    def _connect(self) -> None:
        if self.alone:
            super()._connect()
        else:
            self.outputs = []
        self.sequence, *self.last = self._call(self.inputs, *self.states)
        self.outputs += [self.sequence, *self.last]

    @property
    def alone(self) -> bool:
        """Whether it is one layer in one direction, which can be stepped."""
        return self.setup.layers == self.setup.directions == 1

    def _hidden(self) -> Any:
        return self.sequence

    def run(self, inputs: np.ndarray, states: States) -> Dict[str, np.ndarray]:
        self._feed(inputs, states)
        sequence = np.moveaxis(self.sequence.d, self.time_axis, 1).copy()
        last = [variable.d.reshape(state.shape).copy() for variable, state in zip(self.last, states)]
        return layer(sequence, last, self._steps(len(states))) if self.alone else whole(sequence, last)


class ArticleLayer(_Layer):
    """The article's function for a whole sequence."""

    scope = "lstm"
    hidden_axis = 1

    def _call(self, x: Any, *states: Any) -> Variables:
        h, c = states
        sequence, c, h = nnabla_article.lstm(x, self.setup.units, (c, h), True, True, **self.setup.options)
        return sequence, h, c


class _Stack(_Layer):
    """An api that is a layer, or several with their directions."""

    time_axis = 0

    @property
    def state_axes(self) -> Tuple[int, ...]:
        return self.setup.layers, self.setup.directions


class ParametricLayer(_Stack):
    """``PF.lstm``, ``PF.gru`` or ``PF.rnn``, called for the whole sequence and for one step at a time."""

    def _call(self, x: Any, *states: Any) -> Variables:
        return getattr(PF, self.setup.cell)(x, *states, **self.setup.options)


class FunctionLayer(_Stack):
    """``F.lstm``, ``F.gru`` or ``F.rnn``.

    It has no parameters of its own, so they are initialised as ``PF.affine`` does it.
    """

    def _call(self, x: Any, *states: Any) -> Variables:
        layers, directions, units = self.setup.layers, self.setup.directions, self.setup.units
        kernel, bias = getattr(layouts, "NNABLA_" + self.setup.cell.upper()).tensors
        gates = len(self.setup.kind.gates) * units

        def drawn(name: str, size: int, *before: int) -> Any:
            uniform = UniformInitializer(calc_uniform_lim_glorot(size + units, gates))
            return get_parameter_or_create(name, (*before, *kernel.shape(size, units)[1:]), uniform)

        # The weights of later layers are one parameter, apart from that of the first:
        # https://nnabla.readthedocs.io/en/latest/python/api/function.html
        later = "%s/weight" % self.setup.cell
        more = {"weight": drawn(later, directions * units, layers - 1, directions)} if layers > 1 else {}
        shape = (layers, directions, *bias.shape(1, units)[2:])
        return getattr(F, self.setup.cell)(
            x,
            *states,
            weight_l0=drawn(kernel.name, self.setup.input_size, directions),
            bias=get_parameter_or_create(bias.name, shape, ConstantInitializer(0)),
            **more,
            **self.setup.options,
        )
