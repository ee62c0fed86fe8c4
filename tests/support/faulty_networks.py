"""Adapters of networks of torch with one planted fault each, which run in the worker of its environment."""

from typing import Any

import numpy as np

from rnnparity_adapters.adapter import HIDDEN, LAST_HIDDEN, States
from rnnparity_adapters.torch_adapter import Layer

Arrays = dict[str, np.ndarray]


class _Renaming(Layer):
    """Exchanges the tensors of two cells, on their way in and on their way out."""

    one, other = "", ""

    def _renamed(self, tensors: Arrays) -> Arrays:
        swapped = {}
        for name, tensor in tensors.items():
            stem, _, end = name.partition("_l")
            end = {self.one: self.other, self.other: self.one}.get(end, end)
            swapped[stem + "_l" + end] = tensor
        return swapped

    def write(self, tensors: Arrays) -> None:
        super().write(self._renamed(tensors))

    def read(self) -> Arrays:
        return self._renamed(super().read())


class LayersSwapped(_Renaming):
    one, other = "1", "2"


class DirectionsSwapped(_Renaming):
    one, other = "0", "0_reverse"


class OneCellForgotten(Layer):
    """Does not load the tensors of one cell."""

    def write(self, tensors: Arrays) -> None:
        own = super().read()
        super().write({name: own[name] if name.endswith("_l1") else tensors[name] for name in tensors})


class StatesByDirection(Layer):
    """Takes the initial states for directions before layers."""

    def run(self, inputs: np.ndarray, states: States) -> Arrays:
        def turned(state: Any) -> np.ndarray:
            parted = state.reshape(-1, 2, *state.shape[1:]).swapaxes(0, 1)
            return np.ascontiguousarray(parted.reshape(state.shape))

        return super().run(inputs, tuple(map(turned, states)))


class LengthsUnused(Layer):
    """Runs every row to its end."""

    def run_lengths(self, inputs: np.ndarray, states: States, lengths: np.ndarray) -> Arrays:
        return super().run_lengths(inputs, states, np.full_like(lengths, self.setup.steps))


class PaddingHeld(Layer):
    """Repeats the last output past a row's length."""

    def run_lengths(self, inputs: np.ndarray, states: States, lengths: np.ndarray) -> Arrays:
        found = super().run_lengths(inputs, states, lengths)
        hidden = found[HIDDEN].copy()
        for row, length in enumerate(lengths):
            hidden[row, length:] = hidden[row, length - 1]
        return dict(found, **{HIDDEN: hidden})


class LastStatesOfTheEnd(Layer):
    """Returns the last states of another length."""

    def run_lengths(self, inputs: np.ndarray, states: States, lengths: np.ndarray) -> Arrays:
        found = super().run_lengths(inputs, states, lengths)
        other = super().run_lengths(inputs, states, np.maximum(lengths - 1, 1))
        return dict(found, **{LAST_HIDDEN: other[LAST_HIDDEN]})


class WrongShape(Layer):
    """Returns one direction alone."""

    def run(self, inputs: np.ndarray, states: States) -> Arrays:
        found = super().run(inputs, states)
        return dict(found, **{HIDDEN: found[HIDDEN][:, :, : self.setup.units]})
