"""Layers that keep one number of each window, or of a whole map.

FLOPs: one for each number that is read (a comparison or an addition), padding included; the
division of a mean is left out.
"""

from __future__ import annotations

from typing import Literal

from opgraph.ops.checks import optional, pair, single, triple
from opgraph.ops.library.axes import DataFormat, apart, positions, rank, together
from opgraph.ops.registry import op
from opgraph.ops.spec import WHOLE, Op, Reach, Shape, attr
from opgraph.ops.windows import volume


def _shape(
    self: Pool,
    x: Shape,
) -> Shape:
    spatial, channels = apart(self, x, len(self.pool_size), self.data_format)
    slid = positions(self, spatial, self.pool_size, self.strides or self.pool_size, self.padding)
    return together(slid, channels, self.data_format)


def _flops(
    self: Pool,
    x: tuple[int, ...],
) -> int:
    return volume(_shape(self, x)) * volume(self.pool_size)


def _reach(
    self: Pool,
    x: Shape,
) -> Reach:
    return Reach(self.pool_size, self.strides or self.pool_size)


@op("MaxPool1D", "一维最大池化", category="pooling")
class MaxPooling1D(Op):
    """Keep the largest number of each window: (T, C) -> (T', C)."""

    pool_size: tuple[int] = attr(default=2, doc="window length", converter=single)
    strides: tuple[int] | None = attr(
        default=None,
        doc="step between windows; the window itself when None",
        converter=optional(single),
    )
    padding: Literal["same", "valid"] = attr(default="valid", doc="how the border is treated")
    data_format: DataFormat = attr(default="channels_last", doc="where the channels stand")

    shape, flops, reach = _shape, _flops, _reach


@op(
    "max_pool",
    "max_pooling",
    "MaxPool2D",
    "pool",
    "pooling",
    "最大池化",
    "池化",
    category="pooling",
)
class MaxPooling2D(Op):
    """Keep the largest number of each window: (H, W, C) -> (H', W', C)."""

    pool_size: tuple[int, int] = attr(default=2, doc="window height and width", converter=pair)
    strides: tuple[int, int] | None = attr(
        default=None,
        doc="step between windows; the window itself when None",
        converter=optional(pair),
    )
    padding: Literal["same", "valid"] = attr(default="valid", doc="how the border is treated")
    data_format: DataFormat = attr(default="channels_last", doc="where the channels stand")

    shape, flops, reach = _shape, _flops, _reach


@op("MaxPool3D", "三维最大池化", category="pooling")
class MaxPooling3D(Op):
    """Keep the largest number of each window: (D, H, W, C) -> (D', H', W', C)."""

    pool_size: tuple[int, int, int] = attr(
        default=2, doc="window depth, height and width", converter=triple
    )
    strides: tuple[int, int, int] | None = attr(
        default=None,
        doc="step between windows; the window itself when None",
        converter=optional(triple),
    )
    padding: Literal["same", "valid"] = attr(default="valid", doc="how the border is treated")
    data_format: DataFormat = attr(default="channels_last", doc="where the channels stand")

    shape, flops, reach = _shape, _flops, _reach


@op("AvgPool1D", "average_pool_1d", "一维平均池化", category="pooling")
class AveragePooling1D(Op):
    """Keep the mean of each window: (T, C) -> (T', C)."""

    pool_size: tuple[int] = attr(default=2, doc="window length", converter=single)
    strides: tuple[int] | None = attr(
        default=None,
        doc="step between windows; the window itself when None",
        converter=optional(single),
    )
    padding: Literal["same", "valid"] = attr(default="valid", doc="how the border is treated")
    data_format: DataFormat = attr(default="channels_last", doc="where the channels stand")

    shape, flops, reach = _shape, _flops, _reach


@op(
    "avg_pool",
    "avg_pooling",
    "AvgPool2D",
    "average_pool",
    "average_pooling",
    "mean_pool",
    "AVERAGE_POOL_2D",
    "平均池化",
    "均值池化",
    category="pooling",
)
class AveragePooling2D(Op):
    """Keep the mean of each window: (H, W, C) -> (H', W', C)."""

    pool_size: tuple[int, int] = attr(default=2, doc="window height and width", converter=pair)
    strides: tuple[int, int] | None = attr(
        default=None,
        doc="step between windows; the window itself when None",
        converter=optional(pair),
    )
    padding: Literal["same", "valid"] = attr(default="valid", doc="how the border is treated")
    data_format: DataFormat = attr(default="channels_last", doc="where the channels stand")

    shape, flops, reach = _shape, _flops, _reach


@op("AvgPool3D", "average_pool_3d", "三维平均池化", category="pooling")
class AveragePooling3D(Op):
    """Keep the mean of each window: (D, H, W, C) -> (D', H', W', C)."""

    pool_size: tuple[int, int, int] = attr(
        default=2, doc="window depth, height and width", converter=triple
    )
    strides: tuple[int, int, int] | None = attr(
        default=None,
        doc="step between windows; the window itself when None",
        converter=optional(triple),
    )
    padding: Literal["same", "valid"] = attr(default="valid", doc="how the border is treated")
    data_format: DataFormat = attr(default="channels_last", doc="where the channels stand")

    shape, flops, reach = _shape, _flops, _reach


def _global_shape(
    self: GlobalPool,
    x: Shape,
) -> Shape:
    spatial, channels = apart(self, x, rank(self), self.data_format)
    ones = (1,) * len(spatial)
    return together(ones, channels, self.data_format) if self.keepdims else (channels,)


def _global_flops(self: Op, x: tuple[int, ...]) -> int:
    return volume(x)


def _whole(self: Op, x: Shape) -> Reach:
    return WHOLE


@op("GlobalMaxPool1D", "一维全局最大池化", category="pooling")
class GlobalMaxPooling1D(Op):
    """The largest number of each channel over the whole sequence: (T, C) -> (C)."""

    data_format: DataFormat = attr(default="channels_last", doc="where the channels stand")
    keepdims: bool = attr(default=False, doc="keep the pooled axes, with size 1")

    shape, flops, reach = _global_shape, _global_flops, _whole


@op(
    "global_max_pool",
    "global_max_pooling",
    "GlobalMaxPool2D",
    "gmp",
    "全局最大池化",
    category="pooling",
)
class GlobalMaxPooling2D(Op):
    """The largest number of each channel over the whole image: (H, W, C) -> (C)."""

    data_format: DataFormat = attr(default="channels_last", doc="where the channels stand")
    keepdims: bool = attr(default=False, doc="keep the pooled axes, with size 1")

    shape, flops, reach = _global_shape, _global_flops, _whole


@op("GlobalMaxPool3D", "三维全局最大池化", category="pooling")
class GlobalMaxPooling3D(Op):
    """The largest number of each channel over the whole volume: (D, H, W, C) -> (C)."""

    data_format: DataFormat = attr(default="channels_last", doc="where the channels stand")
    keepdims: bool = attr(default=False, doc="keep the pooled axes, with size 1")

    shape, flops, reach = _global_shape, _global_flops, _whole


@op("GlobalAvgPool1D", "GlobalAveragePool1D", "一维全局平均池化", category="pooling")
class GlobalAveragePooling1D(Op):
    """The mean of each channel over the whole sequence: (T, C) -> (C)."""

    data_format: DataFormat = attr(default="channels_last", doc="where the channels stand")
    keepdims: bool = attr(default=False, doc="keep the pooled axes, with size 1")

    shape, flops, reach = _global_shape, _global_flops, _whole


@op(
    "global_avg_pool",
    "global_avg_pooling",
    "GlobalAvgPool2D",
    "global_average_pool",
    "global_average_pooling",
    "global_pool",
    "global_pooling",
    "GlobalAveragePool2D",
    "gap",
    "全局平均池化",
    "全局池化",
    category="pooling",
)
class GlobalAveragePooling2D(Op):
    """The mean of each channel over the whole image: (H, W, C) -> (C)."""

    data_format: DataFormat = attr(default="channels_last", doc="where the channels stand")
    keepdims: bool = attr(default=False, doc="keep the pooled axes, with size 1")

    shape, flops, reach = _global_shape, _global_flops, _whole


@op("GlobalAvgPool3D", "GlobalAveragePool3D", "三维全局平均池化", category="pooling")
class GlobalAveragePooling3D(Op):
    """The mean of each channel over the whole volume: (D, H, W, C) -> (C)."""

    data_format: DataFormat = attr(default="channels_last", doc="where the channels stand")
    keepdims: bool = attr(default=False, doc="keep the pooled axes, with size 1")

    shape, flops, reach = _global_shape, _global_flops, _whole


Pool = (
    MaxPooling1D
    | MaxPooling2D
    | MaxPooling3D
    | AveragePooling1D
    | AveragePooling2D
    | AveragePooling3D
)


GlobalPool = (
    GlobalMaxPooling1D
    | GlobalMaxPooling2D
    | GlobalMaxPooling3D
    | GlobalAveragePooling1D
    | GlobalAveragePooling2D
    | GlobalAveragePooling3D
)
