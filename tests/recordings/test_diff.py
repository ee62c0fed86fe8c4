"""``rnnparity diff``: two trajectories without weights."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import rnnparity
from rnnparity import Case
from rnnparity.cli import commands
from rnnparity.errors import InputError
from rnnparity.judge import comparison
from rnnparity.recordings import diff, trajectory
from rnnparity.reference import forward
from rnnparity.selftest import plain_cells
from rnnparity.selftest.planted_mistakes import MISTAKES, Mistake
from rnnparity_adapters.layout import Weights

FIXTURE = Path(__file__).parents[2] / "fixtures" / "lstmcell_without_forget_bias.csv"


def test_the_article_s_two_tables(capsys: pytest.CaptureFixture[str]) -> None:
    """Equal at step 0, different after it: most often what acts on the previous state."""
    assert commands.main(["diff", f"{FIXTURE}:tensorflow", f"{FIXTURE}:numpy"]) == 1
    printed = capsys.readouterr().out
    assert "diverge from step 1 on" in printed
    assert "steps =######" in printed
    assert "most often something that acts on the previous state" in printed
    assert "forget-bias" in printed
    assert "rnnparity.record" in printed
    assert commands.main(["diff", f"{FIXTURE}:numpy", f"{FIXTURE}:numpy"]) == 0


@pytest.fixture
def hidden() -> np.ndarray:
    return plain_cells.run(rnnparity.make_case(0, batch=3, steps=8, input_size=5, units=6)).hidden


def test_npy_and_npz_are_read(tmp_path: Path, hidden: np.ndarray) -> None:
    np.save(tmp_path / "a.npy", hidden)
    np.savez(tmp_path / "b.npz", hidden=hidden, other=hidden)
    assert commands.main(["diff", str(tmp_path / "a.npy"), str(tmp_path / "b.npz")]) == 0


def readings(one: np.ndarray, other: np.ndarray) -> list[str]:
    return list(
        diff.diff(trajectory.trajectory_of("one", one), trajectory.trajectory_of("other", other)).readings
    )


def test_what_a_difference_says(hidden: np.ndarray) -> None:
    changed = hidden.copy()
    changed[1, 4:, 2] += 0.1
    found = readings(hidden, changed)
    assert found[0].startswith("the first 4 steps agree")
    assert found[1].startswith("in batch rows 1 alone")
    assert found[2].startswith("in units 2 alone")
    assert readings(hidden, hidden + 0.1)[0].startswith("already step 0 differs")


def compared(one: np.ndarray, other: np.ndarray) -> diff.Symptom:
    return diff.diff(trajectory.trajectory_of("one", one), trajectory.trajectory_of("other", other))


def wide(case: Case) -> Case:
    """The case in float64."""
    weights = Weights(*(array.astype("float64") for array in case.weights))
    arrays = (getattr(case, name).astype("float64") for name in ("inputs", "initial_hidden", "initial_cell"))
    inputs, hidden, cell = arrays
    return replace(case, weights=weights, inputs=inputs, initial_hidden=hidden, initial_cell=cell)


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize("scale", [1.0, 6.0, 30.0])
@pytest.mark.parametrize(("steps", "input_size", "units"), [(50, 64, 128), (100, 3, 8), (8, 200, 200)])
def test_two_correct_runs_never_diverge(
    cell: str, scale: float, steps: int, input_size: int, units: int
) -> None:
    """Weights up to thirty times too large make of rounding what they want."""
    for seed in range(2):
        case = rnnparity.make_case(
            seed, batch=3, steps=steps, input_size=input_size, units=units, cell=cell, scale=scale
        )
        found = compared(plain_cells.run(case).hidden, plain_cells.run(wide(case)).hidden)
        assert found.verdict in (comparison.AGREE, diff.CANNOT_TELL), found.readings


@pytest.mark.parametrize(
    "mistake", [mistake for mistake in MISTAKES.values() if "precision" not in mistake.ids]
)
def test_every_mistake_diverges(mistake: Mistake) -> None:
    """Unless the numbers are rounded, which is what it cannot tell."""
    for cell in mistake.cells:
        case = rnnparity.make_case(4, batch=3, steps=8, input_size=5, units=6, cell=cell)
        claimed, observed = mistake.plant(case, np.random.RandomState(7))
        right = plain_cells.run(claimed)
        found = compared(observed.hidden, right.hidden)
        assert found.verdict == comparison.DIVERGE, (cell, found)
        assert compared(right.hidden, observed.hidden).first_step == found.first_step


def test_what_cannot_be_told_says_from_where_on_it_could(hidden: np.ndarray) -> None:
    small = hidden.astype("float64")
    small[1, 3, 2] += 1e-5
    found = compared(hidden, small)
    assert found.verdict == diff.CANNOT_TELL
    (size,) = (float(size) for size in re.findall(r"they tell from (\S+) on, at step 3", found.readings[0]))
    small[1, 3, 2] += 1.1 * size
    found = compared(hidden, small)
    assert (found.verdict, found.first_step) == (comparison.DIVERGE, 3)
    assert 1e-5 < size < 1e-4


def test_cannot_tell_has_an_exit_status_of_its_own(
    hidden: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save(tmp_path / "a.npy", hidden)
    np.save(tmp_path / "b.npy", hidden.astype("float64") + 1e-5)
    status = commands.main(["diff", str(tmp_path / "a.npy"), str(tmp_path / "b.npy")])
    assert status == commands.COULD_NOT_RUN
    printed = capsys.readouterr().out
    assert "cannot tell; largest difference 1.0e-05" in printed
    assert "steps ~~~~~~~~" in printed


def test_zeros_and_what_is_no_number_are_seen(hidden: np.ndarray) -> None:
    dead = hidden.copy()
    dead[2] = 0
    found = compared(hidden, dead)
    assert found.verdict == comparison.DIVERGE
    assert "batch rows 2 of other are 0 throughout" in found.notes
    tiny = hidden.copy()
    tiny[0, 0, 0], hidden[0, 0, 0] = 1e-40, 0
    found = compared(hidden, tiny)
    assert found.verdict == comparison.AGREE
    (note,) = found.notes
    assert note.startswith(
        "one is exactly 0 in 1 of 144 numbers where the other is not (there up to 1.0e-40)"
    )
    broken = hidden.copy()
    broken[1, 2] = np.nan
    assert compared(broken, broken).verdict == comparison.AGREE
    assert "both have NaN at the same places, which count as equal" in compared(broken, broken).notes
    found = compared(hidden, broken)
    assert (found.verdict, found.first_step) == (comparison.DIVERGE, 2)
    assert "other has 6 numbers that are NaN or infinite" in found.notes


def test_numbers_that_are_too_small_tell_nothing() -> None:
    random = np.random.RandomState(0)
    one, other = (random.uniform(-1e-8, 1e-8, (3, 5, 4)).astype("float32") for _ in range(2))
    assert compared(one, other).verdict == diff.CANNOT_TELL
    assert compared(one, one).verdict == comparison.AGREE


@pytest.mark.parametrize(("axis", "said"), [(0, "batch rows"), (2, "units")])
def test_another_order_is_named(hidden: np.ndarray, axis: int, said: str) -> None:
    order = np.roll(np.arange(hidden.shape[axis]), 1)
    found = compared(np.take(hidden, order, axis=axis), hidden)
    assert any(f"with its {said} in another order: {order.tolist()}" in text for text in found.readings)


def halves(hidden: np.ndarray) -> list[np.ndarray]:
    return np.split(hidden, 2, axis=2)


Change = Callable[[np.ndarray], np.ndarray]

PLANTED: dict[str, tuple[Change, str]] = {
    "steps reversed": (lambda h: h[:, ::-1], "one is other with its steps reversed (direction)"),
    "time major": (
        lambda h: h.swapaxes(0, 1),
        "one is other with batch and time swapped (batch-time-axes)",
    ),
    "time major, read as batch major": (
        lambda h: h.swapaxes(0, 1).reshape(h.shape),
        "with batch and time swapped, and reshaped as if they were not (batch-time-axes)",
    ),
    "reshaped, not transposed": (
        lambda h: h.reshape(h.shape[1], h.shape[0], -1),
        "one is other reshaped to [T, B, U], which moves no number (batch-time-axes)",
    ),
    "units reversed": (lambda h: h[..., ::-1], "one is other with its units reversed"),
    "negated": (lambda h: -h, "one is other negated (output-activation)"),
    "late": (lambda h: np.roll(h, 2, axis=1), "other is one 2 steps late (time-shift)"),
    "early": (lambda h: np.roll(h, -1, axis=1), "one is other 1 step late (time-shift)"),
    "forward": (lambda h: halves(h)[0], "other is the first half of the units of one"),
    "backward": (lambda h: halves(h)[1], "other is the second half of the units of one: its backward"),
    "backward, turned back": (
        lambda h: halves(h)[1][:, ::-1],
        "other is the second half of the units of one, its steps reversed (direction)",
    ),
    "every second unit": (lambda h: h[..., ::2], "other has every second unit of one, from 0 on"),
    "the other ones": (lambda h: h[..., 1::2], "other has every second unit of one, from 1 on"),
    "directions swapped": (
        lambda h: np.concatenate(halves(h)[::-1], axis=2),
        "one is other with the halves of its units swapped: directions in the other order (direction)",
    ),
    "directions interleaved": (
        lambda h: np.stack(halves(h), axis=3).reshape(h.shape),
        "other is one with the halves of its units interleaved (direction)",
    ),
    "one direction turned": (
        lambda h: np.concatenate([halves(h)[0], halves(h)[1][:, ::-1]], axis=2),
        "one is other with the steps of the second half of its units reversed",
    ),
}


@pytest.mark.parametrize("shape", [(3, 8, 6), (5, 5, 6)])
@pytest.mark.parametrize(("change", "said"), PLANTED.values(), ids=PLANTED)
def test_one_made_of_the_other(change: Change, said: str, shape: tuple[int, int, int]) -> None:
    """By name, with the id of its cause; and no longer where one number more is another.

    With as many rows as steps, what only reshapes says nothing that swapping does not.
    """
    batch, steps, units = shape
    hidden = plain_cells.run(
        rnnparity.make_case(0, batch=batch, steps=steps, input_size=4, units=units)
    ).hidden
    made = change(hidden)
    if batch == steps and "reshaped" in said:
        said = "one is other with batch and time swapped (batch-time-axes)"
        made = hidden.swapaxes(0, 1)
    noisy = (made * (1 + 1e-7)).astype(made.dtype)
    found = readings(hidden, noisy)
    assert [said in text for text in found].count(True) == 1, found
    broken = noisy.copy()
    broken[1, -2, 1] += 0.01
    if broken.shape == hidden.shape:
        assert not any(said in text for text in readings(hidden, broken))
    else:
        with pytest.raises(InputError, match="hidden"):
            readings(hidden, broken)


def test_rounding_is_no_relation() -> None:
    """Numbers so small, or so alike, that any order of them would do."""
    tiny = np.random.RandomState(0).uniform(-1e-6, 1e-6, (3, 4, 6)).astype("float32")
    assert not any("one is" in text for text in readings(tiny, tiny[:, ::-1]))


MISFITS: dict[str, tuple[tuple[int, ...], str]] = {
    "bidirectional": (
        (3, 8, 12),
        "hidden [B, T, U] of b.npy: got [3, 8, 12], but should be [3, 8, 6] as in a.npy, "
        "or one direction of it: compare `hidden[..., :6]` and `hidden[..., 6:]`, each by itself",
    ),
    "time major": (
        (8, 3, 6),
        "hidden [B, T, U] of b.npy: got [8, 3, 6], but should be [3, 8, 6] as in a.npy: [B, T, U] in both: "
        "store `hidden.swapaxes(0, 1)` of one of them",
    ),
    "more steps": (
        (3, 9, 6),
        "got [3, 9, 6], but should be [3, 8, 6] as in a.npy: record both with the same",
    ),
}


@pytest.mark.parametrize(("shape", "said"), MISFITS.values(), ids=MISFITS)
def test_shapes_that_do_not_fit(
    shape: tuple[int, ...],
    said: str,
    hidden: np.ndarray,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One line: what was given, and what to do."""
    monkeypatch.chdir(tmp_path)
    np.save("a.npy", hidden)
    np.save("b.npy", np.random.RandomState(1).uniform(-1, 1, shape).astype("float32"))
    for files in (("a.npy", "b.npy"), ("b.npy", "a.npy")):
        assert commands.main(["diff", *files]) == commands.BAD_INPUT
        out, err = capsys.readouterr()
        assert out == ""
        assert err.count("\n") == 1
        if shape != (8, 3, 6) or files[0] == "a.npy":
            assert said in err


def test_another_shape_that_is_the_same(
    hidden: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    np.savez("a.npz", hidden=hidden)
    np.savez("b.npz", hidden=hidden.swapaxes(0, 1))
    assert commands.main(["diff", "a.npz", "b.npz"]) == commands.SOMETHING_DIVERGES
    assert capsys.readouterr().out.splitlines() == [
        "diverge: hidden is [3, 8, 6] in a.npz, [8, 3, 6] in b.npz",
        "  a.npz is b.npz with batch and time swapped (batch-time-axes)",
    ]


@pytest.mark.parametrize(
    ("one", "other", "change", "status"),
    [
        ("float16", "float32", 0.0, commands.ALL_AGREE),
        ("float16", "float32", 1e-4, commands.ALL_AGREE),  # less than float16 can hold
        ("float16", "float32", 0.05, commands.SOMETHING_DIVERGES),
        ("float32", "float64", 0.0, commands.ALL_AGREE),
        ("float32", "float64", 1e-4, commands.SOMETHING_DIVERGES),
        ("float64", "float64", 1e-9, commands.SOMETHING_DIVERGES),
        ("float16", "float16", 0.0, commands.ALL_AGREE),
        ("float16", "float16", 0.05, commands.SOMETHING_DIVERGES),
    ],
)
def test_dtypes_are_said_and_the_coarser_one_decides(
    one: str,
    other: str,
    change: float,
    status: int,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    hidden = forward.run(rnnparity.make_case(0, batch=3, steps=8, input_size=5, units=6)).hidden
    np.save("a.npy", hidden.astype(one))
    np.save("b.npy", (hidden + change).astype(other))
    assert commands.main(["diff", "a.npy", "b.npy"]) == status
    first = capsys.readouterr().out.splitlines()[0]
    said = f"a.npy is {one}, b.npy is {other}: compared as far as the coarser one can tell"
    assert first.startswith(said) == (one != other)


@pytest.mark.parametrize("content", ["", "a,b\n1,x\n", "1,2\n1\n"])
def test_bad_tables_get_one_line(tmp_path: Path, content: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.csv").write_text(content)
    assert commands.main(["diff", str(tmp_path / "a.csv"), str(tmp_path / "a.csv")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_pickles_are_not_opened(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([{}], dtype=object))
    with pytest.raises(InputError, match="pickled"):
        trajectory.read_trajectory(tmp_path / "a.npy")
    with pytest.raises(InputError, match="a file"):
        trajectory.read_trajectory(tmp_path / "a.txt")
