"""Every row of the table, really running."""

import dataclasses
import fnmatch
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from support import needs
from support.cases import SIZES, RunLive
from support.faults import stored_as
from support.tables import table

import rnnparity
from rnnparity import Case, Live, Target
from rnnparity.apis.api import PROJECTION, Option
from rnnparity.apis.selection import TARGETS
from rnnparity.environments import declarations
from rnnparity.judge import compare, comparison
from rnnparity.live.result import Row
from rnnparity.live.workers import Pool
from rnnparity.pytest_plugin.known_differences import read_known_differences
from rnnparity.reference import forward
from rnnparity_adapters.adapter import CELL, HIDDEN, STEPPED_HIDDEN
from rnnparity_adapters.kinds import KINDS
from rnnparity_adapters.layout import Tensor

pytestmark = pytest.mark.frameworks


def _rows(target: Target) -> set[str]:
    return {tensor.rows for tensor in target.layout.tensors}


KEYS = [target.key for target in TARGETS]
KNOWN = read_known_differences(Path(__file__).parents[2] / "fixtures" / "known_differences.txt")
each_environment = pytest.mark.parametrize(
    "apis", dict.fromkeys(f"*@{target.live.environment}" for target in TARGETS)
)


@pytest.fixture(scope="session")
def result() -> Mapping[str, Row]:
    """Every row by its key: cases of two sizes and four seeds, nothing symmetric, zero or equal in them."""
    rows: dict[str, Row] = {}
    with Pool() as pool:
        for cell in KINDS:
            small = [rnnparity.make_case(seed, **SIZES, cell=cell) for seed in (7, 1, 2)]
            for row in rnnparity.run([rnnparity.make_case(0, cell=cell), *small], "*", pool=pool):
                rows[row.target.key] = row
    return rows


@pytest.mark.parametrize("key", KEYS)
def test_both_directions_agree(key: str, result: Mapping[str, Row]) -> None:
    row = needs.row(result[key])
    if any(known.matches(key, "seed7") for known in KNOWN):
        assert row.verdict == comparison.DIVERGE
        return
    assert row.agree, f"{row.verdict}: {row.reason}\n{row.log}"
    assert len(row.runs) == 2 * 4
    for run in row.runs:
        worst = comparison.worst(run.comparison.differences, "hidden")
        assert worst is not None
        assert 0 < worst.noise < 6


@pytest.mark.parametrize("key", KEYS)
def test_versions_are_those_pinned(key: str, result: Mapping[str, Row]) -> None:
    row = needs.row(result[key])
    environment = declarations.declared()[row.target.live.environment]
    assert row.version.partition("+")[0] == environment.pinned(row.target.live.package)
    assert row.python.startswith(environment.python[2:6].rstrip(".*,<")) or environment.name == "numpy"


@pytest.mark.parametrize("key", KEYS)
def test_layers_run_their_kernel_and_are_stepped(key: str, result: Mapping[str, Row]) -> None:
    row = needs.row(result[key])
    observed = row.run().observed
    assert observed is not None
    package, name = row.target.name.partition(".")[0], row.target.name.rpartition(".")[2]
    is_cell = package == "haiku" or ("cell" in name.lower() and package != "tf")
    states = {HIDDEN, CELL} if KINDS[row.target.cell].has_cell_state else {HIDDEN}
    of_layers = {STEPPED_HIDDEN, *(f"last_{state}" for state in states)}
    assert set(observed) == (states if is_cell else states | of_layers)


@pytest.mark.parametrize("key", KEYS)
def test_own_weights_are_the_framework_s_and_seeded(
    key: str, live: RunLive, result: Mapping[str, Row]
) -> None:
    """Another seed gives other weights (so another trajectory), the same seed the same again."""
    target = result[key].target
    again = live(rnnparity.make_case(1, **SIZES, cell=target.cell), target)
    first = result[key].run("own", seed=1)
    second = again.rows[0].run("own", seed=1)
    other = result[key].run("own", seed=2)
    assert first.reference is not None
    assert second.reference is not None
    assert other.reference is not None
    np.testing.assert_array_equal(first.reference.hidden, second.reference.hidden)
    assert np.abs(first.reference.hidden - other.reference.hidden).max() > 1e-3


@each_environment
@pytest.mark.parametrize("cell", KINDS)
def test_float64(apis: str, cell: str, live: RunLive) -> None:
    if not any(fnmatch.fnmatch(target.key, apis) and target.cell == cell for target in TARGETS):
        return
    for row in live(rnnparity.make_case(3, **SIZES, dtype="float64", cell=cell), apis):
        expected = comparison.AGREE if "float64" in row.target.live.dtypes else comparison.UNSUPPORTED
        if any(known.matches(row.target.key, "seed3-dtypefloat64") for known in KNOWN):
            expected = comparison.DIVERGE
        assert row.verdict == expected, f"{row.target.key}: {row.reason}"
        worst = row.difference("hidden")
        assert not row.agree or (worst is not None and worst.absolute < 1e-14)


@each_environment
@pytest.mark.parametrize("forget_bias", [0.0, -0.3, 2.5])
def test_forget_bias(forget_bias: float, apis: str, live: RunLive) -> None:
    for row in live(rnnparity.make_case(4, **SIZES, forget_bias=forget_bias), apis):
        if row.target.name == "haiku.LSTM":  # adds 1, whatever one wants
            assert (row.verdict, row.reason[:18]) == (comparison.UNSUPPORTED, "option forget_bias")
            continue
        is_known = any(known.matches(row.target.key, "seed4") for known in KNOWN)
        expected = comparison.DIVERGE if is_known else comparison.AGREE
        assert row.verdict == expected, f"{row.target.key}: {row.reason}"


@pytest.mark.parametrize("cell", KINDS)
def test_one_row_one_step_one_unit(cell: str, live: RunLive) -> None:
    """But for a projection, which PyTorch has to fewer units only."""
    rows = [target for target in TARGETS if target.cell == cell and PROJECTION not in target.live.parts]
    rows = [target for target in rows if not any(known.matches(target.key, "seed5") for known in KNOWN)]
    for row in live(rnnparity.make_case(5, batch=1, steps=1, input_size=1, units=1, cell=cell), rows):
        assert row.agree, f"{row.target.key}: {row.reason}"


@each_environment
def test_the_article_s_table(apis: str, live: RunLive, article_case: Case) -> None:
    """Seven hidden states printed in 2018: each api, and hard_sigmoid alone must not, reproduces them."""
    printed = table("lstmcell_seeded.csv")["tensorflow"]
    expected = forward.run(article_case)
    published = dataclasses.replace(
        expected, hidden=printed.astype("float64"), hidden_noise=np.sqrt(2) * expected.hidden_noise
    )
    lstms = [target for target in rnnparity.select(apis, "lstm") if not target.live.parts]
    rows = [target for target in lstms if "input_forget" not in target.live.options]  # another equation
    for row in live(article_case, rows):
        assert row.agree, f"{row.target.key}: {row.reason}"
        observed = row.run().observed
        assert observed is not None
        verdict = compare.compare(observed, published).verdict
        assert verdict == (comparison.DIVERGE if "hard_sigmoid" in row.target.label else comparison.AGREE), (
            row.target.key
        )


WRONG_ORDER = {"lstm": str.maketrans("jf", "fj"), "gru": str.maketrans("rz", "zr")}


def mistaken(tensor: Tensor, cell: str) -> Tensor:
    """Two gates swapped; of a simple RNN, which has one, the recurrent kernel transposed."""
    if cell in WRONG_ORDER:
        return dataclasses.replace(tensor, gates=tensor.gates.translate(WRONG_ORDER[cell]))
    if tensor.rows != "h":
        return tensor
    axes = tensor.axes.replace("(gate unit)", "rows").replace("h", "(gate unit)").replace("rows", "h")
    return dataclasses.replace(tensor, axes=axes)


@pytest.mark.parametrize(
    ("key", "cause"),
    [
        (target.key, "gate-order" if target.cell in WRONG_ORDER else "kernel-transposed")
        for target in TARGETS
        if len(target.layout.tensors) <= 4
        and (target.cell in WRONG_ORDER or "h" in _rows(target))
        and not any(known.matches(target.key, "seed7") for known in KNOWN)
    ],
)
def test_a_wrong_layout_is_noticed_and_named(key: str, cause: str, live: RunLive) -> None:
    """The mistake is in the record: the round trip is exact, the function is not, in both directions."""
    (target,) = rnnparity.select(key)
    tensors = tuple(mistaken(tensor, target.cell) for tensor in target.layout.tensors)
    swapped = stored_as(target, dataclasses.replace(target.layout, tensors=tensors))
    row = live(rnnparity.make_case(7, **SIZES, cell=target.cell), swapped).rows[0]
    assert row.verdict == comparison.DIVERGE
    assert [run.comparison.verdict for run in row.runs] == [comparison.DIVERGE, comparison.DIVERGE]
    assert "read back" not in row.reason
    assert [(found.id, found.status) for found in row.causes[:1]] == [(cause, "confirmed")]


@pytest.mark.parametrize(
    ("key", "option", "cause"),
    [
        ("keras.layers.LSTM(hard_sigmoid)@tf1", "recurrent_activation", "recurrent-activation"),
        ("keras.layers.GRU(hard_sigmoid)@tf1", "recurrent_activation", "recurrent-activation"),
        ("torch.nn.RNN(relu)@torch", "nonlinearity", "activation"),
        ("PF.rnn(relu)@nnabla", "nonlinearity", "activation"),
        ("torch.nn.RNNCell(relu)@torch", "nonlinearity", "activation"),
    ],
)
def test_an_option_that_the_record_does_not_know_is_found(
    key: str, option: str, cause: str, live: RunLive
) -> None:
    """Were the row's equation not used, its agreement would mean nothing."""
    (target,) = rnnparity.select(key)
    defaults = (((), {"reset_after": False}),) if target.cell == "gru" else (((), {}),)
    options = {**target.api.options, option: Option()}
    silent = dataclasses.replace(target.api, options=options, defaults=defaults)
    case = rnnparity.make_case(7, **SIZES, cell=target.cell)
    row = live(case, dataclasses.replace(target, api=silent)).rows[0]
    assert row.verdict == comparison.DIVERGE
    assert [(found.id, found.status) for found in row.causes[:1]] == [(cause, "confirmed")]


@pytest.mark.parametrize(
    "key", ["tf.nn.rnn_cell.GRUCell@tf1", "keras.layers.GRU(reset_after=False)@keras-tf"]
)
def test_a_reset_gate_believed_to_act_later_is_found(key: str, live: RunLive) -> None:
    (target,) = rnnparity.select(key)
    after = Live(**{**vars(target.live), "options": {}, "fixed": target.live.options})
    options = {**target.api.options, "reset_after": Option()}
    believed = dataclasses.replace(
        target.api, options=options, defaults=(((), {"reset_after": True}),), layout_reset_after=None
    )
    row = live(rnnparity.make_case(7, **SIZES, cell="gru"), Target(believed, after)).rows[0]
    assert row.verdict == comparison.DIVERGE
    # Believed so, it has no place for the bias that belongs to the product, which is missing too.
    assert row.causes
    assert all("reset-gate" in found.id for found in row.causes)


def test_keys_are_unique() -> None:
    assert len(set(KEYS)) == len(KEYS)
