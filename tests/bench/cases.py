"""Recordings of real mistakes, diagnosed: what part has the right cause, confirmed.

cd tests && python -m bench.cases [--files N] [--only W010 ...] [--list]

The mistakes are those of public reports that one layer of one direction can hold. Each is made in several
sizes and apis, with and without cell states, from zero and given states, from weights as frameworks
initialise them, and some with lengths.
"""

import argparse
import os
import time
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from support.planted_recordings import forget_bias_of
from support.writer import Arrays, expressed, written
from threadpoolctl import threadpool_limits

import rnnparity
from bench.reports import REPORTS, Report
from rnnparity import Case
from rnnparity.apis.api import Api
from rnnparity.apis.catalogue import APIS
from rnnparity.diagnosis.causes import CONFIRMED
from rnnparity.errors import InputError
from rnnparity.judge.comparison import AGREE, CHAOTIC
from rnnparity.recordings.check import check
from rnnparity.recordings.recording import from_arrays
from rnnparity.report.console import console, print_table
from rnnparity.selftest import plain_cells
from rnnparity.selftest.plain_cells import Trajectory
from rnnparity.selftest.planted_weights import split
from rnnparity_adapters.layout import LayoutError, Weights

SIZES: Sequence[dict[str, Any]] = (
    {"batch": 3, "steps": 8, "input_size": 5, "units": 6},
    {"batch": 4, "steps": 12, "input_size": 8, "units": 8},
    {"batch": 2, "steps": 6, "input_size": 3, "units": 4},
    {"batch": 1, "steps": 25, "input_size": 6, "units": 10},
    {"batch": 5, "steps": 20, "input_size": 16, "units": 16},
    {"batch": 8, "steps": 30, "input_size": 12, "units": 32},
)
RIGHT, SUSPECTED, UNKNOWN, WRONG, REFUSED, MISSED = (
    "right", "suspect", "unknown", "wrong", "refused", "missed",
)  # fmt: skip
"""Right and confirmed; right and a suspect; no cause; another cause, confirmed; no recording; no divergence.
A mistake that changes nothing is right where the verdict is that it agrees.
"""


class File(NamedTuple):
    """One file: its report, the api and the seed."""

    report: str
    api: str
    seed: int


class Outcome(NamedTuple):
    """What became of one file; ``said`` is the first cause or the reason, ``seconds`` the time it took."""

    file: File
    outcome: str
    said: str
    seconds: float


def initialised(case: Case, how: int, random: np.random.RandomState) -> Case:
    """The case with weights as drawn (0), as PyTorch initialises them (1) or as Keras does (2)."""
    kernel, bias = case.weights
    if how == 1:  # https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTM.html
        limit = 1 / np.sqrt(case.units)
        kernel, bias = (random.uniform(-limit, limit, a.shape).astype("float32") for a in (kernel, bias))
    if how == 2:  # https://keras.io/api/layers/recurrent_layers/lstm/
        square, _ = np.linalg.qr(random.standard_normal((kernel.shape[1], len(kernel) - case.input_size)))
        kernel = kernel.copy()
        kernel[case.input_size :] = square.T
        forget = np.repeat([gate == "f" for gate in case.kind.bias_gates], case.units)
        stored = forget if case.equation.forget_bias == 0 else 0 * forget
        bias = stored.astype("float32")
    return replace(case, weights=Weights(kernel, bias))


def arrays_of(file: File) -> Arrays | None:
    """The arrays of the file; None where the api cannot express what the report claims."""
    report, api = REPORTS[file.report], APIS[file.api]
    random = np.random.RandomState((file.seed * 7919 + zlib.crc32(f"{file[:2]}".encode())) % 2**32)
    sizes = SIZES[file.seed % len(SIZES)]
    equation = api.equation(report.options)
    case = rnnparity.make_case(
        int(random.randint(2**31)), cell=equation.cell, forget_bias=forget_bias_of(equation), **sizes
    )
    layout = api.layout_for(equation)
    case = replace(case, equation=equation)
    case = initialised(case, int(random.randint(3)) if report.any_weights else 0, random)
    if random.rand() < 0.5 and not report.needs_state:
        case = replace(case, initial_hidden=0 * case.initial_hidden, initial_cell=0 * case.initial_cell)
    if "m" in case.kind.bias_gates and not any("m" in tensor.gates for tensor in layout.biases):
        bias = case.weights.bias.reshape(len(case.kind.bias_gates), -1).copy()
        bias[-1] = 0
        case = replace(case, weights=Weights(case.weights.kernel, bias.reshape(-1)))
    two = len([t for t in layout.biases if len(t.gates) == len(case.gates)]) == 2
    shares = split(case, two)
    claimed = report.claim(case, shares, random)
    lengths = random.randint(1, claimed.steps + 1, claimed.batch) if report.lengths(random) else None
    if lengths is not None:
        lengths[0] = random.randint(1, claimed.steps)  # one row at least is shorter
        if claimed.batch > 1:
            lengths[-1] = claimed.steps
    made = report.make(claimed, shares, random, lengths)
    if report.ids and lengths is None and np.array_equal(made.hidden, plain_cells.run(claimed).hidden):
        return None  # it changes nothing here
    return stored(api, report, claimed, made, lengths, hidden_only=random.rand() < 0.5)


def stored(
    api: Api, report: Report, case: Case, made: Trajectory, lengths: np.ndarray | None, hidden_only: bool
) -> Arrays | None:
    """The arrays as the api would write them, in its own order of steps."""
    options = expressed(api, case.equation)
    layout = api.layout_for(case.equation)
    extras = ((case.peepholes, layout.peepholes), (case.projection, layout.projection))
    if options is None or any(values is not None and not tensors for values, tensors in extras):
        return None
    if report.clips and case.has_cell_state:
        hidden_only = False
    try:
        cell = None if hidden_only or not case.has_cell_state else made.cell
        arrays = written(api, case, made.hidden, cell, {**options, **report.options})
    except LayoutError:
        return None
    order = api.order(report.options)
    if lengths is not None:
        arrays["lengths"] = lengths
    if order.backwards:
        arrays["inputs"] = turned(arrays["inputs"], lengths)
        for name in {"hidden", "cell"} & set(arrays):
            if order.turned_back:
                arrays[name] = turned(arrays[name], lengths)
            elif lengths is not None:  # Keras reads the padding first, and skips it
                steps = case.steps
                rows = [np.roll(row, steps - n, 0) for row, n in zip(arrays[name], lengths, strict=True)]
                arrays[name] = np.stack(rows)
    return arrays


def turned(sequence: np.ndarray, lengths: np.ndarray | None) -> np.ndarray:
    """``[B, T, ...]`` with each row turned within its length."""
    if lengths is None:
        return sequence[:, ::-1].copy()
    made = sequence.copy()
    for row, length in enumerate(lengths):
        made[row, :length] = sequence[row, :length][::-1]
    return made


def outcome(file: File) -> Outcome | None:
    """Diagnose the file; None where there is none."""
    report, start = REPORTS[file.report], time.perf_counter()
    try:
        arrays = arrays_of(file)
        if arrays is None:
            return None
        start = time.perf_counter()
        found = check(from_arrays(arrays))
    except InputError as error:
        return Outcome(file, REFUSED, str(error), time.perf_counter() - start)
    seconds = time.perf_counter() - start
    if not report.ids or found.verdict in (AGREE, CHAOTIC):
        is_right = not report.ids and found.verdict in (AGREE, CHAOTIC)
        said = "; ".join(c.id for c in found.causes) or found.verdict
        return Outcome(file, RIGHT if is_right else MISSED if report.ids else WRONG, said, seconds)
    first = found.causes[0]
    named = {cause.id for cause in found.causes if cause.status == first.status}
    said = f"{first.id} ({first.status}): {first.detail[:90]}"
    if first.id in report.ids or (first.status == CONFIRMED and named & set(report.ids)):
        return Outcome(file, RIGHT if first.status == CONFIRMED else SUSPECTED, said, seconds)
    if first.status == CONFIRMED:
        return Outcome(file, WRONG, said, seconds)
    hit = {cause.id for cause in found.causes} & set(report.ids)
    return Outcome(file, SUSPECTED if hit else UNKNOWN, said, seconds)


def files(count: int, only: Sequence[str] = ()) -> Iterator[File]:
    """``count`` files of each report, of all its apis in turn."""
    for name, report in REPORTS.items():
        if only and not any(name.startswith(one) for one in only):
            continue
        for seed in range(count):
            yield File(name, report.apis[seed % len(report.apis)], seed)


def main() -> None:
    """Make the files, diagnose them, count."""
    parser = argparse.ArgumentParser(prog="python -m bench.cases", description=__doc__)
    parser.add_argument("--files", type=int, default=18, metavar="N", help="of each report")
    parser.add_argument("--only", nargs="+", default=(), metavar="REPORT", help="such as W010")
    parser.add_argument("--list", action="store_true", help="print each file that is not right")
    options = parser.parse_args()
    chosen = list(files(options.files, options.only))
    with ProcessPoolExecutor(os.cpu_count(), initializer=threadpool_limits, initargs=(1,)) as pool:
        done = [one for one in pool.map(outcome, chosen, chunksize=4) if one is not None]
    print_outcomes(done)
    if options.list:
        for one in done:
            if one.outcome != RIGHT:
                print(f"{one.outcome}: {one.file.report} {one.file.api} {one.file.seed}: {one.said}")


def print_outcomes(done: Sequence[Outcome]) -> None:
    """By report, and all together."""
    by_report: dict[str, list[Outcome]] = defaultdict(list)
    for one in done:
        by_report[one.file.report].append(one)
    every = (RIGHT, SUSPECTED, UNKNOWN, WRONG, REFUSED, MISSED)
    rows = []
    for name, some in by_report.items():
        counts = Counter(one.outcome for one in some)
        said = Counter(one.said[:60] for one in some if one.outcome != RIGHT).most_common(1)
        rows.append([name, *(str(counts[each] or "") for each in every), said[0][0] if said else ""])
    header = ["report", *every, "most often instead"]
    print_table(header, rows, console(), right=range(1, len(every) + 1))
    counts = Counter(one.outcome for one in done)
    parts = ", ".join(f"{each} {counts[each]} ({counts[each] / len(done):.1%})" for each in every)
    seconds = np.array([one.seconds for one in done])
    print(f"\n{len(done)} files: {parts}")
    print(f"seconds: mean {seconds.mean():.3f}, largest {seconds.max():.2f}")


if __name__ == "__main__":
    main()
