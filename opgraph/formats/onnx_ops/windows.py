"""ONNX operations with windows: convolutions, pools, padding, enlarging.

Their maps have the channels first. Keras's paddings are `valid` and `same`; other zeros stand in a
node of their own before the op. See https://onnx.ai/onnx/operators/
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from opgraph.formats.exported import Call, Found, FullShape, cropped, first
from opgraph.graph import WeightSource

Pads = tuple[tuple[int, int], ...]
NEVER_NEGATIVE = frozenset({"ReLU", "ReLU6", "Sigmoid", "Softplus", "Exponential"})


class Window(NamedTuple):
    """A window as Keras says it, and zeros that must be put around the map before."""

    given: dict[str, Any]
    padding: str
    pad: Pads | None


def data_format(layout: str) -> dict[str, str]:
    """The attribute, unless it is Keras's default."""
    return {} if layout == "channels_last" else {"data_format": layout}


def spatial(call: Call, layout: str) -> FullShape | None:
    """Sizes of the spatial axes of the input."""
    shape = call.shape(0)
    if shape is None:
        return None
    return shape[2:] if layout == "channels_first" else shape[1:-1]


def window(call: Call, size: Sequence[int], layout: str) -> Window | None:
    """The window of a step; None if Keras has none like it."""
    rank = len(size)
    strides = call.attr("strides", [1] * rank)
    gaps = call.attr("dilations", [1] * rank)
    if len(strides) != rank or len(gaps) != rank or min(*size, *strides, *gaps) < 1:
        return None
    pads = _pads(call, size, strides, gaps, layout)
    if pads is None:
        return None
    given = {"strides": tuple(strides)}
    if not any(map(any, pads)):
        return Window(given, "valid", None)
    same = _same_pads(spatial(call, layout), size, strides, gaps)
    return Window(given, "same", None) if pads == same else Window(given, "valid", pads)


def _pads(
    call: Call, size: Sequence[int], strides: Sequence[int], gaps: Sequence[int], layout: str
) -> Pads | None:
    how, rank = call.attr("auto_pad", "NOTSET"), len(size)
    if how in ("SAME_UPPER", "SAME_LOWER"):
        same = _same_pads(spatial(call, layout), size, strides, gaps)
        if same is None or how == "SAME_UPPER":
            return same
        return tuple((high, low) for low, high in same)
    flat = call.attr("pads", [0] * 2 * rank) if how == "NOTSET" else [0] * 2 * rank
    if len(flat) != 2 * rank or min(flat) < 0:
        return None
    return tuple(zip(flat[:rank], flat[rank:], strict=True))


def _same_pads(
    sizes: FullShape | None, window: Sequence[int], strides: Sequence[int], gaps: Sequence[int]
) -> Pads | None:
    """Zeros that `same` puts on both sides of each axis; None if a size that matters is unknown."""
    found: list[tuple[int, int]] = []
    for at, (size, stride, gap) in enumerate(zip(window, strides, gaps, strict=True)):
        dim = sizes[at] if sizes and at < len(sizes) else None
        if dim is None and stride > 1:
            return None
        rest = 1 if dim is None else dim - (-(-dim // stride) - 1) * stride
        total = max(gap * (size - 1) + 1 - rest, 0)
        found.append((total // 2, total - total // 2))
    return tuple(found)


# Convolutions ------------------------------------------------------------------------------------


def conv(call: Call) -> Found | None:
    """Conv: kernels of (filters, channels, ...)."""
    kernel, bias = call.constant(1), call.constant(2)
    layout = call.data_format(len(kernel.shape)) if kernel else None
    if kernel is None or layout is None or not call.is_data(0) or not 3 <= len(kernel.shape) <= 5:
        return None
    filters, _, *size = kernel.shape
    found = window(call, size, layout)
    if found is None:
        return None
    groups = call.attr("group", 1)
    given: dict[str, Any] = {"kernel_size": tuple(size), **found.given, "padding": found.padding}
    given |= {"dilation_rate": tuple(call.attr("dilations", [1]))} if _is_dilated(call) else {}
    given |= {**data_format(layout), "use_bias": bias is not None}
    alone = groups > 1 and kernel.shape[1] == 1 and not filters % groups and len(size) < 3
    if alone:
        kind, multiple = f"DepthwiseConv{len(size)}D", filters // groups
        given |= {} if multiple == 1 else {"depth_multiplier": multiple}
        weights = {"kernel": _depthwise(kernel, groups)}
    else:
        kind = f"Conv{len(size)}D"
        given = {"filters": filters, **given, **({"groups": groups} if groups > 1 else {})}
        weights = {"kernel": _channels_last(kernel)}
    return Found(kind, given, weights | ({"bias": bias} if bias else {}), pad=found.pad)


def _is_dilated(call: Call) -> bool:
    return any(gap != 1 for gap in call.attr("dilations", []))


def _channels_last(kernel: WeightSource) -> WeightSource:
    """A kernel of (out, in, ...) as Keras holds it: (..., in, out)."""
    shape = kernel.shape
    axes = (*range(2, len(shape)), 1, 0)
    return kernel.changed((*shape[2:], shape[1], shape[0]), lambda array: array.transpose(axes))


def _depthwise(kernel: WeightSource, groups: int) -> WeightSource:
    """A kernel of (channels * n, 1, ...) as Keras holds it: (..., channels, n)."""
    filters, _, *size = kernel.shape
    axes = (*range(2, len(size) + 2), 0, 1)
    return kernel.changed(
        (*size, groups, filters // groups),
        lambda array: array.reshape(groups, -1, *size).transpose(axes),
    )


def conv_transpose(call: Call) -> Found | None:
    """ConvTranspose: kernels of (channels, filters, ...)."""
    kernel, bias = call.constant(1), call.constant(2)
    layout = call.data_format(len(kernel.shape)) if kernel else None
    if kernel is None or layout is None or not call.is_data(0) or call.attr("group", 1) != 1:
        return None
    _, filters, *size = kernel.shape
    strides = call.attr("strides", [1] * len(size))
    padding = _cropping(call, size, strides)
    if not 1 <= len(size) <= 3 or padding is None or _is_dilated(call):
        return None
    given = {"filters": filters, "kernel_size": tuple(size), "strides": tuple(strides)}
    given |= {"padding": padding, **data_format(layout), "use_bias": bias is not None}
    weights = {"kernel": _channels_last(kernel)}
    return Found(f"Conv{len(size)}DTranspose", given, weights | ({"bias": bias} if bias else {}))


def _cropping(call: Call, size: Sequence[int], strides: Sequence[int]) -> str | None:
    """Keras's padding of a transposed convolution; None if it has none like it."""
    how = call.attr("auto_pad", "NOTSET")
    if any(call.attr("output_padding", [])) or call.attr("output_shape"):
        return "same" if how == "SAME_UPPER" else None
    if how != "NOTSET":
        return {"SAME_UPPER": "same", "VALID": "valid"}.get(how)
    flat = call.attr("pads", [0] * 2 * len(size))
    if not any(flat):
        return "valid"
    totals = [max(k - s, 0) for k, s in zip(size, strides, strict=False)]
    return "same" if flat == [*(t // 2 for t in totals), *(t - t // 2 for t in totals)] else None


# Pools -------------------------------------------------------------------------------------------


def max_pool(call: Call) -> Found | None:
    """MaxPool; zeros around it only where nothing can be less."""
    if _is_dilated(call) or len([t for t in call.step.outputs if t]) > 1:
        return None
    found = _pool(call, "MaxPooling")
    if found is None or found.pad is None:
        return found
    return found if call.node(call.input(0)).kind.kind in NEVER_NEGATIVE else None


def average_pool(call: Call) -> Found | None:
    """AveragePool; Keras leaves padding out of a mean, zeros put before count."""
    counts = bool(call.attr("count_include_pad", 0))
    found = None if _is_dilated(call) else _pool(call, "AveragePooling")
    if found is None or (found.pad is None and found.given["padding"] == "valid"):
        return found
    if not counts:
        return found if found.pad is None else None
    layout = found.given.get("data_format", "channels_last")
    size, strides = found.given["pool_size"], found.given["strides"]
    pads = found.pad or _pads(call, size, strides, [1] * len(size), layout)
    return Found(found.kind, {**found.given, "padding": "valid"}, pad=pads)


def _pool(call: Call, kind: str) -> Found | None:
    size = call.attr("kernel_shape", [])
    layout = call.data_format(len(size) + 2)
    found = window(call, size, layout) if layout and 1 <= len(size) <= 3 else None
    if found is None or layout is None:
        return None
    given = {"pool_size": tuple(size), **found.given, "padding": found.padding}
    return Found(f"{kind}{len(size)}D", given | data_format(layout), pad=found.pad)


def global_average(call: Call) -> Found | None:
    """GlobalAveragePool: the pooled axes stay, with size 1."""
    return _global(call, "GlobalAveragePooling")


def global_max(call: Call) -> Found | None:
    """GlobalMaxPool: the pooled axes stay, with size 1."""
    return _global(call, "GlobalMaxPooling")


def _global(call: Call, kind: str) -> Found | None:
    rank = call.rank()
    layout = call.data_format(rank) if rank and 3 <= rank <= 5 else None
    if layout is None or rank is None:
        return None
    return Found(f"{kind}{rank - 2}D", {"keepdims": True, **data_format(layout)})


def reduced(kind: str) -> Any:
    """A reader of ReduceMean or ReduceMax over all spatial axes."""

    def read(call: Call) -> Found | None:
        rank, axes = call.rank(), call.attr("axes") or call.values(1)
        if rank is None or not axes or not 3 <= rank <= 5 or not call.is_data(0):
            return None
        places = sorted(call.axis(axis) or 0 for axis in axes)
        layouts = {(1, rank - 1): "channels_last", (2, rank): "channels_first"}
        layout = next((n for (a, b), n in layouts.items() if places == [*range(a, b)]), None)
        if layout is None:
            return None
        keep = bool(call.attr("keepdims", 1))
        given = {**({"keepdims": True} if keep else {}), **data_format(layout)}
        return Found(f"{kind}{rank - 2}D", given, perms=None if keep else (None,))

    return read


# Padding and enlarging ---------------------------------------------------------------------------


def pad(call: Call) -> Found | None:
    """Pad with zeros at spatial axes."""
    rank = call.rank()
    flat = call.attr("pads") or call.values(1)
    filled = call.values(2) if call.constant(2) else [call.attr("value", 0.0)]
    if call.attr("mode", "constant") != "constant" or not call.is_data(0) or filled != [0]:
        return None
    if rank is None or not 3 <= rank <= 5 or not flat or min(flat) < 0:
        return None
    axes = (call.values(3) if call.constant(3) else None) or list(range(rank))
    if len(flat) != 2 * len(axes):
        return None
    sides = dict.fromkeys(range(rank), (0, 0))
    for axis, low, high in zip(axes, flat[: len(axes)], flat[len(axes) :], strict=True):
        sides[call.axis(axis) or 0] = (low, high)
    layout = "channels_last" if call.perm == first(rank) or not any(sides[rank - 1]) else None
    layout = "channels_first" if call.perm is None and not any(sides[1]) else layout
    edge = {"channels_first": 1, "channels_last": rank - 1}.get(layout or "")
    if layout is None or edge is None or any(sides[0]) or any(sides[edge]):
        return None
    padding = tuple(sides[at] for at in range(1, rank) if at != edge)
    return Found(f"ZeroPadding{rank - 2}D", {"padding": padding, **data_format(layout)})


def crop(call: Call) -> Found | None:
    """Slice of whole stretches of spatial axes."""
    starts, ends = (call.attr(name) or call.values(at) for at, name in ((1, "starts"), (2, "ends")))
    rank = call.rank()
    if not starts or not ends or rank is None or len(starts) != len(ends):
        return None
    axes = call.attr("axes") or call.values(3) or list(range(len(starts)))
    steps = call.values(4) or [1]
    layout = call.data_format(rank)
    if set(steps) != {1} or len(axes) != len(starts) or layout is None or not call.is_data(0):
        return None
    kept = {axis: (starts[at], ends[at]) for at, axis in enumerate(axes)}
    return cropped(call, kept, layout)


def resize(call: Call) -> Found | None:
    """Resize or Upsample by a whole number on each spatial axis."""
    rank, shape = call.rank(), call.shape(0)
    made = call.full(call.step.outputs[0])
    layout = call.data_format(rank) if rank and 3 <= rank <= 5 else None
    how = _interpolation(call)
    if layout is None or how is None or not shape or not made or not call.is_data(0):
        return None
    sizes = slice(2, None) if layout == "channels_first" else slice(1, -1)
    pairs = list(zip(shape[sizes], made[sizes], strict=True))
    if any(not old or not new or new % old for old, new in pairs):
        return None
    factors = tuple((new or 0) // (old or 1) for old, new in pairs)
    given: dict[str, Any] = {"size": factors}
    if len(factors) == 2:
        given |= {**data_format(layout), "interpolation": how}
    elif how != "nearest" or (len(factors) == 1 and layout == "channels_first"):
        return None
    return Found(f"UpSampling{len(factors)}D", given)


def _interpolation(call: Call) -> str | None:
    mode = call.attr("mode", "nearest")
    where = call.attr("coordinate_transformation_mode", "half_pixel")
    if call.step.kind == "Upsample":
        return mode if mode == "nearest" else None
    if mode == "nearest":
        floors = call.attr("nearest_mode", "round_prefer_floor") == "floor"
        return mode if where == "half_pixel" or (where == "asymmetric" and floors) else None
    return "bilinear" if mode == "linear" and where == "half_pixel" else None
