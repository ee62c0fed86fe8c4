"""The command line: thin over the library. Everything slow is imported where it is used."""

import argparse
import math
import os
import signal
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from rnnparity.cli.options import parser
from rnnparity.cli.output import guarded
from rnnparity.errors import InputError, RnnparityError, Unwritable
from rnnparity.printable import one_line

if TYPE_CHECKING:
    from rnnparity.apis.api import Target
    from rnnparity.live.result import Result
    from rnnparity.live.workers import Pool
    from rnnparity.reference.network_case import NetworkForm

ALL_AGREE, SOMETHING_DIVERGES, BAD_INPUT, COULD_NOT_RUN, FAULT = 0, 1, 2, 3, 4
INTERRUPTED = 130
_NAME = 300
"""Characters of a name, or of somebody else's message, in a line of ours."""
_MAX_TRIALS = 10**6
"""Trials of each kind in a selftest: they would take days."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit status."""
    signal.signal(signal.SIGTERM, interrupt)
    with guarded():
        try:
            status = _command(arguments)
            sys.stdout.flush()
            return status
        except RnnparityError as error:
            return _complain(str(error), COULD_NOT_RUN)
        except MemoryError:
            return _complain("not enough memory for these sizes", BAD_INPUT)
        except KeyboardInterrupt:
            return _complain("interrupted", INTERRUPTED)
        except Exception as error:
            if sys.flags.dev_mode:
                raise
            return _complain(_fault(error), FAULT)


def _command(arguments: Sequence[str] | None) -> int:
    try:
        options = parser(_COMMANDS).parse_args(arguments)
    except SystemExit as end:  # --help, --version, and bad usage, which has said so
        return int(end.code or 0)
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        return command(options)
    except InputError as error:
        option = ", ".join(_option(options, name) for name in error.what.split(", "))
        return _complain(f"{option}: got {error.given}, but should be {error.allowed}", BAD_INPUT)


def _fault(error: Exception) -> str:
    """An exception that nobody expected, in a line: what it is, where, and how to see more."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{Path(last.filename).name}, line {last.lineno}"
    said = one_line(error, _NAME)
    more = "`python -X dev -m rnnparity ...` shows all of it"
    return f"this is a fault of rnnparity itself: {type(error).__name__}: {said} ({where}; {more})"


def _run(options: argparse.Namespace) -> int:
    """One table for each kind of cell and form; the worst decides the exit status."""
    import json

    from rnnparity.environments.declarations import PINS
    from rnnparity.files.whole import write_texts
    from rnnparity.live.workers import Pool
    from rnnparity.report import changes, console, json_document
    from rnnparity.report.write import prepare, write

    _check_positive("trials", options.trials)
    _check_output("json", options.json)
    tables = _chosen(options)
    several = len(tables) > 1
    if several and options.baseline is not None:
        raise InputError("baseline", options.baseline, "of one table: add --cell, or do without --all")
    folder = None if options.report is None else prepare(options.report)
    before = None if options.baseline is None else changes.read_baseline(options.baseline)
    _say_what_is_made([target for targets in tables.values() for target in targets])
    texts, statuses = [], set()
    with Pool() as pool:
        for (cell, form), targets in tables.items():
            result, again = _run_table(options, cell, form, targets, pool if several else None)
            document = json_document.of_result(result)
            changed = {} if before is None else {"changes": changes.since(before, document)}
            made = document | changed
            texts.append(f"{json.dumps(made, allow_nan=False)}\n" if several else json_document.text(made))
            if options.json != "-":
                console.print_result(result, console.console())
                console.print_changes(changed, console.console())
                if several:
                    console.console().print()
            if folder is not None:
                full = json_document.full(result, _arguments(again), os.environ.get(PINS, ""))
                write(full | changed, prepare(str(folder / _folder(cell, form))) if several else folder)
            statuses.add(exit_code(result, options.strict))
    if options.json == "-":
        sys.stdout.write("".join(texts))
    elif options.json is not None:
        write_texts({Path(options.json): "".join(texts)})
    return max(statuses, key=_FROM_GOOD_TO_BAD.index)


_EVERY_FORM = ((1, False, False), (2, False, False), (1, True, False), (1, False, True), (2, True, True))
"""Layers, directions, lengths: the forms that ``--all`` runs."""


def _folder(cell: str, form: "NetworkForm") -> str:
    """What the folder of a table's report is called: ``lstm``, ``gru-2-layers-bidirectional``."""
    return "-".join([cell, *str(form).replace(",", "").split()])


def _chosen(options: argparse.Namespace) -> "dict[tuple[str, NetworkForm], list[Target]]":
    """The rows of each table, by kind of cell and form.

    Where every form is run, a table has only those rows that have it.
    """
    from rnnparity.apis.forms import refused
    from rnnparity.reference.network_case import PLAIN, NetworkForm

    asked = NetworkForm(options.layers, options.bidirectional, options.lengths)
    kinds = _chosen_kinds(options)
    if not options.all or asked != PLAIN:
        return {(kind, asked): targets for kind, targets in kinds.items()}
    tables = {
        (kind, NetworkForm(*form)): [
            one for one in targets if form == PLAIN or not refused(one, form[0], 1 + form[1], form[2])
        ]
        for kind, targets in kinds.items()
        for form in _EVERY_FORM
    }
    return {table: targets for table, targets in tables.items() if targets}


def _chosen_kinds(options: argparse.Namespace) -> "dict[str, list[Target]]":
    """The rows to run, by kind of cell."""
    from rnnparity.apis.selection import PUBLISHED_PATTERN, select
    from rnnparity_adapters.kinds import KINDS

    if options.cell not in (None, *KINDS):
        raise InputError("cell", options.cell, " or ".join(KINDS))
    if options.all and options.api:
        raise InputError("all", "together with --api", "the one or the other")
    cell = options.cell or ""
    if options.api or options.all:
        patterns = options.api or ["*"]
        targets = select([*patterns, *([PUBLISHED_PATTERN] if options.published else [])], cell)
    else:
        targets = select(None, cell or "lstm")
        targets += select(PUBLISHED_PATTERN, cell) if options.published else []
    of_kind = {kind: [target for target in targets if target.cell == kind] for kind in KINDS}
    return {kind: chosen for kind, chosen in of_kind.items() if chosen}


def _say_what_is_made(targets: "Sequence[Target]") -> None:
    """One line on stderr about the environments that are still to be made."""
    from rnnparity.environments import cache, declarations

    declared = declarations.declared()
    used = dict.fromkeys(target.live.environment for target in targets)
    missing = [declared[name] for name in used if cache.find(declared[name]) is None]
    if missing:
        names, megabytes = ", ".join(each.name for each in missing), sum(each.megabytes for each in missing)
        made = "environment" if len(missing) == 1 else "environments"
        about = f"about {megabytes} MB are downloaded at most"
        print(f"rnnparity: making the {made} {names}: {about}", file=sys.stderr)


def _run_table(
    options: argparse.Namespace, cell: str, form: "NetworkForm", targets: "list[Target]", pool: "Pool | None"
) -> "tuple[Result, dict[str, object]]":
    """The result of one kind of cell in one form, and the options that give it again."""
    from rnnparity.live.runner import run
    from rnnparity.live.trials import make_cases
    from rnnparity.reference.network_case import PLAIN
    from rnnparity.report.progress import Display

    names = ("batch", "steps", "input_size", "units", "dtype", "forget_bias", "scale", "cell")
    drawn = {**{name: getattr(options, name) for name in names}, "cell": cell}
    cases = make_cases(options.seed, options.trials, len(targets), form, **drawn)
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
            gradients=options.gradients,
            notify=display,
            pool=pool,
        )
    again = {name: getattr(options, name) for name in ("seed", "trials", "arithmetic", "gradients")}
    return result, {**drawn, **again, **({} if form == PLAIN else form._asdict())}


def _arguments(options: dict[str, object]) -> list[str]:
    """Options as words of a command line: ``{"units": 4, "lengths": True}`` -> ``--units 4 --lengths``."""
    given = {f"--{name.replace('_', '-')}": value for name, value in options.items()}
    return [
        word
        for name, value in given.items()
        if value is not None and value is not False
        for word in ([name] if value is True else [name, str(value)])
    ]


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


_FROM_GOOD_TO_BAD = (ALL_AGREE, COULD_NOT_RUN, SOMETHING_DIVERGES, BAD_INPUT)


def _check(options: argparse.Namespace) -> int:
    """Every file is checked, whatever is wrong with the others; the worst decides the exit status.

    What chaos decides was not judged to its end.
    """
    import json

    from rnnparity.files.whole import write_texts
    from rnnparity.judge import comparison
    from rnnparity.recordings.check import check
    from rnnparity.report import check_text as report
    from rnnparity.report import console

    _check_output("json", options.json)
    target, objects, statuses = console.console(), [], set()
    for file in options.recordings:
        try:
            checked = check(file)
        except InputError as error:
            statuses.add(_complain(f"{one_line(file, _NAME)}: {error}", BAD_INPUT))
            continue
        judged = {comparison.AGREE: ALL_AGREE, comparison.CHAOTIC: COULD_NOT_RUN}
        statuses.add(judged.get(checked.verdict, SOMETHING_DIVERGES))
        objects.append(report.document(checked))
        if options.json != "-":
            report.print_check(checked, target)
    text = "".join(json.dumps(each, allow_nan=False) + "\n" for each in objects)
    if options.json == "-":
        sys.stdout.write(text)
    elif options.json is not None:
        write_texts({Path(options.json): text})
    return max(statuses, key=_FROM_GOOD_TO_BAD.index)


def _diff(options: argparse.Namespace) -> int:
    from rnnparity.judge import comparison
    from rnnparity.recordings.crossed import both_recordings, cross
    from rnnparity.recordings.diff import diff
    from rnnparity.recordings.trajectory import read_trajectory
    from rnnparity.report.diff_text import crossing, text

    statuses = {comparison.AGREE: ALL_AGREE, comparison.DIVERGE: SOMETHING_DIVERGES}
    recordings = both_recordings(options.one, options.other)
    if recordings:
        crossed = cross((options.one, options.other), recordings)
        print(crossing(crossed), end="")
        return statuses.get(crossed.verdict, COULD_NOT_RUN)
    found = diff(read_trajectory(options.one), read_trajectory(options.other))
    print(text(found), end="")
    return statuses.get(found.verdict, COULD_NOT_RUN)


def _selftest(options: argparse.Namespace) -> int:
    from rnnparity.apis.selection import select
    from rnnparity.report import console
    from rnnparity.report.progress import Display
    from rnnparity.report.selftest_table import print_live, print_scores
    from rnnparity.selftest import measure

    for name in ("clean", "each"):
        _check_positive(name, getattr(options, name), _MAX_TRIALS)
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


def _check_positive(name: str, value: object, largest: float = math.inf) -> None:
    if not isinstance(value, int) or not 1 <= value <= largest:
        upwards = f" to {largest}" if largest < math.inf else ""
        raise InputError(name, repr(value), f"an integer from 1{upwards}")


def _check_output(name: str, path: str | None) -> None:
    """Before anything runs: a result that cannot be written is not worth computing."""
    from rnnparity.files.whole import check_place

    if path in (None, "-"):
        return
    try:
        check_place(str(path))
    except Unwritable as error:
        raise InputError(
            name, f"{path or repr(path)} ({error.reason})", "a file that can be written, or -"
        ) from None


def _option(options: argparse.Namespace, name: str) -> str:
    """An argument of the library as the option of the command line that it came from."""
    return f"--{name.replace('_', '-')}" if hasattr(options, name) else name


def _complain(message: str, status: int) -> int:
    print(f"rnnparity: {one_line(message)}", file=sys.stderr)
    return status


def interrupt(number: int, frame: object) -> NoReturn:
    """SIGTERM ends a run as Ctrl-C does: no process and no half-made environment stays behind."""
    raise KeyboardInterrupt
