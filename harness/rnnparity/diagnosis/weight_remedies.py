"""What to do where weights were read in another way, or are others."""

from dataclasses import replace

from rnnparity.diagnosis import findings
from rnnparity.diagnosis.actions import (
    Action,
    Add,
    AddPlaces,
    Feed,
    Identity,
    Move,
    Place,
    Reform,
    Rerun,
    RollRows,
    Scale,
    TakeBlocks,
)
from rnnparity.diagnosis.changes import Actions, Changes, changes
from rnnparity.diagnosis.vocabulary import Vocabulary
from rnnparity_adapters.kinds import PEEPHOLES
from rnnparity_adapters.layout import Tensor


@changes.register
def _(finding: findings.GateOrder, words: Vocabulary) -> Changes:
    gates = words.layout.kind.gates
    given = _ordered(finding, words)
    if sorted(finding.order) != sorted(gates):
        return given, (Rerun("blocks", {"order": words.letters(words.gate_order)}),)
    inverse = "".join(gates[finding.order.index(gate)] for gate in gates)
    return given, (Feed(_ordered(replace(finding, order=inverse), words)),)


def _ordered(finding: findings.GateOrder, words: Vocabulary) -> Actions:
    return (*_reordered(finding.tensors, finding.order, words), *_forget_bias_in_place(finding, words))


def _forget_bias_in_place(finding: findings.GateOrder, words: Vocabulary) -> Actions:
    """Where the forget bias belongs, if it did not move as the api's way of storing it does."""
    gates, value = words.layout.kind.gates, words.equation.forget_bias
    stored = words.layout.forget_bias == "bias"
    if "f" not in gates or "b" not in finding.tensors or not value or finding.forget_bias_too == stored:
        return ()
    # The gates that were given the forget gate's block: none of them if another one is there twice.
    reached = [gate for gate, source in zip(gates, finding.order, strict=True) if source == "f"]
    sign = -1 if stored else 1
    moved = [(gate, sign) for gate in reached] + [("f", -sign)]
    return tuple(Add(place, value, times) for gate, times in moved for place in words.places("", gate)[:1])


def _reordered(tensors: str, order: str, words: Vocabulary) -> Actions:
    """In the place of each gate the block of the gate that ``order`` has there, in canonical order."""
    gates = words.layout.kind.gates
    source = dict(zip(gates, order, strict=True))
    taken: list[Action] = []
    moved: list[tuple[Place, Place]] = []
    for tensor, rows in _parts(tensors, words):
        names = _as_kernel_gates(tensor)
        if set(gates) <= set(names) and not words.by_unit:
            blocks = tuple(names.index(source.get(gate, gate)) for gate in names)
            place, axis = words.whole(tensor, rows)
            taken.append(TakeBlocks(place, axis, blocks))
            continue
        for gate, own in zip(names, tensor.gates, strict=True):
            if source[gate] == gate or (own == "m" and not words.layout.recurrent_biases):
                continue  # where m stands alone, no block of another gate fits it
            mine, others = (
                [
                    other
                    for other, its_rows in _parts(tensors, words)
                    if (bool(other.rows), its_rows) == (bool(tensor.rows), rows) and _holds(other, held)
                ]
                for held in (gate, source[gate])
            )
            if others:  # no search reads a gate that no tensor holds
                # Of two biases of a gate, the first one is put in the place of the first one.
                holder = others[min(mine.index(tensor), len(others) - 1)]
                other = holder.gates[_as_kernel_gates(holder).index(source[gate])]
                moved.append((words.place(tensor, own, rows), words.place(holder, other, rows)))
    return (*taken, *((Move(tuple(moved)),) if moved else ()))


def _parts(tensors: str, words: Vocabulary) -> list[tuple[Tensor, str]]:
    """The tensors of letters such as ``xhb``, each with its rows.

    They are empty for all rows of a kernel over both, unless other gates have a kernel for each.
    """
    found = []
    together = {tensor.rows for tensor in words.layout.tensors if tensor.rows} == {"xh"}
    for letter in tensors:
        for tensor in words.tensors(letter.replace("b", "")):
            both = together and tensor.rows == "xh" and {"x", "h"} <= set(tensors)
            found.append((tensor, "" if both else letter.replace("b", "")))
    return list(dict.fromkeys(found))


def _as_kernel_gates(tensor: Tensor) -> str:
    """The gates of a tensor, where a second bias holds m in the place of n."""
    return tensor.gates if "n" in tensor.gates else tensor.gates.replace("m", "n")


def _holds(tensor: Tensor, gate: str) -> bool:
    return gate in _as_kernel_gates(tensor)


@changes.register
def _(finding: findings.GatesInterleaved, words: Vocabulary) -> Changes:
    gates = words.layout.kind.gates
    if words.by_unit or any(len(tensor.gates) < len(gates) for tensor, _ in _parts("xhb", words)):
        return (), (Rerun("blocks", {"order": words.letters(gates)}),)  # several tensors hold the gates
    return _interleaved(finding.by_unit, words), (Feed(_interleaved(not finding.by_unit, words)),)


def _interleaved(by_unit: bool, words: Vocabulary) -> Actions:
    count = len(words.layout.kind.gates)
    sizes = (str(count), "U") if by_unit else ("U", str(count))
    forms = []
    for tensor, rows in _parts("xhb", words):
        place, axis = words.whole(tensor, rows)
        if {"m", "n"} <= set(tensor.gates):  # m has no block in the kernel, and stays
            last = f":{count}*U" if "unit" in tensor.groups[axis] else f":{count}"
            place = Place(place.tensor, (*place.index[:axis], last, *place.index[axis + 1 :]))
        shape, axes = f"{', '.join(sizes)}, -1", "0, 1"
        if tensor.rows and tensor.groups[0][0] == tensor.rows:
            shape, axes = f"-1, {', '.join(sizes)}", "1, 2"
        forms.append(Reform((place,), f"b.reshape({shape}).swapaxes({axes}).reshape(b.shape)"))
    return _in_canonical_order("xhb", tuple(forms), words)


def _in_canonical_order(tensors: str, actions: Actions, words: Vocabulary) -> Actions:
    """The actions, between reordering gates to the canonical order and back where the api has another."""
    gates, own = words.layout.kind.gates, words.gate_order
    if own == gates:
        return actions
    to = _permuted(tensors, [own.index(gate) for gate in gates], words)
    back = _permuted(tensors, [gates.index(gate) for gate in own], words)
    return (*to, *actions, *back)


def _permuted(tensors: str, blocks: list[int], words: Vocabulary) -> Actions:
    return tuple(
        TakeBlocks(*words.whole(tensor, rows), tuple(blocks)) for tensor, rows in _parts(tensors, words)
    )


@changes.register
def _(finding: findings.GateBorrowed, words: Vocabulary) -> Changes:
    gate, source = finding.gate, finding.source
    moves = tuple(zip(words.places("x", gate), words.places("x", source), strict=True))
    biases = AddPlaces(tuple(words.places("", gate)[:1]), tuple(words.places("", source)))
    return (Move(moves), biases), (Rerun("own product", {"gate": words.gate(gate)}),)


_FORMS = {
    "whole": "b.T",
    "reshaped": "b.reshape(-1, U).T.reshape(b.shape)",
    "from-reshaped": "b.reshape(U, -1).T.reshape(b.shape)",
    "all-reshaped": "b.reshape(-1, {0}*U).T.reshape(b.shape)",
    "all-from-reshaped": "b.reshape({0}*U, -1).T.reshape(b.shape)",
}
"""The ways to transpose of :mod:`rnnparity.diagnosis.weight_hypotheses`. They are the same of a block and of
its transpose, of which an api may store either.
"""
_INVERSE = {
    "whole": "whole", "reshaped": "from-reshaped", "from-reshaped": "reshaped",
    "all-reshaped": "all-from-reshaped", "all-from-reshaped": "all-reshaped",
}  # fmt: skip


@changes.register
def _(finding: findings.KernelTransposed, words: Vocabulary) -> Changes:
    given = _reformed(finding, finding.how, words)
    inverse = _reformed(finding, _INVERSE[finding.how], words)
    return given, (Feed(inverse),) if inverse else (Rerun("orientation"),)


def _reformed(finding: findings.KernelTransposed, how: str, words: Vocabulary) -> Actions:
    gates = words.layout.kind.gates
    if not how.startswith("all-"):
        places = [
            p for row in finding.tensors for gate in finding.gate or gates for p in words.places(row, gate)
        ]
        return (Reform(tuple(places), _FORMS[how]),)
    parts = [(tensor, row) for row in finding.tensors for tensor in words.tensors(row)]
    if words.by_unit or any(len(tensor.gates) < len(gates) for tensor, _ in parts):
        return ()  # the gates that would be reshaped together are in several tensors
    places = [words.whole(tensor, row)[0] for tensor, row in parts]
    form = Reform(tuple(places), _FORMS[how].format(len(gates)))
    return _in_canonical_order(finding.tensors, (form,), words)


@changes.register
def _(finding: findings.ConcatOrder, words: Vocabulary) -> Changes:
    return _concatenated(words, inverse=False), (Feed(_concatenated(words, inverse=True)),)


def _concatenated(words: Vocabulary, inverse: bool) -> Actions:
    """Rows of [x, h] as if they were [h, x]; ``inverse``: rows of [h, x] as if they were [x, h]."""
    pairs = []
    for gate in dict.fromkeys(tensor.gates for tensor in words.tensors("x")):
        first, second = (next(t for t in words.tensors(row) if t.gates == gate) for row in "xh")
        axis = [group[0] in ("x", "xh") for group in first.groups].index(True)
        kernels = words.whole(first, "x")[0], words.whole(second, "h")[0]
        pairs.append(RollRows(kernels, axis, "I" if inverse else words.width))
    return tuple(pairs)


@changes.register(findings.BiasDropped)
@changes.register(findings.BiasDoubled)
def _(finding: findings.BiasDropped | findings.BiasDoubled, words: Vocabulary) -> Changes:
    biases = [tensor for tensor in words.tensors("") if words.is_stored(tensor)]
    by_factor: dict[int, list[Place]] = {}
    for tensor in biases:
        factor = finding.recurrent if tensor in words.layout.recurrent_biases else finding.input
        if factor != 1 and (not finding.gate or finding.gate in tensor.gates):
            place = words.place(tensor, finding.gate) if finding.gate else words.whole(tensor)[0]
            by_factor.setdefault(factor, []).append(place)
    given = tuple(Scale(tuple(places), factor) for factor, places in by_factor.items())
    wrong = [place for places in by_factor.values() for place in places]
    return given, (Rerun("biases", {"places": tuple(wrong), "factors": tuple(by_factor)}),)


@changes.register
def _(finding: findings.BiasEverywhere, words: Vocabulary) -> Changes:
    again = (Rerun("bias of one gate", {"gate": words.gate(finding.gate)}),)
    targets = [words.places("", gate) for gate in words.layout.kind.bias_gates]
    if not all(targets):  # a GRU that stores no m
        return (), again
    return (AddPlaces(tuple(places[0] for places in targets), tuple(words.places("", finding.gate))),), again


@changes.register
def _(finding: findings.BiasFolded, words: Vocabulary) -> Changes:
    source, target = words.places("", finding.source), words.places("", finding.target)
    given = AddPlaces(tuple(target[:1]), tuple(source)), Scale(tuple(source), 0)
    return given if source and target else (), (Rerun("fold"),)


@changes.register
def _(finding: findings.KernelUnused, words: Vocabulary) -> Changes:
    places = tuple(words.whole(tensor, finding.tensors)[0] for tensor in words.tensors(finding.tensors))
    return (Scale(places, 0),), (Rerun("kernel", {"tensor": findings.TENSORS[finding.tensors]}),)


def _peepholes(words: Vocabulary) -> dict[str, Place]:
    return {gate: words.place(tensor, gate) for tensor in words.layout.peepholes for gate in tensor.gates}


@changes.register
def _(finding: findings.PeepholesDropped, words: Vocabulary) -> Changes:
    return (Scale(tuple(_peepholes(words).values()), 0),), (Rerun("peepholes"),)


@changes.register
def _(finding: findings.PeepholeOrder, words: Vocabulary) -> Changes:
    inverse = "".join(PEEPHOLES[finding.order.index(gate)] for gate in PEEPHOLES)
    return _peephole_moves(finding.order, words), (Feed(_peephole_moves(inverse, words)),)


def _peephole_moves(order: str, words: Vocabulary) -> Actions:
    places = _peepholes(words)
    pairs = zip(PEEPHOLES, order, strict=True)
    moves = tuple(
        (places[gate], places[other])
        for gate, other in pairs
        if gate != other and {gate, other} <= set(places)
    )
    return (Move(moves),) if moves else ()


@changes.register
def _(finding: findings.Projection, words: Vocabulary) -> Changes:
    (place,) = (words.place(tensor, "p") for tensor in words.layout.projection)
    if finding.projection == "missing":
        return (Identity(place),), (Rerun("projection"),)
    turned = (Reform((place,), "b.T"),)
    return turned, (Feed(turned),)


@changes.register
def _(finding: findings.Parameter, words: Vocabulary) -> Changes:
    rows = "" if finding.row is None else finding.tensor
    tensor = words.tensors(rows, finding.gate)[0]
    place = words.element(tensor, finding.gate, finding.unit, finding.row, rows)
    return (Add(place, finding.change),), (Feed((Add(place, finding.change, -1),)),)


@changes.register
def _(finding: findings.Block, words: Vocabulary) -> Changes:
    rows = finding.tensor.replace("b", "")
    tensor = words.tensors(rows, finding.gate)[0]
    place, change, called = words.place(tensor, finding.gate, rows), finding.change, "change"
    axes = [word for group in tensor.groups for word in group]
    if not rows:
        change, called = change[0], "change[0]"
    elif axes.index("unit") < axes.index(tensor.rows):
        change, called = change.T, "change.T"
    return (Add(place, change, 1, called),), (Feed((Add(place, change, -1, called),)),)
