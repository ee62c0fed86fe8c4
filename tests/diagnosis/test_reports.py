"""Files made from public reports of mistakes, one of each."""

from collections import Counter

import pytest
from bench.cases import REFUSED, RIGHT, WRONG, files, outcome
from bench.reports import REPORTS

RIGHT_AT_LEAST = 0.92
"""The part of all files whose cause is named first and confirmed. Where all weights are others, little data
cannot tell which.
"""


@pytest.mark.slow
def test_of_each_report_a_file_is_diagnosed() -> None:
    done = [one for file in files(1) if (one := outcome(file)) is not None]
    assert len(done) > 0.9 * len(REPORTS)
    counts = Counter(one.outcome for one in done)
    assert not counts[WRONG], [one for one in done if one.outcome == WRONG]
    assert not counts[REFUSED], [one for one in done if one.outcome == REFUSED]
    assert counts[RIGHT] >= RIGHT_AT_LEAST * len(done), [one for one in done if one.outcome != RIGHT]
