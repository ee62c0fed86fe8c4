"""A recording that is so long that its arrays had better stay in their file, read in pieces."""

import contextlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rnnparity.apis.catalogue import find_api
from rnnparity.apis.stacks import is_network
from rnnparity.files import array_file, npz
from rnnparity.files.sequence import Sequence, steps_of
from rnnparity.recordings.meta import read_meta
from rnnparity.recordings.recording import RETURNED, STATES, Recording, check_shapes, from_arrays, own_arrays
from rnnparity.reference.case import long_pieces
from rnnparity_adapters.adapter import CELL, HIDDEN, STEPPED_HIDDEN

_SEQUENCES = ("inputs", *STATES)
_AT_THE_END = tuple(name for name in RETURNED if name not in STATES)


@dataclass(frozen=True)
class Pieces:
    """A recorded run of ``steps`` steps. Each piece is a recording that begins from the states before it."""

    steps: int
    each: Iterator[Recording]


@contextlib.contextmanager
def open_long(path: str | Path) -> Iterator[Pieces | None]:
    """A long recording in an ``.npz``, while this is open; None for what is to be read as a whole.

    That is whatever is not long, and where some steps do not count, the run went backwards or there are
    several layers, however long it is. Raises :class:`~rnnparity.errors.InputError` as
    :func:`~rnnparity.recordings.stored.read` does, and may do so with a later piece.
    """
    if not npz.may_be_large(path):
        yield None
        return
    with array_file.open_arrays(path, _SEQUENCES) as (arrays, bfloat16):
        yield _pieces(arrays, bfloat16)


def _pieces(arrays: Mapping[str, np.ndarray | Sequence], bfloat16: Collection[str]) -> Pieces | None:
    stored = arrays.get("meta")
    meta = read_meta(stored if isinstance(stored, np.ndarray) else None)
    if is_network(meta["api"], meta["options"]) or {"lengths", "mask"} & set(arrays):
        return None
    api = find_api(meta["api"])
    api.equation(meta["options"], meta["version"])  # which refuses what the api does not have
    own = own_arrays(arrays)
    sequences = {name: array for name, array in own.items() if name in _SEQUENCES}
    check_shapes(sequences)
    (batch, steps, size), units = own["inputs"].shape, own[HIDDEN].shape[2]
    slices = list(long_pieces(batch, steps, size, units))
    if len(slices) == 1 or api.order(meta["options"]).backwards:
        return None
    return Pieces(steps, _each(arrays, bfloat16, slices))


def _each(
    arrays: Mapping[str, np.ndarray | Sequence], bfloat16: Collection[str], slices: list[slice]
) -> Iterator[Recording]:
    before: dict[str, np.ndarray] = {}
    whole = {name: array for name, array in arrays.items() if isinstance(array, np.ndarray)}
    ends = {name: whole.pop(name) for name in _AT_THE_END if name in whole}
    for now in slices:
        piece = {name: steps_of(arrays[name], now) for name in _SEQUENCES if name in arrays}
        last = ends if now is slices[-1] else {}
        yield from_arrays({**whole, **piece, **before, **last}, bfloat16)
        # The cell state is that of the stepped run, where there are two.
        seen = {"initial_hidden": piece.get(STEPPED_HIDDEN, piece[HIDDEN]), "initial_cell": piece.get(CELL)}
        before = {name: states[:, -1] for name, states in seen.items() if states is not None}
