"""Enlarging and shrinking pictures, and their channels; pure NumPy.

Owns bilinear interpolation and the conversion between grey and colour; knows no file and no
network. The sums run in a fixed order in float64, without matrix products, so that the numbers do
not depend on the machine.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from opgraph.runtime.data.result import Array

LUMA = (0.299, 0.587, 0.114)


def resize(images: Array, height: int, width: int, *, by_area: bool = False) -> Array:
    """Pictures (..., H, W, C) in another size, bilinearly, as float64.

    Pixel centres lie at half numbers and the border repeats, as in TensorFlow and Pillow. Shrinking
    averages over all pixels near an output pixel, weighed by a triangle (Pillow's way; `antialias`
    elsewhere), or with `by_area` over just the pixels that it covers.

    >>> resize(np.array([[[0.0], [1.0]]]), 1, 4).ravel().tolist()
    [0.0, 0.25, 0.75, 1.0]
    """
    tall = _along(images, height, images.ndim - 3, by_area)
    return _along(tall, width, images.ndim - 2, by_area)


def _along(images: Array, size: int, axis: int, by_area: bool) -> Array:
    if images.shape[axis] == size:
        return images.astype(np.float64)
    taps = _covered if by_area and size < images.shape[axis] else _near
    indices, weights = taps(images.shape[axis], size)
    shape = [1] * images.ndim
    shape[axis] = size
    total = np.zeros((*images.shape[:axis], size, *images.shape[axis + 1 :]))
    for index, weight in zip(indices, weights, strict=True):
        total += np.take(images, index, axis=axis) * weight.reshape(shape)
    return total


@cache
def _covered(old: int, new: int) -> tuple[Array, Array]:
    """For each tap, which pixel each output pixel covers and how much of it."""
    edges = np.arange(new + 1) * old / new
    start, end = edges[:-1], edges[1:]
    indices = np.floor(start).astype(np.int64) + np.arange(-(-old // new) + 1)[:, None]
    overlap = np.minimum(indices + 1, end) - np.maximum(indices, start)
    return np.clip(indices, 0, old - 1), np.maximum(overlap, 0.0) * new / old


@cache
def _near(old: int, new: int) -> tuple[Array, Array]:
    """For each tap, which pixel each output pixel reads and with what weight."""
    scale = old / new
    reach = max(scale, 1.0)
    centres = (np.arange(new) + 0.5) * scale
    first = np.floor(centres - reach + 0.5).astype(np.int64)
    steps = np.arange(int(np.ceil(2 * reach)) + 1)[:, None]
    indices = first + steps
    weights = np.maximum(0.0, 1.0 - np.abs(indices + 0.5 - centres) / reach)
    # Shrinking leaves out what lies beyond the border; enlarging repeats the border, which is the
    # same: both keep the sum of the weights at 1.
    weights = np.where((indices >= 0) & (indices < old), weights, 0.0)
    weights /= weights.sum(axis=0)
    used = weights.any(axis=1)
    return np.clip(indices, 0, old - 1)[used], weights[used]


def recolor(images: Array, channels: int) -> Array | None:
    """Pictures (..., C) with another number of channels; None if there is no rule for it.

    Grey is repeated; colour becomes grey by the weights of ITU-R 601 (Pillow's `L`).

    >>> recolor(np.array([[1.0, 0.0, 0.0]]), 1).tolist()
    [[0.299]]
    """
    present = images.shape[-1]
    if present == channels:
        return images
    if present == 1:
        return np.repeat(images, channels, axis=-1)
    if present == 3 and channels == 1:
        red, green, blue = (images[..., i] * LUMA[i] for i in range(3))
        return (red + green + blue)[..., None]
    return None
