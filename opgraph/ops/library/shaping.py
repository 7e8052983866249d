"""Ops that rearrange, enlarge or cut arrays without learning anything.

FLOPs: none where numbers are only moved; a smooth enlargement 2 for each number of its window.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any, Literal

from opgraph.ops.checks import natural, pair, positive, single, triple, whole
from opgraph.ops.library.axes import DataFormat, apart, together
from opgraph.ops.library.pointwise import free, same
from opgraph.ops.registry import op
from opgraph.ops.spec import POINTWISE, WHOLE, Op, Reach, Shape, attr
from opgraph.ops.windows import add, count, multiply, volume

Sides = tuple[tuple[int, int], ...]


@op("pass_through", "恒等", "恒等映射", category="shape")
class Identity(Op):
    """The input unchanged."""

    shape, flops = same, free


@op("展平", "拉平", category="shape")
class Flatten(Op):
    """All numbers of an example in one row: (H, W, C) -> (H*W*C)."""

    data_format: DataFormat = attr(default="channels_last", doc="where the channels stand")

    flops = free

    def shape(self, x: Shape) -> Shape:
        return (count(x),)

    def reach(self, x: Shape) -> Reach:
        return WHOLE


def _target(value: Any) -> tuple[int, ...]:
    items = tuple(value) if isinstance(value, list | tuple) else (value,)
    numbers = tuple(-1 if item is None else whole(item, at_least=-1) for item in items)
    if numbers.count(-1) > 1 or 0 in numbers:
        raise ValueError("expected a shape with at most one -1")
    return numbers


@op("变形", "重塑", "重塑形状", category="shape")
class Reshape(Op):
    """The same numbers in another shape."""

    target_shape: tuple[int, ...] = attr(
        doc="output without the batch; -1 for what is left", converter=_target
    )

    flops = free

    def shape(self, x: Shape) -> Shape:
        total = count(x)
        known = math.prod(dim for dim in self.target_shape if dim != -1)
        if total is None:
            return tuple(None if dim == -1 else dim for dim in self.target_shape)
        if total % known or (-1 not in self.target_shape and total != known):
            raise self.refuse(
                f"the {total} numbers of {x} cannot take the shape {self.target_shape}"
            )
        return tuple(total // known if dim == -1 else dim for dim in self.target_shape)

    def reach(self, x: Shape) -> Reach | None:
        return POINTWISE if len(x) == 1 else None


def _order(value: Any) -> tuple[int, ...]:
    numbers = tuple(value) if isinstance(value, list | tuple) else (value,)
    if sorted(numbers) != list(range(1, len(numbers) + 1)):
        raise ValueError("expected each axis number from 1 once, such as (2, 1)")
    return tuple(int(number) for number in numbers)


@op("transpose", "转置", "维度置换", category="shape")
class Permute(Op):
    """The axes in another order."""

    dims: tuple[int, ...] = attr(
        doc="axis numbers in their new order, 1 the first after the batch", converter=_order
    )

    flops = free

    def shape(self, x: Shape) -> Shape:
        if len(x) != len(self.dims):
            raise self.refuse(f"dims={self.dims} needs {len(self.dims)} axes, received {x}")
        return tuple(x[axis - 1] for axis in self.dims)

    def reach(self, x: Shape) -> Reach | None:
        return POINTWISE if self.dims == tuple(sorted(self.dims)) else None


@op("repeat", "重复", category="shape")
class RepeatVector(Op):
    """A row of numbers n times: (C) -> (n, C)."""

    n: int = attr(doc="how often it is repeated", converter=positive)

    flops = free

    def shape(self, x: Shape) -> Shape:
        if len(x) != 1:
            raise self.refuse(f"RepeatVector takes (channels), received {x}")
        return (self.n, *x)


def _edges(value: Any) -> Sides:
    """One number for both ends of an axis, or one for each."""
    ends = tuple(value) if isinstance(value, list | tuple) else (value, value)
    if len(ends) == 1 and isinstance(ends[0], list | tuple):
        return _edges(ends[0])
    try:
        start, end = (natural(item) for item in ends)
    except ValueError:
        raise ValueError("expected a whole number of at least 0, or (start, end)") from None
    return ((start, end),)


def _sides(rank: int) -> Callable[[Any], Sides]:
    """Converter to (start, end) of each axis: one number for all, one or two for each axis."""

    def convert(value: Any) -> Sides:
        items = tuple(value) if isinstance(value, list | tuple) else (value,) * rank
        if len(items) != rank:
            raise ValueError(f"expected a whole number, or {rank} numbers or (start, end) pairs")
        return tuple(_edges(item)[0] for item in items)

    return convert


def _padded(self: Padding, x: Shape) -> Shape:
    spatial, channels = apart(self, x, len(self.padding), self.data_format)
    sizes = [add(dim, *ends) for dim, ends in zip(spatial, self.padding, strict=True)]
    return together(sizes, channels, self.data_format)


@op("一维填充", category="shape")
class ZeroPadding1D(Op):
    """Zeros before and after a sequence: (T, C) -> (T', C)."""

    padding: Sides = attr(default=1, doc="zeros at both ends, or (start, end)", converter=_edges)
    data_format: DataFormat = attr(default="channels_last", doc="where the channels stand")

    shape, flops = _padded, free

    def layer(self, keras: Any, **common: Any) -> Any:
        config = self.config("padding")
        return keras.layers.ZeroPadding1D(padding=self.padding[0], **config, **common)


@op("pad", "padding", "zero_pad", "填充", "零填充", "补零", category="shape")
class ZeroPadding2D(Op):
    """Zeros around an image: (H, W, C) -> (H', W', C)."""

    padding: Sides = attr(
        default=1, doc="zeros at each side, or (start, end) of each axis", converter=_sides(2)
    )
    data_format: DataFormat = attr(default="channels_last", doc="where the channels stand")

    shape, flops = _padded, free


@op("三维填充", category="shape")
class ZeroPadding3D(Op):
    """Zeros around a volume: (D, H, W, C) -> (D', H', W', C)."""

    padding: Sides = attr(
        default=1, doc="zeros at each side, or (start, end) of each axis", converter=_sides(3)
    )
    data_format: DataFormat = attr(default="channels_last", doc="where the channels stand")

    shape, flops = _padded, free


def _cropped(self: Cropping, x: Shape) -> Shape:
    data_format = getattr(self, "data_format", "channels_last")
    spatial, channels = apart(self, x, len(self.cropping), data_format)
    for dim, ends in zip(spatial, self.cropping, strict=True):
        if dim is not None and dim <= sum(ends):
            raise self.refuse(f"cropping={self.cropping} leaves nothing of {x}")
    rows = zip(spatial, self.cropping, strict=True)
    return together([add(dim, -sum(ends)) for dim, ends in rows], channels, data_format)


@op("一维裁剪", category="shape")
class Cropping1D(Op):
    """A sequence without its ends: (T, C) -> (T', C)."""

    cropping: Sides = attr(default=1, doc="numbers cut off, or (start, end)", converter=_edges)

    shape, flops = _cropped, free

    def layer(self, keras: Any, **common: Any) -> Any:
        return keras.layers.Cropping1D(cropping=self.cropping[0], **common)


@op("crop", "裁剪", category="shape")
class Cropping2D(Op):
    """An image without its border: (H, W, C) -> (H', W', C)."""

    cropping: Sides = attr(
        default=0, doc="numbers cut off each side, or (start, end)", converter=_sides(2)
    )
    data_format: DataFormat = attr(default="channels_last", doc="where the channels stand")

    shape, flops = _cropped, free


@op("三维裁剪", category="shape")
class Cropping3D(Op):
    """A volume without its border: (D, H, W, C) -> (D', H', W', C)."""

    cropping: Sides = attr(
        default=1, doc="numbers cut off each side, or (start, end)", converter=_sides(3)
    )
    data_format: DataFormat = attr(default="channels_last", doc="where the channels stand")

    shape, flops = _cropped, free


WINDOW = {"nearest": 1, "bilinear": 2, "bicubic": 4, "lanczos3": 6, "lanczos5": 10}
Interpolation = Literal["nearest", "bilinear", "bicubic", "lanczos3", "lanczos5"]


def _enlarged(self: UpSampling, x: Shape) -> Shape:
    data_format = getattr(self, "data_format", "channels_last")
    spatial, channels = apart(self, x, len(self.size), data_format)
    sizes = [multiply(dim, by) for dim, by in zip(spatial, self.size, strict=True)]
    return together(sizes, channels, data_format)


def _enlarged_reach(self: UpSampling, x: Shape) -> Reach:
    window = WINDOW[getattr(self, "interpolation", "nearest")]
    return Reach((window,) * len(self.size), tuple(Fraction(1, by) for by in self.size))


@op("一维上采样", category="shape")
class UpSampling1D(Op):
    """Each step of a sequence several times: (T, C) -> (T', C)."""

    size: tuple[int] = attr(default=2, doc="how often each step is repeated", converter=single)

    shape, flops, reach = _enlarged, free, _enlarged_reach

    def layer(self, keras: Any, **common: Any) -> Any:
        return keras.layers.UpSampling1D(size=self.size[0], **common)


@op("upsample", "upsampling", "上采样", category="shape")
class UpSampling2D(Op):
    """An enlarged image: (H, W, C) -> (H', W', C)."""

    size: tuple[int, int] = attr(default=2, doc="factors of height and width", converter=pair)
    data_format: DataFormat = attr(default="channels_last", doc="where the channels stand")
    interpolation: Interpolation = attr(default="nearest", doc="how new numbers are made")

    shape, reach = _enlarged, _enlarged_reach

    def flops(self, x: tuple[int, ...]) -> int:
        return smooth_flops(self.interpolation, volume(self.shape(x)))


@op("三维上采样", category="shape")
class UpSampling3D(Op):
    """Each number of a volume several times: (D, H, W, C) -> (D', H', W', C)."""

    size: tuple[int, int, int] = attr(
        default=2, doc="factors of depth, height and width", converter=triple
    )
    data_format: DataFormat = attr(default="channels_last", doc="where the channels stand")

    shape, flops, reach = _enlarged, free, _enlarged_reach


def smooth_flops(interpolation: str, numbers: int) -> int:
    """Operations of so many interpolated numbers of an image.

    >>> smooth_flops("nearest", 10), smooth_flops("bilinear", 10)
    (0, 80)
    """
    return 0 if interpolation == "nearest" else 2 * WINDOW[interpolation] ** 2 * numbers


Padding = ZeroPadding1D | ZeroPadding2D | ZeroPadding3D
Cropping = Cropping1D | Cropping2D | Cropping3D
UpSampling = UpSampling1D | UpSampling2D | UpSampling3D
