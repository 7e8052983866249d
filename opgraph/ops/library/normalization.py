"""Layers that bring activations to a common scale."""

from __future__ import annotations

from opgraph.ops.registry import op
from opgraph.ops.spec import Op, Shape, Weight, attr, for_weights
from opgraph.ops.windows import volume


@op(
    "bn",
    "batch_norm",
    "batchnorm2d",
    "批归一化",
    "批归一化层",
    "批标准化",
    category="normalization",
)
class BatchNormalization(Op):
    """Shift and scale each channel by the statistics of the batch (Ioffe & Szegedy 2015)."""

    axis: int = attr(default=-1, doc="axis that keeps statistics of its own")
    momentum: float = attr(default=0.99, doc="share of the old moving statistics that is kept")
    epsilon: float = attr(default=1e-3, doc="added to the variance")
    center: bool = attr(default=True, doc="whether beta is added")
    scale: bool = attr(default=True, doc="whether the result is multiplied by gamma")
    options = for_weights("gamma", "beta")

    def shape(self, x: Shape) -> Shape:
        return x

    def weights(self, x: Shape) -> dict[str, Weight]:
        per_channel = (x[self.axis],)
        return {
            **({"gamma": Weight(per_channel, True, "ones")} if self.scale else {}),
            **({"beta": Weight(per_channel, True, "zeros")} if self.center else {}),
            "moving_mean": Weight(per_channel, False, "zeros"),
            "moving_variance": Weight(per_channel, False, "ones"),
        }

    def flops(self, x: Shape) -> int:
        return 2 * volume(x)
