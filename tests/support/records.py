"""The records of the layouts: one for each way of storing a cell."""

from rnnparity_adapters import archived_layouts, layouts
from rnnparity_adapters.layout import Layout

RECORDS = {
    name: record
    for module in (layouts, archived_layouts)
    for name, record in vars(module).items()
    if isinstance(record, Layout)
}
"""By name."""
