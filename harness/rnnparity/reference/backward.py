"""The gradients of a case in float64, by backpropagation through time, with their rounding errors.

The loss is sum(hidden * cotangent) over the whole trajectory; its derivatives are those by inputs, initial
states and canonical weights. The step backwards of each kind of cell is in
:mod:`rnnparity.reference.backward_steps`. It takes and returns :class:`~rnnparity.reference.noisy.Noisy`
numbers: they begin with the errors of a correct forward run, which bend every derivative, and each operation
adds its rounding.

Source: Werbos 1990, https://doi.org/10.1109/5.58337
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from rnnparity.reference import forward
from rnnparity.reference.backward_steps import BACKWARD, Passed
from rnnparity.reference.case import Case
from rnnparity.reference.forward import Reference, initial
from rnnparity.reference.noise import Array
from rnnparity.reference.noisy import Noisy, joined
from rnnparity_adapters.layout import Weights

_STREAM = 3
"""Of the random numbers of a case's seed: a form draws from streams 1 and 2."""


def with_cotangent(case: Case) -> Case:
    """The case with a ``cotangent`` ``[B, T, P]`` of its dtype, standard normal, drawn from its seed."""
    shape = (case.batch, case.steps, case.initial_hidden.shape[1])
    random = np.random.RandomState((case.seed, _STREAM))
    return replace(case, cotangent=random.standard_normal(shape).astype(case.dtype))


@dataclass(frozen=True, eq=False)
class Gradients:
    """Derivatives of the loss of a case, each with its standard error.

    By ``inputs`` ``[B, T, I]``, by the initial states ``hidden`` ``[B, P]`` and ``cell`` ``[B, U]``, and by
    canonical weights: ``kernel`` ``[I+P, G U]`` and ``bias`` ``[G U]``, and where the case has them
    ``peepholes`` ``[3, U]`` and ``projection`` ``[U, P]``.
    """

    inputs: Noisy
    hidden: Noisy
    cell: Noisy
    kernel: Noisy
    bias: Noisy
    peepholes: Noisy | None = None
    projection: Noisy | None = None

    @property
    def present(self) -> dict[str, Noisy]:
        """All that there are, by their names."""
        return {name: each for name, each in vars(self).items() if each is not None}

    def weights(self, part: str) -> tuple[Weights, Array | None, Array | None]:
        """Kernel and bias, peepholes, projection: of each the ``part``, ``value`` or ``error``."""
        of = [
            None if each is None else getattr(each, part)
            for each in (self.kernel, self.bias, self.peepholes, self.projection)
        ]
        return Weights(of[0], of[1]), of[2], of[3]  # type: ignore[arg-type]


def run(reference: Reference, passed: Passed | None = None) -> Gradients:
    """The gradients of a case that has run, for its ``cotangent`` ``[B, T, P]``.

    What a step passes back to the one before it may be ``passed`` in part, as by mistake; all unless given.
    """
    pairs = ((reference.hidden, reference.hidden_noise), (reference.cell, reference.cell_noise))
    a = reference.arithmetic
    hidden, cell = (Noisy(_by_step(each), _by_step(noise) ** 2, a) for each, noise in pairs)
    return _gradients(reference.case, hidden, cell, passed or Passed())


def ensemble(reference: Reference, found: Gradients, members: int = 16) -> Gradients:
    """The gradients ``found`` by :func:`run` with their noise measured on ``members`` simulated runs.

    The errors of a run belong together from step to step, as those of its states do, which :func:`run` does
    not know: see :func:`rnnparity.reference.forward.ensemble`. Where the spread of the members is larger than
    the noise, it takes the noise's place.
    """
    case, a = reference.case, reference.arithmetic
    random = np.random.RandomState(0)

    def drawn(noisy: Noisy) -> Noisy:
        error = np.sqrt(noisy.variance) * random.standard_normal(noisy.value.shape)
        return Noisy(noisy.value + error, 0.0, a)

    squares = {name: np.zeros_like(each.value) for name, each in found.present.items()}
    errors = [list(state) for state in zip(*forward.erring(reference, members), strict=True)]
    for member in range(members):
        hidden, cell = (
            Noisy(_by_step(exact) + np.stack([each[member] for each in by_step]), 0.0, a)
            for exact, by_step in zip((reference.hidden, reference.cell), errors, strict=True)
        )
        for name, one in _gradients(case, hidden, cell, Passed(), drawn).present.items():
            squares[name] += (one.value - found.present[name].value) ** 2 / members
    wider = {
        name: Noisy(each.value, np.maximum(each.variance, squares[name]), a)
        for name, each in found.present.items()
    }
    return replace(found, **wider)


def _gradients(
    case: Case,
    hidden: Noisy,
    cell: Noisy,
    passed: Passed,
    settle: Callable[[Noisy], Noisy] = lambda noisy: noisy,
) -> Gradients:
    """The gradients of a case, whose states ``[T, B, n]`` are known; each result is left to ``settle``."""
    assert case.cotangent is not None
    a, start = hidden.a, initial(case)
    step = BACKWARD[case.equation.cell](case, a)
    before_hidden, before_cell = (
        _rows(joined([Noisy(first[None], 0.0, a), each[:-1]], 0))
        for first, each in zip(start, (hidden, cell), strict=True)
    )
    x = _rows(Noisy(_by_step(case.inputs), 0.0, a))
    derivatives = step.linear(x, before_hidden, before_cell, _rows(cell), passed)
    linear = {name: settle(each) for name, each in derivatives.items()}
    cotangent = _by_step(case.cotangent)
    by_hidden, by_cell = (Noisy(np.zeros_like(state), 0.0, a) for state in start)
    found = []
    for t in reversed(range(case.steps)):
        now = slice(t * case.batch, (t + 1) * case.batch)
        here = {name: each[now] for name, each in linear.items()}
        made, by_hidden, by_cell = step.back(here, by_hidden + cotangent[t], by_cell)
        by_hidden = settle(passed.back("hidden", t, by_hidden))
        by_cell = settle(passed.back("cell", t, by_cell))
        found.append(tuple(map(settle, made)))
    sums = tuple(joined(list(each), 0) for each in zip(*reversed(found), strict=True))
    inputs = settle(step.by_inputs(sums[0])).reshape(case.steps, case.batch, case.input_size)
    by_batch = Noisy(inputs.value.swapaxes(0, 1), inputs.variance.swapaxes(0, 1), a)
    weights = (None if each is None else settle(each) for each in step.by_weights(linear, sums))
    return Gradients(by_batch, by_hidden, by_cell, *weights)  # type: ignore[arg-type]


def _rows(by_step: Noisy) -> Noisy:
    """``[T, B, n]`` -> ``[T B, n]``."""
    steps, batch, width = by_step.value.shape
    return by_step.reshape(steps * batch, width)


def _by_step(array: np.ndarray) -> Array:
    """``[B, T, n]`` -> ``[T, B, n]``, in float64."""
    return np.ascontiguousarray(array.swapaxes(0, 1), np.float64)
