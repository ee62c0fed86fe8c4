"""Every api against what it returned when it was recorded: the project uses its own plugin."""

import pytest
from support import needs

from rnnparity.pytest_plugin import stored_trajectory
from rnnparity.pytest_plugin.plugin import Outcome, Regression


@pytest.mark.frameworks
@pytest.mark.rnnparity("*", seeds=[7], batch=3, steps=7, input_size=5, units=4)
def test_golden(rnnparity_run: Outcome, rnnparity_regression: Regression) -> None:
    needs.row(rnnparity_run.row)
    rnnparity_run.check()
    rnnparity_regression.check(rnnparity_run)
    provenance = stored_trajectory.read_stored(rnnparity_regression.path).meta["provenance"]
    assert set(provenance) == {"versions", "python", "platform", "date", "case"}


@pytest.mark.frameworks
@pytest.mark.rnnparity(
    "onnx.LSTM@onnx",
    "onnx.GRU@onnx",
    "onnx.RNN@onnx",
    lengths=[True],
    batch=3,
    steps=7,
    input_size=5,
    units=4,
)
def test_known_differences_of_lengths(rnnparity_run: Outcome) -> None:
    """Likewise."""
    needs.row(rnnparity_run.row)
    rnnparity_run.check()


@pytest.mark.frameworks
@pytest.mark.rnnparity(
    "onnx.LSTM@onnxruntime",
    "flax.linen.GRUCell",
    lengths=[[7, 0, 3]],
    batch=3,
    steps=7,
    input_size=5,
    units=4,
)
def test_known_differences_of_rows_of_no_steps(rnnparity_run: Outcome) -> None:
    """Likewise."""
    needs.row(rnnparity_run.row)
    rnnparity_run.check()


@pytest.mark.frameworks
@pytest.mark.rnnparity(
    "keras.layers.LSTM@keras-torch",
    "keras.layers.GRU@keras-torch",
    "keras.layers.SimpleRNN@keras-torch",
    dtype=["float64"],
    lengths=[True],
)
def test_known_differences_of_masks(rnnparity_run: Outcome) -> None:
    """Likewise."""
    needs.row(rnnparity_run.row)
    rnnparity_run.check()


@pytest.mark.frameworks
@pytest.mark.rnnparity("keras.*@keras-torch", "flax.nnx.GRUCell", "onnx.LSTM*@onnx", dtype=["float64"])
def test_known_differences(rnnparity_run: Outcome) -> None:
    """They are in fixtures/known_differences.txt: one that is no more, or has another cause, is an error."""
    needs.row(rnnparity_run.row)
    rnnparity_run.check()
