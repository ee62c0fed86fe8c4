"""What an installation brings, and that it cannot break anybody's environment."""

import ast
import importlib.metadata
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from rnnparity.environments import cache, declarations

ROOT = Path(__file__).parents[2]


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


def test_the_wheel_brings_two_packages_and_nothing_else(wheel: list[str]) -> None:
    top = {name.partition("/")[0] for name in wheel}
    version = importlib.metadata.version("rnnparity")
    assert top == {"rnnparity", "rnnparity_adapters", f"rnnparity-{version}.dist-info"}
    data = {"environments.toml", "schema.json", "py.typed", "page.html", "page.css", "page.js"}
    assert data <= {Path(name).name for name in wheel}


def test_the_adapters_import_no_harness_and_are_python_3_7() -> None:
    """Parsed by the interpreter of TensorFlow 1.15 itself."""
    adapters = sorted((ROOT / "adapters").rglob("*.py"))
    assert len(adapters) > 10
    python = str(cache.ensure(declarations.declared()["tf1"]))
    check = (
        "import ast, sys; print(sys.version_info[:2]); [ast.parse(open(p).read(), p) for p in sys.argv[1:]]"
    )
    done = subprocess.run(
        [python, "-c", check, *map(str, adapters)], check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == "(3, 7)"
    for adapter in adapters:
        for node in ast.walk(ast.parse(adapter.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            assert not [name for name in names if name.partition(".")[0] == "rnnparity"], adapter


def test_newer_syntax_would_be_noticed(tmp_path: Path) -> None:
    (tmp_path / "new.py").write_text("if (n := 1): pass\n")
    python = str(cache.ensure(declarations.declared()["tf1"]))
    command = [python, "-c", "import ast, sys; ast.parse(open(sys.argv[1]).read())", str(tmp_path / "new.py")]
    assert subprocess.run(command, check=False, capture_output=True).returncode != 0
