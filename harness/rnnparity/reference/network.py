"""Networks: layers and directions of cells, run in float64 with the noise that one layer hands to the next.

A layer reads its inputs in one direction or in two, and merges what these return, as Schuster & Paliwal 1997
do (https://doi.org/10.1109/78.650093). Its outputs are the inputs of the layer after it, and their rounding
errors are errors of these inputs. One direction of one layer is the smallest network.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnnparity.reference import forward, masks
from rnnparity.reference.case import Case
from rnnparity.reference.forward import Reference
from rnnparity.reference.noise import ARITHMETICS, Arithmetic, Array

CONCAT, SUM, MUL, AVE = "concat", "sum", "mul", "ave"
"""How the outputs of two directions become those of their layer; Keras's names."""
REVERSED = "concat, the backward direction first"
"""No api merges like this: it is a mistake."""

DIRECTIONS = ("forward", "backward")
"""The directions of a layer, in their order."""


def suffix(layer: int, direction: int) -> str:
    """What names of one direction of one layer end with, as PyTorch's do: ``_l1_reverse``."""
    return f"_l{layer}{'_reverse' * direction}"


class Sequences(NamedTuple):
    """``values`` ``[B, T, n]`` and their standard errors ``noise`` ``[B, T, n]``, None if they are exact."""

    values: Array
    noise: Array | None = None


@dataclass(frozen=True, eq=False)
class Direction:
    """One direction of a layer: a ``cell``, and whether it reads its inputs ``backwards``.

    Its outputs are ``turned_back`` to the order of the inputs, unless it is the only one, and says otherwise.
    The cell is a case. Its inputs ``[B, T, I]`` say their shape and dtype, and are replaced by what the layer
    reads.
    """

    cell: Case
    backwards: bool = False
    turned_back: bool = True

    def returned(self, states: Array, mask: NDArray[np.bool_]) -> Array:
        """What it returns of the ``states`` ``[B, T, n]`` that it has computed, zeros where the mask is."""
        steps = masks.order(mask, self.backwards)
        outputs: Array = np.where(mask[:, :, None], masks.put_back(states, steps), 0.0)
        return outputs[:, ::-1] if self.backwards and not self.turned_back else outputs

    def case(self, inputs: Sequences, mask: NDArray[np.bool_]) -> Case:
        """The case that runs on ``inputs`` ``[B, T, I]``, in the order in which it reads them."""
        steps = masks.order(mask, self.backwards)
        noise = None if inputs.noise is None else masks.taken(inputs.noise, steps)
        return replace(self.cell, inputs=masks.taken(inputs.values, steps), inputs_noise=noise)


@dataclass(frozen=True, eq=False)
class Layer:
    """The ``directions`` of a layer, forward before backward, and how they ``merge``."""

    directions: tuple[Direction, ...]
    merge: str = CONCAT


@dataclass(frozen=True, eq=False)
class LayerReference:
    """A layer that has run: the reference of each direction, and its merged ``outputs`` ``[B, T, n]``.

    A direction's reference is in the order in which it reads its steps, those that count first. The outputs
    are in the order of the inputs, if they are turned back, and zero where the mask is.
    """

    directions: tuple[Reference, ...]
    outputs: Sequences


def run(
    layers: Sequence[Layer],
    inputs: np.ndarray,
    mask: NDArray[np.bool_] | None = None,
    arithmetic: str | None = None,
) -> list[LayerReference]:
    """Run layers on ``inputs`` ``[B, T, I]``, each on the outputs of the one before.

    ``mask`` ``[B, T]`` says which steps of which rows count, all unless given. ``arithmetic`` is a name of
    :data:`rnnparity.reference.noise.ARITHMETICS`, and the dtype of the inputs unless given.
    """
    known = arithmetic or str(inputs.dtype)
    counts = np.ones(inputs.shape[:2], bool) if mask is None else mask
    found: list[LayerReference] = []
    now = Sequences(inputs)
    for layer in layers:
        references = tuple(forward.run(one.case(now, counts), known) for one in layer.directions)
        found.append(LayerReference(references, merged(layer, references, counts, ARITHMETICS[known])))
        now = found[-1].outputs
    return found


def merged_values(layer: Layer, parts: Sequence[Array]) -> Array:
    """The outputs of the directions of a layer, merged."""
    if len(parts) == 1:
        return parts[0]
    return MERGES[layer.merge](parts, [np.zeros_like(part) for part in parts], 0.0).values


def ensemble(
    layers: Sequence[Layer],
    found: Sequence[LayerReference],
    mask: NDArray[np.bool_] | None = None,
    members: int = 16,
) -> list[LayerReference]:
    """``found`` with the noise of its outputs measured on ``members`` runs of the whole network.

    The errors of a layer's inputs belong together from step to step and from unit to unit, which :func:`run`
    does not know: see :func:`rnnparity.reference.forward.ensemble`.
    """
    counts = np.ones(found[0].outputs.values.shape[:2], bool) if mask is None else mask
    inputs: Array | None = None
    measured = []
    for layer, known in zip(layers, found, strict=True):
        values, references = [], []
        for direction, reference in zip(layer.directions, known.directions, strict=True):
            steps = masks.order(counts, direction.backwards)
            read = None if inputs is None else np.stack([masks.taken(one, steps) for one in inputs])
            states = zip(*forward.erring(reference, members, read), strict=True)
            hidden, cell = (np.stack(state, axis=2) for state in states)
            references.append(
                replace(
                    reference,
                    hidden_noise=np.maximum(reference.hidden_noise, forward.spread_of(hidden)),
                    cell_noise=np.maximum(reference.cell_noise, forward.spread_of(cell)),
                )
            )
            values.append(np.stack([direction.returned(reference.hidden + one, counts) for one in hidden]))
        exact, noise = known.outputs
        assert noise is not None
        inputs = merged_values(layer, values) - exact
        outputs = Sequences(exact, np.maximum(noise, forward.spread_of(inputs)))
        measured.append(LayerReference(tuple(references), outputs))
    return measured


def merged(
    layer: Layer, references: Sequence[Reference], mask: NDArray[np.bool_], arithmetic: Arithmetic
) -> Sequences:
    """The outputs ``[B, T, n]`` of a layer whose directions have run, with their noise."""
    parts = []
    for direction, reference in zip(layer.directions, references, strict=True):
        both = (direction.returned(one, mask) for one in (reference.hidden, reference.hidden_noise))
        parts.append(tuple(both))
    values, noises = zip(*parts, strict=True)
    if len(values) == 1:
        return Sequences(values[0], noises[0])
    return MERGES[layer.merge](values, noises, arithmetic.element)


def _concatenated(values: Sequence[Array], noises: Sequence[Array], u: float) -> Sequences:
    return Sequences(np.concatenate(values, axis=-1), np.concatenate(noises, axis=-1))


def _summed(values: Sequence[Array], noises: Sequence[Array], u: float) -> Sequences:
    total = values[0] + values[1]
    return Sequences(total, np.sqrt(noises[0] ** 2 + noises[1] ** 2 + (u * total) ** 2))


def _averaged(values: Sequence[Array], noises: Sequence[Array], u: float) -> Sequences:
    total, noise = _summed(values, noises, u)
    assert noise is not None
    return Sequences(total / 2, noise / 2)  # halving is exact


def _multiplied(values: Sequence[Array], noises: Sequence[Array], u: float) -> Sequences:
    product = values[0] * values[1]
    variance = (values[0] * noises[1]) ** 2 + (values[1] * noises[0]) ** 2 + (u * product) ** 2
    return Sequences(product, np.sqrt(variance))


MERGES: Mapping[str, Callable[[Sequence[Array], Sequence[Array], float], Sequences]] = {
    CONCAT: _concatenated,
    REVERSED: lambda values, noises, u: _concatenated(values[::-1], noises[::-1], u),
    SUM: _summed,
    MUL: _multiplied,
    AVE: _averaged,
}
"""How two directions merge: their outputs ``[B, T, U]``, the noise of these, and the unit roundoff."""
