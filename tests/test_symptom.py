"""``rnnparity diff``: two trajectories without weights."""

from pathlib import Path

import numpy as np
import pytest

import rnnparity
from rnnparity import cli, symptom
from rnnparity.errors import InputError
from rnnparity.mistakes import CORRECT

FIXTURE = Path(__file__).parents[1] / "fixtures" / "lstmcell_without_forget_bias.csv"


def test_the_article_s_two_tables(capsys: pytest.CaptureFixture[str]) -> None:
    """Equal at step 0, different after it: only what multiplies the previous state can differ."""
    assert cli.main(["diff", f"{FIXTURE}:tensorflow", f"{FIXTURE}:numpy"]) == 1
    printed = capsys.readouterr().out
    assert "diverge from step 1 on" in printed
    assert "steps =######" in printed
    assert "only what multiplies the previous state can differ" in printed
    assert "forget-bias" in printed
    assert "rnnparity.record" in printed
    assert cli.main(["diff", f"{FIXTURE}:numpy", f"{FIXTURE}:numpy"]) == 0


@pytest.fixture
def hidden() -> np.ndarray:
    return CORRECT.run(rnnparity.make_case(0, batch=3, steps=8, input_size=5, units=6)).hidden


def test_npy_and_npz_are_read(tmp_path: Path, hidden: np.ndarray) -> None:
    np.save(tmp_path / "a.npy", hidden)
    np.savez(tmp_path / "b.npz", hidden=hidden, other=hidden)
    assert cli.main(["diff", str(tmp_path / "a.npy"), str(tmp_path / "b.npz")]) == 0


def test_what_a_difference_says(hidden: np.ndarray) -> None:
    changed = hidden.copy()
    changed[1, 4:, 2] += 0.1
    readings = symptom.diff(hidden, changed).readings
    assert readings[0].startswith("the first 4 steps agree")
    assert readings[1].startswith("only batch rows 1 differ")
    assert readings[2].startswith("only units 2 differ")
    assert any("reversed" in text for text in symptom.diff(hidden, hidden[:, ::-1]).readings)
    assert any("2 steps late" in text for text in symptom.diff(hidden, np.roll(hidden, 2, axis=1)).readings)
    assert symptom.diff(hidden, hidden + 0.1).readings[0].startswith("already step 0 differs")


@pytest.mark.parametrize("content", ["", "a,b\n1,x\n", "unit 0\n1\nnan\n", "1,2\n1\n"])
def test_bad_tables_get_one_line(tmp_path: Path, content: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.csv").write_text(content)
    assert cli.main(["diff", str(tmp_path / "a.csv"), str(tmp_path / "a.csv")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_pickles_are_not_opened(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([{}], dtype=object))
    with pytest.raises(InputError, match="pickled"):
        symptom.read_trajectory(tmp_path / "a.npy")
    with pytest.raises(InputError, match="a file"):
        symptom.read_trajectory(tmp_path / "a.txt")
