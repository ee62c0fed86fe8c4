"""A figure in JSON, which has no infinity, and in text."""


def number(value: float) -> float | str:
    """For JSON."""
    return value if value < float("inf") else "infinity"


def shown(value: float | str, form: str = ".3g") -> str:
    """A figure of JSON in text, in a ``form`` of :func:`format`."""
    return value if isinstance(value, str) else format(value, form)
