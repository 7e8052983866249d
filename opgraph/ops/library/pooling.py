"""Layers that keep one number of each window, or of a whole map."""

from __future__ import annotations

from math import prod
from typing import Literal

from opgraph.ops.checks import optional, pair
from opgraph.ops.registry import op
from opgraph.ops.spec import WHOLE, Op, Reach, Shape, attr
from opgraph.ops.windows import slide, volume


@op("max_pool", "max_pool_2d", "pool", "最大池化", "最大池化层", "池化层", category="pooling")
class MaxPooling2D(Op):
    """Keep the largest number of each window: (H, W, C) -> (H', W', C)."""

    pool_size: tuple[int, int] = attr(default=2, doc="window height and width", converter=pair)
    strides: tuple[int, int] | None = attr(
        default=None,
        doc="step between windows; the window itself when None",
        converter=optional(pair),
    )
    padding: Literal["same", "valid"] = attr(default="valid", doc="how the border is treated")

    def shape(self, x: Shape) -> Shape:
        if len(x) != 3:
            raise self.refuse(f"MaxPooling2D takes (height, width, channels), received {x}")
        try:
            slid = slide(x[:2], self.pool_size, self.strides or self.pool_size, self.padding)
        except ValueError as error:
            raise self.refuse(str(error)) from None
        return (*slid, x[-1])

    def flops(self, x: Shape) -> int:
        return volume(self.shape(x)) * prod(self.pool_size)

    def reach(self, x: Shape) -> Reach:
        return Reach(self.pool_size, self.strides or self.pool_size)


@op("global_avg_pool", "global_average_pool", "gap", "全局平均池化", category="pooling")
class GlobalAveragePooling2D(Op):
    """The mean of each channel over the whole image: (H, W, C) -> (C)."""

    keepdims: bool = attr(default=False, doc="keep the pooled axes, with size 1")

    def shape(self, x: Shape) -> Shape:
        if len(x) != 3:
            raise self.refuse(
                f"GlobalAveragePooling2D takes (height, width, channels), received {x}"
            )
        return (1, 1, x[-1]) if self.keepdims else (x[-1],)

    def flops(self, x: Shape) -> int:
        return volume(x)

    def reach(self, x: Shape) -> Reach:
        return WHOLE
