"""Functions applied to each number, or over one axis.

FLOPs by the formulas in `functions`: 1 for each +, *, /, comparison and elementary function.
"""

from __future__ import annotations

from typing import Any

from opgraph.ops.library.axes import along, axis_or_axes, indices
from opgraph.ops.library.functions import COST, function, function_flops
from opgraph.ops.library.pointwise import each, same
from opgraph.ops.registry import op
from opgraph.ops.spec import Dim, Op, Reach, Shape, Weight, attr, for_weights
from opgraph.ops.windows import divide, volume


@op("relu_activation", "ReLU 激活", "激活", "激活函数", "修正线性单元", category="activation")
class ReLU(Op):
    """max(0, x) for each number."""

    max_value: float | None = attr(default=None, doc="upper bound, none by default")
    negative_slope: float = attr(default=0.0, doc="slope below the threshold")
    threshold: float = attr(default=0.0, doc="where the function begins to rise")

    shape = same

    def flops(self, x: tuple[int, ...]) -> int:
        return volume(x) * (1 + (self.max_value is not None) + (self.negative_slope != 0))


@op("leaky", "lrelu", "带泄漏修正线性单元", category="activation")
class LeakyReLU(Op):
    """x above zero, a small slope below."""

    negative_slope: float = attr(default=0.3, doc="slope below zero")

    shape, flops = same, each(COST["leaky_relu"])


def _axes(value: Any) -> tuple[int, ...]:
    axes = axis_or_axes(value)
    return axes if isinstance(axes, tuple) else (axes,)


@op(category="activation")
class PReLU(Op):
    """x above zero, a learned slope for each position below (He et al. 2015)."""

    shared_axes: tuple[int, ...] | None = attr(
        default=None, doc="axes along which the slope is the same", converter=_axes
    )
    options = for_weights("alpha")

    flops = each(5)  # max(x, 0) - a * max(-x, 0)

    def shape(self, x: Shape) -> Shape:
        indices(self, self.shared_axes or (), x)
        return x

    def weights(self, x: Shape) -> dict[str, Weight]:
        shared = indices(self, self.shared_axes or (), x)
        slopes = tuple(1 if at in shared else dim for at, dim in enumerate(x))
        return {"alpha": Weight(slopes, True, self.initializer("alpha", "zeros"))}


@op("指数线性单元", category="activation")
class ELU(Op):
    """x above zero, alpha * (exp(x) - 1) below (Clevert et al. 2016)."""

    alpha: float = attr(default=1.0, doc="how far it falls below zero")

    shape, flops = same, each(COST["elu"])


@op("Softmax 激活", "softmax_output", "softmax 层", category="activation")
class Softmax(Op):
    """Turn scores into probabilities that sum to 1 over an axis."""

    axis: int | tuple[int, ...] = attr(
        default=-1, doc="axes over which the probabilities sum to 1", converter=axis_or_axes
    )

    flops = each(COST["softmax"])

    def shape(self, x: Shape) -> Shape:
        indices(self, self.axis, x)
        return x

    def reach(self, x: Shape) -> Reach:
        return along(self, self.axis, x)


@op("act", "nonlinearity", "非线性", category="activation")
class Activation(Op):
    """A function chosen by its name, applied to each number."""

    activation: str = attr(doc="Keras's name of the function", converter=function)

    def shape(self, x: Shape) -> Shape:
        if self.activation != "glu":
            return x
        if not x or (x[-1] or 0) % 2:
            raise self.refuse(f"glu needs an even number of channels, received {x}")
        return (*x[:-1], divide(x[-1], 2))

    def flops(self, x: tuple[int, ...]) -> Dim:
        return function_flops(self.activation, volume(x))


def _layer(name: str) -> Any:
    """The method that makes Keras's layer for a function that has no class of its own."""

    def layer(self: Op, keras: Any, **common: Any) -> Any:
        return keras.layers.Activation(name, **common)

    return layer


@op("logistic", "sigmoid 激活", "S 型函数", category="activation")
class Sigmoid(Op):
    """1 / (1 + exp(-x)): squashes each number into 0..1."""

    shape, flops, layer = same, each(COST["sigmoid"]), _layer("sigmoid")


@op("tanh 激活", "双曲正切", category="activation")
class Tanh(Op):
    """Hyperbolic tangent: squashes each number into -1..1."""

    shape, flops, layer = same, each(COST["tanh"]), _layer("tanh")


@op("gelu 激活", category="activation")
class GELU(Op):
    """x times the share of the normal distribution below x (Hendrycks & Gimpel 2016)."""

    shape, flops, layer = same, each(COST["gelu"]), _layer("gelu")


@op("swish", "swish 激活", category="activation")
class SiLU(Op):
    """x * sigmoid(x) (Ramachandran et al. 2017)."""

    shape, flops, layer = same, each(COST["silu"]), _layer("silu")


@op(category="activation")
class SELU(Op):
    """A scaled ELU that keeps mean 0 and variance 1 (Klambauer et al. 2017)."""

    shape, flops, layer = same, each(COST["selu"]), _layer("selu")


@op(category="activation")
class CELU(Op):
    """An ELU without a bend at zero (Barron 2017)."""

    shape, flops, layer = same, each(COST["celu"]), _layer("celu")


@op("RELU6", category="activation")
class ReLU6(Op):
    """min(max(0, x), 6) for each number."""

    shape, flops, layer = same, each(COST["relu6"]), _layer("relu6")


@op(category="activation")
class Softplus(Op):
    """log(1 + exp(x)): a smooth ReLU."""

    shape, flops, layer = same, each(COST["softplus"]), _layer("softplus")


@op(category="activation")
class Softsign(Op):
    """x / (1 + |x|): squashes each number into -1..1."""

    shape, flops, layer = same, each(COST["softsign"]), _layer("softsign")


@op(category="activation")
class HardSigmoid(Op):
    """min(max(x / 6 + 0.5, 0), 1): a sigmoid of straight lines."""

    shape, flops, layer = same, each(COST["hard_sigmoid"]), _layer("hard_sigmoid")


@op("hard_swish", category="activation")
class HardSiLU(Op):
    """x * hard_sigmoid(x) (Howard et al. 2019)."""

    shape, flops, layer = same, each(COST["hard_silu"]), _layer("hard_silu")


@op("RELU_N1_TO_1", category="activation")
class HardTanh(Op):
    """min(max(x, -1), 1) for each number."""

    shape, flops, layer = same, each(COST["hard_tanh"]), _layer("hard_tanh")


@op(category="activation")
class HardShrink(Op):
    """x where it is larger than 0.5 in size, else 0."""

    shape, flops, layer = same, each(COST["hard_shrink"]), _layer("hard_shrink")


@op(category="activation")
class SoftShrink(Op):
    """x moved towards 0 by 0.5, and 0 where it is smaller."""

    shape, flops, layer = same, each(COST["soft_shrink"]), _layer("soft_shrink")


@op(category="activation")
class TanhShrink(Op):
    """x - tanh(x) for each number."""

    shape, flops, layer = same, each(COST["tanh_shrink"]), _layer("tanh_shrink")


@op(category="activation")
class Mish(Op):
    """x * tanh(softplus(x)) (Misra 2019)."""

    shape, flops, layer = same, each(COST["mish"]), _layer("mish")


@op("exp", category="activation")
class Exponential(Op):
    """exp(x) for each number."""

    shape, flops, layer = same, each(COST["exponential"]), _layer("exponential")


@op(category="activation")
class Squareplus(Op):
    """(x + sqrt(x^2 + 4)) / 2: a smooth ReLU without exponentials."""

    shape, flops, layer = same, each(COST["squareplus"]), _layer("squareplus")


@op(category="activation")
class SparsePlus(Op):
    """A smooth ReLU that is exactly 0 below -1 and x above 1."""

    shape, flops, layer = same, each(COST["sparse_plus"]), _layer("sparse_plus")


@op(category="activation")
class SparseSigmoid(Op):
    """min(max((x + 1) / 2, 0), 1): a sigmoid that reaches 0 and 1."""

    shape, flops, layer = same, each(COST["sparse_sigmoid"]), _layer("sparse_sigmoid")


@op(category="activation")
class LogSigmoid(Op):
    """log(sigmoid(x)) for each number."""

    shape, flops, layer = same, each(COST["log_sigmoid"]), _layer("log_sigmoid")


@op(category="activation")
class LogSoftmax(Op):
    """The logarithm of the softmax over the last axis."""

    shape, flops, layer = same, each(COST["log_softmax"]), _layer("log_softmax")


@op(category="activation")
class Sparsemax(Op):
    """Probabilities that may be exactly 0 (Martins & Astudillo 2016)."""

    shape, layer = same, _layer("sparsemax")
