"""Hypotheses on tensors with permuted units, rounded numbers, or biases in each other's place."""

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from rnnparity.diagnosis.hypothesis import (
    Change,
    Found,
    Hypothesis,
    bias_of,
    blocks,
    kernel_of,
    rows_of,
    with_shares,
    with_weights,
)
from rnnparity.diagnosis.teacher_forcing import Setting, counting
from rnnparity.diagnosis.tensor_findings import BiasSwapped, Quantised, UnitOrder
from rnnparity.reference.forward import Reference
from rnnparity.reference.noise import LIMIT, Array
from rnnparity_adapters.kinds import Kind

_UNITS = 256
"""The most units that are looked for in each other's place."""


def output_order(setting: Setting, base: Reference) -> Iterator[Found]:
    """Hidden units ``[P]`` of the outputs in another order, or some in place of others."""
    count = counting(setting)
    seen, own, noise = setting.hidden[count], base.hidden[count], base.hidden_noise[count]
    width = seen.shape[1]
    if not 1 < width <= _UNITS or len(seen) < 2:
        return
    # A few steps tell which unit is which; all of them are compared afterwards.
    few = slice(0, 64)
    away = np.abs(seen[few, :, None] - own[few, None, :]) / noise[few, None, :]
    order = away.max(axis=0).argmin(axis=1)
    if np.array_equal(order, np.arange(width)) or len(set(order.tolist())) < width // 2:
        return
    if not np.all(np.abs(seen - own[:, order]) <= LIMIT * noise[:, order]):
        return
    if sorted(order.tolist()) == list(range(width)):
        back = np.argsort(order)
        square = setting.cell is not None and setting.cell.shape[2] == width
        cell = setting.cell
        if cell is not None and square:
            turned = cell[count][:, back]
            if np.all(np.abs(turned - base.cell[count]) <= LIMIT * base.cell_noise[count]):
                cell = cell[..., back]
        away_back = None if setting.away is None else setting.away[..., back]
        changed = replace(setting, hidden=setting.hidden[..., back], cell=cell, away=away_back)
        yield Found(UnitOrder("outputs", tuple(order.tolist())), changed)


_Order = Callable[[int], NDArray[np.signedinteger]]
_ORDERS: Mapping[str, _Order] = {
    "reversed": lambda units: np.arange(units)[::-1],
    "halves swapped": lambda units: np.roll(np.arange(units), units // 2),
    "interleaved": lambda units: np.arange(units).reshape(2, -1).T.reshape(-1),
    "de-interleaved": lambda units: np.arange(units).reshape(-1, 2).T.reshape(-1),
    "one unit late": lambda units: np.roll(np.arange(units), 1),
    "one unit early": lambda units: np.roll(np.arange(units), -1),
}  # fmt: skip
_PLACES = {
    "rows of the recurrent kernel": (False, True, False),
    "kernels": (True, False, False),
    "bias": (False, False, True),
    "kernels and bias": (True, False, True),
    "recurrent kernel, rows and columns": (True, True, False),
}
"""Columns of the kernels, rows of the recurrent kernel, columns of the bias."""


def tables(kind: Kind, units: int) -> Iterator[Hypothesis]:
    """The hypotheses for a kind of cell with so many units."""
    for (name, order_of), (what, places) in itertools.product(_ORDERS.items(), _PLACES.items()):
        if units > 1 and (units % 2 == 0 or "interleaved" not in name):
            yield Hypothesis((UnitOrder(what, name),), _reordered(order_of, places))
    if "m" in kind.bias_gates:
        yield Hypothesis((BiasSwapped(),), _swapped)
    for tensors, levels, group in itertools.product(("xh", "xhb"), _LEVELS, _GROUPS):
        yield Hypothesis((Quantised(tensors, levels, group),), _rounded(tensors, levels, group))


def _reordered(order_of: _Order, places: tuple[bool, bool, bool]) -> Change:
    columns, rows, of_bias = places

    def change(setting: Setting) -> Setting | None:
        case = setting.case
        if case.projection is not None:
            return None
        order = order_of(case.units)
        kernel, bias = kernel_of(setting), bias_of(setting)
        by_gate = blocks(kernel, len(case.gates))
        if rows:
            by_gate[case.input_size :] = by_gate[case.input_size :][order]
        if columns:
            start = case.input_size if rows else 0
            by_gate[start:] = by_gate[start:][..., order]
        if of_bias:
            bias = bias[:, order]
        return with_weights(setting, kernel, bias.reshape(-1) if of_bias else None)

    return change


def _swapped(setting: Setting) -> Setting | None:
    bias, names = bias_of(setting), setting.case.kind.bias_gates
    if not setting.case.equation.reset_after:
        return None  # there both are added to the same sum
    n, m = names.index("n"), names.index("m")
    bias[[n, m]] = bias[[m, n]]
    return with_weights(setting, bias=bias.reshape(-1))


# https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html: int8 with a scale for each
# tensor or for each channel, symmetric or from the smallest to the largest number.
_LEVELS = (255, 256, 15)
_GROUPS = ("tensor", "whole kernel", "column", "gate")


def _rounded(tensors: str, levels: int, group: str) -> Change:
    """Numbers rounded to a grid: symmetric around zero for an odd number of levels."""

    def grid(values: Array, axes: tuple[int, ...] | None) -> Array:
        if levels % 2:
            scale = np.abs(values).max(axis=axes, keepdims=True) / (levels // 2)
            rounded: Array = np.round(values / np.where(scale > 0, scale, 1)) * scale
            return rounded
        low = np.minimum(values.min(axis=axes, keepdims=True), 0)
        high = np.maximum(values.max(axis=axes, keepdims=True), 0)
        scale = (high - low) / (levels - 1)
        scale = np.where(scale > 0, scale, 1)
        zero = np.round(-low / scale)
        value: Array = (np.clip(np.round(values / scale) + zero, 0, levels - 1) - zero) * scale
        return value

    axes = {"tensor": None, "whole kernel": None, "column": (0,), "gate": (0, 2)}[group]

    def change(setting: Setting) -> Setting:
        kernel = kernel_of(setting)
        by_gate = blocks(kernel, len(setting.case.gates))
        parts = [slice(None)] if group == "whole kernel" else list(rows_of(setting).values())
        for rows in parts:
            by_gate[rows] = grid(by_gate[rows].copy(), axes)
        if "b" in tensors:
            return with_shares(setting, [grid(share, None) for share in setting.shares], kernel)
        return with_weights(setting, kernel)

    return change
