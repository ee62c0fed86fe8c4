"""A trajectory against the one that was recorded before."""

import datetime
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import rnnparity
from rnnparity.apis.api import Target
from rnnparity.errors import InputError, Unwritable
from rnnparity.files import npz
from rnnparity.judge import compare, comparison
from rnnparity.live import fitting, own_cell
from rnnparity.live.result import Run
from rnnparity.printable import one_line
from rnnparity.recordings.meta import read_meta, write_meta
from rnnparity.recordings.recording import STATES
from rnnparity.reference.noise import Array
from rnnparity.report import failure_text
from rnnparity_adapters.adapter import CELL, HIDDEN, STEPPED_HIDDEN
from rnnparity_adapters.equation import Equation

_GIVEN = ("inputs", "initial_hidden", "initial_cell")


@dataclass(frozen=True)
class Taken:
    """A trajectory to be recorded or compared: ``arrays`` and ``meta`` as in a recording, of which only
    ``hidden`` need be there.

    ``noise`` has the standard error of ``hidden`` and ``cell`` where it is known.
    """

    arrays: dict[str, np.ndarray]
    meta: dict[str, Any]
    noise: dict[str, Array] = field(default_factory=dict)


def take(given: Any, seed: int, **sizes: Any) -> Taken:
    """What is to be recorded: arrays by name, ``hidden`` ``[B, T, U]`` among them, or a layer, which runs
    with its own weights the case of ``seed`` and ``sizes``.
    """
    if isinstance(given, Mapping):
        arrays = {name: np.asarray(array) for name, array in given.items()}
        if HIDDEN not in arrays:
            raise InputError("trajectory", sorted(arrays), "arrays with hidden [B, T, U] among them")
        return Taken(
            arrays, {"provenance": _provenance({"numpy": np.__version__}, platform.python_version())}
        )
    target = own_cell.layer_target(given)
    if target is None:
        raise InputError("trajectory", type(given).__name__, "arrays by name, or a layer of PyTorch or Keras")
    run = next(own_cell.run(given, None, seed, **sizes))
    return of_run(target, run, own_cell.version(target), platform.python_version())


def of_run(target: Target, run: Run, version: str, python: str) -> Taken:
    """A run of a row in a ``version`` under a ``python``, with everything needed to run it again.

    Raises :class:`~rnnparity.errors.InputError` for a run without a trajectory.
    """
    if run.observed is not None and run.reference is None:
        raise InputError("run", "that of a network", "one layer in one direction: others are not stored yet")
    if run.observed is None or run.reference is None:
        raise InputError("run", run.comparison.reason or "no trajectory", "one that kept its trajectory")
    case, reference = run.reference.case, run.reference
    native = fitting.native(target, case)
    arrays = {
        **{name: getattr(case, name) for name in _GIVEN if getattr(case, name).size},
        **{name: run.observed[name] for name in STATES if name in run.observed},
        **{f"weights/{name}": tensor for name, tensor in native.items()},
    }
    unusual = {name: value for name, value in vars(case.equation).items() if value != getattr(Equation, name)}
    described = {"seed": case.seed, "direction": run.direction, **unusual}
    meta = {
        "api": target.name,
        "options": target.given(case.equation, case.initial_hidden.shape[1]),
        "version": version,
        "provenance": _provenance({target.live.package: version}, python) | {"case": described},
    }
    noise = {HIDDEN: reference.hidden_noise, CELL: reference.cell_noise}
    return Taken(arrays, meta, noise | {STEPPED_HIDDEN: reference.hidden_noise})


def differences(taken: Taken, stored: Taken) -> list[str]:
    """What is wrong with a trajectory, given the one recorded; empty if nothing is."""
    if set(taken.arrays) != set(stored.arrays):
        return [f"the recording has {sorted(stored.arrays)}, but now there are {sorted(taken.arrays)}"]
    given, states = [], []
    for name, array in taken.arrays.items():
        was = stored.arrays[name]
        if name not in STATES:
            if (array.dtype, array.shape) != (was.dtype, was.shape) or not np.array_equal(array, was):
                given.append(f"{name} is not what was recorded: another case, or other weights")
            continue
        compared = compare.compare_recorded(array, was, taken.noise.get(name), name)
        if compared.verdict != comparison.AGREE:
            states.append(compared.reason)
            for difference in compared.differences:
                states += [f"    {line}" for line in failure_text.around(difference, array, was)]
    return given + states


def changed_provenance(taken: Taken, stored: Taken) -> list[str]:
    """What has changed about where the trajectory comes from, the date apart."""
    was, now = (_flat(meta.get("provenance", {})) for meta in (stored.meta, taken.meta))
    return [
        one_line(f"{name}: recorded with {was.get(name, 'none')}, now {now.get(name, 'none')}")
        for name in sorted(was | now)
        if name != "date" and was.get(name) != now.get(name)
    ]


def record(taken: Taken, path: Path) -> None:
    """Write a trajectory as the one to compare with; its folder is made.

    Raises :class:`~rnnparity.errors.Unwritable`.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Unwritable(path, error.strerror) from None
    npz.write_npz(path, {**taken.arrays, "meta": write_meta(taken.meta)})


def read_stored(path: Path) -> Taken:
    """What was recorded. Raises :class:`~rnnparity.errors.InputError` for a file that is no recording."""
    arrays = npz.read_npz(path)
    return Taken(arrays, read_meta(arrays.pop("meta", None)))


def _provenance(versions: dict[str, str], python: str) -> dict[str, Any]:
    return {
        "versions": {"rnnparity": rnnparity.__version__, **versions},
        "platform": f"{platform.system()} {platform.machine()}",
        "python": python,
        "date": datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
    }


def _flat(nested: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in nested.items():
        flat |= _flat(value, f"{prefix}{name} ") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return flat
