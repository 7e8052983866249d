"""Pools whose windows are chosen so that the output has a given size.

Window i of an axis of n numbers, cut into m, reaches from floor(i n / m) to ceil((i + 1) n / m).
FLOPs: one for each number that is read; the division of a mean is left out.
"""

from __future__ import annotations

import math
from typing import Any

from opgraph.ops.checks import pair, single, triple
from opgraph.ops.library.axes import DataFormat, apart, together
from opgraph.ops.registry import op
from opgraph.ops.spec import Op, Reach, Shape, attr


def _shape(
    self: AdaptivePool,
    x: Shape,
) -> Shape:
    _, channels = apart(self, x, len(self.output_size), self.data_format)
    return together(self.output_size, channels, self.data_format)


def numbers_read(size: int, windows: int) -> int:
    """Numbers that the windows of one axis read, those in two windows counted twice.

    >>> numbers_read(8, 4), numbers_read(7, 3)
    (8, 9)
    """
    return sum(-(-(i + 1) * size // windows) - i * size // windows for i in range(windows))


def _flops(
    self: AdaptivePool,
    x: tuple[int, ...],
) -> int:
    spatial, channels = apart(self, x, len(self.output_size), self.data_format)
    rows = zip(spatial, self.output_size, strict=True)
    return (channels or 0) * math.prod(numbers_read(size or 0, many) for size, many in rows)


def _reach(
    self: AdaptivePool,
    x: Shape,
) -> Reach | None:
    """Regular windows only where the sizes divide."""
    spatial, _ = apart(self, x, len(self.output_size), self.data_format)
    rows = list(zip(spatial, self.output_size, strict=True))
    if any(size is None or size % many for size, many in rows):
        return None
    window = tuple((size or 0) // many for size, many in rows)
    return Reach(window, window)


def _safe_layer(self: AdaptivePool, keras: Any, **common: Any) -> Any:
    """Keras's layer; for one window a global pool instead, as Keras 3.15.1 dies on it on a CPU."""
    if max(self.output_size) > 1:
        return getattr(keras.layers, self.kind)(**self.config(), **common)
    pool = getattr(keras.layers, self.kind.replace("Adaptive", "Global"))
    return pool(keepdims=True, **self.config("output_size"), **common)


@op("AdaptiveMaxPool1D", category="pooling")
class AdaptiveMaxPooling1D(Op):
    """Keep the largest number of each of so many windows: (T, C) -> (T', C)."""

    output_size: tuple[int] = attr(doc="output length", converter=single)
    data_format: DataFormat = attr(default="channels_last", doc="where the channels stand")

    shape, flops, reach, layer = _shape, _flops, _reach, _safe_layer


@op("AdaptiveMaxPool2D", "自适应最大池化", category="pooling")
class AdaptiveMaxPooling2D(Op):
    """Keep the largest number of each of so many windows: (H, W, C) -> (H', W', C)."""

    output_size: tuple[int, int] = attr(doc="output height and width", converter=pair)
    data_format: DataFormat = attr(default="channels_last", doc="where the channels stand")

    shape, flops, reach, layer = _shape, _flops, _reach, _safe_layer


@op("AdaptiveMaxPool3D", category="pooling")
class AdaptiveMaxPooling3D(Op):
    """Keep the largest number of each of so many windows: (D, H, W, C) -> (D', H', W', C)."""

    output_size: tuple[int, int, int] = attr(doc="output depth, height and width", converter=triple)
    data_format: DataFormat = attr(default="channels_last", doc="where the channels stand")

    shape, flops, reach, layer = _shape, _flops, _reach, _safe_layer


@op("AdaptiveAvgPool1D", category="pooling")
class AdaptiveAveragePooling1D(Op):
    """Keep the mean of each of so many windows: (T, C) -> (T', C)."""

    output_size: tuple[int] = attr(doc="output length", converter=single)
    data_format: DataFormat = attr(default="channels_last", doc="where the channels stand")

    shape, flops, reach = _shape, _flops, _reach


@op("AdaptiveAvgPool2D", "自适应平均池化", category="pooling")
class AdaptiveAveragePooling2D(Op):
    """Keep the mean of each of so many windows: (H, W, C) -> (H', W', C)."""

    output_size: tuple[int, int] = attr(doc="output height and width", converter=pair)
    data_format: DataFormat = attr(default="channels_last", doc="where the channels stand")

    shape, flops, reach = _shape, _flops, _reach


@op("AdaptiveAvgPool3D", category="pooling")
class AdaptiveAveragePooling3D(Op):
    """Keep the mean of each of so many windows: (D, H, W, C) -> (D', H', W', C)."""

    output_size: tuple[int, int, int] = attr(doc="output depth, height and width", converter=triple)
    data_format: DataFormat = attr(default="channels_last", doc="where the channels stand")

    shape, flops, reach = _shape, _flops, _reach


AdaptivePool = (
    AdaptiveMaxPooling1D
    | AdaptiveMaxPooling2D
    | AdaptiveMaxPooling3D
    | AdaptiveAveragePooling1D
    | AdaptiveAveragePooling2D
    | AdaptiveAveragePooling3D
)
