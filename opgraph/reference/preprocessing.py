"""Layers that bring data into the range or size that a network wants."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from opgraph.errors import ReferenceMissingError
from opgraph.reference.computed import Array, Computed, Given, Pulled, single
from opgraph.reference.registry import reference

SMALLEST = 1e-7  # keras.config.epsilon(): the deviation is taken as this where it is smaller


@reference("Rescaling")
def rescaling(given: Given) -> Computed:
    """X * scale + offset (keras.layers.Rescaling)."""
    op = cast("Any", given.op)
    scale, offset = np.asarray(op.scale), np.asarray(op.offset)
    return single(given.x * scale + offset, lambda g: Pulled((g * scale,)))


@reference("Normalization")
def normalization(given: Given) -> Computed:
    """(x - mean) / sqrt(variance), both fixed, or the way back (keras.layers.Normalization)."""
    op, x = cast("Any", given.op), given.x
    given_by_op = op.mean is not None
    mean = np.asarray(op.mean if given_by_op else given.weights["mean"], np.float64)
    variance = np.asarray(op.variance if given_by_op else given.weights["variance"], np.float64)
    axes = () if op.axis is None else op.axis if isinstance(op.axis, tuple) else (op.axis,)
    kept = {axis % x.ndim for axis in axes}
    shape = [size if at in kept else 1 for at, size in enumerate(x.shape)]
    mean, variance = (np.broadcast_to(a, [x.shape[at] for at in sorted(kept)]).reshape(shape)
                      for a in (mean, variance))  # fmt: skip
    deviation = np.maximum(np.sqrt(variance), SMALLEST)
    if op.invert:
        return single(mean + x * deviation, lambda g: Pulled((g * deviation,)))
    return single((x - mean) / deviation, lambda g: Pulled((g / deviation,)))


@reference("CenterCrop")
def center_crop(given: Given) -> Computed:
    """The middle of an image; the place more of an odd number is cut off behind."""
    op, x = cast("Any", given.op), given.x
    first = op.data_format == "channels_first"
    axes = (2, 3) if first else (1, 2)
    sizes = [x.shape[axis] for axis in axes]
    wanted = (op.height, op.width)
    if any(size < want for size, want in zip(sizes, wanted, strict=True)):
        raise ReferenceMissingError(
            f"there is no independent computation of {op!r} on an image of {tuple(sizes)}, which is"
            " enlarged first"
        )
    window = [slice(None)] * x.ndim
    for axis, size, want in zip(axes, sizes, wanted, strict=True):
        start = (size - want) // 2
        window[axis] = slice(start, start + want)

    def pull(g: Any) -> Pulled:
        at_input = np.zeros_like(x)
        at_input[tuple(window)] = g
        return Pulled((at_input,))

    return single(x[tuple(window)], pull)


def _blend(size: int, wanted: int, smooth: bool) -> Array:
    """How much of each old place a new one takes, (wanted, size); centres of pixels meet."""
    centres = (np.arange(wanted) + 0.5) * size / wanted
    rows, matrix = np.arange(wanted), np.zeros((wanted, size))
    if not smooth:
        matrix[rows, np.minimum(np.floor(centres).astype(int), size - 1)] = 1
        return matrix
    at = centres - 0.5
    low = np.floor(at)
    for place, share in ((low, 1 - (at - low)), (low + 1, at - low)):
        np.add.at(matrix, (rows, np.clip(place, 0, size - 1).astype(int)), share)
    return matrix


@reference("Resizing")
def resizing(given: Given) -> Computed:
    """Nearest or bilinear, one axis after the other; places outside count as the edge.

    Raises:
        ReferenceMissingError: another interpolation, antialias, or the aspect ratio is kept.
    """
    op, x = cast("Any", given.op), given.x
    kept = op.crop_to_aspect_ratio or op.pad_to_aspect_ratio
    if op.interpolation not in ("nearest", "bilinear") or op.antialias or kept:
        raise ReferenceMissingError(f"there is no independent computation of {op!r}")
    first = op.data_format == "channels_first"
    image, back = ("nchw", "ncab") if first else ("nhwc", "nabc")
    sizes = x.shape[2:] if first else x.shape[1:3]
    tall, wide = (
        _blend(size, wanted, op.interpolation == "bilinear")
        for size, wanted in zip(sizes, (op.height, op.width), strict=True)
    )
    equation = f"{image},ah,bw->{back}"
    turned = f"{back},ah,bw->{image}"
    return single(
        np.einsum(equation, x, tall, wide, optimize=True),
        lambda g: Pulled((np.einsum(turned, g, tall, wide, optimize=True),)),
    )
