"""The catalogue of planted mistakes: each with the cause that a diagnosis must name first.

A mistake says what is different; who runs it is another matter (:mod:`rnnparity.selftest.plain_cells`). The
self-test takes from here what the verdict must notice, the tests and the bench what a diagnosis must find.
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from rnnparity.reference.case import Case
from rnnparity.reference.formats import ROUNDED
from rnnparity.selftest import plain_cells
from rnnparity.selftest import planted_changes as changes
from rnnparity.selftest import planted_weights as weights
from rnnparity.selftest.plain_cells import UNROUNDED, Rounding, Trajectory
from rnnparity.selftest.planted_changes import Aftermath, Change, Random, Shares, equation, in_turn, unchanged
from rnnparity_adapters import equation as eq

STATE, FORGET_BIAS, TWO_BIASES, M = "initial states", "a forget bias", "two stored biases", "m"
"""What a case or an api must have, and not of zeros, for a mistake to be one."""


@dataclass(frozen=True)
class Mistake:
    """One mistake.

    ``ids`` are the cause, and any other that is provably the same function. ``cells`` are the kinds to which
    it applies, and ``needs`` what a case of them must have. The run claims to be that of ``claim``; what
    really ran is ``really`` of it, with this ``rounding``, and ``after`` is what became of the trajectory.
    """

    name: str
    ids: tuple[str, ...]
    cells: tuple[str, ...]
    really: Change = unchanged
    claim: Change = unchanged
    after: Aftermath = changes.as_it_is
    rounding: Rounding = UNROUNDED
    needs: tuple[str, ...] = ()

    def plant(self, case: Case, random: Random, shares: Shares | None = None) -> "Planted":
        """The mistake, made in a run of ``case``, whose bias is stored in ``shares``: two unless given."""
        shares = weights.split(case, two=True) if shares is None else shares
        claimed = self.claim(case, shares, random)
        trajectory = plain_cells.run(self.really(claimed, shares, random), self.rounding)
        return Planted(claimed, self.after(trajectory, claimed, random))


class Planted(NamedTuple):
    """The case as claimed, and what was observed."""

    case: Case
    observed: Trajectory


L, G, GATED, ALL = ("lstm",), ("gru",), ("lstm", "gru"), ("lstm", "gru", "rnn")

_SIGMOID = equation(recurrent_activation=eq.SIGMOID)
_HARD_5 = equation(recurrent_activation=eq.HARD_SIGMOID_5)
_HARD_6 = equation(recurrent_activation=eq.HARD_SIGMOID_6)
_BEFORE, _AFTER = equation(reset_after=False), equation(reset_after=True)
_PEEPHOLES, _PROJECTION = weights.with_peepholes, weights.with_projection
_STEP_BY_STEP = changes.one_after_the_other

_ORDER = ("gate-order",)
_DROPPED, _DOUBLED, _FORGET = ("bias-dropped",), ("bias-doubled",), ("forget-bias",)
_CLIP = ("pre-activation-clip",)
_GATE, _FUNCTION, _OUTPUT = ("recurrent-activation",), ("activation",), ("output-activation",)

MISTAKES: Mapping[str, Mistake] = {mistake.name: mistake for mistake in (
    Mistake("gate order", _ORDER, GATED, weights.gate_order("xhb")),
    Mistake("gate order, recurrent", _ORDER, GATED, weights.gate_order("h")),
    Mistake("gate order, input", _ORDER, GATED, weights.gate_order("x")),
    Mistake("gate order, bias", _ORDER, GATED, weights.gate_order("b")),
    Mistake("Keras 2.0.1's candidate", _ORDER, G, weights.projected_as_r),
    Mistake("transposed", ("kernel-transposed",), ALL, weights.kernel(weights.transposed)),
    Mistake("flat transposed", ("kernel-transposed",), ALL, weights.kernel(weights.flat_transposed)),
    Mistake("[h, x]", ("concat-order",), ALL, weights.kernel(weights.rows_turned)),

    Mistake("no bias", _DROPPED, ALL, weights.shares_times(0, 0)),
    Mistake("recurrent bias dropped", _DROPPED, ALL, weights.shares_times(1, 0), needs=(TWO_BIASES,)),
    Mistake("input bias dropped", _DROPPED, ALL, weights.shares_times(0, 1), needs=(TWO_BIASES,)),
    Mistake("a gate's bias dropped", _DROPPED, ALL, weights.one_gates_bias(0)),
    Mistake("b_hn dropped", _DROPPED, G, weights.bias(weights.without_m), needs=(M,)),
    Mistake("bias doubled", _DOUBLED, ALL, weights.shares_times(2, 2)),
    Mistake("input bias doubled", _DOUBLED, ALL, weights.shares_times(2, 1), needs=(TWO_BIASES,)),
    Mistake("recurrent bias doubled", _DOUBLED, ALL, weights.shares_times(1, 2), needs=(TWO_BIASES,)),
    Mistake("a gate's bias doubled", _DOUBLED, ALL, weights.one_gates_bias(2)),
    Mistake("new input's bias everywhere", _DOUBLED, L, weights.bias(weights.everywhere)),
    Mistake("b_hn folded", ("bias-folded",), G, weights.bias(weights.folded), _AFTER, needs=(M,)),

    Mistake("forget bias", _FORGET, L, changes.other_forget_bias),
    Mistake("forget bias missing", _FORGET, L, changes.forget_bias_times(0, 0), needs=(FORGET_BIAS,)),
    Mistake("forget bias halved", _FORGET, L, changes.forget_bias_times(0.5, 0), needs=(FORGET_BIAS,)),
    Mistake("forget bias after", ("forget-bias-after-sigmoid",), L, changes.also_after),
    Mistake("forget bias moved after", ("forget-bias-after-sigmoid",), L, changes.forget_bias_times(0, 1),
            needs=(FORGET_BIAS,)),

    Mistake("hard sigmoid 1/5", _GATE, GATED, _HARD_5, _SIGMOID),
    Mistake("hard sigmoid 1/6", _GATE, GATED, _HARD_6, _SIGMOID),
    Mistake("1/6 for 1/5", _GATE, GATED, _HARD_6, _HARD_5),
    Mistake("relu", _FUNCTION, ALL, equation(activation=eq.RELU)),
    Mistake("tanh for relu", _FUNCTION, ALL, equation(activation=eq.TANH), equation(activation=eq.RELU)),
    Mistake("linear", _FUNCTION, L, equation(activation=eq.LINEAR, output_activation=eq.TANH)),
    Mistake("functions swapped", _FUNCTION, GATED,
            equation(activation=eq.SIGMOID, recurrent_activation=eq.TANH, output_activation=eq.TANH)),
    Mistake("h = o c", _OUTPUT, L, equation(output_activation=eq.LINEAR)),
    Mistake("output gate alone", _OUTPUT, L, equation(output_activation=eq.ONE)),
    Mistake("hard sigmoid and relu", ("recurrent-activation + activation",), L,
            in_turn(_HARD_5, equation(activation=eq.RELU, output_activation=eq.TANH)), _SIGMOID),
    Mistake("hard sigmoid, output gate alone", ("recurrent-activation + output-activation",), L,
            in_turn(_HARD_5, equation(output_activation=eq.ONE)), _SIGMOID),
    Mistake("three other functions", ("recurrent-activation + activation + output-activation",), L,
            in_turn(_HARD_5, equation(activation=eq.SIGMOID, output_activation=eq.LINEAR)), _SIGMOID),

    Mistake("coupled", ("coupled-gates",), L, equation(coupled=True)),
    Mistake("not coupled", ("coupled-gates",), L, equation(coupled=False), equation(coupled=True)),
    Mistake("input coupled", ("coupled-gates",), L, equation(input_coupled=True)),
    Mistake("input not coupled", ("coupled-gates",), L, equation(input_coupled=False),
            equation(input_coupled=True)),
    Mistake("the other one coupled", ("coupled-gates",), L, equation(coupled=False, input_coupled=True),
            equation(coupled=True)),
    Mistake("peepholes dropped", ("peephole-dropped",), L, weights.peepholes(lambda v: 0 * v), _PEEPHOLES),
    Mistake("peephole order", ("peephole-order",), L, weights.peepholes(lambda v: v[[0, 2, 1]]), _PEEPHOLES),
    Mistake("peephole previous", ("peephole-previous",), L, equation(output_peephole_previous=True),
            _PEEPHOLES),
    Mistake("clipped", ("cell-clip",), L, changes.clipped),
    Mistake("gates clipped", _CLIP, ALL, changes.gates_clipped("gate_clip")),
    Mistake("gates not clipped", _CLIP, ALL, equation(gate_clip=None), changes.gates_clipped("gate_clip")),
    Mistake("clipped as ONNX says", _CLIP, L, changes.gates_clipped("gate_clip", "output_clip")),
    Mistake("not clipped as ONNX says", _CLIP, L, equation(gate_clip=None, output_clip=None),
            changes.gates_clipped("gate_clip", "output_clip")),
    Mistake("onnxruntime's clip", _CLIP, L, equation(output_clip=None),
            changes.gates_clipped("gate_clip", "output_clip")),
    Mistake("projection clipped", ("projection",), L, changes.projection_clipped, _PROJECTION),
    Mistake("projection not clipped", ("projection",), L, equation(projection_clip=None),
            in_turn(_PROJECTION, changes.projection_clipped)),
    Mistake("projection missing", ("projection",), L, weights.projection(lambda v: np.eye(len(v))),
            _PROJECTION),
    Mistake("projection transposed", ("projection",), L, weights.projection(np.transpose), _PROJECTION),
    Mistake("projection through tanh", ("projection",), L, equation(projection_activation=eq.TANH),
            _PROJECTION),
    Mistake("update gate inverted", ("update-gate-inverted",), G, equation(update_inverted=True)),
    Mistake("reset before", ("reset-gate",), G, _BEFORE, _AFTER),
    Mistake("reset after", ("reset-gate",), G, _AFTER, _BEFORE),

    Mistake("state zero", ("initial-state",), ALL, changes.states_zeroed, needs=(STATE,)),
    Mistake("states swapped", ("initial-state",), L, changes.states_swapped, needs=(STATE,)),
    Mistake("state never updated", ("initial-state",), ALL, changes.single_steps, after=_STEP_BY_STEP),
    Mistake("state carried", ("state-carried",), ALL, changes.run_twice, after=changes.second_half),
    Mistake("inputs reversed", ("direction",), ALL, changes.inputs_reversed),
    Mistake("outputs turned", ("direction",), ALL, after=changes.outputs_reversed),
    Mistake("both turned", ("direction",), ALL, changes.inputs_reversed, after=changes.outputs_reversed),
    Mistake("axes", ("batch-time-axes",), ALL, changes.axes_swapped, after=changes.axes_swapped_back),
    Mistake("shifted", ("time-shift",), ALL, after=changes.shifted()),
    Mistake("zeroed past lengths", ("masking",), ALL, after=changes.masked(zeroed=True)),
    Mistake("held past lengths", ("masking",), ALL, after=changes.masked(zeroed=False)),
    Mistake("dropout", ("dropout",), ALL, after=changes.dropped_out),

    Mistake("float16 states", ("precision",), ALL, rounding=Rounding(states=ROUNDED["float16"])),
    Mistake("bfloat16 states", ("precision",), ALL, rounding=Rounding(states=ROUNDED["bfloat16"])),
    Mistake("TF32 products", ("precision",), ALL, rounding=Rounding(factors=ROUNDED["tf32"])),
    Mistake("one weight", ("parameter",), ALL, weights.one_weight),
    Mistake("one block", ("parameter",), ALL, weights.one_block()),
    Mistake("a block of a reset gate before", ("parameter",), G, weights.one_block("r"), _BEFORE),

    Mistake("order and forget bias", ("gate-order + forget-bias",), L,
            in_turn(weights.gate_order("xhb", (0, 2, 1, 3)), equation(forget_bias=2.25))),
    Mistake("order and hard sigmoid", ("gate-order + recurrent-activation",), L,
            in_turn(weights.gate_order("xhb", (3, 1, 0, 2)), _HARD_5), _SIGMOID),
    Mistake("order and clip", ("gate-order + cell-clip",), L,
            in_turn(weights.gate_order("xhb", (0, 2, 1, 3)), equation(cell_clip=0.5))),
    Mistake("hard sigmoid and forget bias", ("recurrent-activation + forget-bias",), L,
            in_turn(_HARD_5, equation(forget_bias=2.25)), _SIGMOID),
    Mistake("order and reset", ("gate-order + reset-gate",), G,
            in_turn(weights.gate_order("xhb", (1, 0, 2)), _BEFORE), _AFTER),
    Mistake("reset before, never updated", ("initial-state + reset-gate", "reset-gate + initial-state"), G,
            in_turn(changes.other_reset, changes.single_steps), after=_STEP_BY_STEP, needs=(STATE,)),
)}  # fmt: skip
"""By name."""


def _named(*names: str) -> tuple[Mistake, ...]:
    return tuple(MISTAKES[name] for name in names)


def _in_every_order(name: str, tensors: str) -> tuple[Mistake, ...]:
    """An LSTM's gate order, with nothing left to chance."""
    orders = list(itertools.permutations(range(4)))[1:]
    return tuple(replace(MISTAKES[name], really=weights.gate_order(tensors, order)) for order in orders)


STRUCTURAL: Mapping[str, tuple[Mistake, ...]] = {
    "gate order, kernel and bias": _in_every_order("gate order", "xhb"),
    "gate order, recurrent": _in_every_order("gate order, recurrent", "h"),
    "gate order, bias": _in_every_order("gate order, bias", "b"),
    "recurrent kernel transposed": _named("transposed"),
    "a bias dropped": _named("recurrent bias dropped", "input bias dropped", "no bias"),
    "a bias doubled": _named("input bias doubled", "recurrent bias doubled", "bias doubled"),
    "forget bias missing, halved": _named("forget bias missing", "forget bias halved"),
    "forget bias after sigmoid": _named("forget bias moved after"),
    "hard_sigmoid": _named("hard sigmoid 1/5", "hard sigmoid 1/6"),
    "activations swapped": _named("functions swapped"),
    "activation dropped": _named("h = o c", "linear"),
    "states zeroed or swapped": _named("state zero", "states swapped"),
    "states carried over": _named("state carried"),
    "time reversed": _named("inputs reversed"),
    "shifted by one step": (replace(MISTAKES["shifted"], after=changes.shifted(1)),),
    "bfloat16, float16, TF32": _named("bfloat16 states", "float16 states", "TF32 products"),
}
"""Mistakes in an LSTM that no tolerance excuses: all of them must be noticed."""
