"""Ops that bring several branches together.

FLOPs: one for each number and each further input; a mean one more for the division; a dot product 2
for each multiply-add.
"""

from __future__ import annotations

from typing import Any

from opgraph.ops.library.axes import index
from opgraph.ops.registry import op
from opgraph.ops.spec import Dim, Op, Shape, attr
from opgraph.ops.windows import add, volume


def broadcast(self: Op, first: Shape, second: Shape, *rest: Shape) -> Shape:
    """The shape that the inputs are stretched to; a shorter one is aligned at its end."""
    merged = first
    for other in (second, *rest):
        merged = _stretched(self, merged, other)
    return merged


def _stretched(self: Op, a: Shape, b: Shape) -> Shape:
    short, long = sorted((a, b), key=len)
    filled = (*(1 for _ in range(len(long) - len(short))), *short)
    sides = list(zip(filled, long, strict=True))
    for left, right in sides:
        if None not in (left, right) and left != right and 1 not in (left, right):
            raise self.refuse(
                f"inputs of {a} and {b} do not fit: {left} meets {right}, and neither is 1"
            )
    return tuple(_stretched_dim(left, right) for left, right in sides)


def _stretched_dim(left: Dim, right: Dim) -> Dim:
    """The larger one; an unknown one may be 1, so that it yields to any but 1."""
    if left is None or right is None:
        known = right if left is None else left
        return None if known == 1 else known
    return max(left, right) if 0 not in (left, right) else 0


def _flops(self: Op, *inputs: tuple[int, ...]) -> int:
    return volume(self.shape(*inputs)) * (len(inputs) - 1)


@op("sum", "plus", "residual", "相加", "加", "残差连接", category="merge")
class Add(Op):
    """Sum of the inputs, element by element; axes of size 1 are stretched."""

    commutative = True
    shape, flops = broadcast, _flops


@op("mul", "product", "times", "相乘", "乘", "逐元素相乘", category="merge")
class Multiply(Op):
    """Product of the inputs, element by element; axes of size 1 are stretched."""

    commutative = True
    shape, flops = broadcast, _flops


@op("mean", "平均", category="merge")
class Average(Op):
    """Mean of the inputs, element by element; axes of size 1 are stretched."""

    commutative = True
    shape = broadcast

    def flops(self, *inputs: tuple[int, ...]) -> int:
        return volume(self.shape(*inputs)) * len(inputs)


@op("max", "最大值", category="merge")
class Maximum(Op):
    """Largest of the inputs, element by element; axes of size 1 are stretched."""

    commutative = True
    shape, flops = broadcast, _flops


@op("min", "最小值", category="merge")
class Minimum(Op):
    """Smallest of the inputs, element by element; axes of size 1 are stretched."""

    commutative = True
    shape, flops = broadcast, _flops


@op("sub", "minus", "difference", "相减", "减", category="merge")
class Subtract(Op):
    """First input minus second, element by element; axes of size 1 are stretched."""

    def shape(self, minuend: Shape, subtrahend: Shape) -> Shape:
        return broadcast(self, minuend, subtrahend)

    def flops(self, *inputs: tuple[int, ...]) -> int:
        return volume(self.shape(*inputs))


@op("concat", "cat", "CONCATENATION", "ConcatV2", "拼接", "连接", "级联", category="merge")
class Concatenate(Op):
    """The inputs one after the other along an axis."""

    axis: int = attr(default=-1, doc="axis along which they are lined up")

    def shape(self, first: Shape, second: Shape, *rest: Shape) -> Shape:
        at = index(self, self.axis, first)
        merged = list(first)
        for other in (second, *rest):
            if len(other) != len(first):
                raise self.refuse(f"inputs of {first} and {other} differ in the number of axes")
            for i, (left, right) in enumerate(zip(merged, other, strict=True)):
                if i != at and None not in (left, right) and left != right:
                    raise self.refuse(
                        f"inputs of {first} and {other} differ outside axis {self.axis}"
                    )
                merged[i] = add(left, right) if i == at else left if right is None else right
        return tuple(merged)

    def flops(self, *inputs: tuple[int, ...]) -> int:
        return 0


def _dot_axes(value: Any) -> int | tuple[int, int]:
    numbers = tuple(value) if isinstance(value, list | tuple) else (value, value)
    if len(numbers) != 2 or any(type(number) is not int for number in numbers):
        raise ValueError("expected a whole number or two of them")
    return numbers if isinstance(value, list | tuple) else value


@op("dot_product", "BATCH_MATMUL", "点积", "内积", category="merge")
class Dot(Op):
    """Sums of products of two inputs along an axis of each."""

    axes: int | tuple[int, int] = attr(
        default=-1, doc="axis of both, or of each, that is summed over", converter=_dot_axes
    )
    normalize: bool = attr(default=False, doc="bring the inputs to length 1 first (cosine)")

    def _places(self, left: Shape, right: Shape) -> tuple[int, int]:
        first, second = self.axes if isinstance(self.axes, tuple) else (self.axes, self.axes)
        places = index(self, first, left), index(self, second, right)
        sizes = left[places[0]], right[places[1]]
        if None not in sizes and sizes[0] != sizes[1]:
            raise self.refuse(f"axes {self.axes} of {left} and {right} differ in size")
        return places

    def shape(self, left: Shape, right: Shape) -> Shape:
        i, j = self._places(left, right)
        return (*left[:i], *left[i + 1 :], *right[:j], *right[j + 1 :]) or (1,)

    def flops(self, left: tuple[int, ...], right: tuple[int, ...]) -> int:
        i, _ = self._places(left, right)
        products = 2 * volume(self.shape(left, right)) * left[i]
        return products + (3 * (volume(left) + volume(right)) if self.normalize else 0)

    def reach(self, left: Shape, right: Shape) -> None:
        return None
