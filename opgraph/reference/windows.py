"""Windows that slide over the spatial axes of a map, with TensorFlow's way of padding.

Shared by convolutions, transposed convolutions and pools; maps are channels-last here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from opgraph.reference.computed import Array


def borders(size: int, window: int, stride: int, dilation: int, padding: str) -> tuple[int, int]:
    """Numbers added before and after an axis.

    `same` adds as many as let the window stand at every stride-th place; of an odd number the one
    more stands behind (tensorflow.org/api_docs/python/tf/nn#same_padding_2). `causal` adds all in
    front.

    >>> borders(6, 3, 2, 1, "same"), borders(6, 3, 1, 1, "causal"), borders(6, 3, 2, 1, "valid")
    ((0, 1), (2, 0), (0, 0))
    """
    extent = dilation * (window - 1) + 1
    if padding == "valid":
        return 0, 0
    if padding == "causal":
        return extent - 1, 0
    total = max((-(-size // stride) - 1) * stride + extent - size, 0)
    return total // 2, total - total // 2


@dataclass(frozen=True)
class Windows:
    """Where windows stand on a map.

    Attributes:
        sizes: spatial sizes of the map.
        window: numbers in a window along each axis.
        strides: from one window to the next.
        dilation: from one number of a window to the next.
        padding: `same`, `valid` or `causal`.
    """

    sizes: tuple[int, ...]
    window: tuple[int, ...]
    strides: tuple[int, ...]
    dilation: tuple[int, ...]
    padding: str

    @property
    def borders(self) -> list[tuple[int, int]]:
        """Numbers added before and after each axis."""
        rows = zip(self.sizes, self.window, self.strides, self.dilation, strict=True)
        return [borders(size, w, s, d, self.padding) for size, w, s, d in rows]

    @property
    def positions(self) -> tuple[int, ...]:
        """Number of windows along each axis."""
        rows = zip(self.sizes, self.borders, self.window, self.strides, self.dilation, strict=True)
        return tuple(
            (size + sum(edge) - (d * (w - 1) + 1)) // s + 1 for size, edge, w, s, d in rows
        )

    def offsets(self) -> Iterator[tuple[int, ...]]:
        """All places inside a window, the last axis fastest."""
        return np.ndindex(*self.window)

    def pad(self, x: Array, value: float = 0.0) -> Array:
        """The map with its border."""
        return np.pad(x, [(0, 0), *self.borders, (0, 0)], constant_values=value)

    def unpad(self, padded: Array) -> Array:
        """The map without its border."""
        rows = zip(self.borders, self.sizes, strict=True)
        inner = [slice(before, before + size) for (before, _), size in rows]
        return padded[(slice(None), *inner)]

    def seen_at(self, offset: Sequence[int]) -> tuple[slice, ...]:
        """Index of what stands at one place inside each of the windows, in the padded map."""
        rows = zip(offset, self.dilation, self.strides, self.positions, strict=True)
        starts = [(place * d, s, many) for place, d, s, many in rows]
        return (
            slice(None),
            *(slice(start, start + (many - 1) * s + 1, s) for start, s, many in starts),
        )


def channels_last(x: Array, data_format: str) -> Array:
    """The map with its channels at the end."""
    return np.moveaxis(x, 1, -1) if data_format == "channels_first" else x


def as_given(x: Array, data_format: str) -> Array:
    """A map with its channels at the end, brought back to the data format."""
    return np.moveaxis(x, -1, 1) if data_format == "channels_first" else x
