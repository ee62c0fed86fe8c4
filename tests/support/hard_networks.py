"""Clean networks of PyTorch that rounding makes hard to judge: deep, chaotic, saturated, with lengths.

    python hard_networks.py FOLDER FIRST COUNT

One recording for each number from FIRST on, which draws everything in it.
"""

# pyright: reportMissingImports=false, reportMissingModuleSource=false

import json
import os
import sys
from typing import Any, Dict

import numpy as np
import torch

FOLDER, FIRST, COUNT = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
torch.set_num_threads(1)


def drawn(number: int) -> None:
    torch.manual_seed(number)
    random = np.random.RandomState(number)
    kind = ("LSTM", "GRU", "RNN")[number % 3]
    layers = int(random.choice([1, 2, 3, 5]))
    batch, steps, size, units = (
        int(random.choice(choice)) for choice in ((1, 3, 8), (1, 4, 25, 60), (1, 3, 16), (1, 4, 32, 100))
    )
    options: Dict[str, Any] = {"num_layers": layers, "bidirectional": bool(random.randint(2)) or layers == 1}
    if kind == "LSTM" and units > 1 and random.randint(3) == 0:
        options["proj_size"] = units // 2
    if kind == "RNN" and random.randint(2):
        options["nonlinearity"] = "relu"
    module = getattr(torch.nn, kind)(size, units, batch_first=True, **options)
    how = random.randint(6)
    parameters = dict(module.named_parameters())
    with torch.no_grad():
        for name, parameter in parameters.items():
            if how == 0:  # errors grow from layer to layer
                parameter.mul_(2)
            elif how == 1 and "bias" in name:
                parameter.uniform_(-3, 3)
            elif how == 2 and "bias_ih" in name:  # the two biases cancel
                opposite = -parameter + 1e-4 * torch.randn_like(parameter)
                parameters[name.replace("_ih", "_hh")].copy_(opposite)
            elif how == 3 and "bias" in name:
                parameter.zero_()
            elif how == 4:
                parameter.mul_(0.1)
    inputs = random.standard_normal((batch, steps, size)).astype("float32")
    inputs = (inputs, np.ones_like(inputs), 0 * inputs, 30 * inputs, inputs[:1].repeat(batch, axis=0))[
        random.randint(5)
    ]
    cells = layers * (1 + options["bidirectional"])
    given = random.randint(2)
    arrays: Any = {
        "inputs": inputs,
        "initial_hidden": given * random.uniform(-0.9, 0.9, (cells, batch, options.get("proj_size", units))),
    }
    if kind == "LSTM":
        arrays["initial_cell"] = given * random.standard_normal((cells, batch, units))
    arrays = {name: array.astype("float32") for name, array in arrays.items()}
    state = tuple(torch.tensor(array) for array in list(arrays.values())[1:])
    x = torch.tensor(inputs)
    if steps > 1 and random.randint(3) == 0:
        lengths = random.randint(1, steps + 1, batch)
        lengths[random.randint(batch)] = steps
        arrays["lengths"] = lengths
        x = torch.nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    with torch.inference_mode():
        hidden, last = module(x, state if kind == "LSTM" else state[0])
        if "lengths" in arrays:
            hidden, _ = torch.nn.utils.rnn.pad_packed_sequence(hidden, batch_first=True)
    ends = zip(("last_hidden", "last_cell"), last if kind == "LSTM" else (last,))
    arrays.update((name, end.numpy()) for name, end in ends)
    meta = {"recording": 1, "api": "torch.nn." + kind, "version": torch.__version__, "options": options}
    weights = {"weights/" + name: parameter.detach().numpy() for name, parameter in parameters.items()}
    path = os.path.join(FOLDER, "%d.npz" % number)
    arrays.update(weights, hidden=hidden.numpy(), meta=np.array(json.dumps(meta)))
    np.savez(path, **arrays)


for each in range(FIRST, FIRST + COUNT):
    drawn(each)
