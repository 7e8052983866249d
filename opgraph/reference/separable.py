"""Convolutions that treat each channel by itself, and those that mix the channels afterwards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np

from opgraph.reference.computed import Array, Computed, Given, Pulled, single
from opgraph.reference.convolution import add_bias, bias_gradient, windows_of
from opgraph.reference.dense import all_but_last
from opgraph.reference.registry import reference
from opgraph.reference.windows import as_given, channels_last

Back = Callable[[Array], tuple[Array, Array]]


def depthwise(op: Any, x: Array, kernel: Array) -> tuple[Array, Back]:
    """Each channel under its own windows, and the pull to the input and the kernel.

    y[p, c * m + j] = sum over places k of x[p * stride + k * dilation, c] * kernel[k, c, j]
    (tensorflow.org/api_docs/python/tf/nn/depthwise_conv2d).
    """
    windows = windows_of(op, x)
    padded, many = windows.pad(x), kernel.shape[-2:]
    y = np.zeros((len(x), *windows.positions, *many))
    for offset in windows.offsets():
        y += padded[windows.seen_at(offset)][..., None] * kernel[offset]

    def back(gradient: Array) -> tuple[Array, Array]:
        g = gradient.reshape(y.shape)
        at_padded, at_kernel = np.zeros_like(padded), np.zeros_like(kernel)
        for offset in windows.offsets():
            seen = padded[windows.seen_at(offset)]
            at_kernel[offset] = (seen[..., None] * g).sum(axis=tuple(range(g.ndim - 2)))
            at_padded[windows.seen_at(offset)] += (g * kernel[offset]).sum(axis=-1)
        return windows.unpad(at_padded), at_kernel

    return y.reshape(*y.shape[:-2], -1), back


@reference("DepthwiseConv1D", "DepthwiseConv2D", activated=True)
def depthwise_convolution(given: Given) -> Computed:
    """Slide windows over each channel by itself."""
    op = cast("Any", given.op)
    x = channels_last(given.x, op.data_format)
    y, back = depthwise(op, x, given.weights["kernel"])

    def pull(gradient: Array) -> Pulled:
        g = channels_last(gradient, op.data_format)
        at_input, at_kernel = back(g)
        weights = {"kernel": at_kernel, **bias_gradient(g, given)}
        return Pulled((as_given(at_input, op.data_format),), weights)

    return single(as_given(add_bias(y, given), op.data_format), pull)


@reference("SeparableConv1D", "SeparableConv2D", activated=True)
def separable_convolution(given: Given) -> Computed:
    """Slide windows over each channel, then mix all channels (Chollet 2017, arXiv:1610.02357).

    Parts: `between`, what stands between the two halves, channels last.
    """
    op = cast("Any", given.op)
    x = channels_last(given.x, op.data_format)
    between, back = depthwise(op, x, given.weights["depthwise_kernel"])
    pointwise = given.weights["pointwise_kernel"]
    mixing = pointwise.reshape(pointwise.shape[-2:])
    y = add_bias(between @ mixing, given)

    def pull(gradient: Array) -> Pulled:
        g = channels_last(gradient, op.data_format)
        rest = all_but_last(g)
        at_input, at_depthwise = back(g @ mixing.T)
        at_pointwise = np.tensordot(between, g, (rest, rest)).reshape(pointwise.shape)
        weights = {"depthwise_kernel": at_depthwise, "pointwise_kernel": at_pointwise}
        return Pulled((as_given(at_input, op.data_format),), {**weights, **bias_gradient(g, given)})

    return single(as_given(y, op.data_format), pull, {"between": between})
