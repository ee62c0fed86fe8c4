"""rnnparity: do these recurrent cells compute the same function, with the real frameworks running?

::

    import rnnparity

    case = rnnparity.make_case(seed=0, batch=8, steps=50, input_size=32, units=64)
    result = rnnparity.run(case, ["torch.nn.LSTM", "tf.nn.rnn_cell.LSTMCell"])
    print(result)
    assert result.agree
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from rnnparity.apis.api import Api as Api
    from rnnparity.apis.api import Live as Live
    from rnnparity.apis.api import Option as Option
    from rnnparity.apis.api import Target as Target
    from rnnparity.apis.selection import select as select
    from rnnparity.diagnosis.causes import Cause as Cause
    from rnnparity.live.result import Result as Result
    from rnnparity.live.result import Row as Row
    from rnnparity.live.runner import run as run
    from rnnparity.recordings.check import Check as Check
    from rnnparity.recordings.check import check as check
    from rnnparity.recordings.recording import Recording as Recording
    from rnnparity.recordings.stored import record as record
    from rnnparity.reference.case import Case as Case
    from rnnparity.reference.case import make_case as make_case
    from rnnparity.reference.network_case import NetworkCase as NetworkCase
    from rnnparity.reference.network_case import make_network as make_network
    from rnnparity.report.console import text as text
    from rnnparity_adapters.equation import Equation as Equation
    from rnnparity_adapters.layout import Layout as Layout
    from rnnparity_adapters.layout import Tensor as Tensor
    from rnnparity_adapters.layout import Weights as Weights

_HOMES = {
    "Api": "rnnparity.apis.api",
    "Case": "rnnparity.reference.case",
    "Cause": "rnnparity.diagnosis.causes",
    "Check": "rnnparity.recordings.check",
    "Equation": "rnnparity_adapters.equation",
    "Live": "rnnparity.apis.api",
    "Option": "rnnparity.apis.api",
    "Target": "rnnparity.apis.api",
    "Recording": "rnnparity.recordings.recording",
    "check": "rnnparity.recordings.check",
    "record": "rnnparity.recordings.stored",
    "Layout": "rnnparity_adapters.layout",
    "Result": "rnnparity.live.result",
    "Row": "rnnparity.live.result",
    "Tensor": "rnnparity_adapters.layout",
    "Weights": "rnnparity_adapters.layout",
    "NetworkCase": "rnnparity.reference.network_case",
    "make_case": "rnnparity.reference.case",
    "make_network": "rnnparity.reference.network_case",
    "run": "rnnparity.live.runner",
    "select": "rnnparity.apis.selection",
    "text": "rnnparity.report.console",
}
__all__ = list(_HOMES)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    """Import on first use: ``rnnparity --help`` must not wait for numpy."""
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
