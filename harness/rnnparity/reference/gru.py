"""One step of a GRU in float64, and its noise."""

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
    sum_of_squares,
)

_R, _Z, _M, _N = range(4)
"""The sums: m is what h contributes to n, and n what x does."""
_GATES, _NEW = slice(_M), 2
"""r and z in sums and among activated gates, and n among the latter."""
_FAR = 1e6
"""There every function of a gate is at its end, if it has one."""


class GruSquares(NamedTuple):
    """How variances pass through a step, each ``[N, U]`` unless said otherwise.

    A variance in the sums of r, z and m counts ``by_sums`` ``[4, N, U]`` times in h', that of h itself
    ``by_hidden`` times; ``made`` is the variance made in the step itself. If the reset gate scales h before
    the recurrent kernel, the variance of r h is ``reset_by_sums`` times that in the sums of r,
    ``reset_by_hidden`` times that of h.
    """

    by_sums: Array
    by_hidden: Array
    made: Array
    reset_by_sums: Array | None
    reset_by_hidden: Array | None


class Reset(NamedTuple):
    """The product r h ``[N, U]``, and its derivatives ``[N, U]`` by the sums of r and by h."""

    value: Array
    by_sums: Array
    by_hidden: Array


class GruLinear(NamedTuple):
    """Steps at known states, each ``[N, U]`` unless said otherwise.

    ``slopes`` ``[4, N, U]`` are derivatives of h' by the sums, ``by_hidden`` that by h alone. ``alone`` is
    what the step adds to variances apart from the sums, ``made`` with them. ``systematic`` is the error of
    approximated activations. There is a ``reset`` if the reset gate scales h before the recurrent kernel.
    """

    slopes: Array
    by_hidden: Array
    alone: States
    made: States
    systematic: Array
    reset: Reset | None


class Gru(Step):
    """The GRU of :class:`~rnnparity_adapters.equation.Equation`, which describes its other forms as well::

        r = sigma([x, h] kernel_r + bias_r)     z = sigma([x, h] kernel_z + bias_z)
        n = tanh(x kernel_xn + bias_n + r (h kernel_hn + bias_m))
        h' = z h + (1 - z) n

    The kernel is ``[I+U, 3U]`` in the order r, z, n, the bias ``[4U]`` in the order r, z, n, m. The sums are
    those of r and z, of h in n, and of x in n.

    Source: Cho et al. 2014 (https://arxiv.org/abs/1406.1078), but with the reset gate after the recurrent
    product, as in PyTorch: https://docs.pytorch.org/docs/stable/generated/torch.nn.GRU.html
    """

    gates = 3

    def prepare(self, case: Case) -> None:
        size, (rows, _) = self.input_size, self.kernel.shape
        r, z, n = self.kernel.reshape(rows, 3, self.units).swapaxes(0, 1)
        of_gates, of_n, of_m = (self.bias.part(slice(*part)) for part in ((0, 2), (2, 3), (3, 4)))
        # Without reset_after the reset gate scales h alone, so m is added to the other bias. ONNX's GRU does
        # so where linear_before_reset is 0: https://onnx.ai/onnx/operators/onnx__GRU.html
        self._after = self.equation.reset_after
        if not self._after:
            of_n, of_m = of_n.plus(of_m), Bias(*(0 * array for array in of_m))
        self._gates = Affine(np.stack([r, z]), of_gates, size, self.a)
        self._new = Affine(n[None, :size], of_n, size, self.a)
        self._recurrent = Affine(n[None, size:], of_m, 0, self.a)
        self._gate, self._activation, *_ = functions(self.equation)
        self.activations = self._gate, self._activation
        ends = self._gate.function(np.array([-_FAR, _FAR]))
        if ends.min() >= 0 and ends.max() <= 1:  # h' lies between h and n
            self.bound = max(self._activation.bound, float(np.abs(case.initial_hidden).max(initial=0)))

    def of_inputs(self, x: Array) -> Array:
        sums = np.empty((4, *x.shape[:-1], self.units), self.dtype)
        for which, affine in ((_GATES, self._gates), (slice(_N, None), self._new)):
            np.matmul(x, affine.known, out=sums[which])
            sums[which] += affine.bias
        sums[_M] = self._recurrent.bias
        return sums

    def add_state(self, sums: Array, before: States) -> None:
        h = before.hidden
        sums[_GATES] += np.matmul(h, self._gates.carried)
        scaled = h if self._after else self._gate.function(sums[_R]) * h
        sums[_M] += np.matmul(scaled, self._recurrent.carried)[0]

    def advance(
        self, sums: Array, before: States, active: Array | None = None, cell_error: Array | None = None
    ) -> States:
        active = self.empty(sums) if active is None else active
        active[_GATES] = self._gate.function(sums[_GATES])
        recurrent = active[_R] * sums[_M] if self._after else sums[_M]
        active[_NEW] = self._activation.function(sums[_N] + recurrent)
        return self.values(active, before)

    def activated(self, sums: Array, before: States, after: States) -> Array:
        active = self.empty(sums)
        self.advance(sums, before, active)
        return active

    def values(self, active: Array, before: States) -> States:
        _, z, n = active
        kept, new = (1 - z, z) if self.equation.update_inverted else (z, 1 - z)
        hidden: Array = kept * before.hidden
        hidden += new * n
        return States(hidden, before.cell)

    def linearised(
        self,
        x: Array,
        sums: Array,
        active: Array,
        before: States,
        after: States,
        variance: States | None = None,
    ) -> GruLinear:
        u, h, recurrent = self.a.element, before.hidden, sums[_M]
        in_gates = self._gates.own(np.concatenate([x, h], axis=-1), sums[_GATES])
        spread, reach = in_gates, None
        if variance is not None:
            spread = in_gates + self._gates.through(variance.hidden)
            reach = reach_of(spread, self.a)
        both = gate(self._gate, sums[_GATES], active[_GATES], reach, self.a)
        r, z = (Gate(*(part[which] for part in both)) for which in (_R, _Z))
        if self.equation.update_inverted:  # Chung et al. 2014, https://arxiv.org/abs/1412.3555
            z = Gate(1 - z.value, -z.derivative, z.own)
        reset = None
        if self._after:
            scaled = r.value * recurrent
            in_recurrent = self._recurrent.own(h, recurrent[None])[0]
            in_new = r.value**2 * in_recurrent + sum_of_squares(recurrent * r.own, u * scaled)
            by_r = r.derivative * recurrent
        else:
            reset, scaled = Reset(r.value * h, r.derivative * h, r.value), recurrent
            own_reset = sum_of_squares(h * r.own, u * reset.value) + reset.by_sums**2 * in_gates[_R]
            in_new = self._recurrent.own(reset.value, recurrent[None])[0]
            in_new += self._recurrent.through(own_reset)[0]
            by_r = np.zeros_like(h)
        summed = sums[_N] + scaled
        in_new += self._new.own(x, sums[_N:])[0]
        in_new += np.square(u * summed)
        reach = None
        if variance is not None:
            through = self._recurrent.through(variance.hidden)[0]
            through = r.value**2 * through if self._after else through
            reach = reach_of(in_new + through + by_r**2 * spread[_R], self.a)
        n = gate(self._activation, summed, active[_NEW], reach, self.a)
        kept, apart = 1 - z.value, h - n.value
        by_n, own_n, own_z = kept * n.derivative, kept * n.own, apart * z.own
        new = kept * n.value
        old = z.value * h
        # The rounding covers a framework that computes n + z (h - n) instead.
        alone = sum_of_squares(old, new, new, z.value * apart, old + new)
        alone *= u**2
        alone += sum_of_squares(own_n, own_z)
        alone += noise.underflow(self.a)
        slopes = np.empty_like(sums)
        slopes[_R], slopes[_Z] = by_n * by_r, z.derivative * apart
        slopes[_M], slopes[_N] = by_n * r.value if self._after else by_n, by_n
        made = alone + slopes[_R] ** 2 * in_gates[_R] + slopes[_Z] ** 2 * in_gates[_Z] + by_n**2 * in_new
        systematic = np.abs(own_n) + np.abs(own_z)
        if self._after:
            systematic += np.abs(by_n * recurrent) * r.own
        else:
            matrix = np.abs(self._recurrent.carried[0])
            systematic += np.abs(by_n) * ((r.own * np.abs(h)) @ matrix)
        none = before.cell
        return GruLinear(slopes, z.value, States(alone, none), States(made, none), systematic, reset)

    def squared(self, linear: GruLinear) -> GruSquares:
        by_sums, by_hidden, reset = np.square(linear.slopes), np.square(linear.by_hidden), linear.reset
        of_reset = (np.square(reset.by_sums), np.square(reset.by_hidden)) if reset else (None, None)
        return GruSquares(by_sums, by_hidden, linear.made.hidden, *of_reset)

    def spread(self, squares: GruSquares, variance: States) -> States:
        h = variance.hidden
        of_r, of_z = self._gates.through(h)
        scaled = h
        if squares.reset_by_sums is not None and squares.reset_by_hidden is not None:
            scaled = squares.reset_by_hidden * h + squares.reset_by_sums * of_r
        hidden = squares.by_hidden * h
        hidden += squares.made
        hidden += squares.by_sums[_R] * of_r
        hidden += squares.by_sums[_Z] * of_z
        hidden += squares.by_sums[_M] * self._recurrent.through(scaled)[0]
        return States(hidden, variance.cell)

    def fed(self, squares: GruSquares, variance: Array) -> GruSquares:
        of_r, of_z = self._gates.fed(variance)
        made = squares.made + squares.by_sums[_R] * of_r + squares.by_sums[_Z] * of_z
        made = made + squares.by_sums[_N] * self._new.fed(variance)[0]
        if squares.reset_by_sums is not None:
            made += squares.by_sums[_M] * self._recurrent.through(squares.reset_by_sums * of_r)[0]
        return squares._replace(made=made)

    def errors(self, linear: GruLinear, before: States, after: States) -> tuple[States, float]:
        h = before.hidden
        of_gates = np.matmul(h, self._gates.carried)
        of_reset = h
        if linear.reset:
            of_reset = linear.reset.by_hidden * h + linear.reset.by_sums * of_gates[_R]
        of_new = np.matmul(of_reset, self._recurrent.carried)[0]
        hidden = linear.by_hidden * h + linear.slopes[_M] * of_new
        hidden += linear.slopes[_Z] * of_gates[_Z]
        if not linear.reset:
            hidden += linear.slopes[_R] * of_gates[_R]
        return States(hidden, before.cell), largest(of_gates, of_new, h)

    def repeated(self, linear: GruLinear, x: Array) -> tuple[States, States]:
        by_sums, alone, parts = np.square(linear.slopes), linear.alone, []
        for (of_r, of_z), new, made in (
            (
                self._gates.of_constants(),
                self._new.of_constants()[0],
                by_sums[_M] * self._recurrent.of_constants()[0],
            ),
            (self._gates.of_known(x), self._new.of_known(x)[0], alone.hidden),
        ):
            in_gates = by_sums[_R] * of_r + by_sums[_Z] * of_z
            parts.append(alone._replace(hidden=in_gates + by_sums[_N] * new + made))
        return parts[0], parts[1]

    def sensitivities(
        self, linear: GruLinear, x: Array, before: States, errors: States, scales: States
    ) -> tuple[Sensitivity, ...]:
        """The gates r, z, n and m, all seen in h'. Each ``v`` is ``[N, rows]``, everything else ``[N, U]``.

        n has only the rows of x. The recurrent rows of n, and the recurrent bias, belong to m.
        """
        h, size, error = before.hidden, self.input_size, errors.hidden
        v = np.concatenate([x, h], axis=-1)
        slopes, systematic = linear.slopes / scales.hidden, linear.systematic / scales.hidden
        of_x = of_own_unit("n", x, slopes[_N:], error, systematic)
        of_m = slopes[_M : _M + 1]
        if not linear.reset:
            of_gates = of_own_unit("rz", v, slopes[_GATES], error, systematic)
            return of_gates, of_own_unit("m", h, of_m, error, systematic, start=size), of_x
        matrix, slope = self._recurrent.carried[0], slopes[_N]
        return (
            of_own_unit("z", v, slopes[_Z:_M], error, systematic),
            of_own_unit("m", linear.reset.value, of_m, error, systematic, start=size),
            through_matrix("r", v, linear.reset.by_sums, matrix, slope, error, systematic),
            of_x,
        )
