"""One step of each kind of cell backwards: the derivatives of its equations, with their rounding errors.

In every kind of cell ``linear`` takes all N steps at once, whose states are known, and ``back`` goes back
through some of them: from the derivatives of the loss by the new states to those by the sums (the
pre-activations) and by the previous states. ``by_weights`` adds up those of all steps. All arrays are
:class:`~rnnparity.reference.noisy.Noisy`: x is ``[N, I]``, hidden states are ``[N, P]``, cell states and
gates ``[N, U]``; P is U without a projection.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from rnnparity.reference.activations import activation
from rnnparity.reference.case import Case
from rnnparity.reference.gru import Gru
from rnnparity.reference.lstm import ORDER, Lstm
from rnnparity.reference.noisy import Noisy, activated, joined
from rnnparity.reference.rnn import Rnn
from rnnparity.reference.steps import Affine, Step, side_by_side
from rnnparity_adapters import equation as equations
from rnnparity_adapters.kinds import PEEPHOLES


class Passed(NamedTuple):
    """What of the derivative by a state a step passes back to the step before it.

    ``hidden`` and ``cell`` say whether that state's is passed, ``stopped`` are the steps that pass nothing. A
    cell state that is clipped has no derivative; ``through_clip`` passes it as if it were not clipped.
    """

    hidden: bool = True
    cell: bool = True
    stopped: frozenset[int] = frozenset()
    through_clip: bool = False

    def back(self, state: str, step: int, derivative: Noisy) -> Noisy:
        """The derivative ``[B, n]`` by ``hidden`` or ``cell`` before ``step``, or nothing in its place."""
        whole = getattr(self, state) and step not in self.stopped
        return derivative if whole else Noisy(0 * derivative.value, 0.0, derivative.a)


Linear = Mapping[str, Noisy]
"""The derivatives of N steps at known states, each ``[N, ...]``, by the names that a kind of cell gives."""
Made = tuple[Noisy, ...]
"""What ``back`` finds beside the states: the derivatives by the sums ``[N, S]``, and others ``[N, ...]``."""
Weighed = tuple[Noisy, Noisy, Noisy | None, Noisy | None]
"""The derivatives by kernel ``[I+P, G U]``, bias ``[G U]``, peepholes ``[3, U]``, projection ``[U, P]``."""


class Backward(Step, ABC):
    """A kind of cell that can go backwards."""

    @abstractmethod
    def linear(self, x: Noisy, hidden: Noisy, cell: Noisy, new_cell: Noisy, passed: Passed) -> Linear:
        """The derivatives of N steps from the states ``hidden`` and ``cell``."""

    @abstractmethod
    def back(self, linear: Linear, hidden: Noisy, cell: Noisy) -> tuple[Made, Noisy, Noisy]:
        """From the derivatives by the new states of N steps to those by the previous ones."""

    @abstractmethod
    def by_inputs(self, sums: Noisy) -> Noisy:
        """The derivatives ``[N, I]`` by inputs, from those by the sums."""

    @abstractmethod
    def by_weights(self, linear: Linear, made: Made) -> Weighed:
        """The derivatives by canonical weights, from all that :meth:`back` made."""


def _affine(affine: Affine, known: Noisy | None, carried: Noisy | None) -> Noisy:
    """The sums ``[N, S U]`` of an affine map."""
    parts = [each for each in (known, carried) if each is not None]
    v = joined(parts, 1) if len(parts) > 1 else parts[0]
    sums = v.value @ np.concatenate([affine.known, affine.carried][: 2 if carried else 1], 1) + affine.bias
    spread = v.a.element**2 * affine.own(v.value, sums)
    spread = spread if carried is None else spread + affine.through(carried.variance)
    return Noisy(side_by_side(sums), side_by_side(spread), v.a)


def _opposite(gate: Noisy) -> Noisy:
    return 1.0 - gate


def _columns(noisy: Noisy, order: list[int]) -> Noisy:
    """Blocks of columns ``[n, G U]`` in another order."""
    blocks = noisy.reshape(len(noisy.value), len(order), -1)
    return blocks[:, order].reshape(len(noisy.value), -1)


class RnnBackward(Rnn, Backward):
    """The simple RNN backwards: h' = n, the new state."""

    def linear(self, x: Noisy, hidden: Noisy, cell: Noisy, new_cell: Noisy, passed: Passed) -> Linear:
        new = activated(self._activation, _affine(self.affine, x, hidden))
        return {"v": joined([x, hidden], 1), "n": new.slope}

    def back(self, linear: Linear, hidden: Noisy, cell: Noisy) -> tuple[Made, Noisy, Noisy]:
        sums = hidden * linear["n"]
        return (sums,), sums @ self.affine.matrices[1].T, cell

    def by_inputs(self, sums: Noisy) -> Noisy:
        return sums @ self.affine.matrices[0].T

    def by_weights(self, linear: Linear, made: Made) -> Weighed:
        return linear["v"].transposed @ made[0], made[0].summed()[0], None, None


class GruBackward(Gru, Backward):
    """The GRU backwards. Its sums are those of r, z, n and m, which is what h contributes to n."""

    def linear(self, x: Noisy, hidden: Noisy, cell: Noisy, new_cell: Noisy, passed: Passed) -> Linear:
        gates = _affine(self._gates, x, hidden)
        r, z = (activated(self._gate, gates[:, k * self.units : (k + 1) * self.units]) for k in (0, 1))
        scaled = hidden if self._after else r.value * hidden
        recurrent = _affine(self._recurrent, None, scaled)
        in_n = r.value * recurrent if self._after else recurrent
        n = activated(self._activation, _affine(self._new, x, None) + in_n)
        kept, slope = (_opposite(z.value), -z.slope) if self.equation.update_inverted else z
        return {
            "x": x, "h": hidden, "scaled": scaled, "r": r.value, "kept": kept,
            "by_n": _opposite(kept) * n.slope,
            # A framework computes z h + (1 - z) n, or n + z (h - n): the roundings of the first are larger.
            "by_z": (hidden - n.value) * slope + _rounding_of(hidden, n.value, slope),
            "by_r": (recurrent if self._after else hidden) * r.slope,
        }  # fmt: skip

    def back(self, linear: Linear, hidden: Noisy, cell: Noisy) -> tuple[Made, Noisy, Noisy]:
        (_, of_gates), (_, recurrent) = self._gates.matrices, self._recurrent.matrices
        n, z, before = hidden * linear["by_n"], hidden * linear["by_z"], hidden * linear["kept"]
        if self._after:
            m = n * linear["r"]
            r = n * linear["by_r"]
            before = before + m @ recurrent.T
        else:
            m = n
            scaled = m @ recurrent.T
            r = scaled * linear["by_r"]
            before = before + scaled * linear["r"]
        gates = joined([r, z], 1)
        return (joined([gates, n, m], 1),), before + gates @ of_gates.T, cell

    def by_inputs(self, sums: Noisy) -> Noisy:
        both = 2 * self.units
        (of_gates, _), (of_new, _) = self._gates.matrices, self._new.matrices
        return sums[:, :both] @ of_gates.T + sums[:, both : 3 * self.units] @ of_new.T

    def by_weights(self, linear: Linear, made: Made) -> Weighed:
        (sums,) = made
        both, three = 2 * self.units, 3 * self.units
        gates = linear["h"].transposed @ sums[:, :both]
        recurrent = joined([gates, linear["scaled"].transposed @ sums[:, three:]], 1)
        kernel = joined([linear["x"].transposed @ sums[:, :three], recurrent], 0)
        return kernel, sums.summed()[0], None, None


def _rounding_of(one: Noisy, other: Noisy, slope: Noisy) -> Noisy:
    """Nothing, with the variance of rounding both terms of a difference, times ``slope``."""
    u = one.a.element
    squares = one.value * one.value + other.value * other.value
    return Noisy(0 * one.value, u * u * squares * slope.value * slope.value, one.a)


_O, _I, _F, _J = map(ORDER.index, "oifj")


class LstmBackward(Lstm, Backward):
    """The LSTM backwards. Its sums are those of o, i, f and j, in that order."""

    def prepare(self, case: Case) -> None:
        super().prepare(case)
        self._order = [ORDER.index(gate) for gate in case.gates]
        self._clip = activation(equations.LINEAR, self.equation.cell_clip)
        self._previous = self.equation.output_peephole_previous

    def linear(self, x: Noisy, hidden: Noisy, cell: Noisy, new_cell: Noisy, passed: Passed) -> Linear:
        sums = _affine(self.affine, x, hidden).reshape(len(x.value), 4, -1)
        seen_by_o = cell if self._previous else new_cell
        z = [sums[:, which] for which in range(4)]
        for which, w in self._peepholes.items():
            z[which] = z[which] + (seen_by_o if which == _O else cell) * w
        i, f, o = (activated(self._gate, z[which]) for which in (_I, _F, _O))
        j = activated(self._new, z[_J])
        squashed = activated(self.output, new_cell)
        by_i, by_f, entering, kept = j.value * i.slope, cell * f.slope, i.value, f.value
        nothing = Noisy(0 * kept.value, 0.0, x.a)
        if self.equation.coupled:
            kept, by_f = _opposite(i.value), nothing
            by_i = (j.value - cell) * i.slope + _rounding_of(j.value, cell, i.slope)
        if self.equation.input_coupled:
            entering, by_i = _opposite(f.value), nothing
            by_f = (cell - j.value) * f.slope + _rounding_of(j.value, cell, f.slope)
        if self.equation.forget_bias_after:
            kept = kept + self.equation.forget_bias_after
        linear = {
            "v": joined([x, hidden], 1), "cell": cell, "seen by o": seen_by_o,
            "i": by_i, "f": by_f, "o": squashed.value * o.slope, "j": entering * j.slope,
            "kept": kept, "new": o.value * squashed.slope,
        }  # fmt: skip
        if self.equation.cell_clip is not None and not passed.through_clip:
            linear["clip"] = activated(self._clip, kept * cell + entering * j.value).slope
        if self._projection is not None:
            linear["product"] = o.value * squashed.value
            in_product = linear["product"] @ self._projection.matrices[1]
            linear["projected"] = activated(self._function, in_product).slope
        return linear

    def back(self, linear: Linear, hidden: Noisy, cell: Noisy) -> tuple[Made, Noisy, Noisy]:
        projected = hidden
        if self._projection is not None:
            projected = hidden * linear["projected"]
            hidden = projected @ self._projection.matrices[1].T
        o = hidden * linear["o"]
        new = cell + hidden * linear["new"]
        by_o = o * self._peepholes[_O] if _O in self._peepholes else None
        if by_o is not None and not self._previous:
            new = new + by_o
        new = new * linear["clip"] if "clip" in linear else new
        i, f, j = (new * linear[gate] for gate in "ifj")
        before = new * linear["kept"]
        for which, gate in ((_I, i), (_F, f)):
            if which in self._peepholes:
                before = before + gate * self._peepholes[which]
        if by_o is not None and self._previous:
            before = before + by_o
        sums = joined([o, i, f, j], 1)
        return (sums, projected), sums @ self.affine.matrices[1].T, before

    def by_inputs(self, sums: Noisy) -> Noisy:
        return sums @ self.affine.matrices[0].T

    def by_weights(self, linear: Linear, made: Made) -> Weighed:
        sums, projected = made
        kernel = _columns(linear["v"].transposed @ sums, self._order)
        bias = _columns(sums.summed(), self._order)[0]
        peepholes = projection = None
        if self._peepholes:
            gates = sums.reshape(len(sums.value), 4, -1)
            seen = [linear["seen by o" if gate == "o" else "cell"] for gate in PEEPHOLES]
            parts = [gates[:, ORDER.index(g)] * s for g, s in zip(PEEPHOLES, seen, strict=True)]
            peepholes = joined([part.summed() for part in parts], 0)
        if self._projection is not None:
            projection = linear["product"].transposed @ projected
        return kernel, bias, peepholes, projection


BACKWARD: Mapping[str, type[Backward]] = {"lstm": LstmBackward, "gru": GruBackward, "rnn": RnnBackward}
"""The step backwards of each kind of cell, by its name."""
