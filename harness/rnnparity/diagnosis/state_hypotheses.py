"""Find states that were replaced in the middle of a run, or at its beginning, in some rows or in all.

Where a state was replaced, one step is wrong, and every later one agrees from its own state. So a trajectory
is cut into pieces: each begins with a state that is known or, where nothing known fits, with the observed
one after the wrong step.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnnparity.diagnosis.forced_cells import TeacherForcedLstm
from rnnparity.diagnosis.hypothesis import Found
from rnnparity.diagnosis.kinds import in_full
from rnnparity.diagnosis.run_findings import GIVEN, KEPT, LAST, NONE, OTHER_ROW, SWAPPED, ZERO, StateReplaced
from rnnparity.diagnosis.teacher_forcing import Setting, apart, counting
from rnnparity.reference import forward
from rnnparity.reference.forward import Reference
from rnnparity.reference.noise import LIMIT, Array

_MOST = 0.6
"""The part of all steps that may be wrong: where more are, it is not the states."""
_ROWS = 8
"""The rows of a batch whose states are tried in place of another row's."""
_LOOK = 4
"""Steps in which a state is recognised where no cell states were observed."""
_SPARE = 3
"""Steps that must follow a state that nothing known explains, so that they confirm the rest of the cell."""
_TELLING = 0.5
"""The part of the rows, at least, that go on long enough to confirm so."""
_LARGEST = 4.0
"""Cell states that are looked for lie within this, from both sides of zero."""


class _State(NamedTuple):
    """A hidden state ``[P]`` and a cell state ``[U]``, and where they are from."""

    by: str
    hidden: Array
    cell: Array
    both: tuple[bool, bool] = (True, True)


class _Cut(NamedTuple):
    """A ``step`` of a ``row`` before which the state was replaced, and the ``states`` that explain it.

    The row goes on from one of them at the step ``resumed``. That is a later step where nothing known
    explains this one, and the end of the row where too little follows to say more.
    """

    row: int
    step: int
    states: tuple[_State, ...]
    resumed: int


class _Piece(NamedTuple):
    """Steps of a row from ``start`` to before ``stop``, and the state before them."""

    row: int
    start: int
    stop: int
    hidden: Array
    cell: Array


def replaced(setting: Setting, base: Reference, arithmetic: str) -> Iterator[Found]:
    """Find the states that were replaced, in a trajectory ``[B, T, U]`` that should be that of ``base``."""
    if setting.case.steps < 2:
        return
    search = _Complete if setting.complete else _HiddenOnly
    found = search(setting, base, arithmetic).cuts()
    if found:
        yield from _explained(setting, found)


def is_known(found: Found) -> bool:
    """Whether it is known by what the state was replaced."""
    return isinstance(found.finding, StateReplaced) and NONE not in found.finding.by


def _explained(setting: Setting, cuts: Sequence[_Cut]) -> Iterator[Found]:
    """What explains all cuts: the same for all of them if there is such a thing."""
    options = [[(state.by, state.both) for state in cut.states] for cut in cuts]
    common = next((one for one in options[0] if all(one in other for other in options)), None)
    by, both = common or (" or ".join(sorted({some[0][0] for some in options})), (True, True))
    chosen = [next((s for s in cut.states if (s.by, s.both) == common), cut.states[0]) for cut in cuts]
    steps, rows = tuple(sorted({cut.step for cut in cuts})), tuple(sorted({cut.row for cut in cuts}))
    finding = StateReplaced(steps, rows, setting.case.batch, by, *both)
    fitted = 0 if setting.complete else setting.case.units * sum(state.by == NONE for state in chosen)
    yield Found(finding, _in_pieces(setting, cuts, chosen), fitted)


def _in_pieces(setting: Setting, cuts: Sequence[_Cut], states: Sequence[_State]) -> Setting:
    """The setting with a row for each piece, which begins where a cut says so, from its state."""
    case, lengths = setting.case, lengths_of(setting)
    pieces = []
    for row in range(case.batch):
        own = [n for n, cut in enumerate(cuts) if cut.row == row]
        begins = [(0, case.initial_hidden[row], case.initial_cell[row])]
        begins += [(cuts[n].resumed, states[n].hidden, states[n].cell) for n in own]
        ends = [*(cuts[n].step for n in own), int(lengths[row])]
        pieces += [
            _Piece(row, start, stop, hidden, cell)
            for (start, hidden, cell), stop in zip(begins, ends, strict=True)
            if stop > start
        ]
    longest = max(piece.stop - piece.start for piece in pieces)

    def cut_out(array: np.ndarray) -> np.ndarray:
        made = np.zeros((len(pieces), longest, *array.shape[2:]), array.dtype)
        for n, piece in enumerate(pieces):
            made[n, : piece.stop - piece.start] = array[piece.row, piece.start : piece.stop]
        return made

    changed = replace(
        case,
        inputs=cut_out(case.inputs),
        initial_hidden=np.stack([piece.hidden for piece in pieces]),
        initial_cell=np.stack([piece.cell for piece in pieces]),
    )
    counts = setting.mask is not None or len({piece.stop - piece.start for piece in pieces}) > 1
    moved = replace(setting, mask=np.ones(setting.hidden.shape[:2], bool) if counts else None)
    return moved.moved(changed, cut_out)


def lengths_of(setting: Setting) -> NDArray[np.signedinteger]:
    """The number of steps ``[B]`` of each row that count."""
    batch, steps = setting.hidden.shape[:2]
    return np.full(batch, steps) if setting.mask is None else setting.mask.sum(axis=1)


@dataclass(frozen=True, eq=False)
class _Search:
    """The search in a ``setting`` that should be ``base``, run in ``arithmetic``."""

    setting: Setting
    base: Reference
    arithmetic: str

    def around(self, row: int, kept: _State, lasts: Sequence[_State], at: Sequence[_State]) -> list[_State]:
        """The states that may have been there: whole ones, and each of the two alone.

        ``lasts`` are the last states of rows, and ``at`` those before the same step of other rows.
        """
        case = self.setting.case
        whole = [
            _State(ZERO, 0 * kept.hidden, 0 * kept.cell),
            _State(GIVEN, case.initial_hidden[row], case.initial_cell[row]),
            *lasts,
            *at,
        ]
        if kept.hidden.shape == kept.cell.shape:
            whole.append(_State(SWAPPED, kept.cell, kept.hidden))
        if not case.has_cell_state:
            return whole
        alone = [
            changed
            for state in whole
            if state.by != SWAPPED
            for changed in (
                _State(state.by, state.hidden, kept.cell, (True, False)),
                _State(state.by, kept.hidden, state.cell, (False, True)),
            )
        ]
        return whole + alone

    def run_from(self, row: int, step: int, count: int, states: Sequence[_State]) -> Reference:
        """The reference of ``count`` steps of a row, from each of the states before a step."""
        case = self.setting.case
        inputs = np.repeat(case.inputs[row : row + 1, step : step + count], len(states), axis=0)
        changed = replace(
            case,
            inputs=inputs,
            initial_hidden=np.stack([state.hidden for state in states]).astype(np.float64),
            initial_cell=np.stack([state.cell for state in states]).astype(np.float64),
        )
        return forward.run(changed, self.arithmetic)


class _Complete(_Search):
    """Every state is known, so that all steps can be looked at at once."""

    def cuts(self) -> list[_Cut]:
        """All cuts; none if the wrong steps are no matter of states."""
        wrong = self._wrong_steps()
        places = list(zip(*np.nonzero(wrong), strict=True))
        if not places or wrong.sum() > _MOST * lengths_of(self.setting).sum():
            return []
        found = [self._cut(int(row), int(step)) for row, step in places]
        if all(cut.states for cut in found):
            return found
        # Nothing known: then there have to be enough steps that agree behind each wrong one.
        lengths = lengths_of(self.setting)
        spare = [lengths[row] - step - 1 >= _SPARE for row, step in places]
        if len({row for row, _ in places}) < len(places) or np.mean(spare) < _TELLING:
            return []
        return [self._observed(int(row), int(step)) for row, step in places]

    def _wrong_steps(self) -> NDArray[np.bool_]:
        """The steps ``[B, T]`` that do not agree from their own observed state."""
        setting, single = self.setting, apart(self.setting)
        run = forward.run(single.case, self.arithmetic)
        away = (np.abs(single.hidden - run.hidden) > LIMIT * run.hidden_noise).any(axis=(1, 2))
        if single.cell is not None:
            away |= (np.abs(single.cell - run.cell) > LIMIT * run.cell_noise).any(axis=(1, 2))
        chosen = counting(setting)
        wrong = np.zeros_like(chosen)
        wrong[chosen] = away
        return wrong

    def _before(self, row: int, step: int, by: str) -> _State:
        """The observed state before a step."""
        setting, case = self.setting, self.setting.case
        if step == 0:
            return _State(by, case.initial_hidden[row], case.initial_cell[row])
        cell = np.zeros(0) if setting.cell is None else setting.cell[row, step - 1]
        return _State(by, setting.hidden[row, step - 1], cell)

    def _cut(self, row: int, step: int) -> _Cut:
        lengths = lengths_of(self.setting)
        nearest = sorted(range(len(lengths)), key=lambda other: abs(other - row + 0.1))[: _ROWS + 1]
        lasts = [self._before(other, int(lengths[other]), LAST) for other in nearest]
        at = [
            self._before(other, step, OTHER_ROW)
            for other in nearest
            if other != row and step < lengths[other]
        ]
        tried = self.around(row, self._before(row, step, KEPT), lasts, at)
        run = self.run_from(row, step, 1, tried)
        away = np.abs(run.hidden[:, 0] - self.setting.hidden[row, step])
        fits = (away <= LIMIT * run.hidden_noise[:, 0]).all(1)
        if self.setting.cell is not None:
            away = np.abs(run.cell[:, 0] - self.setting.cell[row, step])
            fits &= (away <= LIMIT * run.cell_noise[:, 0]).all(1)
        return _Cut(row, step, tuple(state for state, fit in zip(tried, fits, strict=True) if fit), step)

    def _observed(self, row: int, step: int) -> _Cut:
        return _Cut(row, step, (self._before(row, step + 1, NONE),), step + 1)


class _HiddenOnly(_Search):
    """An LSTM whose cell states were not observed: each row is followed until it leaves its reference."""

    def cuts(self) -> list[_Cut]:
        """All cuts; none if the states do not explain the trajectory."""
        away = np.abs(self.setting.hidden - self.base.hidden) > LIMIT * self.base.hidden_noise
        if self.setting.mask is not None:
            away &= self.setting.mask[:, :, None]
        leaves: NDArray[np.bool_] = np.any(away, axis=2)
        lengths = lengths_of(self.setting)
        lasts = {
            row: _State(LAST, self.base.hidden[row, length - 1], self.base.cell[row, length - 1])
            for row, length in enumerate(lengths)
            if length and not leaves[row].any()
        }
        found: list[_Cut] = []
        for row in np.flatnonzero(leaves.any(axis=1)):
            followed = self._follow(int(row), int(leaves[row].argmax()), lasts)
            if followed is None:
                return []
            cuts, lasts[int(row)] = followed
            found += cuts
        unknown = [cut for cut in found if cut.states[0].by == NONE]
        tells = [cut.resumed < lengths[cut.row] for cut in unknown]
        return [] if unknown and np.mean(tells) < _TELLING else found

    def _follow(self, row: int, step: int, lasts: dict[int, _State]) -> tuple[list[_Cut], _State] | None:
        """The cuts of a row whose first wrong ``step`` is known, and its last state."""
        setting, case, length = self.setting, self.setting.case, int(lengths_of(self.setting)[row])
        begin, run = 0, self.base
        cuts: list[_Cut] = []
        at = row
        while True:
            before = step - begin
            kept = (
                _State(KEPT, run.hidden[at, before - 1], run.cell[at, before - 1])
                if before
                else _State(KEPT, case.initial_hidden[row], case.initial_cell[row])
            )
            carried = _State(LAST, self.base.hidden[row, length - 1], self.base.cell[row, length - 1])
            own = [
                carried,
                *(lasts[other] for other in sorted(lasts, key=lambda o: abs(o - row + 0.1))[:_ROWS]),
            ]
            others = [
                _State(
                    OTHER_ROW, *(s[other] for s in (setting.case.initial_hidden, setting.case.initial_cell))
                )
                for other in range(setting.case.batch)
                if other != row and step == 0
            ][:_ROWS]
            states = self._fitting(row, step, length, self.around(row, kept, own, others))
            if states:
                cuts.append(_Cut(row, step, states, step))
                begin, start = step, states[0]
            elif any(cut.states[0].by == NONE for cut in cuts) or case.projection is not None:
                return None
            elif length - step - 1 < _SPARE:
                unknown = _State(NONE, case.initial_hidden[row], case.initial_cell[row])
                return [*cuts, _Cut(row, step, (unknown,), length)], carried
            else:
                after = self._after(row, step, length)
                cuts.append(_Cut(row, step, (after,), step + 1))
                begin, start = step + 1, after
            run, at = self.run_from(row, begin, length - begin, [start]), 0
            away = np.abs(run.hidden[0] - setting.hidden[row, begin:length]) > LIMIT * run.hidden_noise[0]
            if not away.any():
                return cuts, _State(LAST, run.hidden[0, -1], run.cell[0, -1])
            following = begin + int(away.any(axis=1).argmax())
            if following <= begin or len(cuts) > _MOST * length:
                return None
            step = following

    def _fitting(self, row: int, step: int, length: int, tried: Sequence[_State]) -> tuple[_State, ...]:
        """Those of the states from which the next step agrees, and as many more as from any other."""
        count = min(_LOOK, length - step)
        run = self.run_from(row, step, count, tried)
        seen = self.setting.hidden[row, step : step + count]
        away = np.abs(run.hidden - seen) > LIMIT * run.hidden_noise
        agreeing = np.cumprod(~away.any(axis=2), axis=1).sum(axis=1)
        most = agreeing.max()
        return tuple(s for s, steps in zip(tried, agreeing, strict=True) if steps == most and most)

    def _after(self, row: int, step: int, length: int) -> _State:
        """The state after a step ``[U]``, its cell state the one that suits the following steps best."""
        setting, case = self.setting, self.setting.case
        seen = setting.hidden[row : row + 1, step + 1 : length]
        start = setting.hidden[row : row + 1, step]
        rest = replace(
            setting,
            case=replace(case, inputs=case.inputs[row : row + 1, step + 1 : length], initial_hidden=start,
                         initial_cell=np.zeros((1, case.units))),
            hidden=seen, cell=None, mask=None, away=None,
        )  # fmt: skip
        forced = in_full(rest)
        assert isinstance(forced, TeacherForcedLstm)

        def errors(cells: Array) -> Array:
            """``[S, T, U]`` for initial cell states ``[S, U]``."""
            tried = replace(forced, start=cells[:, None], z=np.repeat(forced.z, len(cells), axis=0))
            hidden, _ = tried.predict(case.equation)
            difference: Array = hidden[:, 0] - seen[0]
            return difference

        grid = np.linspace(-_LARGEST, _LARGEST, 33)[:, None] * np.ones(case.units)
        left = np.square(errors(grid)).sum(axis=1)
        cell = grid[left.argmin(axis=0), np.arange(case.units)][None]
        for _ in range(_ROUNDS):
            here = errors(cell)[0]
            slope = (errors(cell + _NUDGE)[0] - here) / _NUDGE
            square = np.square(slope).sum(axis=0)
            move = np.where(square > 0, (slope * here).sum(axis=0) / np.where(square > 0, square, 1), 0)
            cell = cell - np.clip(move, -0.5, 0.5)
        return _State(NONE, start[0], cell[0])


_ROUNDS = 12
"""Rounds of Gauss-Newton, from the best point of a grid: each doubles the right digits once it is close."""
_NUDGE = 1e-6
"""The change of a cell state by which a derivative is measured."""


def padding_first(setting: Setting) -> Setting | None:
    """The setting in which each row begins with what is past its length, in reverse order, as in a backward
    run over the whole row; None where there are no lengths.
    """
    if setting.mask is None or setting.mask.all():
        return None
    case, lengths = setting.case, lengths_of(setting)
    rows: Iterable[np.ndarray] = (
        np.concatenate([x[n:][::-1], x[:n]]) for x, n in zip(case.inputs, lengths, strict=True)
    )
    steps = np.arange(case.steps)
    order = (
        steps + lengths[:, None]
    ) % case.steps  # the first of the steps that count comes after the others
    return setting.moved(
        replace(case, inputs=np.stack(list(rows))),
        lambda array: np.take_along_axis(array, order[:, :, None], axis=1),
    )
