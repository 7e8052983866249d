"""Layers that disturb or restrain training on purpose, and do nothing at inference.

FLOPs: none, as they do nothing at inference; marking empty steps one for each number.
"""

from __future__ import annotations

from typing import Any

from opgraph.ops.checks import number, optional, rate, whole
from opgraph.ops.library.axes import DataFormat, apart, rank
from opgraph.ops.library.pointwise import each, free, same
from opgraph.ops.registry import op
from opgraph.ops.spec import Op, Shape, attr


def _noise_shape(value: Any) -> tuple[int | None, ...]:
    items = tuple(value) if isinstance(value, list | tuple) else (value,)
    return tuple(optional(whole)(item) for item in items)


def _not_negative(value: Any) -> float:
    if number(value) < 0:
        raise ValueError("expected a number of at least 0")
    return float(value)


@op("drop", "Dropout 层", "随机失活", "丢弃层", "丢弃", category="regularization")
class Dropout(Op):
    """Set a random share of the numbers to 0 in training and scale up the others."""

    rate: float = attr(default=0.5, doc="share of numbers that is dropped", converter=rate)
    noise_shape: tuple[int | None, ...] | None = attr(
        default=None,
        doc="axes of size 1 share one decision; batch included",
        converter=_noise_shape,
    )
    seed: int | None = attr(default=None, doc="seed of the mask")

    shape, flops = same, free


@op(category="regularization")
class AlphaDropout(Op):
    """A dropout that keeps mean and variance, for SELU networks."""

    rate: float = attr(default=0.5, doc="share of numbers that is dropped", converter=rate)
    noise_shape: tuple[int | None, ...] | None = attr(
        default=None,
        doc="axes of size 1 share one decision; batch included",
        converter=_noise_shape,
    )
    seed: int | None = attr(default=None, doc="seed of the mask")

    shape, flops = same, free


@op(category="regularization")
class GaussianDropout(Op):
    """Multiply by random numbers around 1 in training."""

    rate: float = attr(
        default=0.5, doc="the factors' deviation is sqrt(rate / (1 - rate))", converter=rate
    )
    seed: int | None = attr(default=None, doc="seed of the factors")

    shape, flops = same, free


@op("noise", "高斯噪声", "噪声", category="regularization")
class GaussianNoise(Op):
    """Add random numbers around 0 in training."""

    stddev: float = attr(doc="standard deviation of the noise", converter=_not_negative)
    seed: int | None = attr(default=None, doc="seed of the noise")

    shape, flops = same, free


def _map(self: SpatialDropout, x: Shape) -> Shape:
    apart(self, x, rank(self), getattr(self, "data_format", "channels_last"))
    return x


def _layer(self: SpatialDropout, keras: Any, **common: Any) -> Any:
    """Keras's spatial dropouts take no `trainable`; they have nothing to train."""
    common.pop("trainable", None)
    return getattr(keras.layers, self.kind)(**self.config(), **common)


@op("一维空间随机失活", category="regularization")
class SpatialDropout1D(Op):
    """Set a random share of the channels of a sequence to 0 in training."""

    rate: float = attr(default=0.5, doc="share of channels that is dropped", converter=rate)
    seed: int | None = attr(default=None, doc="seed of the mask")

    shape, flops, layer = _map, free, _layer


@op("spatial_dropout", "空间随机失活", category="regularization")
class SpatialDropout2D(Op):
    """Set a random share of the channels of an image to 0 in training."""

    rate: float = attr(default=0.5, doc="share of channels that is dropped", converter=rate)
    data_format: DataFormat = attr(default="channels_last", doc="where the channels stand")
    seed: int | None = attr(default=None, doc="seed of the mask")

    shape, flops, layer = _map, free, _layer


@op("三维空间随机失活", category="regularization")
class SpatialDropout3D(Op):
    """Set a random share of the channels of a volume to 0 in training."""

    rate: float = attr(default=0.5, doc="share of channels that is dropped", converter=rate)
    data_format: DataFormat = attr(default="channels_last", doc="where the channels stand")
    seed: int | None = attr(default=None, doc="seed of the mask")

    shape, flops, layer = _map, free, _layer


@op("drop_path", "随机深度", category="regularization")
class StochasticDepth(Op):
    """Leave out a whole branch for a random share of the examples (Huang et al. 2016)."""

    drop_path_rate: float = attr(doc="share of examples whose branch is left out", converter=rate)

    shape, flops = same, free

    def layer(self, keras: Any, **common: Any) -> Any:
        return keras.src.applications.convnext.StochasticDepth(self.drop_path_rate, **common)


@op("活动正则化", category="regularization")
class ActivityRegularization(Op):
    """The input unchanged; its size is added to the loss."""

    l1: float = attr(
        default=0.0, doc="factor of the sum of absolute values", converter=_not_negative
    )
    l2: float = attr(default=0.0, doc="factor of the sum of squares", converter=_not_negative)

    shape, flops = same, free


@op("掩码", "屏蔽", category="recurrent")
class Masking(Op):
    """Mark the steps of a sequence that hold only one value, so that later layers skip them."""

    mask_value: float = attr(default=0.0, doc="the value that marks a step as empty")

    shape, flops = same, each(1)


SpatialDropout = SpatialDropout1D | SpatialDropout2D | SpatialDropout3D
