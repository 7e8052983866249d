"""Layers in which every output sees every input, and look-up tables."""

from __future__ import annotations

from opgraph.ops.checks import positive
from opgraph.ops.registry import op
from opgraph.ops.spec import Op, Shape, Weight, attr, for_weights
from opgraph.ops.windows import volume


@op(
    "fc",
    "fully_connected",
    "linear",
    "logits",
    "output",
    "output_layer",
    "全连接层",
    "全连接",
    "密集层",
    "输出层",
    category="dense",
)
class Dense(Op):
    """Every output is a weighted sum of all inputs: (..., C) -> (..., units)."""

    units: int = attr(doc="number of outputs", converter=positive, rule="units")
    activation: str | None = attr(default=None, doc="function applied to the result")
    use_bias: bool = attr(default=True, doc="whether an offset is added for each output")
    options = for_weights("kernel", "bias")

    def shape(self, x: Shape) -> Shape:
        if not x:
            raise self.refuse("Dense needs at least one axis")
        return (*x[:-1], self.units)

    def weights(self, x: Shape) -> dict[str, Weight]:
        shape = (x[-1], self.units)
        kernel = {"kernel": Weight(shape, True, self.initializer("kernel", "glorot_uniform"))}
        bias = {"bias": Weight((self.units,), True, self.initializer("bias", "zeros"))}
        return kernel | bias if self.use_bias else kernel

    def flops(self, x: tuple[int, ...]) -> int:
        return volume(self.shape(x)) * (2 * x[-1] + self.use_bias)
