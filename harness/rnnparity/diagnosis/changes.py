"""What each finding asks to be changed: the function that modules with remedies register with."""

from functools import singledispatch

from rnnparity.diagnosis.actions import Action
from rnnparity.diagnosis.findings import Finding
from rnnparity.diagnosis.vocabulary import Vocabulary

Actions = tuple[Action, ...]
Changes = tuple[Actions, Actions]
"""The actions on what was given, none where it cannot be changed so; and those on what ran."""


@singledispatch
def changes(finding: Finding, words: Vocabulary) -> Changes:
    """The changes for one finding in the api at hand, either of which is enough."""
    raise TypeError(f"no remedy for {type(finding).__name__}")
