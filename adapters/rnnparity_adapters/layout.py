"""How an api stores its weights, as data, and the generic functions over that data.

This is the only place where gates are reordered, kernels transposed and biases added up.

Axes: I input_size, U units, P the width of h (U without a projection), G gates. Canonical weights are a
kernel ``[I+P, G U]``, rows x before h, and a bias ``[G U]``. Each gate is a block of U columns:

======  ==================  =====================================================================
cell    kernel              bias
======  ==================  =====================================================================
lstm    i, j, f, o          i, j, f, o: input gate, new input, forget gate, output gate (TensorFlow 1)
gru     r, z, n             r, z, n, m: reset gate, update gate, new state, recurrent bias of the new state
rnn     n                   n: new state
======  ==================  =====================================================================

m is the bias that a GRU adds to h times the recurrent kernel before the reset gate scales the sum. PyTorch
calls it b_hn: https://docs.pytorch.org/docs/stable/generated/torch.nn.GRU.html
"""

from dataclasses import dataclass
from typing import Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from .kinds import GATE_NAMES, KINDS, PEEPHOLES, Kind

# What a row of a kernel multiplies: the input, the previous hidden state, or [input, hidden].
_ROW_TOKENS = ("x", "h", "xh")


class LayoutError(ValueError):
    """Tensors do not fit a layout: one is missing, unknown or of a wrong shape."""


class Weights(NamedTuple):
    """Canonical weights: ``kernel`` ``[I+P, G U]``, rows x before h, and ``bias`` ``[G U]``.

    The gates are in the order of this module's table; a GRU's bias has one block more than its kernel.
    """

    kernel: np.ndarray
    bias: np.ndarray


@dataclass(frozen=True)
class Tensor:
    """One native tensor.

    ``axes`` names the axes in their order, with the words ``gate``, ``unit``, ``1`` (an axis of length one)
    and what the rows multiply: ``x``, ``h`` or ``xh``. Words in brackets share one axis, on which the first
    word varies slowest. So ``"(gate unit) x"`` is PyTorch's ``[4U, I]``, with a block of U rows for each
    gate, and ``"xh (unit gate)"`` is ``[I+U, 4U]`` with interleaved gates. ``gates`` is the order of the
    gates. A tensor without rows is a bias. Where several biases hold the same gate, their sum counts.
    """

    name: str
    axes: str
    gates: str

    @property
    def groups(self) -> List[List[str]]:
        """The words of each axis: ``"(gate unit) x"`` -> ``[["gate", "unit"], ["x"]]``."""
        groups: List[List[str]] = []
        inside = False
        for word in self.axes.replace("(", " ( ").replace(")", " ) ").split():
            if word in "()":
                inside = word == "("
                if inside:
                    groups.append([])
            elif inside:
                groups[-1].append(word)
            else:
                groups.append([word])
        return groups

    @property
    def rows(self) -> str:
        """``x``, ``h`` or ``xh`` for a kernel, the empty string for a bias."""
        return next((word for group in self.groups for word in group if word in _ROW_TOKENS), "")

    def lengths(self, input_size: int, units: int, hidden: int = 0) -> Dict[str, int]:
        """The length of each word of ``axes`` for the given sizes; ``hidden`` is P, unless it is U."""
        return {
            "gate": len(self.gates),
            "unit": units,
            "x": input_size,
            "h": hidden or units,
            "xh": input_size + (hidden or units),
            "1": 1,
        }

    def shape(self, input_size: int, units: int, hidden: int = 0) -> Tuple[int, ...]:
        """The native shape for the given sizes."""
        lengths = self.lengths(input_size, units, hidden)
        return tuple(int(np.prod([lengths[word] for word in group])) for group in self.groups)

    def _permutation(self) -> List[int]:
        """For each word of ``axes`` other than ``1``, its position in the order (rows, gate, unit)."""
        order = [self.rows, "gate", "unit"] if self.rows else ["gate", "unit"]
        return [order.index(word) for group in self.groups for word in group if word != "1"]

    def to_native(self, block: np.ndarray) -> np.ndarray:
        """``block`` ``[rows, gates, U]``, a bias ``[gates, U]``, in this order of gates -> native shape."""
        lengths = dict(zip([self.rows, "gate", "unit"][0 if self.rows else 1 :], block.shape))
        lengths["1"] = 1
        native = block.transpose(self._permutation())
        return np.ascontiguousarray(
            native.reshape([int(np.prod([lengths[word] for word in group])) for group in self.groups])
        )

    def from_native(self, native: np.ndarray, input_size: int, units: int, hidden: int = 0) -> np.ndarray:
        """The inverse of :meth:`to_native`: native shape -> ``[rows, gates, U]``, a bias ``[gates, U]``."""
        lengths = self.lengths(input_size, units, hidden)
        flat = native.reshape([lengths[word] for group in self.groups for word in group if word != "1"])
        return flat.transpose(np.argsort(self._permutation()))


@dataclass(frozen=True)
class Layout:
    """All tensors of an api.

    ``forget_bias`` says where the api keeps the forget bias. ``"equation"``: the cell adds it at each step,
    and it is in no tensor. ``"bias"``: it is part of the stored bias. Empty: the cell has no forget gate.
    ``peepholes`` and ``projection`` are tensors that exist only if an option of the api asks for them.
    """

    tensors: Tuple[Tensor, ...]
    forget_bias: str = ""
    cell: str = "lstm"
    peepholes: Tuple[Tensor, ...] = ()
    projection: Tuple[Tensor, ...] = ()

    @property
    def kind(self) -> Kind:
        """What kind of cell it is."""
        return KINDS[self.cell]

    @property
    def names(self) -> List[str]:
        """The native tensor names."""
        return [tensor.name for tensor in self.tensors]

    @property
    def biases(self) -> List[Tensor]:
        """The tensors without rows. Where there are two, the input's bias comes before the recurrent one."""
        return [tensor for tensor in self.tensors if not tensor.rows]

    @property
    def recurrent_biases(self) -> List[Tensor]:
        """The tensors that hold a second bias of every gate, the recurrent kernel's."""
        first, second = "", []
        for tensor in self.biases:
            own = tensor.gates.replace("m", "n") if "n" not in tensor.gates else tensor.gates
            if set(own) <= set(first):
                second.append(tensor)
            else:
                first += own
        held = sorted("".join(tensor.gates for tensor in second))
        return second if held == sorted(self.kind.recurrent_bias_gates) else []

    @property
    def optional(self) -> Tuple[Tensor, ...]:
        """The tensors that exist only if an option asks for them."""
        return self.peepholes + self.projection

    def holds(self, gate: str) -> bool:
        """Whether a tensor holds the bias of a gate."""
        return any(gate in tensor.gates for tensor in self.biases)

    def multiplies(self, gate: str) -> bool:
        """Whether a tensor holds the kernel of a gate."""
        return any(gate in tensor.gates for tensor in self.tensors if tensor.rows)

    def shapes(self, input_size: int, units: int) -> Dict[str, Tuple[int, ...]]:
        """Native name -> native shape."""
        return {tensor.name: tensor.shape(input_size, units) for tensor in self.tensors}


def fold(kind: Kind, weights: Weights) -> Weights:
    """Canonical weights for an api that stores one bias for two which are added to the same sum."""
    gates = kind.bias_gates
    bias = weights.bias.reshape(len(gates), -1).copy()
    for gate, other in kind.folded:
        bias[gates.index(other)] += bias[gates.index(gate)]
        bias[gates.index(gate)] = 0
    return Weights(weights.kernel, bias.reshape(-1))


def held(layout: Layout, weights: Weights) -> Weights:
    """Canonical weights without those for which the layout has no tensor."""
    gates, bias_gates = layout.kind.gates, layout.kind.bias_gates
    kernel = weights.kernel.reshape(len(weights.kernel), len(gates), -1).copy()
    bias = weights.bias.reshape(len(bias_gates), -1).copy()
    kernel[:, [not layout.multiplies(gate) for gate in gates]] = 0
    bias[[not layout.holds(gate) for gate in bias_gates]] = 0
    return Weights(kernel.reshape(weights.kernel.shape), bias.reshape(-1))


def load(
    layout: Layout,
    weights: Weights,
    forget_bias: float = 0.0,
    hidden: int = 0,
    peepholes: Optional[np.ndarray] = None,
    projection: Optional[np.ndarray] = None,
) -> Dict[str, np.ndarray]:
    """Canonical weights, a kernel ``[I+P, G U]`` and a bias ``[G U]`` -> native tensors by name, same dtype.

    ``peepholes`` are ``[3, U]``, those of i, f, o, the ``projection`` is ``[U, P]``. ``hidden`` is P where
    that is neither U nor told by the projection.

    Where the api stores two biases, both get a part, so that a run shows whether both are used.
    Raises :class:`LayoutError` where the layout has no place for a gate's bias, or for its kernel, that is
    not zero.
    """
    gates, bias_gates = layout.kind.gates, layout.kind.bias_gates
    bias = weights.bias.reshape(len(bias_gates), -1)
    units = bias.shape[1]
    hidden = hidden if projection is None else projection.shape[1]
    kernel = weights.kernel.reshape(len(weights.kernel), len(gates), units)
    input_size = len(kernel) - (hidden or units)
    if layout.forget_bias == "bias":
        bias = _add_forget_bias(layout.kind, bias, forget_bias)
    # Three quarters and the rest add up to exactly the bias, because the difference of two numbers within a
    # factor of two is exact: the lemma of Sterbenz 1974, https://en.wikipedia.org/wiki/Sterbenz_lemma
    first = (bias * 0.75).astype(bias.dtype)
    parts = {1: [bias], 2: [first, bias - first]}
    holders = {gate: [t for t in layout.biases if gate in t.gates] for gate in bias_gates}
    for gate, holding in holders.items():
        if not holding and bias[bias_gates.index(gate)].any():
            raise LayoutError("no tensor holds the bias of the %s" % GATE_NAMES[gate])
    for position, gate in enumerate(gates):
        if not layout.multiplies(gate) and kernel[:, position].any():
            raise LayoutError("no tensor holds the kernel of the %s" % GATE_NAMES[gate])

    def part(tensor: Tensor, gate: str) -> np.ndarray:
        holding = holders[gate]
        return parts[len(holding)][holding.index(tensor)][bias_gates.index(gate)]

    return _placed(layout, kernel, input_size, part, peepholes, projection)


def adjoint(
    layout: Layout,
    by_weights: Weights,
    peepholes: Optional[np.ndarray] = None,
    projection: Optional[np.ndarray] = None,
) -> Dict[str, np.ndarray]:
    """Derivatives by canonical weights -> those by native tensors, by name; shapes as in :func:`load`.

    That is the linear adjoint of :func:`extract`: of several biases that are added up each has the derivative
    by their sum, and a forget bias adds nothing.
    """
    gates = layout.kind.bias_gates
    bias = by_weights.bias.reshape(len(gates), -1)
    units = bias.shape[1]
    width = units if projection is None else projection.shape[1]
    kernel = by_weights.kernel.reshape(len(by_weights.kernel), -1, units)
    part = lambda tensor, gate: bias[gates.index(gate)]  # noqa: E731
    return _placed(layout, kernel, len(kernel) - width, part, peepholes, projection)


def _placed(
    layout: Layout,
    kernel: np.ndarray,
    input_size: int,
    part: Callable[[Tensor, str], np.ndarray],
    peepholes: Optional[np.ndarray],
    projection: Optional[np.ndarray],
) -> Dict[str, np.ndarray]:
    """Native tensors by name, from a kernel ``[I+P, G, U]`` and the ``part`` ``[U]`` of a gate in a bias."""
    rows, native = _rows(input_size), {}
    for tensor in layout.tensors:
        if tensor.rows:
            block = kernel[rows[tensor.rows]][:, [layout.kind.gates.index(gate) for gate in tensor.gates]]
        else:
            block = np.stack([part(tensor, gate) for gate in tensor.gates])
        native[tensor.name] = tensor.to_native(block)
    if peepholes is not None:
        for tensor in layout.peepholes:
            chosen = peepholes[[PEEPHOLES.index(gate) for gate in tensor.gates]]
            native[tensor.name] = tensor.to_native(chosen)
    if projection is not None:
        for tensor in layout.projection:
            native[tensor.name] = tensor.to_native(projection.T[:, None])
    return native


def extract(layout: Layout, tensors: Mapping[str, np.ndarray], forget_bias: float = 0.0) -> Weights:
    """Native tensors by name -> canonical weights, a kernel ``[I+P, G U]`` and a bias ``[G U]``.

    They are float64, so that the sum of two float32 biases is exact.
    Raises :class:`LayoutError` when a tensor is missing, unknown or of a wrong shape.
    """
    input_size, units, hidden = _native_sizes(layout, tensors)
    gates, bias_gates = layout.kind.gates, layout.kind.bias_gates
    kernel = np.full((input_size + hidden, len(gates), units), np.nan)
    kernel[:, [not layout.multiplies(gate) for gate in gates]] = 0
    bias = np.zeros((len(bias_gates), units))
    rows = _rows(input_size)
    for tensor in layout.tensors:
        block = _block(tensor, tensors, (input_size, units, hidden))
        for position, gate in enumerate(tensor.gates):
            if tensor.rows:
                kernel[rows[tensor.rows], gates.index(gate)] = block[:, position]
            else:
                bias[bias_gates.index(gate)] += block[position]
    if layout.forget_bias == "bias":
        bias = _add_forget_bias(layout.kind, bias, -forget_bias)
    return Weights(kernel.reshape(len(kernel), -1), bias.reshape(-1))


def added_sizes(layout: Layout, tensors: Mapping[str, np.ndarray]) -> Optional[np.ndarray]:
    """Native tensors -> the sums ``[G U]`` of the sizes of all biases of a gate, in float64.

    None where no gate has two biases: then that is the size of the bias itself. Raises :class:`LayoutError`
    as :func:`extract` does.
    """
    held = "".join(tensor.gates for tensor in layout.biases)
    if len(held) == len(set(held)):
        return None
    biases = {tensor.name for tensor in layout.biases}
    sizes = {name: np.abs(array) if name in biases else array for name, array in tensors.items()}
    return extract(layout, sizes).bias


def extract_peepholes(layout: Layout, tensors: Mapping[str, np.ndarray]) -> Optional[np.ndarray]:
    """Native tensors -> the peepholes ``[3, U]`` of i, f, o in float64, None where there are none.

    Raises :class:`LayoutError` as :func:`extract` does.
    """
    sizes = _native_sizes(layout, tensors)
    vectors = np.zeros((len(PEEPHOLES), sizes[1]))
    found = [tensor for tensor in layout.peepholes if tensor.name in tensors]
    for tensor in found:
        for gate, vector in zip(tensor.gates, _block(tensor, tensors, sizes)):
            vectors[PEEPHOLES.index(gate)] = vector
    return vectors if found else None


def extract_projection(layout: Layout, tensors: Mapping[str, np.ndarray]) -> Optional[np.ndarray]:
    """Native tensors -> the projection ``[U, P]`` in float64, None where there is none.

    Raises :class:`LayoutError` as :func:`extract` does.
    """
    sizes = _native_sizes(layout, tensors)
    for tensor in layout.projection:
        if tensor.name in tensors:
            return _block(tensor, tensors, sizes)[:, 0].T
    return None


def convert(
    source: Layout, target: Layout, tensors: Mapping[str, np.ndarray], forget_bias: float
) -> Dict[str, np.ndarray]:
    """Native tensors ``[...]`` of one api -> those of another, in the dtype of the first tensor given.

    Raises :class:`LayoutError` as :func:`extract` and :func:`load` do.
    """
    dtype = next(iter(tensors.values())).dtype
    weights = extract(source, tensors, forget_bias)
    return load(target, Weights(weights.kernel.astype(dtype), weights.bias.astype(dtype)), forget_bias)


class Slice(NamedTuple):
    """Where one gate sits in a native tensor: ``weight_ih_l0[0:64, :]`` is the input gate.

    ``shape`` is the tensor's shape, ``symbols`` the same in letters, such as ``[4U, I]``. ``rows`` is what
    the rows multiply, empty for a bias.
    """

    tensor: str
    shape: Tuple[int, ...]
    symbols: str
    subscript: str
    gate: str
    rows: str


def describe(layout: Layout, input_size: int, units: int) -> List[Slice]:
    """Every gate's slice of every tensor, to be shown to a person."""
    slices = []
    for tensor in layout.tensors:
        shape = tensor.shape(input_size, units)
        symbols = "[%s]" % ", ".join(_symbol(group, len(tensor.gates)) for group in tensor.groups)
        for position, gate in enumerate(tensor.gates):
            index = ", ".join(_index(group, position, len(tensor.gates), units) for group in tensor.groups)
            slices.append(Slice(tensor.name, shape, symbols, "[%s]" % index, gate, tensor.rows))
    return slices


def _symbol(group: Sequence[str], gates: int) -> str:
    """An axis in symbols: ``["gate", "unit"]`` -> ``4U``."""
    letters = {"gate": str(gates), "unit": "U", "x": "I", "h": "U", "xh": "I+U", "1": "1"}
    if len(group) == 2:
        return "U" if gates == 1 else "%dU" % gates
    return letters[group[0]]


def _index(group: Sequence[str], position: int, gates: int, units: int) -> str:
    """The index along one axis that picks the gate at ``position``."""
    if group == ["gate", "unit"] and gates > 1:
        return "%d:%d" % (position * units, (position + 1) * units)
    if group == ["unit", "gate"]:
        return "%d::%d" % (position, gates)
    if group == ["gate"]:
        return str(position)
    return "0" if group == ["1"] else ":"


def _rows(input_size: int) -> Dict[str, slice]:
    """The rows of a canonical kernel ``[I+P, G U]``, by what they multiply."""
    return {"x": slice(0, input_size), "h": slice(input_size, None), "xh": slice(0, None)}


_Sizes = Tuple[int, int, int]


def _block(tensor: Tensor, tensors: Mapping[str, np.ndarray], sizes: _Sizes) -> np.ndarray:
    """A native tensor as ``[rows, gates, U]``, or ``[gates, U]`` of a bias, in float64."""
    return tensor.from_native(np.asarray(tensors[tensor.name], np.float64), *sizes)


def _native_sizes(layout: Layout, tensors: Mapping[str, np.ndarray]) -> _Sizes:
    """I, U and P, read off the shapes of the tensors. Checks all names and shapes."""
    optional = {tensor.name for tensor in layout.optional}
    missing = [name for name in layout.names if name not in tensors]
    unknown = [name for name in tensors if name not in layout.names and name not in optional]
    if any(tensor.name in tensors for tensor in layout.peepholes):
        missing += [tensor.name for tensor in layout.peepholes if tensor.name not in tensors]
    if missing or unknown:
        raise LayoutError("tensors %s, but should be %s" % (sorted(tensors), sorted(layout.names)))
    bias = layout.biases[0]
    units = int(np.size(tensors[bias.name])) // len(bias.gates)
    hidden = units
    for tensor in layout.projection:
        if tensor.name in tensors:
            hidden = int(np.size(tensors[tensor.name])) // max(1, units)
    kernel = next(tensor for tensor in layout.tensors if "x" in tensor.rows)
    rows = int(np.size(tensors[kernel.name])) // max(1, units * len(kernel.gates))
    sizes = (rows - hidden if kernel.rows == "xh" else rows, units, hidden)
    for tensor in layout.tensors + layout.optional:
        if tensor.name in tensors and np.shape(tensors[tensor.name]) != tensor.shape(*sizes):
            shape = list(np.shape(tensors[tensor.name]))
            raise LayoutError(
                "%s has shape %s, but should have %s" % (tensor.name, shape, list(tensor.shape(*sizes)))
            )
    return sizes


def _add_forget_bias(kind: Kind, bias: np.ndarray, forget_bias: float) -> np.ndarray:
    """A ``bias`` ``[gates, U]`` with ``forget_bias`` added to the forget gate, in its dtype."""
    shifted = bias.copy()
    shifted[kind.bias_gates.index("f")] += bias.dtype.type(forget_bias)
    return shifted
