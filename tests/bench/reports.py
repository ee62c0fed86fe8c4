"""Mistakes that public reports describe, as changes of a run: what one layer of one direction can hold.

A report is named by its number in a catalogue of such reports and by what is wrong. The causes of a report
are all ids that say what it says.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from rnnparity import Case
from rnnparity.reference.formats import ROUNDED
from rnnparity.selftest import plain_cells
from rnnparity.selftest import planted_changes as changes
from rnnparity.selftest import planted_weights as weights
from rnnparity.selftest.plain_cells import UNROUNDED, Array, Rounding, Trajectory
from rnnparity.selftest.planted_changes import Aftermath, Change, Random, Shares, equation, in_turn, unchanged
from rnnparity_adapters import equation as eq
from rnnparity_adapters.layout import Weights

LSTMS = (
    "torch.nn.LSTM", "keras.layers.LSTM", "tf.nn.rnn_cell.LSTMCell", "onnx.LSTM", "PF.lstm",
    "tf.raw_ops.BlockLSTM", "tf.keras.layers.LSTMCell", "article.lstm_cell_four_affines",
)  # fmt: skip
GRUS = ("torch.nn.GRU", "keras.layers.GRU", "onnx.GRU", "tf.nn.rnn_cell.GRUCell", "PF.gru", "canonical.gru")
AFTER = ("torch.nn.GRU", "keras.layers.GRU", "PF.gru", "canonical.gru")
"""The GRUs whose reset gate comes after the product by default."""
RNNS = ("torch.nn.RNN", "keras.layers.SimpleRNN", "onnx.RNN", "tf.nn.rnn_cell.BasicRNNCell")
KERAS = ("keras.layers.LSTM", "keras.layers.GRU", "keras.layers.SimpleRNN")
GATED = (*LSTMS[:4], *GRUS[:4])
ALL = (*LSTMS[:4], *GRUS[:4], *RNNS[:3])
TWO_BIASES = ("torch.nn.LSTM", "onnx.LSTM", "torch.nn.LSTMCell")
TF = ("tf.nn.rnn_cell.LSTMCell", "tf.compat.v1.nn.rnn_cell.BasicLSTMCell", "tf.contrib.rnn.LSTMBlockCell")
WITH_PEEPHOLES = ("onnx.LSTM", "tf.nn.rnn_cell.LSTMCell", "tf.contrib.rnn.LSTMBlockCell")
PROJECTED = ("torch.nn.LSTM", "tf.nn.rnn_cell.LSTMCell")


def sometimes(random: Random) -> bool:
    """One file in five has lengths."""
    return bool(random.rand() < 0.2)


def always(random: Random) -> bool:
    """Every file has lengths."""
    return True


def never(random: Random) -> bool:
    """No file has."""
    return False


Past = Callable[[Array, np.ndarray, Random], Array]
"""States ``[B, T, U]`` and lengths ``[B]`` -> what is returned past them."""


def zeroed(states: Array, lengths: np.ndarray, random: Random) -> Array:
    """Zeros past the lengths."""
    return np.where(np.arange(states.shape[1])[:, None] < lengths[:, None, None], states, 0)


def held(states: Array, lengths: np.ndarray, random: Random) -> Array:
    """The last state past the lengths."""
    last = states[np.arange(len(states)), lengths - 1][:, None]
    return np.where(np.arange(states.shape[1])[:, None] < lengths[:, None, None], states, last)


def garbage(states: Array, lengths: np.ndarray, random: Random) -> Array:
    """What was in memory."""
    anything = random.standard_normal(states.shape).astype(states.dtype)
    return np.where(np.arange(states.shape[1])[:, None] < lengths[:, None, None], states, anything)


def computed(states: Array, lengths: np.ndarray, random: Random) -> Array:
    """As if there were no lengths."""
    return states


@dataclass(frozen=True)
class Report:
    """One mistake: see :class:`rnnparity.selftest.planted_mistakes.Mistake`, whose fields these are.

    ``ids`` is empty for a mistake that changes nothing. ``lengths`` draws whether a file has lengths, and
    ``past`` is what stands past them; None stands for what the api returns there. ``options`` are given to
    the api. If ``any_weights``, the weights may be those that a framework initialises.
    """

    ids: tuple[str, ...]
    apis: Sequence[str]
    really: Change = unchanged
    claim: Change = unchanged
    after: Aftermath = changes.as_it_is
    rounding: Rounding = UNROUNDED
    options: Mapping[str, Any] = field(default_factory=dict)
    lengths: Callable[[Random], bool] = never
    past: Past | None = None
    needs_state: bool = False
    any_weights: bool = True
    clips: bool = False

    def make(self, case: Case, shares: Shares, random: Random, lengths: np.ndarray | None) -> Trajectory:
        """The trajectory ``[B, T, U]`` that was observed where ``case`` was claimed."""
        run = plain_cells.run(self.really(case, shares, random), self.rounding)
        run = self.after(run, case, random)
        if lengths is None:
            return run
        past = self.past or zeroed
        return Trajectory(*(past(state, lengths, random) if state.size else state for state in run))


def gates(*letters: str) -> Change:
    """The blocks of these gates where the canonical ones belong, in all tensors."""
    order = ["ijfo".index(letter) for letter in letters[0]]
    return weights.gate_order("xhb", order)


def any_order(case: Case, shares: Shares, random: Random) -> Case:
    """Any other order of the gates, in all tensors."""
    return weights.gate_order("xhb")(case, shares, random)


def flat(case: Case, shares: Shares, random: Random) -> Case:
    """Both kernels read in the shapes of their transposes."""
    return weights.kernel(weights.flat_transposed)(case, shares, random)


def without_forget_bias(case: Case, shares: Shares, random: Random) -> Case:
    """No forget bias."""
    return equation(forget_bias=0.0)(case, shares, random)


def with_forget_bias(case: Case, shares: Shares, random: Random) -> Case:
    """A forget bias of one where the claim has none."""
    return equation(forget_bias=case.equation.forget_bias + 1)(case, shares, random)


def rows_shuffled(run: Trajectory, claimed: Case, random: Random) -> Trajectory:
    """The rows of the batch in another order."""
    order = np.roll(np.arange(claimed.batch), 1)
    return Trajectory(*(state[order] for state in run))


def other_call(case: Case, shares: Shares, random: Random) -> Case:
    """The states after a call with other inputs."""
    before = replace(case, inputs=random.standard_normal(case.inputs.shape).astype(case.inputs.dtype))
    hidden, cell = plain_cells.run(before)
    return replace(case, initial_hidden=hidden[:, -1], initial_cell=cell[:, -1])


def same_call(case: Case, shares: Shares, random: Random) -> Case:
    """The states after a call with the same inputs."""
    hidden, cell = plain_cells.run(case)
    return replace(case, initial_hidden=hidden[:, -1], initial_cell=cell[:, -1])


def last_row_carried(case: Case, shares: Shares, random: Random) -> Case:
    """Each row but the first starts from the last state of the row before it."""
    hidden, cell = (state.copy() for state in (case.initial_hidden, case.initial_cell))
    for row in range(1, case.batch):
        one = replace(
            case,
            inputs=case.inputs[row - 1 : row],
            initial_hidden=hidden[row - 1 : row],
            initial_cell=cell[row - 1 : row],
        )
        ran = plain_cells.run(one)
        hidden[row] = ran.hidden[0, -1]
        if cell.size:
            cell[row] = ran.cell[0, -1]
    return replace(case, initial_hidden=hidden, initial_cell=cell)


def first_row_first_state(case: Case, shares: Shares, random: Random) -> Case:
    """Rows other than the first start from what is left of another one."""
    hidden, cell = (state.copy() for state in (case.initial_hidden, case.initial_cell))
    hidden[1:] = plain_cells.run(case).hidden[:-1, 0]
    return replace(case, initial_hidden=hidden, initial_cell=cell)


def inputs_summed(case: Case, shares: Shares, random: Random) -> Case:
    """Every step sees the sum of all steps."""
    total = np.repeat(case.inputs.sum(axis=1, keepdims=True), case.steps, axis=1)
    return replace(case, inputs=total)


@dataclass(frozen=True)
class PaddingFirst(Report):
    """A backward run that begins at the end of the padding instead of each row's last step."""

    def make(self, case: Case, shares: Shares, random: Random, lengths: np.ndarray | None) -> Trajectory:
        assert lengths is not None
        rows = [np.concatenate([x[n:][::-1], x[:n]]) for x, n in zip(case.inputs, lengths, strict=True)]
        run = plain_cells.run(replace(case, inputs=np.stack(rows)))
        back = [
            np.stack([np.roll(row, n, 0) for row, n in zip(state, lengths, strict=True)])
            if state.size
            else state
            for state in run
        ]
        past = self.past or zeroed
        return Trajectory(*(past(state, lengths, random) if state.size else state for state in back))


def other_weights(part: float) -> Change:
    """Weights of another seed (1), or moved towards them by a ``part``."""

    def change(case: Case, shares: Shares, random: Random) -> Case:
        moved = [
            ((1 - part) * array + part * random.permutation(array.reshape(-1)).reshape(array.shape)).astype(
                "float32"
            )
            for array in case.weights
        ]
        return replace(case, weights=Weights(*moved))

    return change


def input_kernel_offset(case: Case, shares: Shares, random: Random) -> Case:
    """The input kernel is read from another place of the same memory."""
    kernel = case.weights.kernel.copy()
    size = case.input_size
    kernel[:size] = np.roll(kernel[:size].reshape(-1), 2 * case.units + 1).reshape(size, -1)
    return replace(case, weights=Weights(kernel, case.weights.bias))


def in_projection(case: Case, shares: Shares, random: Random) -> Case:
    """The claim has a projection to half of the units."""
    width = max(2, case.units // 2)
    matrix = random.uniform(-0.6, 0.6, (case.units, width)).astype("float32").astype(np.float64)
    kernel = case.weights.kernel[: case.input_size + width]
    return replace(
        case,
        weights=Weights(kernel, case.weights.bias),
        initial_hidden=case.initial_hidden[:, :width],
        projection=matrix,
    )


def clipped_at_3(case: Case, shares: Shares, random: Random) -> Case:
    """A clip that the cell states reach."""
    return changes.clipped(case, shares, random)


_HARD, _SIGMOID = equation(recurrent_activation=eq.HARD_SIGMOID_5), equation(recurrent_activation=eq.SIGMOID)
_HARD_6 = equation(recurrent_activation=eq.HARD_SIGMOID_6)
_ORDER, _FORGET, _GATE = ("gate-order",), ("forget-bias",), ("recurrent-activation",)
_MASKING = ("masking", "direction")
_CARRIED = ("state-carried", "state-replaced", "initial-state")
_OTHER_WEIGHTS = ("weights-differ", "directions-swapped", "parameter")
_BACKWARDS: Mapping[str, Any] = {"direction": "reverse"}
_TURNED = {"go_backwards": True}
_RELU_ONNX = {"activations": ["Sigmoid", "Relu", "Relu"]}


def both(*ids: str) -> tuple[str, ...]:
    """Ids of several causes at once, in any order."""
    if len(ids) == 2:
        return (f"{ids[0]} + {ids[1]}", f"{ids[1]} + {ids[0]}")
    return tuple(
        " + ".join((ids[i], ids[j], ids[k]))
        for i in range(3)
        for j in range(3)
        for k in range(3)
        if len({i, j, k}) == 3
    )


REPORTS: Mapping[str, Report] = {
    "W002 cfoi": Report(_ORDER, ("keras.layers.LSTM", "tf.keras.layers.LSTM"), gates("jfoi"),
                        lengths=sometimes),
    "W004 forget bias": Report(_FORGET, TF, without_forget_bias, lengths=sometimes),
    "W004 hard sigmoid too": Report(both("forget-bias", "recurrent-activation"), TF,
                                    in_turn(without_forget_bias, _HARD), lengths=sometimes),
    "W006 any order": Report(_ORDER, LSTMS, any_order, lengths=sometimes),
    "W006 order and forget bias": Report(both("gate-order", "forget-bias"), TF,
                                         in_turn(gates("ifjo"), without_forget_bias)),
    "W008 flat": Report(("kernel-transposed",), GRUS, flat, lengths=sometimes),
    "W008 order": Report(_ORDER, GRUS, any_order, lengths=sometimes),
    "W008 flat and order": Report(both("kernel-transposed", "gate-order"), GRUS[:3],
                                  in_turn(flat, weights.gate_order("xhb", (1, 0, 2)))),
    "W010 one bias": Report(("bias-dropped",), TWO_BIASES, weights.shares_times(1, 0), lengths=sometimes,
                            any_weights=False),
    "W010 flat": Report(("kernel-transposed",), LSTMS, flat),
    "W010 both": Report(both("kernel-transposed", "bias-dropped"), TWO_BIASES,
                        in_turn(weights.shares_times(1, 0), flat), any_weights=False),
    "W012 ifzo": Report(_ORDER, LSTMS, gates("ijof"), lengths=sometimes),
    "W014 icfo": Report(_ORDER, ("keras.layers.LSTM", "torch.nn.LSTM"), gates("ifjo"), lengths=sometimes),
    "W016 bias split": Report((), TWO_BIASES),
    "W018 recurrent bias": Report(("bias-dropped",), TWO_BIASES, weights.shares_times(1, 0),
                                  lengths=sometimes, any_weights=False),
    "W020 forget bias": Report(_FORGET, TF, without_forget_bias, lengths=sometimes),
    "W022 bias of r and z": Report(_ORDER, GRUS, weights.gate_order("b", (1, 0, 2)), lengths=sometimes,
                                   any_weights=False),
    "W024 peepholes": Report(("peephole-order",), WITH_PEEPHOLES,
                             weights.peepholes(lambda v: v[[0, 2, 1]]), weights.with_peepholes),
    "W028 three biases": Report(("bias-dropped",), ("torch.nn.GRU", "PF.gru", "keras.layers.GRU"),
                                weights.bias(weights.without_m), any_weights=False),
    "W030 forget bias": Report(_FORGET, LSTMS, with_forget_bias, lengths=sometimes),
    "W032 after": Report(("forget-bias-after-sigmoid",), TF, changes.forget_bias_times(0, 1)),
    "W034 ifog and one": Report(both("gate-order", "forget-bias"), ("keras.layers.LSTM", "torch.nn.LSTM"),
                                in_turn(gates("ijof"), with_forget_bias)),
    "W036 hard sigmoid": Report(_GATE, LSTMS, _HARD, lengths=sometimes),
    "W038 hard sigmoid": Report(_GATE, GATED, _HARD, lengths=sometimes),
    "W040 relu": Report(("activation",), ALL, equation(activation=eq.RELU), lengths=sometimes),
    "W042 relu lost": Report(("activation",), KERAS,
                             equation(activation=eq.TANH), options={"activation": "relu"}),
    "W042 ONNX": Report(("activation",), ("onnx.LSTM",), equation(activation=eq.TANH), options=_RELU_ONNX),
    "W044 swapped": Report(("activation", *both("recurrent-activation", "activation"),
                            *both("recurrent-activation", "activation", "output-activation")), GATED,
                           equation(activation=eq.SIGMOID, recurrent_activation=eq.TANH)),
    "W046 sigmoid": Report(_GATE, (*KERAS[:2], "tf.keras.layers.LSTM"), _SIGMOID,
                           options={"recurrent_activation": "hard_sigmoid"}, lengths=sometimes),
    "W048 z": Report(("update-gate-inverted",), GRUS, equation(update_inverted=True), lengths=sometimes),
    "W050 folded": Report(("bias-folded",), AFTER, weights.bias(weights.folded), any_weights=False),
    "W052 reset": Report(("reset-gate",), GRUS, changes.other_reset, lengths=sometimes),
    "W054 summed": Report(("input-changed", *both("input-changed", "initial-state")), ALL, inputs_summed),
    "W056 never updated": Report(both("reset-gate", "initial-state"), AFTER,
                                 in_turn(changes.other_reset, changes.single_steps),
                                 after=changes.one_after_the_other, needs_state=True),
    "W058 order and clip": Report(both("gate-order", "cell-clip"), ("torch.nn.LSTM", "tf.raw_ops.BlockLSTM"),
                                  in_turn(gates("ifjo"), clipped_at_3)),
    "W058 clip": Report(("cell-clip",), LSTMS, clipped_at_3),
    "W060 projection": Report(("projection",), PROJECTED, equation(projection_activation=eq.TANH),
                              in_projection),
    "W060 clip": Report(("cell-clip",), PROJECTED, clipped_at_3, in_projection),
    "W060 h0": Report(("initial-state",), PROJECTED, changes.states_zeroed, in_projection, needs_state=True),
    "W062 reset": Report(("reset-gate",), GRUS, changes.other_reset, lengths=sometimes),
    "W064 same inputs": Report(_CARRIED, ALL, same_call, lengths=never),
    "W064 other inputs": Report(_CARRIED, ALL, other_call, lengths=sometimes),
    "W064 rows": Report(_CARRIED, ALL, last_row_carried),
    "W066 order and hard sigmoid": Report(both("gate-order", "recurrent-activation"), LSTMS,
                                          in_turn(gates("jfoi"), _HARD)),
    "W068 other direction": Report(_OTHER_WEIGHTS, ALL, other_weights(1)),
    "W070 padding first": PaddingFirst(_MASKING, ("onnx.LSTM", "onnx.GRU", "onnx.RNN"), options=_BACKWARDS,
                                       lengths=always),
    "W072 padding first": PaddingFirst(_MASKING, KERAS[:2], options=_TURNED,
                                       lengths=always),
    "W074 padding computed": Report(("masking",), ALL, lengths=always, past=computed),
    "W076 not reversed": Report(("direction",), ("keras.layers.LSTM", "keras.layers.GRU", "onnx.LSTM"),
                                changes.inputs_reversed),
    "W078 not reversed": Report(("direction",), ("keras.layers.LSTM", "keras.layers.SimpleRNN"),
                                changes.inputs_reversed, options=_TURNED),
    "W080 forward cell": Report(_OTHER_WEIGHTS, ("keras.layers.GRU", "torch.nn.GRU"), other_weights(1)),
    "W084 held": Report(("masking",), ("torch.nn.LSTM", "onnx.GRU", "tf.nn.rnn_cell.LSTMCell"),
                        lengths=always, past=held),
    "W084 zeroed": Report(("masking",), KERAS[:2], lengths=always, past=zeroed),
    "W086 first cell": Report(("masking",), ("keras.layers.LSTM",), lengths=always, past=garbage),
    "W088 dropout": Report(("dropout",), ALL, after=changes.dropped_out),
    "W090 order of sums": Report((), ALL),
    "W092 TF32": Report(("precision",), ALL, rounding=Rounding(factors=ROUNDED["tf32"])),
    "W096 axes": Report(("batch-time-axes",), ALL, changes.axes_swapped, after=changes.axes_swapped_back),
    "W102 stale": Report(_CARRIED, GRUS, first_row_first_state),
    "W104 garbage": Report(("masking",), ("onnx.GRU", "onnx.LSTM"), lengths=always, past=garbage),
    "W106 offset": Report((*_OTHER_WEIGHTS, "kernel-transposed"), ("torch.nn.LSTM", "torch.nn.RNN"),
                          input_kernel_offset),
    "W108 x_h": Report(_ORDER, ("keras.layers.GRU", "tf.keras.layers.GRU"), weights.projected_as_r),
    "W112 second layer": Report(("initial-state",), ("torch.nn.LSTM", "onnx.LSTM"), changes.states_zeroed,
                                needs_state=True, lengths=sometimes),
    "W112 other layer": Report(_OTHER_WEIGHTS, ("torch.nn.LSTM",), other_weights(1)),
    "W114 reset": Report(("reset-gate",), ("onnx.GRU", "keras.layers.GRU"), changes.other_reset),
    "W116 reset": Report(("reset-gate",), ("onnx.GRU",), changes.other_reset, lengths=sometimes),
}  # fmt: skip
"""By number and name."""
