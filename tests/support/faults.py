"""The adapters with a planted fault, as apis that can be run."""

from pathlib import Path

from rnnparity_adapters import layouts
from rnnparity_adapters.registry import Api

FAULTY_ADAPTERS = Path(__file__).with_name("faulty_adapters.py")


def fault(name: str, adapters: Path = FAULTY_ADAPTERS) -> Api:
    """The api whose adapter is the class ``name`` of a file."""
    return Api(f"faults.{name}", "numpy", "numpy", f"{adapters}:{name}", layouts.CANONICAL)
