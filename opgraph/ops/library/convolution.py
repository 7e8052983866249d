"""Convolutions: learned windows that slide over one, two or three axes."""

from __future__ import annotations

from typing import Literal

from opgraph.ops.checks import pair, positive
from opgraph.ops.registry import op
from opgraph.ops.spec import Op, Reach, Shape, Weight, attr, for_weights
from opgraph.ops.windows import divide, slide, volume


@op("conv", "Convolution2D", "卷积层", "卷积", category="convolution")
class Conv2D(Op):
    """Slide `filters` learned windows over an image: (H, W, C) -> (H', W', filters)."""

    filters: int = attr(doc="output channels", converter=positive, rule="filters")
    kernel_size: tuple[int, int] = attr(default=3, doc="window height and width", converter=pair)
    strides: tuple[int, int] = attr(default=1, doc="step between windows", converter=pair)
    padding: Literal["same", "valid"] = attr(default="same", doc="how the border is treated")
    dilation_rate: tuple[int, int] = attr(default=1, doc="gaps inside a window", converter=pair)
    groups: int = attr(default=1, doc="independent groups of channels", converter=positive)
    activation: str | None = attr(default=None, doc="function applied to the result")
    use_bias: bool = attr(default=True, doc="whether an offset is added for each filter")
    options = for_weights("kernel", "bias")

    def shape(self, x: Shape) -> Shape:
        if len(x) != 3:
            raise self.refuse(f"Conv2D takes (height, width, channels), received {x}")
        height, width, channels = x
        if (channels or 0) % self.groups or self.filters % self.groups:
            raise self.refuse(
                f"groups={self.groups} must divide both {channels} channels"
                f" and {self.filters} filters"
            )
        try:
            slid = slide(
                (height, width), self.kernel_size, self.strides, self.padding, self.dilation_rate
            )
        except ValueError as error:
            raise self.refuse(str(error)) from None
        return (*slid, self.filters)

    def weights(self, x: Shape) -> dict[str, Weight]:
        shape = (*self.kernel_size, divide(x[-1], self.groups), self.filters)
        kernel = {"kernel": Weight(shape, True, self.initializer("kernel", "glorot_uniform"))}
        bias = {"bias": Weight((self.filters,), True, self.initializer("bias", "zeros"))}
        return kernel | bias if self.use_bias else kernel

    def flops(self, x: tuple[int, ...]) -> int:
        per_output = 2 * volume(self.kernel_size) * x[-1] // self.groups + self.use_bias
        return volume(self.shape(x)) * per_output

    def reach(self, x: Shape) -> Reach:
        window = tuple(
            d * (k - 1) + 1 for d, k in zip(self.dilation_rate, self.kernel_size, strict=True)
        )
        return Reach(window, self.strides)
