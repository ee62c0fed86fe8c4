"""The record of an api: what its options mean, how it stores its weights, where it runs."""

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, TypeVar

from rnnparity.apis import listed_functions
from rnnparity.errors import InputError
from rnnparity_adapters import equation as equations
from rnnparity_adapters.equation import Equation, Member
from rnnparity_adapters.layout import Layout

Version = tuple[int, ...]
"""The first two numbers of a version: ``2.2.4`` is ``(2, 2)``."""
_Value = TypeVar("_Value")
Since = tuple[tuple[Version, _Value], ...]
"""Pairs of a version and what holds from it on, the oldest first. The first version is ``()``."""

PEEPHOLES, PROJECTION = "peepholes", "projection"
"""What an option may bring beside a plain cell."""

BOTH = ("float32", "float64")
FLOAT32 = ("float32",)
"""The dtypes that an api can run in."""
ZEROED, HELD, COMPUTED, ANYTHING = "zeroed", "held", "computed", "anything"
"""What an api returns as the hidden state of a masked step: zeros, the last state before it, what it computes
there as everywhere, or what nobody should rely on.
"""

_FUNCTIONS: Mapping[str | None, str] = {
    None: equations.LINEAR,
    "sigmoid": equations.SIGMOID,
    "tanh": equations.TANH,
    "relu": equations.RELU,
    "linear": equations.LINEAR,
    "softsign": equations.SOFTSIGN,
    "softplus": equations.SOFTPLUS,
    "elu": Member(equations.ELU, 1.0).name,
}
"""Names of functions that mean the same in all frameworks. ``hard_sigmoid`` does not: see :class:`Api`."""
_SWITCHES = ("coupled", "input_coupled", "output_peephole_previous", "reset_after", "update_inverted")
"""The fields of an equation that are true or false."""
_LARGEST = 1e30
"""A larger option is refused: no constant of an equation is as large."""


class Order(NamedTuple):
    """The order in which an object reads a sequence ``[B, T, I]``.

    ``backwards`` is from the last step to the first. ``turned_back`` means that the outputs of such a run are
    returned in the order of the inputs.
    """

    backwards: bool = False
    turned_back: bool = False


@dataclass(frozen=True)
class Option:
    """The meaning of a constructor argument.

    Its value is that of the equation's ``field``, and of the fields ``also``. ``field`` is empty if the
    argument says nothing about the function; a list of functions gives those of several fields, the
    ``functions``. If ``only`` has values, no others are supported, and a number has to be ``above`` that one.
    To be without what the field says, the argument is ``off``. What ``mirrors`` another argument has the
    opposite number. A true value ``brings`` tensors: ``peepholes``
    or a ``projection``. ``orders`` has the values that change the order of the sequence. If ``zeroes``, a
    true value zeroes masked steps. Where ``biases`` is true, the argument False means that no biases are
    stored. ``as_int`` says that true is written 1.
    """

    field: str = ""
    also: tuple[str, ...] = ()
    only: tuple[Any, ...] = ()
    above: float | None = None
    off: float | None = None
    brings: str = ""
    orders: tuple[tuple[Any, Order], ...] = ()
    biases: bool = False
    functions: tuple[str, ...] = ()
    as_int: bool = False
    zeroes: bool = False
    mirrors: str = ""

    def check(self, name: str, value: Any) -> None:
        """Raise :class:`~rnnparity.errors.InputError` for a value that is not supported."""
        if self.only and value not in self.only:
            allowed = " or ".join(str(each) for each in self.only[:2])
            raise InputError(f"option {name}", value, f"{allowed}: nothing else is supported yet")
        if self.above is not None and isinstance(value, int | float) and value <= self.above:
            raise InputError(f"option {name}", value, f"a number above {self.above:g}")


class Joined(NamedTuple):
    """A stored tensor that holds two tensors of a layout, one after the other along ``axis``.

    ``parts`` has the name of each in the layout, and its index in the stored tensor, such as ``[:, :4*U]``.
    """

    axis: int
    parts: Mapping[str, str]


@dataclass(frozen=True, eq=False)
class Live:
    """Where an api runs: an ``environment``, the ``package`` whose version is shown, and the ``adapter``.

    ``adapter`` is ``module:Class`` of the adapters or ``file.py:Class``. ``options`` are constructor
    arguments that distinguish this row from others of the same api, and so do its ``parts``, peepholes or a
    projection. ``fixed`` are always given, so that the api computes the plain cell. A row that is not
    ``everyday`` runs only if it is asked for. ``network`` is the adapter of several layers and directions,
    empty where there is none, and ``lengths`` says whether it takes rows of different lengths; with
    ``empty_rows`` such a row may have no steps at all.
    ``no_gradients`` says why it has none, and is empty if it has.
    """

    environment: str
    package: str
    adapter: str
    dtypes: tuple[str, ...] = BOTH
    options: Mapping[str, Any] = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)
    parts: tuple[str, ...] = ()
    everyday: bool = True
    network: str = ""
    lengths: bool = False
    empty_rows: bool = True
    no_gradients: str = ""


@dataclass(frozen=True, eq=False)
class Api:
    """An api by its public dotted name.

    ``layout`` is how it stores its weights; for a GRU with ``reset_after`` it is ``layout_reset_after``, if
    there is one. ``options`` are its constructor arguments. ``defaults`` are the fields of the equation that
    each version of the framework has by default, and ``hard_sigmoid`` is the function that it has under that
    name. ``masked`` says what the hidden state is at a masked step. ``letters`` has the api's letters for
    gates where they are not the canonical ones, ``joined`` the stored tensors that hold two. ``separators``
    stand between a tensor's name and the scopes before it. ``live`` says where it runs; it is empty for an
    api that can only be recorded. ``source`` says where a published equation is printed, and is empty for an
    api of a framework.
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
    separators: tuple[str, ...] = ("/",)
    source: str = ""

    @property
    def arguments(self) -> Mapping[str, Option]:
        """Every known constructor argument. ``forget_bias`` is one where the cell adds it at each step."""
        own = {"forget_bias": Option("forget_bias")} if self.layout.forget_bias == "equation" else {}
        return {**own, **self.options}

    @property
    def targets(self) -> "list[Target]":
        """The rows of the table in which the api runs."""
        return [Target(self, live) for live in self.live]

    def equation(self, options: Mapping[str, Any], version: str = "") -> Equation:
        """The equation of an object made with ``options`` by a ``version`` of the framework.

        Without a version it is the latest. Raises :class:`~rnnparity.errors.InputError` for an option or a
        value that is not supported.
        """
        defaults = {"forget_bias": 0.0, **at(self.defaults, numbers(version))}
        return Equation(self.layout.cell, **{**defaults, **self.fields(options, version)})

    def fields(self, options: Mapping[str, Any], version: str = "") -> dict[str, Any]:
        """The fields of the equation that ``options`` set. Raises InputError as :meth:`equation` does."""
        known, fields = self.arguments, dict[str, Any]()
        for name, value in options.items():
            if name not in known:
                near = difflib.get_close_matches(name, known, 3) or sorted(known)
                raise InputError("option", name, " or ".join(near) or "none")
            known[name].check(name, value)
            mirrored = known[name].mirrors
            if mirrored and value != _opposite(options.get(mirrored)):
                raise InputError(f"option {name}", value, f"{mirrored} with the opposite sign")
            if known[name].field:
                one = self._value(name, known[name].field, value, version)
                fields |= dict.fromkeys((known[name].field, *known[name].also), one)
            if known[name].functions and value:
                targets = known[name].functions
                listed = listed_functions.read(name, value, options, len(targets))
                fields |= dict(zip(targets, listed, strict=True))
        return fields

    def options_for(
        self, equation: Equation, options: Mapping[str, Any], version: str = ""
    ) -> dict[str, Any] | None:
        """The ``options`` to change, with their values, for an object to compute ``equation``.

        None where no values do that in this version.
        """
        own, wanted = vars(self.equation(options, version)), vars(equation)
        changed = {
            name: value
            for name, option in self.arguments.items()
            if option.field and any(own[field] != wanted[field] for field in (option.field, *option.also))
            for value in self._values(option, wanted[option.field], version)[:1]
        }
        for name, option in self.arguments.items():
            if any(own[field] != wanted[field] for field in option.functions):
                functions = [wanted[field] or equation.output for field in option.functions]
                changed |= listed_functions.written(name, functions)
        changed |= {
            name: _opposite(changed[option.mirrors])
            for name, option in self.arguments.items()
            if option.mirrors in changed
        }
        try:
            found = self.equation({**options, **changed}, version)
        except InputError:
            return None
        return changed if _plain(found) == _plain(equation) else None

    def layout_for(self, equation: Equation) -> Layout:
        """The layout of an object with this equation."""
        return self.layout_reset_after if self.layout_reset_after and equation.reset_after else self.layout

    def order(self, options: Mapping[str, Any]) -> Order:
        """The order in which an object made with ``options`` reads a sequence."""
        known = self.arguments
        for name, value in options.items():
            for changing, order in known[name].orders:
                if value == changing:
                    return order
        return Order()

    def masked_by(self, options: Mapping[str, Any]) -> str:
        """What an object made with ``options`` returns at a masked step: see :attr:`masked`."""
        zeroes = any(value and self.arguments[name].zeroes for name, value in options.items())
        return ZEROED if zeroes else self.masked

    def letter(self, gate: str) -> str:
        """The api's letter for a gate, which is given by its canonical letter."""
        return self.letters.get(gate, gate)

    def _values(self, option: Option, wanted: Any, version: str) -> list[Any]:
        """The values of an option that mean what an equation's field should be, names before definitions."""
        if "activation" in option.field:
            known = {**_FUNCTIONS, "hard_sigmoid": at(self.hard_sigmoid, numbers(version))}
            named = [name for name, function in known.items() if name and function == wanted]
            named += [wanted] if wanted and equations.member(wanted) else []
            allowed = [name for name in named if not option.only or name in option.only]
            return sorted(allowed, key=lambda name: name == wanted)
        if wanted is None:
            return [option.off]
        return [int(wanted)] if option.as_int else [wanted]

    def _value(self, name: str, target: str, value: Any, version: str) -> Any:
        """The value of the equation's field ``target`` for the value of an option."""
        if "activation" in target:
            known = {**_FUNCTIONS, "hard_sigmoid": at(self.hard_sigmoid, numbers(version))}
            if isinstance(value, str | None) and value in known:
                return known[value]
            member = equations.member(value) if isinstance(value, str) else None
            if member is None:
                raise InputError(f"option {name}", value, ", ".join(map(str, known)))
            return member.name
        if target in _SWITCHES:
            if value not in (0, 1):
                raise InputError(f"option {name}", value, "true or false")
            return bool(value)
        if isinstance(value, bool) or not isinstance(value, int | float | None) or abs(value or 0) > _LARGEST:
            raise InputError(f"option {name}", value, "a number")
        if target.endswith("_clip"):
            return float(value) if value is not None and value > 0 else None
        return float(value or 0)


@dataclass(frozen=True)
class Target:
    """An api in one place where it runs: one row of the table."""

    api: Api
    live: Live

    @property
    def name(self) -> str:
        """The api's dotted name."""
        return self.api.name

    @property
    def label(self) -> str:
        """The name, with the values of the options that distinguish this row from others."""
        values = ", ".join([*map(_shown, self.live.options.items()), *self.live.parts])
        return f"{self.name}({values})" if values else self.name

    @property
    def key(self) -> str:
        """``label@environment``, which is unique."""
        return f"{self.label}@{self.live.environment}"

    @property
    def cell(self) -> str:
        """The name of its kind of cell."""
        return self.api.layout.cell

    @property
    def layout(self) -> Layout:
        """The layout of the row's object."""
        return self.api.layout_for(self.api.equation(self._asked))

    def equation(self, asked: Equation, version: str = "") -> Equation:
        """The equation of a case as this row computes it: by its options, in the version of its framework.

        The forget bias is that of the case, unless an option says otherwise.
        """
        own = {**at(self.api.defaults, numbers(version)), "forget_bias": asked.forget_bias}
        return replace(asked, **{**own, **self.api.fields(self._asked, version)})

    def given(self, asked: Equation, width: int) -> dict[str, Any]:
        """All constructor arguments for a case's equation, as a recording of the run must state them.

        ``width`` is that of its hidden state, P.
        """
        own = {"forget_bias": asked.forget_bias} if self.layout.forget_bias == "equation" else {}
        brought = {PEEPHOLES: True, PROJECTION: width}
        parts = {n: brought[o.brings] for n, o in self.api.options.items() if o.brings in self.live.parts}
        return {**self._asked, **parts, **own}

    @property
    def _asked(self) -> dict[str, Any]:
        return {**self.live.fixed, **self.live.options}


def _opposite(number: Any) -> Any:
    return None if number is None else -number


def _shown(option: tuple[str, Any]) -> str:
    """The value of an option, as it is said in a row's label: a word says enough, another value does not."""
    name, value = option
    return value if isinstance(value, str) else f"{name}={value}"


def _plain(equation: Equation) -> Equation:
    """The equation with the output's function by its name."""
    return replace(equation, output_activation=equation.output)


def numbers(version: str) -> Version:
    """``2.2.4`` -> ``(2, 2)``. A number that is missing counts as the latest."""
    numbers = tuple(int(number[:6]) for number in re.findall(r"\d+", version)[:2])
    return (*numbers, *(10**6,) * (2 - len(numbers)))


def at(table: Since[_Value], version: Version) -> _Value:
    """What a table has for a version."""
    return next(value for since, value in reversed(table) if version >= since)
