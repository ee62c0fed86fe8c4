"""What the selftest measured, in tables."""

from collections.abc import Iterable, Sequence

from rich.console import Console

from rnnparity.report.console import print_table
from rnnparity.selftest.measure import (
    IDEAL,
    IDEAL_WITHOUT_CELL,
    RULES,
    VERDICT,
    WITHOUT_CELL,
    LiveScore,
    Score,
)

_LEGEND = (
    "Of clean runs none should be noticed, of mistakes all. The ideal detector knows which weight.\n"
    "h only: where no cell states were observed."
)


def print_scores(scores: Iterable[Score], target: Console) -> None:
    """How many of each kind of mistake each detector notices, in percent."""
    detectors = (VERDICT, WITHOUT_CELL, IDEAL, IDEAL_WITHOUT_CELL, *RULES)
    lines = (name.replace(", ", " ").replace("_", "_ ").replace(" ", "\n") for name in detectors)
    header = ("noticed, of", "runs", *lines)
    rows = [
        [score.mistake, str(score.trials), *(_percent(score, name) for name in detectors)] for score in scores
    ]
    print_table(header, rows, target, right=range(1, len(header)))
    target.print(f"\n{_LEGEND}", style="dim")


def print_live(measured: Sequence[LiveScore], target: Console) -> None:
    """Print how many clean comparisons of real frameworks were accused, which none should be."""
    header = ("clean runs of", "comparisons", "accused", "chaotic", "error\n/ limit", "score\n/ limit")
    rows = [
        [
            live.api,
            str(live.comparisons),
            str(live.accused),
            str(live.chaotic),
            f"{live.error:.2f}",
            f"{live.score:.2f}",
        ]
        for live in measured
    ]
    print_table(header, rows, target, right=range(1, len(header)))


def _percent(score: Score, detector: str) -> str:
    if detector not in score.noticed:
        return "-"
    share = 100 * score.noticed[detector] / score.trials
    return f"{share:.1f} %" if 0 < share < 100 else f"{share:.0f} %"
