"""ONNX's ``activations``, ``activation_alpha`` and ``activation_beta``, and the functions that they mean.

https://onnx.ai/onnx/operators/onnx__LSTM.html#attributes
"""

from collections.abc import Mapping, Sequence
from typing import Any

from rnnparity.errors import InputError
from rnnparity_adapters import equation as equations
from rnnparity_adapters.equation import WITH_BETA, Member

ALPHA, BETA = "activation_alpha", "activation_beta"
_SPELLED = {
    "Sigmoid": equations.SIGMOID,
    "Tanh": equations.TANH,
    "Relu": equations.RELU,
    "Softsign": equations.SOFTSIGN,
    "Softplus": equations.SOFTPLUS,
    "HardSigmoid": equations.HARD_SIGMOID,
    "Affine": equations.AFFINE,
    "LeakyRelu": equations.LEAKY_RELU,
    "ThresholdedRelu": equations.THRESHOLDED_RELU,
    "ScaledTanh": equations.SCALED_TANH,
    "Elu": equations.ELU,
}
"""ONNX's names, which may be written in any case, and a function or a family of functions."""
_DEFAULTS: Mapping[str, tuple[float, ...]] = {
    equations.HARD_SIGMOID: (0.2, 0.5),
    equations.LEAKY_RELU: (0.01,),
    equations.ELU: (1.0,),
}
"""The numbers that a family has by default. ONNX's operators and onnxruntime have no other in common."""


def read(name: str, value: Any, options: Mapping[str, Any], wanted: int) -> list[str]:
    """The functions of an equation that ``value``, a list of ``wanted`` names in the option ``name``, means.

    Each takes the next alpha and the next beta of the ``options`` if it has such a number. Raises
    :class:`~rnnparity.errors.InputError` for other names, and for numbers that are missing or no numbers.
    """
    listed = list(value) if isinstance(value, list | tuple) else [value]
    if len(listed) != wanted:
        raise InputError(f"option {name}", value, f"{wanted} functions, for one direction")
    known = {spelled.lower(): function for spelled, function in _SPELLED.items()}
    numbers = {option: _numbers(option, options) for option in (ALPHA, BETA)}
    found = []
    for spelled in listed:
        function = known.get(str(spelled).lower())
        if function is None:
            raise InputError(f"option {name}", spelled, ", ".join(_SPELLED))
        if function in WITH_BETA:
            function = _member(function, str(spelled), numbers).name
        found.append(function)
    return found


def written(name: str, functions: Sequence[str]) -> dict[str, Any]:
    """The options that ask for these functions; empty if ONNX has no name for one of them."""
    spelled = {function: spelled for spelled, function in _SPELLED.items()}
    names = []
    members: list[Member] = []
    for function in functions:
        member = equations.member(function)
        names.append(spelled.get(function if member is None else member.family))
        members += [] if member is None else [member]
    if None in names:
        return {}
    found: dict[str, Any] = {name: names}
    if any(
        tuple(n for n in member[1:] if n is not None) != _DEFAULTS.get(member.family) for member in members
    ):
        found[ALPHA] = [member.alpha for member in members]
        found[BETA] = [member.beta for member in members if member.beta is not None]
    return {option: value for option, value in found.items() if value}


def _numbers(option: str, options: Mapping[str, Any]) -> list[float]:
    given = options.get(option)
    listed = list(given) if isinstance(given, list | tuple) else [] if given is None else [given]
    for number in listed:
        if isinstance(number, bool) or not isinstance(number, int | float) or not abs(number) < 1e30:
            raise InputError(f"option {option}", number, "a number for each function that has one")
    return [float(number) for number in listed]


def _member(family: str, spelled: str, numbers: Mapping[str, list[float]]) -> Member:
    defaults = dict(zip((ALPHA, BETA), _DEFAULTS.get(family, ()), strict=False))
    found = []
    for option in (ALPHA, BETA) if WITH_BETA[family] else (ALPHA,):
        if not numbers[option] and option not in defaults:
            raise InputError(
                f"option {option}", "too few numbers", f"one for {spelled}, which has no default"
            )
        found.append(numbers[option].pop(0) if numbers[option] else defaults[option])
    return Member(family, *found)
