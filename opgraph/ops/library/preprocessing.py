"""Layers that bring raw data into the form that a network was trained on.

FLOPs: rescaling and normalising 2 for each number; a smooth change of size 2 for each number of its
window.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any, Literal

from opgraph.errors import AttributeValueError
from opgraph.ops.checks import number, optional, positive
from opgraph.ops.library.axes import DataFormat, apart, axis_or_axes, indices, together
from opgraph.ops.library.pointwise import each, free
from opgraph.ops.library.shaping import WINDOW, Interpolation, smooth_flops
from opgraph.ops.registry import op
from opgraph.ops.spec import POINTWISE, Op, Reach, Shape, Weight, attr
from opgraph.ops.windows import volume

Numbers = float | tuple[Any, ...]


def numbers(value: Any) -> Numbers:
    """Converter to a number or nested rows of numbers; Keras's serialised arrays are opened."""
    if isinstance(value, Mapping) and value.get("class_name") == "__numpy__":
        return numbers(value["config"]["value"])
    value = getattr(value, "tolist", lambda: value)()
    if isinstance(value, list | tuple):
        return tuple(numbers(item) for item in value)
    try:
        return number(value)
    except ValueError:
        raise ValueError("expected a number or a list of them") from None


def extent(value: Numbers) -> Shape:
    """The shape of nested rows of numbers.

    >>> extent(2.0), extent((1.0, 2.0)), extent(((1.0, 2.0),))
    ((), (2,), (1, 2))
    """
    return (len(value), *extent(value[0])) if isinstance(value, tuple) and value else ()


@op("rescale", "缩放", "重缩放", category="normalization")
class Rescaling(Op):
    """x * scale + offset, both fixed."""

    scale: Numbers = attr(doc="factor, one for all or one for each channel", converter=numbers)
    offset: Numbers = attr(default=0.0, doc="what is added afterwards", converter=numbers)

    flops = each(2)

    def shape(self, x: Shape) -> Shape:
        for name, size in (("scale", extent(self.scale)), ("offset", extent(self.offset))):
            fits = len(size) <= len(x) and all(
                many in (1, dim) or dim is None
                for many, dim in zip(size[::-1], x[::-1], strict=False)
            )
            if not fits:
                raise self.refuse(f"{name} of shape {size} does not fit {x}")
        return x


@op("标准化", "数据归一化", category="normalization")
class Normalization(Op):
    """Bring data to mean 0 and variance 1 by statistics that are fixed or adapted to the data."""

    axis: int | tuple[int, ...] | None = attr(
        default=-1, doc="axes that keep statistics of their own", converter=optional(axis_or_axes)
    )
    mean: Numbers | None = attr(default=None, doc="fixed mean", converter=optional(numbers))
    variance: Numbers | None = attr(default=None, doc="fixed variance", converter=optional(numbers))
    invert: bool = attr(default=False, doc="the way back: from normalised data to raw ones")

    flops = each(2)

    def check(self) -> None:
        if (self.mean is None) != (self.variance is None):
            missing = "mean" if self.mean is None else "variance"
            raise AttributeValueError(
                "expected a value beside the one of its partner, received None", where=missing
            )

    def shape(self, x: Shape) -> Shape:
        indices(self, () if self.axis is None else self.axis, x)
        return x

    def weights(self, x: Shape) -> dict[str, Weight]:
        if self.mean is not None:
            return {}
        places = indices(self, () if self.axis is None else self.axis, x)
        kept = tuple(x[at] for at in places)
        return {
            "mean": Weight(kept, False, "zeros"),
            "variance": Weight(kept, False, "ones"),
            "count": Weight((), False, "zeros"),
        }


@op(
    "resize", "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", "调整大小", "缩放尺寸", category="shape"
)
class Resizing(Op):
    """An image in another size: (H, W, C) -> (height, width, C)."""

    height: int = attr(doc="output height", converter=positive)
    width: int = attr(doc="output width", converter=positive)
    interpolation: Interpolation = attr(default="bilinear", doc="how new numbers are made")
    crop_to_aspect_ratio: bool = attr(default=False, doc="cut off rather than distort")
    pad_to_aspect_ratio: bool = attr(default=False, doc="fill up rather than distort")
    fill_mode: Literal["constant"] = attr(default="constant", doc="what it is filled up with")
    fill_value: float = attr(default=0.0, doc="the number it is filled up with")
    antialias: bool = attr(default=False, doc="smooth before shrinking")
    data_format: DataFormat = attr(default="channels_last", doc="where the channels stand")

    def shape(self, x: Shape) -> Shape:
        _, channels = apart(self, x, 2, self.data_format)
        return together((self.height, self.width), channels, self.data_format)

    def flops(self, x: tuple[int, ...]) -> int | None:
        return None if self.antialias else smooth_flops(self.interpolation, volume(self.shape(x)))

    def reach(self, x: Shape) -> Reach | None:
        spatial, _ = apart(self, x, 2, self.data_format)
        distorted = not (self.crop_to_aspect_ratio or self.pad_to_aspect_ratio or self.antialias)
        if None in spatial or not distorted:
            return None
        rows = zip(spatial, (self.height, self.width), strict=True)
        strides = tuple(Fraction(size or 1, wanted) for size, wanted in rows)
        return Reach((WINDOW[self.interpolation],) * 2, strides)


@op("中心裁剪", category="shape")
class CenterCrop(Op):
    """The middle of an image; a smaller image is enlarged first."""

    height: int = attr(doc="output height", converter=positive)
    width: int = attr(doc="output width", converter=positive)
    data_format: DataFormat = attr(default="channels_last", doc="where the channels stand")

    flops = free

    def shape(self, x: Shape) -> Shape:
        _, channels = apart(self, x, 2, self.data_format)
        return together((self.height, self.width), channels, self.data_format)

    def reach(self, x: Shape) -> Reach | None:
        spatial, _ = apart(self, x, 2, self.data_format)
        rows = zip(spatial, (self.height, self.width), strict=True)
        return POINTWISE if all(size is not None and size >= kept for size, kept in rows) else None
