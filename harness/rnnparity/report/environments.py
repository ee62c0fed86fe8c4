"""``rnnparity envs``: the environments in a table, built and removed by name."""

from collections.abc import Callable, Iterable

from rich.console import Console

from rnnparity import environments
from rnnparity.environments import Environment
from rnnparity.errors import CorruptEnvironment, InputError, Unavailable
from rnnparity.report.console import console, print_table
