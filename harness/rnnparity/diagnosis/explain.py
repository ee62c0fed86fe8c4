"""Diagnose a divergence: search its causes, and describe them in the words of the api at hand."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnparity.apis.api import Api
from rnnparity.diagnosis import (
    network_words,
    run_sentences,  # noqa: F401  # registers its sentences
    sentences,
    tensor_sentences,  # noqa: F401  # likewise
)
from rnnparity.diagnosis.actions import Compute, Remedy
from rnnparity.diagnosis.causes import Cause
from rnnparity.diagnosis.instructions import instructions
from rnnparity.diagnosis.remedies import remedy_for
from rnnparity.diagnosis.search import search
from rnnparity.diagnosis.vocabulary import Vocabulary
from rnnparity.reference.case import Case
from rnnparity.reference.noise import Array
from rnnparity_adapters.layout import Layout, extract


def diagnose(
    api: Api,
    case: Case,
    hidden: np.ndarray,
    cell: np.ndarray | None,
    *,
    weights: Mapping[str, np.ndarray],
    names: Mapping[str, str] | None = None,
    mask: NDArray[np.bool_] | None = None,
    version: str = "",
    options: Mapping[str, Any] | None = None,
    arithmetic: str | None = None,
) -> list[Cause]:
    """Find out why a trajectory ``hidden`` ``[B, T, P]`` and ``cell`` ``[B, T, U]`` diverges.

    Returns the causes of its difference from the reference of ``case``, the best first, each with the change
    to make to ``api``. ``cell`` is None where it was not recorded. ``weights`` are the native tensors
    ``[...]`` of the api's layout, and ``names`` their names in the file or object that they come from.
    ``mask`` ``[B, T]`` says which steps of which rows count, all unless given. ``version`` is that of its
    framework, and ``options`` are the constructor arguments given. ``arithmetic`` is that of the case's dtype
    unless given.
    """
    words = Vocabulary(api, case.equation, names or {}, version, options or {}, mask is not None)
    stored = case.equation.forget_bias if words.layout.forget_bias == "bias" else 0.0
    return told(
        search(
            case, hidden, cell, shares=stored_biases(words.layout, weights), stored_forget_bias=stored,
            mask=mask, arithmetic=arithmetic,
        ),
        words,
    )  # fmt: skip


def told(causes: Iterable[Cause], words: Vocabulary) -> list[Cause]:
    """The causes, with their sentences in the words of an api."""
    return [_told(cause, words) for cause in causes]


def told_of(cause: Cause, cells: network_words.Cells, every: network_words.Cells) -> Cause:
    """A cause that was told for one of the ``cells`` of a network, of which ``every`` cell is given."""
    where = network_words.place(cells, every)
    fix = cause.fix and f"{where}: {cause.fix}"
    return replace(cause, detail=f"{where}: {cause.detail}", fix=fix, cells=tuple(cells))


def _told(cause: Cause, words: Vocabulary) -> Cause:
    printed = bool(words.api.source)  # a printed equation is not to be changed
    remedy = Remedy() if printed else remedy_for(cause.findings, words)
    by_options = not any(isinstance(action, Compute) for action in remedy.actions)
    return replace(
        cause,
        remedy=remedy,
        detail=sentences.detail(cause.findings, words),
        fix=instructions(remedy.actions, words)
        + ("" if by_options else f" ({words.api.name} has no option for it)"),
        instead=instructions(remedy.instead, words),
        note=sentences.note(cause, words),
    )


def stored_biases(layout: Layout, weights: Mapping[str, np.ndarray]) -> tuple[Array, ...]:
    """The biases ``[G U]`` as they are stored, the input's first, the gates in canonical order.

    A layout has two if a second one of each gate is the recurrent kernel's: PyTorch's and ONNX's, for
    instance. All others count as one.
    """
    recurrent = layout.recurrent_biases
    if not recurrent:
        return (np.asarray(extract(layout, weights).bias, np.float64),)
    shares = []
    for kept in (False, True):
        others = {t.name: 0 * weights[t.name] for t in layout.biases if (t in recurrent) != kept}
        shares.append(np.asarray(extract(layout, {**weights, **others}).bias, np.float64))
    return tuple(shares)
