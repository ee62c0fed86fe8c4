"""Networks of torch as plain cells compute them, and their recordings."""

import json
from collections.abc import Callable

import numpy as np

from rnnparity.apis.catalogue import APIS
from rnnparity.recordings.check import Check, check
from rnnparity.recordings.stored import from_arrays
from rnnparity.reference.case import Case
from rnnparity.selftest import plain_cells
from rnnparity_adapters import layout
from support.writer import Arrays

B, T, SIZE, U = 3, 9, 5, 4
KINDS = {"LSTM": 4, "GRU": 3, "RNN": 1}
Weights = dict[str, np.ndarray]
Running = Callable[[Case, tuple[int, int]], Case]
"""What really runs in the place of a cell, whose layer and direction are given."""


def suffix(layer: int, direction: int) -> str:
    return f"_l{layer}{'_reverse' * direction}"


class Network:
    """A network of torch: its weights and states, and what plain cells compute of them."""

    def __init__(self, kind: str, layers: int, two: bool, seed: int = 0) -> None:
        self.kind, self.layers, self.directions = kind, layers, 1 + two
        random = np.random.RandomState(seed)
        gates = KINDS[kind]

        def drawn(*shape: int) -> np.ndarray:
            return random.uniform(-0.7, 0.7, shape).astype("float32")

        self.inputs = drawn(B, T, SIZE)
        self.weights: Weights = {}
        for k in range(layers):
            width = SIZE if k == 0 else U * self.directions
            for d in range(self.directions):
                self.weights |= {
                    f"weight_ih{suffix(k, d)}": drawn(gates * U, width),
                    f"weight_hh{suffix(k, d)}": drawn(gates * U, U),
                    f"bias_ih{suffix(k, d)}": drawn(gates * U),
                    f"bias_hh{suffix(k, d)}": drawn(gates * U),
                }
        cells = layers * self.directions
        self.hidden, self.cell = drawn(cells, B, U), drawn(cells, B, U if kind == "LSTM" else 0)

    def run(
        self,
        weights: Weights,
        hidden: np.ndarray | None = None,
        turned: bool = True,
        really: Running = lambda case, place: case,
    ) -> Arrays:
        """What each layer returns, as ``outputs_l0`` and so on, and the last states."""
        api = APIS[f"torch.nn.{self.kind}"]
        starts = self.hidden if hidden is None else hidden
        now, found, last = self.inputs, {}, []
        for k in range(self.layers):
            parts = []
            for d in range(self.directions):
                own = {
                    n.replace(suffix(k, d), "_l0"): a
                    for n, a in weights.items()
                    if n.endswith(f"h{suffix(k, d)}")
                }
                read = now[:, ::-1] if d and turned else now
                at = k * self.directions + d
                case = Case(
                    api.equation({}), layout.extract(api.layout, own), read, starts[at], self.cell[at]
                )
                run = plain_cells.run(really(case, (k, d)))
                parts.append(run.hidden[:, ::-1] if d and turned else run.hidden)
                last.append(run.hidden[:, -1])
            now = np.concatenate(parts, axis=2)
            found[f"outputs_l{k}"] = now
        return {**found, "hidden": now, "last_hidden": np.stack(last)}

    def recorded(self, ran: Arrays, inner: bool = False) -> Arrays:
        options = {"num_layers": self.layers, "bidirectional": self.directions == 2}
        meta = {"recording": 1, "api": f"torch.nn.{self.kind}", "version": "", "options": options}
        arrays = {f"weights/rnn.{name}": tensor for name, tensor in self.weights.items()}
        arrays |= {"inputs": self.inputs, "hidden": ran["hidden"], "initial_hidden": self.hidden}
        arrays |= {"initial_cell": self.cell} if self.kind == "LSTM" else {}
        arrays |= {name: a for name, a in ran.items() if name.startswith("outputs")} if inner else {}
        return {**arrays, "meta": np.array(json.dumps(meta))}

    def check(self, ran: Arrays, inner: bool = False) -> Check:
        return check(from_arrays(self.recorded(ran, inner)))
