"""What is known of an api, in one record: what its options mean, how it stores its weights, where it runs."""

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, TypeVar

from rnnparity.errors import InputError
from rnnparity_adapters import equation as equations
from rnnparity_adapters.equation import Equation
from rnnparity_adapters.layout import Layout

Version = tuple[int, ...]
_Value = TypeVar("_Value")
Since = tuple[tuple[Version, _Value], ...]
"""What holds from each version on, the oldest first; the first entry's version is ``()``."""

BOTH = ("float32", "float64")
FLOAT32 = ("float32",)
ZEROED, HELD = "zeroed", "held"
"""What becomes of the hidden state at a masked step."""

_FUNCTIONS: Mapping[str | None, str] = {
    None: equations.LINEAR,
    "sigmoid": equations.SIGMOID,
    "tanh": equations.TANH,
    "relu": equations.RELU,
    "linear": equations.LINEAR,
    "softsign": equations.SOFTSIGN,
    equations.HARD_SIGMOID_5: equations.HARD_SIGMOID_5,
    equations.HARD_SIGMOID_6: equations.HARD_SIGMOID_6,
}
"""The frameworks' names of functions that mean the same everywhere; ``hard_sigmoid`` does not."""
_SWITCHES = ("coupled", "output_peephole_previous", "reset_after", "update_inverted")
_LARGEST = 1e30  # no constant of an equation is as large


class Order(NamedTuple):
    """In which order an object takes a sequence: ``backwards``, its outputs ``turned_back`` or not."""

    backwards: bool = False
    turned_back: bool = False


@dataclass(frozen=True)
class Option:
    """What a constructor argument means.

    Its value goes to ``field`` of the equation (none: it says nothing about the function), and may be
    ``only`` one of these values if there are any. A true value ``brings`` ``peepholes`` or a ``projection``.
    ``orders`` has values that change the order of the sequence. Where ``biases`` is true, False means that
    none are stored.
    """

    field: str = ""
    only: tuple[Any, ...] = ()
    brings: str = ""
    orders: tuple[tuple[Any, Order], ...] = ()
    biases: bool = False

    def check(self, name: str, value: Any) -> None:
        """Raise :class:`~rnnparity.errors.InputError` for a value that it does not cover."""
        if self.only and value not in self.only:
            allowed = " or ".join(str(each) for each in self.only[:2])
            raise InputError(f"option {name}", value, f"{allowed}: nothing else is supported yet")


class Joined(NamedTuple):
    """A stored tensor that holds two of a layout's: the ``axis`` along which they stand, and the name of each
    in the layout with how it is indexed.
    """

    axis: int
    parts: Mapping[str, str]


@dataclass(frozen=True, eq=False)
class Live:
    """Where an api runs: an ``environment``, the ``package`` whose version counts, and the ``adapter``.

    ``adapter`` is ``module:Class`` of the adapters or ``file.py:Class``. ``options`` are constructor
    arguments that tell this row from others of the same api, ``fixed`` those that are always given, so that
    it computes the plain cell.
    """

    environment: str
    package: str
    adapter: str
    dtypes: tuple[str, ...] = BOTH
    options: Mapping[str, Any] = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Api:
    """An api by its public dotted name.

    ``layout`` is how it stores its weights, or ``layout_reset_after`` where a GRU's equation has that.
    ``options`` are its constructor arguments; ``defaults`` are the fields of the equation that a version of
    the framework begins with, and ``hard_sigmoid`` is what it means by that name. ``masked`` says what
    becomes of the hidden state at a masked step, ``letters`` how it calls the gates where those are not the
    canonical letters, ``joined`` which stored tensors hold two. ``live`` is where it runs, empty for what can
    only be recorded. ``source`` says where a published equation is printed; it is empty for what runs in a
    framework.
    """

    name: str
    layout: Layout
    options: Mapping[str, Option] = field(default_factory=dict)
    live: Sequence[Live] = ()
    defaults: Since[Mapping[str, Any]] = (((), {}),)
    hard_sigmoid: Since[str] = (((), equations.HARD_SIGMOID_5),)
    layout_reset_after: Layout | None = None
    masked: str = ZEROED
    letters: Mapping[str, str] = field(default_factory=dict)
    joined: Mapping[str, Joined] = field(default_factory=dict)
    source: str = ""

    @property
    def arguments(self) -> Mapping[str, Option]:
        """Every constructor argument that is known, ``forget_bias`` among them where the layout says so."""
        own = {"forget_bias": Option("forget_bias")} if self.layout.forget_bias == "equation" else {}
        return {**self.options, **own}

    @property
    def targets(self) -> "list[Target]":
        """The rows in which it runs."""
        return [Target(self, live) for live in self.live]

    def equation(self, options: Mapping[str, Any], version: str = "") -> Equation:
        """The equation of an object made with ``options`` by a version of the framework (the latest unless
        given). Raises :class:`~rnnparity.errors.InputError` for what is not covered.
        """
        defaults = {"forget_bias": 0.0, **_at(self.defaults, _numbers(version))}
        return Equation(self.layout.cell, **{**defaults, **self.fields(options, version)})

    def fields(self, options: Mapping[str, Any], version: str = "") -> dict[str, Any]:
        """The fields of the equation that ``options`` say. Raises :class:`~rnnparity.errors.InputError`."""
        known, fields = self.arguments, {}
        for name, value in options.items():
            if name not in known:
                near = difflib.get_close_matches(name, known, 3) or sorted(known)
                raise InputError("option", name, " or ".join(near) or "none")
            known[name].check(name, value)
            if known[name].field:
                fields[known[name].field] = self._value(name, known[name].field, value, version)
        return fields

    def layout_for(self, equation: Equation) -> Layout:
        """How an object with this equation stores its weights."""
        return self.layout_reset_after if self.layout_reset_after and equation.reset_after else self.layout

    def order(self, options: Mapping[str, Any]) -> Order:
        """In which order an object made with ``options`` takes a sequence."""
        known = self.arguments
        for name, value in options.items():
            for changing, order in known[name].orders:
                if value == changing:
                    return order
        return Order()

    def letter(self, gate: str) -> str:
        """How the api calls a gate."""
        return self.letters.get(gate, gate)

    def _value(self, name: str, target: str, value: Any, version: str) -> Any:
        """A framework's value of an option as the equation's field has it."""
        if "activation" in target:
            known = {**_FUNCTIONS, "hard_sigmoid": _at(self.hard_sigmoid, _numbers(version))}
            if not isinstance(value, str | None) or value not in known:
                raise InputError(f"option {name}", value, ", ".join(map(str, known)))
            return known[value]
        if target in _SWITCHES:
            if value not in (0, 1):
                raise InputError(f"option {name}", value, "true or false")
            return bool(value)
        if isinstance(value, bool) or not isinstance(value, int | float | None) or abs(value or 0) > _LARGEST:
            raise InputError(f"option {name}", value, "a number")
        if target == "cell_clip":
            return float(value) if value is not None and value > 0 else None
        return float(value or 0)


@dataclass(frozen=True)
class Target:
    """An api where it runs: one row of the table."""

    api: Api
    live: Live

    @property
    def name(self) -> str:
        """The api's dotted name."""
        return self.api.name

    @property
    def label(self) -> str:
        """The name, with the values of the options that tell this row from others."""
        values = ", ".join(str(value) for value in self.live.options.values())
        return f"{self.name}({values})" if values else self.name

    @property
    def key(self) -> str:
        """``label@environment``: unique."""
        return f"{self.label}@{self.live.environment}"

    @property
    def layout(self) -> Layout:
        """How its object stores weights."""
        return self.api.layout_for(self.api.equation(self._asked))

    def equation(self, asked: Equation, version: str = "") -> Equation:
        """The equation of a case, as this row's options and the version of its framework make it."""
        return replace(asked, **self.api.fields(self._asked, version))

    def given(self, asked: Equation) -> dict[str, Any]:
        """All constructor arguments, for a case's equation: they are what a recording has to say."""
        own = {"forget_bias": asked.forget_bias} if self.layout.forget_bias == "equation" else {}
        return {**self._asked, **own}

    @property
    def _asked(self) -> dict[str, Any]:
        return {**self.live.fixed, **self.live.options}


def _numbers(version: str) -> Version:
    """``2.2.4`` -> 2, 2. What is not said is the latest."""
    numbers = tuple(int(number) for number in re.findall(r"\d+", version)[:2])
    return (*numbers, *(10**6,) * (2 - len(numbers)))


def _at(table: Since[_Value], version: Version) -> _Value:
    """The entry that holds for a version."""
    return next(value for since, value in reversed(table) if version >= since)
