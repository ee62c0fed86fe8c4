"""The LSTM of an article on a Keras-like LSTM in NNabla: its cells, and its function for a whole sequence.

[x, h] is the concatenation of an input ``[B, I]`` and a hidden state ``[B, U]``. No forget bias is added::

    a = tanh([x, h] Wa + ba)    i, f, o = sigmoid([x, h] W + b), each with its own W and b
    c' = i * a + f * c          h' = o * tanh(c')
"""

from typing import Any, Optional, Sequence, Tuple, Union

import nnabla as nn
import nnabla.functions as F
import nnabla.parametric_functions as PF

Pair = Tuple[Any, Any]
"""The new hidden and cell state, variables ``[B, U]``."""


def lstm_cell_four_affines(x: Any, h: Any, c: Any, units: int) -> Pair:
    """One step with four affines Wa, Wi, Wf and Wo, each of a W ``[I+U, U]`` and a b ``[U]``.

    Variables x ``[B, I]``, h and c ``[B, U]`` -> new h and c, float32.
    """
    xh = F.concatenate(x, h, axis=1)
    return _update(c, *(PF.affine(xh, units, name=name) for name in ("Wa", "Wi", "Wf", "Wo")))


def lstm_cell(x: Any, h: Any, c: Any, units: int) -> Pair:
    """One step with one affine WaWiWfWo: W ``[I+U, 4U]`` and b ``[4U]``, gates in the order a, i, f, o.

    Variables x ``[B, I]``, h and c ``[B, U]`` -> new h and c, float32.
    """
    aifo = PF.affine(F.concatenate(x, h, axis=1), 4 * units, name="WaWiWfWo")
    return _update(c, *(aifo[:, gate * units : (gate + 1) * units] for gate in range(4)))


def _update(c: Any, a: Any, i: Any, f: Any, o: Any) -> Pair:
    """The pre-activations of the gates, and c, each ``[B, U]`` -> the new h and c ``[B, U]``."""
    c = F.sigmoid(i) * F.tanh(a) + F.sigmoid(f) * c
    return F.sigmoid(o) * F.tanh(c), c


def lstm(
    inputs: Any,
    units: int,
    initial_state: Optional[Sequence[Any]] = None,
    return_sequences: bool = False,
    return_state: bool = False,
) -> Union[Any, Tuple[Any, Any, Any]]:
    """:func:`lstm_cell` over ``inputs`` ``[B, T, I]``, float32, its parameters in the scope ``lstm``.

    ``initial_state`` is (cell, hidden), each ``[B, U]``, or zeros if not given. The output is ``[B, T, U]``
    with ``return_sequences``, otherwise that of the last step, ``[B, U]``. With ``return_state`` the result
    is (output, cell, hidden), with both states ``[B, U]`` after the last step.

    Raises ValueError where the initial state does not fit.
    """
    batch, steps, _ = inputs.shape
    if initial_state is None:
        initial_state = F.constant(0, (batch, units)), F.constant(0, (batch, units))
    _check_state(initial_state, batch, units)
    c, h = initial_state
    sequence = []
    with nn.parameter_scope("lstm"):
        for step in range(steps):
            h, c = lstm_cell(inputs[:, step], h, c, units)
            sequence.append(h)
    output = F.stack(*sequence, axis=1) if return_sequences else h
    return (output, c, h) if return_state else output


def _check_state(state: Sequence[Any], batch: int, units: int) -> None:
    if len(state) != 2:
        raise ValueError("got %d initial states, should be 2: (cell, hidden)" % len(state))
    cell, hidden = (variable.shape for variable in state)
    if cell != hidden:
        raise ValueError("got initial states of shapes %s and %s, should be equal" % (cell, hidden))
    if cell[:1] != (batch,):
        raise ValueError("got initial states of shape %s, should be of batch %d" % (cell, batch))
    if cell[1:] != (units,):
        raise ValueError("got initial states of shape %s, should be of %d units" % (cell, units))
