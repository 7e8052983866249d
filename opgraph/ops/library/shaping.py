"""Ops that rearrange, enlarge or cut arrays without learning anything."""

from __future__ import annotations

from opgraph.ops.registry import op
from opgraph.ops.spec import WHOLE, Op, Reach, Shape
from opgraph.ops.windows import count


@op("展平", "展平层", "拉平", category="shape")
class Flatten(Op):
    """All numbers of an example in one row: (H, W, C) -> (H*W*C)."""

    def shape(self, x: Shape) -> Shape:
        return (count(x),)

    def flops(self, x: Shape) -> int:
        return 0

    def reach(self, x: Shape) -> Reach:
        return WHOLE
