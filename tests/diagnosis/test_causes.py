"""The vocabulary of causes: what the package can say is in it, and nothing else is taken for a cause."""

import itertools
import json
import re
from pathlib import Path

import numpy as np
import pytest

from rnnparity.apis.api import Api
from rnnparity.apis.catalogue import APIS
from rnnparity.diagnosis import causes, findings, kinds, output_findings
from rnnparity.diagnosis.causes import CONFIRMED, Cause
from rnnparity.diagnosis.equation_hypotheses import LSTM, PROJECTED
from rnnparity.diagnosis.explain import told
from rnnparity.diagnosis.findings import Finding, GateOrder, OtherEquation
from rnnparity.diagnosis.hypothesis import both
from rnnparity.diagnosis.sentences import note
from rnnparity.diagnosis.vocabulary import Vocabulary
from rnnparity.diagnosis.weight_hypotheses import tables
from rnnparity.errors import InputError
from rnnparity_adapters.equation import Equation
from rnnparity_adapters.kinds import KINDS

README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")


def hypotheses(cell: str, without: str = "") -> list[tuple[Finding, ...]]:
    """What the search can find of a kind of cell, by itself; ``without`` are gates that it does not store."""
    every = [hypothesis.findings for table in tables(cell, without) for hypothesis in table]
    found = [each for each in every if not any(getattr(one, "gate", "x") in [*without] for one in each)]
    (forget_bias,) = (equation for equation in LSTM if equation.fitted == "forget_bias")
    for equation in (*kinds.KINDS[cell].equations, *(PROJECTED if cell == "lstm" else ())):
        pair = both(equation, forget_bias) if cell == "lstm" else None
        for each in (equation, pair) if pair else (equation,):
            value = 0.25 if each.fitted else None
            found.append(
                tuple(
                    OtherEquation(i, fields, value, each.fitted) if i == each.by else OtherEquation(i, fields)
                    for i, fields in each.parts
                )
            )
    return found


OTHERS: list[Finding] = [
    findings.PeepholesDropped(),
    findings.PeepholeOrder("oif"),
    findings.Projection("missing"),
    findings.Projection("transposed"),
    findings.InitialState("zero", "given"),
    findings.InitialState("kept", "kept"),
    findings.StateCarried(True, True),
    findings.Direction(True, False),
    findings.BatchTimeAxes(True, "zero"),
    findings.TimeShift(-3),
    findings.Masking("zeroed", (2, 3)),
    findings.Masking("zeroed", (2, 3), "held"),
    findings.Dropout(0.5, 2.0),
    output_findings.DeadUnit((0, 3)),
    output_findings.DeadRow((1,)),
    output_findings.ZeroedStep((1,)),
    output_findings.ZeroedStep((1, 2, 3, 4, 5), (0,)),
    output_findings.OutputFunction("relu"),
    output_findings.OutputFunction("scale", 1.25),
    findings.Precision("tf32", "products"),
    findings.Precision("float16", "weights"),
    findings.Precision("bfloat16", "states"),
    findings.Precision("bfloat16", "outputs"),
    findings.Precision("float16-float32"),
    findings.Parameter("b", "o", 3, 0.5),
    findings.Parameter("h", "f", 3, -0.5, row=2),
    findings.Block("x", "i", np.array([[0.25, -0.5]])),
    findings.Unknown(None),
    findings.Unknown(2, 1, 3, (0, 4), 6, "j"),
    findings.Unknown(2, 1, 3, (0, 4), 6, "j", 2048, True),
]
"""One of each other record, of an LSTM."""


def can_be(finding: Finding, api: Api) -> bool:
    """Whether an api is of an LSTM, and has what the finding is about."""
    layout = api.layout
    gate = getattr(finding, "gate", "") or ""
    if any(not layout.multiplies(each) for each in gate if each in layout.kind.gates):
        return False
    if isinstance(finding, findings.PeepholesDropped | findings.PeepholeOrder):
        return len(layout.peepholes) > 0
    return layout.kind.name == "lstm" and (
        bool(layout.projection) or not isinstance(finding, findings.Projection)
    )


@pytest.mark.parametrize("name", APIS)
def test_every_finding_is_a_cause_with_sentences(name: str) -> None:
    api = APIS[name]
    words = Vocabulary(api, api.equation({}))
    without = "".join(gate for gate in api.layout.kind.gates if not api.layout.multiplies(gate))
    found = hypotheses(api.layout.cell, without) + [(one,) for one in OTHERS if can_be(one, api)]
    for cause in told([Cause(each, CONFIRMED, 10, 1) for each in found], words):
        assert set(causes.single(cause.id)) <= set(causes.IDS)
        assert cause.detail
        assert cause.fix
        json.dumps(cause.about, allow_nan=False)


def test_every_record_of_a_finding_is_tested() -> None:
    records = {
        each
        for module in (findings, output_findings)
        for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, Finding)
    }
    tested = {type(one) for cell in KINDS for each in hypotheses(cell) for one in each}
    tested |= {type(one) for one in OTHERS}
    assert {record.__name__ for record in records - tested} == {"Finding", "_BiasTimes"}


def test_gates_are_called_as_the_api_calls_them() -> None:
    """TensorFlow's weights in PyTorch: blocks i, j, f, o where i, f, g, o belong."""
    cause = Cause((GateOrder("xhb", "ifjo"),), CONFIRMED, 10, 1)
    (torch,) = told([cause], Vocabulary(APIS["torch.nn.LSTM"], Equation(forget_bias=0.0)))
    assert torch.detail == "where i, f, g, o belong, the kernels and bias have i, g, f, o"
    assert torch.fix.endswith("take blocks [0, 2, 1, 3]")
    (keras,) = told([cause], Vocabulary(APIS["keras.layers.LSTM"], Equation(forget_bias=0.0)))
    assert keras.detail == "where i, f, c, o belong, the kernels and bias have i, c, f, o"
    assert torch.about == keras.about == {"order": "ifjo", "tensors": "kernels and bias"}


def test_the_readme_s_list_is_of_causes() -> None:
    (listed,) = re.findall(r"^Causes it knows, .*?\n\n", README, flags=re.MULTILINE | re.DOTALL)
    named = set(re.findall(r"\b[a-z]+(?:-[a-z]+)+\b", listed))
    assert len(named) > 15
    assert named <= set(causes.IDS)


def test_what_is_no_id_gets_the_nearest_names() -> None:
    for right in (*causes.IDS, "gate-order + forget-bias"):
        causes.check_id(right)
    with pytest.raises(InputError, match=r"cause: got forget-gate, but should be reset-gate or forget-bias$"):
        causes.check_id("forget-gate")
    with pytest.raises(InputError, match="cause: got bias, "):
        causes.check_id("gate-order + bias")


def test_the_ids_of_pairs_are_two() -> None:
    pair = Cause(
        (GateOrder("xhb", "ifjo"), OtherEquation("forget-bias", {}, 1.0, "forget_bias")), CONFIRMED, 10, 1
    )
    assert pair.id == "gate-order + forget-bias"
    assert pair.about == {"order": "ifjo", "tensors": "kernels and bias", "equation": {}, "value": 1.0}
    assert causes.ids([pair]) == {"gate-order", "forget-bias"}
    assert causes.ids([]) == {findings.UNKNOWN}


@pytest.mark.parametrize("name", ["torch.nn.LSTM", "torch.nn.GRU", "torch.nn.RNN"])
def test_what_would_tell_two_causes_apart_is_a_sentence(name: str) -> None:
    """For the kind of cell at hand: a GRU has no c0."""
    api = APIS[name]
    words = Vocabulary(api, api.equation({}))
    for pair in itertools.combinations(causes.IDS, 2):
        cause = Cause((GateOrder("xhb", api.layout.kind.gates),), CONFIRMED, 10, 1, equals=pair)
        (told,) = re.findall(
            r"^.*, .* explain these data equally well; (a .*) would tell$", note(cause, words)
        )
        assert all(
            part.startswith(("run ", "longer run ")) for part in re.split(r"(?:^| or )a ", told) if part
        )
        assert api.layout.kind.has_cell_state or "c0" not in told
