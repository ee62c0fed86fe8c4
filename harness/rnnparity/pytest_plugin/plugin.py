"""The pytest plugin: fixtures ``rnnparity``, ``rnnparity_regression`` and ``rnnparity_run``.

It is loaded with every pytest run where rnnparity is installed, so nothing slow is imported until used.
"""

import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import pytest

from rnnparity.pytest_plugin.ledger import LEDGER, Ledger
from rnnparity.pytest_plugin.recording_path import numbered, recording_path

if TYPE_CHECKING:
    from rnnparity.apis.api import Target
    from rnnparity.live.result import Row, Run
    from rnnparity.live.workers import Pool
    from rnnparity.pytest_plugin.known_differences import KnownDifference
    from rnnparity.pytest_plugin.stored_trajectory import Taken
    from rnnparity.reference.case import Case
    from rnnparity.reference.network_case import NetworkCase

_MARK = "rnnparity"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option ``--rnnparity-record`` and the settings."""
    group = parser.getgroup("rnnparity")
    group.addoption(
        "--rnnparity-record", action="store_true", help="store what rnnparity_regression checks as it is now"
    )
    parser.addini("rnnparity_known", "file of known differences, relative to the root folder", default="")
    parser.addini(
        "rnnparity_recordings",
        "folder of recordings, relative to the root folder (default: beside each test file)",
        default="",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, and what this process knows and will remember."""
    config.addinivalue_line(
        "markers",
        f"{_MARK}(*apis, seeds=[0], **sizes): run a test's rnnparity_run for these apis, seeds and sizes",
    )
    config.stash[LEDGER] = Ledger(_known_differences(config))
    config.pluginmanager.register(config.stash[LEDGER], "rnnparity-ledger")


def _known_differences(config: pytest.Config) -> "list[KnownDifference]":
    """The known differences of the file that the setting names, or none where it names no file."""
    name = config.getini("rnnparity_known")
    if not name:
        return []
    from rnnparity.errors import InputError
    from rnnparity.pytest_plugin.known_differences import read_known_differences

    try:
        return read_known_differences(config.rootpath / name)
    except InputError as error:
        raise pytest.UsageError(str(error)) from None


class Wanted(NamedTuple):
    """What one parametrised test runs: a row of the table, and a case."""

    target: "Target"
    seed: int
    sizes: dict[str, Any]
    case: str


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test for each api, seed and size of the marker."""
    marker = metafunc.definition.get_closest_marker(_MARK)
    if "rnnparity_run" not in metafunc.fixturenames:
        if marker:
            raise pytest.UsageError(
                f"{metafunc.definition.nodeid}: marked {_MARK}, but takes no fixture rnnparity_run"
            )
        return
    wanted = list(_wanted(marker.args if marker else (), dict(marker.kwargs) if marker else {}))
    ledger = metafunc.config.stash[LEDGER]
    for difference in ledger.known:
        if any(difference.matches(one.target.key, one.case) for one in wanted):
            ledger.matched.add(difference.line)
    ids = [f"{one.target.key}-{one.case}" for one in wanted]
    metafunc.parametrize("rnnparity_run", wanted, ids=ids, indirect=True)


def _wanted(apis: Sequence[Any], options: dict[str, Any]) -> Iterator[Wanted]:
    from rnnparity.apis.selection import select
    from rnnparity.errors import InputError

    seeds: list[int] = list(options.pop("seeds", [0]))
    choices = {name: value if _several(value) else [value] for name, value in options.items()}
    try:
        chosen = select(apis or None)
    except InputError as error:
        raise pytest.UsageError(f"marker {_MARK}: {error}") from None
    for target, seed, values in itertools.product(chosen, seeds, itertools.product(*choices.values())):
        sizes = dict(zip(choices, values, strict=True))
        varied = [f"{name}{value}" for name, value in sizes.items() if _several(options[name])]
        yield Wanted(target, seed, sizes, "-".join([f"seed{seed}", *varied]))


def _several(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


class Checker:
    """The fixture ``rnnparity``."""

    def check(
        self, cell: Any, like: str | None = None, *, seeds: Sequence[int] = (0, 1, 2), **sizes: Any
    ) -> None:
        """Check a cell of your own against the reference, on one case for each of ``seeds``.

        ``cell`` is a function of one step, ``cell(x, h, c, ...) -> (h, c)`` with x ``[B, I]``, h and c
        ``[B, U]``. After these it takes the weights as the api named by ``like`` stores them: its tensors by
        their native names (``kernel, bias``), or all of them in a dict called ``weights``; and
        ``forget_bias``, if it has a parameter of that name. Or ``cell`` is a layer object of PyTorch or
        Keras, of which a copy runs, with its own weights and with those of the case.

        ``sizes`` go to :func:`rnnparity.make_case`: batch, steps, input_size, units, dtype, forget_bias.
        Raises :class:`~rnnparity.errors.Divergence`, an AssertionError, with where, how and why it differs.
        """
        __tracebackhide__ = True
        from rnnparity.live import own_cell

        target = own_cell.target_of(cell, like)
        for seed in seeds:
            for run in own_cell.run(cell, like, seed, **sizes):
                _assert_agrees(f"{own_cell.name_of(cell)} is not {like or 'what it says it is'}", run, target)


class Outcome:
    """The fixture ``rnnparity_run``: a case through an api of a real framework."""

    def __init__(
        self, wanted: Wanted, case: "Case | NetworkCase", row: "Row", known: "KnownDifference | None"
    ) -> None:
        self.case, self.row = case, row
        self._wanted, self._known = wanted, known

    @property
    def target(self) -> "Target":
        """The row of the table that ran."""
        return self.row.target

    def check(self) -> None:
        """Fail with where, how and why it differs; skip what cannot run here, expect what is known."""
        __tracebackhide__ = True
        if self.row.verdict in ("unavailable", "unsupported"):
            pytest.skip(self.row.reason)
        if self._known and self.row.verdict in ("agree", "diverge", "chaotic", "nonfinite"):
            self._check_known(self._known)
        for run in self.row.runs:
            _assert_agrees(f"{self.target.key} {self.row.version}", run, self.target)
        if not self.row.agree:
            _fail(f"{self.target.key} {self.row.verdict}: {self.row.reason}\n{self.row.log}")

    def _check_known(self, known: "KnownDifference") -> NoReturn:
        """Expect the cause that is known, and nothing else."""
        __tracebackhide__ = True
        from rnnparity.diagnosis.causes import ids
        from rnnparity.report.cause_text import lines

        where = f"{self.target.key}, {self._wanted.case}: the known difference {known.cause}"
        place = f"line {known.line} of the file of known differences"
        if self.row.agree:
            pytest.fail(f"{where} is no more: remove {place}", pytrace=False)
        if known.explains(self.row.causes):
            pytest.xfail(f"{known.cause}: {known.reason} ({known.link})")
        said = f"{where} is not what was found, {', '.join(sorted(ids(self.row.causes)))}: see {place}"
        pytest.fail("\n".join([said, "", self.row.reason, *lines(self.row.causes)]), pytrace=False)


def _assert_agrees(what: str, run: "Run", target: "Target") -> None:
    __tracebackhide__ = True
    from rnnparity.judge.comparison import AGREE
    from rnnparity.report.failure_text import text

    if run.comparison.verdict != AGREE:
        _fail(text(what, run, target.name))


def _fail(message: str) -> NoReturn:
    __tracebackhide__ = True
    from rnnparity.errors import Divergence

    raise Divergence(message)


class Regression:
    """The fixture ``rnnparity_regression``."""

    def __init__(self, request: pytest.FixtureRequest) -> None:
        self._config, self._node = request.config, request.node
        self._checks = itertools.count(1)
        self._first = self.path = recording_path(request.node)

    def check(self, trajectory: Any, *, seed: int = 0, **sizes: Any) -> None:
        """Check a trajectory against the recording of this test.

        ``trajectory`` is a mapping with ``hidden`` ``[B, T, U]``, and anything else that is an array, such
        as ``cell`` and ``inputs``; or a layer object of PyTorch or Keras, which runs the case of ``seed`` and
        ``sizes`` with its own weights; or what ``rnnparity_run`` gave. A missing recording is written, and
        the test fails. Dtypes and shapes must be exact, numbers within the noise. Each check of a test has a
        recording of its own.
        """
        __tracebackhide__ = True
        from rnnparity.errors import InputError, Unwritable
        from rnnparity.pytest_plugin import stored_trajectory

        self.path = numbered(self._first, next(self._checks))
        taken = self._take(trajectory, seed, sizes)
        ledger, missing = self._config.stash[LEDGER], not os.path.exists(self.path)
        other = ledger.claim(self.path, self._node.nodeid)
        if other:
            _fail(
                f"{self._shown} is the recording of {other} too: this file system takes their names for one"
            )
        asked = self._config.getoption("--rnnparity-record")
        if asked or missing:
            try:
                stored_trajectory.record(taken, self.path)
            except Unwritable as error:
                _fail(str(error))
            ledger.recorded[self._shown] = "written" if missing else "renewed"
            if asked:
                return
            _fail(f"there was no recording; {self._shown} has been written. Commit it and run again.")
        try:
            stored = stored_trajectory.read_stored(self.path)
        except InputError as error:
            _fail(f"{self._shown} is no recording: {error}\n\n{self._renew}")
        changed = stored_trajectory.changed_provenance(taken, stored)
        found = stored_trajectory.differences(taken, stored)
        if found:
            lines = [f"not what {self._shown} has", *found]
            lines += (
                ["", "what else has changed since:", *(f"    {change}" for change in changed)]
                if changed
                else []
            )
            _fail("\n".join([*lines, "", self._renew]))
        if changed:
            ledger.provenance_changed[self._shown] = changed

    @property
    def _renew(self) -> str:
        return f"If that is right: pytest --rnnparity-record '{self._node.nodeid}'"

    @property
    def _shown(self) -> str:
        root = self._config.rootpath
        return str(self.path.relative_to(root) if self.path.is_relative_to(root) else self.path)

    @staticmethod
    def _take(given: Any, seed: int, sizes: Mapping[str, Any]) -> "Taken":
        from rnnparity.pytest_plugin import stored_trajectory

        if isinstance(given, Outcome):
            return stored_trajectory.of_run(
                given.target, given.row.run(), given.row.version, given.row.python
            )
        return stored_trajectory.take(given, seed, **sizes)


@pytest.fixture
def rnnparity() -> Checker:
    """Check a cell of your own against the reference: see Checker.check."""
    return Checker()


@pytest.fixture
def rnnparity_regression(request: pytest.FixtureRequest) -> Regression:
    """Check a trajectory against the one recorded for this test: see Regression.check."""
    return Regression(request)


@pytest.fixture(scope="session")
def _rnnparity_pool() -> "Iterator[Pool]":
    """The workers of this pytest process."""
    from rnnparity.live.workers import Pool

    with Pool() as pool:
        yield pool


@pytest.fixture
def rnnparity_run(request: pytest.FixtureRequest, _rnnparity_pool: "Pool") -> Outcome:
    """A case through an api, for each of the marker ``rnnparity``: see Outcome.check."""
    from rnnparity.live.runner import run
    from rnnparity.reference.network_case import NetworkForm, draw

    wanted: Wanted = request.param
    asked = {name: wanted.sizes[name] for name in NetworkForm._fields if name in wanted.sizes}
    sizes = {name: value for name, value in wanted.sizes.items() if name not in asked}
    case = draw(wanted.seed, NetworkForm(**asked), cell=wanted.target.cell, **sizes)
    (row,) = run(case, wanted.target, pool=_rnnparity_pool)
    known = request.config.stash[LEDGER].known
    matching = (one for one in known if one.matches(wanted.target.key, wanted.case))
    return Outcome(wanted, case, row, next(matching, None))
