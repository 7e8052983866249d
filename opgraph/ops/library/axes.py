"""Where the channels and the spatial axes of an array stand, and windows that slide over them.

Shapes leave out the batch; Keras's axis numbers count it as axis 0. Shared by several families.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypeVar

from opgraph.errors import AttributeValueError
from opgraph.ops.checks import whole
from opgraph.ops.spec import POINTWISE, WHOLE, Dim, Op, Reach, Shape
from opgraph.ops.windows import slide

DataFormat = Literal["channels_last", "channels_first"]
T = TypeVar("T")
SPATIAL = {1: ("steps",), 2: ("height", "width"), 3: ("depth", "height", "width")}


def apart(op: Op, x: Shape, rank: int, data_format: str = "channels_last") -> tuple[Shape, Dim]:
    """The spatial axes of a map, and its channels.

    Raises:
        ShapeError: the map has another number of axes.
    """
    if len(x) != rank + 1:
        names = together(SPATIAL[rank], "channels", data_format)
        raise op.refuse(f"{op.kind} takes ({', '.join(names)}), received {x}")
    return (x[1:], x[0]) if data_format == "channels_first" else (x[:-1], x[-1])


def rank(op: Op) -> int:
    """Number of spatial axes, which stands in the op's name: 2 for MaxPooling2D."""
    return int(op.kind[-2])


def together(spatial: Sequence[T], channels: T, data_format: str) -> tuple[T, ...]:
    """Spatial axes and channels in the order of the data format.

    >>> together((8, 8), 3, "channels_first")
    (3, 8, 8)
    """
    return (channels, *spatial) if data_format == "channels_first" else (*spatial, channels)


def index(op: Op, axis: int, x: Shape) -> int:
    """Where one of Keras's axis numbers stands in a shape without batch.

    Raises:
        ShapeError: there is no such axis, or it is the batch.
    """
    at = axis + len(x) if axis < 0 else axis - 1
    if not 0 <= at < len(x):
        reason = "is the batch" if axis == 0 or axis == -len(x) - 1 else "does not exist"
        raise op.refuse(f"axis {axis} of {x} {reason}; axis 1 is the first one after the batch")
    return at


def positions(
    op: Op,
    sizes: Shape,
    window: Sequence[int],
    strides: Sequence[int],
    padding: str,
    dilation: Sequence[int] | None = None,
) -> Shape:
    """Number of positions of a window on each axis.

    Raises:
        ShapeError: the window is larger than an axis.
    """
    try:
        return slide(sizes, window, strides, padding, dilation)
    except ValueError as error:
        raise op.refuse(f"{error}; padding='same' would fill it up") from None


def refuse_strided_dilation(self: Any) -> None:
    """Keras's rule: a convolution has strides or gaps, not both.

    Raises:
        AttributeValueError: it has both.
    """
    if max(self.strides) > 1 and max(self.dilation_rate) > 1:
        raise AttributeValueError(
            f"expected 1 where strides={self.strides}, received {self.dilation_rate}",
            where="dilation_rate",
            hint="Keras has no convolution with strides and gaps at once",
        )


def axis_or_axes(value: Any) -> int | tuple[int, ...]:
    """Converter to one of Keras's axis numbers, or to several; a single one in a list is itself.

    >>> axis_or_axes([-1]), axis_or_axes([1, 2])
    (-1, (1, 2))
    """
    items = tuple(value) if isinstance(value, list | tuple) else (value,)
    try:
        numbers = tuple(whole(item) for item in items)
    except ValueError:
        raise ValueError("expected a whole number or several of them") from None
    return numbers[0] if len(numbers) == 1 else numbers


def indices(op: Op, axis: int | tuple[int, ...], x: Shape) -> list[int]:
    """Where Keras's axis numbers stand in a shape without batch, in ascending order.

    Raises:
        ShapeError: there is no such axis, or it is the batch.
    """
    numbers = axis if isinstance(axis, tuple) else (axis,)
    return sorted(index(op, number, x) for number in numbers)


def along(op: Op, axis: int | tuple[int, ...], x: Shape) -> Reach:
    """Reach of an op that looks along these axes: pointwise if only along the channels."""
    return POINTWISE if indices(op, axis, x) == [len(x) - 1] else WHOLE
