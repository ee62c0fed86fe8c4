"""A case as a row runs it: with the parts that its api has, and without those that it cannot hold."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from rnnparity.apis.api import PEEPHOLES, PROJECTION, Target
from rnnparity.reference.case import Case
from rnnparity_adapters import layout, wire, worker
from rnnparity_adapters.equation import Equation
from rnnparity_adapters.layout import Weights


class Form(NamedTuple):
    """What of a case depends on the row: the ``equation``, and what its object has beside a plain cell.

    ``folded``: it stores one bias for two that are added to the same sum. Equal forms share a reference.
    """

    equation: Equation
    folded: bool = False
    peepholes: bool = False
    projection: bool = False


def form(target: Target, asked: Equation, version: str = "") -> Form:
    """The form in which a row runs a case whose equation is ``asked``."""
    equation, parts = target.equation(asked, version), target.live.parts
    stored = target.layout.kind.folded
    # A reset gate that scales what the recurrent kernel made stands between the two.
    folded = not equation.reset_after and not all(target.layout.holds(gate) for gate, _ in stored)
    return Form(equation, folded, PEEPHOLES in parts, PROJECTION in parts)


def fitted(case: Case, form: Form) -> Case:
    """The case in a form. Peepholes ``[3, U]`` and a projection ``[U, P]`` are drawn from its seed."""
    new = replace(case, equation=form.equation)
    if form.folded:
        new = replace(new, weights=layout.fold(case.kind, case.weights))
    if form.peepholes:
        new = replace(new, peepholes=_drawn(case, 1, (3, case.units)))
    if form.projection:
        width = projected(case.units)
        kernel = case.weights.kernel[: case.input_size + width]
        new = replace(
            new,
            weights=Weights(kernel, case.weights.bias),
            initial_hidden=np.ascontiguousarray(case.initial_hidden[:, :width]),
            cotangent=None if case.cotangent is None else np.ascontiguousarray(case.cotangent[:, :, :width]),
            projection=_drawn(case, 2, (case.units, width)),
        )
    return new


def projected(units: int) -> int:
    """P, the width to which so many units are projected: PyTorch has no projection to all of them."""
    return (units + 1) // 2


def _drawn(case: Case, stream: int, shape: tuple[int, ...]) -> np.ndarray:
    """Numbers of the case's dtype, in float64, whose uniform distribution has the variance 1 / U."""
    random = np.random.RandomState((case.seed, stream))
    limit = (3 / case.units) ** 0.5
    return random.uniform(-limit, limit, shape).astype(case.dtype).astype(np.float64)


def native(target: Target, case: Case) -> dict[str, np.ndarray]:
    """The native tensors ``[...]`` of a fitted case, by name, in its dtype.

    Raises :class:`~rnnparity_adapters.layout.LayoutError` for weights that the api cannot hold.
    """
    dtype = np.dtype(case.dtype)
    weights = Weights(*(np.asarray(array).astype(dtype) for array in case.weights))
    return layout.load(
        target.layout,
        layout.held(target.layout, weights),
        case.equation.forget_bias,
        peepholes=None if case.peepholes is None else case.peepholes.astype(dtype),
        projection=None if case.projection is None else case.projection.astype(dtype),
    )


def given(case: Case) -> dict[str, np.ndarray]:
    """The arrays of a fitted case as :func:`rnnparity_adapters.worker.run` takes them.

    ``inputs`` are ``[B, T, I]``, the initial states ``[K, B, U]`` and under ``states/``, and the cotangent,
    if there is one, ``[B, T, P]``.
    """
    states = {name: getattr(case, f"initial_{name}")[None] for name in case.kind.states}
    cotangent = {} if case.cotangent is None else {worker.COTANGENT: case.cotangent}
    return {"inputs": case.inputs, **wire.prefixed("states", states), **cotangent}
