"""Every record of ``layouts.py`` is proven by what it describes, and each change to one is found out.

A proof is a run by somebody else: native tensors of random numbers, and the states that came of them. The
recordings in ``fixtures/layouts`` were written by the frameworks, through ``support/foreign_recordings.py``;
the printed equations, and the canonical ones, are run here in numpy. A record is proven if the canonical
weights that it finds in the tensors give these states, and those that any changed record finds do not.
"""

import itertools
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from support.records import RECORDS

from rnnparity import Case
from rnnparity.judge import compare, comparison
from rnnparity.recordings.recording import read_recording
from rnnparity.reference import forward
from rnnparity_adapters import published_adapter
from rnnparity_adapters.adapter import CELL, HIDDEN, Setup
from rnnparity_adapters.equation import ONE, Equation
from rnnparity_adapters.kinds import PEEPHOLES
from rnnparity_adapters.layout import (
    Layout,
    LayoutError,
    Tensor,
    Weights,
    extract,
    extract_peepholes,
    extract_projection,
)
from rnnparity_adapters.numpy_adapter import Stepped

FIXTURES = Path(__file__).parents[2] / "fixtures" / "layouts"
B, T, IN, U, P = 3, 8, 5, 6, 4
FORGET_BIAS = 0.5

Arrays = Mapping[str, np.ndarray]


class Proof(NamedTuple):
    """A run of a cell by somebody else: native ``tensors``, and the states ``[B, T, ...]`` that came of them.

    Of ``case`` everything counts but what is extracted from the tensors.
    """

    tensors: Arrays
    case: Case
    trajectory: dict[str, np.ndarray]


# Those of the frameworks.


def recorded(name: str, record: Layout) -> list[Proof]:
    """The recordings of one record: ``name.npz``, and with an option ``name-option.npz``."""
    proofs = []
    for file in sorted([*FIXTURES.glob(f"{name.lower()}.npz"), *FIXTURES.glob(f"{name.lower()}-*.npz")]):
        recording = read_recording(file)
        assert recording.layout is record, f"{file.name} is read with another layout"
        proofs.append(Proof(recording.weights, recording.case, recording.trajectory))
    return proofs


# Those without one. A step takes the tensors, x, h and c, ``[B, ...]``, and returns the new h and c.

Step = Callable[[Arrays, np.ndarray, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


def sigmoid(z: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-z)))


def lstm(p: Arrays, x: np.ndarray, h: np.ndarray, c: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    i, j, f, o = np.split(np.hstack([x, h]) @ p["kernel"] + p["bias"], 4, axis=1)
    i, f = sigmoid(i + p["w_i_diag"] * c), sigmoid(f + np.float32(FORGET_BIAS) + p["w_f_diag"] * c)
    c = f * c + i * np.tanh(j)
    return sigmoid(o + p["w_o_diag"] * c) * np.tanh(c) @ p["projection/kernel"], c


def gru(p: Arrays, x: np.ndarray, h: np.ndarray, c: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    (x_r, x_z, x_n), (h_r, h_z, h_n) = (
        np.split(xh @ rows, 3, axis=1) for xh, rows in ((x, p["kernel"][:IN]), (h, p["kernel"][IN:]))
    )
    b_r, b_z, b_n, b_m = np.split(p["bias"], 4)
    r, z = sigmoid(x_r + h_r + b_r), sigmoid(x_z + h_z + b_z)
    n = np.tanh(x_n + b_n + r * (h_n + b_m))
    return z * h + (1 - z) * n, c


def rnn(p: Arrays, x: np.ndarray, h: np.ndarray, c: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.tanh(x @ p["kernel"][:IN] + h @ p["kernel"][IN:] + p["bias"]), c


def canonical(step: Step) -> Callable[[str, Layout], list[Proof]]:
    """The equation of the module's docstring, with the blocks and rows that it names."""

    def prove(name: str, record: Layout) -> list[Proof]:
        tensors, case = drawn(name, record, Equation(cell=record.cell, forget_bias=FORGET_BIAS))
        h, c, states = case.initial_hidden, case.initial_cell, []
        for t in range(T):
            h, c = step(tensors, case.inputs[:, t], h, c)
            states.append((h, c))
        hidden, cell = (np.stack(each, axis=1) for each in zip(*states, strict=True))
        return [Proof(tensors, case, {HIDDEN: hidden, CELL: cell} if cell.size else {HIDDEN: hidden})]

    return prove


def printed(
    adapter: type[Stepped], options: Mapping[str, str], output_activation: str | None = None
) -> Callable[[str, Layout], list[Proof]]:
    """An equation in the symbols of its source, in the reading that is an LSTM."""

    def prove(name: str, record: Layout) -> list[Proof]:
        tensors, case = drawn(name, record, Equation(forget_bias=0, output_activation=output_activation))
        runs = adapter(Setup(name, B, T, IN, U, "float32", dict(options)))
        runs.write(dict(tensors))
        return [
            Proof(tensors, case, runs.run(case.inputs, (case.initial_hidden[None], case.initial_cell[None])))
        ]

    return prove


def drawn(name: str, record: Layout, equation: Equation) -> tuple[Arrays, Case]:
    """Random native tensors, and a case of random inputs and states."""
    random = np.random.RandomState(zlib.crc32(name.encode()))

    def draw(*shape: int) -> np.ndarray:
        return random.uniform(-0.7, 0.7, shape).astype("float32")

    width = P if record.projection else U
    tensors = {t.name: draw(*t.shape(IN, U, width)) for t in record.tensors + record.optional}
    cell = draw(B, U if record.cell == "lstm" else 0)
    nothing = Weights(np.empty(0), np.empty(0))
    return tensors, Case(equation, nothing, draw(B, T, IN), draw(B, width), cell)


UNRECORDED: Mapping[str, Callable[[str, Layout], list[Proof]]] = {
    "CANONICAL": canonical(lstm),
    "CANONICAL_GRU": canonical(gru),
    "CANONICAL_RNN": canonical(rnn),
    "GOODFELLOW": printed(published_adapter.Goodfellow, {"squashing": "tanh"}),
    "CHOLLET": printed(published_adapter.Chollet, {"activation": "sigmoid/tanh", "carry": "no Vo"}, ONE),
    "PYTORCH_PRINTED": printed(published_adapter.PyTorch, {}),
    "NNABLA_ARTICLE_PRINTED": printed(published_adapter.NNablaArticle, {}),
}
"""The records of no framework: how each is run."""


@pytest.fixture(params=RECORDS)
def proven(request: pytest.FixtureRequest) -> tuple[Layout, list[Proof]]:
    """A record and its proofs."""
    name, record = request.param, RECORDS[request.param]
    proofs = UNRECORDED.get(name, recorded)(name, record)
    assert proofs, f"{name} is proven by nothing: no recording {name.lower()}.npz"
    for proof in proofs:
        assert set(proof.tensors) == {tensor.name for tensor in record.tensors + record.optional}
    if record.forget_bias == "bias":
        # What the bias holds already is not in the equation; only with some does it matter which.
        proofs = [with_forget_bias(proof) for proof in proofs]
    return record, proofs


def with_forget_bias(proof: Proof) -> Proof:
    assert not proof.case.equation.forget_bias
    return proof._replace(
        case=replace(proof.case, equation=replace(proof.case.equation, forget_bias=FORGET_BIAS))
    )


# What a record says of a proof.


def believing(layout: Layout, proof: Proof, tensors: Arrays) -> Case:
    """The case of the proof with the canonical weights of ``tensors``. Raises LayoutError."""
    return replace(
        proof.case,
        weights=extract(layout, tensors, proof.case.equation.forget_bias),
        peepholes=extract_peepholes(layout, tensors),
        projection=extract_projection(layout, tensors),
    )


def verdict(layout: Layout, proof: Proof) -> str:
    """Of the states in the proof, against those that its tensors give if this is their layout."""
    case = believing(layout, proof, proof.tensors)
    return compare.compare_recording(proof.trajectory, forward.run(case)).verdict


def refuted(layout: Layout, proof: Proof) -> bool:
    """Whether the tensors of the proof do not fit the layout, or give other states by it."""
    try:
        return verdict(layout, proof) == comparison.DIVERGE
    except LayoutError:
        return True


# Mutations.


def mutations(record: Layout) -> Iterator[tuple[str, Layout]]:
    """Every record with one mistake in it, and what that is.

    A tensor is left out; two axes, or the words of one axis, are exchanged; two tensors have each other's
    name; two gates are exchanged, in one tensor or in all that can hold both; the forget bias is elsewhere.
    """
    everything = record.tensors + record.optional
    for tensor in everything:
        yield f"without {tensor.name}", with_tensors(record, {tensor.name: ()})
        for axes in other_axes(tensor):
            changed = replace(tensor, axes=axes)
            yield f"{tensor.name}: {tensor.axes} as {axes}", with_tensors(record, {tensor.name: (changed,)})
        for pair in itertools.combinations(tensor.gates, 2):
            changed = exchange(tensor, pair)
            yield f"{tensor.name}: {' for '.join(pair)}", with_tensors(record, {tensor.name: (changed,)})
    for one, two in itertools.combinations(everything, 2):
        renamed = {one.name: (replace(one, name=two.name),), two.name: (replace(two, name=one.name),)}
        yield f"{one.name} for {two.name}", with_tensors(record, renamed)
    for pair in itertools.combinations(sorted({gate for t in record.tensors for gate in t.gates}), 2):
        holding = [tensor for tensor in everything if set(pair) <= set(possible_gates(record, tensor))]
        exchanged = {tensor.name: (exchange(tensor, pair),) for tensor in holding}
        yield f"all tensors: {' for '.join(pair)}", with_tensors(record, exchanged)
    if record.forget_bias:
        (other,) = {"bias", "equation"} - {record.forget_bias}
        yield f"forget bias in the {other}", replace(record, forget_bias=other)


def with_tensors(record: Layout, changes: Mapping[str, tuple[Tensor, ...]]) -> Layout:
    """The record with these tensors in the places of those of that name."""

    def changed(tensors: Iterable[Tensor]) -> tuple[Tensor, ...]:
        return tuple(new for old in tensors for new in changes.get(old.name, (old,)))

    return replace(
        record,
        tensors=changed(record.tensors),
        peepholes=changed(record.peepholes),
        projection=changed(record.projection),
    )


def other_axes(tensor: Tensor) -> Iterator[str]:
    """The axes with two of them exchanged, or the words of one: transposed, or the gates interleaved."""
    groups = tensor.groups
    for one, two in itertools.combinations_with_replacement(range(len(groups)), 2):
        order = list(groups)
        if one == two:
            order[one] = groups[one][::-1]
        else:
            order[one], order[two] = groups[two], groups[one]
        if order != groups:
            yield " ".join(f"({' '.join(words)})" if len(words) > 1 else words[0] for words in order)


def exchange(tensor: Tensor, pair: tuple[str, str]) -> Tensor:
    one, two = pair
    return replace(tensor, gates=tensor.gates.translate(str.maketrans(one + two, two + one)))


def possible_gates(record: Layout, tensor: Tensor) -> str:
    if tensor in record.optional:
        return PEEPHOLES if tensor in record.peepholes else "p"
    return record.kind.gates if tensor.rows else record.kind.bias_gates


def is_the_same(record: Layout, mutated: Layout, proof: Proof) -> bool:
    """Whether the two find the same canonical weights in whatever tensors: here, in random ones.

    They do where two biases that add up change places, and where a tensor of a single gate interleaves it.
    """
    random = np.random.RandomState(0)
    tensors = {name: random.standard_normal(tensor.shape) for name, tensor in proof.tensors.items()}
    try:
        cases = [believing(layout, proof, tensors) for layout in (record, mutated)]
    except LayoutError:
        return False
    found = [(*case.weights, case.peepholes, case.projection) for case in cases]
    return all(map(np.array_equal, *found))


def test_every_record_describes_what_it_says(proven: tuple[Layout, list[Proof]]) -> None:
    record, proofs = proven
    assert [verdict(record, proof) for proof in proofs] == [comparison.AGREE] * len(proofs)


def test_a_record_with_any_mistake_is_refuted(proven: tuple[Layout, list[Proof]]) -> None:
    """By one proof at least: a GRU that resets before does not tell the recurrent bias from the other."""
    record, proofs = proven
    mistakes = {what: wrong for what, wrong in mutations(record) if not is_the_same(record, wrong, proofs[0])}
    assert mistakes
    assert [w for w, wrong in mistakes.items() if not any(refuted(wrong, proof) for proof in proofs)] == []


def test_every_recording_is_of_a_record() -> None:
    names = {file.stem.partition("-")[0].upper() for file in FIXTURES.glob("*.npz")}
    assert names == set(RECORDS) - set(UNRECORDED)
