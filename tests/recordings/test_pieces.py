"""A long recording is read and checked in pieces, with the result of the whole."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import rnnparity
from rnnparity.diagnosis import parts
from rnnparity.errors import InputError
from rnnparity.files import npz
from rnnparity.recordings.check import Check, check
from rnnparity.reference import case
from rnnparity.selftest import plain_cells
from rnnparity_adapters import layout, layouts

Write = Callable[..., Path]
InPieces = Callable[[Path, int], Check]


def nothing(states: dict[str, np.ndarray]) -> None:
    """Leave a trajectory as it is."""


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """A function that writes a recording of 160 steps, changed by a function, and gives its path."""
    drawn = rnnparity.make_case(3, batch=3, steps=160, input_size=5, units=4)
    run = plain_cells.run(drawn)

    def write(
        change: Callable[[dict[str, np.ndarray]], object] = lambda arrays: None, packed: bool = False
    ) -> Path:
        states = {"hidden": run.hidden.copy(), "cell": run.cell.copy(), "stepped_hidden": run.hidden.copy()}
        change(states)
        native = layout.load(layouts.TORCH_LAYER, drawn.weights, drawn.equation.forget_bias)
        initial = {"initial_hidden": drawn.initial_hidden, "initial_cell": drawn.initial_cell}
        path = tmp_path / "recording.npz"
        rnnparity.record(path, "torch.nn.LSTM", native, drawn.inputs, **states, **initial)  # type: ignore[arg-type]
        if not packed:
            np.savez(path, **np.load(path))
        return path

    return write


@pytest.fixture
def in_pieces(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path, int], Check]:
    """A function that checks a file in pieces of so many steps."""

    def checked(path: Path, steps: int) -> Check:
        with monkeypatch.context() as small:
            small.setattr(npz, "_LARGE", 0)
            small.setattr(case, "_PIECE", 3 * (5 + 4 * 4) * steps)
            small.setattr(parts, "_AROUND", (20, 30))
            return check(path)

    return checked


def replaced(states: dict[str, np.ndarray]) -> None:
    states["cell"][:, 100] = states["cell"][:, 99]


def without_cell(states: dict[str, np.ndarray]) -> None:
    del states["cell"], states["stepped_hidden"]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("steps", [37, 159])
@pytest.mark.parametrize("change", [nothing, replaced, without_cell])
def test_it_says_what_it_says_of_the_whole(
    write: Write,
    in_pieces: InPieces,
    change: Callable[..., None],
    steps: int,
    packed: bool,
) -> None:
    path = write(change, packed)
    whole, cut = check(path), in_pieces(path, steps)
    assert whole.verdict == cut.verdict == ("diverge" if change is replaced else "agree")
    assert whole.comparison.reason == cut.comparison.reason
    for one, other in zip(whole.comparison.differences, cut.comparison.differences, strict=True):
        if change is not without_cell or one.observed == "hidden":  # an estimate looks back as far as a piece
            assert one.noise == pytest.approx(other.noise, rel=1e-6)
            assert one.place == other.place


def test_what_is_wrong_is_looked_for_where_it_begins(write: Write, in_pieces: InPieces) -> None:
    found = in_pieces(write(replaced), 60)
    assert found.comparison.first_step == 100
    assert found.causes
    assert "steps are counted from step 80 on" in found.causes[0].note


def test_a_long_recording_is_not_read_at_once(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(npz, "_LARGE", 0)
    path = write()
    with npz.open_npz(path, ("hidden",)) as arrays:
        hidden = arrays["hidden"]
        assert not isinstance(hidden, np.ndarray)
        np.testing.assert_array_equal(hidden.steps(slice(7, 9)), np.load(path)["hidden"][:, 7:9])
        assert isinstance(arrays["cell"], np.ndarray)


def test_a_number_that_is_none_is_found_in_a_later_piece(write: Write, in_pieces: InPieces) -> None:
    def infinite(states: dict[str, np.ndarray]) -> None:
        states["cell"][2, 133, 1] = np.inf

    found = in_pieces(write(infinite), 50)
    assert (found.verdict, found.comparison.reason) == (
        "nonfinite",
        "cell[batch 2, step 133, unit 1] is not finite",
    )


@pytest.mark.parametrize("packed", [False, True])
def test_a_damaged_file_is_refused_before_anything_is_judged(
    write: Write, in_pieces: InPieces, packed: bool
) -> None:
    path = write(packed=packed)
    with zipfile.ZipFile(path) as archive:
        entry = archive.getinfo("hidden.npy")
    content = bytearray(path.read_bytes())
    content[entry.header_offset + 300] ^= 255
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a whole \.npz file"):
        in_pieces(path, 60)
