"""A hypothesis: findings, and the change to a setting that would make them true."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnnparity.diagnosis.findings import Finding, OtherEquation
from rnnparity.diagnosis.teacher_forcing import Setting
from rnnparity.reference.noise import Array
from rnnparity_adapters.layout import Weights

Change = Callable[[Setting], Setting | None]
"""A setting -> the same with another case or trajectory, or None where the change cannot be applied."""


@dataclass(frozen=True, eq=False)
class Hypothesis:
    """``findings`` on the weights of a cell, or on how it was run, and their ``change`` to a setting.

    If the change is ``by_unit``, it treats the weights of each unit by themselves, and can be tried on some.
    """

    findings: tuple[Finding, ...]
    change: Change
    by_unit: bool = False


class Found(NamedTuple):
    """A finding, the ``setting`` in which it is true, and how many ``constants`` were fitted for that."""

    finding: Finding
    setting: Setting
    constants: int = 0


@dataclass(frozen=True)
class EquationHypothesis:
    """Another equation. ``parts`` are ids of causes, each with the fields of the equation that it replaces.

    ``fitted`` names a constant that is estimated from the data, and ``by`` the cause to which it belongs.
    """

    parts: tuple[tuple[str, Mapping[str, Any]], ...]
    fitted: str = ""
    by: str = ""

    @property
    def fields(self) -> dict[str, Any]:
        """All fields that are replaced. If two parts replace the same field, the later one wins."""
        return {name: value for _, fields in self.parts for name, value in fields.items()}

    def findings(self, value: float) -> tuple[Finding, ...]:
        """What is found if it is true, with the ``value`` of its constant."""
        return tuple(
            OtherEquation(id_, fields, value, self.fitted)
            if self.fitted and id_ == self.by
            else OtherEquation(id_, fields)
            for id_, fields in self.parts
        )

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of the causes."""
        return tuple(id_ for id_, _ in self.parts)


def both(first: EquationHypothesis, second: EquationHypothesis) -> EquationHypothesis | None:
    """The hypothesis that both are true; None where they contradict each other, or need two constants."""
    if set(first.ids) & set(second.ids) or set(first.fields) & set(second.fields):
        return None
    if first.fitted and second.fitted:
        return None
    one = first if first.fitted else second
    return EquationHypothesis((*first.parts, *second.parts), one.fitted, one.by)


def together(first: Hypothesis, second: Hypothesis) -> Hypothesis:
    """The hypothesis that both are true; the second change is applied to the result of the first."""

    def change(setting: Setting) -> Setting | None:
        changed = first.change(setting)
        return None if changed is None else second.change(changed)

    return Hypothesis(first.findings + second.findings, change, first.by_unit and second.by_unit)


def with_weights(setting: Setting, kernel: Array | None = None, bias: Array | None = None) -> Setting:
    """The setting with another canonical kernel ``[I+P, G U]`` or bias ``[G U]``."""
    old, shares = setting.case.weights, setting.shares
    if bias is not None:  # what is stored changes with it, for a second hypothesis on the biases
        shares = (shares[0] + (bias - old.bias), *shares[1:])
    weights = Weights(old.kernel if kernel is None else kernel, old.bias if bias is None else bias)
    return replace(setting, case=replace(setting.case, weights=weights), shares=shares)


def with_shares(setting: Setting, shares: Iterable[Array], kernel: Array | None = None) -> Setting:
    """The setting with other stored biases ``[G U]``, and another kernel ``[I+P, G U]`` if one is given."""
    stored = tuple(shares)
    own = setting.stored_forget_bias * is_forget(setting)
    weights = Weights(setting.case.weights.kernel if kernel is None else kernel, sum(stored) - own)
    return replace(setting, case=replace(setting.case, weights=weights), shares=stored)


def is_forget(setting: Setting) -> NDArray[np.bool_]:
    """Which numbers of the canonical bias ``[G U]`` belong to a forget gate."""
    gates = setting.case.kind.bias_gates
    return np.repeat([gate == "f" for gate in gates], setting.case.units)


def kernel_of(setting: Setting) -> Array:
    """A copy of the canonical kernel ``[I+P, G U]``."""
    return np.array(setting.case.weights.kernel, np.float64)


def bias_of(setting: Setting) -> Array:
    """A copy of the canonical bias in blocks, ``[G, U]``."""
    return blocks(np.array(setting.case.weights.bias, np.float64), len(setting.case.kind.bias_gates))


def blocks(array: Array, gates: int) -> Array:
    """``[..., G U]`` -> ``[..., G, U]``, a view."""
    return array.reshape(*array.shape[:-1], gates, -1)


def rows_of(setting: Setting) -> dict[str, slice]:
    """The rows of the canonical kernel ``[I+P, G U]``, by what they multiply."""
    size = setting.case.input_size
    return {"x": slice(0, size), "h": slice(size, None)}
