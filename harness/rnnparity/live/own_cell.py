"""Check a user's own cell, in the user's own process.

The cell is a function of one step, or a recurrent layer of PyTorch or Keras. No framework is imported here:
whoever has a layer has already imported its framework.
"""

import importlib.metadata
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from rnnparity.apis.api import Target
from rnnparity.apis.selection import select
from rnnparity.environments import declarations
from rnnparity.errors import InputError
from rnnparity.judge import comparison
from rnnparity.judge.comparison import Comparison
from rnnparity.live import fitting
from rnnparity.live.judge_run import explained, judge
from rnnparity.live.result import Run
from rnnparity.reference import forward
from rnnparity.reference.case import Case, make_case
from rnnparity.reference.forward import Reference
from rnnparity_adapters import worker
from rnnparity_adapters.adapter import Adapter, Setup, States, stepped
from rnnparity_adapters.layout import LayoutError

_LAYERS = {
    (package, name): f"{prefix}.{name}@{environment}"
    for package, prefix, environment in (
        ("torch", "torch.nn", "torch"),
        ("keras", "keras.layers", "keras-tf"),
    )
    for name in ("LSTM", "LSTMCell")
}
"""The package and the name of a base class -> the row of the table that runs such an object."""

# The values of a layer's attributes that make it one layer of one direction without a projection.
_ONE_LAYER = {"num_layers": 1, "bidirectional": False, "proj_size": 0, "go_backwards": False}


def layer_target(given: object) -> Target | None:
    """The row of the table whose api ``given`` is an object of, or None for anything else."""
    for base in type(given).__mro__:
        name = _LAYERS.get((base.__module__.partition(".")[0], base.__name__))
        if name:
            return select(name)[0]
    return None


def target_of(given: object, like: str | None) -> Target:
    """The row of the api that a layer belongs to; for a function, the row named by ``like``.

    Raises :class:`~rnnparity.errors.InputError` for a function and no name.
    """
    own = layer_target(given)
    if own is None and like is None:
        what = f"nothing, for {name_of(given)}"
        raise InputError(
            "like", what, "the api whose weights a function takes, or an LSTM layer in its place"
        )
    return own or select(str(like))[0]


def name_of(given: object) -> str:
    """The name of a user's cell, for messages."""
    return getattr(given, "__name__", None) or type(given).__name__


def run(given: Any, like: str | None, seed: int, **sizes: Any) -> Iterator[Run]:
    """Draw the case of ``seed`` and run ``given`` on it:
    :meth:`rnnparity.pytest_plugin.plugin.Checker.check`.

    A layer runs with its own weights first, then with those of the case. A run that diverges has its causes,
    with changes to make to the api of :func:`target_of`. ``sizes`` are arguments of
    :func:`~rnnparity.reference.case.make_case`. Raises :class:`~rnnparity.errors.InputError` for an object
    that is neither a function of one step nor a known layer.
    """
    own = layer_target(given)
    target = target_of(given, like)
    if own:
        sizes = {**sizes, **_sizes(given)}
    claimed = select(like)[0] if like else target
    case = make_case(seed, cell=claimed.cell, **sizes)
    case = replace(case, equation=claimed.equation(case.equation, _version_of(claimed, like)))
    expected = forward.run(case)
    adapter = _copied(own, given, case) if own else _Function.of(_setup(claimed, case), given)
    if own:
        yield _judged(target, expected, worker.OWN, adapter)
    try:
        adapter.write(fitting.native(target, case))
    except (LayoutError, KeyError) as error:
        yield Run(seed, worker.LOADED, Comparison(comparison.FAILED, f"weights to load: {error}"))
        return
    yield _judged(target, expected, worker.LOADED, adapter)


def _judged(target: Target, expected: Reference, direction: str, adapter: Adapter) -> Run:
    __tracebackhide__ = True
    arrays = worker.run(direction, adapter, fitting.given(expected.case))
    return explained(judge(target.layout, expected, direction, arrays), target, arrays)


class _Function(Adapter):
    """The adapter of a function of one step: it holds the function and the tensors to call it with."""

    def copy(self, given: Callable[..., Any]) -> None:
        self.function = given

    def write(self, tensors: dict[str, np.ndarray]) -> None:
        self.tensors = tensors

    def read(self) -> dict[str, np.ndarray]:
        return self.tensors

    def run(self, inputs: np.ndarray, states: States) -> dict[str, np.ndarray]:
        __tracebackhide__ = True
        weights = _arguments(self.function, self.tensors, self.setup)
        now, steps = [state[0] for state in states], []
        for x in inputs.swapaxes(0, 1):
            now = self._states(self.function(x, *now, **weights))
            steps.append(now)
        return stepped(steps)

    def _states(self, returned: Any) -> list[np.ndarray]:
        """What a step has returned: the states, or the only one by itself."""
        count = len(self.setup.kind.states)
        listed = [returned] if count == 1 and not isinstance(returned, tuple | list) else list(returned)
        if len(listed) != count:
            expected = f"{count}: {', '.join(self.setup.kind.states)}"
            raise InputError(name_of(self.function), f"{len(listed)} states", expected)
        return [np.asarray(state) for state in listed]

    def build(self) -> None:
        """Do nothing: the function exists already."""

    def initialise(self, seed: int) -> None:
        """Do nothing: a function has no weights of its own."""


def _arguments(
    function: Callable[..., Any], tensors: Mapping[str, np.ndarray], setup: Setup
) -> dict[str, Any]:
    """The arguments for a function of one step, as its signature asks for them.

    Tensors are passed by their native names, or together as ``weights``; ``forget_bias`` only if it is a
    parameter. Raises :class:`~rnnparity.errors.InputError` where the function takes the tensors neither way.
    """
    parameters = inspect.signature(function).parameters
    forget_bias = {"forget_bias": setup.options["forget_bias"]} if "forget_bias" in parameters else {}
    if "weights" in parameters:
        return {"weights": dict(tensors), **forget_bias}
    anything = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    if anything or set(tensors) <= set(parameters):
        return {**tensors, **forget_bias}
    raise InputError(
        name_of(function),
        f"({', '.join(parameters)})",
        f"a function of (x, h, c, {', '.join(tensors)}) or of (x, h, c, weights)",
    )


def _setup(target: Target, case: Case) -> Setup:
    options = {"forget_bias": case.equation.forget_bias}
    sizes = case.batch, case.steps, case.input_size, case.units
    return Setup(target.name, *sizes, case.dtype, options, case.equation.cell, case.units)


def _copied(target: Target, given: Any, case: Case) -> Adapter:
    adapter = worker.adapter_class(target.live.adapter)
    return adapter.of(_setup(target, case), given)


def _sizes(given: Any) -> dict[str, int]:
    """The sizes of a layer: ``units``, and ``input_size`` where it is known already.

    Raises :class:`~rnnparity.errors.InputError` for a stack, two directions or a projection.
    """
    for name, value in _ONE_LAYER.items():
        if getattr(given, name, value) != value:
            raise InputError(name, getattr(given, name), f"{value}: one layer, one direction, no projection")
    if hasattr(given, "hidden_size"):
        return {"input_size": given.input_size, "units": given.hidden_size}
    kernel = next((weight for weight in given.weights if weight.name == "kernel"), None)
    return {"units": given.units} | ({"input_size": int(kernel.shape[0])} if kernel is not None else {})


def version(target: Target) -> str:
    """The installed version of a layer's framework, in this process."""
    return importlib.metadata.version(target.live.package)


def _version_of(target: Target, like: str | None) -> str:
    """Of a layer the version that is installed here, of a row that is named the one that it runs."""
    if like is None:
        return version(target)
    return declarations.declared()[target.live.environment].pinned(target.live.package)
