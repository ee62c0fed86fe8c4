"""The command line, as data: commands, their options, and the parser made of them. Imports nothing slow."""

import argparse
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from rnnparity import __version__
from rnnparity.printable import one_line

EXIT_CODES = (
    "exit status: 0 all agree, 1 something diverges, 2 bad usage or input, 3 something could not run or be "
    "written, 4 a fault of rnnparity itself"
)
_PUBLISHED = "; a published equation that diverges is an answer and does not count"


@dataclass(frozen=True)
class Argument:
    """An option or a positional argument: its ``name``, its ``help``, and the other ``settings`` as argparse
    has them.
    """

    name: str
    help: str
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Command:
    """A command: its ``help``, what stands below its options, and the ``options``."""

    help: str
    epilog: str
    options: tuple[Argument, ...]


def _integer(text: str) -> int | str:
    """An integer, or the text as it is: the library says what is allowed."""
    try:
        return int(text)
    except ValueError:
        return text


def _real(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"got {text!r}, but should be a number") from None


def _whole(name: str, default: int, text: str, metavar: str = "N") -> Argument:
    settings = {"type": _integer, "default": default, "metavar": metavar}
    return Argument(name, f"{text} (default: {default})".lstrip(), settings)


def _number(name: str, default: float, text: str, metavar: str) -> Argument:
    settings = {"type": _real, "default": default, "metavar": metavar}
    return Argument(name, f"{text} (default: {default:g})", settings)


def _text(name: str, metavar: str, text: str) -> Argument:
    return Argument(name, text, {"metavar": metavar})


def _flag(name: str, text: str) -> Argument:
    return Argument(name, text, {"action": "store_true"})


def _pattern(what: str = "(default: all)") -> Argument:
    return Argument(
        "--api",
        f"names as `rnnparity apis` lists them, also NAME@ENVIRONMENT, with * and ?; {what}",
        {"nargs": "+", "action": "extend", "default": None, "metavar": "PATTERN"},
    )


_CPUS = os.cpu_count() or 1

COMMANDS: Mapping[str, Command] = {
    "run": Command(
        "run a seeded case through the apis and print the diff table",
        EXIT_CODES + _PUBLISHED,
        (
            _pattern("(default: those of every day)"),
            _text("--cell", "KIND", "only this kind of cell: lstm, gru or rnn (default: lstm without --api)"),
            _flag("--all", "everything that runs: every kind of cell, in every form unless one is given"),
            _flag(
                "--published", "add the equations that are printed in books and documentation: published.*"
            ),
            _whole("--seed", 0, "of the case, and of the weights that a framework initialises"),
            _whole("--batch", 8, "B, rows of a batch"),
            _whole("--steps", 50, "T, time steps"),
            _whole("--input-size", 32, "I, features of an input"),
            _whole("--units", 64, "U, width of each gate and of the state (num_units, hidden_size)"),
            _whole("--layers", 1, "layers, each reading the one before"),
            _flag("--bidirectional", "two directions in each layer"),
            _flag("--lengths", "rows of different lengths, drawn from the seed"),
            _whole("--trials", 1, "how many cases: seeds SEED, SEED + 1, ..."),
            Argument(
                "--dtype",
                "float32 or float64 (default: float32)",
                {"default": "float32", "metavar": "DTYPE"},
            ),
            _text(
                "--arithmetic",
                "NAME",
                "in which the frameworks compute, if not as the dtype says: tf32, ...",
            ),
            Argument(
                "--forget-bias",
                "of an LSTM's equation (default: 1)",
                {"type": _real, "default": None, "metavar": "X"},
            ),
            _flag("--gradients", "differentiate too, by inputs, initial states and every weight"),
            _number("--scale", 1.0, "how loud the kernels are: six make most recurrences chaotic", "X"),
            _number("--timeout", 120.0, "seconds for one case", "S"),
            _whole("--jobs", _CPUS, "environments at a time"),
            _text(
                "--json", "PATH", "write the result as JSON too; - writes it to stdout instead of the table"
            ),
            _text("--report", "DIR", "write report.html, report.json, report.md and junit.xml there too"),
            _text("--baseline", "OLD.json", "say what has changed since this --json or report.json"),
            _flag("--strict", "exit with 3 for what is unavailable or unsupported too"),
        ),
    ),
    "check": Command(
        "check recordings against the reference, and say why they differ",
        EXIT_CODES,
        (
            Argument(
                "recordings",
                ".npz or .safetensors files, as rnnparity.record writes them",
                {"nargs": "+", "metavar": "RECORDING"},
            ),
            _text(
                "--json",
                "PATH",
                "write JSON too, one object a line for each recording; - instead of the text",
            ),
        ),
    ),
    "diff": Command(
        "compare two stored trajectories without weights, and read the symptom",
        EXIT_CODES,
        tuple(
            _text(name, name.upper(), ".npz, .safetensors, .npy or .csv; FILE.csv:NAME for one source of it")
            for name in ("one", "other")
        ),
    ),
    "selftest": Command(
        "plant mistakes and count what the verdict notices",
        "",
        (
            _whole("--clean", 2000, "runs without a mistake, none of which may be accused"),
            _whole("--each", 60, "runs with a mistake of each kind"),
            _whole("--seed", 0, "of the first trial"),
            _whole("--jobs", _CPUS, "processes"),
            _pattern("instead, that many clean comparisons of these real frameworks"),
        ),
    ),
    "apis": Command("list every api with its environment and versions", "", (_pattern(),)),
    "inspect": Command(
        "show an api's tensors, and which slice is which gate",
        "",
        (
            _text("api", "API", "a name or pattern, as `rnnparity apis` lists them, or published.*"),
            _whole("--input-size", 32, "", "I"),
            _whole("--units", 64, "", "U"),
        ),
    ),
    "envs": Command(
        "list, build or remove the environments that apis run in",
        "",
        (
            Argument(
                "action",
                "(default: list)",
                {"nargs": "?", "default": "list", "choices": ("list", "build", "remove")},
            ),
            Argument("names", "environments; all of them unless given", {"nargs": "*", "metavar": "NAME"}),
        ),
    ),
}
"""By name, in the order of ``rnnparity --help``."""


def parser(functions: Mapping[str, Callable[[argparse.Namespace], int]]) -> argparse.ArgumentParser:
    """The parser; what it returns has the function of the command as ``command``."""
    made = _Parser(
        prog="rnnparity",
        description="Do these recurrent cells compute the same function? With the real frameworks running.",
        epilog=EXIT_CODES,
    )
    made.add_argument("--version", action="version", version=f"rnnparity {__version__}")
    commands = made.add_subparsers(required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        added = commands.add_parser(name, help=command.help, epilog=command.epilog)
        for option in command.options:
            added.add_argument(option.name, help=option.help, **option.settings)
        added.set_defaults(command=functions[name])
    return made


class _Parser(argparse.ArgumentParser):
    """A parser that answers a mistake with one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"rnnparity: {one_line(message)} (see {self.prog} --help)\n")
