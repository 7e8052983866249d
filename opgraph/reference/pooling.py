"""Layers that keep one number of each window, or of a whole map."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from opgraph.reference.computed import Array, Computed, Given, Pulled, single
from opgraph.reference.registry import reference
from opgraph.reference.windows import Windows, as_given, channels_last


def _windows(op: Any, x: Array) -> Windows:
    ones = (1,) * len(op.pool_size)
    strides = op.strides or op.pool_size
    return Windows(x.shape[1:-1], op.pool_size, strides, ones, op.padding)


@reference("MaxPooling1D", "MaxPooling2D", "MaxPooling3D")
def max_pooling(given: Given) -> Computed:
    """The largest number of each window; the gradient goes back to where it stood.

    Parts: `winners` is the place inside the window of the largest number, the last axis counted
    fastest; `ties` says how many other places hold the same number. TensorFlow gives the gradient
    to the first of them in one and two dimensions, to each of them in three; so does this.
    """
    op = cast("Any", given.op)
    x = channels_last(given.x, op.data_format)
    windows = _windows(op, x)
    padded = windows.pad(x, -np.inf)
    seen = [padded[windows.seen_at(offset)] for offset in windows.offsets()]
    largest = np.maximum.reduce(seen)
    winners = np.argmax([numbers == largest for numbers in seen], axis=0)
    ties = np.sum([numbers == largest for numbers in seen], axis=0) - 1
    to_all = len(windows.window) == 3

    def pull(gradient: Array) -> Pulled:
        g, at_padded = channels_last(gradient, op.data_format), np.zeros_like(padded)
        for place, offset in enumerate(windows.offsets()):
            won = seen[place] == largest if to_all else winners == place
            at_padded[windows.seen_at(offset)] += g * won
        return Pulled((as_given(windows.unpad(at_padded), op.data_format),))

    parts = {"winners": as_given(winners, op.data_format), "ties": as_given(ties, op.data_format)}
    return single(as_given(largest, op.data_format), pull, parts)


@reference("AveragePooling1D", "AveragePooling2D", "AveragePooling3D")
def average_pooling(given: Given) -> Computed:
    """The mean of each window; padding does not count, as in TensorFlow.

    Parts: `counted` is how many numbers stand in each window.
    """
    op = cast("Any", given.op)
    x = channels_last(given.x, op.data_format)
    windows = _windows(op, x)
    padded, inside = windows.pad(x), windows.pad(np.ones_like(x))
    total = np.sum([padded[windows.seen_at(offset)] for offset in windows.offsets()], axis=0)
    counted = np.sum([inside[windows.seen_at(offset)] for offset in windows.offsets()], axis=0)

    def pull(gradient: Array) -> Pulled:
        g, at_padded = channels_last(gradient, op.data_format), np.zeros_like(padded)
        for offset in windows.offsets():
            at_padded[windows.seen_at(offset)] += g / counted
        return Pulled((as_given(windows.unpad(at_padded), op.data_format),))

    parts = {"counted": as_given(counted, op.data_format)}
    return single(as_given(total / counted, op.data_format), pull, parts)


def _spatial(op: Any, x: Array) -> tuple[int, ...]:
    return tuple(range(1, x.ndim - 1) if op.data_format == "channels_last" else range(2, x.ndim))


def _restored(g: Array, x: Array, axes: tuple[int, ...]) -> Array:
    """The gradient with the pooled axes back, of size 1."""
    return g if g.ndim == x.ndim else np.expand_dims(g, axes)


@reference("GlobalMaxPooling1D", "GlobalMaxPooling2D", "GlobalMaxPooling3D")
def global_max_pooling(given: Given) -> Computed:
    """The largest number of each channel.

    Parts: `winners` is the place of the largest number in the map, the last axis counted fastest;
    `ties` how many other places hold it. All of them share the gradient evenly, as in TensorFlow.
    """
    op, x = cast("Any", given.op), given.x
    axes = _spatial(op, x)
    largest = x.max(axis=axes, keepdims=True)
    won = x == largest
    many = won.sum(axis=axes, keepdims=True)
    flat = channels_last(won, op.data_format).reshape(len(x), -1, largest.size // len(x))

    def pull(g: Array) -> Pulled:
        return Pulled((won * _restored(g, x, axes) / many,))

    y = largest if op.keepdims else np.squeeze(largest, axes)
    parts = {"winners": flat.argmax(axis=1).reshape(y.shape), "ties": many.reshape(y.shape) - 1}
    return single(y, pull, parts)


@reference("GlobalAveragePooling1D", "GlobalAveragePooling2D", "GlobalAveragePooling3D")
def global_average_pooling(given: Given) -> Computed:
    """The mean of each channel; each number of it gets an equal share of the gradient."""
    op, x = cast("Any", given.op), given.x
    axes = _spatial(op, x)
    y = x.mean(axis=axes, keepdims=op.keepdims)

    def pull(g: Array) -> Pulled:
        share = _restored(g, x, axes) * (y.size / x.size)
        return Pulled((np.broadcast_to(share, x.shape).copy(),))

    return single(y, pull)
