"""A recording against the reference: the verdict and, where it diverges, why."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from rnnparity.apis.known import KNOWN
from rnnparity.diagnosis.causes import CONFIRMED, Cause
from rnnparity.diagnosis.remedies import Api, remedy
from rnnparity.diagnosis.search import diagnose
from rnnparity.judge import compare
from rnnparity.judge.compare import Comparison
from rnnparity.recordings.recording import Recording, read
from rnnparity.reference import forward
from rnnparity.reference.case import Case
from rnnparity.reference.forward import Reference
from rnnparity.reference.noise import LIMIT, Array
from rnnparity_adapters.adapter import CELL, HIDDEN, STEPPED_HIDDEN
from rnnparity_adapters.equation import Equation
from rnnparity_adapters.layout import GATES, Layout, extract

ZEROED, HELD, COMPUTED = "zeroed", "held", "computed"


@dataclass(frozen=True)
class Check:
    """What became of one recording. ``causes`` are the best first; none unless it diverges."""

    file: str
    recording: Recording
    comparison: Comparison
    causes: tuple[Cause, ...]

    @property
    def verdict(self) -> str:
        """``agree``, ``diverge``, ``chaotic`` or ``nonfinite``."""
        return self.comparison.verdict


def check(recording: str | Path | Recording) -> Check:
    """Check a recording, or the file of one.

    Raises :class:`~rnnparity.errors.InputError` for a file that is no recording.
    """
    file = "" if isinstance(recording, Recording) else str(recording)
    if not isinstance(recording, Recording):
        recording = read(recording)
    case, observed = recording.case, recording.trajectory
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        expected = forward.run(case, recording.arithmetic)
    masked = _masking(recording, expected)
    if recording.lengths is not None:
        past = (np.arange(case.steps) >= recording.lengths[:, None])[:, :, None]
        for name, state in observed.items():
            known = expected.cell if name == CELL else expected.hidden
            observed[name] = np.where(past, known, state).astype(state.dtype)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        comparison = compare.compare_recording(observed, expected)
    causes = diagnosis(
        recording.api, recording.layout, case,
        observed.get(STEPPED_HIDDEN, observed[HIDDEN]), observed.get(CELL),
        weights=dict(recording.weights), names=dict(recording.names), arithmetic=recording.arithmetic,
    ) if comparison.verdict == compare.DIVERGE else []  # fmt: skip
    if masked is not None:
        comparison = replace(comparison, verdict=compare.DIVERGE, reason=masked.detail)
        causes = [masked, *causes]
    return Check(file, recording, comparison, tuple(causes))


def diagnosis(
    api: str,
    layout: Layout,
    case: Case,
    hidden: np.ndarray,
    cell: np.ndarray | None,
    *,
    weights: dict[str, np.ndarray],
    names: dict[str, str] | None = None,
    arithmetic: str | None = None,
) -> list[Cause]:
    """The causes of a divergence, each with the change to make, written for ``api``.

    ``weights`` are the native tensors of ``layout``, ``names`` how they are called where they are stored.
    """
    described = Api(api, layout, _options(api, layout), case.equation, names or {})
    shares = _shares(layout, weights, case.equation)
    causes = diagnose(case, hidden, cell, shares=shares, arithmetic=arithmetic)
    return [replace(cause, fix=remedy(cause, described)) for cause in causes]


def _options(api: str, layout: Layout) -> tuple[str, ...]:
    if api in KNOWN:
        return tuple(KNOWN[api].options)
    return ("forget_bias",) if layout.forget_bias == "equation" else ()


def _shares(layout: Layout, weights: dict[str, np.ndarray], equation: Equation) -> tuple[Array, ...]:
    """The canonical biases that add up, the input's before the recurrent one, where there are two."""
    biases = [t for t in layout.biases if len(t.gates) == len(GATES[layout.cell])]
    if len(biases) != 2:
        return ()
    shares = []
    for kept in biases:
        others = {t.name: 0 * weights[t.name] for t in biases if t is not kept}
        share = extract(layout, {**weights, **others}).bias
        shares.append(np.asarray(share, np.float64))
    if layout.forget_bias == "bias":
        shares[0] = shares[0] - equation.forget_bias * np.repeat([0, 0, 1, 0], len(shares[0]) // 4)
    return tuple(shares)


def _masking(recording: Recording, expected: Reference) -> Cause | None:
    """If steps past a length are not as the api has them: Keras holds the last state, others zero it."""
    if recording.lengths is None or np.all(recording.lengths == recording.hidden.shape[1]):
        return None
    past = np.arange(recording.hidden.shape[1]) >= recording.lengths[:, None]
    own = recording.hidden[past]
    last = recording.hidden[np.arange(len(past)), recording.lengths - 1]
    held = np.broadcast_to(last[:, None], recording.hidden.shape)[past]
    away = np.abs(own - expected.hidden[past]) / expected.hidden_noise[past]
    computed = bool(np.all(away < 10 * LIMIT))
    ways = ((ZEROED, not own.any()), (HELD, np.array_equal(own, held)), (COMPUTED, computed))
    found = next((how for how, is_so in ways if is_so), "neither zeroed, held nor computed")
    usual = HELD if "keras" in recording.api else ZEROED
    if found == usual:
        return None
    said = f"steps past the lengths are {found}, where {recording.api} has them {usual}"
    return Cause(
        "masking",
        said,
        CONFIRMED,
        float(away.max()),
        0.0,
        {"steps": found},
        f"treat steps past the lengths as {usual}, or leave them out",
    )
