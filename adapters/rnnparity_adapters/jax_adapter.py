"""The recurrent cells of Flax (linen and nnx), Haiku and Equinox, which run on JAX.

Each is called for one step at a time, compiled as its users compile it. JAX has float64 only where
JAX_ENABLE_X64 is set: https://docs.jax.dev/en/latest/default_dtypes.html
"""

import abc
import importlib
from typing import Any, Dict, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from .adapter import Adapter, States, derivatives, stepped, whole

Parameters = Dict[str, Any]
"""Arrays by name, with the parts of a name apart by slashes."""


_FUNCTIONS: Dict[str, Any] = {
    "sigmoid": jax.nn.sigmoid,
    "tanh": jnp.tanh,
    "relu": jax.nn.relu,
    "linear": lambda x: x,
    "softsign": jax.nn.soft_sign,
    "hard_sigmoid": jax.nn.hard_sigmoid,
}
"""The functions that an option names."""


class _Cell(Adapter):
    """What all of them share: parameters in a dict, and a compiled step."""

    def build(self) -> None:
        self.parameters = self._initial(0)
        self.compiled = jax.jit(self._step)
        self.differentiate = jax.jit(jax.grad(self._loss, argnums=(0, 1, 2)))

    @abc.abstractmethod
    def _initial(self, seed: int) -> Parameters:
        """The parameters that the library draws."""

    @abc.abstractmethod
    def _step(self, parameters: Parameters, x: Any, states: Sequence[Any]) -> Sequence[Any]:
        """One step: x ``[B, I]`` and the states, each ``[B, U]`` -> the new states."""

    def initialise(self, seed: int) -> None:
        self.parameters = self._initial(seed)

    def write(self, tensors: Dict[str, np.ndarray]) -> None:
        self.parameters = {name: jnp.asarray(tensor) for name, tensor in tensors.items()}

    def read(self) -> Dict[str, np.ndarray]:
        return {name: np.asarray(tensor) for name, tensor in self.parameters.items()}

    def run(self, inputs: np.ndarray, states: States) -> Dict[str, np.ndarray]:
        now: Sequence[Any] = [state[0] for state in states]
        steps = []
        for x in inputs.swapaxes(0, 1):
            now = self.compiled(self.parameters, x, now)
            steps.append([np.asarray(state) for state in now])
        return stepped(steps)

    def gradients(self, inputs: np.ndarray, states: States, cotangent: np.ndarray) -> Dict[str, np.ndarray]:
        now = tuple(jnp.asarray(state[0]) for state in states)
        by_inputs, by_states, named = self.differentiate(inputs, now, self.parameters, cotangent)
        arrays = {name: np.asarray(each) for name, each in named.items()}
        by_state = [np.asarray(each) for each in by_states]
        return derivatives(self.setup, np.asarray(by_inputs), by_state, arrays)

    def _loss(self, inputs: Any, states: Any, parameters: Parameters, cotangent: Any) -> Any:
        def step(now: Any, x: Any) -> Any:
            new = tuple(self._step(parameters, x, now))
            return new, new[0]

        _, hidden = jax.lax.scan(step, states, inputs.swapaxes(0, 1))
        return (hidden.swapaxes(0, 1) * cotangent).sum()

    def _api(self) -> Any:
        """The class that is the api."""
        module, _, name = self.setup.name.rpartition(".")
        return getattr(importlib.import_module(module), name)

    def _options(self) -> Dict[str, Any]:
        """The constructor's arguments, with functions in the places of their names."""
        given = self.setup.options.items()
        return {name: _FUNCTIONS[value] if isinstance(value, str) else value for name, value in given}

    def _drawn_from(self) -> Any:
        """Inputs of one step ``[B, I]``, from whose form a library takes that of its parameters."""
        return jnp.zeros((self.setup.batch, self.setup.input_size), self.setup.dtype)


def _nested(parameters: Parameters) -> Dict[Any, Any]:
    """``{"ii/kernel": w}`` -> ``{"ii": {"kernel": w}}``."""
    nested: Dict[Any, Any] = {}
    for name, value in parameters.items():
        outer, _, inner = name.rpartition("/")
        nested.setdefault(outer, {})[inner] = value
    return nested


def _flat(nested: Dict[Any, Any]) -> Parameters:
    """The inverse of :func:`_nested`."""
    pairs = ((outer, name, value) for outer, held in nested.items() for name, value in held.items())
    return {"%s/%s" % (outer, name): value for outer, name, value in pairs}


def _carry(states: Sequence[Any]) -> Any:
    """The states as Flax has them: of an LSTM the pair (c, h), else the hidden state."""
    return tuple(reversed(states)) if len(states) > 1 else states[0]


def _states(carry: Any) -> Sequence[Any]:
    """The inverse of that."""
    return tuple(reversed(carry)) if isinstance(carry, tuple) else (carry,)


class Linen(_Cell):
    """A cell of ``flax.linen``."""

    def build(self) -> None:
        self.cell = self._api()(self.setup.units, param_dtype=self.setup.dtype, **self._options())
        super().build()

    def _initial(self, seed: int) -> Parameters:
        shape = (self.setup.batch, self.setup.units)
        states = [jnp.zeros(shape, self.setup.dtype) for _ in self.setup.kind.states]
        return _flat(self.cell.init(jax.random.key(seed), _carry(states), self._drawn_from())["params"])

    def _step(self, parameters: Parameters, x: Any, states: Sequence[Any]) -> Sequence[Any]:
        return _states(self.cell.apply({"params": _nested(parameters)}, _carry(states), x)[0])


class LinenRNN(_Cell):
    """A cell of ``flax.linen`` in an ``RNN``, or two in a ``Bidirectional``, compiled for whole sequences."""

    def build(self) -> None:
        linen = importlib.import_module("flax.linen")
        setup = self.setup
        cells = [
            self._api()(setup.units, param_dtype=setup.dtype, **self._options())
            for _ in range(setup.directions)
        ]
        rows = [linen.RNN(cell, return_carry=True) for cell in cells]
        self.module = linen.Bidirectional(*rows, return_carry=True) if setup.directions > 1 else rows[0]
        self.scope = "cell/" if setup.directions == 1 else ""
        self.parameters = self._initial(0)
        self.compiled = jax.jit(self._whole)

    def _initial(self, seed: int) -> Parameters:
        traverse = importlib.import_module("flax.traverse_util")
        shape = (self.setup.batch, self.setup.steps, self.setup.input_size)
        drawn = self.module.init(jax.random.key(seed), jnp.zeros(shape, self.setup.dtype))["params"]
        named = traverse.flatten_dict(drawn, sep="/").items()
        return {name[len(self.scope) :]: value for name, value in named}

    def _step(self, parameters: Parameters, x: Any, states: Sequence[Any]) -> Sequence[Any]:
        raise NotImplementedError  # it is compiled as a whole

    def _whole(self, parameters: Parameters, x: Any, states: Sequence[Any], lengths: Any) -> Any:
        """The outputs ``[B, T, D U]`` and the last states of each direction."""
        traverse = importlib.import_module("flax.traverse_util")
        named = {self.scope + name: value for name, value in parameters.items()}
        carries = [_carry([state[d] for state in states]) for d in range(self.setup.directions)]
        last, sequence = self.module.apply(
            {"params": traverse.unflatten_dict(named, sep="/")},
            x,
            initial_carry=tuple(carries) if len(carries) > 1 else carries[0],
            seq_lengths=lengths,
        )
        return sequence, [_states(carry) for carry in (last if len(carries) > 1 else [last])]

    def run(self, inputs: np.ndarray, states: States) -> Dict[str, np.ndarray]:
        return self._run(inputs, states, None)

    def run_lengths(self, inputs: np.ndarray, states: States, lengths: np.ndarray) -> Dict[str, np.ndarray]:
        return self._run(inputs, states, jnp.asarray(lengths))

    def _run(self, inputs: np.ndarray, states: States, lengths: Any) -> Dict[str, np.ndarray]:
        sequence, last = self.compiled(self.parameters, inputs, list(states), lengths)
        return whole(np.asarray(sequence), [np.stack(state) for state in zip(*last)])


class NNX(_Cell):
    """A cell of ``flax.nnx``."""

    def _initial(self, seed: int) -> Parameters:
        nnx = importlib.import_module("flax.nnx")
        sizes, dtype = (self.setup.input_size, self.setup.units), self.setup.dtype
        cell = self._api()(*sizes, dtype=dtype, param_dtype=dtype, rngs=nnx.Rngs(seed), **self._options())
        self.graph, state = nnx.split(cell)
        self.state = state
        return {"/".join(path): variable.get_value() for path, variable in nnx.to_flat_state(state)}

    def _step(self, parameters: Parameters, x: Any, states: Sequence[Any]) -> Sequence[Any]:
        nnx = importlib.import_module("flax.nnx")
        held = nnx.to_flat_state(self.state)
        state = nnx.from_flat_state([(path, old.replace(parameters["/".join(path)])) for path, old in held])
        return _states(nnx.merge(self.graph, state)(_carry(states), x)[0])


class Haiku(_Cell):
    """A cell of ``haiku``, whose scope the names leave out."""

    def build(self) -> None:
        haiku = importlib.import_module("haiku")
        # Its forget bias is 1, and cannot be another one.
        options = {name: value for name, value in self.setup.options.items() if name != "forget_bias"}
        self.pack = haiku.LSTMState if len(self.setup.kind.states) > 1 else lambda state: state

        def step(x: Any, state: Any) -> Any:
            return self._api()(self.setup.units, name="cell", **options)(x, state)[1]

        self.function = haiku.without_apply_rng(haiku.transform(step))
        super().build()

    def _initial(self, seed: int) -> Parameters:
        shape = (self.setup.batch, self.setup.units)
        states = [jnp.zeros(shape, self.setup.dtype) for _ in self.setup.kind.states]
        drawn = _flat(self.function.init(jax.random.key(seed), self._drawn_from(), self.pack(*states)))
        return {name.partition("/")[2]: value for name, value in drawn.items()}

    def _step(self, parameters: Parameters, x: Any, states: Sequence[Any]) -> Sequence[Any]:
        scoped = _nested({"cell/" + name: value for name, value in parameters.items()})
        new = self.function.apply(scoped, x, self.pack(*states))
        return tuple(new) if len(states) > 1 else (new,)


_EQUINOX = ("weight_ih", "weight_hh", "bias", "bias_n")
"""The parameters that a cell of Equinox may have."""


class Equinox(_Cell):
    """A cell of ``equinox.nn``, which takes one row of a batch at a time."""

    def _initial(self, seed: int) -> Parameters:
        sizes, key = (self.setup.input_size, self.setup.units), jax.random.key(seed)
        self.cell = self._api()(*sizes, dtype=jnp.dtype(self.setup.dtype), key=key, **self.setup.options)
        held = ((name, getattr(self.cell, name, None)) for name in _EQUINOX)
        return {name: value for name, value in held if value is not None}

    def _step(self, parameters: Parameters, x: Any, states: Sequence[Any]) -> Sequence[Any]:
        equinox = importlib.import_module("equinox")
        names = sorted(parameters)
        values = [parameters[name] for name in names]
        cell = equinox.tree_at(lambda cell: [getattr(cell, name) for name in names], self.cell, values)
        new = jax.vmap(cell)(x, tuple(states) if len(states) > 1 else states[0])
        return tuple(new) if len(states) > 1 else (new,)
