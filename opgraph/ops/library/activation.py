"""Functions applied to each number, or over one axis."""

from __future__ import annotations

from opgraph.ops.registry import op
from opgraph.ops.spec import Op, Shape, attr
from opgraph.ops.windows import volume


@op("relu_activation", "ReLU 激活", "激活", category="activation")
class ReLU(Op):
    """max(0, x) for each number."""

    max_value: float | None = attr(default=None, doc="upper bound, none by default")
    negative_slope: float = attr(default=0.0, doc="slope below the threshold")
    threshold: float = attr(default=0.0, doc="where the function begins to rise")

    def shape(self, x: Shape) -> Shape:
        return x

    def flops(self, x: Shape) -> int:
        return volume(x)


@op("Softmax 激活", "softmax_output", category="activation")
class Softmax(Op):
    """Turn scores into probabilities that sum to 1 over an axis."""

    axis: int = attr(default=-1, doc="axis over which the probabilities sum to 1")

    def shape(self, x: Shape) -> Shape:
        return x

    def flops(self, x: Shape) -> int:
        return 5 * volume(x)
