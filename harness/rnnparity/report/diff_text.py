"""Two trajectories compared, or two recordings crossed, for a person."""

from collections.abc import Iterator

from rnnparity.judge.comparison import AGREE, DIVERGE, Difference, worst
from rnnparity.recordings.crossed import Crossing, Side, Way
from rnnparity.recordings.diff import Symptom
from rnnparity.reference.noise import LIMIT
from rnnparity.report.cause_text import lines

_SHAPES = "diverge: hidden is {} in {}, {} in {}"
_STEPS = 60
"""How many steps the line shows that marks those that differ."""


def text(symptom: Symptom) -> str:
    """Whether they agree and, if not, where they part and what that says; ending with a newline."""
    readings = () if symptom.agree else (f"  {reading}" for reading in symptom.readings)
    return "".join(f"{line}\n" for line in (*symptom.notes, _verdict(symptom), *readings))


def _verdict(symptom: Symptom) -> str:
    difference, one, other = symptom.difference, symptom.one, symptom.other
    if difference is None:
        return _SHAPES.format(list(one.hidden.shape), one.name, list(other.hidden.shape), other.name)
    largest = f"largest difference {difference.absolute:.1e}"
    if symptom.agree:
        return f"agree: {symptom.readings[0]}; {largest}, {difference.noise:.2g} times the rounding assumed"
    place = difference.place
    where = f"{largest}, at batch {place.batch}, step {place.step}, unit {place.unit}"
    from_on = f"diverge from step {symptom.first_step} on" if symptom.verdict == DIVERGE else symptom.verdict
    return f"{from_on}; {where}\nsteps {_marks(symptom, difference)}"


def _marks(symptom: Symptom, difference: Difference) -> str:
    """A sign for each step: ``=`` agrees, ``~`` may be rounding, ``#`` differs."""
    first = difference.every * len(difference.by_step) if symptom.first_step is None else symptom.first_step
    shown, every = difference.by_step[:_STEPS], difference.every
    return "".join("=" if value <= LIMIT else "~#"[t * every >= first] for t, value in enumerate(shown))


def crossing(crossed: Crossing) -> str:
    """What two recordings are of each other; ending with a newline."""
    one, other = crossed.one, crossed.other
    told = [_own(one), _own(other), *crossed.remarks]
    for way in crossed.ways:
        told += _way(way)
    first = f"{crossed.verdict}: {one.name} and {other.name}, crossed"
    return "".join(f"{line}\n" for line in (first, *(f"  {line}" for line in told)))


def _own(side: Side) -> str:
    causes = side.checked.causes
    why = f" ({causes[0].id}, {causes[0].status})" if causes else ""
    return f"{side.name}: {side.recording.api} {side.checked.verdict}, by itself{why}"


def _way(way: Way) -> Iterator[str]:
    compared = way.comparison
    hidden = worst(compared.differences, "hidden")
    size = f", hidden {hidden.absolute:.1e}, {hidden.noise:.3g} times the noise" if hidden else ""
    yield f"weights of {way.given.name} with inputs and outputs of {way.ran.name}: {compared.verdict}{size}"
    if compared.verdict != AGREE:
        yield from (f"  {line}" for line in lines(way.causes))
