"""What ops that treat each number by itself have in common."""

from __future__ import annotations

from typing import Any

from opgraph.ops.spec import Op, Shape
from opgraph.ops.windows import volume


def same(self: Op, x: Shape) -> Shape:
    """The shape that came in."""
    return x


def free(self: Op, x: tuple[int, ...]) -> int:
    """Numbers are moved, not computed with."""
    return 0


def each(cost: int) -> Any:
    """The method of an op that costs so many operations for each number."""

    def flops(self: Op, x: tuple[int, ...]) -> int:
        return cost * volume(x)

    return flops
