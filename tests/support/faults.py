"""The adapters with a planted fault, as rows that can be run; and rows with a wrong record."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from rnnparity import Api, Live, Option, Target
from rnnparity_adapters import layouts
from rnnparity_adapters.layout import Layout

FAULTY_ADAPTERS = Path(__file__).with_name("faulty_adapters.py")


def fault(name: str, adapters: Path = FAULTY_ADAPTERS) -> Target:
    """The row whose adapter is the class ``name`` of a file."""
    live = Live("numpy", "numpy", f"{adapters}:{name}")
    (target,) = Api(f"faults.{name}", layouts.CANONICAL, live=(live,)).targets
    return target


def named(target: Target, name: str) -> Target:
    """The same under another name."""
    return replace(target, api=replace(target.api, name=name))


def stored_as(target: Target, layout: Layout) -> Target:
    """The same, if its record had another layout."""
    after = target.api.layout_reset_after and layout
    return replace(target, api=replace(target.api, layout=layout, layout_reset_after=after))


def run_by(target: Target, adapter: str) -> Target:
    """The same, by the class ``adapter`` of the faulty adapters."""
    return replace(target, live=replace(target.live, adapter=f"{FAULTY_ADAPTERS}:{adapter}"))


def claiming(target: Target, **fields: Any) -> Target:
    """The same, if its record said of options that its adapter ignores that they change the equation."""
    options = {**target.api.options, **{name: Option(name) for name in fields}}
    return Target(replace(target.api, options=options), replace(target.live, fixed=fields))
