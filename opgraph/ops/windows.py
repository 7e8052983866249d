"""Arithmetic of windows that slide over axes, and of dimensions that may be unknown.

Shared by the families of the op library; knows no op.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import cast

Dim = int | None


def count(dims: Iterable[Dim]) -> Dim:
    """Product of dimensions, or None while one is unknown.

    >>> count((3, 4)), count((3, None))
    (12, None)
    """
    total = 1
    for dim in dims:
        if dim is None:
            return None
        total *= dim
    return total


def volume(shape: Iterable[Dim]) -> int:
    """Number of elements of a shape whose dimensions are all known, as `flops` receives them.

    >>> volume((3, 4)), volume(())
    (12, 1)
    """
    return math.prod(cast("Iterable[int]", shape))


def divide(dim: Dim, by: int) -> Dim:
    """Whole-number division of a dimension that may be unknown."""
    return None if dim is None else dim // by


def multiply(dim: Dim, by: int) -> Dim:
    """Product of a dimension that may be unknown with a number."""
    return None if dim is None else dim * by


def add(*dims: Dim) -> Dim:
    """Sum of dimensions, or None while one is unknown."""
    total = 0
    for dim in dims:
        if dim is None:
            return None
        total += dim
    return total


def slide_axis(size: Dim, window: int, stride: int, padding: str, dilation: int = 1) -> Dim:
    """Number of positions of a window on one axis (Dumoulin & Visin 2016, arXiv:1603.07285).

    Raises:
        ValueError: the window is larger than the axis.

    >>> slide_axis(32, 3, 1, "same"), slide_axis(32, 3, 2, "valid")
    (32, 15)
    """
    if size is None:
        return None
    if padding in ("same", "causal"):
        return math.ceil(size / stride)
    extent = dilation * (window - 1) + 1
    if extent > size:
        raise ValueError(f"a window of {extent} does not fit into an axis of {size}")
    return (size - extent) // stride + 1


def slide(
    sizes: Sequence[Dim],
    window: Sequence[int],
    strides: Sequence[int],
    padding: str,
    dilation: Sequence[int] | None = None,
) -> tuple[Dim, ...]:
    """Number of positions of a window on each axis."""
    dilation = dilation or (1,) * len(sizes)
    rows = zip(sizes, window, strides, dilation, strict=True)
    return tuple(slide_axis(size, w, s, padding, d) for size, w, s, d in rows)
