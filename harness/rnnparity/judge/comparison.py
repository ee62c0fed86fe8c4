"""The result of a comparison: its verdict, and the numbers behind it."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import NamedTuple, NoReturn

from rnnparity.judge.matched_filter import Explanation
from rnnparity.reference.noise import Array

AGREE = "agree"
DIVERGE = "diverge"
NONFINITE = "nonfinite"
CHAOTIC = "chaotic"
UNSUPPORTED = "unsupported"
UNAVAILABLE = "unavailable"
FAILED = "failed"
CRASHED = "crashed"
TIMEOUT = "timeout"

VERDICTS = (AGREE, UNSUPPORTED, UNAVAILABLE, CHAOTIC, DIVERGE, NONFINITE, FAILED, TIMEOUT, CRASHED)
"""From the best to the worst: of several runs of an api, the worst one is the api's verdict."""

LOCAL_HIDDEN = "local_hidden"
LOCAL_CELL = "local_cell"
LOCAL = (LOCAL_HIDDEN, LOCAL_CELL)
"""The names of the local errors (:mod:`rnnparity.judge.local_errors`) beside those of observed arrays."""


class Heat(NamedTuple):
    """A picture of the errors: ``noise`` ``[T', U']`` in noise units.

    Each cell is the largest |difference| / standard error of ``steps`` steps, ``units`` units and all batch
    rows. The last cells may cover fewer.
    """

    noise: Array
    steps: int
    units: int


class Place(NamedTuple):
    """One element of a trajectory ``[B, T, U]``: its batch row, step and unit."""

    batch: int
    step: int
    unit: int


@dataclass(frozen=True)
class Difference:
    """How far one observed array is from the reference.

    ``observed`` names the array and ``state`` what it was compared with: ``hidden`` or ``cell``, or
    ``local_hidden`` or ``local_cell`` for what is added at each step (see
    :mod:`rnnparity.judge.local_errors`).

    ``absolute`` is the largest |difference|. ``noise`` is the largest |difference| / standard error, which is
    at ``place``. ``by_step`` ``[T']`` has the largest |difference| / standard error of each step, or of
    ``every`` so many in a long run, and ``first_step`` is the first step above the limit, or None. ``heat``
    is the picture of ``hidden``, ``cell`` and whatever is above the limit.
    """

    observed: str
    state: str
    absolute: float
    noise: float
    place: Place
    first_step: int | None
    by_step: Array = field(repr=False, compare=False)
    heat: Heat | None = field(default=None, repr=False, compare=False)
    every: int = field(default=1, repr=False, compare=False)


@dataclass(frozen=True)
class GradientDifference:
    """How far one gradient is from the reference's.

    It is by the ``tensor``: ``inputs``, ``states/hidden``, or a native tensor such as ``weights/kernel``.
    ``absolute`` is the largest |difference|, ``noise`` the largest |difference| / standard error, which is at
    ``place``. ``gates`` are those with an element beyond the limit, canonical letters; of the inputs ``step``
    is the last one beyond it, as gradients go back from there.
    """

    tensor: str
    absolute: float
    noise: float
    place: tuple[int, ...]
    gates: tuple[str, ...] = ()
    step: int | None = None


@dataclass(frozen=True)
class Comparison:
    """A verdict, its reason, and the numbers behind it.

    ``differences`` is empty where shapes or dtypes are wrong already. ``parameter`` is the one whose change
    would explain the local errors best, or None where there are no local errors. If ``significance`` is above
    1, rounding does not explain them. ``gates`` are the gates at fault. ``judged`` is the part of all steps
    whose trajectory could be judged; rounding alone decides that of the others. ``residual`` ``[places]`` is
    (hidden - reference) / standard error at places spread over the trajectory, the same for every api.
    ``gradients`` are there if they were asked for, and could be judged.
    """

    verdict: str
    reason: str = ""
    differences: tuple[Difference, ...] = ()
    parameter: Explanation | None = None
    significance: float = 0.0
    gates: tuple[str, ...] = ()
    judged: float = 1.0
    residual: Array | None = field(default=None, repr=False, compare=False)
    gradients: tuple[GradientDifference, ...] = ()

    def __bool__(self) -> NoReturn:
        """Raises TypeError: ``assert compare(...)`` would pass whatever the verdict."""
        raise TypeError("a comparison is neither true nor false; ask for its verdict")

    def followed_by(self, later: "Comparison") -> "Comparison":
        """The later comparison, but with this one's verdict and reason if that is not ``agree``."""
        return later if self.verdict == AGREE else replace(later, verdict=self.verdict, reason=self.reason)

    @property
    def first_step(self) -> int | None:
        """The first step at which any element is above the limit; None if none is."""
        return first_step(self.differences)


def worst(differences: Iterable[Difference], state: str) -> Difference | None:
    """The difference of ``state`` that is largest in noise units, with the largest absolute of them all."""
    of_state = [difference for difference in differences if difference.state == state]
    if not of_state:
        return None
    largest = max(of_state, key=lambda difference: difference.noise)
    return replace(largest, absolute=max(difference.absolute for difference in of_state))


def first_step(differences: Iterable[Difference]) -> int | None:
    """The first step at which any of the differences is above the limit; None if none is."""
    return min((d.first_step for d in differences if d.first_step is not None), default=None)
