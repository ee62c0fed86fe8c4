"""Sizes in which nothing is symmetric, zero or equal, and what runs cases live."""

from collections.abc import Callable
from typing import TypedDict

from rnnparity import Result


class Sizes(TypedDict):
    """The sizes of a case, by the names that :func:`rnnparity.make_case` has for them."""

    batch: int
    steps: int
    input_size: int
    units: int


SIZES = Sizes(batch=3, steps=7, input_size=5, units=4)

RunLive = Callable[..., Result]
"""The fixture ``live``: as ``rnnparity.run``, where the real frameworks are."""
