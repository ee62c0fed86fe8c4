"""Trajectories that were printed somewhere."""

import csv
from pathlib import Path

import numpy as np

FIXTURES = Path(__file__).parents[2] / "fixtures"


def table(name: str) -> dict[str, np.ndarray]:
    """A table of the fixtures: column of a trajectory -> ``[B=1, T, U]`` float32."""
    with (FIXTURES / name).open() as lines:
        rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    sources = dict.fromkeys(row["source"] for row in rows)
    return {
        source: np.array(
            [[[float(row[f"unit {u}"]) for u in range(3)] for row in rows if row["source"] == source]],
            "float32",
        )
        for source in sources
    }
