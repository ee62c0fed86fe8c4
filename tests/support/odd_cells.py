"""Cells that compute almost what an LSTM, a GRU or a simple RNN computes, and that no framework has."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from rnnparity.reference.case import Case
from rnnparity.selftest.plain_cells import Array, Trajectory


class Given(NamedTuple):
    """What a step has: ``z`` ``[B, U]``, each gate's pre-activation; a GRU's n from x, and m from h.

    ``h`` and ``c`` ``[B, U]`` are the previous states, ``kernel`` ``[U, U]`` is the recurrent one of the
    candidate, and ``bias`` ``[U]`` a GRU's m.
    """

    z: Mapping[str, Array]
    h: Array
    c: Array
    kernel: Array
    bias: Array


Odd = Callable[[Given], tuple[Array, Array]]
"""One step: the new h and c ``[B, U]``."""


def s(z: Array) -> Array:
    """The sigmoid."""
    value: Array = 1 / (1 + np.exp(-z))
    return value


def run(case: Case, odd: Odd) -> Trajectory:
    """The trajectory of a case ``[B, T, U]`` with ``odd`` in place of its step, in its own dtype."""
    dtype, size, gates = case.inputs.dtype, case.input_size, case.gates
    kernel = np.asarray(case.weights.kernel, dtype).reshape(-1, len(gates), case.units)
    bias = np.asarray(case.weights.bias, dtype).reshape(len(case.kind.bias_gates), -1)
    candidate = kernel[size:, gates.index(case.kind.candidate)]
    h, c = case.initial_hidden, case.initial_cell
    states = []
    for x in case.inputs.swapaxes(0, 1):
        z = {gate: x @ kernel[:size, k] + h @ kernel[size:, k] + bias[k] for k, gate in enumerate(gates)}
        if "f" in z:
            z["f"] = z["f"] + dtype.type(case.equation.forget_bias)
        if case.equation.cell == "gru":
            z["n"], z["m"] = x @ kernel[:size, 2] + bias[2], h @ kernel[size:, 2] + bias[3]
        h, c = (np.asarray(state, dtype) for state in odd(Given(z, h, c, candidate, bias[-1])))
        states.append((h, c))
    return Trajectory(*(np.stack(state, axis=1) for state in zip(*states, strict=True)))


def _lstm(cell: Callable[..., Array], hidden: Callable[..., Array] | None = None) -> Odd:
    """An LSTM whose c is ``cell(i, j, f, c, z, h)`` and whose h is ``hidden(o, c, old c, z)``."""

    def odd(given: Given) -> tuple[Array, Array]:
        z = given.z
        c = cell(s(z["i"]), np.tanh(z["j"]), s(z["f"]), given.c, z, given.h)
        o = s(z["o"])
        return (o * np.tanh(c) if hidden is None else hidden(o, c, given.c, z)), c

    return odd


def _usual(i: Array, j: Array, f: Array, c: Array, *_: Any) -> Array:
    value: Array = f * c + i * j
    return value


def _gru(hidden: Callable[..., Array], n: Callable[..., Array] | None = None) -> Odd:
    """A GRU whose h is ``hidden(z, n, h, r)`` and whose n is ``n(r, z, given)``."""

    def odd(given: Given) -> tuple[Array, Array]:
        r, z = s(given.z["r"]), s(given.z["z"])
        new = np.tanh(given.z["n"] + r * given.z["m"]) if n is None else n(r, z, given)
        return hidden(z, new, given.h, r), given.c

    return odd


def _mixed(z: Array, n: Array, h: Array, r: Array) -> Array:
    value: Array = z * h + (1 - z) * n
    return value


def _half(one: Array, other: Array) -> Array:
    """The first units of one, the others of the other ``[B, U]``."""
    first = np.arange(one.shape[1]) < (one.shape[1] + 1) // 2
    return np.where(first, one, other)


def _rnn(hidden: Callable[[Array, Array], Array]) -> Odd:
    return lambda given: (hidden(given.z["n"], given.h), given.c)


LSTM: Mapping[str, Odd] = {
    "c = f c + i + j": _lstm(lambda i, j, f, c, z, h: f * c + 0.5 * (i + j)),
    "c = f c + (1 - f) j": _lstm(lambda i, j, f, c, z, h: f * c + (1 - f) * j),
    "c = f h + i j": _lstm(lambda i, j, f, c, z, h: f * h + i * j),
    "c = f c - i j": _lstm(lambda i, j, f, c, z, h: f * c - i * j),
    "c = f c + i j + 0.01": _lstm(lambda i, j, f, c, z, h: f * c + i * j + 0.01),
    "c = 0.98 f c + i j": _lstm(lambda i, j, f, c, z, h: 0.98 * f * c + i * j),
    "i and f share their sum": _lstm(lambda i, j, f, c, z, h: (f * c + i * j) / (i + f)),
    "i squared": _lstm(lambda i, j, f, c, z, h: f * c + i * i * j),
    "f of half the units is 1 - i": _lstm(lambda i, j, f, c, z, h: _half(f, 1 - i) * c + i * j),
    "forget bias in half the units": _lstm(lambda i, j, f, c, z, h: _half(f, s(z["f"] - 1)) * c + i * j),
    "c fades by tanh": _lstm(lambda i, j, f, c, z, h: np.tanh(f * c + i * j)),
    "gates see c": _lstm(lambda i, j, f, c, z, h: s(z["f"] + 0.3 * c) * c + s(z["i"] - 0.2 * c) * j),
    "h = o tanh(old c)": _lstm(_usual, lambda o, c, old, z: o * np.tanh(old)),
    "h = o tanh(tanh(c))": _lstm(_usual, lambda o, c, old, z: o * np.tanh(np.tanh(c))),
    "h = tanh(o c)": _lstm(_usual, lambda o, c, old, z: np.tanh(o * c)),
    "h = o tanh(c) + 0.1 c": _lstm(_usual, lambda o, c, old, z: o * np.tanh(c) + 0.1 * c),
    "h = o^2 tanh(c)": _lstm(_usual, lambda o, c, old, z: o * o * np.tanh(c)),
    "h = o sin(c)": _lstm(_usual, lambda o, c, old, z: o * np.sin(c)),
    "o of half the units is 1": _lstm(_usual, lambda o, c, old, z: _half(o, np.ones_like(o)) * np.tanh(c)),
}
GRU: Mapping[str, Odd] = {
    "h = z h + (1 - z) n + 0.01": _gru(lambda z, n, h, r: _mixed(z, n, h, r) + 0.01),
    "h = z h + n": _gru(lambda z, n, h, r: 0.5 * (z * h + n)),
    "h = z h + (1 - z^2) n": _gru(lambda z, n, h, r: z * h + (1 - z * z) * n),
    "z of half the units inverted": _gru(lambda z, n, h, r: _mixed(_half(z, 1 - z), n, h, r)),
    "no reset": _gru(_mixed, lambda r, z, given: np.tanh(given.z["n"] + given.z["m"])),
    "r squared": _gru(_mixed, lambda r, z, given: np.tanh(given.z["n"] + r * r * given.z["m"])),
    "z for r": _gru(_mixed, lambda r, z, given: np.tanh(given.z["n"] + z * given.z["m"])),
    "r scales both": _gru(_mixed, lambda r, z, given: np.tanh(r * (given.z["n"] + given.z["m"]))),
    "half of r before, half after": _gru(
        _mixed, lambda r, z, g: np.tanh(g.z["n"] + _half(r * g.z["m"], (r * g.h) @ g.kernel + g.bias))
    ),
    "n and h mixed before tanh": _gru(
        lambda z, n, h, r: np.tanh(z * h + (1 - z) * n), lambda r, z, g: g.z["n"] + r * g.z["m"]
    ),
    "z squared": _gru(lambda z, n, h, r: _mixed(z * z, n, h, r)),
}
RNN: Mapping[str, Odd] = {
    "h = 0.9 h + 0.1 n": _rnn(lambda z, h: 0.9 * h + 0.1 * np.tanh(z)),
    "h = tanh(z) + 0.1 h": _rnn(lambda z, h: np.tanh(z) + 0.1 * h),
    "h = tanh(z) + 0.01": _rnn(lambda z, h: np.tanh(z) + 0.01),
    "h = tanh(tanh(z))": _rnn(lambda z, h: np.tanh(np.tanh(z))),
    "h = sin(z)": _rnn(lambda z, h: np.sin(z)),
    "h = tanh(z)^3": _rnn(lambda z, h: np.tanh(z) ** 3),
    "h = tanh(1.1 z)": _rnn(lambda z, h: np.tanh(1.1 * z)),
    "half of the units linear": _rnn(lambda z, h: 0.5 * _half(2 * np.tanh(z), z)),
}
CELLS: Mapping[str, Mapping[str, Odd]] = {"lstm": LSTM, "gru": GRU, "rnn": RNN}
"""By the name of the equation and then of the mistake."""
