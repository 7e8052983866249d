"""TFLite operators with weights or windows. Their maps have the channels last, as Keras's.

Most hold a function of their result too: it is an attribute where the op has one, and a node of its
own where the operator's name says that it was a layer of its own. See
https://www.tensorflow.org/mlir/tfl_ops
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from opgraph.formats.exported import WHOLE, After, Call, Found, Reader, cropped, row
from opgraph.graph import WeightSource
from opgraph.ops import require

FUNCTIONS: dict[str, tuple[str, dict[str, Any], str]] = {
    "RELU": ("ReLU", {}, "relu"),
    "RELU6": ("ReLU", {"max_value": 6.0}, "relu6"),
    "RELU_N1_TO_1": ("HardTanh", {}, "hard_tanh"),
    "TANH": ("Tanh", {}, "tanh"),
}


def with_function(read: Reader) -> Reader:
    """A reader of an operator that may apply a function to its result."""

    def reader(call: Call) -> Found | None:
        name = call.attr("fused_activation_function", "NONE")
        found = read(call)
        if found is None or name == "NONE":
            return found
        if name not in FUNCTIONS:
            return None
        kind, given, function = FUNCTIONS[name]
        own = next((m for m in call.step.members if _is_function(m, name)), "")
        if "activation" in require(found.kind).schema() and (call.raw or not own):
            return replace(found, given={**found.given, "activation": function})
        return replace(found, after=After(kind, given, own))

    return reader


def _is_function(member: str, name: str) -> bool:
    """Whether a member of an operator is the function that it applies."""
    last = member.rpartition("/")[2].lower().rstrip("0123456789_")
    return last == name.lower().rstrip("0123456789_")


def _window(call: Call) -> dict[str, Any]:
    given: dict[str, Any] = {"strides": (call.attr("stride_h", 1), call.attr("stride_w", 1))}
    gaps = (call.attr("dilation_h_factor", 1), call.attr("dilation_w_factor", 1))
    given["padding"] = str(call.attr("padding", "VALID")).lower()
    return given | ({"dilation_rate": gaps} if max(gaps) > 1 else {})


def _bias(call: Call, slot: int, units: int) -> dict[str, WeightSource] | None:
    """The bias in a slot; None if there is one that is no row of constants."""
    if not call.input(slot):
        return {}
    bias = call.constant(slot)
    return {"bias": bias} if bias is not None and bias.shape == (units,) else None


def conv(call: Call) -> Found | None:
    """CONV_2D: kernels of (filters, height, width, channels)."""
    kernel, shape = call.constant(1), call.shape(0)
    if kernel is None or len(kernel.shape) != 4 or not shape or not call.is_data(0):
        return None
    filters, height, width, inside = kernel.shape
    bias, channels = _bias(call, 2, filters), shape[-1]
    if bias is None or not inside or not channels:
        return None
    given = {"filters": filters, "kernel_size": (height, width), **_window(call)}
    given |= {"groups": channels // inside} if channels != inside else {}
    turned = kernel.changed((height, width, inside, filters), lambda x: x.transpose(1, 2, 3, 0))
    return Found("Conv2D", given | {"use_bias": bool(bias)}, {"kernel": turned, **bias})


def conv_3d(call: Call) -> Found | None:
    """CONV_3D: kernels as Keras has them."""
    kernel = call.constant(1)
    if kernel is None or len(kernel.shape) != 5 or not call.is_data(0):
        return None
    *size, _, filters = kernel.shape
    bias = _bias(call, 2, filters)
    gaps = tuple(call.attr(f"dilation_{side}_factor", 1) for side in "dhw")
    if bias is None:
        return None
    given: dict[str, Any] = {"filters": filters, "kernel_size": tuple(size)}
    given["strides"] = tuple(call.attr(f"stride_{side}", 1) for side in "dhw")
    given |= {"padding": str(call.attr("padding", "VALID")).lower(), "use_bias": bool(bias)}
    given |= {"dilation_rate": gaps} if max(gaps) > 1 else {}
    return Found("Conv3D", given, {"kernel": kernel, **bias})


def depthwise(call: Call) -> Found | None:
    """DEPTHWISE_CONV_2D: kernels of (1, height, width, channels * n)."""
    kernel, shape = call.constant(1), call.shape(0)
    if kernel is None or len(kernel.shape) != 4 or not shape or not call.is_data(0):
        return None
    _, height, width, filters = kernel.shape
    bias, channels = _bias(call, 2, filters), shape[-1]
    if bias is None or not channels or filters % channels:
        return None
    multiple = filters // channels
    given = {"kernel_size": (height, width), **_window(call), "use_bias": bool(bias)}
    given |= {} if multiple == 1 else {"depth_multiplier": multiple}
    target = (height, width, channels, multiple)
    turned = kernel.changed(target, lambda x: x.reshape(target))
    return Found("DepthwiseConv2D", given, {"kernel": turned, **bias})


def transposed(call: Call) -> Found | None:
    """TRANSPOSE_CONV: kernels of (filters, height, width, channels)."""
    kernel = call.constant(1)
    if kernel is None or len(kernel.shape) != 4 or call.data[-1:] != (call.input(2),):
        return None
    filters, height, width, channels = kernel.shape
    bias = _bias(call, 3, filters)
    if bias is None:
        return None
    given = {"filters": filters, "kernel_size": (height, width), **_window(call)}
    turned = kernel.changed((height, width, filters, channels), lambda x: x.transpose(1, 2, 0, 3))
    given["use_bias"] = bool(bias)
    return Found("Conv2DTranspose", given, {"kernel": turned, **bias}, reads=(call.input(2),))


def dense(call: Call) -> Found | None:
    """FULLY_CONNECTED: kernels of (units, channels)."""
    kernel = call.constant(1)
    if kernel is None or len(kernel.shape) != 2 or not call.is_data(0):
        return None
    units, channels = kernel.shape
    bias = _bias(call, 2, units)
    if bias is None or call.attr("weights_format", 0):
        return None
    turned = kernel.changed((channels, units), lambda x: x.transpose())
    return Found("Dense", {"units": units, "use_bias": bool(bias)}, {"kernel": turned, **bias})


def embedding(call: Call) -> Found | None:
    """GATHER of rows of a table, or EMBEDDING_LOOKUP."""
    slots = (1, 0) if call.step.kind == "EMBEDDING_LOOKUP" else (0, 1)
    table = call.constant(slots[0])
    if table is None or len(table.shape) != 2 or not call.is_data(slots[1]):
        return None
    if call.attr("axis", 0) or call.attr("batch_dims", 0):
        return None
    given = {"input_dim": table.shape[0], "output_dim": table.shape[1]}
    return Found("Embedding", given, {"embeddings": table})


def pool(kind: str) -> Reader:
    """A reader of a pool over windows."""

    def read(call: Call) -> Found | None:
        size = (call.attr("filter_height", 0), call.attr("filter_width", 0))
        return Found(kind, {"pool_size": size, **_window(call)})

    return read


def reduced(kind: str) -> Reader:
    """A reader of MEAN or REDUCE_MAX over all axes between the batch and the channels."""

    def read(call: Call) -> Found | None:
        rank, axes = call.rank(), call.values(1)
        if rank is None or not axes or not 3 <= rank <= 5 or not call.is_data(0):
            return None
        if sorted(axis % rank for axis in axes) != [*range(1, rank - 1)]:
            return None
        keep = {"keepdims": True} if call.attr("keep_dims", False) else {}
        return Found(f"{kind}{rank - 2}D", keep)

    return read


def pad(call: Call) -> Found | None:
    """PAD with zeros, neither at the batch nor at the channels."""
    flat, rank = call.values(1), call.rank()
    filled = [0] if call.step.kind == "PAD" else call.values(2)
    if flat is None or rank is None or not 3 <= rank <= 5 or len(flat) != 2 * rank:
        return None
    sides = list(zip(flat[::2], flat[1::2], strict=True))
    if filled not in ([0], [0.0]) or any(sides[0]) or any(sides[-1]) or not call.is_data(0):
        return None
    return Found(f"ZeroPadding{rank - 2}D", {"padding": tuple(sides[1:-1])})


def crop(call: Call) -> Found | None:
    """STRIDED_SLICE of whole stretches of spatial axes."""
    begins, ends, steps = (call.values(slot) for slot in (1, 2, 3))
    shape = call.shape(0)
    others = ("ellipsis_mask", "new_axis_mask", "shrink_axis_mask", "offset")
    if not begins or not ends or not shape or set(steps or ()) != {1} or not call.is_data(0):
        return None
    if any(call.attr(name, 0) for name in others) or not len(begins) == len(ends) <= len(shape):
        return None
    kept: dict[int, tuple[int, int]] = {}
    for axis, (begin, end) in enumerate(zip(begins, ends, strict=True)):
        start = 0 if call.attr("begin_mask", 0) >> axis & 1 else begin
        stop = WHOLE if call.attr("end_mask", 0) >> axis & 1 else end
        if (start, stop) != (0, shape[axis]):
            kept[axis] = start, stop
    return cropped(call, kept, "channels_last")


def resize(interpolation: str) -> Reader:
    """A reader of an operator that enlarges images by a whole number."""

    def read(call: Call) -> Found | None:
        before, after = call.shape(0), call.full(call.step.outputs[0])
        known = before and after and len(before) == len(after) == 4 and call.is_data(0)
        if not known or before is None or after is None or call.attr("align_corners", False):
            return None
        if interpolation == "bilinear" and not call.attr("half_pixel_centers", False):
            return None
        pairs = list(zip(before[1:3], after[1:3], strict=True))
        if any(not old or not new or new % old for old, new in pairs):
            return None
        size = tuple((new or 0) // (old or 1) for old, new in pairs)
        return Found("UpSampling2D", {"size": size, "interpolation": interpolation})

    return read


def prelu(call: Call) -> Found | None:
    """PRELU with a constant slope."""
    slope, rank = call.constant(1), call.rank()
    if slope is None or rank is None or math.prod(slope.shape) < 1 or not call.is_data(0):
        return None
    shape = (*(1 for _ in range(rank - 1 - len(slope.shape))), *slope.shape)
    shared = tuple(at for at, dim in enumerate(shape, start=1) if dim == 1)
    alpha = row(slope).changed(shape, lambda x: x.reshape(shape))
    return Found("PReLU", {"shared_axes": shared} if shared else {}, {"alpha": alpha})
