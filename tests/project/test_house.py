"""What may import what, beside the layers that import-linter keeps: the harness runs beside any framework."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
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
    modules = sorted((ROOT / "harness").rglob("*.py"))
    assert len(modules) > 50
    for path in modules:
        assert not FRAMEWORKS & set(imported(path.read_text("utf-8"))), path


def test_the_adapters_import_no_harness() -> None:
    adapters = sorted((ROOT / "adapters").rglob("*.py"))
    assert len(adapters) > 10
    for path in adapters:
        assert "rnnparity" not in set(imported(path.read_text("utf-8"))), path


def test_an_import_inside_a_function_would_be_noticed() -> None:
    assert set(imported("def f():\n    from torch import nn\nimport keras.layers\n")) == {"torch", "keras"}
