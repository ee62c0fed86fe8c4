"""Number formats: float64 and float32 values rounded to what a coarser format can hold."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Rounding = Callable[[NDArray[Any]], NDArray[Any]]
"""An array ``[...]`` -> the same rounded, of the same shape and dtype."""


def _keep_bits(bits: int) -> Rounding:
    """A rounding, half to even, that keeps the first ``bits`` bits of the mantissa of a float32."""
    drop = 23 - bits  # a float32 stores 23 bits of mantissa

    def rounded(values: NDArray[Any]) -> NDArray[Any]:
        whole = np.ascontiguousarray(values, np.float32).view(np.uint32)
        half = np.uint32((1 << (drop - 1)) - 1) + ((whole >> np.uint32(drop)) & np.uint32(1))
        kept = ((whole + half) & np.uint32(0xFFFFFFFF << drop & 0xFFFFFFFF)).view(np.float32)
        return kept.astype(np.asarray(values).dtype)

    return rounded


def _cast(dtype: str) -> Rounding:
    return lambda values: values.astype(dtype).astype(values.dtype)


ROUNDED: Mapping[str, Rounding] = {
    "float64": _cast("float64"),
    "float32": _cast("float32"),
    "tf32": _keep_bits(10),
    "float16": _cast("float16"),
    "float16-float32": _cast("float16"),
    "bfloat16": _keep_bits(7),
    "bfloat16-float32": _keep_bits(7),
}
"""How each arithmetic of :data:`rnnparity.reference.noise.ARITHMETICS` rounds what it stores or multiplies.

Source: round half to even is the default of IEEE 754. bfloat16 keeps 7 bits of mantissa and TF32 10:
https://docs.nvidia.com/cuda/parallel-thread-execution/#alternate-floating-point-data-formats
"""
