"""Operations with weights, and what belongs to them: convolutions, dense layers, embeddings.

Each function looks at one operation and says whether it took it in. Must not know how nodes are
named.
"""

from __future__ import annotations

import math
from typing import Any

from opgraph.formats.graphdef.draft import Draft, Workshop
from opgraph.formats.graphdef.flat import Operation, Value
from opgraph.formats.graphdef.statics import (
    array_shape,
    leaves,
    number,
    numbers,
    short,
    source,
    weight,
)

BIASED = frozenset(
    {
        "Conv1D",
        "Conv2D",
        "Conv3D",
        "DepthwiseConv2D",
        "SeparableConv2D",
        "Conv2DTranspose",
        "Dense",
    }
)
FORMATS = {"NHWC": "channels_last", "NDHWC": "channels_last", "NCHW": "channels_first",
           "NCDHW": "channels_first"}  # fmt: skip


def data_format(operation: Operation) -> str:
    """Where the channels stand, as Keras says it."""
    said = operation.attr["data_format"].s.decode("ascii", "replace")
    return FORMATS.get(said, "channels_last")


def spatial(operation: Operation, key: str) -> tuple[int, ...]:
    """The part of strides, sizes or dilations that is about space."""
    sizes = [int(size) for size in operation.attr[key].list.i]
    if not sizes:
        sizes = [1] * (5 if "3D" in operation.op else 4)
    return tuple(sizes[2:] if data_format(operation) == "channels_first" else sizes[1:-1])


def padding(operation: Operation) -> str | None:
    """`same` or `valid`; None where it is written out."""
    said = operation.attr["padding"].s.decode("ascii", "replace").lower()
    return said if said in ("same", "valid") else None


def real(operation: Operation, key: str, default: float) -> float:
    """A number among the attributes; files leave out those that have TensorFlow's default."""
    return short(operation.attr[key].f) if key in operation.attr else default


def _said(given: dict[str, Any]) -> dict[str, Any]:
    """Attributes without those that say what goes without saying."""
    usual = {"data_format": "channels_last", "depth_multiplier": 1}
    return {
        key: value
        for key, value in given.items()
        if value != usual.get(key) and not (key == "dilation_rate" and set(value) == {1})
    }


def convolution(shop: Workshop, operation: Operation) -> bool:
    """`Conv2D` and `Conv3D`: groups follow from the kernel and are told when shapes are known."""
    kernel, pad = weight(operation.inputs[1]), padding(operation)
    widened = source(operation.inputs[1]).of
    if widened.op == "ExpandDims":  # a convolution over one axis
        kernel = weight(widened.inputs[0])
    shape = None if kernel is None else array_shape(kernel)
    if shape is not None and widened.op == "ExpandDims":
        shape = (1, *shape)
    if kernel is None or shape is None or pad is None or len(shape) not in (4, 5):
        return False
    given = {
        "filters": shape[-1],
        "kernel_size": shape[:-2],
        "strides": spatial(operation, "strides"),
        "padding": pad,
        "dilation_rate": spatial(operation, "dilations"),
        "data_format": data_format(operation),
        "use_bias": False,
    }
    kind = f"Conv{len(shape) - 2}D"
    if shape[:-2] == (1, 1) and _separable(shop, operation, kernel, shape[-1]):
        return True
    data = operation.inputs[:1]
    shop.add(kind, _said(given), data, operation, weights={"kernel": kernel})
    return True


def _separable(shop: Workshop, operation: Operation, kernel: Operation, filters: int) -> bool:
    """A convolution that goes on from a depthwise one inside its own scope."""
    before = shop.made(operation.inputs[0])
    if before is None or before.kind != "DepthwiseConv2D" or before.given["use_bias"]:
        return False
    if not before.members[0].name.startswith(f"{operation.name}/"):
        return False
    before.kind = "SeparableConv2D"
    before.given = {"filters": filters, **before.given}
    before.weights = {
        "depthwise_kernel": before.weights["kernel"],
        "pointwise_kernel": kernel,
    }
    shop.grow(before, operation)
    return True


def depthwise(shop: Workshop, operation: Operation) -> bool:
    """`DepthwiseConv2dNative`."""
    kernel, pad = weight(operation.inputs[1]), padding(operation)
    shape = None if kernel is None else array_shape(kernel)
    if kernel is None or shape is None or pad is None or len(shape) != 4:
        return False
    given = {
        "kernel_size": shape[:2],
        "strides": spatial(operation, "strides"),
        "padding": pad,
        "depth_multiplier": shape[3],
        "dilation_rate": spatial(operation, "dilations"),
        "data_format": data_format(operation),
        "use_bias": False,
    }
    data = operation.inputs[:1]
    weights = {"kernel": kernel}
    shop.add("DepthwiseConv2D", _said(given), data, operation, weights=weights)
    return True


def transposed(shop: Workshop, operation: Operation) -> bool:
    """`Conv2DBackpropInput`, which is how TensorFlow writes a transposed convolution."""
    kernel, pad = weight(operation.inputs[1]), padding(operation)
    shape = None if kernel is None else array_shape(kernel)
    if kernel is None or shape is None or pad is None or len(shape) != 4:
        return False
    given = {
        "filters": shape[2],
        "kernel_size": shape[:2],
        "strides": spatial(operation, "strides"),
        "padding": pad,
        "data_format": data_format(operation),
        "use_bias": False,
    }
    data = operation.inputs[2:3]
    weights = {"kernel": kernel}
    shop.add("Conv2DTranspose", _said(given), data, operation, weights=weights)
    return True


def dense(shop: Workshop, operation: Operation) -> bool:
    """`MatMul` by a matrix that is a weight."""
    kernel = weight(operation.inputs[1])
    shape = None if kernel is None else array_shape(kernel)
    turned = [key for key in ("transpose_a", "adj_x", "adj_y") if operation.attr[key].b]
    if kernel is None or shape is None or len(shape) != 2 or turned:
        return False
    units = shape[0] if operation.attr["transpose_b"].b else shape[1]
    given = {"units": units, "use_bias": False}
    data = operation.inputs[:1]
    shop.add("Dense", given, data, operation, weights={"kernel": kernel})
    return True


def dense_on_rows(shop: Workshop, operation: Operation) -> bool:
    """A dense layer on the last axis of more: reshaped to rows, multiplied, reshaped back."""
    draft = shop.made(operation.inputs[0])
    if draft is None or draft.kind != "Dense" or draft.given["use_bias"]:
        return False
    flat = source(draft.inputs[0]).of
    if flat.op != "Reshape" or not flat.name.startswith(f"{operation.name}/"):
        return False
    data = source(flat.inputs[0])
    if data.of.op == "Transpose":
        order = numbers(data.of.inputs[1])
        if order is None or order != sorted(order):
            return False
        data = source(data.of.inputs[0])
    draft.inputs = [data]
    shop.grow(draft, operation)
    return True


def embedding(shop: Workshop, operation: Operation) -> bool:
    """`ResourceGather` or `GatherV2` of the rows of a weight."""
    table = weight(operation.inputs[0])
    shape = None if table is None else array_shape(table)
    if table is None or shape is None or len(shape) != 2 or shop.is_static(operation.inputs[1]):
        return False
    given = {"input_dim": shape[0], "output_dim": shape[1]}
    data = _without_wrapping(operation.inputs[1])
    shop.add("Embedding", given, [data], operation, weights={"embeddings": table})
    return True


def _without_wrapping(value: Value) -> Value:
    """The index itself, where negative ones are counted from the end first."""
    chosen = source(value).of
    if chosen.op != "SelectV2" or len(chosen.inputs) != 3:
        return value
    less, added, index = (source(read) for read in chosen.inputs)
    is_wrapped = less.of.op == "Less" and added.of.op == "AddV2"
    same = is_wrapped and source(less.of.inputs[0]) == index == source(added.of.inputs[0])
    return index if same else value


def bias(shop: Workshop, operation: Operation) -> bool:
    """`BiasAdd` or `AddV2` of a row of numbers behind a layer that has none yet."""
    data, added = data_and_static(shop, operation)
    draft = None if data is None else shop.made(data)
    if draft is None or added is None or draft.kind not in BIASED or draft.given["use_bias"]:
        return False
    found = [leaf for leaf in arrays(added) if _is_row(leaf, draft)]
    if len(found) != 1 or draft.given.get("activation"):
        return False
    draft.given["use_bias"] = True
    draft.weights["bias"] = found[0]
    shop.grow(draft, operation)
    return True


def _is_row(leaf: Operation, draft: Draft) -> bool:
    """Whether a weight has one number for each output channel."""
    shape = array_shape(leaf)
    wanted = draft.given.get("filters") or draft.given.get("units")
    if draft.kind == "DepthwiseConv2D":
        kernel = array_shape(draft.weights["kernel"]) or (0, 0, 0, 0)
        wanted = kernel[2] * kernel[3]
    return bool(shape) and max(shape) == math.prod(shape) == wanted


def data_and_static(shop: Workshop, operation: Operation) -> tuple[Value | None, Value | None]:
    """The one input that depends on data and the one that does not."""
    if len(operation.inputs) != 2:
        return None, None
    first, second = operation.inputs
    if shop.is_static(first) == shop.is_static(second):
        return None, None
    return (second, first) if shop.is_static(first) else (first, second)


def arrays(value: Value) -> list[Operation]:
    """The leaves that are arrays, not single numbers or shapes."""
    return [
        leaf
        for leaf in leaves(value)
        if array_shape(leaf) and number(Value(leaf)) is None and not _is_index(leaf)
    ]


def _is_index(leaf: Operation) -> bool:
    return numbers(Value(leaf)) is not None
