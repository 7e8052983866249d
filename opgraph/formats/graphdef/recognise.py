"""From operations of TensorFlow to ops: one table says which function knows which operation.

What no function knows is carried opaque, with its attributes and constants. Must not know how nodes
are named.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from opgraph.formats.graphdef import functions as fn
from opgraph.formats.graphdef import layers, normalization, regions
from opgraph.formats.graphdef.draft import Draft, Workshop
from opgraph.formats.graphdef.flat import Flat, Operation
from opgraph.formats.graphdef.statics import (
    DTYPE_NAMES,
    PASSES,
    array_shape,
    leaves,
    shape_of,
    small,
    source,
    static_operations,
)

Rule = Callable[[Workshop, Operation], bool]
MOST_LISTED = 16
LONGEST_TEXT = 200

RULES: dict[str, tuple[Rule, ...]] = {
    "Placeholder": (fn.placeholder,),
    "Conv2D": (layers.convolution,),
    "Conv3D": (layers.convolution,),
    "DepthwiseConv2dNative": (layers.depthwise,),
    "Conv2DBackpropInput": (layers.transposed,),
    "MatMul": (layers.dense,),
    "BatchMatMulV2": (layers.dense,),
    "ResourceGather": (layers.embedding,),
    "GatherV2": (layers.embedding,),
    "FusedBatchNormV3": (normalization.fused_batch_norm,),
    "FusedBatchNorm": (normalization.fused_batch_norm,),
    "BiasAdd": (layers.bias,),
    "AddV2": (layers.bias, regions.written_out, fn.merge, fn.rescale),
    "Add": (layers.bias, fn.merge, fn.rescale),
    "AddN": (fn.merge,),
    "Mul": (
        normalization.batch_norm,
        regions.written_out,
        fn.hard_silu,
        fn.silu,
        fn.hard_sigmoid,
        normalization.layer_scale,
        fn.merge,
        fn.rescale,
    ),
    "Sub": (fn.merge, fn.rescale),
    "RealDiv": (normalization.normalization, fn.hard_sigmoid, fn.rescale),
    "Maximum": (fn.merge,),
    "Minimum": (fn.merge,),
    "LeakyRelu": (fn.leaky_relu,),
    "Mean": (fn.global_pool,),
    "Max": (fn.global_pool,),
    "ConcatV2": (fn.concatenate,),
    "Reshape": (layers.dense_on_rows, fn.reshape),
    "Squeeze": (fn.squeeze,),
    "Pad": (fn.pad,),
    "Transpose": (fn.transpose,),
    "StridedSlice": (fn.cropped,),
    "ResizeNearestNeighbor": (fn.resize,),
    "ResizeBilinear": (fn.resize,),
    "Cast": (fn.cast,),
    **dict.fromkeys(fn.ACTIVATIONS, (fn.activation,)),
    **dict.fromkeys(fn.POOLS, (fn.pool,)),
}
RULES["PlaceholderWithDefault"] = RULES["PlaceholderV2"] = RULES["Placeholder"]


def recognise(flat: Flat) -> Workshop:
    """All operations as drafts of nodes; those that no output depends on are left out."""
    shop = Workshop(flat, static_operations(flat.operations))
    for operation in flat.operations:
        if operation in shop.static or operation in shop.done or operation.op in PASSES:
            continue
        if not _is_taken(shop, operation):
            data = [value for value in operation.inputs if not shop.is_static(value)]
            shop.add("Opaque", opaque(operation, shop.static), data, operation)
    _prune(shop, flat)
    return shop


def _is_taken(shop: Workshop, operation: Operation) -> bool:
    """Whether a rule knows the operation; one that lacks inputs or attributes is no such one."""
    try:
        return any(rule(shop, operation) for rule in RULES.get(operation.op, ()))
    except (IndexError, ValueError):
        return False


def raw(flat: Flat) -> Workshop:
    """Every operation as a draft of its own, constants and variables too."""
    shop, static = Workshop(flat, set()), static_operations(flat.operations)
    for operation in flat.operations:
        if not (operation.op.startswith("Placeholder") and fn.placeholder(shop, operation)):
            given = opaque(operation, set(), has_batch=operation not in static)
            draft = shop.add("Opaque", given, [], operation)
            draft.inputs = list(operation.inputs)
    return shop


def _prune(shop: Workshop, flat: Flat) -> None:
    """Drop what no output depends on, such as sizes that were computed for a reshape."""
    waiting = [shop.maker.get(source(value).of) for value in flat.outputs.values()]
    kept: set[Draft] = set()
    while waiting:
        draft = waiting.pop()
        if draft is None or draft in kept:
            continue
        kept.add(draft)
        waiting += [shop.maker.get(value.of) for value in draft.inputs]
    for draft in list(shop.drafts):
        if draft not in kept and draft.kind != "Input":
            shop.drop(draft)


def opaque(
    operation: Operation, static: set[Operation], *, has_batch: bool = True
) -> dict[str, Any]:
    """Attributes of a node that stands for any operation.

    Args:
        operation: the operation.
        static: operations whose values do not depend on data; those that it reads are told too.
        has_batch: whether the first size of its output is that of the batch, which is left out.
    """
    config = {key: said for key in sorted(operation.attr)
              if (said := _said(operation.attr[key])) is not None and key != "value"}  # fmt: skip
    arrays: dict[str, list[int | None]] = {}
    for slot, value in enumerate(operation.inputs):
        if value.of not in static:
            continue
        numbers = small(value)
        if numbers is not None and numbers.size <= MOST_LISTED:
            config[f"input {slot}"] = numbers.tolist()
            continue
        for leaf in leaves(value):
            shape = array_shape(leaf)
            if shape is not None and leaf.name not in arrays:
                arrays[leaf.name] = list(shape)
    shape = array_shape(operation) if not operation.inputs else _output(operation, has_batch)
    given: dict[str, Any] = {"class_name": operation.op}
    if operation.op in ("Const", "VarHandleOp", "VariableV2") and shape is not None:
        arrays["value"] = list(shape)
    given["settings"] = {"module": "tensorflow", "config": config}
    given["arrays"] = arrays
    return given | ({} if shape is None else {"output": shape})


def _output(operation: Operation, has_batch: bool) -> tuple[int | None, ...] | None:
    """Shape of the first output, where the file says it."""
    shapes = (
        operation.attr["_output_shapes"].list.shape if "_output_shapes" in operation.attr else ()
    )
    if not shapes or shapes[0].unknown_rank or not shapes[0].dim:
        return None
    return tuple(int(dim.size) if dim.size >= 0 else None for dim in shapes[0].dim)[has_batch:]


def _said(value: Any) -> Any:
    """An attribute as plain data; None for what says nothing to people."""
    kind = value.WhichOneof("value")
    if kind in ("i", "b"):
        return getattr(value, kind)
    if kind == "f":
        return round(float(value.f), 7)
    if kind == "s":
        return _text(value.s)
    if kind == "type":
        return DTYPE_NAMES.get(value.type, value.type)
    if kind == "shape":
        shape = shape_of(value.shape)
        return None if shape is None else list(shape)
    if kind == "func":
        return str(value.func.name)[:LONGEST_TEXT]
    return _listed(value.list) if kind == "list" else None


def _listed(items: Any) -> list[Any] | None:
    plain: Mapping[str, Any] = {"i": list(items.i), "f": list(items.f), "b": list(items.b)}
    found = next((values for values in plain.values() if values), None)
    if found is not None:
        return found[:MOST_LISTED]
    return [_text(item) for item in items.s][:MOST_LISTED] or None


def _text(value: bytes) -> str | None:
    return value.decode("utf-8", "replace")[:LONGEST_TEXT] or None
