"""``tf.raw_ops.BlockLSTM``: TensorFlow's own kernel for a whole sequence."""

from typing import Any, Dict, Tuple

import numpy as np
import tensorflow as tf

from .adapter import Adapter, States, derivatives, layer


class BlockLSTM(Adapter):
    """``tf.raw_ops.BlockLSTM``, called for the whole sequence and for one step at a time.

    Source: https://www.tensorflow.org/api_docs/python/tf/raw_ops/BlockLSTM
    """

    variables: Dict[str, Any]
    no_peephole: Any

    def build(self) -> None:
        size, units, dtype = self.setup.input_size, self.setup.units, self.setup.dtype
        shapes = {"w": [size + units, 4 * units], "b": [4 * units]}
        self.variables = {name: tf.Variable(tf.zeros(shape, dtype)) for name, shape in shapes.items()}
        self.no_peephole = tf.zeros([units], dtype)

    def initialise(self, seed: int) -> None:
        tf.random.set_seed(seed)
        initialisers = {"w": tf.compat.v1.glorot_uniform_initializer(), "b": tf.zeros_initializer()}
        for name, variable in self.variables.items():
            variable.assign(initialisers[name](variable.shape, variable.dtype))

    def write(self, tensors: Dict[str, np.ndarray]) -> None:
        for name, variable in self.variables.items():
            variable.assign(tensors[name])

    def read(self) -> Dict[str, np.ndarray]:
        return {name: variable.numpy() for name, variable in self.variables.items()}

    def run(self, inputs: np.ndarray, states: States) -> Dict[str, np.ndarray]:
        by_step = inputs.swapaxes(0, 1)
        now = [state[0] for state in states]
        sequence, cells = self._block(by_step, *now)
        steps = []
        for step in range(self.setup.steps):
            now = [state[0] for state in self._block(by_step[step : step + 1], *now)]
            steps.append(now)
        return layer(sequence.swapaxes(0, 1), [sequence[-1:], cells[-1:]], steps)

    def gradients(self, inputs: np.ndarray, states: States, cotangent: np.ndarray) -> Dict[str, np.ndarray]:
        given = [tf.constant(each) for each in (inputs.swapaxes(0, 1), *(state[0] for state in states))]
        with tf.GradientTape() as tape:
            tape.watch(given)
            loss = tf.reduce_sum(self._outputs(*given).h * cotangent.swapaxes(0, 1))
        found: Any = tape.gradient(loss, [*given, self.variables])  # as nested as what it is asked for
        by_inputs, *by_states, by_weights = found
        named = {name: each.numpy() for name, each in by_weights.items()}
        by_batch = by_inputs.numpy().swapaxes(0, 1)
        return derivatives(self.setup, by_batch, [each.numpy() for each in by_states], named)

    def _block(
        self, inputs: np.ndarray, hidden: np.ndarray, cell: np.ndarray
    ) -> Tuple[np.ndarray, np.ndarray]:
        """``inputs`` ``[T, B, I]``, ``hidden`` and ``cell`` ``[B, U]`` -> both states, each ``[T, B, U]``."""
        outputs = self._outputs(inputs, hidden, cell)
        return outputs.h.numpy(), outputs.cs.numpy()

    def _outputs(self, inputs: Any, hidden: Any, cell: Any) -> Any:
        """All outputs of the op, of which ``h`` and ``cs`` are those of :meth:`_block`."""
        return tf.raw_ops.BlockLSTM(
            seq_len_max=len(inputs),
            x=inputs,
            cs_prev=cell,
            h_prev=hidden,
            wci=self.no_peephole,
            wcf=self.no_peephole,
            wco=self.no_peephole,
            **self.variables,
            **self.setup.options,
        )
