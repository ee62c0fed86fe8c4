"""Two and three mistakes at once, as a port often makes them."""

from dataclasses import replace

import numpy as np
import pytest

import rnnparity
from rnnparity.diagnosis.causes import CONFIRMED, single
from rnnparity.diagnosis.search import search
from rnnparity.selftest import plain_cells
from rnnparity.selftest import planted_changes as changes
from rnnparity.selftest import planted_weights as weights
from rnnparity.selftest.planted_changes import Change, equation, in_turn
from rnnparity.selftest.planted_weights import split
from rnnparity_adapters import equation as eq

MISTAKES: dict[str, Change] = {
    "kernel-transposed": weights.kernel(weights.flat_transposed),
    "bias-dropped": weights.shares_times(1, 0),
    "gate-order": weights.gate_order("xhb", (0, 2, 1, 3)),
    "forget-bias": changes.other_forget_bias,
    "recurrent-activation": equation(recurrent_activation=eq.HARD_SIGMOID_5),
    "activation": equation(activation=eq.RELU, output_activation=eq.TANH),
    "initial-state": changes.states_zeroed,
    "direction": changes.inputs_reversed,
    "forget-bias-after-sigmoid": changes.forget_bias_times(0, 1),
    "coupled-gates": equation(coupled=True),
    "pre-activation-clip": changes.gates_clipped("gate_clip"),
    "cell-clip": changes.clipped,
}
TOGETHER = [
    ("gate-order", "forget-bias", "recurrent-activation"),
    ("kernel-transposed", "forget-bias", "recurrent-activation"),
    ("bias-dropped", "recurrent-activation", "forget-bias"),
    ("gate-order", "recurrent-activation", "initial-state"),
    ("gate-order", "forget-bias", "initial-state"),
    ("kernel-transposed", "gate-order", "initial-state"),
    ("gate-order", "recurrent-activation", "direction"),
    ("gate-order", "initial-state"),
    ("bias-dropped", "direction"),
    ("activation", "initial-state"),
    ("kernel-transposed", "initial-state"),
    ("forget-bias-after-sigmoid", "bias-dropped"),
    ("kernel-transposed", "forget-bias-after-sigmoid"),
    ("kernel-transposed", "pre-activation-clip"),
    ("pre-activation-clip", "initial-state"),
    ("bias-dropped", "coupled-gates", "recurrent-activation"),
    ("initial-state", "direction"),
    ("gate-order", "cell-clip", "initial-state"),
]


@pytest.mark.parametrize(("names", "with_cell"), [(names, n % 2 == 0) for n, names in enumerate(TOGETHER)])
def test_several_mistakes_are_all_named(names: tuple[str, ...], with_cell: bool) -> None:
    case = rnnparity.make_case(7, batch=3, steps=8, input_size=5, units=6)
    shares, random = split(case, two=True), np.random.RandomState(2)
    if "bias-dropped" in names:  # first, because the others act on what is left
        names = ("bias-dropped", *(name for name in names if name != "bias-dropped"))
    really = in_turn(*(MISTAKES[name] for name in names))(case, shares, random)
    observed = plain_cells.run(really)
    cause = search(case, observed.hidden, observed.cell if with_cell else None, shares=shares)[0]
    assert (set(single(cause.id)), cause.status) == (set(names), CONFIRMED), cause


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize("steps", [1, -2])
def test_a_shift_hides_no_other_mistake(cell: str, steps: int) -> None:
    """Settings in which other steps count are never screened together."""
    case = rnnparity.make_case(5, batch=3, steps=10, input_size=5, units=6, cell=cell)
    shares, random = split(case, two=True), np.random.RandomState(2)
    really = weights.kernel(weights.transposed)(case, shares, random)
    late = changes.shifted(steps)(plain_cells.run(really), case, random)
    cause = search(case, late.hidden, late.cell if case.has_cell_state else None, shares=shares)[0]
    assert (set(single(cause.id)), cause.status) == ({"time-shift", "kernel-transposed"}, CONFIRMED), cause


def test_a_part_that_is_right_leads_to_the_rest() -> None:
    """Where the orders are right, most states are: what is limited in some of the others is found then."""
    case = rnnparity.make_case(3, batch=4, steps=12, input_size=5, units=6)
    shares, random = split(case, two=True), np.random.RandomState(1)
    largest = float(np.quantile(np.abs(plain_cells.run(case).cell), 0.85))
    ordered = weights.gate_order("b", (3, 1, 0, 2))(case, shares, random)
    observed = plain_cells.run(equation(cell_clip=largest)(ordered, shares, random))
    cause = search(case, observed.hidden, observed.cell, shares=shares)[0]
    assert (set(single(cause.id)), cause.status) == ({"gate-order", "cell-clip"}, CONFIRMED), cause


def test_noise_is_not_a_combination() -> None:
    """However many combinations there are, none is confirmed by what none explains."""
    case = rnnparity.make_case(7, batch=2, steps=4, input_size=3, units=4)
    random = np.random.RandomState(0)
    for _ in range(5):
        wrong = random.uniform(-0.9, 0.9, (2, 4, 4)).astype("float32")
        causes = search(replace(case), wrong, None)
        assert not any(cause.status == CONFIRMED for cause in causes), causes
