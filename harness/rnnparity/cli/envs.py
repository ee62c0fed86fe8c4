"""``rnnparity envs``: the environments listed, built and removed."""

import functools
from collections.abc import Sequence

from rnnparity.environments import cache, declarations
from rnnparity.environments.declarations import Environment
from rnnparity.errors import CorruptEnvironment, InputError, Unavailable
from rnnparity.report.console import console
from rnnparity.report.environment_table import Shown, print_environments
from rnnparity.report.progress import Display


def show(names: Sequence[str]) -> bool:
    """Print every environment, or those named."""
    shown = [_state(one) for one in _chosen(names)]
    print_environments(shown, len(cache.stale()), declarations.cache_dir(), console())
    return True


def build(names: Sequence[str]) -> bool:
    """Make what is missing; whether all of it could be made."""
    target = console()
    missing = [one for one in _chosen(names) if cache.find(one) is None]
    complete = True
    with Display({one.name: 1 for one in missing}) as display:
        for one in missing:
            try:
                cache.ensure(one, functools.partial(display, one.name))
            except Unavailable as error:
                complete = False
                target.print(f"{one.name} unavailable: {error}", soft_wrap=True)
            else:
                display(one.name, "made", 1)
                target.print(f"{one.name} made")
    return complete


def remove(names: Sequence[str]) -> bool:
    """Remove environments; without names all of them, with what earlier versions left."""
    target = console()
    for one in _chosen(names):
        if cache.remove(one):
            target.print(f"{one.name} removed")
    for folder in [] if names else cache.stale():
        cache.remove(folder)
        target.print(f"{folder.name} removed")
    return True


def _chosen(names: Sequence[str]) -> list[Environment]:
    declared = declarations.declared()
    for name in names:
        if name not in declared:
            raise InputError("environment", name, f"one of {', '.join(declared)}")
    return [environment for name, environment in declared.items() if not names or name in names]


def _state(environment: Environment) -> Shown:
    try:
        made = cache.find(environment) is not None
    except CorruptEnvironment:
        return Shown(environment, "corrupt", None)
    return Shown(environment, "made" if made else "not made", cache.size(environment) if made else None)
