"""What to do where another equation was computed."""

from collections.abc import Iterable
from dataclasses import replace

from rnnparity.diagnosis.actions import Action, Add, Compute, Pass, Place, Reform, Scale
from rnnparity.diagnosis.changes import Actions
from rnnparity.diagnosis.findings import OtherEquation
from rnnparity.diagnosis.fitted_constants import CONSTANTS
from rnnparity.diagnosis.vocabulary import Vocabulary
from rnnparity_adapters import equation as equations
from rnnparity_adapters.equation import Equation

_SYMMETRIC = (equations.SIGMOID, equations.HARD_SIGMOID_5, equations.HARD_SIGMOID_6)
"""Functions s with s(-z) = 1 - s(z)."""


def for_equations(others: list[OtherEquation], words: Vocabulary) -> Actions:
    """Options for all findings together, if there are some; otherwise what there is for each of them."""
    together = _by_options(others, words)
    if together is not None:
        return together[0]
    actions: list[Action] = []
    left = []
    now = words
    for finding in others:
        by_options = _by_options([finding], now)
        if by_options:
            given, now = by_options
        else:
            given = _BY_WEIGHTS.get(finding.id, _by_no_weights)(finding, words)
        actions += given
        left += [] if given else [finding]
    return (*actions, *([computed(left, words)] if left else []))


def _by_options(others: Iterable[OtherEquation], words: Vocabulary) -> tuple[Actions, Vocabulary] | None:
    """The options that say all this, and the words after they are passed; None where there are none."""
    equation = words.equation
    for finding in others:
        equation = _changed(finding, equation)
    wanted = equation
    if words.layout.forget_bias == "bias":  # no option says it, and what is stored holds it already
        if equation.forget_bias != words.equation.forget_bias:
            return None
        wanted = replace(equation, forget_bias=0.0)
    options = words.api.options_for(wanted, words.given, words.version)
    if options is None:
        return None
    own = ", ".join(value for value in options.values() if isinstance(value, str) and "(" in value)
    return (Pass(options, own), *_other_bias(equation, words)), words.after(equation, options)


def _other_bias(equation: Equation, words: Vocabulary) -> Actions:
    """A GRU of Keras: with reset_after its bias has two rows, which add up to the one that it has without."""
    old, new = words.layout.biases, words.api.layout_for(equation).biases
    if old == new or not words.is_stored(old[0]):
        return ()
    form, shape = ("b.sum(axis=0)", "3*U") if len(new) < len(old) else ("np.stack([b, 0 * b])", "2, 3*U")
    return (Reform((Place(words.name(old[0]), ()),), form, shape),)


def _changed(finding: OtherEquation, equation: Equation) -> Equation:
    """The equation that a finding makes of one, with the constant that it has estimated."""
    equation = replace(equation, **finding.fields)
    return CONSTANTS[finding.fitted].apply(equation, finding.value) if finding.value is not None else equation


def computed(others: Iterable[OtherEquation], words: Vocabulary) -> Compute:
    """All that these findings change, as it was given."""
    own, changed = vars(words.equation), words.equation
    for finding in others:
        changed = _changed(finding, changed)
    names = {name for finding in others for name in finding.fields}
    names |= {name for name, value in vars(changed).items() if own[name] != value}
    if "gate_clip" in names and words.layout.kind.has_cell_state:
        names.add("output_clip")  # what is clipped as ONNX says need not show in c until the gates are not
    return Compute({name: own[name] for name in own if name in names})


def _by_no_weights(finding: OtherEquation, words: Vocabulary) -> Actions:
    return ()


def _forget_bias(finding: OtherEquation, words: Vocabulary) -> Actions:
    assert finding.value is not None
    return (Add(words.places("", "f")[0], finding.value),)


def _update_inverted(finding: OtherEquation, words: Vocabulary) -> Actions:
    if words.equation.recurrent_activation not in _SYMMETRIC:
        return ()
    places = [place for rows in ("x", "h", "") for place in words.places(rows, "z")]
    return (Scale(tuple(places), -1),)


_BY_WEIGHTS = {"forget-bias": _forget_bias, "update-gate-inverted": _update_inverted}
"""Causes for which weights can make up where no option does."""
