"""Transposed convolutions: windows that are laid down instead of read, so that maps grow.

FLOPs: every input number is multiplied with every weight it meets, 2 for each multiply-add, also
where the result is cut off at the border; 1 for each bias; the activation by its formula.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any, Literal

from opgraph.errors import AttributeValueError
from opgraph.ops.checks import natural, optional, pair, positive, single, triple
from opgraph.ops.library.arrays import kernel_and_bias
from opgraph.ops.library.axes import DataFormat, apart, refuse_strided_dilation, together
from opgraph.ops.library.functions import function_flops, fused
from opgraph.ops.registry import op
from opgraph.ops.spec import Dim, Op, Reach, Shape, Weight, attr, for_weights
from opgraph.ops.windows import add, volume

OPTIONS = (*for_weights("kernel", "bias"), "activity_regularizer")


def naturals(rank: int) -> Callable[[Any], tuple[int, ...]]:
    """Converter to `rank` whole numbers of at least 0; one stands for all of them."""

    def convert(value: Any) -> tuple[int, ...]:
        items = tuple(value) if isinstance(value, list | tuple) else (value,)
        items = items * rank if len(items) == 1 else items
        if len(items) != rank:
            raise ValueError(f"expected a whole number or {rank} of them, each at least 0")
        return tuple(natural(item) for item in items)

    return convert


def _check(self: Transposed) -> None:
    refuse_strided_dilation(self)
    if self.output_padding is None:
        return
    if any(p >= s for p, s in zip(self.output_padding, self.strides, strict=True)):
        raise AttributeValueError(
            f"expected less than strides={self.strides}, received {self.output_padding}",
            where="output_padding",
        )


def grown(size: Dim, extent: int, stride: int, padding: str, output_padding: int | None) -> Dim:
    """Length of an axis after a transposed convolution with windows of `extent` numbers.

    >>> grown(8, 3, 2, "same", None), grown(8, 3, 2, "valid", None)
    (16, 17)
    """
    if size is None:
        return None
    if output_padding is None:
        return size * stride if padding == "same" else size * stride + max(extent - stride, 0)
    window = extent % 2 if padding == "same" else extent
    return (size - 1) * stride + window + output_padding


def _extent(self: Transposed) -> tuple[int, ...]:
    sides = zip(self.dilation_rate, self.kernel_size, strict=True)
    return tuple(gap * (size - 1) + 1 for gap, size in sides)


def _shape(self: Transposed, x: Shape) -> Shape:
    spatial, _ = apart(self, x, len(self.kernel_size), self.data_format)
    extra = self.output_padding or (None,) * len(spatial)
    rows = zip(spatial, _extent(self), self.strides, extra, strict=True)
    sizes = [grown(size, extent, s, self.padding, more) for size, extent, s, more in rows]
    return together(sizes, self.filters, self.data_format)


def _weights(self: Transposed, x: Shape) -> dict[str, Weight]:
    _, channels = apart(self, x, len(self.kernel_size), self.data_format)
    return kernel_and_bias(self, (*self.kernel_size, self.filters, channels), (self.filters,))


def _flops(self: Transposed, x: tuple[int, ...]) -> Dim:
    numbers = volume(_shape(self, x))
    multiply_adds = volume(x) * volume(self.kernel_size) * self.filters
    return add(2 * multiply_adds, self.use_bias * numbers, function_flops(self.activation, numbers))


def _reach(self: Transposed, x: Shape) -> Reach:
    window = [math.ceil(e / s) for e, s in zip(_extent(self), self.strides, strict=True)]
    return Reach(tuple(window), tuple(Fraction(1, stride) for stride in self.strides))


@op("Convolution1DTranspose", "ConvTranspose1d", "一维转置卷积", category="convolution")
class Conv1DTranspose(Op):
    """Lay a window for each number of a sequence: (T, C) -> (T', filters)."""

    filters: int = attr(doc="output channels", converter=positive, rule="filters")
    kernel_size: tuple[int] = attr(default=3, doc="window length", converter=single)
    strides: tuple[int] = attr(default=1, doc="step between windows", converter=single)
    padding: Literal["same", "valid"] = attr(default="same", doc="how the border is treated")
    output_padding: tuple[int, ...] | None = attr(
        default=None, doc="numbers added at the end of each axis", converter=optional(naturals(1))
    )
    data_format: DataFormat = attr(default="channels_last", doc="where the channels stand")
    dilation_rate: tuple[int] = attr(default=1, doc="gaps inside a window", converter=single)
    activation: str | None = attr(
        default=None, doc="function applied to the result", converter=fused
    )
    use_bias: bool = attr(default=True, doc="whether an offset is added for each filter")
    options = OPTIONS

    check = _check
    shape, weights, flops, reach = _shape, _weights, _flops, _reach


@op(
    "conv_transpose",
    "deconv",
    "Convolution2DTranspose",
    "ConvTranspose2d",
    "TRANSPOSE_CONV",
    "转置卷积",
    "反卷积",
    category="convolution",
)
class Conv2DTranspose(Op):
    """Lay a window for each number of an image: (H, W, C) -> (H', W', filters)."""

    filters: int = attr(doc="output channels", converter=positive, rule="filters")
    kernel_size: tuple[int, int] = attr(default=3, doc="window height and width", converter=pair)
    strides: tuple[int, int] = attr(default=1, doc="step between windows", converter=pair)
    padding: Literal["same", "valid"] = attr(default="same", doc="how the border is treated")
    output_padding: tuple[int, ...] | None = attr(
        default=None, doc="numbers added at the end of each axis", converter=optional(naturals(2))
    )
    data_format: DataFormat = attr(default="channels_last", doc="where the channels stand")
    dilation_rate: tuple[int, int] = attr(default=1, doc="gaps inside a window", converter=pair)
    activation: str | None = attr(
        default=None, doc="function applied to the result", converter=fused
    )
    use_bias: bool = attr(default=True, doc="whether an offset is added for each filter")
    options = OPTIONS

    check = _check
    shape, weights, flops, reach = _shape, _weights, _flops, _reach


@op(
    "Convolution3DTranspose",
    "ConvTranspose3d",
    "CONV_3D_TRANSPOSE",
    "三维转置卷积",
    category="convolution",
)
class Conv3DTranspose(Op):
    """Lay a window for each number of a volume: (D, H, W, C) -> (D', H', W', filters)."""

    filters: int = attr(doc="output channels", converter=positive, rule="filters")
    kernel_size: tuple[int, int, int] = attr(
        default=3, doc="window depth, height and width", converter=triple
    )
    strides: tuple[int, int, int] = attr(default=1, doc="step between windows", converter=triple)
    padding: Literal["same", "valid"] = attr(default="same", doc="how the border is treated")
    output_padding: tuple[int, ...] | None = attr(
        default=None, doc="numbers added at the end of each axis", converter=optional(naturals(3))
    )
    data_format: DataFormat = attr(default="channels_last", doc="where the channels stand")
    dilation_rate: tuple[int, int, int] = attr(
        default=1, doc="gaps inside a window", converter=triple
    )
    activation: str | None = attr(
        default=None, doc="function applied to the result", converter=fused
    )
    use_bias: bool = attr(default=True, doc="whether an offset is added for each filter")
    options = OPTIONS

    check = _check
    shape, weights, flops, reach = _shape, _weights, _flops, _reach


Transposed = Conv1DTranspose | Conv2DTranspose | Conv3DTranspose
