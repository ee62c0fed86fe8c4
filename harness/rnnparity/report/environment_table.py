"""``rnnparity envs``: the environments listed, built and removed."""

import functools
from collections.abc import Sequence

from rnnparity.environments import environments
from rnnparity.environments.environments import Environment
from rnnparity.errors import CorruptEnvironment, InputError, Unavailable
from rnnparity.report.console import console, print_table
from rnnparity.report.progress import Display


def print_environments(names: Sequence[str]) -> bool:
    """Every environment, what is in it, and whether it is made; folders that nothing uses any more."""
    rows = [[one.name, one.python, ", ".join(one.requirements), *_state(one)] for one in _chosen(names)]
    target = console()
    print_table(("environment", "python", "requirements", "state", "size"), rows, target, right=[4])
    unused = environments.stale()
    if unused:
        target.print(
            f"\n{len(unused)} in no use any more; `rnnparity envs remove` removes them with the rest"
        )
    target.print(f"\nin {environments.cache_dir()}", soft_wrap=True)
    return True


def build(names: Sequence[str]) -> bool:
    """Make what is missing; whether all of it could be made."""
    target = console()
    missing = [one for one in _chosen(names) if environments.find(one) is None]
    complete = True
    with Display({one.name: 1 for one in missing}) as display:
        for one in missing:
            try:
                environments.ensure(one, functools.partial(display, one.name))
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
        if environments.remove(one):
            target.print(f"{one.name} removed")
    for folder in [] if names else environments.stale():
        environments.remove(folder)
        target.print(f"{folder.name} removed")
    return True


def _chosen(names: Sequence[str]) -> list[Environment]:
    declared = environments.declared()
    for name in names:
        if name not in declared:
            raise InputError("environment", name, f"one of {', '.join(declared)}")
    return [environment for name, environment in declared.items() if not names or name in names]


def _state(environment: Environment) -> tuple[str, str]:
    try:
        made = environments.find(environment) is not None
    except CorruptEnvironment:
        return "corrupt", ""
    return ("made", f"{environments.size(environment) / 1e6:.0f} MB") if made else ("not made", "")
