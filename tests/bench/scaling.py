"""What a verdict costs beside a bare float64 loop, against B, T, I and U: figures, and a plot of them.

``python -m bench.scaling`` in ``tests`` measures, prints, and writes ``docs/scaling.svg``. Processor time is
measured, in one thread, as the shortest of several: what else the machine does changes it little.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

import rnnparity
from rnnparity import Case
from rnnparity.judge import compare
from rnnparity.reference import forward
from rnnparity.report.console import console, print_table

AXES = {
    "batch": (1, 2, 4, 8, 16, 32, 64, 128),
    "steps": (10, 20, 50, 100, 200, 500, 1000, 2000),
    "input_size": (4, 8, 16, 32, 64, 128, 256, 512),
    "units": (4, 8, 16, 32, 64, 128, 256, 512),
}
"""The sizes that are varied, one at a time; the others are those of a default case."""
LETTERS = {"batch": "B", "steps": "T", "input_size": "I", "units": "U"}
PLOT = Path(__file__).parents[2] / "docs" / "scaling.svg"
_SECONDS = 0.3
"""So long, or three times, each call is repeated."""


class Cost(NamedTuple):
    """Milliseconds of the bare loop, of the reference with its noise, and of the comparison."""

    bare: float
    reference: float
    comparison: float

    @property
    def ratio(self) -> float:
        """The verdict's cost in bare loops."""
        return (self.reference + self.comparison) / self.bare


def bare(case: Case) -> tuple[np.ndarray, np.ndarray]:
    """The loop that anybody would write: states ``[B, T, U]`` in float64."""
    kernel, bias = (np.asarray(array, np.float64) for array in case.weights)
    x, h, c = (np.asarray(a, np.float64) for a in (case.inputs, case.initial_hidden, case.initial_cell))
    hidden, cell = (np.empty((case.batch, case.steps, case.units)) for _ in range(2))
    for t in range(case.steps):
        i, j, f, o = np.split(np.concatenate([x[:, t], h], axis=1) @ kernel + bias, 4, axis=1)
        c = _sigmoid(f + case.equation.forget_bias) * c + _sigmoid(i) * np.tanh(j)
        h = _sigmoid(o) * np.tanh(c)
        hidden[:, t], cell[:, t] = h, c
    return hidden, cell


def _sigmoid(z: np.ndarray) -> np.ndarray:
    value: np.ndarray = 1 / (1 + np.exp(-z))
    return value


def cost(case: Case) -> Cost:
    """What a verdict on one direction of a layer's answer costs."""
    expected = forward.run(case)
    hidden, cell = (array.astype(case.dtype) for array in bare(case))
    observed = {
        "hidden": hidden, "stepped_hidden": hidden, "cell": cell,
        "last_hidden": hidden[None, :, -1], "last_cell": cell[None, :, -1],
    }  # fmt: skip
    return Cost(
        _milliseconds(lambda: bare(case)),
        _milliseconds(lambda: forward.run(case)),
        _milliseconds(lambda: compare.compare(observed, expected)),
    )


def _milliseconds(call: Callable[[], object]) -> float:
    found: list[float] = []
    while len(found) < 3 or sum(found) < _SECONDS:
        start = time.process_time()
        call()
        found.append(time.process_time() - start)
    return 1000 * min(found)


def measured() -> Iterator[tuple[str, int, Cost]]:
    """The name of a size, its value, and what it costs."""
    for name, sizes in AXES.items():
        for size in sizes:
            yield name, size, cost(rnnparity.make_case(0, **{name: size}))  # type: ignore[arg-type]


def show(found: Iterable[tuple[str, int, Cost]]) -> None:
    """Print the figures."""
    rows = [
        [f"{LETTERS[name]}={size}", *(f"{ms:.2f}" for ms in spent), f"{spent.ratio:.1f}"]
        for name, size, spent in found
    ]
    header = ["B=8 T=50 I=32 U=64, but", "bare loop", "reference and noise", "comparison", "ratio"]
    print_table(header, rows, console(), right=range(1, len(header)))


_WIDTH, _HEIGHT, _LEFT, _TOP, _GAP = 210, 190, 52, 46, 34
_COLOURS = {"bare": "#5b6470", "reference": "#0b6fb8", "comparison": "#c2570c"}
_SHOWN = {"bare": "bare float64 loop", "reference": "reference and noise", "comparison": "comparison"}


def plot(found: Iterable[tuple[str, int, Cost]]) -> str:
    """The figures as an SVG: a panel for each size, both axes logarithmic, one scale of milliseconds."""
    all_found = list(found)
    most = max(max(spent) for _, _, spent in all_found)
    least = min(min(spent) for _, _, spent in all_found)
    decades = np.floor(np.log10(least)), np.ceil(np.log10(most))
    width = _LEFT + len(AXES) * (_WIDTH + _GAP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {_TOP + _HEIGHT + 44}" '
        'font-family="sans-serif" font-size="12" fill="#222">',
        '<rect width="100%" height="100%" fill="#fff"/>',
        *_legend(),
    ]
    for number, name in enumerate(AXES):
        points = [(size, spent) for axis, size, spent in all_found if axis == name]
        parts += _panel(_LEFT + number * (_WIDTH + _GAP), name, points, decades, ticks=not number)
    return "\n".join([*parts, "</svg>", ""])


def _legend() -> Iterator[str]:
    for number, (name, colour) in enumerate(_COLOURS.items()):
        x = _LEFT + 190 * number
        yield f'<line x1="{x}" x2="{x + 24}" y1="16" y2="16" stroke="{colour}" stroke-width="2.5"/>'
        yield f'<text x="{x + 30}" y="20">{_SHOWN[name]}</text>'
    said = "milliseconds of processor time, B=8 T=50 I=32 U=64 but for one"
    yield f'<text x="{_LEFT + 570}" y="20">{said}</text>'


def _panel(
    left: int, name: str, points: list[tuple[int, Cost]], decades: tuple[float, float], ticks: bool
) -> Iterator[str]:
    low, high = decades
    first, last = np.log10(points[0][0]), np.log10(points[-1][0])

    def x(size: float) -> float:
        return float(left + _WIDTH * (np.log10(size) - first) / (last - first))

    def y(milliseconds: float) -> float:
        return float(_TOP + _HEIGHT * (high - np.log10(milliseconds)) / (high - low))

    for decade in np.arange(low, high + 1):
        at = y(10.0**decade)
        yield f'<line x1="{left}" x2="{left + _WIDTH}" y1="{at:.1f}" y2="{at:.1f}" stroke="#ddd"/>'
        if ticks:
            yield f'<text x="{left - 8}" y="{at + 4:.1f}" text-anchor="end">{10.0**decade:g}</text>'
    for size, _ in points:
        below = _TOP + _HEIGHT + 16
        yield f'<text x="{x(size):.1f}" y="{below}" text-anchor="middle" font-size="10">{size}</text>'
    middle = left + _WIDTH / 2
    yield f'<text x="{middle}" y="{_TOP + _HEIGHT + 36}" text-anchor="middle">{LETTERS[name]}</text>'
    for part, colour in _COLOURS.items():
        line = " ".join(f"{x(size):.1f},{y(getattr(spent, part)):.1f}" for size, spent in points)
        yield f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2.5"/>'


def main() -> None:
    """Measure, print, and write the plot."""
    with threadpool_limits(1):
        found = list(measured())
    show(found)
    PLOT.parent.mkdir(exist_ok=True)
    PLOT.write_text(plot(found), encoding="utf-8")


if __name__ == "__main__":
    main()
