"""Ops that rearrange, enlarge or cut arrays without learning anything.

The gradient of a number that was only moved goes back to where the number came from.
"""

from __future__ import annotations

import math
from typing import Any, cast

import numpy as np

from opgraph.errors import ReferenceMissingError
from opgraph.reference.computed import Array, Computed, Given, Pulled, single
from opgraph.reference.registry import reference
from opgraph.reference.windows import as_given, channels_last


def _reshaped(x: Array, shape: tuple[int, ...]) -> Computed:
    return single(x.reshape(shape), lambda g: Pulled((g.reshape(x.shape),)))


@reference("Reshape")
def reshape(given: Given) -> Computed:
    """The same numbers in another shape."""
    return _reshaped(given.x, (len(given.x), *given.op.shape(given.x.shape[1:])))


@reference("Flatten")
def flatten(given: Given) -> Computed:
    """All numbers of an example in one row, with the channels last (keras.layers.Flatten)."""
    first = cast("Any", given.op).data_format == "channels_first" and given.x.ndim > 1
    x = np.moveaxis(given.x, 1, -1) if first else given.x

    def pull(g: Array) -> Pulled:
        back = g.reshape(x.shape)
        return Pulled((np.moveaxis(back, -1, 1) if first else back,))

    return single(x.reshape(len(x), math.prod(x.shape[1:])), pull)


@reference("Permute")
def permute(given: Given) -> Computed:
    """The axes in another order."""
    order = (0, *cast("Any", given.op).dims)
    return single(given.x.transpose(order), lambda g: Pulled((g.transpose(np.argsort(order)),)))


@reference("RepeatVector")
def repeat_vector(given: Given) -> Computed:
    """A row of numbers n times; the gradients of the copies add up."""
    y = np.repeat(given.x[:, None], cast("Any", given.op).n, axis=1)
    return single(y, lambda g: Pulled((g.sum(axis=1),)))


def _spatial(op: Any, sides: Any, outside: tuple[Any, Any]) -> list[Any]:
    """Something for each axis: that of the spatial axes, `outside` for batch and channels."""
    batch, channels = outside
    first = getattr(op, "data_format", "channels_last") == "channels_first"
    return [batch, channels, *sides] if first else [batch, *sides, channels]


@reference("ZeroPadding1D", "ZeroPadding2D", "ZeroPadding3D")
def zero_padding(given: Given) -> Computed:
    """Zeros around a map; their gradients are left behind."""
    sides = _spatial(given.op, cast("Any", given.op).padding, ((0, 0), (0, 0)))
    rows = zip(sides, given.x.shape, strict=True)
    inner = tuple(slice(start, start + size) for (start, _), size in rows)
    return single(np.pad(given.x, sides), lambda g: Pulled((g[inner],)))


@reference("Cropping1D", "Cropping2D", "Cropping3D")
def cropping(given: Given) -> Computed:
    """A map without its border, which gets no gradient."""
    sides = _spatial(given.op, cast("Any", given.op).cropping, ((0, 0), (0, 0)))
    rows = zip(sides, given.x.shape, strict=True)
    inner = tuple(slice(start, size - end) for (start, end), size in rows)
    return single(given.x[inner], lambda g: Pulled((np.pad(g, sides),)))


@reference("UpSampling1D", "UpSampling2D", "UpSampling3D")
def up_sampling(given: Given) -> Computed:
    """Each number several times; the gradients of its copies add up."""
    op = cast("Any", given.op)
    if getattr(op, "interpolation", "nearest") != "nearest":
        raise ReferenceMissingError(
            f"there is no independent computation of interpolation={op.interpolation!r}"
        )
    data_format = getattr(op, "data_format", "channels_last")
    x = channels_last(given.x, data_format)
    y = x
    for axis, times in enumerate(op.size, start=1):
        y = np.repeat(y, times, axis=axis)
    copies = [part for pair in zip(x.shape[1:-1], op.size, strict=True) for part in pair]

    def pull(gradient: Array) -> Pulled:
        g = channels_last(gradient, data_format).reshape(len(x), *copies, x.shape[-1])
        total = g.sum(axis=tuple(range(2, 2 * len(op.size) + 1, 2)))
        return Pulled((as_given(total, data_format),))

    return single(as_given(y, data_format), pull)
