"""The records of ``layouts.py``: one for each way of storing a cell."""

from rnnparity_adapters import layouts
from rnnparity_adapters.layout import Layout

RECORDS = {name: record for name, record in vars(layouts).items() if isinstance(record, Layout)}
"""By name."""
