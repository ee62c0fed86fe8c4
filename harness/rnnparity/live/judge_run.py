"""Judge what an adapter returned, and find out why it differs."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from rnnparity.apis.api import PEEPHOLES, PROJECTION, Target
from rnnparity.diagnosis import explain, gradient_search
from rnnparity.environments import declarations
from rnnparity.judge import compare, comparison, gradients
from rnnparity.judge.comparison import Comparison
from rnnparity.live.fitting import Form, fitted
from rnnparity.live.result import Run
from rnnparity.reference import forward
from rnnparity.reference.case import Case
from rnnparity.reference.forward import Reference
from rnnparity.reference.network_case import NetworkCase
from rnnparity_adapters import layout, wire, worker
from rnnparity_adapters.adapter import CELL, HIDDEN, STEPPED_HIDDEN
from rnnparity_adapters.layout import Layout, LayoutError


def reference_of(case: Case, form: Form, arithmetic: str | None) -> Reference:
    """The reference of a case in a form."""
    return forward.run(fitted(case, form), arithmetic)


_REFERENCE_BYTES = 4 * 8 + 13 * 4
"""What a reference has for each element of a state: values and noise, and its linearised steps in float32."""


def references_in(memory: int, cases: Iterable[Case | NetworkCase]) -> int:
    """How many references of such cases fit into so many bytes; one is allowed always."""
    largest = max(_REFERENCE_BYTES * case.batch * case.steps * case.units for case in cases)
    return max(1, memory // largest)


def judge_both(
    stored_as: Layout, loaded: Reference, arrays: Mapping[str, np.ndarray], arithmetic: str | None = None
) -> list[Run]:
    """What :func:`judge` says of both directions, the loaded weights first."""
    return [judge(stored_as, loaded, way, arrays, arithmetic) for way in worker.DIRECTIONS]


def judge(
    stored_as: Layout,
    loaded: Reference,
    direction: str,
    arrays: Mapping[str, np.ndarray],
    arithmetic: str | None = None,
) -> Run:
    """Compare what an adapter returned in one direction with the reference.

    ``stored_as`` is the layout of its tensors. ``loaded`` is the reference for the case's own weights. Those
    that the framework initialised get a reference of their own. ``arrays`` are those of
    :func:`rnnparity_adapters.worker.run`: native tensors ``[...]``, and states such as ``hidden``
    ``[B, T, U]``, by name.
    """
    case = loaded.case
    found = wire.group(direction, dict(arrays))
    observed = wire.group("trajectory", found)
    native = wire.group("weights", found)
    try:
        ran, same = read_back(stored_as, case, direction, native)
    except LayoutError as error:
        return Run(case.seed, direction, Comparison(comparison.FAILED, f"weights read back: {error}"))
    expected = loaded if direction == worker.LOADED else forward.run(ran, arithmetic)
    compared = same.followed_by(compare.compare(observed, expected))
    if direction == worker.LOADED and case.cotangent is not None:
        by_name = wire.group(worker.GRADIENTS, dict(arrays))
        compared = gradients.with_gradients(compared, by_name, expected, stored_as)
    if direction == worker.OWN:  # nothing else is compared with it
        expected = replace(expected, linear=None)
    return Run(case.seed, direction, compared, observed, expected)


def read_back(
    stored_as: Layout, case: Case, direction: str, native: Mapping[str, np.ndarray]
) -> tuple[Case, Comparison]:
    """The case that was run, with the ``native`` tensors ``[...]``, and whether these are those loaded.

    Raises :class:`~rnnparity_adapters.layout.LayoutError` for tensors that do not fit.
    """
    weights = layout.extract(stored_as, native, case.equation.forget_bias)
    peepholes = layout.extract_peepholes(stored_as, native)
    projection = layout.extract_projection(stored_as, native)
    if direction == worker.OWN:
        sizes = layout.added_sizes(stored_as, native)
        own = replace(case, weights=weights, added_sizes=sizes, peepholes=peepholes, projection=projection)
        return own, Comparison(comparison.AGREE)
    same = compare.compare_weights(weights, case.weights, case.equation.cell)
    for name, got, loaded_as in (
        (PEEPHOLES, peepholes, case.peepholes), (PROJECTION, projection, case.projection),
    ):  # fmt: skip
        if not np.array_equal(_array(got), _array(loaded_as)):
            said = f"{name} read back are not those loaded"
            same = same.followed_by(Comparison(comparison.DIVERGE, said))
    return case, same


def _array(part: np.ndarray | None) -> np.ndarray:
    return np.empty(0) if part is None else part


def explained(
    run: Run, target: Target, arrays: Mapping[str, np.ndarray], arithmetic: str | None = None
) -> Run:
    """The run that :func:`judge` returned for ``arrays`` ``[...]``, with its causes if it diverges."""
    observed, expected, compared = run.observed, run.reference, run.comparison
    if compared.verdict != comparison.DIVERGE or not compared.differences or not observed or not expected:
        return run
    if compared.gradients:  # these are judged where the trajectory agrees
        found = wire.group(worker.GRADIENTS, dict(arrays))
        return replace(run, causes=gradient_search.diagnose(expected, found, target.layout, target.api))
    # The cell state is that of the stepped run, where there are two.
    hidden = observed.get(STEPPED_HIDDEN, observed[HIDDEN])
    weights = wire.group("weights", wire.group(run.direction, dict(arrays)))
    options = target.given(expected.case.equation, hidden.shape[2])
    causes = explain.diagnose(
        target.api, expected.case, hidden, observed.get(CELL),
        weights=weights, version=_version(target), options=options,
        arithmetic=arithmetic,
    )  # fmt: skip
    return replace(run, causes=tuple(causes))


def _version(target: Target) -> str:
    """The version that is declared for what runs; empty, for the latest, where none is."""
    try:
        return declarations.declared()[target.live.environment].pinned(target.live.package)
    except (KeyError, ValueError):
        return ""
