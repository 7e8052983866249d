"""Ops that bring several branches together."""

from __future__ import annotations

from opgraph.ops.registry import op
from opgraph.ops.spec import Dim, Op, Shape
from opgraph.ops.windows import volume


@op("sum", "plus", "residual", "相加", "加", "残差连接", category="merge")
class Add(Op):
    """Sum of the inputs, element by element; axes of size 1 are stretched."""

    commutative = True

    def shape(self, first: Shape, second: Shape, *rest: Shape) -> Shape:
        merged = first
        for other in (second, *rest):
            merged = broadcast(self, merged, other)
        return merged

    def flops(self, *inputs: Shape) -> int:
        return volume(self.shape(*inputs)) * (len(inputs) - 1)


def broadcast(node_op: Op, a: Shape, b: Shape) -> Shape:
    """The shape two inputs are stretched to."""
    if len(a) != len(b):
        raise node_op.refuse(f"inputs of {a} and {b} differ in the number of axes")
    merged: list[Dim] = []
    for left, right in zip(a, b, strict=True):
        if left is not None and right is not None and left != right and 1 not in (left, right):
            raise node_op.refuse(f"inputs of {a} and {b} do not fit")
        merged.append(right if left == 1 or left is None else left)
    return tuple(merged)
