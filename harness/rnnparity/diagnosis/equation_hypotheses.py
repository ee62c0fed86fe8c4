"""What may be wrong with an equation, as data: other functions, other constants, another form."""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rnnparity.diagnosis.teacher_forcing import Setting
from rnnparity_adapters import equation as equations
from rnnparity_adapters.equation import Equation


@dataclass(frozen=True)
class EquationHypothesis:
    """Another equation: ``fields`` of it are replaced. ``fitted`` is a constant of it that the data tell."""

    id: str
    detail: str
    fields: Mapping[str, Any]
    fitted: str = ""


_FUNCTIONS = (equations.TANH, equations.RELU, equations.LINEAR, equations.SOFTSIGN, equations.SIGMOID)
_GATES = (
    equations.SIGMOID,
    equations.HARD_SIGMOID_5,
    equations.HARD_SIGMOID_6,
    equations.TANH,
    equations.LINEAR,
)

_RECURRENT = tuple(
    EquationHypothesis("recurrent-activation", f"the gates go through {name}", {"recurrent_activation": name})
    for name in _GATES
)
_NEW_INPUT = tuple(
    EquationHypothesis(
        "activation",
        f"the new input goes through {name}",
        {"activation": name, "output_activation": equations.TANH},
    )
    for name in _FUNCTIONS
)
_OUTPUT = (
    *(
        EquationHypothesis(
            "output-activation", f"c goes through {name} on its way to h", {"output_activation": name}
        )
        for name in _FUNCTIONS
    ),
    EquationHypothesis(
        "output-activation",
        "h is o alone",
        {"output_activation": equations.ONE},
    ),
)

_LSTM = (
    EquationHypothesis("forget-bias", "", {}, "forget_bias"),
    *_RECURRENT,
    *(EquationHypothesis("activation", f"new input and output go through {name}", {"activation": name, "output_activation": None}) for name in _FUNCTIONS),
    *_OUTPUT,
    EquationHypothesis("coupled-gates", "the forget gate is 1 - i", {"coupled": True}),
    EquationHypothesis("coupled-gates", "the forget gate is its own, not 1 - i", {"coupled": False}),
    EquationHypothesis("forget-bias-after-sigmoid", "", {"forget_bias": 0.0}, "forget_bias_after"),
    EquationHypothesis("forget-bias-after-sigmoid", "", {}, "forget_bias_after"),
    EquationHypothesis("cell-clip", "", {}, "cell_clip"),
    EquationHypothesis("cell-clip", "the cell state is not clipped", {"cell_clip": None}),
    EquationHypothesis("peephole-previous", "the output gate's peephole sees the previous cell state", {"output_peephole_previous": True}),
    EquationHypothesis("activation", "gates and new input have each other's function", {"recurrent_activation": equations.TANH, "activation": equations.SIGMOID, "output_activation": equations.TANH}),
    *_NEW_INPUT,
)  # fmt: skip
_PROJECTED = tuple(
    EquationHypothesis("projection", f"the projection goes through {name}", {"projection_activation": name})
    for name in (equations.TANH, equations.LINEAR)
)
_NEW_STATE = tuple(
    EquationHypothesis("activation", f"the new state goes through {name}", {"activation": name})
    for name in _FUNCTIONS
)
_GRU = (
    *_RECURRENT,
    *_NEW_STATE,
    EquationHypothesis(
        "reset-gate", "the reset gate scales what the recurrent kernel made of h", {"reset_after": True}
    ),
    EquationHypothesis(
        "reset-gate", "the reset gate scales h before the recurrent kernel", {"reset_after": False}
    ),
    EquationHypothesis(
        "update-gate-inverted",
        "z and 1 - z have each other's place: h' = (1 - z) h + z n",
        {"update_inverted": True},
    ),
    EquationHypothesis(
        "update-gate-inverted",
        "z and 1 - z have each other's place: h' = z h + (1 - z) n",
        {"update_inverted": False},
    ),
    EquationHypothesis(
        "activation",
        "gates and new state have each other's function",
        {"recurrent_activation": equations.TANH, "activation": equations.SIGMOID},
    ),
)
EQUATIONS = {"lstm": _LSTM, "gru": _GRU, "rnn": _NEW_STATE}
"""By the kind of cell."""


def equations_for(setting: Setting) -> tuple[EquationHypothesis, ...]:
    """Those on the equation of a setting."""
    found = EQUATIONS[setting.case.equation.cell]
    return found if setting.case.projection is None else (*found, *_PROJECTED)


def _together(*some: EquationHypothesis) -> EquationHypothesis:
    """All at once; of one field, the last has its way."""
    fields = {name: value for each in some for name, value in each.fields.items()}
    return EquationHypothesis(" + ".join(e.id for e in some), "; ".join(e.detail for e in some), fields)


def several_functions(base: Equation) -> Iterator[EquationHypothesis]:
    """Two of the three functions of a cell, or all of them, other than those of ``base``."""
    own = (
        (_RECURRENT, "recurrent_activation", base.recurrent_activation),
        (_NEW_INPUT, "activation", base.activation),
        (_OUTPUT, "output_activation", base.output),
    )
    others = [[h for h in some if h.fields[name] != function] for some, name, function in own]
    for number in (2, 3):
        for functions in itertools.combinations(others, number):
            for chosen in itertools.product(*functions):
                yield _together(*chosen)
