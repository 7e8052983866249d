"""Pools whose windows are chosen so that the output has a given size.

Window i of an axis of n numbers, cut into m, reaches from floor(i n / m) to ceil((i + 1) n / m).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import numpy as np

from opgraph.reference.computed import Array, Computed, Given, Pulled, single
from opgraph.reference.registry import reference
from opgraph.reference.windows import as_given, channels_last


def _cuts(sizes: tuple[int, ...], many: tuple[int, ...]) -> Iterator[tuple[Any, Any]]:
    """Each place of the output and the window that it reads, as indices of channels-last maps."""
    for place in np.ndindex(*many):
        rows = zip(place, sizes, many, strict=True)
        window = [slice(i * size // m, -(-(i + 1) * size // m)) for i, size, m in rows]
        yield (slice(None), *place), (slice(None), *window)


def _pooled(given: Given, is_max: bool) -> Computed:
    op = cast("Any", given.op)
    x = channels_last(given.x, op.data_format)
    cuts = list(_cuts(x.shape[1:-1], op.output_size))
    y, winners = np.zeros((len(x), *op.output_size, x.shape[-1])), None
    winners = np.zeros(y.shape, np.int64)
    for place, window in cuts:
        numbers = x[window].reshape(len(x), -1, x.shape[-1])
        y[place] = numbers.max(axis=1) if is_max else numbers.mean(axis=1)
        winners[place] = numbers.argmax(axis=1)

    def pull(gradient: Array) -> Pulled:
        g, at_input = channels_last(gradient, op.data_format), np.zeros_like(x)
        for place, window in cuts:
            shape = x[window].shape
            many = int(np.prod(shape[1:-1]))
            shares = np.full((len(x), many, x.shape[-1]), 1 / many)
            if is_max:
                shares = (np.arange(many)[:, None] == winners[place][:, None]).astype(np.float64)
            at_input[window] += (shares * g[place][:, None]).reshape(shape)
        return Pulled((as_given(at_input, op.data_format),))

    parts = {"winners": as_given(winners, op.data_format)} if is_max else {}
    return single(as_given(y, op.data_format), pull, parts)


@reference("AdaptiveMaxPooling1D", "AdaptiveMaxPooling2D", "AdaptiveMaxPooling3D")
def adaptive_max_pooling(given: Given) -> Computed:
    """The largest number of each window; the first one where several are equal.

    Parts: `winners`, the place of the largest number in its window, the last axis fastest.
    """
    return _pooled(given, is_max=True)


@reference("AdaptiveAveragePooling1D", "AdaptiveAveragePooling2D", "AdaptiveAveragePooling3D")
def adaptive_average_pooling(given: Given) -> Computed:
    """The mean of each window."""
    return _pooled(given, is_max=False)
