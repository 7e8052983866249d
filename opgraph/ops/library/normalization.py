"""Layers that bring activations to a common scale.

FLOPs for each number: batch normalisation 2, as at inference, where it is one multiply-add; the
others by the passes over the data (mean, centring, square, sum, scaling), gamma and beta 1 each.
What is done once for each group, such as the square root, is left out.
"""

from __future__ import annotations

from typing import Any

from opgraph.ops.checks import anything, whole
from opgraph.ops.library.arrays import gamma_and_beta
from opgraph.ops.library.axes import along, axis_or_axes, index, indices
from opgraph.ops.library.pointwise import each
from opgraph.ops.registry import op
from opgraph.ops.spec import WHOLE, Op, Reach, Shape, Weight, attr, for_weights
from opgraph.ops.windows import volume

MOVING = ("moving_mean_initializer", "moving_variance_initializer")


def _same(
    self: BatchNormalization | LayerNormalization | UnitNormalization | RMSNormalization, x: Shape
) -> Shape:
    indices(self, self.axis, x)
    return x


def _reach(self: LayerNormalization | UnitNormalization | RMSNormalization, x: Shape) -> Reach:
    return along(self, self.axis, x)


@op(
    "bn",
    "batch_norm",
    "batchnorm1d",
    "batchnorm2d",
    "batchnorm3d",
    "FusedBatchNorm",
    "FusedBatchNormV3",
    "批归一化",
    "批标准化",
    "批量归一化",
    category="normalization",
)
class BatchNormalization(Op):
    """Shift and scale each channel by the statistics of the batch (Ioffe & Szegedy 2015)."""

    axis: int = attr(default=-1, doc="axis that keeps statistics of its own")
    momentum: float = attr(default=0.99, doc="share of the old moving statistics that is kept")
    epsilon: float = attr(default=1e-3, doc="added to the variance")
    center: bool = attr(default=True, doc="whether beta is added")
    scale: bool = attr(default=True, doc="whether the result is multiplied by gamma")
    renorm: bool = attr(default=False, doc="correct by moving statistics in training (Ioffe 2017)")
    renorm_clipping: Any = attr(
        default=None, doc="rmin, rmax and dmax of the correction", converter=anything
    )
    renorm_momentum: float = attr(default=0.99, doc="momentum of the correction's statistics")
    synchronized: bool = attr(default=False, doc="share batch statistics between replicas")
    options = (*for_weights("gamma", "beta"), *MOVING)

    shape, flops = _same, each(2)

    def weights(self, x: Shape) -> dict[str, Weight]:
        channels = (x[index(self, self.axis, x)],)
        mean = Weight(channels, False, self.initializer("moving_mean", "zeros"))
        variance = Weight(channels, False, self.initializer("moving_variance", "ones"))
        arrays = gamma_and_beta(self, channels)
        arrays |= {"moving_mean": mean, "moving_variance": variance}
        if self.renorm:
            arrays |= {"moving_stddev": variance, "renorm_mean": mean, "renorm_stddev": variance}
        return arrays


@op("ln", "layer_norm", "norm", "层归一化", "层标准化", category="normalization")
class LayerNormalization(Op):
    """Bring each example to mean 0 and variance 1 over its channels (Ba et al. 2016)."""

    axis: int | tuple[int, ...] = attr(
        default=-1, doc="axes that are normalised together", converter=axis_or_axes
    )
    epsilon: float = attr(default=1e-3, doc="added to the variance")
    center: bool = attr(default=True, doc="whether beta is added")
    scale: bool = attr(default=True, doc="whether the result is multiplied by gamma")
    rms_scaling: bool = attr(default=False, doc="divide by the variance only (deprecated in Keras)")
    options = for_weights("gamma", "beta")

    shape, reach = _same, _reach

    def weights(self, x: Shape) -> dict[str, Weight]:
        arrays = gamma_and_beta(self, tuple(x[at] for at in indices(self, self.axis, x)))
        return {"gamma": arrays["gamma"]} if self.rms_scaling else arrays

    def flops(self, x: tuple[int, ...]) -> int:
        return volume(x) * (5 + self.scale + self.center)


def _groups(value: Any) -> int:
    """-1 or a whole number of at least 1."""
    groups = whole(value)
    if groups != -1 and groups < 1:
        raise ValueError("expected a whole number of at least 1, or -1 for one group a channel")
    return groups


@op("gn", "group_norm", "组归一化", "组标准化", category="normalization")
class GroupNormalization(Op):
    """Bring each group of channels of an example to mean 0 and variance 1 (Wu & He 2018)."""

    groups: int = attr(
        default=32, doc="groups of channels; -1 for one group a channel", converter=_groups
    )
    axis: int = attr(default=-1, doc="axis of the channels")
    epsilon: float = attr(default=1e-3, doc="added to the variance")
    center: bool = attr(default=True, doc="whether beta is added")
    scale: bool = attr(default=True, doc="whether the result is multiplied by gamma")
    options = for_weights("gamma", "beta")

    def shape(self, x: Shape) -> Shape:
        channels = x[index(self, self.axis, x)]
        if channels is not None and self.groups > 0 and channels % self.groups:
            raise self.refuse(f"groups={self.groups} must divide {channels} channels")
        return x

    def weights(self, x: Shape) -> dict[str, Weight]:
        return gamma_and_beta(self, (x[index(self, self.axis, x)],))

    def flops(self, x: tuple[int, ...]) -> int:
        return volume(x) * (5 + self.scale + self.center)

    def reach(self, x: Shape) -> Reach:
        return WHOLE


@op("unit_norm", "l2_norm", "l2_normalize", "L2_NORMALIZATION", category="normalization")
class UnitNormalization(Op):
    """Bring each example to length 1 over an axis."""

    axis: int | tuple[int, ...] = attr(
        default=-1, doc="axes that are normalised together", converter=axis_or_axes
    )

    shape, flops, reach = _same, each(3), _reach


@op("rms_norm", "均方根归一化", category="normalization")
class RMSNormalization(Op):
    """Divide each example by the root mean square over its channels (Zhang & Sennrich 2019)."""

    axis: int | tuple[int, ...] = attr(
        default=-1, doc="axes that are normalised together", converter=axis_or_axes
    )
    epsilon: float = attr(default=1e-6, doc="added to the mean square")

    shape, flops, reach = _same, each(4), _reach

    def weights(self, x: Shape) -> dict[str, Weight]:
        return {"scale": Weight(tuple(x[at] for at in indices(self, self.axis, x)), True, "ones")}


@op(category="normalization")
class LayerScale(Op):
    """Multiply each channel by a learned number that starts small (Touvron et al. 2021)."""

    init_values: float = attr(default=1e-6, doc="what the factors start from")
    projection_dim: int = attr(doc="number of channels", converter=whole, rule="channels")

    flops = each(1)

    def shape(self, x: Shape) -> Shape:
        if not x or x[-1] not in (None, self.projection_dim):
            raise self.refuse(f"projection_dim={self.projection_dim} does not fit {x}")
        return x

    def weights(self, x: Shape) -> dict[str, Weight]:
        return {"gamma": Weight((self.projection_dim,), True, "constant")}

    def layer(self, keras: Any, **common: Any) -> Any:
        kind = keras.src.applications.convnext.LayerScale
        return kind(self.init_values, self.projection_dim, **common)
