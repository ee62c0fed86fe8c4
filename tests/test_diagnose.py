"""The diagnosis, on mistakes planted in fresh random weights: the right cause first, and none invented."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import rnnparity
from rnnparity import Case, reference
from rnnparity.diagnose import CONFIRMED, Cause, diagnose
from rnnparity.mistakes import CORRECT, STRUCTURAL, Trajectory, nudge, one_weight_off
from rnnparity_adapters.equation import HARD_SIGMOID_5, LINEAR, ONE, RELU, SIGMOID, TANH
from rnnparity_adapters.layout import Weights

Made = tuple[Case, np.ndarray, np.ndarray]
Mutation = Callable[[Case, np.random.RandomState], Made]

ID = {
    "gate order, kernel and bias": "gate-order",
    "gate order, recurrent": "gate-order",
    "gate order, bias": "gate-order",
    "recurrent kernel transposed": "kernel-transposed",
    "a bias dropped": "bias-dropped",
    "a bias doubled": "bias-doubled",
    "forget bias missing, halved": "forget-bias",
    "forget bias after sigmoid": "forget-bias-after-sigmoid",
    "hard_sigmoid": "recurrent-activation",
    "activations swapped": "activation",
    "activation dropped": "activation",
    "states zeroed or swapped": "initial-state",
    "states carried over": "state-carried",
    "time reversed": "direction",
    "shifted by one step": "time-shift",
    "bfloat16, float16, TF32": "precision",
}
"""What is planted -> the cause."""
NEEDS_STATE = {"states zeroed or swapped"}


def draw(seed: int, zero: bool = False, **sizes: Any) -> Case:
    case = rnnparity.make_case(seed, **{"batch": 3, "steps": 8, "input_size": 5, "units": 6, **sizes})
    if zero:
        nothing = np.zeros_like(case.initial_hidden)
        case = replace(case, initial_hidden=nothing, initial_cell=nothing)
    return case


def found(case: Case, hidden: np.ndarray, cell: np.ndarray | None) -> list[Cause]:
    """The diagnosis of a case whose bias has two shares, three quarters and the rest."""
    bias = case.weights.bias
    first = (bias * np.float32(0.75)).astype(np.float64)
    return diagnose(case, hidden, cell, shares=(first, bias - first))


def run(case: Case) -> tuple[np.ndarray, np.ndarray]:
    """The reference, rounded."""
    made = reference.run(case)
    return made.hidden.astype("float32"), made.cell.astype("float32")


def equation(**fields: Any) -> Mutation:
    return lambda case, random: (case, *run(replace(case, equation=replace(case.equation, **fields))))


def kernel(change: Callable[[Any, int], Any]) -> Mutation:
    def made(case: Case, random: np.random.RandomState) -> Made:
        changed = np.ascontiguousarray(change(case.weights.kernel.copy(), case.input_size))
        return case, *run(replace(case, weights=Weights(changed, case.weights.bias)))

    return made


def peepholes(change: Callable[[Any], Any], **fields: Any) -> Mutation:
    def made(case: Case, random: np.random.RandomState) -> Made:
        vectors = random.uniform(-1, 1, (3, case.units))
        other = replace(case, peepholes=change(vectors), equation=replace(case.equation, **fields))
        return replace(case, peepholes=vectors), *run(other)

    return made


def masked(how: str) -> Mutation:
    def made(case: Case, random: np.random.RandomState) -> Made:
        hidden, cell = run(case)
        for row, length in enumerate((5, 8, 3)):
            for state in (hidden, cell):
                state[row, length:] = 0 if how == "zeroed" else state[row, length - 1]
        return case, hidden, cell

    return made


def dropped(case: Case, random: np.random.RandomState) -> Made:
    hidden, cell = run(case)
    return case, hidden * (random.rand(*hidden.shape) > 0.25) / np.float32(0.75), cell


def swapped_axes(case: Case, random: np.random.RandomState) -> Made:
    zero = np.zeros((case.steps, case.units), "float32")
    other = replace(case, inputs=case.inputs.swapaxes(0, 1), initial_hidden=zero, initial_cell=zero)
    hidden, cell = run(other)
    return case, hidden.swapaxes(0, 1).copy(), cell.swapaxes(0, 1).copy()


def bias_of_a_gate(case: Case, random: np.random.RandomState) -> Made:
    bias = case.weights.bias.copy()
    bias[: case.units] += random.uniform(-1, 1, case.units).astype("float32")
    return case, *run(replace(case, weights=Weights(case.weights.kernel, bias)))


def rows_turned(k: Any, size: int) -> Any:
    """What [h, x] in the place of [x, h] makes of a kernel."""
    units = len(k) - size
    return np.concatenate([k[units:], k[:units]])


def reshaped(k: Any, size: int) -> Any:
    """The recurrent kernel transposed, and its numbers read in the old shape."""
    return np.concatenate([k[:size], k[size:].T.reshape(k[size:].shape)])


def one_weight(case: Case, random: np.random.RandomState) -> Made:
    observed = one_weight_off(case, nudge(case, random, 0.1))
    return case, observed.hidden, observed.cell


MORE: dict[str, tuple[str, Mutation]] = {
    "forget bias of 2.5": ("forget-bias", equation(forget_bias=2.5)),
    "forget bias of -0.37": ("forget-bias", equation(forget_bias=-0.37)),
    "coupled gates": ("coupled-gates", equation(coupled=True)),
    "output not squashed": ("output-activation", equation(output_activation=LINEAR)),
    "output through sigmoid": ("output-activation", equation(output_activation=SIGMOID)),
    "output gate alone": ("output-activation", equation(output_activation=ONE)),
    "relu": ("activation", equation(activation=RELU)),
    "clipped at 0.4": ("cell-clip", equation(cell_clip=0.4)),
    "clipped at 0.73": ("cell-clip", equation(cell_clip=0.73)),
    "peepholes dropped": ("peephole-dropped", peepholes(lambda p: None)),
    "peepholes i, o, f": ("peephole-order", peepholes(lambda p: p[[0, 2, 1]])),
    "peephole on c": ("peephole-previous", peepholes(lambda p: p, output_peephole_previous=True)),
    "[h, x]": ("concat-order", kernel(rows_turned)),
    "zeroed past lengths": ("masking", masked("zeroed")),
    "held past lengths": ("masking", masked("held")),
    "dropout": ("dropout", dropped),
    "axes swapped": ("batch-time-axes", swapped_axes),
    "one weight off": ("parameter", one_weight),
    "a gate's bias": ("parameter", bias_of_a_gate),
    "flat transposed": ("kernel-transposed", kernel(reshaped)),
    "hard sigmoid and relu": (
        "recurrent-activation + activation",
        equation(recurrent_activation=HARD_SIGMOID_5, activation=RELU, output_activation=TANH),
    ),
    "hard sigmoid, output gate alone": (
        "recurrent-activation + output-activation",
        equation(recurrent_activation=HARD_SIGMOID_5, output_activation=ONE),
    ),
    "three other functions": (
        "recurrent-activation + activation + output-activation",
        equation(recurrent_activation=HARD_SIGMOID_5, activation=SIGMOID, output_activation=LINEAR),
    ),
    "hard sigmoid and forget bias": (
        "recurrent-activation + forget-bias", equation(recurrent_activation=HARD_SIGMOID_5, forget_bias=0.0),
    ),
}  # fmt: skip


def two(order: tuple[int, ...], **fields: Any) -> Mutation:
    """Gates in a wrong order, and another equation."""

    def made(case: Case, random: np.random.RandomState) -> Made:
        units = case.units
        k, b = (
            a.reshape(*a.shape[:-1], 4, units)[..., list(order), :].reshape(a.shape) for a in case.weights
        )
        other = replace(case, weights=Weights(k, b), equation=replace(case.equation, **fields))
        return case, *run(other)

    return made


PAIRS: dict[str, tuple[str, Mutation]] = {
    "order and forget bias": ("gate-order + forget-bias", two((0, 2, 1, 3), forget_bias=0.0)),
    "order and hard sigmoid": (
        "gate-order + recurrent-activation", two((3, 1, 0, 2), recurrent_activation=HARD_SIGMOID_5),
    ),
}  # fmt: skip


@pytest.mark.parametrize("zero", [False, True], ids=["state", "zero"])
@pytest.mark.parametrize("with_cell", [True, False], ids=["cell", "hidden-only"])
@pytest.mark.parametrize("name", [*MORE, *PAIRS])
def test_the_cause_is_first(name: str, with_cell: bool, zero: bool) -> None:
    expected, mutation = {**MORE, **PAIRS}[name]
    case, hidden, cell = mutation(draw(len(name), zero), np.random.RandomState(len(name)))
    causes = found(case, hidden, cell if with_cell else None)
    assert causes[0].id == expected, causes
    assert causes[0].status == CONFIRMED
    assert causes[0].after < 6 < causes[0].before


@pytest.mark.parametrize("with_cell", [True, False])
@pytest.mark.parametrize("value", [2.5, -0.37, 0.123456])
def test_a_constant_is_estimated(value: float, with_cell: bool) -> None:
    case, hidden, cell = equation(forget_bias=value)(draw(3), np.random.RandomState(0))
    cause = found(case, hidden, cell if with_cell else None)[0]
    assert case.equation.forget_bias + cause.about["value"] == pytest.approx(value, abs=1e-4)
    case, hidden, cell = equation(cell_clip=0.4)(draw(3), np.random.RandomState(0))
    assert found(case, hidden, cell if with_cell else None)[0].about["value"] == pytest.approx(0.4, abs=1e-4)


def test_a_parameter_is_named() -> None:
    case = draw(5)
    weight = nudge(case, np.random.RandomState(5), 0.1)
    for cell in (one_weight_off(case, weight).cell, None):
        about = found(case, one_weight_off(case, weight).hidden, cell)[0].about
        row = about["row"] + (case.input_size if about["tensor"] == "recurrent kernel" else 0)
        assert (row, "ijfo".index(about["gate"]) * case.units + about["unit"]) == (weight.row, weight.column)
        assert about["change"] == pytest.approx(float(weight.change), rel=1e-2)


@pytest.mark.parametrize("seed", range(6))
def test_nothing_is_invented(seed: int) -> None:
    case = draw(seed, zero=bool(seed % 2), units=6 + seed)
    hidden, cell = CORRECT.run(case)
    assert found(case, hidden, cell) == []
    assert found(case, hidden, None) == []


@pytest.mark.parametrize("with_cell", [True, False])
def test_what_nothing_explains_is_unknown(with_cell: bool) -> None:
    case = draw(1)
    hidden, cell = CORRECT.run(case)
    random = np.random.RandomState(0)
    noise = random.uniform(-0.1, 0.1, hidden.shape).astype("float32")
    causes = found(case, hidden + noise, cell + noise if with_cell else None)
    assert causes[-1].id == "unknown"
    assert "from step 0 on, 3 of 3 batch rows" in causes[-1].detail
    assert not any(cause.status == CONFIRMED for cause in causes)


@pytest.mark.parametrize(("batch", "steps"), [(1, 8), (3, 2), (1, 2), (2, 1)])
def test_little_data_is_enough(batch: int, steps: int) -> None:
    case = draw(4, batch=batch, steps=steps)
    hidden, _ = STRUCTURAL["gate order, kernel and bias"][4](case, np.random.RandomState(0))
    assert found(case, hidden, None)[0].id == "gate-order"
    hidden, _ = STRUCTURAL["forget bias missing, halved"][0](case, np.random.RandomState(0))
    assert found(case, hidden, None)[0].id == "forget-bias"


def test_almost_all_of_many_mutants_are_named() -> None:
    """Every kind, half with a zero state, half with the hidden state alone; no wrong one is confirmed."""
    each, right, total, wrong = 10, 0, 0, []
    for kind, mistakes in STRUCTURAL.items():
        for seed in range(each):
            random = np.random.RandomState(1000 + seed)
            case = draw(1000 + seed, zero=seed % 2 == 0 and kind not in NEEDS_STATE)
            made: Trajectory = mistakes[random.randint(len(mistakes))](case, random)
            causes = found(case, made.hidden, made.cell if seed // 2 % 2 else None)
            total += 1
            accepted = {ID[kind], "output-activation"} if kind == "activation dropped" else {ID[kind]}
            if causes and causes[0].id in accepted:
                right += 1
            elif causes and causes[0].status == CONFIRMED:
                wrong.append((kind, seed, causes[0]))
    assert not wrong
    assert right >= 0.97 * total


def test_float32_under_the_name_of_float64_is_precision() -> None:
    case = draw(2, dtype="float64")
    narrow = replace(
        case,
        weights=Weights(*(a.astype("float32") for a in case.weights)),
        inputs=case.inputs.astype("float32"),
        initial_hidden=case.initial_hidden.astype("float32"),
        initial_cell=case.initial_cell.astype("float32"),
    )
    hidden, cell = CORRECT.run(narrow)
    cause = found(case, hidden.astype("float64"), cell.astype("float64"))[0]
    assert (cause.id, cause.about["arithmetic"], cause.status) == ("precision", "float32", CONFIRMED)


def test_equal_explanations_name_the_run_that_tells() -> None:
    """A forget gate whose bias is 0.5 in every unit, doubled, is one with a forget bias of 0.5."""
    case = draw(9)
    even = replace(case, equation=replace(case.equation, forget_bias=0.0))
    constant = replace(
        even, weights=Weights(case.weights.kernel, np.repeat(np.array([0.1, 0.2, 0.5, 0.3], "float32"), 6))
    )
    hidden, _ = run(replace(constant, equation=replace(constant.equation, forget_bias=0.5)))
    causes = found(constant, hidden, None)
    assert {cause.id for cause in causes} == {"forget-bias", "bias-doubled"}
    assert all("explain these data equally well" in cause.note for cause in causes)
    assert "c0 != 0 and h0 = 0" in causes[0].note
