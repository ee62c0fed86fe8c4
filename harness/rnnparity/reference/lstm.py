"""One step of an LSTM in float64, and its noise."""

from typing import NamedTuple

import numpy as np

from rnnparity.reference import noise
from rnnparity.reference.activations import functions
from rnnparity.reference.case import Case
from rnnparity.reference.noise import Array
from rnnparity.reference.sensitivities import Sensitivity, of_own_unit, through_matrix
from rnnparity.reference.steps import Affine, Bias, Gate, States, Step, gate, reach_of
from rnnparity_adapters.kinds import PEEPHOLES

ORDER = "ifoj"
"""The gates as they are computed here, those of one activation side by side: the middle axis of sums."""
_I, _F, _O, _J = range(4)


class LstmNoise(NamedTuple):
    """How variances pass through a step, each ``[N, U]`` unless said otherwise.

    A variance in the sums counts ``by_sums`` ``[N, 4, U]`` times: that of o in o tanh(c'), the others in c'.
    The variance of c counts ``by_cell`` times in c', that of c' ``by_new`` times in o tanh(c'), and that of c
    ``by_old`` times. ``cell`` and ``product`` are the variances made in the step itself. With a projection,
    whose sums count ``by_projected`` ``[N, P]`` times in h', ``projected`` ``[N, P]`` is made there.
    """

    by_sums: Array
    by_cell: Array
    by_new: Array
    by_old: Array
    cell: Array
    product: Array
    projected: Array | None
    by_projected: Array | None


class LstmLinear(NamedTuple):
    """Steps at known states: ``v`` ``[N, I+P]`` is [x, h], all else is ``[N, U]`` unless said otherwise.

    ``slopes`` ``[N, 4, U]`` are derivatives by the sums: of c' by those of i, f and j, of o tanh(c') by that
    of o. ``by_cell`` is the derivative of c' by c, ``by_new`` that of o tanh(c') by c', ``into_i`` and
    ``into_f`` are those of c' by i and by f. ``squashed`` is tanh(c'), and ``cell`` the value of c'.
    ``projected`` ``[N, P]`` is h', if there is a projection. ``alone`` is what the step adds to the variances
    of o tanh(c') and of c' apart from the sums.
    """

    noise: LstmNoise
    alone: States
    v: Array
    slopes: Array
    by_cell: Array
    by_new: Array
    into_i: Array
    into_f: Array
    i: Gate
    f: Gate
    o: Gate
    j: Gate
    squashed: Gate
    cell: Array
    projected: Gate | None


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

    def prepare(self, case: Case) -> None:
        equation, units, size = self.equation, self.units, self.input_size
        order = [case.gates.index(name) for name in ORDER]
        kernel = self.kernel.reshape(len(self.kernel), 4, units)[:, order].reshape(len(self.kernel), -1)
        constant = np.repeat([0.0, equation.forget_bias, 0.0, 0.0], units)
        bias = self.bias.part(np.concatenate([np.arange(units) + gate * units for gate in order]))
        bias = bias.plus(Bias(constant, np.abs(constant), 0 * constant))
        self.affine = Affine(kernel, bias, size, self.a)
        self._gate, self._new, self.output, self._function = functions(equation)
        self.activations = self._gate, self._new, self.output, self._function
        self._peepholes: dict[int, Array] = {}
        if case.peepholes is not None:
            peepholes = np.asarray(case.peepholes, np.float64)
            self._peepholes = {ORDER.index(g): w for g, w in zip(PEEPHOLES, peepholes, strict=True)}
        self._projection: Affine | None = None
        if case.projection is not None:
            matrix = np.asarray(case.projection, np.float64)
            nothing = np.zeros(matrix.shape[1])
            self._projection = Affine(matrix, Bias(nothing, nothing, nothing), 0, self.a)
        self.bound = self._function.bound
        if self._projection is None:
            self.bound = self._gate.bound * self.output.bound

    def advance(self, sums: Array, before: States, cell_error: Array | None = None) -> States:
        z = sums.reshape(len(sums), 4, -1)
        ifo, j = z[:, :_J], self._new.function(z[:, _J])
        if self._peepholes:
            ifo = ifo.copy()
            for which in (_I, _F):
                ifo[:, which] += self._peepholes[which] * before.cell
        i, f, o = self._gate.function(ifo).swapaxes(0, 1)
        cell = self._mixed(i, f, j, before.cell)
        cell = cell if cell_error is None else cell + cell_error
        if self._peepholes:  # o waits for the new cell state
            seen = self._seen_by_o(before.cell, cell)
            o = self._gate.function(z[:, _O] + self._peepholes[_O] * seen)
        hidden = o * self.output.function(cell)
        if self._projection is not None:
            hidden = self._function.function(hidden @ self._projection.carried)
        return States(hidden, cell)

    def _seen_by_o(self, old: Array, new: Array) -> Array:
        # o's peephole sees the new cell state, as in Gers & Schmidhuber 2000
        # (https://ieeexplore.ieee.org/document/861302), or by mistake the previous one.
        return old if self.equation.output_peephole_previous else new

    def _mixed(self, i: Array, f: Array, j: Array, c: Array) -> Array:
        """Compute c' ``[N, U]`` from the activated gates and c."""
        if self.equation.coupled:  # Greff et al. 2015, https://arxiv.org/abs/1503.04069
            f = 1 - i
        if self.equation.input_coupled:  # TensorFlow 1's CoupledInputForgetGateLSTMCell
            i = 1 - f
        if self.equation.forget_bias_after:
            f = f + self.equation.forget_bias_after
        value: Array = f * c + i * j
        # The clipped state is stored, and is what o's peephole and tanh see:
        # https://github.com/tensorflow/tensorflow/blob/v1.15.5/tensorflow/python/ops/rnn_cell_impl.py
        clip = self.equation.cell_clip
        return value if clip is None else np.clip(value, -clip, clip)

    def linearised(
        self, x: Array, sums: Array, before: States, after: States, variance: States | None
    ) -> LstmLinear:
        u, c = self.a.element, before.cell
        v = np.concatenate([x, before.hidden], axis=-1)
        own = self.affine.own(v, sums).reshape(len(x), 4, -1)
        i, f, o, j = self._gates(sums.reshape(own.shape), own, before, after, variance)
        cell = self._mixed(i.value, f.value, j.value, c)
        into_i = j.value - c if self.equation.coupled else j.value
        into_f = c - j.value if self.equation.input_coupled else c
        i, f = self._mixing(i, f)
        own_cell = (i.own * into_i) ** 2 + (f.own * into_f) ** 2 + (j.own * i.value) ** 2
        own_cell += noise.underflow(self.a)
        own_cell += u * u * ((f.value * c) ** 2 + (i.value * j.value) ** 2 + cell * cell)
        reach = None if variance is None else reach_of(f.value**2 * variance.cell + own_cell)
        squashed = gate(self.output, after.cell, reach, self.a)
        slopes = np.empty_like(own)
        slopes[:, _I], slopes[:, _F] = i.derivative * into_i, f.derivative * into_f
        slopes[:, _O], slopes[:, _J] = o.derivative * squashed.value, j.derivative * i.value
        product = o.value * squashed.value
        own_product = (o.own * squashed.value) ** 2 + (squashed.own * o.value) ** 2 + (u * product) ** 2
        own_product += noise.underflow(self.a)
        by_cell, by_new, by_old = f.value, o.value * squashed.derivative, np.zeros_like(c)
        if self._peepholes:
            by_cell = by_cell + slopes[:, _I] * self._peepholes[_I] + slopes[:, _F] * self._peepholes[_F]
            seen = slopes[:, _O] * self._peepholes[_O]
            by_new, by_old = (
                (by_new, seen) if self.equation.output_peephole_previous else (by_new + seen, by_old)
            )
        by_sums = slopes * slopes
        made = by_sums * own
        projected, by_projected, own_projected = None, None, None
        if self._projection is not None:
            in_product = product @ self._projection.carried
            projected = gate(self._function, in_product, None, self.a)
            by_projected = projected.derivative**2
            own_projected = by_projected * self._projection.own(product, in_product) + projected.own**2
        made_here = LstmNoise(
            by_sums, by_cell**2, by_new**2, by_old**2,
            own_cell + made[:, _I] + made[:, _F] + made[:, _J], own_product + made[:, _O],
            own_projected, by_projected,
        )  # fmt: skip
        alone = States(own_product, own_cell)
        return LstmLinear(
            made_here,
            alone,
            v,
            slopes,
            by_cell,
            by_new,
            into_i,
            into_f,
            i,
            f,
            o,
            j,
            squashed,
            cell,
            projected,
        )

    def _gates(
        self, z: Array, own: Array, before: States, after: States, variance: States | None
    ) -> tuple[Gate, Gate, Gate, Gate]:
        """The gates i, f, o and j ``[N, U]`` of the sums ``z`` ``[N, 4, U]``.

        Adds to ``own`` ``[N, 4, U]``, the variance made in the sums, what peepholes add.
        """
        spread = None if variance is None else own + self.affine.through(variance.hidden).reshape(own.shape)
        seen_by_o = self._seen_by_o(before.cell, after.cell)
        gates = []
        for which in range(4):
            seen, total = seen_by_o if which == _O else before.cell, z[:, which]
            if which in self._peepholes:
                added = self._peepholes[which] * seen
                total = total + added
                rounding = self.a.element**2 * (added * added + total * total)
                own[:, which] += rounding
                if spread is not None and variance is not None:
                    spread[:, which] += rounding + self._peepholes[which] ** 2 * variance.cell
            reach = None if spread is None else reach_of(spread[:, which])
            gates.append(gate(self._new if which == _J else self._gate, total, reach, self.a))
        return gates[_I], gates[_F], gates[_O], gates[_J]

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

    def spread(self, linear: LstmNoise, variance: States) -> States:
        sums = linear.by_sums * self.affine.through(variance.hidden).reshape(linear.by_sums.shape)
        cell = linear.cell + linear.by_cell * variance.cell + sums[:, _I] + sums[:, _F] + sums[:, _J]
        product = linear.product + sums[:, _O] + linear.by_new * cell
        if self.equation.output_peephole_previous:
            product = product + linear.by_old * variance.cell
        return States(self._in_hidden(linear, product), cell)

    def fed(self, linear: LstmNoise, variance: Array) -> LstmNoise:
        sums = linear.by_sums * self.affine.fed(variance).reshape(linear.by_sums.shape)
        cell = linear.cell + sums[:, _I] + sums[:, _F] + sums[:, _J]
        return linear._replace(cell=cell, product=linear.product + sums[:, _O])

    def _in_hidden(self, linear: LstmNoise, product: Array) -> Array:
        """The variance of h' ``[N, P]``, from that of o tanh(c') ``[N, U]``."""
        if self._projection is None:
            return product
        assert linear.by_projected is not None
        assert linear.projected is not None
        through: Array = linear.by_projected * self._projection.through(product) + linear.projected
        return through

    def local(self, linear: LstmLinear) -> tuple[States, States]:
        hidden = linear.o.value * linear.squashed.value
        if linear.projected is not None:
            hidden = linear.projected.value
        made = linear.noise
        return States(hidden, linear.cell), States(self._in_hidden(made, made.product), made.cell)

    def repeated(self, linear: LstmLinear, x: Array) -> tuple[States, States]:
        parts = []
        none = States.zeros_like(linear.alone)
        for own, alone in ((self.affine.of_constants(), none), (self.affine.of_known(x), linear.alone)):
            made = linear.noise.by_sums * own.reshape(-1, 4, self.units)
            product = made[:, _O] + alone.hidden
            if self._projection is not None:
                assert linear.noise.by_projected is not None
                product = linear.noise.by_projected * self._projection.through(product)
            parts.append(States(product, made[:, _I] + made[:, _F] + made[:, _J] + alone.cell))
        return parts[0], parts[1]

    def sensitivities(
        self, linear: LstmLinear, before: States, errors: States, scales: States
    ) -> dict[str, Sensitivity]:
        """The gates i, j and f seen in c' ``[N, U]``; o, and the projection p if any, in h' ``[N, P]``."""
        in_cell, in_product = self.systematic(linear)
        found = {
            name: of_own_unit(
                linear.v,
                linear.slopes[:, which] / scales.cell,
                errors.cell,
                in_cell / scales.cell,
                in_cell=True,
            )
            for name, which in (("i", _I), ("j", _J), ("f", _F))
        }
        by_o = linear.slopes[:, _O]
        if self._projection is None or linear.projected is None:
            found["o"] = of_own_unit(
                linear.v, by_o / scales.hidden, errors.hidden, in_product / scales.hidden
            )
            return found
        matrix, slope = self._projection.carried, linear.projected.derivative / scales.hidden
        systematic = (in_product @ np.abs(matrix)) * slope + linear.projected.own / scales.hidden
        found["o"] = through_matrix(linear.v, by_o, matrix, slope, errors.hidden, systematic)
        product = linear.o.value * linear.squashed.value
        found["p"] = of_own_unit(product, slope, errors.hidden, systematic)
        return found

    @staticmethod
    def systematic(linear: LstmLinear) -> tuple[Array, Array]:
        """The errors ``[N, U]`` of approximated activations in c', and in o tanh(c')."""
        i, f, o, j, squashed = linear.i, linear.f, linear.o, linear.j, linear.squashed
        in_cell = f.own * np.abs(linear.into_f) + i.own * np.abs(linear.into_i) + j.own * np.abs(i.value)
        return in_cell, o.own * np.abs(squashed.value) + squashed.own * np.abs(o.value)
