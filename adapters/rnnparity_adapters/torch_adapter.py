"""``torch.nn.LSTM`` and ``torch.nn.LSTMCell``."""

import copy
from typing import Any, Dict

import numpy as np
import torch

from .adapter import Adapter, layer, stepped


class _Module(Adapter):
    """What the layer and the cell share: their parameters."""

    module: Any

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

    def _options(self) -> Dict[str, Any]:
        return dict(self.setup.options, dtype=getattr(torch, self.setup.dtype))


class Cell(_Module):
    """``torch.nn.LSTMCell``, called for one step at a time."""

    def build(self) -> None:
        self.module = torch.nn.LSTMCell(self.setup.input_size, self.setup.units, **self._options())

    def run(self, inputs: np.ndarray, hidden: np.ndarray, cell: np.ndarray) -> Dict[str, np.ndarray]:
        state = torch.from_numpy(hidden), torch.from_numpy(cell)
        steps = []
        with torch.inference_mode():
            for x in torch.from_numpy(inputs).unbind(1):
                state = self.module(x, state)
                steps.append((state[0].numpy(), state[1].numpy()))
        return stepped(steps)


class Layer(_Module):
    """``torch.nn.LSTM``, called for the whole sequence and for one step at a time."""

    def build(self) -> None:
        sizes = self.setup.input_size, self.setup.units
        self.module = torch.nn.LSTM(*sizes, batch_first=True, **self._options())

    def run(self, inputs: np.ndarray, hidden: np.ndarray, cell: np.ndarray) -> Dict[str, np.ndarray]:
        x = torch.from_numpy(inputs)
        # A state is [layers * directions, B, U] even with batch_first:
        # https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTM.html
        first = torch.from_numpy(hidden)[None], torch.from_numpy(cell)[None]
        steps = []
        with torch.inference_mode():
            sequence, (_, last_cell) = self.module(x, first)
            state = first
            for step in range(self.setup.steps):
                _, state = self.module(x[:, step : step + 1], state)
                steps.append((state[0][0].numpy(), state[1][0].numpy()))
        return layer(sequence.numpy(), last_cell[0].numpy(), steps)
