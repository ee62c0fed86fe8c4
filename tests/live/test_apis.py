"""Every row of the table, really running."""

import dataclasses

import numpy as np
import pytest
from support import needs
from support.cases import SIZES, RunLive
from support.faults import stored_as
from support.tables import table

import rnnparity
from rnnparity import Case, Result
from rnnparity.apis.api import Option
from rnnparity.apis.selection import TARGETS
from rnnparity.environments import declarations
from rnnparity.judge import compare, comparison
from rnnparity.reference import forward
from rnnparity_adapters.adapter import LAST_CELL, LAST_HIDDEN, STEPPED_HIDDEN
from rnnparity_adapters.layout import Layout

pytestmark = pytest.mark.frameworks

KEYS = [target.key for target in TARGETS]
each_environment = pytest.mark.parametrize(
    "apis", dict.fromkeys(f"*@{target.live.environment}" for target in TARGETS)
)


@pytest.fixture(scope="session")
def result(case: Case) -> Result:
    """Cases of two sizes and three seeds, nothing symmetric, zero or equal in them."""
    return rnnparity.run(
        [rnnparity.make_case(0), case, *(rnnparity.make_case(seed, **SIZES) for seed in (1, 2))]
    )


@pytest.mark.parametrize("key", KEYS)
def test_both_directions_agree(key: str, result: Result) -> None:
    row = needs.row(result[key])
    assert row.agree, f"{row.verdict}: {row.reason}\n{row.log}"
    assert len(row.runs) == 2 * len(result.cases)
    for run in row.runs:
        worst = comparison.worst(run.comparison.differences, "hidden")
        assert worst is not None
        assert 0 < worst.noise < 6


@pytest.mark.parametrize("key", KEYS)
def test_versions_are_those_pinned(key: str, result: Result) -> None:
    row = needs.row(result[key])
    environment = declarations.declared()[row.target.live.environment]
    assert row.version.partition("+")[0] == environment.pinned(row.target.live.package)
    assert row.python.startswith(environment.python[2:6].rstrip(".*,<")) or environment.name == "numpy"


@pytest.mark.parametrize("key", KEYS)
def test_layers_run_their_kernel_and_are_stepped(key: str, result: Result) -> None:
    row = needs.row(result[key])
    observed = row.run().observed
    assert observed is not None
    is_cell = "cell" in row.target.name.rpartition(".")[2].lower() and "rnn" not in row.target.name
    of_layers = {STEPPED_HIDDEN, LAST_HIDDEN, LAST_CELL}
    assert of_layers & set(observed) == (set() if is_cell else of_layers)


@pytest.mark.parametrize("key", KEYS)
def test_own_weights_are_the_framework_s_and_seeded(key: str, live: RunLive, result: Result) -> None:
    """Another seed gives other weights (so another trajectory), the same seed the same again."""
    again = live(rnnparity.make_case(1, **SIZES), result[key].target)
    first = result[key].run("own", seed=1)
    second = again.rows[0].run("own", seed=1)
    other = result[key].run("own", seed=2)
    assert first.reference is not None
    assert second.reference is not None
    assert other.reference is not None
    np.testing.assert_array_equal(first.reference.hidden, second.reference.hidden)
    assert np.abs(first.reference.hidden - other.reference.hidden).max() > 1e-3


KNOWN_IN_FLOAT64 = {
    # keras.ops.matmul takes float64 for float32 there: https://github.com/keras-team/keras/issues/23704
    "keras.layers.LSTMCell@keras-torch": comparison.DIVERGE,
    **{target.key: comparison.UNSUPPORTED for target in TARGETS if "float64" not in target.live.dtypes},
}


@each_environment
def test_float64(apis: str, live: RunLive) -> None:
    for row in live(rnnparity.make_case(3, **SIZES, dtype="float64"), apis):
        assert row.verdict == KNOWN_IN_FLOAT64.get(row.target.key, comparison.AGREE), (
            f"{row.target.key}: {row.reason}"
        )
        worst = row.difference("hidden")
        assert not row.agree or (worst is not None and worst.absolute < 1e-14)


@each_environment
@pytest.mark.parametrize("forget_bias", [0.0, -0.3, 2.5])
def test_forget_bias(forget_bias: float, apis: str, live: RunLive) -> None:
    for row in live(rnnparity.make_case(4, **SIZES, forget_bias=forget_bias), apis):
        assert row.agree, f"{row.target.key}: {row.reason}"


@each_environment
def test_one_row_one_step_one_unit(apis: str, live: RunLive) -> None:
    for row in live(rnnparity.make_case(5, batch=1, steps=1, input_size=1, units=1), apis):
        assert row.agree, f"{row.target.key}: {row.reason}"


@each_environment
def test_the_article_s_table(apis: str, live: RunLive, article_case: Case) -> None:
    """Seven hidden states printed in 2018: each api, and hard_sigmoid alone must not, reproduces them."""
    printed = table("lstmcell_seeded.csv")["tensorflow"]
    expected = forward.run(article_case)
    published = dataclasses.replace(
        expected, hidden=printed.astype("float64"), hidden_noise=np.sqrt(2) * expected.hidden_noise
    )
    for row in live(article_case, apis):
        assert row.agree, f"{row.target.key}: {row.reason}"
        observed = row.run().observed
        assert observed is not None
        verdict = compare.compare(observed, published).verdict
        assert verdict == (comparison.DIVERGE if "hard_sigmoid" in row.target.label else comparison.AGREE), (
            row.target.key
        )


WRONG_ORDER = {"ijfo": "ifjo", "ifjo": "ijfo", "iofj": "ifoj", "jifo": "ijfo"}


@pytest.mark.parametrize("key", [target.key for target in TARGETS if len(target.layout.tensors) <= 4])
def test_a_wrong_layout_is_noticed_in_both_directions(key: str, live: RunLive, case: Case) -> None:
    """Two gates swapped in the record: the round trip is exact, the function is not."""
    (target,) = rnnparity.select(key)
    tensors = tuple(dataclasses.replace(t, gates=WRONG_ORDER[t.gates]) for t in target.layout.tensors)
    swapped = stored_as(target, Layout(tensors, target.layout.forget_bias))
    row = live(case, swapped).rows[0]
    assert row.verdict == comparison.DIVERGE
    assert [run.comparison.verdict for run in row.runs] == [comparison.DIVERGE, comparison.DIVERGE]
    assert "read back" not in row.reason


def test_hard_sigmoid_is_not_sigmoid(live: RunLive, case: Case) -> None:
    """Were the row's equation not used, its agreement would mean nothing."""
    (target,) = rnnparity.select("keras.layers.LSTM(hard_sigmoid)@tf1")
    silent = dataclasses.replace(target.api, options={"recurrent_activation": Option()})
    row = live(case, dataclasses.replace(target, api=silent)).rows[0]
    assert row.verdict == comparison.DIVERGE


def test_keys_are_unique() -> None:
    assert len(set(KEYS)) == len(KEYS)
