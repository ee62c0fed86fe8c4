"""How an api stores its weights, as data, and the generic functions over that data.

This is the only place where gates are reordered, kernels transposed and biases added up.

Axes: I input_size, U units. Gates are always named i (input gate), j (new input), f (forget gate),
o (output gate). Canonical weights are those of TensorFlow 1: kernel ``[I+U, 4U]``, rows ``[x, h]``,
column blocks i, j, f, o; bias ``[4U]``.
"""

from dataclasses import dataclass
from typing import Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy as np

GATES = "ijfo"
PEEPHOLES = "ifo"
GATE_NAMES = {"i": "input gate", "j": "new input", "f": "forget gate", "o": "output gate"}

# What a row of a kernel multiplies: the input, the previous hidden state, or [input, hidden].
_ROW_TOKENS = ("x", "h", "xh")


class LayoutError(ValueError):
    """Tensors that do not fit a layout: a missing, unknown or wrongly shaped one."""


class Weights(NamedTuple):
    """Canonical weights: ``kernel`` ``[I+U, 4U]``, rows x then h, columns i, j, f, o; ``bias`` ``[4U]``."""

    kernel: np.ndarray
    bias: np.ndarray


@dataclass(frozen=True)
class Tensor:
    """One native tensor.

    ``axes`` is written from the words ``gate``, ``unit``, ``1`` (an axis of length one) and what the
    rows multiply: ``x``, ``h`` or ``xh``. Words in brackets share one axis, the first varying slowest:
    ``"(gate unit) x"`` is PyTorch's ``[4U, I]`` with one block of U rows for each gate, and
    ``"xh (unit gate)"`` would interleave the gates. ``gates`` is their order along ``gate``.
    A tensor without rows is a bias; several biases of a layout add up.
    """

    name: str
    axes: str
    gates: str = GATES

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

    def lengths(self, input_size: int, units: int) -> Dict[str, int]:
        """The length of each word of ``axes`` for the given sizes."""
        return {
            "gate": len(self.gates),
            "unit": units,
            "x": input_size,
            "h": units,
            "xh": input_size + units,
            "1": 1,
        }

    def shape(self, input_size: int, units: int) -> Tuple[int, ...]:
        """The native shape for the given sizes."""
        lengths = self.lengths(input_size, units)
        return tuple(int(np.prod([lengths[word] for word in group])) for group in self.groups)

    def _permutation(self) -> List[int]:
        """For each word of ``axes`` other than ``1``, its position in the order (rows, gate, unit)."""
        order = [self.rows, "gate", "unit"] if self.rows else ["gate", "unit"]
        return [order.index(word) for group in self.groups for word in group if word != "1"]

    def to_native(self, block: np.ndarray) -> np.ndarray:
        """``block`` ``[rows, gate, unit]`` (a bias: ``[gate, unit]``), gates i, j, f, o -> native shape."""
        gates = block[..., [GATES.index(gate) for gate in self.gates], :]
        units = block.shape[-1]
        input_size = block.shape[0] - (units if self.rows == "xh" else 0)
        native = gates.transpose(self._permutation()).reshape(self.shape(input_size, units))
        return np.ascontiguousarray(native)

    def from_native(self, native: np.ndarray, input_size: int, units: int) -> np.ndarray:
        """The inverse of :meth:`to_native`: ``[rows, gate, unit]``, gates in the order of ``self.gates``."""
        lengths = self.lengths(input_size, units)
        flat = native.reshape([lengths[word] for group in self.groups for word in group if word != "1"])
        return flat.transpose(np.argsort(self._permutation()))


@dataclass(frozen=True)
class Layout:
    """All tensors of an api.

    ``forget_bias`` says where the api keeps it: ``"equation"``, added at each step by the cell itself
    and absent from its tensors, or ``"bias"``, part of the stored bias. ``peepholes`` are the tensors that
    come along where an option of the api asks for them.
    """

    tensors: Tuple[Tensor, ...]
    forget_bias: str
    cell: str = "lstm"
    peepholes: Tuple[Tensor, ...] = ()

    @property
    def names(self) -> List[str]:
        """The native tensor names."""
        return [tensor.name for tensor in self.tensors]

    def shapes(self, input_size: int, units: int) -> Dict[str, Tuple[int, ...]]:
        """Native name -> native shape."""
        return {tensor.name: tensor.shape(input_size, units) for tensor in self.tensors}


def load(layout: Layout, weights: Weights, forget_bias: float) -> Dict[str, np.ndarray]:
    """Canonical weights -> native tensors, in the dtype of the weights.

    A layout with several biases gets three quarters in the first one and the rest in the last: both
    matter then, and their sum is exactly the canonical bias (the subtraction is exact, Sterbenz 1974).
    """
    input_size, units = _sizes(weights)
    kernel = weights.kernel.reshape(-1, 4, units)
    bias = weights.bias.reshape(4, units)
    if layout.forget_bias == "bias":
        bias = _add_forget_bias(bias, forget_bias)
    first = (bias * 0.75).astype(bias.dtype)
    shares = {1: [bias], 2: [first, bias - first]}
    blocks = {"x": kernel[:input_size], "h": kernel[input_size:], "xh": kernel}
    native = {}
    for biases in _biases(layout).values():
        for tensor, share in zip(biases, shares[len(biases)]):
            native[tensor.name] = tensor.to_native(share)
    for tensor in layout.tensors:
        if tensor.rows:
            native[tensor.name] = tensor.to_native(blocks[tensor.rows])
    return {name: native[name] for name in layout.names}


def extract(layout: Layout, tensors: Mapping[str, np.ndarray], forget_bias: float) -> Weights:
    """Native tensors -> canonical weights in float64, so that sums of biases are exact.

    Raises :class:`LayoutError` when a tensor is missing, unknown or of a wrong shape.
    """
    input_size, units = _native_sizes(layout, tensors)
    kernel = np.full((input_size + units, 4, units), np.nan)
    bias = np.zeros((4, units))
    rows = {"x": slice(0, input_size), "h": slice(input_size, None), "xh": slice(0, None)}
    for tensor in layout.tensors:
        block = tensor.from_native(np.asarray(tensors[tensor.name], np.float64), input_size, units)
        for position, gate in enumerate(tensor.gates):
            if tensor.rows:
                kernel[rows[tensor.rows], GATES.index(gate)] = block[:, position]
            else:
                bias[GATES.index(gate)] += block[position]
    if layout.forget_bias == "bias":
        bias = _add_forget_bias(bias, -forget_bias)
    return Weights(kernel.reshape(input_size + units, 4 * units), bias.reshape(4 * units))


def extract_peepholes(layout: Layout, tensors: Mapping[str, np.ndarray]) -> Optional[np.ndarray]:
    """Native tensors -> the peepholes ``[3, U]`` of i, f, o in float64, None where there are none.

    Raises :class:`LayoutError` as :func:`extract` does.
    """
    _, units = _native_sizes(layout, tensors)
    vectors = np.zeros((len(PEEPHOLES), units))
    found = [tensor for tensor in layout.peepholes if tensor.name in tensors]
    for tensor in found:
        block = tensor.from_native(np.asarray(tensors[tensor.name], np.float64), 0, units)
        for position, gate in enumerate(tensor.gates):
            vectors[PEEPHOLES.index(gate)] = block[position]
    return vectors if found else None


def convert(
    source: Layout, target: Layout, tensors: Mapping[str, np.ndarray], forget_bias: float
) -> Dict[str, np.ndarray]:
    """Native tensors of one api -> native tensors of another, in the dtype of the first tensor given."""
    dtype = next(iter(tensors.values())).dtype
    weights = extract(source, tensors, forget_bias)
    return load(target, Weights(weights.kernel.astype(dtype), weights.bias.astype(dtype)), forget_bias)


class Slice(NamedTuple):
    """Where one gate sits in a native tensor: ``weight_ih_l0[0:64, :]`` is the input gate.

    ``symbols`` is the shape in letters, ``rows`` what the rows multiply (empty for a bias).
    """

    tensor: str
    shape: Tuple[int, ...]
    symbols: str
    subscript: str
    gate: str
    rows: str


def describe(layout: Layout, input_size: int, units: int) -> List[Slice]:
    """Every gate's slice of every tensor, for a reader."""
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


def _sizes(weights: Weights) -> Tuple[int, int]:
    units = weights.bias.shape[0] // 4
    return weights.kernel.shape[0] - units, units


def _native_sizes(layout: Layout, tensors: Mapping[str, np.ndarray]) -> Tuple[int, int]:
    """input_size and units read off the tensors, once every name and shape has been checked."""
    missing = [name for name in layout.names if name not in tensors]
    extra = [tensor.name for tensor in layout.peepholes]
    unknown = [name for name in tensors if name not in layout.names + extra]
    if any(name in tensors for name in extra):
        missing += [name for name in extra if name not in tensors]
    if missing or unknown:
        raise LayoutError("tensors %s, but should be %s" % (sorted(tensors), sorted(layout.names)))
    bias = next(tensor for tensor in layout.tensors if not tensor.rows)
    units = int(np.size(tensors[bias.name])) // len(bias.gates)
    kernel = next(tensor for tensor in layout.tensors if "x" in tensor.rows)
    rows = int(np.size(tensors[kernel.name])) // max(1, units * len(kernel.gates))
    input_size = rows - units if kernel.rows == "xh" else rows
    shapes = layout.shapes(input_size, units)
    shapes.update((t.name, t.shape(input_size, units)) for t in layout.peepholes if t.name in tensors)
    for name, shape in shapes.items():
        if np.shape(tensors[name]) != shape:
            raise LayoutError(
                "%s has shape %s, but should have %s" % (name, list(np.shape(tensors[name])), list(shape))
            )
    return input_size, units


def _biases(layout: Layout) -> Dict[str, List[Tensor]]:
    """The bias tensors that add up, by the gates they hold."""
    biases: Dict[str, List[Tensor]] = {}
    for tensor in layout.tensors:
        if not tensor.rows:
            biases.setdefault(tensor.gates, []).append(tensor)
    return biases


def _add_forget_bias(bias: np.ndarray, forget_bias: float) -> np.ndarray:
    """``bias`` ``[4, U]`` with ``forget_bias`` added to the forget gate, in the dtype of ``bias``."""
    shifted = bias.copy()
    shifted[GATES.index("f")] += bias.dtype.type(forget_bias)
    return shifted
