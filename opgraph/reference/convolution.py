"""Convolutions: learned windows that slide over one, two or three axes.

y[p, f] = sum over places k of the window and channels c of x[p * stride + k * dilation, c] *
kernel[k, c, f] (Dumoulin & Visin 2016, arXiv:1603.07285). Written as a loop over the places of the
window: at each, all windows together are one matrix product.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import numpy as np

from opgraph.reference.computed import Array, Computed, Given, Pulled, single
from opgraph.reference.dense import all_but_last
from opgraph.reference.registry import reference
from opgraph.reference.windows import Windows, as_given, channels_last


def windows_of(op: Any, x: Array) -> Windows:
    """The windows of a convolution over a map with its channels at the end."""
    return Windows(x.shape[1:-1], op.kernel_size, op.strides, op.dilation_rate, op.padding)


def add_bias(y: Array, given: Given) -> Array:
    """The bias, one number a channel, added to a map with its channels at the end."""
    return y + given.weights["bias"] if "bias" in given.weights else y


def bias_gradient(g: Array, given: Given) -> dict[str, Array]:
    """The bias was added everywhere, so its gradient is the sum over everything but channels."""
    return {"bias": g.sum(axis=all_but_last(g))} if "bias" in given.weights else {}


def _groups(many: int, channels: int, filters: int) -> Iterator[tuple[slice, slice]]:
    """Channels and filters that belong together (Krizhevsky et al. 2012)."""
    c, f = channels // many, filters // many
    for group in range(many):
        yield slice(group * c, (group + 1) * c), slice(group * f, (group + 1) * f)


@reference("Conv1D", "Conv2D", "Conv3D", activated=True)
def convolution(given: Given) -> Computed:
    """Slide learned windows over a map."""
    op, kernel = cast("Any", given.op), given.weights["kernel"]
    x = channels_last(given.x, op.data_format)
    windows = windows_of(op, x)
    padded = windows.pad(x)
    groups = list(_groups(op.groups, x.shape[-1], op.filters))
    y = np.zeros((len(x), *windows.positions, op.filters))
    for offset in windows.offsets():
        seen = padded[windows.seen_at(offset)]
        for channels, filters in groups:
            y[..., filters] += seen[..., channels] @ kernel[offset][:, filters]

    def pull(gradient: Array) -> Pulled:
        g = channels_last(gradient, op.data_format)
        at_kernel, at_padded, rest = np.zeros_like(kernel), np.zeros_like(padded), all_but_last(g)
        for offset in windows.offsets():
            seen, place = padded[windows.seen_at(offset)], at_padded[windows.seen_at(offset)]
            for channels, filters in groups:
                at_kernel[offset][:, filters] = np.tensordot(
                    seen[..., channels], g[..., filters], (rest, rest)
                )
                place[..., channels] += g[..., filters] @ kernel[offset][:, filters].T
        at_input = as_given(windows.unpad(at_padded), op.data_format)
        return Pulled((at_input,), {"kernel": at_kernel, **bias_gradient(g, given)})

    return single(as_given(add_bias(y, given), op.data_format), pull)
