"""The sentences for what to do: the one place where actions become text."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import singledispatch
from itertools import groupby
from typing import Any

import numpy as np

from rnnparity.diagnosis import actions as act
from rnnparity.diagnosis.actions import GIVEN, RAN, Action
from rnnparity.diagnosis.vocabulary import Vocabulary
from rnnparity_adapters import equation as equations

_SOME = 4
"""Places of a tensor that are named each; of more, the first and the last."""


def instructions(chosen: Sequence[Action], words: Vocabulary) -> str:
    """What to do, in the order in which to do it, and on which side; empty for no actions."""
    parts = []
    for side, some in groupby(chosen, key=lambda action: action.side):
        said = dict.fromkeys(_in_words(list(some), words))
        where = {GIVEN: f"in {words.api.name} as given, ", RAN: "in what ran, "}.get(side, "")
        parts.append(where + ", then ".join(said))
    return "; ".join(parts)


def _in_words(chosen: Sequence[Action], words: Vocabulary) -> Iterator[str]:
    """Each action; what is done to one tensor after another in the same way is said once."""

    def way(action: Action) -> object:
        return action.blocks if isinstance(action, act.TakeBlocks) else id(action)

    for _, some in groupby(chosen, key=way):
        first, *others = some
        if not isinstance(first, act.TakeBlocks):
            yield instruction(first, words)
            continue
        taken = [each for each in (first, *others) if isinstance(each, act.TakeBlocks)]
        places = _joined(f"`{each.place}` (axis {each.axis})" for each in taken)
        yield f"reorder the gate blocks of {places}: take blocks {list(first.blocks)}"


@singledispatch
def instruction(action: Action, words: Vocabulary) -> str:
    """What one action does, without its side."""
    raise TypeError(f"no sentence for {type(action).__name__}")


def _listed(parts: Iterable[object]) -> str:
    return _joined(f"`{part}`" for part in parts)


def _joined(parts: Iterable[str]) -> str:
    *most, last = parts
    return f"{', '.join(most)} and {last}" if most else last


def _number(value: float) -> str:
    return f"{value:.9g}"


@instruction.register
def _(action: act.Move, words: Vocabulary) -> str:
    pairs = ", ".join(f"`{source}` in the place of `{target}`" for target, source in action.moves)
    overwritten = {target for target, _ in action.moves} & {source for _, source in action.moves}
    return f"put {pairs}" + (", each as it was before" if overwritten else "")


@instruction.register
def _(action: act.Reform, words: Vocabulary) -> str:
    shape = f", of shape [{action.shape}]" if action.shape else ""
    if len(action.places) == 1:
        (place,) = action.places
        return f"replace `{place}` by `{_of(str(place), action.form)}`{shape}"
    return f"replace each `b` of these by `{action.form}`: {_listed(action.places)}"


def _of(name: str, form: str) -> str:
    """An expression of ``b``, for what is called ``name``."""
    return re.sub(r"\bb\b", lambda _: name, form)


@instruction.register
def _(action: act.Scale, words: Vocabulary) -> str:
    verbs = {0: "set {} to zero", -1: "negate {}", 2: "double {}"}
    return verbs[int(action.factor)].format(_listed(action.places))


@instruction.register
def _(action: act.Add, words: Vocabulary) -> str:
    if isinstance(action.amount, np.ndarray):
        verb = "add {} to" if action.times > 0 else "subtract {} from"
        size = f"{action.amount.min():.3g} to {action.amount.max():.3g}"
        return f"{verb.format(f'`{action.called}`')} `{action.place}` (the `change` in `about`, {size})"
    amount = action.times * action.amount
    verb = "add {} to" if amount > 0 else "subtract {} from"
    return f"{verb.format(_number(abs(amount)))} `{action.place}`"


@instruction.register
def _(action: act.AddPlaces, words: Vocabulary) -> str:
    before = ", as it was before," if set(action.sources) & set(action.targets) else ""
    return f"add {_listed(action.sources)}{before} to {_listed(action.targets)}"


@instruction.register
def _(action: act.Identity, words: Vocabulary) -> str:
    return f"put the unit matrix in the place of `{action.place}`"


@instruction.register
def _(action: act.RollRows, words: Vocabulary) -> str:
    (first, second), axis = action.kernels, action.axis
    if first.tensor == second.tensor:
        return f"in `{first.tensor}`, move the first {action.count} rows (axis {axis}) behind the others"
    return (
        f"join `{first}` and `{second}` along axis {axis}, move the first {action.count} rows of that "
        "behind the others, and split it into the same sizes again"
    )


@instruction.register
def _(action: act.StoreZeros, words: Vocabulary) -> str:
    return "store " + " and ".join(f"`{name}`, zeros [{shape}]" for name, shape in action.shapes.items())


@instruction.register
def _(action: act.Pass, words: Vocabulary) -> str:
    said = " and ".join(f"`{name}={_shown(value)}`" for name, value in action.options.items())
    if not action.function:
        return f"pass {said}"
    version = f" {words.version}" if words.version else ""
    return f"pass {said} (a function of your own: {words.api.name}{version} has no name for it)"


def _shown(value: Any) -> str:
    return f"{value:.9g}" if isinstance(value, float) else repr(value)


@instruction.register
def _(action: act.Edit, words: Vocabulary) -> str:
    first, *others = (f"`{name}` by `{_of(name, action.form)}`" for name in _arrays(action.arrays, words))
    return f"replace {first}" + "".join(f" (and {other}, if it is recorded)" for other in others)


def _arrays(names: Iterable[str], words: Vocabulary) -> list[str]:
    """The names of arrays that a recording of this kind of cell has."""
    kind = words.layout.kind
    return [
        name for name in names if name != "stepped_hidden" and ("cell" not in name or kind.has_cell_state)
    ]


@instruction.register
def _(action: act.Turn, words: Vocabulary) -> str:
    within = ", each row within its length" if words.has_lengths else ""
    return instruction(act.Edit(action.arrays, "b[:, ::-1]"), words) + within


@instruction.register
def _(action: act.Exchange, words: Vocabulary) -> str:
    return f"put `{action.one}` and `{action.other}` in each other's place"


@instruction.register
def _(action: act.LeaveOut, words: Vocabulary) -> str:
    without = "count every step" if "mask" in action.arrays else "start from zero"
    return f"{without}: leave out {_listed(_arrays(action.arrays, words))}"


@instruction.register
def _(action: act.StartAt, words: Vocabulary) -> str:
    first = action.steps + 1
    return (
        f"leave out the first {first} steps of `inputs`, start from `hidden[:, 0]` as `initial_hidden`, "
        f"and replace `hidden` by `hidden[:, 1:-{action.steps}]`"
    )


@instruction.register
def _(action: act.RecordLengths, words: Vocabulary) -> str:
    return f"record `lengths={list(action.lengths)}`"


_PAST = {
    "zeroed": "zeros",
    "held": "each row's last state before them",
    "computed": "what the cell computes there",
}


@instruction.register
def _(action: act.FillPast, words: Vocabulary) -> str:
    return f"return {_PAST[action.how]} as `hidden` at the steps past the lengths, as {words.api.name} does"


@instruction.register
def _(action: act.Feed, words: Vocabulary) -> str:
    return "before it reads them, " + ", then ".join(_in_words(action.actions, words))


_LET: Mapping[str, Callable[[Any, Vocabulary], str]] = {
    "forget_bias": lambda value, words: f"let the forget bias be {_number(value)}",
    "forget_bias_after": lambda value, words: (
        f"add {_number(value)} to the forget gate after its activation"
        if value
        else "add nothing to the forget gate after its activation"
    ),
    "recurrent_activation": lambda value, words: f"let the gates go through {_function(value)}",
    "activation": lambda value, words: (
        f"let the {words.gate(words.layout.kind.candidate)} go through {_function(value)}"
    ),
    "output_activation": lambda value, words: (
        f"let c go through {_function(value or words.equation.activation)} on its way to h"
    ),
    "input_coupled": lambda value, words: (
        "let the input gate be 1 - f" if value else "let the input gate be a gate of its own, not 1 - f"
    ),
    "coupled": lambda value, words: (
        "let the forget gate be 1 - i" if value else "let the forget gate be a gate of its own, not 1 - i"
    ),
    "cell_clip": lambda value, words: (
        "do not clip the cell state" if value is None else f"clip the cell state at {_number(value)}"
    ),
    "gate_clip": lambda value, words: (
        "do not clip what goes into the functions of the gates"
        if value is None
        else f"clip what goes into the functions of the gates at {_number(value)}"
    ),
    "output_clip": lambda value, words: (
        "do not clip c on its way into its function"
        if value is None
        else f"clip c at {_number(value)} on its way into its function, but not c itself"
    ),
    "projection_clip": lambda value, words: (
        "do not clip the projected state"
        if value is None
        else f"clip the projected state at {_number(value)}"
    ),
    "output_peephole_previous": lambda value, words: (
        f"let the output gate's peephole see the {'previous' if value else 'new'} cell state"
    ),
    "projection_activation": lambda value, words: f"let the projection go through {_function(value)}",
    "reset_after": lambda value, words: (
        "let the reset gate scale what the recurrent kernel made of h"
        if value
        else "let the reset gate scale h before the recurrent kernel"
    ),
    "update_inverted": lambda value, words: (
        "compute h' = (1 - z) h + z n" if value else "compute h' = z h + (1 - z) n"
    ),
}
"""By field of the equation, what its value asks of a cell."""


def _function(name: str) -> str:
    return "no function" if name == equations.LINEAR else name


@instruction.register
def _(action: act.Compute, words: Vocabulary) -> str:
    return " and ".join(_LET[name](value, words) for name, value in action.fields.items())


def _biases(about: Mapping[str, Any]) -> str:
    which = _listed(about["places"]) if about["places"] else "each bias"
    return f"add {which} once, neither twice nor not at all"


RERUNS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "blocks": lambda about: f"read the gate blocks as {about['order']}, each once",
    "own product": lambda about: f"give the {about['gate']} its own product with the input",
    "orientation": lambda about: "read the kernel in the orientation in which it is stored",
    "biases": _biases,
    "bias of one gate": lambda about: f"add the bias of the {about['gate']} to that gate alone",
    "fold": lambda about: "keep the two biases of the new state apart: b_in + r * (h R + b_hn)",
    "kernel": lambda about: f"use the {about['tensor']}",
    "peepholes": lambda about: "use the peepholes",
    "projection": lambda about: (
        "multiply o * act(c) by the projection before it becomes h, [B, U] @ [U, P], in every step"
    ),
    "carry": lambda about: "hand the states of each step on to the next one",
    "initial state": lambda about: "start from the given initial states, hidden and cell each in its place",
    "reset": lambda about: (
        "start each call from the given initial states, not from those after the last call"
    ),
    "direction": lambda about: "run from the first step to the last, and return the outputs in that order",
    "axes": lambda about: (
        "take the inputs as [B, T, I] (`batch_first`, `time_major`): transpose the first two axes"
    ),
    "steps": lambda about: "return the state after step t as that of step t, from the first step on",
    "mask": lambda about: "hand the mask or the lengths to the call, and look whether it takes them",
    "empty rows": lambda about: "where a row has no steps, take its initial states for the last ones",
    "layers": lambda about: "give each layer its own weights",
    "directions": lambda about: "give the forward direction its own weights, and the backward one its own",
    "states of layers": lambda about: (
        "hand over the initial states layer by layer, and of each layer forward before backward"
    ),
    "merge": lambda about: "merge the outputs of the two directions as the options say, forward first",
    "backwards": lambda about: (
        "hand the backward direction its inputs from the last step to the first, and turn its outputs back"
    ),
    "masking": lambda about: "compute every step, the padding too",
    "states": lambda about: (
        f"hand the state before step {' and '.join(map(str, about['steps'][:3]))}"
        f"{' and others' if len(about['steps']) > 3 else ''} on as it is: look at what is done to it there"
    ),
    "one run": lambda about: (
        "record `hidden` and `cell` of one and the same run; where the cell states of a layer take a run of "
        "their own, step by step, record its hidden states too, as `stepped_hidden`"
    ),
    "padding": lambda about: "turn each row within its own length, and leave what is past it in its place",
    "inputs": lambda about: "read the inputs that were given, number for number",
    "rows": lambda about: "keep the rows of the batch in the order in which they are given",
    "checkpoint": lambda about: f"load the {about['tensors']} from the same checkpoint as what was given",
    "units": lambda about: f"leave the units of the {about['what']} in the order of the other tensors",
    "rounding": lambda about: f"use the {about['tensors']} as they were given, without rounding them",
    "peepholes recorded": lambda about: "run without peepholes, or record them too",
    "outputs": lambda about: f"return the outputs as the cell computes them{about['after']}",
    "dropout": lambda about: "switch dropout off: inference mode (`eval()`, `training=False`)",
    "precision": lambda about: f"compute in the precision of what was given, not in {about['arithmetic']}",
}
"""What to run again, and how."""


@instruction.register
def _(action: act.Rerun, words: Vocabulary) -> str:
    return RERUNS[action.what](action.about)


_TO_FIND_OUT = {
    "cell": "record the cell states too: with them an error shows at the step and in the gate that makes it",
    "longer": (
        "record a longer run, or more rows, with random inputs: with more states than weights, other weights "
        "can be told from another equation"
    ),
    "layers": (
        "record what is between the layers (`outputs_l0`, ...) and their last states: with them each layer "
        "is judged by itself"
    ),
    "state": "record a run with h0 = 0, and one with h0 != 0 whose inputs are zero",
    "states": "record a run with h0 = c0 = 0, one with c0 only and one with h0 only, cell states included",
}


@instruction.register
def _(action: act.FindOut, words: Vocabulary) -> str:
    return _TO_FIND_OUT[action.what]
