"""Convolutions that treat each channel by itself, and those that mix the channels afterwards.

FLOPs: 2 for each multiply-add, at every position of the window, also where it reads padding; 1 for
each bias; the activation by its formula.
"""

from __future__ import annotations

from typing import Literal

from opgraph.ops.checks import pair, positive, single
from opgraph.ops.library.arrays import bias_only
from opgraph.ops.library.axes import (
    DataFormat,
    apart,
    positions,
    refuse_strided_dilation,
    together,
)
from opgraph.ops.library.functions import function_flops, fused
from opgraph.ops.registry import op
from opgraph.ops.spec import Dim, Op, Reach, Shape, Weight, attr, for_weights
from opgraph.ops.windows import add, multiply, volume

DEPTHWISE = (*for_weights("depthwise", "bias"), "activity_regularizer")
SEPARABLE = (*for_weights("depthwise", "pointwise", "bias"), "activity_regularizer")


def _slid(self: Either, x: Shape) -> Shape:
    spatial, _ = apart(self, x, len(self.kernel_size), self.data_format)
    return positions(
        self, spatial, self.kernel_size, self.strides, self.padding, self.dilation_rate
    )


def _channels(self: Either, x: Shape) -> Dim:
    """Channels between the two halves: those of the input, times the multiplier."""
    _, channels = apart(self, x, len(self.kernel_size), self.data_format)
    return multiply(channels, self.depth_multiplier)


def _reach(self: Either, x: Shape) -> Reach:
    sides = zip(self.dilation_rate, self.kernel_size, strict=True)
    return Reach(tuple(gap * (size - 1) + 1 for gap, size in sides), self.strides)


def _depthwise_shape(self: Depthwise, x: Shape) -> Shape:
    return together(_slid(self, x), _channels(self, x), self.data_format)


def _depthwise_weights(self: Depthwise, x: Shape) -> dict[str, Weight]:
    _, channels = apart(self, x, len(self.kernel_size), self.data_format)
    shape = (*self.kernel_size, channels, self.depth_multiplier)
    kernel = {"kernel": Weight(shape, True, self.initializer("depthwise", "glorot_uniform"))}
    return kernel | (bias_only(self, (_channels(self, x),)) if self.use_bias else {})


def _depthwise_flops(self: Depthwise, x: tuple[int, ...]) -> Dim:
    numbers = volume(_depthwise_shape(self, x))
    multiply_adds = numbers * volume(self.kernel_size)
    return add(2 * multiply_adds, self.use_bias * numbers, function_flops(self.activation, numbers))


def _separable_shape(self: Separable, x: Shape) -> Shape:
    return together(_slid(self, x), self.filters, self.data_format)


def _separable_weights(self: Separable, x: Shape) -> dict[str, Weight]:
    _, channels = apart(self, x, len(self.kernel_size), self.data_format)
    depthwise = (*self.kernel_size, channels, self.depth_multiplier)
    pointwise = (*(1 for _ in self.kernel_size), _channels(self, x), self.filters)
    first, second = (
        self.initializer(name, "glorot_uniform") for name in ("depthwise", "pointwise")
    )
    return {
        "depthwise_kernel": Weight(depthwise, True, first),
        "pointwise_kernel": Weight(pointwise, True, second),
        **(bias_only(self, (self.filters,)) if self.use_bias else {}),
    }


def _separable_flops(self: Separable, x: tuple[int, ...]) -> Dim:
    places, between = volume(_slid(self, x)), volume((_channels(self, x),))
    numbers = places * self.filters
    multiply_adds = places * between * (volume(self.kernel_size) + self.filters)
    return add(2 * multiply_adds, self.use_bias * numbers, function_flops(self.activation, numbers))


@op("一维深度卷积", category="convolution")
class DepthwiseConv1D(Op):
    """Slide windows over each channel of a sequence by itself: (T, C) -> (T', C * n)."""

    kernel_size: tuple[int] = attr(default=3, doc="window length", converter=single)
    strides: tuple[int] = attr(default=1, doc="step between windows", converter=single)
    padding: Literal["same", "valid"] = attr(default="same", doc="how the border is treated")
    depth_multiplier: int = attr(default=1, doc="windows for each channel", converter=positive)
    data_format: DataFormat = attr(default="channels_last", doc="where the channels stand")
    dilation_rate: tuple[int] = attr(default=1, doc="gaps inside a window", converter=single)
    activation: str | None = attr(
        default=None, doc="function applied to the result", converter=fused
    )
    use_bias: bool = attr(default=True, doc="whether an offset is added for each channel")
    options = DEPTHWISE

    check = refuse_strided_dilation
    shape, weights, flops, reach = _depthwise_shape, _depthwise_weights, _depthwise_flops, _reach


@op(
    "depthwise",
    "depthwise_conv",
    "dwconv",
    "dw_conv",
    "DEPTHWISE_CONV_2D",
    "深度卷积",
    "逐通道卷积",
    category="convolution",
)
class DepthwiseConv2D(Op):
    """Slide windows over each channel of an image by itself: (H, W, C) -> (H', W', C * n)."""

    kernel_size: tuple[int, int] = attr(default=3, doc="window height and width", converter=pair)
    strides: tuple[int, int] = attr(default=1, doc="step between windows", converter=pair)
    padding: Literal["same", "valid"] = attr(default="same", doc="how the border is treated")
    depth_multiplier: int = attr(default=1, doc="windows for each channel", converter=positive)
    data_format: DataFormat = attr(default="channels_last", doc="where the channels stand")
    dilation_rate: tuple[int, int] = attr(default=1, doc="gaps inside a window", converter=pair)
    activation: str | None = attr(
        default=None, doc="function applied to the result", converter=fused
    )
    use_bias: bool = attr(default=True, doc="whether an offset is added for each channel")
    options = DEPTHWISE

    check = refuse_strided_dilation
    shape, weights, flops, reach = _depthwise_shape, _depthwise_weights, _depthwise_flops, _reach


@op("SeparableConvolution1D", "一维可分离卷积", category="convolution")
class SeparableConv1D(Op):
    """Slide windows over each channel, then mix all channels: (T, C) -> (T', filters)."""

    filters: int = attr(doc="output channels", converter=positive, rule="filters")
    kernel_size: tuple[int] = attr(default=3, doc="window length", converter=single)
    strides: tuple[int] = attr(default=1, doc="step between windows", converter=single)
    padding: Literal["same", "valid"] = attr(default="same", doc="how the border is treated")
    data_format: DataFormat = attr(default="channels_last", doc="where the channels stand")
    dilation_rate: tuple[int] = attr(default=1, doc="gaps inside a window", converter=single)
    depth_multiplier: int = attr(default=1, doc="windows for each channel", converter=positive)
    activation: str | None = attr(
        default=None, doc="function applied to the result", converter=fused
    )
    use_bias: bool = attr(default=True, doc="whether an offset is added for each filter")
    options = SEPARABLE

    check = refuse_strided_dilation
    shape, weights, flops, reach = _separable_shape, _separable_weights, _separable_flops, _reach


@op(
    "separable_conv",
    "sep_conv",
    "SeparableConvolution2D",
    "可分离卷积",
    "深度可分离卷积",
    category="convolution",
)
class SeparableConv2D(Op):
    """Slide windows over each channel, then mix all channels: (H, W, C) -> (H', W', filters)."""

    filters: int = attr(doc="output channels", converter=positive, rule="filters")
    kernel_size: tuple[int, int] = attr(default=3, doc="window height and width", converter=pair)
    strides: tuple[int, int] = attr(default=1, doc="step between windows", converter=pair)
    padding: Literal["same", "valid"] = attr(default="same", doc="how the border is treated")
    data_format: DataFormat = attr(default="channels_last", doc="where the channels stand")
    dilation_rate: tuple[int, int] = attr(default=1, doc="gaps inside a window", converter=pair)
    depth_multiplier: int = attr(default=1, doc="windows for each channel", converter=positive)
    activation: str | None = attr(
        default=None, doc="function applied to the result", converter=fused
    )
    use_bias: bool = attr(default=True, doc="whether an offset is added for each filter")
    options = SEPARABLE

    check = refuse_strided_dilation
    shape, weights, flops, reach = _separable_shape, _separable_weights, _separable_flops, _reach


Depthwise = DepthwiseConv1D | DepthwiseConv2D
Separable = SeparableConv1D | SeparableConv2D
Either = Depthwise | Separable
