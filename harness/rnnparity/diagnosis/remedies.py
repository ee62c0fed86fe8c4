"""The actions that remove a difference, from what was found, for the api at hand."""

from collections.abc import Iterable

# The modules of remedies register with `changes`.
from rnnparity.diagnosis import run_remedies, tensor_remedies, weight_remedies  # noqa: F401
from rnnparity.diagnosis.actions import Action, Add, Pass, Remedy, StoreZeros
from rnnparity.diagnosis.changes import Actions, changes
from rnnparity.diagnosis.equation_remedies import computed, for_equations
from rnnparity.diagnosis.findings import Finding, OtherEquation
from rnnparity.diagnosis.vocabulary import Vocabulary


def remedy_for(found: Iterable[Finding], words: Vocabulary) -> Remedy:
    """The remedy for findings that explain a difference together, in the order in which they apply.

    The actions change what was given, wherever weights, options, inputs or states can make up for the
    finding; otherwise they change what ran.
    """
    actions: list[Action] = []
    instead: list[Action] = []
    others = []
    for finding in found:
        if isinstance(finding, OtherEquation):
            others.append(finding)
            continue
        given, ran = changes(finding, words)
        actions += given or ran
        instead += ran
    if others:
        actions += for_equations(others, words)
        instead.append(computed(others, words))
    stored = _with_tensors(actions, words)
    return Remedy(stored, () if actions == instead else tuple(instead))


def _with_tensors(actions: Iterable[Action], words: Vocabulary) -> Actions:
    """The actions; before them, where they change biases that are not stored, those that store some."""
    changed = {place.tensor for action in actions for place in getattr(action, "places", ())}
    changed |= {action.place.tensor for action in actions if isinstance(action, Add)}
    missing = {words.name(tensor): tensor for tensor in words.layout.biases if not words.is_stored(tensor)}
    if not changed & set(missing):
        return tuple(actions)
    asked = {name: True for name, option in words.api.arguments.items() if option.biases}
    zeros = StoreZeros({name: words.shape(tensor) for name, tensor in missing.items()})
    return (Pass(asked), zeros, *actions)
