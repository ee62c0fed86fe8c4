"""The rounding error to be expected at each element, carried along a trajectory.

Each operation of a framework rounds its result. The rounding errors are independent enough that their
*variances* add up; Higham & Mary 2019 use the same model (https://doi.org/10.1137/18M1226312). These
functions give the variance of one operation's result from the variances of its operands, and the reference
calls them next to each operation. Errors that are not independent, above all those of an approximated
activation, are handled apart: see :class:`rnnparity.reference.sensitivities.Sensitivity`.

Arrays ``[...]`` may have any shape, the same for all arguments. ``a`` is the arithmetic of the framework.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

LIMIT = 6.0
"""A difference of more than this many standard errors is a divergence. The largest that was measured on a
correct run of any framework is 4.7, on TensorFlow 1.15, whose tanh is approximate.
"""

HORIZON = 2.0**-4
"""A hidden state with a standard error above this says nothing about the cell: |h| is at most 1, and
``LIMIT`` standard errors are then more than a third of that.
"""


@dataclass(frozen=True)
class Arithmetic:
    """How precisely a framework computes.

    ``element`` is the unit roundoff of states, and of each product and sum of gates. ``accumulation`` is that
    of the sums in a matrix product. ``factor`` is that to which a matrix product first rounds its factors,
    or 0 where it does not. ``activation`` is the relative error of an activation. ``smallest`` is the
    smallest normal number: below it numbers have fewer digits, or are zero. All are in units of ``unit``,
    and so are the errors that are computed with them.
    """

    element: float
    accumulation: float
    factor: float
    activation: float
    smallest: float
    unit: float = 1.0

    @property
    def relative(self) -> "Arithmetic":
        """The same in units of the unit roundoff: float32 then has the range for all but tiny variances."""
        u = self.element
        sizes = self.accumulation / u, self.factor / u, self.activation / u, self.smallest / u
        return Arithmetic(1.0, *sizes, unit=u * self.unit)


def _plain(u: float, smallest: float) -> Arithmetic:
    """Everything in one dtype of unit roundoff ``u``; an activation errs by about two roundings."""
    return Arithmetic(element=u, accumulation=u, factor=0.0, activation=2 * u, smallest=smallest)


_HALF, _BRAIN = _plain(2.0**-11, 2.0**-14), _plain(2.0**-8, 2.0**-126)
_SINGLE = _plain(2.0**-24, 2.0**-126)
# The reference, itself in float64, errs as much as the framework: their difference by the root of two more.
# The square of float64's own smallest number is no number: below 2**-460 everything counts as zero.
_DOUBLE = _plain(2.0**0.5 * 2.0**-53, 2.0**-460)

ARITHMETICS = {
    "float64": _DOUBLE,
    "float32": _SINGLE,
    "float16": _HALF,
    "bfloat16": _BRAIN,
    # As above, but matrix products are summed in float32, as tensor cores and oneDNN do:
    # https://docs.pytorch.org/docs/stable/notes/numerical_accuracy.html
    "float16-float32": replace(_HALF, accumulation=_SINGLE.accumulation),
    "bfloat16-float32": replace(_BRAIN, accumulation=_SINGLE.accumulation),
    # NVIDIA's TF32: factors are rounded to 10 bits of mantissa, everything else is float32:
    # https://docs.nvidia.com/cuda/parallel-thread-execution/#alternate-floating-point-data-formats
    "tf32": replace(_SINGLE, factor=2.0**-11),
    # float32 with the activations of a GPU's special function unit (PTX tanh.approx: 2**-11).
    "float32-fast-activation": replace(_SINGLE, activation=2.0**-11),
}
"""Every arithmetic by its name. A case has the one that its dtype names, unless another is asked for."""


def dot(vector: Array, squared_matrix: Array, a: Arithmetic) -> Array:
    """Variance of ``vector @ matrix``, ``[N, n]`` by ``[..., n, m]`` -> ``[..., N, m]``.

    :func:`summed` adds the rest. ``squared_matrix`` has the squares of the matrix's elements. Each of the n
    products is rounded, and so is each partial sum: together that is about n/3 roundings of every product.
    Where a matrix product rounds its factors first, that is two more errors, each uniform, so that its
    variance is a third of the largest one's square.
    """
    each = a.accumulation**2 * vector.shape[-1] / 3 + a.factor**2 * 2 / 3
    variance: Array = np.matmul(each * vector * vector, squared_matrix)
    return variance


def summed(products: Array, variance: Array, terms: int, bias: Array, a: Arithmetic) -> Array:
    """Variance ``[..., N, m]`` of a sum of ``terms`` products plus biases.

    ``products`` ``[..., N, m]`` is the sum of the products, ``variance`` what :func:`dot` gave, and ``bias``
    ``[..., 1, m]`` the sum of the absolute values of all biases. The k-th of n partial sums is on average
    k/n of the whole. The squares of these fractions average 1/3, and a rounding error is uniform, with a
    variance of a third: n/9 in all. A sum may begin with a bias, so that each partial sum is rounded at the
    bias's own size, even where two biases cancel afterwards.
    """
    each = a.accumulation**2 * terms
    found: Array = (a.element**2 + each / 9) * products
    found *= products
    found += variance
    found += (a.element**2 + each / 3) * bias * bias + (terms + 1) * underflow(a)
    return found


def underflow(a: Arithmetic) -> float:
    """The variance of one operation whose result is below the smallest normal number."""
    return a.smallest**2


def rounding(value: Array, a: Arithmetic) -> Array:
    """The variance ``[...]`` of rounding ``value`` ``[...]`` once: the error is uniform."""
    return (a.element * value) ** 2 / 3


def activation_error(value: Array, middle: float, a: Arithmetic) -> Array:
    """The standard error ``[...]`` that computing an activation adds to its ``value`` ``[...]``.

    It is relative to the value, or to ``middle`` where that is larger. Libraries compute a sigmoid as 1/2
    plus something, so a small sigmoid has lost its last digits. ONNX Runtime even returned small negative
    ones: https://github.com/microsoft/onnxruntime/issues/22557
    """
    size: Array = a.activation * np.abs(value)
    return np.maximum(size, np.full(size.shape[-1:], a.activation * middle, size.dtype), out=size)


def error(variance: Array, a: Arithmetic) -> Array:
    """The standard error ``[...]`` that belongs to ``variance`` ``[...]``.

    It is at least the smallest normal number of the dtype: where a framework underflows, it errs by that.
    """
    return np.sqrt(variance) + a.smallest


def assumed(hidden: Array, a: Arithmetic) -> Array:
    """The standard error ``[...]`` of a state ``hidden`` ``[...]`` whose weights and inputs are not known.

    h = o tanh(c) has the errors of two activations and of a product. The error of the pre-activations is
    assumed to be that of rounding a number of order one.
    """
    return np.sqrt((2 * a.activation**2 + a.element**2) * hidden * hidden + a.element**2)
