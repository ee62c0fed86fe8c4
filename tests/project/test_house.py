"""What the harness may import: no framework anywhere, so that it runs beside any of them."""

import ast
from collections.abc import Iterator
from pathlib import Path

HARNESS = Path(__file__).parents[2] / "harness" / "rnnparity"
FRAMEWORKS = {
    "chainer", "equinox", "flax", "haiku", "jax", "keras", "mxnet", "nnabla", "onnx", "onnxruntime", "paddle",
    "tensorflow", "tf_keras", "torch",
}  # fmt: skip


def imported(source: str) -> Iterator[str]:
    """The top-level packages that a module imports, at its top or inside of functions."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield (node.module or "").partition(".")[0]


def test_the_harness_imports_no_framework() -> None:
    modules = sorted(HARNESS.rglob("*.py"))
    assert len(modules) > 50
    for path in modules:
        assert not FRAMEWORKS & set(imported(path.read_text("utf-8"))), path


def test_an_import_inside_a_function_would_be_noticed() -> None:
    assert set(imported("def f():\n    from torch import nn\nimport keras.layers\n")) == {"torch", "keras"}
