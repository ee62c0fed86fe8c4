import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from support.small_environments import SMALL, cache_folder, folders, make_wheel, version

from rnnparity.environments import cache, uv_command
from rnnparity.errors import Unavailable

__all__ = ["cache_folder"]  # a fixture
pytestmark = pytest.mark.usefixtures("cache_folder")


@pytest.mark.parametrize(
    ("python", "remedy"),
    [
        (
            "==3.4.*",
            "pyenv install 3.4, or conda create -n py34 python=3.4 with its bin folder on PATH",
        ),
        ("==3.10.*", "uv python install 3.10"),
    ],
)
def test_no_interpreter(
    python: str, remedy: str, tmp_path: Path, cache_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS", "never")
    monkeypatch.setenv("UV_PYTHON_INSTALL_DIR", str(tmp_path / "pythons"))
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    with pytest.raises(Unavailable) as caught:
        cache.ensure(replace(SMALL, python=python))
    assert f"No interpreter found for Python {python}" in caught.value.reason
    assert caught.value.remedy == remedy
    assert folders(cache_folder) == []


def test_an_impossible_python_on_this_machine_as_it_is() -> None:
    with pytest.raises(Unavailable, match="No interpreter found"):
        cache.ensure(replace(SMALL, python="==3.4.*"))


def test_what_cannot_be_installed_says_why(cache_folder: Path) -> None:
    with pytest.raises(Unavailable) as caught:
        cache.ensure(replace(SMALL, requirements=("tiny==99",)))
    assert "tiny==99" in caught.value.reason
    assert "unsatisfiable" in caught.value.reason
    assert caught.value.remedy == "rnnparity envs build small"
    assert folders(cache_folder) == []


def test_find_links_go_before_the_torch_backend_and_gaps_in_local_indexes_do_no_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_wheel(tmp_path / "wheels", "torch", "0.0.1")
    index = tmp_path / "simple"
    index.mkdir()
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", index.as_uri())
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", f"{index.as_uri()} {(tmp_path / 'absent').as_uri()}")
    monkeypatch.setenv("PIP_FIND_LINKS", f"{tmp_path / 'absent'} {tmp_path / 'wheels'}")
    environment = replace(SMALL, requirements=("tiny", "torch==0.0.1"), torch_backend="cpu")
    assert version(cache.ensure(environment)).startswith("1.5 ")


def test_a_project_in_the_current_folder_or_above_the_cache_does_not_interfere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "uv.toml").write_text("nonsense")
    (tmp_path / ".python-version").write_text("2.7")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VIRTUAL_ENV", str(tmp_path / "absent"))
    monkeypatch.setenv("UV_SYSTEM_PYTHON", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", "wheels")
    assert version(cache.ensure(SMALL)).startswith("1.5 ")


def test_pyenv_serves_versions_that_its_shims_refuse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "pyenv"
    (root / "versions" / "2.7.18" / "bin").mkdir(parents=True)
    (root / "versions" / "3.5.10" / "bin").mkdir(parents=True)
    installed = root / "versions" / f"{sys.version_info.major}.{sys.version_info.minor}.0"
    installed.symlink_to(sys.base_prefix)
    (root / "shims").mkdir()
    for name in ("python", "python3", f"python3.{sys.version_info.minor}"):
        (root / "shims" / name).write_text("#!/bin/sh\nexit 127\n")
        (root / "shims" / name).chmod(0o755)
    monkeypatch.setenv("PYENV_ROOT", str(root))
    monkeypatch.setenv("PATH", os.pathsep.join([str(root / "shims"), str(tmp_path)]))
    monkeypatch.setenv("UV_PYTHON_PREFERENCE", "only-system")
    assert uv_command.search_path() == os.pathsep.join([str(tmp_path), str(installed / "bin")])
    assert version(cache.ensure(SMALL)).startswith("1.5 ")


def test_a_conda_environment_serves_with_its_bin_folder_on_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    conda = tmp_path / "envs" / "py3"
    (conda / "conda-meta").mkdir(parents=True)
    for installed in Path(sys.base_prefix).iterdir():
        (conda / installed.name).symlink_to(installed)
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    monkeypatch.setenv("PATH", str(conda / "bin"))
    monkeypatch.setenv("UV_PYTHON_PREFERENCE", "only-system")
    python = cache.ensure(SMALL)
    assert version(python).startswith("1.5 ")
    assert f"home = {conda / 'bin'}\n" in (python.parents[1] / "pyvenv.cfg").read_text("utf-8")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (
            "Resolved 1\nerror: Request failed\n  cause: Failed to fetch\n  cause: dns\n  cause: no name\n",
            "Request failed: Failed to fetch: no name.",
        ),
        (
            "  \N{MULTIPLICATION SIGN} No solution:\n  ╰─▶ Because there is\n      no tiny.\n\n      hint: x",
            "No solution: Because there is no tiny.",
        ),
        (
            "error: Failed to build\n  cause: A backend\n\n  [stderr]\n  E: x\n\n  E: gcc\n\nhint: think",
            "Failed to build: A backend: E: gcc.",
        ),
        ("warning: odd", ""),
    ],
)
def test_the_reason_is_what_failed_and_why(said: str, expected: str) -> None:
    assert uv_command.reason(said.splitlines()) == expected
