"""One step of a GRU in float64, with its noise."""

from typing import NamedTuple

import numpy as np

from rnnparity.reference import noise
from rnnparity.reference.activations import ACTIVATIONS
from rnnparity.reference.case import Case
from rnnparity.reference.noise import Array
from rnnparity.reference.sensitivities import LocalErrors, Sensitivity, of_own_unit, through_matrix
from rnnparity.reference.steps import Affine, Estimate, Gate, State, Step, exactly, joined, squashed


class GruGates(NamedTuple):
    """The gates of one step, each ``[N, U]``: r, z and n are activated.

    ``recurrent`` is what h contributes to the pre-activation of n; with ``reset_after``, before r scales it.
    """

    r: Gate
    z: Gate
    recurrent: Estimate
    n: Gate


class Gru(Step):
    """The GRU of :class:`~rnnparity_adapters.equation.Equation`, which describes its other forms as well::

        r = sigma([x, h] kernel_r + bias_r)     z = sigma([x, h] kernel_z + bias_z)
        n = tanh(x kernel_xn + bias_n + r (h kernel_hn + bias_m))
        h' = z h + (1 - z) n

    The kernel is ``[I+U, 3U]`` in the order r, z, n, the bias ``[4U]`` in the order r, z, n, m.

    Source: Cho et al. 2014 (https://arxiv.org/abs/1406.1078), but with the reset gate after the recurrent
    product, as in PyTorch: https://docs.pytorch.org/docs/stable/generated/torch.nn.GRU.html
    """

    def prepare(self, case: Case) -> None:
        units, size = self.units, self.input_size
        kernel, bias = self.kernel.reshape(len(self.kernel), 3, units), self.bias.reshape(4, units)
        self._gates = Affine(kernel[:, :2].reshape(len(kernel), -1), bias[:2].reshape(-1), self.a)
        self.recurrent_kernel = kernel[size:, 2]
        # Without reset_after the reset gate scales h alone, so m is added to the other bias. ONNX's GRU does
        # so where linear_before_reset is 0: https://onnx.ai/onnx/operators/onnx__GRU.html
        inside = bias[3] if self.equation.reset_after else np.zeros(units)
        self._input = Affine(kernel[:size, 2], bias[2], self.a, bias[3] - inside)
        self._recurrent = Affine(self.recurrent_kernel, inside, self.a)
        self._gate = ACTIVATIONS[self.equation.recurrent_activation]
        self._activation = ACTIVATIONS[self.equation.activation]

    def gates(self, x: Array, before: State) -> GruGates:
        a, h = self.a, before.hidden
        flat = self._gates(joined(x, h))
        sums = (part.reshape(len(x), 2, -1) for part in flat)
        value, variance = sums
        r, z = (squashed(self._gate, value[:, k], variance[:, k], a) for k in range(2))
        if self.equation.update_inverted:  # Chung et al. 2014, https://arxiv.org/abs/1412.3555
            z = Gate(1 - z.value, z.variance, -z.derivative, z.own_error)
        own = self._input(exactly(x))
        if self.equation.reset_after:
            recurrent = self._recurrent(h)
            scaled = Estimate(r.value * recurrent.value, noise.product(r.value, r.variance, *recurrent, a))
        else:
            reset = Estimate(r.value * h.value, noise.product(r.value, r.variance, *h, a))
            recurrent = scaled = self._recurrent(reset)
        summed = own.value + scaled.value
        spread = noise.rounded(summed, own.variance + scaled.variance, a)
        return GruGates(r, z, recurrent, squashed(self._activation, summed, spread, a))

    def hidden(self, gates: GruGates, before: State, cell: Estimate) -> Estimate:
        """The new hidden state ``[N, U]``, h' = z h + (1 - z) n.

        The rounding error covers a framework that computes n + z (h - n) instead.
        """
        _, z, _, n = gates
        h, kept = before.hidden, 1 - z.value
        value = z.value * h.value + kept * n.value
        variance = z.value**2 * h.variance + kept**2 * n.variance + (h.value - n.value) ** 2 * z.variance
        rounding = (z.value * h.value) ** 2 + 2 * (kept * n.value) ** 2 + (z.value * (h.value - n.value)) ** 2
        return Estimate(value, noise.rounded(value, variance + self.a.element**2 * rounding, self.a))

    def sensitivities(
        self, x: Array, gates: GruGates, before: State, after: State, errors: LocalErrors
    ) -> dict[str, Sensitivity]:
        """The gates r, z, n and m, all seen in h'. Each ``v`` is ``[N, rows]``, everything else ``[N, U]``.

        n has only the rows of x. The recurrent rows of n, and the recurrent bias, belong to m.
        """
        r, z, recurrent, n = gates
        h, unit = before.hidden.value, 1 / errors.hidden_scale
        v = np.concatenate([x, h], axis=1)
        through_n = (1 - z.value) * n.derivative
        after_reset = self.equation.reset_after
        systematic = np.abs(h - n.value) * z.own_error + np.abs(1 - z.value) * n.own_error
        if after_reset:
            systematic = systematic + np.abs(through_n * recurrent.value) * r.own_error
        else:
            systematic = systematic + np.abs(through_n) * (
                (r.own_error * np.abs(h)) @ np.abs(self.recurrent_kernel)
            )
        systematic, slope = systematic * unit, through_n * unit
        own = {
            "z": (v, z.derivative * (h - n.value) * unit, 0),
            "n": (x, slope, 0),
            "m": (h, slope * r.value, self.input_size)
            if after_reset
            else (r.value * h, slope, self.input_size),
        }
        found = {
            gate: of_own_unit(v, s, errors.hidden, systematic, start=row) for gate, (v, s, row) in own.items()
        }
        if after_reset:
            found["r"] = of_own_unit(v, slope * r.derivative * recurrent.value, errors.hidden, systematic)
        else:
            found["r"] = through_matrix(
                v, r.derivative * h, self.recurrent_kernel, slope, errors.hidden, systematic
            )
        return found
