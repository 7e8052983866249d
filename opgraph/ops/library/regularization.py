"""Layers that disturb training on purpose, and do nothing at inference."""

from __future__ import annotations

from opgraph.ops.checks import rate
from opgraph.ops.registry import op
from opgraph.ops.spec import Op, Shape, attr
from opgraph.ops.windows import volume


@op("Dropout 层", "随机失活", "丢弃层", category="regularization")
class Dropout(Op):
    """Set a random share of the numbers to 0 in training and scale up the others."""

    rate: float = attr(default=0.5, doc="share of numbers that is dropped", converter=rate)
    noise_shape: tuple[int | None, ...] | None = attr(
        default=None, doc="axes that share one decision", converter=lambda v: v
    )
    seed: int | None = attr(default=None, doc="seed of the mask")

    def shape(self, x: Shape) -> Shape:
        return x

    def flops(self, x: Shape) -> int:
        return volume(x)
