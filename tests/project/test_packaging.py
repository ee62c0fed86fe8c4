"""What an installation brings, and that it cannot break anybody's environment."""

import importlib.metadata
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from support import needs

ROOT = Path(__file__).parents[2]
ADAPTERS = sorted((ROOT / "adapters").rglob("*.py"))
FOREIGN_RECORDINGS = ROOT / "tests" / "support" / "foreign_recordings.py"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("wheel")
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--no-deps",
        "--quiet",
        "--wheel-dir",
        str(folder),
        str(ROOT),
    ]
    subprocess.run(command, check=True)
    (built,) = folder.iterdir()
    return zipfile.ZipFile(built).namelist()


@pytest.mark.slow
def test_the_wheel_brings_two_packages_and_nothing_else(wheel: list[str]) -> None:
    top = {name.partition("/")[0] for name in wheel}
    version = importlib.metadata.version("rnnparity")
    assert top == {"rnnparity", "rnnparity_adapters", f"rnnparity-{version}.dist-info"}
    data = {"environments.toml", "schema.json", "py.typed", "page.html", "page.css", "page.js"}
    assert data <= {Path(name).name for name in wheel}


def vermin() -> list[str]:
    """A tool that knows what came with which Python, and needs none of them."""
    main = "import vermin; vermin.main()"
    return [sys.executable, "-c", main, "--no-config-file", "--target=3.7-", "--violations"]


def python_3_7() -> list[str]:
    """The interpreter of TensorFlow 1.15 itself."""
    parse = "[ast.parse(open(path, 'rb').read(), path) for path in sys.argv[1:]]"
    main = f"import ast, sys; assert sys.version_info[:2] == (3, 7); {parse}"
    return [str(needs.environment("tf1")), "-c", main]


each_parser = pytest.mark.parametrize(
    "parser", [vermin, pytest.param(python_3_7, marks=pytest.mark.frameworks)]
)


def parsed(parser: Callable[[], list[str]], *files: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*parser(), *map(str, files)], check=False, capture_output=True, text=True)


@each_parser
def test_what_tensorflow_1_runs_is_python_3_7(parser: Callable[[], list[str]]) -> None:
    assert len(ADAPTERS) > 10
    done = parsed(parser, *ADAPTERS, FOREIGN_RECORDINGS)
    assert done.returncode == 0, done.stdout + done.stderr


@each_parser
@pytest.mark.parametrize(
    "line", ["if (n := 1): pass", "def f(a, /): pass", "with (open('a') as f, open('b')): pass"]
)
def test_newer_syntax_is_noticed(parser: Callable[[], list[str]], line: str, tmp_path: Path) -> None:
    (tmp_path / "new.py").write_text(f"{line}\n")
    done = parsed(parser, tmp_path / "new.py")
    assert done.returncode == 1
    assert "new.py" in done.stdout + done.stderr
