"""The command line: thin over the library. Everything slow is imported where it is used."""

import argparse
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from rnnparity.cli.options import parser
from rnnparity.errors import InputError, RnnparityError

if TYPE_CHECKING:
    from rnnparity.live.result import Result

ALL_AGREE, SOMETHING_DIVERGES, BAD_INPUT, COULD_NOT_RUN = 0, 1, 2, 3
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit status."""
    signal.signal(signal.SIGTERM, interrupt)
    options = parser(_COMMANDS).parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        return command(options)
    except InputError as error:
        option = ", ".join(_option(options, name) for name in error.what.split(", "))
        return _complain(f"{option}: got {error.given}, but should be {error.allowed}", BAD_INPUT)
    except RnnparityError as error:
        return _complain(str(error), COULD_NOT_RUN)
    except MemoryError:
        return _complain("not enough memory for these sizes", BAD_INPUT)
    except KeyboardInterrupt:
        return _complain("interrupted", INTERRUPTED)
    except BrokenPipeError:  # `rnnparity apis | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ALL_AGREE


def _run(options: argparse.Namespace) -> int:
    from rnnparity.apis.selection import PUBLISHED_PATTERN, select
    from rnnparity.environments.declarations import PINS
    from rnnparity.live.runner import run
    from rnnparity.reference.case import make_case
    from rnnparity.report import changes, console, json_document
    from rnnparity.report.progress import Display
    from rnnparity.report.write import prepare, write

    _check_positive("trials", options.trials)
    _check_positive("jobs", options.jobs)
    if not options.timeout > 0:
        raise InputError("timeout", options.timeout, "a number of seconds above 0")
    _check_writable(options.json)
    if options.report:
        prepare(Path(options.report))
    before = changes.read_baseline(Path(options.baseline)) if options.baseline else None
    targets = select([*(options.api or ["*"]), *([PUBLISHED_PATTERN] if options.published else [])])
    names = ("batch", "steps", "input_size", "units", "dtype", "forget_bias", "scale")
    drawn = {name: getattr(options, name) for name in names}
    first = make_case(options.seed, **drawn)
    cases = [first, *(make_case(options.seed + trial, **drawn) for trial in range(1, options.trials))]
    expected = {target.live.environment: 0 for target in targets}
    for target in targets:
        expected[target.live.environment] += len(cases)
    with Display(expected) as display:
        result = run(
            cases,
            targets,
            timeout=options.timeout,
            jobs=options.jobs,
            keep=False,
            arithmetic=options.arithmetic,
            notify=display,
        )
    document = json_document.of_result(result)
    changed = {} if before is None else {"changes": changes.since(before, document)}
    if options.json == "-":
        sys.stdout.write(json_document.text(document | changed))
    else:
        console.print_result(result, console.console())
        console.print_changes(changed, console.console())
        if options.json:
            Path(options.json).write_text(json_document.text(document | changed), encoding="utf-8")
    if options.report:
        again = {**drawn, "seed": options.seed, "trials": options.trials, "arithmetic": options.arithmetic}
        write(
            json_document.full(result, _arguments(again), os.environ.get(PINS, "")) | changed,
            Path(options.report),
        )
    return exit_code(result, options.strict)


def _arguments(options: dict[str, object]) -> list[str]:
    """Options as words of a command line: ``{"input_size": 4}`` -> ``--input-size 4``."""
    given = {name.replace("_", "-"): value for name, value in options.items() if value is not None}
    return [word for name, value in given.items() for word in (f"--{name}", str(value))]


def exit_code(result: "Result", strict: bool) -> int:
    """The exit status of a result. A run in which nothing could be compared did not succeed; a published
    equation that diverges is an answer.
    """
    from rnnparity.judge import comparison

    verdicts = {row.counted for row in result.rows}
    if verdicts & {comparison.DIVERGE, comparison.NONFINITE}:
        return SOMETHING_DIVERGES
    excused = set() if strict else {comparison.UNAVAILABLE, comparison.UNSUPPORTED}
    if verdicts - excused - {comparison.AGREE} or comparison.AGREE not in verdicts:
        return COULD_NOT_RUN
    return ALL_AGREE


def _check(options: argparse.Namespace) -> int:
    """Every file is checked, whatever is wrong with the others; the worst decides the exit status."""
    import json

    from rnnparity.judge import comparison
    from rnnparity.recordings.check import check
    from rnnparity.report import check_text as report
    from rnnparity.report import console

    _check_writable(options.json)
    target, objects, statuses = console.console(), [], set()
    for file in options.recordings:
        try:
            checked = check(file)
        except InputError as error:
            statuses.add(_complain(f"{file}: {error}", BAD_INPUT))
            continue
        statuses.add(ALL_AGREE if checked.verdict == comparison.AGREE else SOMETHING_DIVERGES)
        objects.append(report.document(checked))
        if options.json != "-":
            report.print_check(checked, target)
    if options.json:
        text = "".join(json.dumps(each, allow_nan=False) + "\n" for each in objects)
        if options.json == "-":
            sys.stdout.write(text)
        else:
            Path(options.json).write_text(text, encoding="utf-8")
    return max(statuses)


def _diff(options: argparse.Namespace) -> int:
    from rnnparity.recordings.diff import diff
    from rnnparity.recordings.trajectory import read_trajectory
    from rnnparity.report.diff_text import text

    found = diff(read_trajectory(options.one), read_trajectory(options.other))
    print(text(found), end="")
    return ALL_AGREE if found.agree else SOMETHING_DIVERGES


def _selftest(options: argparse.Namespace) -> int:
    from rnnparity.apis.selection import select
    from rnnparity.report import console
    from rnnparity.report.progress import Display
    from rnnparity.report.selftest_table import print_live, print_scores
    from rnnparity.selftest import measure

    for name in ("clean", "each", "jobs"):
        _check_positive(name, getattr(options, name))
    target = console.console()
    if options.api:
        targets = select(options.api)
        with Display({one.live.environment: 0 for one in targets}) as display:
            measured = measure.measure_live(options.api, options.clean, options.seed, display)
        print_live(measured, target)
        return SOMETHING_DIVERGES if any(live.accused for live in measured) else ALL_AGREE
    scores = list(measure.measure(options.clean, options.each, options.seed, options.jobs))
    print_scores(scores, target)
    return ALL_AGREE if all(map(measure.as_it_should_be, scores)) else SOMETHING_DIVERGES


def _apis(options: argparse.Namespace) -> int:
    from rnnparity.apis.selection import select
    from rnnparity.environments import declarations
    from rnnparity.report import console

    declared = declarations.declared()
    rows = []
    for target in select(options.api or "*"):
        live, environment = target.live, declared[target.live.environment]
        version, dtypes = environment.pinned(live.package), ", ".join(live.dtypes)
        rows.append([target.label, live.package, version, environment.name, environment.python, dtypes])
    header = ("api", "package", "version", "environment", "python", "dtypes")
    console.print_table(header, rows, console.console())
    return ALL_AGREE


def _inspect(options: argparse.Namespace) -> int:
    from rnnparity.apis.selection import stored_layouts
    from rnnparity.report import console
    from rnnparity.report.layout_table import print_layout

    _check_positive("input_size", options.input_size)
    _check_positive("units", options.units)
    target = console.console()
    for number, stored in enumerate(stored_layouts(options.api)):
        if number:
            target.print()
        print_layout(stored, options.input_size, options.units, target)
    return ALL_AGREE


def _envs(options: argparse.Namespace) -> int:
    from rnnparity.cli import envs

    actions = {"list": envs.show, "build": envs.build, "remove": envs.remove}
    return ALL_AGREE if actions[options.action](options.names) else COULD_NOT_RUN


_COMMANDS: Mapping[str, Callable[[argparse.Namespace], int]] = {
    "run": _run,
    "check": _check,
    "diff": _diff,
    "selftest": _selftest,
    "apis": _apis,
    "inspect": _inspect,
    "envs": _envs,
}


def _check_positive(name: str, value: object) -> None:
    if not isinstance(value, int) or value < 1:
        raise InputError(name, repr(value), "an integer from 1")


def _check_writable(path: str | None) -> None:
    """Before anything runs: a result that cannot be written is not worth computing."""
    if path in (None, "-"):
        return
    target = Path(str(path))
    try:
        if target.exists():
            with target.open("ab"):
                pass
        else:
            with tempfile.TemporaryFile(dir=target.parent):
                pass
    except OSError as error:
        raise InputError("json", f"{path} ({error.strerror})", "a file that can be written, or -") from None


def _option(options: argparse.Namespace, name: str) -> str:
    """An argument of the library as the option of the command line that it came from."""
    return f"--{name.replace('_', '-')}" if hasattr(options, name) else name


def _complain(message: str, status: int) -> int:
    print(f"rnnparity: {message}", file=sys.stderr)
    return status


def interrupt(number: int, frame: object) -> NoReturn:
    """SIGTERM ends a run as Ctrl-C does: no process and no half-made environment stays behind."""
    raise KeyboardInterrupt
