"""Recordings with a mask, whose steps are skipped row by row, as written by plain cells."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from support.writer import Arrays, written

import rnnparity
from rnnparity import Case
from rnnparity.apis.catalogue import APIS
from rnnparity.errors import InputError
from rnnparity.judge.comparison import AGREE, DIVERGE
from rnnparity.recordings.check import check
from rnnparity.recordings.recording import from_arrays
from rnnparity.selftest import plain_cells

B, T, U = 4, 9, 6
MASK = np.random.RandomState(1).random_sample((B, T)) < 0.6
MASK[1] = False
MASK[2, :3] = False
KERAS = ["keras.layers.LSTM", "keras.layers.GRU", "keras.layers.SimpleRNN"]


def drawn(api: str) -> Case:
    known = APIS[api]
    case = rnnparity.make_case(2, batch=B, steps=T, input_size=5, units=U, cell=known.layout.cell)
    return replace(case, equation=known.equation({}))


def skipping(case: Case, order: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each row run by itself over its own steps in that order -> hidden, and the last states."""
    hidden = np.full((B, T, U), np.nan, "float32")
    last_hidden, last_cell = case.initial_hidden.copy(), case.initial_cell.copy()
    for b in range(B):
        steps = [t for t in order if MASK[b, t]]
        if steps:
            row = slice(b, b + 1)
            one = replace(
                case, inputs=case.inputs[row][:, steps], initial_hidden=case.initial_hidden[row],
                initial_cell=case.initial_cell[row],
            )  # fmt: skip
            h, c = plain_cells.run(one)
            hidden[b, steps] = h[0]
            last_hidden[b] = h[0, -1]
            last_cell[b] = c[0, -1] if case.has_cell_state else last_cell[b]
    return hidden, last_hidden, last_cell


def held(hidden: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Step by step in the order in which they stand, the last output wherever there is none."""
    hidden = hidden.copy()
    for b in range(B):
        last = before[b]
        for t in range(T):
            last = hidden[b, t] if np.isfinite(hidden[b, t]).all() else last
            hidden[b, t] = last
    return hidden


def recorded(api: str, backwards: bool, fill: str) -> tuple[Case, Arrays]:
    case = drawn(api)
    hidden, last_hidden, last_cell = skipping(case, np.arange(T)[::-1] if backwards else np.arange(T))
    hidden = hidden[:, ::-1] if backwards else hidden
    before = case.initial_hidden if fill == "initial first" else np.zeros((B, U), "float32")
    hidden = np.nan_to_num(hidden) if fill == "zeroed" else held(hidden, before)
    options: dict[str, Any] = {"go_backwards": backwards, "zero_output_for_mask": fill == "zeroed"}
    last = {"last_hidden": last_hidden} | ({"last_cell": last_cell} if case.has_cell_state else {})
    return case, {**written(APIS[api], case, hidden, None, options), "mask": MASK, **last}


@pytest.mark.parametrize("fill", ["held", "initial first", "zeroed"])
@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("api", KERAS)
def test_steps_that_do_not_count_are_skipped(api: str, backwards: bool, fill: str) -> None:
    _, arrays = recorded(api, backwards, fill)
    found = check(from_arrays(arrays))
    assert found.verdict == AGREE, found.comparison.reason
    for name in {"last_hidden", "last_cell"} & set(arrays):
        wrong = arrays[name].copy()
        wrong[3, 2] += 1e-3
        found = check(from_arrays({**arrays, name: wrong}))
        assert (found.verdict, name in found.comparison.reason) == (DIVERGE, True)


@pytest.mark.parametrize("api", KERAS)
def test_what_stands_at_steps_that_do_not_count_is_looked_at(api: str) -> None:
    _, arrays = recorded(api, False, "held")
    zeroed = {**arrays, "hidden": np.where(MASK[:, :, None], arrays["hidden"], np.float32(0))}
    found = check(from_arrays(zeroed))
    assert (found.verdict, found.causes[0].id) == (DIVERGE, "masking")
    assert "zeroed" in found.causes[0].detail


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("api", KERAS)
def test_a_mask_that_was_not_used_is_the_cause(api: str, backwards: bool) -> None:
    case, arrays = recorded(api, backwards, "held")
    read = replace(case, inputs=case.inputs[:, ::-1]) if backwards else case
    arrays = {name: array for name, array in arrays.items() if not name.startswith("last")}
    found = check(from_arrays({**arrays, "hidden": plain_cells.run(read).hidden}))
    assert found.verdict == DIVERGE
    (cause,) = found.causes
    assert (cause.id, cause.status, cause.about["where"]) == ("masking", "confirmed", "everywhere")


@pytest.mark.parametrize("api", KERAS)
def test_a_mistake_is_named_behind_a_mask(api: str) -> None:
    _, arrays = recorded(api, False, "held")
    if "LSTM" in api:
        arrays["weights/scope/bias"][U : 2 * U] += 1
        expected = "forget-bias"
    else:
        arrays["weights/scope/recurrent_kernel"][2, 3] += 0.3
        expected = "parameter"
    causes = check(from_arrays(arrays)).causes
    assert (causes[0].id, causes[0].status) == (expected, "confirmed")


def test_a_mask_has_one_form() -> None:
    _, arrays = recorded(KERAS[0], False, "held")
    for wrong in (2 * MASK, MASK[:, :-1], MASK.astype("float32")):
        with pytest.raises(InputError, match="mask"):
            from_arrays({**arrays, "mask": wrong})
    with pytest.raises(InputError, match="lengths beside it"):
        from_arrays({**arrays, "lengths": np.full(B, T)})


def test_clean_runs_with_masks_are_never_accused() -> None:
    """Steps past the last that counts were judged once, by what the reference would go on with."""
    case = drawn("keras.layers.GRU")
    for seed in range(60):
        inputs = np.random.RandomState(seed).standard_normal(case.inputs.shape).astype("float32")
        now = replace(case, inputs=inputs)
        hidden = held(skipping(now, np.arange(T))[0], np.zeros((B, U), "float32"))
        arrays = {**written(APIS["keras.layers.GRU"], now, hidden, None, {}), "mask": MASK}
        assert check(from_arrays(arrays)).verdict == AGREE, seed
