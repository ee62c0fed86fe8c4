"""The recurrent layers and cells of ``torch.nn``."""

import copy
from typing import Any, Dict

import numpy as np
import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from .adapter import Adapter, States, derivatives, layer, stepped, whole


class _Module(Adapter):
    """What a layer and a cell share: their parameters, and how an LSTM's two states differ from one."""

    module: Any

    def _new(self, **more: Any) -> Any:
        """A new object of the api."""
        kind = getattr(torch.nn, self.setup.name.rpartition(".")[2])
        dtype = getattr(torch, self.setup.dtype)
        return kind(self.setup.input_size, self.setup.units, dtype=dtype, **more, **self.setup.options)

    def copy(self, given: Any) -> None:
        self.module = copy.deepcopy(given).eval()
        self.module.batch_first = True

    def initialise(self, seed: int) -> None:
        torch.manual_seed(seed)
        self.module.reset_parameters()

    def write(self, tensors: Dict[str, np.ndarray]) -> None:
        with torch.no_grad():
            for name, parameter in self.module.named_parameters():
                parameter.copy_(torch.from_numpy(tensors[name]))

    def read(self) -> Dict[str, np.ndarray]:
        return {name: p.detach().numpy().copy() for name, p in self.module.named_parameters()}

    def gradients(self, inputs: np.ndarray, states: States, cotangent: np.ndarray) -> Dict[str, np.ndarray]:
        x, *first = (torch.from_numpy(each).requires_grad_() for each in (inputs, *states))
        names, parameters = zip(*self.module.named_parameters())
        loss = (self._hidden(x, first) * torch.from_numpy(cotangent)).sum()
        found = [each.numpy() for each in torch.autograd.grad(loss, [x, *first, *parameters])]
        count = 1 + len(first)
        return derivatives(self.setup, found[0], found[1:count], dict(zip(names, found[count:])))

    def _hidden(self, x: Any, states: Any) -> Any:
        """The hidden states ``[B, T, D U]`` of ``x`` ``[B, T, I]``, from states ``[K, B, U]``."""
        raise NotImplementedError

    def _packed(self, states: Any) -> Any:
        """The states as the api takes them: a pair, or the hidden state by itself."""
        return states if len(self.setup.kind.states) > 1 else states[0]

    def _unpacked(self, packed: Any) -> Any:
        """The inverse of that."""
        return packed if len(self.setup.kind.states) > 1 else (packed,)


class Cell(_Module):
    """A cell, called for one step at a time."""

    def build(self) -> None:
        self.module = self._new()

    def run(self, inputs: np.ndarray, states: States) -> Dict[str, np.ndarray]:
        now = tuple(torch.from_numpy(state[0]) for state in states)
        steps = []
        with torch.inference_mode():
            for x in torch.from_numpy(inputs).unbind(1):
                now = self._unpacked(self.module(x, self._packed(now)))
                steps.append([state.numpy() for state in now])
        return stepped(steps)

    def _hidden(self, x: Any, states: Any) -> Any:
        now, hidden = [state[0] for state in states], []
        for each in x.unbind(1):
            now = self._unpacked(self.module(each, self._packed(now)))
            hidden.append(now[0])
        return torch.stack(hidden, dim=1)


class Layer(_Module):
    """A layer, called for the whole sequence and for one step at a time; or a network of several."""

    def build(self) -> None:
        self.module = self._new(batch_first=True)

    def run(self, inputs: np.ndarray, states: States) -> Dict[str, np.ndarray]:
        x = torch.from_numpy(inputs)
        # A state is [layers * directions, B, U] even with batch_first:
        # https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTM.html
        now = tuple(map(torch.from_numpy, states))
        steps = []
        with torch.inference_mode():
            sequence, last = self._whole(x, now)
            if len(states[0]) > 1:
                return whole(sequence.numpy(), last)
            for step in range(self.setup.steps):
                _, packed = self.module(x[:, step : step + 1], self._packed(now))
                now = self._unpacked(packed)
                steps.append([state[0].numpy() for state in now])
        return layer(sequence.numpy(), last, steps)

    def run_lengths(self, inputs: np.ndarray, states: States, lengths: np.ndarray) -> Dict[str, np.ndarray]:
        counted = torch.from_numpy(lengths)
        x = pack_padded_sequence(torch.from_numpy(inputs), counted, batch_first=True, enforce_sorted=False)
        with torch.inference_mode():
            packed, last = self._whole(x, tuple(map(torch.from_numpy, states)))
            sequence, _ = pad_packed_sequence(packed, batch_first=True, total_length=self.setup.steps)
        return whole(sequence.numpy(), last)

    def _whole(self, x: Any, first: Any) -> Any:
        """The outputs over the whole sequence, and the last states ``[K, B, U]``."""
        sequence, last = self.module(x, self._packed(first))
        return sequence, [state.numpy() for state in self._unpacked(last)]

    def _hidden(self, x: Any, states: Any) -> Any:
        return self.module(x, self._packed(states))[0]
