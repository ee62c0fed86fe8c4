"""A case: everything that is needed to run a cell, and nothing about any framework."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rnnparity.errors import InputError
from rnnparity_adapters.equation import Equation
from rnnparity_adapters.kinds import KINDS, Kind
from rnnparity_adapters.layout import Weights

DTypeName = Literal["float32", "float64"]
DTYPES: tuple[DTypeName, ...] = ("float32", "float64")
MAX_SEED = 2**32 - 1
"""``numpy.random.RandomState`` takes no larger one:
https://numpy.org/doc/stable/reference/random/legacy.html
"""


@dataclass(frozen=True, eq=False)
class Case:
    """Equation, canonical weights, inputs and initial state of one run.

    ``weights`` are canonical, a kernel ``[I+P, G U]`` and a bias ``[G U]``: see
    :mod:`rnnparity_adapters.layout`. ``inputs`` are ``[B, T, I]``, ``initial_hidden`` ``[B, P]`` and
    ``initial_cell`` ``[B, U]``, or ``[B, 0]`` where the cell has no cell state. The states
    have the dtype of the inputs. So have the weights of a drawn case; those of a recording are float64.

    Some LSTMs have ``peepholes`` ``[3, U]``, those of the gates i, f, o, or a ``projection`` ``[U, P]``.
    Without a projection P is U. ``seed`` also seeds the weights that a framework initialises itself.
    ``added_sizes`` ``[G U]`` are the sums of the sizes of the biases that an api stores, where it stores two:
    they may cancel in the bias, but not in its rounding. ``inputs_noise``, ``[B, T, I]`` or
    ``[1, 1, I]``, are the standard errors of inputs that another layer has computed; None where they are
    exact. ``cotangent`` ``[B, T, P]`` is the derivative of the loss by the hidden states, where gradients are
    asked for.
    """

    equation: Equation
    weights: Weights
    inputs: NDArray[np.floating]
    initial_hidden: NDArray[np.floating]
    initial_cell: NDArray[np.floating]
    seed: int = 0
    peepholes: NDArray[np.float64] | None = None
    projection: NDArray[np.float64] | None = None
    added_sizes: NDArray[np.float64] | None = None
    inputs_noise: NDArray[np.float64] | None = None
    cotangent: NDArray[np.floating] | None = None

    @property
    def bias_size(self) -> NDArray[np.floating]:
        """The size ``[G U]`` of all that the api adds as a bias: at least that of the bias itself."""
        own: NDArray[np.floating] = np.abs(self.weights.bias)
        return own if self.added_sizes is None else np.maximum(own, self.added_sizes)

    @property
    def batch(self) -> int:
        """The number of batch rows, B."""
        return int(self.inputs.shape[0])

    @property
    def steps(self) -> int:
        """The number of steps, T."""
        return int(self.inputs.shape[1])

    @property
    def input_size(self) -> int:
        """The number of inputs at each step, I."""
        return int(self.inputs.shape[2])

    @property
    def units(self) -> int:
        """The number of units, U."""
        return int(self.weights.bias.size) // len(self.kind.bias_gates)

    @property
    def kind(self) -> Kind:
        """The kind of cell: LSTM, GRU or simple RNN."""
        return KINDS[self.equation.cell]

    @property
    def gates(self) -> str:
        """The canonical letters of the kernel's blocks, in their order, such as ``ijfo``."""
        return self.kind.gates

    @property
    def has_cell_state(self) -> bool:
        """Whether there is a cell state beside the hidden state, as in an LSTM."""
        return bool(self.initial_cell.size)

    @property
    def dtype(self) -> str:
        """The name of the dtype in which a framework runs it: ``float32`` or ``float64``."""
        return str(self.initial_hidden.dtype)


_PIECE = 7 * 10**6
"""Numbers in a piece of a long run, of which inputs count once and states four times: what is run, compared
and reported of a piece then takes some hundred MiB.
"""


def long_pieces(batch: int, steps: int, input_size: int, units: int) -> Iterator[slice]:
    """The steps of a run in the pieces in which it is run and judged: one, unless it is long."""
    length = max(1, _PIECE // (batch * (input_size + 4 * units)))
    for start in range(0, steps, length):
        yield slice(start, min(start + length, steps))


def make_case(
    seed: int = 0,
    *,
    batch: int = 8,
    steps: int = 50,
    input_size: int = 32,
    units: int = 64,
    dtype: str = "float32",
    forget_bias: float | None = None,
    scale: float = 1.0,
    cell: str = "lstm",
) -> Case:
    """Draw a case. The same arguments give the same arrays, bit for bit, everywhere.

    ``batch``, ``steps``, ``input_size`` and ``units`` are B, T, I and U. Inputs ``[B, T, I]`` are standard
    normal. The kernel ``[I+U, G U]`` is uniform, with the limit of Glorot & Bengio 2010 for one gate times
    ``scale`` (https://proceedings.mlr.press/v9/glorot10a.html). The bias ``[G U]`` is uniform in +-0.5, the
    initial hidden state ``[B, U]`` uniform in +-0.9, the initial cell state ``[B, U]`` standard normal. The
    ``forget_bias`` is 1 unless given.

    Raises :class:`~rnnparity.errors.InputError` for a seed, size, dtype, forget bias, scale or cell out of
    range, and for sizes that do not fit into the memory that is available.
    """
    _check_integer("seed", seed, 0, MAX_SEED)
    for name, size in (("batch", batch), ("steps", steps), ("input_size", input_size), ("units", units)):
        _check_integer(name, size, 1)
    if dtype not in DTYPES:
        raise InputError("dtype", dtype, " or ".join(DTYPES))
    if not 0 < scale <= 1e4:
        raise InputError("scale", scale, "a number above 0, at most 10000")
    if cell not in KINDS:
        raise InputError("cell", cell, " or ".join(KINDS))
    kind = KINDS[cell]
    if forget_bias is not None and "f" not in kind.gates:
        none = f"nothing: {kind.article} {kind.title} has no forget gate"
        raise InputError("forget_bias", forget_bias, none)
    forget_bias = 1.0 if forget_bias is None else forget_bias
    if not -1e4 <= forget_bias <= 1e4:
        raise InputError("forget_bias", forget_bias, "a number from -10000 to 10000")
    _check_memory(batch, steps, input_size, units)

    # NumPy has frozen this stream: https://numpy.org/doc/stable/reference/random/legacy.html
    random = np.random.RandomState(seed)
    limit = scale * math.sqrt(6 / (input_size + 2 * units))
    kernel = random.uniform(-limit, limit, (input_size + units, len(kind.gates) * units)).astype(dtype)
    bias = random.uniform(-0.5, 0.5, len(kind.bias_gates) * units).astype(dtype)
    inputs = np.empty((batch, steps, input_size), dtype)
    for row in inputs:
        for now in long_pieces(
            1, steps, input_size, 0
        ):  # drawn as float64, which had better not be all at once
            row[now] = random.standard_normal(row[now].shape)
    hidden = random.uniform(-0.9, 0.9, (batch, units)).astype(dtype)
    state = random.standard_normal((batch, units if kind.has_cell_state else 0)).astype(dtype)
    if "f" in kind.gates:
        bias = _with_exact_forget_bias(bias, forget_bias, kind)
    equation = Equation(cell=cell, forget_bias=float(np.dtype(dtype).type(forget_bias)))
    return Case(equation, Weights(kernel, bias), inputs, hidden, state, seed)


def _with_exact_forget_bias(
    bias: NDArray[np.floating], forget_bias: float, kind: Kind
) -> NDArray[np.floating]:
    """A bias ``[G U]`` like ``bias``, to whose forget gate ``forget_bias`` can be added without rounding.

    Some apis store the sum (Keras), others add the forget bias at each step (TensorFlow 1). This way both
    kinds have exactly the same weights.
    """
    blocks = bias.reshape(len(kind.bias_gates), -1).copy()
    constant = bias.dtype.type(forget_bias)
    forget = kind.bias_gates.index("f")
    blocks[forget] = (blocks[forget] + constant) - constant
    return blocks.reshape(-1)


def _check_integer(name: str, value: object, lowest: int, highest: int | None = None) -> None:
    allowed = f"an integer from {lowest}" + (f" to {highest}" if highest is not None else "")
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise InputError(name, repr(value), allowed)
    if value < lowest or (highest is not None and value > highest):
        raise InputError(name, value, allowed)


def _check_memory(batch: int, steps: int, input_size: int, units: int) -> None:
    """Refuse sizes whose arrays cannot fit.

    Counted are float64 arrays: of each sequence four copies of the inputs and 24 arrays of U units (two
    runs and two references, each with states and noise), and 12 copies of the weights on their way. Of a long
    run that is so for one piece; of the rest there are the inputs.
    """
    import psutil

    together = next(long_pieces(batch, steps, input_size, units)).stop
    sequences = batch * (together * (4 * input_size + 24 * units) + (steps - together) * input_size)
    needed = 8 * (sequences + 12 * (input_size + units) * 4 * units)
    available = psutil.virtual_memory().available
    if needed > available:
        raise InputError(
            "batch, steps, input_size, units",
            f"{batch}, {steps}, {input_size}, {units}, which need about {needed / 2**30:.1f} GiB",
            f"sizes that fit into the {available / 2**30:.1f} GiB of memory that are available",
        )
