"""The changes that pictures to train on go through, made by TensorFlow, a whole batch at a time.

Owns what `flip`, `shift`, ... do; their names and ranges, and what is drawn for each example, stand
in `runtime.data`. Every picture comes out with the same bits in any batch: an operation either
treats each number for itself by exact arithmetic, or is called once for each picture.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from opgraph.runtime.data import Change, change_columns

Array = NDArray[Any]
Tensor = Any


@dataclass(frozen=True, slots=True)
class Range:
    """The smallest and the largest number of the pictures to train on.

    Attributes:
        low: black; what is cut out becomes this.
        high: white.
    """

    low: float
    high: float

    @classmethod
    def of(cls, pictures: Array) -> Range:
        """The range of all these.

        >>> Range.of(np.array([0.25, 1.0]))
        Range(low=0.25, high=1.0)
        """
        return cls(float(pictures.min()), float(pictures.max()))

    @property
    def span(self) -> float:
        """The difference between white and black; amounts of noise are shares of it."""
        return self.high - self.low


def settings_of(change: Change, words: Array, shape: tuple[int, int]) -> Array:
    """What a change does to each of some pictures, from the words drawn for them.

    Computed here number by number, since vectorised sines may round the last ones of a batch
    otherwise than the first ones.

    Args:
        change: which one.
        words: random words of each example, uint64.
        shape: height and width.
    """
    drawn = words[:, change_columns(change.name)]
    share = (drawn >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return SETTINGS[change.name](change.amount, share, drawn, shape)


def change_all(
    changes: Sequence[Change], pictures: Tensor, settings: Sequence[Tensor], numbers: Range
) -> Tensor:
    """Pictures (N, H, W, C) with all changes made, in their order.

    Args:
        changes: what to do.
        pictures: float32 or float64.
        settings: for each change what `settings_of` gave.
        numbers: the range of the pictures; noise and brightness do not leave it.
    """
    for change, setting in zip(changes, settings, strict=True):
        pictures = MAKERS[change.name](pictures, setting, numbers, change.amount)
    return pictures


def _coin(amount: float, share: Array, drawn: Array, shape: tuple[int, int]) -> Array:
    del amount, drawn, shape
    return share[:, 0] < 0.5


def _pixels(amount: float, share: Array, drawn: Array, shape: tuple[int, int]) -> Array:
    """How far down and to the right, from -amount to amount."""
    del drawn, shape
    return (np.floor(share * (2 * amount + 1)) - amount).astype(np.int32)


def _turns(amount: float, share: Array, drawn: Array, shape: tuple[int, int]) -> Array:
    """Eight numbers each: where in a picture the pixel at (x, y) of the result is taken from."""
    del drawn
    y, x = (shape[0] - 1) / 2, (shape[1] - 1) / 2
    rows: list[list[float]] = []
    for one in share[:, 0].tolist():
        angle = math.radians(amount) * (2 * one - 1)
        c, s = math.cos(angle), math.sin(angle)
        rows.append([c, -s, x - c * x + s * y, s, c, y - s * x - c * y, 0.0, 0.0])
    return np.array(rows, np.float32)


def _either_way(amount: float, share: Array, drawn: Array, shape: tuple[int, int]) -> Array:
    del drawn, shape
    return amount * (2 * share[:, 0] - 1)


def _corners(amount: float, share: Array, drawn: Array, shape: tuple[int, int]) -> Array:
    """Top and left of a square that lies wholly within the picture."""
    del drawn
    room = np.array(shape) - amount + 1
    return np.floor(share * room).astype(np.int32)


def _keys(amount: float, share: Array, drawn: Array, shape: tuple[int, int]) -> Array:
    del amount, share, shape
    return drawn.view(np.int64)


SETTINGS: dict[str, Callable[[float, Array, Array, tuple[int, int]], Array]] = {
    "flip": _coin,
    "shift": _pixels,
    "rotate": _turns,
    "noise": _keys,
    "brightness": _either_way,
    "cutout": _corners,
}


def _flip(pictures: Tensor, turned: Tensor, numbers: Range, amount: float) -> Tensor:
    del numbers, amount
    return tf.where(_beside(turned, 3), tf.reverse(pictures, [2]), pictures)


def _shift(pictures: Tensor, pixels: Tensor, numbers: Range, amount: float) -> Tensor:
    """Moved by whole pixels; the border is repeated."""
    del numbers, amount
    _, height, width, _ = pictures.shape
    rows = tf.clip_by_value(tf.range(height) - pixels[:, :1], 0, height - 1)
    columns = tf.clip_by_value(tf.range(width) - pixels[:, 1:], 0, width - 1)
    moved = tf.gather(pictures, rows, axis=1, batch_dims=1)
    return tf.gather(moved, columns, axis=2, batch_dims=1)


def _rotate(pictures: Tensor, turns: Tensor, numbers: Range, amount: float) -> Tensor:
    """Turned around the centre, bilinear; the border is repeated."""
    del numbers, amount
    turned = tf.raw_ops.ImageProjectiveTransformV3(
        images=pictures,
        transforms=turns,
        output_shape=pictures.shape[1:3],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="NEAREST",
    )
    return tf.ensure_shape(turned, pictures.shape)


def _noise(pictures: Tensor, keys: Tensor, numbers: Range, amount: float) -> Tensor:
    """Normal noise, drawn for each picture by a call of its own."""

    def draw(key: Tensor) -> Tensor:
        return tf.random.stateless_normal(shape, key, dtype=pictures.dtype, alg="philox")

    shape = pictures.shape[1:]
    noise = tf.map_fn(draw, keys, fn_output_signature=tf.TensorSpec(shape, pictures.dtype))
    return _within(pictures + amount * numbers.span * noise, numbers)


def _brightness(pictures: Tensor, more: Tensor, numbers: Range, amount: float) -> Tensor:
    del amount
    return _within(pictures + _beside(tf.cast(more * numbers.span, pictures.dtype), 3), numbers)


def _cutout(pictures: Tensor, corners: Tensor, numbers: Range, amount: float) -> Tensor:
    """A square made black."""
    _, height, width, _ = pictures.shape
    rows, columns = tf.range(height) - corners[:, :1], tf.range(width) - corners[:, 1:]
    side = int(amount)
    down, across = (rows >= 0) & (rows < side), (columns >= 0) & (columns < side)
    inside = (down[:, :, None] & across[:, None, :])[..., None]
    return tf.where(inside, tf.constant(numbers.low, pictures.dtype), pictures)


def _within(pictures: Tensor, numbers: Range) -> Tensor:
    return tf.clip_by_value(pictures, numbers.low, numbers.high)


def _beside(one_each: Tensor, axes: int) -> Tensor:
    return tf.reshape(one_each, [-1, *[1] * axes])


MAKERS: dict[str, Callable[[Tensor, Tensor, Range, float], Tensor]] = {
    "flip": _flip,
    "shift": _shift,
    "rotate": _rotate,
    "noise": _noise,
    "brightness": _brightness,
    "cutout": _cutout,
}
