"""Convolutions: learned windows that slide over one, two or three axes.

FLOPs: 2 for each multiply-add, at every position of the window, also where it reads padding; 1 for
each bias; the activation by its formula.
"""

from __future__ import annotations

from typing import Literal

from opgraph.ops.checks import pair, positive, single, triple
from opgraph.ops.library.arrays import kernel_and_bias
from opgraph.ops.library.axes import DataFormat, apart, positions, refuse_strided_dilation, together
from opgraph.ops.library.functions import function_flops, fused
from opgraph.ops.registry import op
from opgraph.ops.spec import Dim, Op, Reach, Shape, Weight, attr, for_weights
from opgraph.ops.windows import add, divide, volume

OPTIONS = (*for_weights("kernel", "bias"), "activity_regularizer")


def _shape(self: Convolution, x: Shape) -> Shape:
    spatial, channels = apart(self, x, len(self.kernel_size), self.data_format)
    if (channels or 0) % self.groups or self.filters % self.groups:
        raise self.refuse(
            f"groups={self.groups} must divide both {channels} channels and {self.filters} filters"
        )
    slid = positions(
        self, spatial, self.kernel_size, self.strides, self.padding, self.dilation_rate
    )
    return together(slid, self.filters, self.data_format)


def _weights(self: Convolution, x: Shape) -> dict[str, Weight]:
    _, channels = apart(self, x, len(self.kernel_size), self.data_format)
    kernel = (*self.kernel_size, divide(channels, self.groups), self.filters)
    return kernel_and_bias(self, kernel, (self.filters,))


def _flops(self: Convolution, x: tuple[int, ...]) -> Dim:
    numbers, kernel = volume(_shape(self, x)), volume(_weights(self, x)["kernel"].shape)
    multiply_adds = numbers * kernel // self.filters
    return add(2 * multiply_adds, self.use_bias * numbers, function_flops(self.activation, numbers))


def _reach(self: Convolution, x: Shape) -> Reach:
    sides = zip(self.dilation_rate, self.kernel_size, strict=True)
    return Reach(tuple(gap * (size - 1) + 1 for gap, size in sides), self.strides)


@op("Convolution1D", "一维卷积", category="convolution")
class Conv1D(Op):
    """Slide `filters` learned windows over a sequence: (T, C) -> (T', filters)."""

    filters: int = attr(doc="output channels", converter=positive, rule="filters")
    kernel_size: tuple[int] = attr(default=3, doc="window length", converter=single)
    strides: tuple[int] = attr(default=1, doc="step between windows", converter=single)
    padding: Literal["same", "valid", "causal"] = attr(
        default="same", doc="how the border is treated; causal looks back only"
    )
    data_format: DataFormat = attr(default="channels_last", doc="where the channels stand")
    dilation_rate: tuple[int] = attr(default=1, doc="gaps inside a window", converter=single)
    groups: int = attr(default=1, doc="independent groups of channels", converter=positive)
    activation: str | None = attr(
        default=None, doc="function applied to the result", converter=fused
    )
    use_bias: bool = attr(default=True, doc="whether an offset is added for each filter")
    options = OPTIONS

    check = refuse_strided_dilation
    shape, weights, flops, reach = _shape, _weights, _flops, _reach


@op("conv", "Convolution2D", "卷积", "二维卷积", category="convolution")
class Conv2D(Op):
    """Slide `filters` learned windows over an image: (H, W, C) -> (H', W', filters)."""

    filters: int = attr(doc="output channels", converter=positive, rule="filters")
    kernel_size: tuple[int, int] = attr(default=3, doc="window height and width", converter=pair)
    strides: tuple[int, int] = attr(default=1, doc="step between windows", converter=pair)
    padding: Literal["same", "valid"] = attr(default="same", doc="how the border is treated")
    data_format: DataFormat = attr(default="channels_last", doc="where the channels stand")
    dilation_rate: tuple[int, int] = attr(default=1, doc="gaps inside a window", converter=pair)
    groups: int = attr(default=1, doc="independent groups of channels", converter=positive)
    activation: str | None = attr(
        default=None, doc="function applied to the result", converter=fused
    )
    use_bias: bool = attr(default=True, doc="whether an offset is added for each filter")
    options = OPTIONS

    check = refuse_strided_dilation
    shape, weights, flops, reach = _shape, _weights, _flops, _reach


@op("Convolution3D", "三维卷积", category="convolution")
class Conv3D(Op):
    """Slide `filters` learned windows over a volume: (D, H, W, C) -> (D', H', W', filters)."""

    filters: int = attr(doc="output channels", converter=positive, rule="filters")
    kernel_size: tuple[int, int, int] = attr(
        default=3, doc="window depth, height and width", converter=triple
    )
    strides: tuple[int, int, int] = attr(default=1, doc="step between windows", converter=triple)
    padding: Literal["same", "valid"] = attr(default="same", doc="how the border is treated")
    data_format: DataFormat = attr(default="channels_last", doc="where the channels stand")
    dilation_rate: tuple[int, int, int] = attr(
        default=1, doc="gaps inside a window", converter=triple
    )
    groups: int = attr(default=1, doc="independent groups of channels", converter=positive)
    activation: str | None = attr(
        default=None, doc="function applied to the result", converter=fused
    )
    use_bias: bool = attr(default=True, doc="whether an offset is added for each filter")
    options = OPTIONS

    check = refuse_strided_dilation
    shape, weights, flops, reach = _shape, _weights, _flops, _reach


Convolution = Conv1D | Conv2D | Conv3D
