"""The diagnosis, on mistakes planted in fresh random weights: the right cause first, and none invented."""

import zlib
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import rnnparity
from rnnparity import Case
from rnnparity.apis.catalogue import APIS
from rnnparity.diagnosis.causes import CONFIRMED, Cause
from rnnparity.diagnosis.explain import told
from rnnparity.diagnosis.search import search
from rnnparity.diagnosis.vocabulary import Vocabulary
from rnnparity.selftest import plain_cells
from rnnparity.selftest.planted_mistakes import MISTAKES, STATE, STRUCTURAL, Mistake
from rnnparity.selftest.planted_weights import nudge, one_weight_off, split
from rnnparity_adapters.layout import Weights


def draw(seed: int, zero: bool = False, **sizes: Any) -> Case:
    case = rnnparity.make_case(seed, **{"batch": 3, "steps": 8, "input_size": 5, "units": 6, **sizes})
    if zero:
        hidden, cell = (0 * state for state in (case.initial_hidden, case.initial_cell))
        case = replace(case, initial_hidden=hidden, initial_cell=cell)
    return case


def found(case: Case, hidden: np.ndarray, cell: np.ndarray | None) -> list[Cause]:
    """The diagnosis of a case whose bias has two shares, three quarters and the rest."""
    name = {"lstm": "canonical", "gru": "canonical.gru", "rnn": "canonical.rnn"}[case.equation.cell]
    causes = search(case, hidden, cell, shares=split(case, two=True))
    return told(causes, Vocabulary(APIS[name], case.equation))


PLANTED = [
    pytest.param(mistake, cell, zero, with_cell,
                 id="-".join((name, cell, "zero" * zero, "cell" * with_cell)))
    for name, mistake in MISTAKES.items()
    for cell in mistake.cells
    for zero in ((False,) if STATE in mistake.needs else (False, True))
    for with_cell in ((True, False) if cell == "lstm" else (False,))
]  # fmt: skip


@pytest.mark.parametrize(("mistake", "cell", "zero", "with_cell"), PLANTED)
def test_the_cause_is_first(
    mistake: Mistake, cell: str, zero: bool, with_cell: bool, request: pytest.FixtureRequest
) -> None:
    seed = zlib.crc32(request.node.name.encode()) % 2**16
    case = draw(seed, zero, cell=cell)
    claimed, (hidden, cell_state) = mistake.plant(case, np.random.RandomState(seed))
    causes = found(claimed, hidden, cell_state if with_cell else None)
    assert causes[0].id in mistake.ids, causes
    assert causes[0].status == CONFIRMED
    assert causes[0].after < 6 < causes[0].before


@pytest.mark.parametrize("with_cell", [True, False])
@pytest.mark.parametrize("value", [2.5, -0.37, 0.123456])
def test_a_constant_is_estimated(value: float, with_cell: bool) -> None:
    case = draw(3)
    hidden, cell = plain_cells.run(replace(case, equation=replace(case.equation, forget_bias=value)))
    cause = found(case, hidden, cell if with_cell else None)[0]
    assert case.equation.forget_bias + cause.about["value"] == pytest.approx(value, abs=1e-4)
    hidden, cell = plain_cells.run(replace(case, equation=replace(case.equation, cell_clip=0.4)))
    assert found(case, hidden, cell if with_cell else None)[0].about["value"] == pytest.approx(0.4, abs=1e-4)


def test_a_forget_bias_that_is_not_there_has_one_cause() -> None:
    """Nothing added after the sigmoid would explain it too, and says nothing."""
    case, observed = MISTAKES["forget bias missing"].plant(draw(3), np.random.RandomState(0))
    (cause,) = found(case, *observed)
    assert (cause.id, cause.about["value"], cause.note) == ("forget-bias", -1, "")


@pytest.mark.parametrize("steps", [13, -13, 1])
def test_a_shift_is_estimated(steps: int) -> None:
    case = draw(3, steps=30, cell="gru")
    hidden = np.roll(plain_cells.run(case).hidden, steps, axis=1)
    cause = found(case, hidden, None)[0]
    assert (cause.id, cause.status, cause.about["steps"]) == ("time-shift", CONFIRMED, steps)


def test_a_parameter_is_named() -> None:
    case = draw(5)
    weight = nudge(case, np.random.RandomState(5), 0.1, "h")
    hidden, observed = plain_cells.run(one_weight_off(case, weight))
    for cell in (observed, None):
        about = found(case, hidden, cell)[0].about
        row = about["row"] + (case.input_size if about["tensor"] == "recurrent kernel" else 0)
        assert (row, "ijfo".index(about["gate"]) * case.units + about["unit"]) == (weight.row, weight.column)
        assert about["change"] == pytest.approx(float(weight.change), rel=1e-2)


@pytest.mark.parametrize("seed", range(6))
def test_nothing_is_invented(seed: int) -> None:
    case = draw(seed, zero=bool(seed % 2), units=6 + seed)
    hidden, cell = plain_cells.run(case)
    assert found(case, hidden, cell) == []
    assert found(case, hidden, None) == []


@pytest.mark.parametrize("with_cell", [True, False])
def test_what_nothing_explains_is_unknown(with_cell: bool) -> None:
    case = draw(1)
    hidden, cell = plain_cells.run(case)
    random = np.random.RandomState(0)
    noise = random.uniform(-0.1, 0.1, hidden.shape).astype("float32")
    causes = found(case, hidden + noise, cell + noise if with_cell else None)
    assert causes[-1].id == "unknown"
    assert "from step 0 on, 3 of 3 batch rows" in causes[-1].detail
    assert not any(cause.status == CONFIRMED for cause in causes)


@pytest.mark.parametrize(("batch", "steps"), [(1, 8), (3, 2), (1, 2), (2, 1)])
def test_little_data_is_enough(batch: int, steps: int) -> None:
    case = draw(4, batch=batch, steps=steps)
    _, observed = STRUCTURAL["gate order, kernel and bias"][4].plant(case, np.random.RandomState(0))
    assert found(case, observed.hidden, None)[0].id == "gate-order"
    _, observed = MISTAKES["forget bias missing"].plant(case, np.random.RandomState(0))
    assert found(case, observed.hidden, None)[0].id == "forget-bias"


def test_float32_under_the_name_of_float64_is_precision() -> None:
    case = draw(2, dtype="float64")
    narrow = replace(
        case,
        weights=Weights(*(a.astype("float32") for a in case.weights)),
        inputs=case.inputs.astype("float32"),
        initial_hidden=case.initial_hidden.astype("float32"),
        initial_cell=case.initial_cell.astype("float32"),
    )
    hidden, cell = plain_cells.run(narrow)
    cause = found(case, hidden.astype("float64"), cell.astype("float64"))[0]
    assert (cause.id, cause.about["arithmetic"], cause.status) == ("precision", "float32", CONFIRMED)


def test_equal_explanations_name_the_run_that_tells() -> None:
    """A forget gate whose bias is 0.5 in every unit, doubled, is one with a forget bias of 0.5."""
    case = draw(9)
    even = replace(case, equation=replace(case.equation, forget_bias=0.0))
    constant = replace(
        even, weights=Weights(case.weights.kernel, np.repeat(np.array([0.1, 0.2, 0.5, 0.3], "float32"), 6))
    )
    really = replace(constant, equation=replace(constant.equation, forget_bias=0.5))
    causes = found(constant, plain_cells.run(really).hidden, None)
    assert {cause.id for cause in causes} == {"forget-bias", "bias-doubled"}
    assert all("explain these data equally well" in cause.note for cause in causes)
    assert "c0 != 0 and h0 = 0" in causes[0].note
