"""Figures in JSON, which has no infinity, and in text."""

INFINITY = "infinity"


def number(value: float) -> float | str:
    """A figure as JSON can hold it."""
    return value if value < float("inf") else INFINITY


def shown(value: float | str, form: str = ".3g") -> str:
    """A figure as it came from JSON, in text; ``form`` is that of :func:`format`."""
    return value if isinstance(value, str) else format(value, form)
