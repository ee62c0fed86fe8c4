"""A long case is run and judged in pieces, with the result of the whole."""

from collections.abc import Callable, Iterator

import pytest
from support.cases import RunLive
from support.faults import fault

import rnnparity
from rnnparity import Case
from rnnparity.live.result import Row
from rnnparity.reference import case as cases

STEPS = 60


@pytest.fixture
def case() -> Case:
    return rnnparity.make_case(5, batch=3, steps=STEPS, input_size=5, units=4)


@pytest.fixture
def in_pieces(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], None]]:
    """A function after which a piece has so many steps."""

    def cut(steps: int) -> None:
        monkeypatch.setattr(cases, "_PIECE", 3 * (5 + 4 * 4) * steps)

    yield cut
    monkeypatch.undo()


def assert_same(whole: Row, cut: Row) -> None:
    assert whole.verdict == cut.verdict, cut.reason
    assert [(run.direction, run.seed) for run in cut.runs] == [
        (run.direction, run.seed) for run in whole.runs
    ]
    for one, other in zip(whole.runs, cut.runs, strict=True):
        assert one.comparison.significance == pytest.approx(other.comparison.significance, rel=0.2)
        for first, second in zip(one.comparison.differences, other.comparison.differences, strict=True):
            if first.observed in ("hidden", "cell", "local_hidden", "local_cell"):
                # A library may take other paths through its arithmetic for fewer steps.
                assert first.noise == pytest.approx(second.noise, rel=0.2), first.observed


@pytest.mark.parametrize("steps", [7, 20, 59])
def test_it_is_as_in_one_piece(case: Case, in_pieces: Callable[[int], None], steps: int) -> None:
    whole = rnnparity.run(case, "numpy*")
    in_pieces(steps)
    for one, other in zip(whole, rnnparity.run(case, "numpy*"), strict=True):
        assert_same(one, other)
        assert all(run.observed is None for run in other.runs)


@pytest.mark.frameworks
@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_frameworks_hand_their_states_on(in_pieces: Callable[[int], None], live: RunLive, cell: str) -> None:
    in_pieces(25)
    case = rnnparity.make_case(5, batch=3, steps=STEPS, input_size=5, units=4, cell=cell)
    for row in live(case, ["torch.*", "keras.layers.*"]):
        assert row.verdict == "agree", f"{row.target.key}: {row.reason}"


def test_several_long_cases_follow_one_another(case: Case, in_pieces: Callable[[int], None]) -> None:
    in_pieces(25)
    second = rnnparity.make_case(6, batch=3, steps=STEPS, input_size=5, units=4)
    (row,) = rnnparity.run([case, second], fault("Sound"))
    assert [(run.seed, run.direction) for run in row.runs] == [
        (5, "loaded"), (5, "own"), (6, "loaded"), (6, "own"),
    ]  # fmt: skip
    assert row.agree


@pytest.mark.parametrize(
    ("name", "verdict", "said"),
    [
        ("WrongLater", "diverge", "hidden differs from step 43 on"),
        ("ForgetsBetweenPieces", "diverge", "differs from step 20 on"),
        ("OtherWeightsLater", "diverge", "own weights, seed 5: kernel read back is not the kernel loaded"),
        ("DiesLater", "crashed", "exited with status 9"),
        ("Raise", "failed", "this cell cannot run"),
        ("NotFinite", "nonfinite", "cell[batch 1, step 2, unit 3] is not finite"),
    ],
)
def test_what_goes_wrong_in_a_piece_is_the_verdict(
    case: Case, in_pieces: Callable[[int], None], name: str, verdict: str, said: str
) -> None:
    in_pieces(20)
    wrong, behind = rnnparity.run(case, [fault(name), fault("Sound")]).rows
    assert wrong.verdict == verdict
    assert said in wrong.reason
    assert behind.agree, behind.reason


def test_a_cause_says_where_its_steps_are_counted_from(case: Case, in_pieces: Callable[[int], None]) -> None:
    in_pieces(20)
    (row,) = rnnparity.run(case, fault("ForgetsBetweenPieces"))
    assert row.causes
    assert "steps are counted from step 20 on" in row.causes[0].note


def test_a_printed_equation_is_not_run_in_pieces(case: Case, in_pieces: Callable[[int], None]) -> None:
    in_pieces(20)
    (row,) = rnnparity.run(case, "published.goodfellow(tanh)")
    assert (row.verdict, row.runs) == ("unsupported", ())


def test_a_long_case_is_the_same_case(case: Case, in_pieces: Callable[[int], None]) -> None:
    in_pieces(3)
    again = rnnparity.make_case(5, batch=3, steps=STEPS, input_size=5, units=4)
    assert (again.inputs == case.inputs).all()
    assert (again.initial_cell == case.initial_cell).all()
