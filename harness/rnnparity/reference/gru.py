"""One step of a GRU in float64, and its noise."""

from typing import NamedTuple

import numpy as np

from rnnparity.reference import noise
from rnnparity.reference.activations import functions
from rnnparity.reference.case import Case
from rnnparity.reference.noise import Array
from rnnparity.reference.sensitivities import Sensitivity, of_own_unit, through_matrix
from rnnparity.reference.steps import Affine, Bias, Gate, States, Step, gate, reach_of

_R, _Z, _N, _M = range(4)
_FAR = 1e6
"""There every function of a gate is at its end, if it has one."""


class GruNoise(NamedTuple):
    """How variances pass through a step, each ``[N, U]`` unless said otherwise.

    A variance in the sums of r, z and m counts ``by_sums`` ``[N, 4, U]`` times in h', that of h itself
    ``by_hidden`` times; ``made`` is the variance made in the step itself. If the reset gate scales h before
    the recurrent kernel, the variance of r h is ``reset_by_sums`` times that in the sums of r, ``reset_by_h``
    times that of h.
    """

    by_sums: Array
    by_hidden: Array
    made: Array
    reset_by_sums: Array
    reset_by_hidden: Array


class GruLinear(NamedTuple):
    """Steps at known states: ``v`` ``[N, I+U]`` is [x, h], all else is ``[N, U]`` unless said otherwise.

    ``hidden`` is h', ``recurrent`` what h contributes to the pre-activation of n; with ``reset_after``,
    before r scales it. ``reset`` is r h. The gates r, z and n are activated. ``alone`` is what the step adds
    to variances apart from the sums.
    """

    noise: GruNoise
    alone: States
    v: Array
    r: Gate
    z: Gate
    n: Gate
    recurrent: Array
    reset: Array
    hidden: Array


class Gru(Step):
    """The GRU of :class:`~rnnparity_adapters.equation.Equation`, which describes its other forms as well::

        r = sigma([x, h] kernel_r + bias_r)     z = sigma([x, h] kernel_z + bias_z)
        n = tanh(x kernel_xn + bias_n + r (h kernel_hn + bias_m))
        h' = z h + (1 - z) n

    The kernel is ``[I+U, 3U]`` in the order r, z, n, the bias ``[4U]`` in the order r, z, n, m. The sums are
    those of r and z, of x in n, and of h in n.

    Source: Cho et al. 2014 (https://arxiv.org/abs/1406.1078), but with the reset gate after the recurrent
    product, as in PyTorch: https://docs.pytorch.org/docs/stable/generated/torch.nn.GRU.html
    """

    def prepare(self, case: Case) -> None:
        units, size = self.units, self.input_size
        kernel = self.kernel.reshape(len(self.kernel), 3, units)
        r_and_z, of_n, of_m = (
            self.bias.part(slice(first * units, last * units))
            for first, last in ((_R, _N), (_N, _M), (_M, 4))
        )
        # Without reset_after the reset gate scales h alone, so m is added to the other bias. ONNX's GRU does
        # so where linear_before_reset is 0: https://onnx.ai/onnx/operators/onnx__GRU.html
        self._after = self.equation.reset_after
        if not self._after:
            of_n, of_m = of_n.plus(of_m), Bias(*np.zeros((3, units)))
        self._gates = Affine(kernel[:, :_N].reshape(len(kernel), -1), r_and_z, size, self.a)
        self._new = Affine(kernel[:size, _N], of_n, size, self.a)
        self.recurrent_kernel = kernel[size:, _N]
        self._recurrent = Affine(self.recurrent_kernel, of_m, 0, self.a)
        self._gate, self._activation, *_ = functions(self.equation)
        self.activations = self._gate, self._activation
        ends = self._gate.function(np.array([-_FAR, _FAR]))
        if ends.min() >= 0 and ends.max() <= 1:  # h' lies between h and n
            self.bound = max(self._activation.bound, float(np.abs(case.initial_hidden).max(initial=0)))

    def of_inputs(self, x: Array) -> Array:
        return np.concatenate(
            [x @ self._gates.known + self._gates.bias, x @ self._new.known + self._new.bias], -1
        )

    def sums(self, own: Array, before: States) -> Array:
        h, both = before.hidden, 2 * self.units
        gates = own[:, :both] + h @ self._gates.carried
        scaled = h if self._after else self._gate.function(gates[:, : self.units]) * h
        recurrent = scaled @ self._recurrent.carried + self._recurrent.bias
        return np.concatenate([gates, own[:, both:], recurrent], axis=1)

    def advance(self, sums: Array, before: States, cell_error: Array | None = None) -> States:
        parts = sums.reshape(len(sums), 4, -1)
        r, z = self._gate.function(parts[:, :_N]).swapaxes(0, 1)
        z = 1 - z if self.equation.update_inverted else z
        recurrent = r * parts[:, _M] if self._after else parts[:, _M]
        n = self._activation.function(parts[:, _N] + recurrent)
        return States(z * before.hidden + (1 - z) * n, before.cell)

    def linearised(
        self, x: Array, sums: Array, before: States, after: States, variance: States | None
    ) -> GruLinear:
        u, h = self.a.element, before.hidden
        v = np.concatenate([x, h], axis=-1)
        parts = sums.reshape(len(x), 4, -1)
        recurrent, two = parts[:, _M], (len(x), 2, self.units)
        own = self._gates.own(v, sums[:, : 2 * self.units]).reshape(two)
        h_variance = np.zeros_like(h) if variance is None else variance.hidden
        spread = own if variance is None else own + self._gates.through(h_variance).reshape(two)

        def gated(which: int) -> Gate:
            reach = None if variance is None else reach_of(spread[:, which])
            return gate(self._gate, parts[:, which], reach, self.a)

        r, z = gated(_R), gated(_Z)
        if self.equation.update_inverted:  # Chung et al. 2014, https://arxiv.org/abs/1412.3555
            z = Gate(1 - z.value, -z.derivative, z.own)
        reset = r.value * h
        if self._after:
            own_m, scale = self._recurrent.own(h, recurrent), r.value
            scaled = r.value * recurrent
            own_n = scale**2 * own_m + (recurrent * r.own) ** 2 + (u * scaled) ** 2
            by_r = r.derivative * recurrent
        else:
            scale, scaled = np.ones_like(h), recurrent
            own_reset = (h * r.own) ** 2 + (u * reset) ** 2
            own_reset += (r.derivative * h) ** 2 * own[:, _R]
            own_n = self._recurrent.own(reset, recurrent) + self._recurrent.through(own_reset)
            by_r = np.zeros_like(h)
        summed = parts[:, _N] + scaled
        own_n = own_n + self._new.own(x, parts[:, _N]) + (u * summed) ** 2
        reach = None
        if variance is not None:
            through = scale**2 * self._recurrent.through(h_variance)
            reach = reach_of(own_n + through + by_r**2 * spread[:, _R])
        n = gate(self._activation, summed, reach, self.a)
        kept = 1 - z.value
        by_n, by_z = kept * n.derivative, z.derivative * (h - n.value)
        hidden = z.value * h + kept * n.value
        slopes = np.stack([by_n * by_r, by_z, by_n, by_n * scale], axis=1)
        by_sums = slopes * slopes
        made = (kept * n.own) ** 2 + ((h - n.value) * z.own) ** 2 + noise.underflow(self.a)
        # The rounding covers a framework that computes n + z (h - n) instead.
        made += (
            u
            * u
            * ((z.value * h) ** 2 + 2 * (kept * n.value) ** 2 + (z.value * (h - n.value)) ** 2 + hidden**2)
        )
        alone = States(made, before.cell)
        made = made + by_sums[:, _R] * own[:, _R] + by_sums[:, _Z] * own[:, _Z] + by_sums[:, _N] * own_n
        noises = GruNoise(by_sums, z.value**2, made, (r.derivative * h) ** 2, r.value**2)
        return GruLinear(noises, alone, v, r, z, n, recurrent, reset, hidden)

    def spread(self, linear: GruNoise, variance: States) -> States:
        h = variance.hidden
        gates = self._gates.through(h)
        of_r, of_z = gates[:, : self.units], gates[:, self.units :]
        scaled = h if self._after else linear.reset_by_hidden * h + linear.reset_by_sums * of_r
        hidden = linear.made + linear.by_hidden * h + linear.by_sums[:, _R] * of_r
        hidden += linear.by_sums[:, _Z] * of_z + linear.by_sums[:, _M] * self._recurrent.through(scaled)
        return States(hidden, variance.cell)

    def fed(self, linear: GruNoise, variance: Array) -> GruNoise:
        gates = self._gates.fed(variance)
        of_r, of_z = gates[:, : self.units], gates[:, self.units :]
        made = linear.made + linear.by_sums[:, _R] * of_r + linear.by_sums[:, _Z] * of_z
        made = made + linear.by_sums[:, _N] * self._new.fed(variance)
        if not self._after:
            made += linear.by_sums[:, _M] * self._recurrent.through(linear.reset_by_sums * of_r)
        return linear._replace(made=made)

    def local(self, linear: GruLinear) -> tuple[States, States]:
        none = np.zeros((len(linear.hidden), 0))
        return States(linear.hidden, none), States(linear.noise.made, none)

    def repeated(self, linear: GruLinear, x: Array) -> tuple[States, States]:
        by_sums, alone, parts = linear.noise.by_sums, linear.alone, []
        for gates, new, made in (
            (
                self._gates.of_constants(),
                self._new.of_constants(),
                by_sums[:, _M] * self._recurrent.of_constants(),
            ),
            (self._gates.of_known(x), self._new.of_known(x), alone.hidden),
        ):
            both = gates.reshape(-1, 2, self.units)
            in_gates = by_sums[:, _R] * both[:, _R] + by_sums[:, _Z] * both[:, _Z]
            parts.append(alone._replace(hidden=in_gates + by_sums[:, _N] * new + made))
        return parts[0], parts[1]

    def sensitivities(
        self, linear: GruLinear, before: States, errors: States, scales: States
    ) -> dict[str, Sensitivity]:
        """The gates r, z, n and m, all seen in h'. Each ``v`` is ``[N, rows]``, everything else ``[N, U]``.

        n has only the rows of x. The recurrent rows of n, and the recurrent bias, belong to m.
        """
        _, _, v, r, z, n, recurrent, reset, _ = linear
        size, h, unit = self.input_size, before.hidden, 1 / scales.hidden
        through_n = (1 - z.value) * n.derivative
        systematic = np.abs(h - n.value) * z.own + np.abs(1 - z.value) * n.own
        if self._after:
            systematic = systematic + np.abs(through_n * recurrent) * r.own
        else:
            matrix = np.abs(self.recurrent_kernel)
            systematic = systematic + np.abs(through_n) * ((r.own * np.abs(h)) @ matrix)
        systematic, slope = systematic * unit, through_n * unit
        own = {
            "z": (v, z.derivative * (h - n.value) * unit, 0),
            "n": (v[:, :size], slope, 0),
            "m": (h, slope * r.value, size) if self._after else (reset, slope, size),
        }
        found = {
            name: of_own_unit(multiplied, s, errors.hidden, systematic, start=row)
            for name, (multiplied, s, row) in own.items()
        }
        if self._after:
            found["r"] = of_own_unit(v, slope * r.derivative * recurrent, errors.hidden, systematic)
        else:
            found["r"] = through_matrix(
                v, r.derivative * h, self.recurrent_kernel, slope, errors.hidden, systematic
            )
        return found
