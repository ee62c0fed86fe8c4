"""The causes that describe a mistake of :mod:`support.outside_mistakes` rightly, if any does."""

from collections.abc import Mapping

OF_ONE_GATE = ("parameter",)
"""A simple RNN's whole kernel, input kernel or bias is one block of parameters."""

OF_ONE_UNIT: Mapping[str, tuple[str, ...]] = {
    "kernel's columns shuffled": ("gate-order",),
    "kernel's rows shuffled": ("concat-order", "input-changed"),
    "half of the units in another gate": ("gate-order",),
    "bias shuffled": ("gate-order",),
    "a unit's biases doubled": ("bias-doubled",),
}
"""What describes a mistake where there is one unit only."""

LITTLE = 32
_GONE = ("dead-unit", "dead-row", "zeroed-step", "masking")
OF_LITTLE: Mapping[str, tuple[str, ...]] = {
    "relu on the outputs": _GONE,
    "outputs below a threshold zero": _GONE,
    "zeros, the others as they are": _GONE,
    "every second step held": ("masking",),
    "elu": ("activation",),
    "leaky relu": ("activation",),
    "an input missing": ("parameter",),
    "a feature missing": ("parameter",),
    "kernel positive": ("parameter", "input-changed"),
    "kernel's rows shuffled": ("concat-order", "input-changed"),
}
"""What is the same on fewer than ``LITTLE`` numbers: all of one sign, say, or a whole row of them."""

OTHER_IDS: Mapping[str, tuple[str, ...]] = {
    "recurrent rows rolled": ("unit-order",),
    "recurrent units reversed": ("unit-order",),
    "bias rolled by a unit": ("unit-order",),
    "kernel in int8": ("quantised",),
    "three weights off": ("parameter",),
    "forget bias in half the units": ("parameter", "weights-differ"),
    "z for r": ("gate-order",),
    "gates see c": ("peephole-dropped",),
    "inputs + 0.1": ("bias-added", "weights-differ"),
    # Other weights compute the same: 1 - sigmoid(i) is sigmoid(-i), and sigmoid(30) is 1.
    "f of half the units is 1 - i": ("weights-differ",),
    "o of half the units is 1": ("weights-differ",),
    "sigmoid(z / 2)": ("weights-differ",),
    # Its sentence says that it may be the input of that step.
    "an input missing": ("state-replaced",),
    "inputs halved": ("weights-differ",),
    "features reversed": ("weights-differ",),
    "a feature missing": ("weights-differ",),
    "inputs of another row": ("row-order",),
    "rows reversed": ("row-order",),
    "units reversed": ("unit-order",),
    "a dead unit": ("dead-unit",),
    "every third unit dead": ("dead-unit",),
    "a dead row": ("dead-row",),
    "first step zero": ("zeroed-step",),
    "a step zero": ("zeroed-step",),
    "last step zero": ("zeroed-step", "masking"),
    "nothing but zeros": ("dead-row", "dead-unit"),
    "states clipped below": ("cell-clip",),  # where nothing is above the limit
    "hard tanh": ("activation",),  # linear, where nothing is beyond 1
    "tanh, z at most 1": ("activation",),
}
"""Causes beside those of the mistake's group."""
