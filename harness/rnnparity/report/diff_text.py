"""Two trajectories compared, for a person."""

from rnnparity.recordings.diff import Symptom
from rnnparity.reference.noise import LIMIT

_SHAPES = "diverge: hidden is {} in {}, {} in {}"
_STEPS = 60
"""Of the line that shows which steps differ."""


def text(symptom: Symptom) -> str:
    """Whether they agree and, if not, where they part and what that says; ending with a newline."""
    readings = () if symptom.agree else (f"  {reading}" for reading in symptom.readings)
    return "".join(f"{line}\n" for line in (*symptom.notes, _verdict(symptom), *readings))


def _verdict(symptom: Symptom) -> str:
    difference, one, other = symptom.difference, symptom.one, symptom.other
    if difference is None:
        return _SHAPES.format(list(one.hidden.shape), one.name, list(other.hidden.shape), other.name)
    if symptom.agree:
        in_noise = f"{difference.noise:.2g} times the rounding assumed"
        return f"agree: largest difference {difference.absolute:.1e}, {in_noise}"
    place = difference.place
    steps = "".join("=" if value <= LIMIT else "#" for value in difference.by_step[:_STEPS])
    return (
        f"diverge from step {difference.first_step} on; largest difference {difference.absolute:.1e}, "
        f"at batch {place.batch}, step {place.step}, unit {place.unit}\nsteps {steps}"
    )
