"""Hypotheses on the equation, as data: other functions, other constants, another form."""

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from rnnparity.diagnosis.fitted_constants import CLIP
from rnnparity.diagnosis.hypothesis import EquationHypothesis
from rnnparity_adapters import equation as equations
from rnnparity_adapters.equation import Equation

_FUNCTIONS = (equations.TANH, equations.RELU, equations.LINEAR, equations.SOFTSIGN, equations.SIGMOID)
_GATE_FUNCTIONS = (
    equations.SIGMOID, equations.HARD_SIGMOID_5, equations.HARD_SIGMOID_6, equations.TANH, equations.LINEAR,
)  # fmt: skip


def _other(id_: str, **fields: Any) -> EquationHypothesis:
    """The hypothesis that one cause replaces these fields of the equation."""
    return EquationHypothesis(((id_, fields),))


def _constant(id_: str, fitted: str, **fields: Any) -> EquationHypothesis:
    """As :func:`_other`, with a constant, the field ``fitted``, that is estimated from the data."""
    return EquationHypothesis(((id_, fields),), fitted, id_)


_RECURRENT = tuple(_other("recurrent-activation", recurrent_activation=name) for name in _GATE_FUNCTIONS)
_NEW_INPUT = tuple(
    _other("activation", activation=name, output_activation=equations.TANH) for name in _FUNCTIONS
)
_OUTPUT = tuple(_other("output-activation", output_activation=name) for name in (*_FUNCTIONS, equations.ONE))

# Reports of each: a forget bias added after the sigmoid (https://github.com/apache/tvm/pull/3410),
# activations of gates and new input swapped (https://github.com/tflearn/tflearn/pull/200), hard_sigmoid or
# sigmoid gates (https://github.com/intel/ipex-llm/issues/1901).
LSTM = (
    _constant("forget-bias", "forget_bias"),
    *_RECURRENT,
    *(_other("activation", activation=name, output_activation=None) for name in _FUNCTIONS),
    *_OUTPUT,
    _other("coupled-gates", coupled=True),
    _other("coupled-gates", coupled=False),
    _other("coupled-gates", input_coupled=True),
    _other("coupled-gates", input_coupled=False),
    _other("coupled-gates", coupled=True, input_coupled=False),
    _other("coupled-gates", coupled=False, input_coupled=True),
    _constant("forget-bias-after-sigmoid", "forget_bias_after", forget_bias=0.0),
    _constant("forget-bias-after-sigmoid", "forget_bias_after"),
    # Before the limit that is fitted: the largest cell state of a run without a limit would fit as well.
    _other("cell-clip", cell_clip=None),
    _constant("cell-clip", "cell_clip"),
    _other("pre-activation-clip", gate_clip=None, output_clip=None),
    # onnxruntime clips what goes into the gates, and not c': https://github.com/microsoft/onnxruntime/issues/27224
    _other("pre-activation-clip", output_clip=None),
    _constant("pre-activation-clip", "gate_clip"),
    _constant("pre-activation-clip", CLIP),
    _other("peephole-previous", output_peephole_previous=True),
    # The functions of the gates and of the new input are swapped.
    _other(
        "activation",
        recurrent_activation=equations.TANH,
        activation=equations.SIGMOID,
        output_activation=equations.TANH,
    ),
    # The same where the api has one function for the new input and the output, as in Keras.
    _other(
        "activation",
        recurrent_activation=equations.TANH,
        activation=equations.SIGMOID,
        output_activation=None,
    ),
    *_NEW_INPUT,
)
# A projection through tanh by default: https://github.com/PaddlePaddle/Paddle/pull/15605
PROJECTED = (
    *(_other("projection", projection_activation=name) for name in (equations.TANH, equations.LINEAR)),
    _other("projection", projection_clip=None),
    _constant("projection", "projection_clip"),
)
"""Further hypotheses for a cell with a projection."""
_NEW_STATE = tuple(_other("activation", activation=name) for name in _FUNCTIONS)
_CLIPPED = (_other("pre-activation-clip", gate_clip=None), _constant("pre-activation-clip", "gate_clip"))
RNN = (*_NEW_STATE, *_CLIPPED)
# Both forms of the reset gate and of the update gate are in use:
# https://github.com/nntrainer/nntrainer/pull/1644 and https://github.com/pytorch/pytorch/issues/20129.
GRU = (
    *_RECURRENT,
    *_NEW_STATE,
    _other("reset-gate", reset_after=True),
    _other("reset-gate", reset_after=False),
    _other("update-gate-inverted", update_inverted=True),
    _other("update-gate-inverted", update_inverted=False),
    # The functions of the gates and of the new state are swapped.
    _other("activation", recurrent_activation=equations.TANH, activation=equations.SIGMOID),
    *_CLIPPED,
)


def several_functions(base: Equation) -> Iterator[EquationHypothesis]:
    """Hypotheses that two or all of the three functions of an LSTM are not those of ``base``."""
    own: Mapping[str, tuple[tuple[EquationHypothesis, ...], str]] = {
        "recurrent_activation": (_RECURRENT, base.recurrent_activation),
        "activation": (_NEW_INPUT, base.activation),
        "output_activation": (_OUTPUT, base.output),
    }
    others = [[h for h in some if h.fields[name] != function] for name, (some, function) in own.items()]
    for number in (2, 3):
        for functions in itertools.combinations(others, number):
            for chosen in itertools.product(*functions):
                yield EquationHypothesis(tuple(part for one in chosen for part in one.parts))
