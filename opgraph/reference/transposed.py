"""Transposed convolutions: windows that are laid down instead of read, so that maps grow.

The forward pass is the backward pass of a convolution from the larger map to the smaller one
(Dumoulin & Visin 2016, arXiv:1603.07285, section 4), and the other way round.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from opgraph.reference.computed import Array, Computed, Given, Pulled, single
from opgraph.reference.convolution import add_bias, bias_gradient
from opgraph.reference.dense import all_but_last
from opgraph.reference.registry import reference
from opgraph.reference.windows import Windows, as_given, channels_last


def _windows(given: Given) -> Windows:
    """Windows that stand on the output, one for each number of the input."""
    op = cast("Any", given.op)
    shape = op.shape(given.x.shape[1:])
    sizes = shape[1:] if op.data_format == "channels_first" else shape[:-1]
    return Windows(sizes, op.kernel_size, op.strides, op.dilation_rate, op.padding)


@reference("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose", activated=True)
def transposed_convolution(given: Given) -> Computed:
    """Lay a window for each number of a map; where windows overlap, they add up."""
    op, kernel = cast("Any", given.op), given.weights["kernel"]
    x = channels_last(given.x, op.data_format)
    windows = _windows(given)
    padded = windows.pad(np.zeros((len(x), *windows.sizes, op.filters)))
    for offset in windows.offsets():
        padded[windows.seen_at(offset)] += x @ kernel[offset].T
    y = add_bias(windows.unpad(padded), given)

    def pull(gradient: Array) -> Pulled:
        g = channels_last(gradient, op.data_format)
        at_padded, at_input, at_kernel = windows.pad(g), np.zeros_like(x), np.zeros_like(kernel)
        rest = all_but_last(x)
        for offset in windows.offsets():
            laid = at_padded[windows.seen_at(offset)]
            at_input += laid @ kernel[offset]
            at_kernel[offset] = np.tensordot(laid, x, (rest, rest))
        weights = {"kernel": at_kernel, **bias_gradient(g, given)}
        return Pulled((as_given(at_input, op.data_format),), weights)

    return single(as_given(y, op.data_format), pull)
