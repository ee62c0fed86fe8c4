"""Networks against plain cells chained by hand, one row at a time, and their noise against real rounding."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from rnnparity import Case, make_case
from rnnparity.reference import masks, network
from rnnparity.reference.network import Direction, Layer, LayerReference
from rnnparity.reference.noise import LIMIT
from rnnparity.selftest import plain_cells

B, T, SIZE, U = 3, 9, 5, 4


def layers_of(cells: Sequence[str], directions: int, merge: str, dtype: str, seed: int = 0) -> list[Layer]:
    found: list[Layer] = []
    width = SIZE
    for number, cell in enumerate(cells):
        sizes = {"batch": B, "steps": T, "input_size": width, "units": U}
        made = [make_case(seed + 10 * number + d, **sizes, cell=cell, dtype=dtype) for d in range(directions)]
        found.append(Layer(tuple(Direction(one, bool(d)) for d, one in enumerate(made)), merge))
        width = U * directions if merge == network.CONCAT else U
    return found


Outputs = list[np.ndarray]
MERGED: dict[str, Callable[[Outputs], np.ndarray]] = {
    "concat": lambda both: np.concatenate(both, axis=1),
    "sum": lambda both: both[0] + both[1],
    "mul": lambda both: both[0] * both[1],
    "ave": lambda both: (both[0] + both[1]) / 2,
}


def plainly(layers: Sequence[Layer], inputs: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The outputs ``[B, T, n]`` of plain cells, each row run by itself over its own steps."""
    rows = []
    for b in range(len(inputs)):
        counted = np.flatnonzero(mask[b])
        now = inputs[b, counted]
        for layer in layers:
            outputs = []
            for direction in layer.directions:
                read = now[::-1] if direction.backwards else now
                cell = direction.cell
                if len(counted) == 0:
                    outputs.append(np.zeros((0, U), inputs.dtype))
                    continue
                one = replace(
                    cell, inputs=read[None], initial_hidden=cell.initial_hidden[b : b + 1],
                    initial_cell=cell.initial_cell[b : b + 1],
                )  # fmt: skip
                hidden = plain_cells.run(one).hidden[0]
                outputs.append(hidden[::-1] if direction.backwards else hidden)
            now = outputs[0] if len(outputs) == 1 else MERGED[layer.merge](outputs)
        whole = np.zeros((T, now.shape[1]), now.dtype)
        whole[counted] = now
        rows.append(whole)
    return np.stack(rows)


def inputs_of(dtype: str, seed: int = 5) -> np.ndarray:
    return np.random.RandomState(seed).standard_normal((B, T, SIZE)).astype(dtype)


MASKS = {
    "none": np.ones((B, T), bool),
    "lengths": np.arange(T) < np.array([T, 4, 0])[:, None],
    "holes": np.array([[1, 1, 0, 1, 0, 1, 1, 1, 0], [0, 0, 1, 1, 1, 1, 0, 1, 1], [0] * 9], bool),
}
FORMS = [
    (("lstm",), 1, "concat"), (("gru", "gru"), 1, "concat"), (("lstm", "gru", "rnn"), 1, "concat"),
    (("lstm",), 2, "concat"), (("rnn", "rnn"), 2, "concat"), (("gru", "lstm"), 2, "sum"),
    (("lstm", "lstm"), 2, "mul"), (("rnn", "gru"), 2, "ave"),
]  # fmt: skip


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize(("cells", "directions", "merge"), FORMS)
def test_a_network_computes_what_plain_cells_chained_by_hand_do(
    cells: tuple[str, ...], directions: int, merge: str, mask: str
) -> None:
    layers = layers_of(cells, directions, merge, "float64")
    found = network.run(layers, inputs_of("float64"), MASKS[mask])
    expected = plainly(layers, inputs_of("float64"), MASKS[mask])
    np.testing.assert_allclose(found[-1].outputs.values, expected, rtol=0, atol=1e-13)


def worst(found: list[LayerReference], outputs: np.ndarray, mask: np.ndarray) -> float:
    values, noise = found[-1].outputs
    assert noise is not None
    return float((np.abs(outputs - values)[mask] / noise[mask]).max())


@pytest.mark.parametrize(("cells", "directions", "merge"), FORMS)
def test_rounding_is_within_the_noise_of_a_network(
    cells: tuple[str, ...], directions: int, merge: str
) -> None:
    for seed in range(10):
        layers = layers_of(cells, directions, merge, "float32", seed)
        inputs, mask = inputs_of("float32", seed), MASKS["holes"]
        found = network.run(layers, inputs, mask)
        outputs = plainly(layers, inputs, mask)
        assert outputs.dtype == np.float32
        assert worst(found, outputs, mask) < LIMIT / 2
        assert worst(network.ensemble(layers, found, mask), outputs, mask) < LIMIT / 2


@pytest.mark.parametrize(("cells", "directions", "merge"), FORMS)
def test_one_weight_of_the_lowest_layer_is_beyond_the_noise_of_the_outputs(
    cells: tuple[str, ...], directions: int, merge: str
) -> None:
    layers = layers_of(cells, directions, merge, "float32")
    first = layers[0].directions[0].cell
    kernel = first.weights.kernel.copy()
    kernel[0] *= np.float32(1.01)
    changed = replace(
        layers[0].directions[0], cell=replace(first, weights=first.weights._replace(kernel=kernel))
    )
    faulty = [replace(layers[0], directions=(changed, *layers[0].directions[1:])), *layers[1:]]
    found = network.run(layers, inputs_of("float32"))
    outputs = plainly(faulty, inputs_of("float32"), MASKS["none"])
    assert worst(found, outputs, MASKS["none"]) > 10 * LIMIT


def test_the_noise_of_a_layer_is_that_of_the_next_ones_inputs() -> None:
    layers = layers_of(("lstm", "lstm"), 1, "concat", "float32")
    one, two = network.run(layers, inputs_of("float32"))
    exact = network.run(layers[1:], np.zeros((B, T, U), "float32"))[0]
    assert two.directions[0].case.inputs_noise is not None
    np.testing.assert_array_equal(two.directions[0].case.inputs_noise, one.outputs.noise)
    assert exact.directions[0].case.inputs_noise is None


def test_the_ensemble_sees_errors_that_belong_together() -> None:
    """Four layers that amplify: noise that takes errors for independent is too small, the ensemble not."""
    tall = [wide_rnn(seed) for seed in range(4)]
    inputs = np.random.RandomState(0).standard_normal((2, 60, 16)).astype("float32")
    found = network.run(tall, inputs)
    mask = np.ones(inputs.shape[:2], bool)
    values = found[-1].outputs.values
    measured = network.ensemble(tall, found)[-1].outputs.noise
    assert measured is not None
    now = inputs
    for layer in tall:
        now = plain_cells.run(replace(layer.directions[0].cell, inputs=now)).hidden
    assert (np.abs(now - values) / measured).max() < LIMIT
    assert worst(found, now, mask) > (np.abs(now - values) / measured).max()


def wide_rnn(seed: int) -> Layer:
    one: Case = make_case(seed, batch=2, steps=60, input_size=16, units=16, cell="rnn", scale=1.8)
    return Layer((Direction(one),))


@pytest.mark.parametrize("name", MASKS)
def test_put_back_is_the_inverse_of_taken(name: str) -> None:
    sequence = inputs_of("float32")
    for backwards in (False, True):
        steps = masks.order(MASKS[name], backwards)
        read = masks.taken(sequence, steps)
        np.testing.assert_array_equal(masks.put_back(read, steps), sequence)
        for b, counted in enumerate(MASKS[name]):
            expected = sequence[b, counted]
            np.testing.assert_array_equal(read[b, : counted.sum()], expected[::-1] if backwards else expected)
