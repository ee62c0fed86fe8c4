"""One step of an LSTM in float64, and its noise."""

from typing import NamedTuple

import numpy as np

from rnnparity.reference import noise
from rnnparity.reference.activations import functions
from rnnparity.reference.case import Case
from rnnparity.reference.noise import Array
from rnnparity.reference.sensitivities import Sensitivity, of_own_unit, through_matrix
from rnnparity.reference.steps import (
    Affine,
    Bias,
    Gate,
    States,
    Step,
    gate,
    largest,
    reach_of,
    sum_of_sizes,
    sum_of_squares,
)
from rnnparity_adapters.kinds import PEEPHOLES

ORDER = "oifj"
"""The gates as they are computed here: those of one activation side by side, and those seen in c' too."""
_O, _I, _F, _J = range(4)
_SQUASHED = 4
"""tanh(c'), which is activated as gates are."""
_SIGMOID, _IN_CELL = slice(_J), slice(_I, _SQUASHED)


class LstmSquares(NamedTuple):
    """How variances pass through a step, each ``[N, U]`` unless said otherwise.

    A variance in the sums counts ``by_sums`` ``[4, N, U]`` times: that of o in o tanh(c'), the others in c'.
    The variance of c counts ``by_cell`` times in c', that of c' ``by_new`` times in o tanh(c'), and that of c
    ``by_old`` times. ``cell`` and ``product`` are the variances made in the step itself. With a projection,
    whose sums count ``by_projected`` ``[N, P]`` times in h', ``projected`` ``[N, P]`` is made there.
    """

    by_sums: Array
    by_cell: Array
    by_new: Array
    by_old: Array | None
    cell: Array
    product: Array
    projected: Array | None
    by_projected: Array | None


class LstmLinear(NamedTuple):
    """Steps at known states, each ``[N, U]`` unless said otherwise.

    ``slopes`` ``[4, N, U]`` are derivatives by the sums: of c' by those of i, f and j, of o tanh(c') by that
    of o. ``by_cell`` is the derivative of c' by c, ``by_new`` that of o tanh(c') by c', and ``by_old`` by c.
    ``alone`` is what the step adds to the variances of o tanh(c') and of c' apart from the sums, ``own``
    what it adds with them, and ``made`` that of h' and of c'. ``systematic`` are the errors of approximated
    activations in o tanh(c') and in c'. If there is a projection, ``product`` is o tanh(c'), ``projected``
    ``[N, P]`` h', and ``own_projected`` ``[N, P]`` the variance that is made there.
    """

    slopes: Array
    by_cell: Array
    by_new: Array
    by_old: Array | None
    alone: States
    own: States
    made: States
    systematic: States
    product: Array
    projected: Gate | None
    own_projected: Array | None


class Lstm(Step):
    """The LSTM of :class:`~rnnparity_adapters.equation.Equation`::

        z = [x, h] kernel + bias        i, j, f, o = z
        c' = sigma(f + forget_bias) c + sigma(i) tanh(j)
        h' = sigma(o) tanh(c')          or that times the projection

    The kernel is ``[I+P, 4U]``, the bias ``[4U]``, both in the order i, j, f, o.

    Sources: Hochreiter & Schmidhuber 1997 (https://doi.org/10.1162/neco.1997.9.8.1735), with tanh for both
    squashing functions and the forget gate of Gers, Schmidhuber & Cummins 2000
    (https://doi.org/10.1162/089976600300015015). The forget bias of Jozefowicz, Zaremba & Sutskever 2015
    (https://proceedings.mlr.press/v37/jozefowicz15.html) is added at each step, as in TensorFlow 1. The
    projection is that of Sak, Senior & Beaufays 2014 (https://arxiv.org/abs/1402.1128).
    """

    gates = 5

    def prepare(self, case: Case) -> None:
        equation, units, size = self.equation, self.units, self.input_size
        order = [case.gates.index(name) for name in ORDER]
        kernel = self.kernel.reshape(len(self.kernel), 4, units).swapaxes(0, 1)[order]
        constant = np.zeros((4, units), self.dtype)
        constant[_F] = equation.forget_bias
        bias = self.bias.part(order).plus(Bias(constant, np.abs(constant), 0 * constant))
        self.affine = Affine(np.ascontiguousarray(kernel), bias, size, self.a)
        self._gate, self._new, self.output, self._function = functions(equation)
        self.activations = self._gate, self._new, self.output, self._function
        self._peepholes: dict[int, Array] = {}
        if case.peepholes is not None:
            peepholes = self._own(case.peepholes)
            self._peepholes = {ORDER.index(g): w for g, w in zip(PEEPHOLES, peepholes, strict=True)}
        self._projection: Affine | None = None
        if case.projection is not None:
            matrix = self._own(case.projection)[None]
            nothing = np.zeros_like(matrix[:, 0])
            self._projection = Affine(matrix, Bias(nothing, nothing, nothing), 0, self.a)
        self.bound = self._function.bound
        if self._projection is None:
            self.bound = self._gate.bound * self.output.bound

    def advance(
        self, sums: Array, before: States, active: Array | None = None, cell_error: Array | None = None
    ) -> States:
        active = self.empty(sums) if active is None else active
        self._open(sums, before.cell, active)
        cell = self._mixed(active, before.cell)
        cell = cell if cell_error is None else cell + cell_error
        self._squash(sums, before.cell, cell, active)
        return States(self._shown(active), cell)

    def activated(self, sums: Array, before: States, after: States) -> Array:
        active = self.empty(sums)
        self._open(sums, before.cell, active)
        self._squash(sums, before.cell, after.cell, active)
        return active

    def values(self, active: Array, before: States) -> States:
        return States(self._shown(active), self._mixed(active, before.cell))

    def _open(self, z: Array, c: Array, active: Array) -> None:
        """Activate the gates; o waits for the new cell state, where it has a peephole."""
        if self._peepholes:
            z = z.copy()
            for which in (_I, _F):
                z[which] += self._peepholes[which] * c
        active[_SIGMOID] = self._gate.function(z[_SIGMOID])
        active[_J] = self._new.function(z[_J])

    def _squash(self, z: Array, old: Array, new: Array, active: Array) -> None:
        """Compute tanh(c'), and o if it sees c'."""
        if self._peepholes:
            seen = self._seen_by_o(old, new)
            active[_O] = self._gate.function(z[_O] + self._peepholes[_O] * seen)
        active[_SQUASHED] = self.output.function(new)

    def _shown(self, active: Array) -> Array:
        """The hidden state h' ``[N, P]``."""
        hidden: Array = active[_O] * active[_SQUASHED]
        if self._projection is not None:
            hidden = self._function.function(hidden @ self._projection.carried[0])
        return hidden

    def _seen_by_o(self, old: Array, new: Array) -> Array:
        # o's peephole sees the new cell state, as in Gers & Schmidhuber 2000
        # (https://ieeexplore.ieee.org/document/861302), or by mistake the previous one.
        return old if self.equation.output_peephole_previous else new

    def _mixed(self, active: Array, c: Array) -> Array:
        """Compute c' ``[N, U]`` from the activated gates and c."""
        i, f, j = active[_IN_CELL]
        if self.equation.coupled:  # Greff et al. 2015, https://arxiv.org/abs/1503.04069
            f = 1 - i
        if self.equation.input_coupled:  # TensorFlow 1's CoupledInputForgetGateLSTMCell
            i = 1 - f
        if self.equation.forget_bias_after:
            f = f + self.equation.forget_bias_after
        value: Array = f * c
        value += i * j
        # The clipped state is stored, and is what o's peephole and tanh see:
        # https://github.com/tensorflow/tensorflow/blob/v1.15.5/tensorflow/python/ops/rnn_cell_impl.py
        clip = self.equation.cell_clip
        return value if clip is None else np.clip(value, -clip, clip)

    def linearised(
        self,
        x: Array,
        sums: Array,
        active: Array,
        before: States,
        after: States,
        variance: States | None = None,
    ) -> LstmLinear:
        u, c, in_sums = self.a.element, before.cell, self._own_sums(x, sums, before)
        i, f, o, j = self._gates(sums, active, in_sums, before, after, variance)
        into_i = j.value - c if self.equation.coupled else j.value
        into_f = c - j.value if self.equation.input_coupled else c
        cell = self._mixed(active, c)
        i, f = self._mixing(i, f)
        in_cell = [i.own * into_i, f.own * into_f, j.own * i.value]
        own_cell = u**2 * sum_of_squares(f.value * c, i.value * j.value, cell)
        own_cell += sum_of_squares(*in_cell)
        own_cell += noise.underflow(self.a)
        reach = None if variance is None else reach_of(f.value**2 * variance.cell + own_cell, self.a)
        squashed = gate(self.output, after.cell, active[_SQUASHED], reach, self.a)
        product = o.value * squashed.value
        in_product = [o.own * squashed.value, squashed.own * o.value]
        own_product = sum_of_squares(u * product, *in_product)
        own_product += noise.underflow(self.a)

        slopes = np.empty_like(in_sums)
        for which, derivative, into in (
            (_O, o.derivative, squashed.value),
            (_I, i.derivative, into_i),
            (_F, f.derivative, into_f),
            (_J, j.derivative, i.value),
        ):
            np.multiply(derivative, into, out=slopes[which])
        by_cell, by_new, by_old = f.value.copy(), o.value * squashed.derivative, None
        if self._peepholes:
            by_cell = by_cell + slopes[_I] * self._peepholes[_I] + slopes[_F] * self._peepholes[_F]
            seen = slopes[_O] * self._peepholes[_O]
            by_new, by_old = (
                (by_new, seen) if self.equation.output_peephole_previous else (by_new + seen, None)
            )
        in_sums *= slopes
        in_sums *= slopes
        own = States(own_product + in_sums[_O], own_cell + in_sums[_I] + in_sums[_F] + in_sums[_J])
        projected, own_projected, made = None, None, own
        if self._projection is not None:
            in_hidden = (product @ self._projection.carried)[0]
            projected = gate(self._function, in_hidden, self._function.function(in_hidden), None, self.a)
            own_projected = projected.derivative**2 * self._projection.own(product, in_hidden[None])[0]
            own_projected += projected.own**2
            made = own._replace(hidden=self._in_hidden(projected, own.hidden) + own_projected)
        systematic = States(*(sum_of_sizes(*parts) for parts in (in_product, in_cell)))
        return LstmLinear(
            slopes, by_cell, by_new, by_old, States(own_product, own_cell), own, made, systematic,
            product, projected, own_projected,
        )  # fmt: skip

    def _own_sums(self, x: Array, sums: Array, before: States) -> Array:
        """The variance ``[4, N, U]`` that rounding adds to the sums, but for peepholes."""
        return self.affine.own(np.concatenate([x, before.hidden], axis=-1), sums)

    def _gates(
        self,
        z: Array,
        active: Array,
        own: Array,
        before: States,
        after: States,
        variance: States | None,
    ) -> tuple[Gate, Gate, Gate, Gate]:
        """The gates i, f, o and j ``[N, U]`` of the sums ``z`` ``[4, N, U]``.

        Adds to ``own`` ``[4, N, U]``, the variance made in the sums, what peepholes add.
        """
        spread = None if variance is None else own + self.affine.through(variance.hidden)
        z = z.copy() if self._peepholes else z
        for which, weights in self._peepholes.items():
            added = weights * (self._seen_by_o(before.cell, after.cell) if which == _O else before.cell)
            z[which] += added
            rounding = self.a.element**2 * (added * added + z[which] * z[which])
            own[which] += rounding
            if spread is not None and variance is not None:
                spread[which] += rounding + weights**2 * variance.cell
        reach = None if spread is None else reach_of(spread, self.a)
        sigmoid, j = (
            gate(function, z[which], active[which], None if reach is None else reach[which], self.a)
            for function, which in ((self._gate, _SIGMOID), (self._new, _J))
        )
        o, i, f = (Gate(*(part[which] for part in sigmoid)) for which in (_O, _I, _F))
        return i, f, o, j

    def _mixing(self, i: Gate, f: Gate) -> tuple[Gate, Gate]:
        """What scales the new input and c: the gates, or 1 - the other one; and a constant added to f."""
        none = np.zeros_like(i.value)
        if self.equation.coupled:
            f = Gate(1 - i.value, none, none)
        if self.equation.input_coupled:
            i = Gate(1 - f.value, none, none)
        if not self.equation.forget_bias_after:
            return i, f
        value = f.value + self.equation.forget_bias_after
        return i, Gate(value, f.derivative, np.hypot(f.own, self.a.element * value))

    def squared(self, linear: LstmLinear) -> LstmSquares:
        projected, by_old = linear.projected, linear.by_old
        return LstmSquares(
            np.square(linear.slopes),
            np.square(linear.by_cell),
            np.square(linear.by_new),
            None if by_old is None else np.square(by_old),
            linear.own.cell,
            linear.own.hidden,
            linear.own_projected,
            None if projected is None else np.square(projected.derivative),
        )

    def spread(self, squares: LstmSquares, variance: States) -> States:
        sums = squares.by_sums * self.affine.through(variance.hidden)
        cell = squares.by_cell * variance.cell
        for part in (squares.cell, sums[_I], sums[_F], sums[_J]):
            cell += part
        product = squares.by_new * cell
        product += squares.product
        product += sums[_O]
        if squares.by_old is not None:
            product += squares.by_old * variance.cell
        if squares.by_projected is None or squares.projected is None or self._projection is None:
            return States(product, cell)
        through = squares.by_projected * self._projection.through(product)[0]
        return States(through + squares.projected, cell)

    def fed(self, squares: LstmSquares, variance: Array) -> LstmSquares:
        sums = squares.by_sums * self.affine.fed(variance)
        cell = squares.cell + sums[_I] + sums[_F] + sums[_J]
        return squares._replace(cell=cell, product=squares.product + sums[_O])

    def _in_hidden(self, projected: Gate | None, product: Array) -> Array:
        """What a variance ``[N, U]`` of o tanh(c') is in h' ``[N, P]``."""
        if projected is None or self._projection is None:
            return product
        through: Array = projected.derivative**2 * self._projection.through(product)[0]
        return through

    @property
    def smooth(self) -> bool:
        plain = not self._peepholes and self._projection is None and self.equation.cell_clip is None
        return super().smooth and plain

    def errors(self, linear: LstmLinear, before: States, after: States) -> tuple[States, float]:
        sums = np.matmul(before.hidden, self.affine.carried)
        most = largest(sums, *before, after.cell)
        sums *= linear.slopes
        cell = linear.by_cell * before.cell
        for which in (_I, _F, _J):
            cell += sums[which]
        # Both factors of o tanh(c') change. It may be tiny, and so the product of their changes counts.
        hidden = linear.by_new * after.cell
        hidden *= 1 + self.a.unit * (sums[_O] / linear.product)
        hidden += sums[_O]
        return States(hidden, cell), most

    def repeated(self, linear: LstmLinear, x: Array) -> tuple[States, States]:
        parts, by_sums = [], np.square(linear.slopes)
        none = States.zeros_like(linear.alone)
        for own, alone in ((self.affine.of_constants(), none), (self.affine.of_known(x), linear.alone)):
            made = by_sums * own
            hidden = self._in_hidden(linear.projected, made[_O] + alone.hidden)
            parts.append(States(hidden, made[_I] + made[_F] + made[_J] + alone.cell))
        return parts[0], parts[1]

    def sensitivities(
        self, linear: LstmLinear, x: Array, before: States, errors: States, scales: States
    ) -> tuple[Sensitivity, ...]:
        """The gates i, f and j seen in c' ``[N, U]``; o, and the projection p if any, in h' ``[N, P]``."""
        v = np.concatenate([x, before.hidden], axis=-1)
        in_cell = of_own_unit(
            ORDER[_IN_CELL],
            v,
            linear.slopes[_IN_CELL] / scales.cell,
            errors.cell,
            linear.systematic.cell / scales.cell,
            in_cell=True,
        )
        by_o, systematic = linear.slopes[_O], linear.systematic.hidden
        if self._projection is None or linear.projected is None:
            one = (by_o / scales.hidden)[None]
            return in_cell, of_own_unit("o", v, one, errors.hidden, systematic / scales.hidden)
        matrix, slope = self._projection.carried[0], linear.projected.derivative / scales.hidden
        systematic = (systematic @ np.abs(matrix)) * slope + linear.projected.own / scales.hidden
        return (
            in_cell,
            through_matrix("o", v, by_o, matrix, slope, errors.hidden, systematic),
            of_own_unit("p", linear.product, slope[None], errors.hidden, systematic),
        )
