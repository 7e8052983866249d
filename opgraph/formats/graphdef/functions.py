"""Operations without weights: pools, activations, merges, shapes.

Each function looks at one operation and says whether it took it in. Must not know how nodes are
named.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from opgraph.formats.graphdef.draft import Draft, Workshop, readers
from opgraph.formats.graphdef.flat import Operation, Value
from opgraph.formats.graphdef.layers import BIASED, data_format, padding, real, spatial
from opgraph.formats.graphdef.statics import (
    array_shape,
    dtype_of,
    number,
    numbers,
    small,
    source,
)

ACTIVATIONS: dict[str, tuple[str, str | None]] = {
    # op, and Keras's name for the function where a layer can have it as its activation
    "Relu": ("ReLU", "relu"),
    "Relu6": ("ReLU6", "relu6"),
    "Elu": ("ELU", "elu"),
    "Selu": ("SELU", "selu"),
    "Softplus": ("Softplus", "softplus"),
    "Softsign": ("Softsign", "softsign"),
    "Tanh": ("Tanh", "tanh"),
    "Sigmoid": ("Sigmoid", "sigmoid"),
    "Softmax": ("Softmax", "softmax"),
    "LogSoftmax": ("LogSoftmax", "log_softmax"),
    "Exp": ("Exponential", "exponential"),
}
MERGES = {
    "AddV2": "Add",
    "Add": "Add",
    "AddN": "Add",
    "Mul": "Multiply",
    "Sub": "Subtract",
    "Maximum": "Maximum",
    "Minimum": "Minimum",
}
POOLS = {
    "MaxPool": "MaxPooling2D",
    "MaxPoolV2": "MaxPooling2D",
    "AvgPool": "AveragePooling2D",
    "MaxPool3D": "MaxPooling3D",
    "AvgPool3D": "AveragePooling3D",
}


def scope(name: str) -> str:
    """The name without its last part."""
    return name.rpartition("/")[0]


def activation(shop: Workshop, operation: Operation) -> bool:
    """A function of each number; part of the layer before it if it stands in the same scope."""
    kind, keras_name = ACTIVATIONS[operation.op]
    layer = shop.made(operation.inputs[0])
    if layer is not None and _can_take(layer, operation, keras_name):
        layer.given["activation"] = keras_name
        shop.grow(layer, operation)
        return True
    shop.add(kind, {}, operation.inputs, operation)
    return True


def _can_take(layer: Draft, operation: Operation, keras_name: str | None) -> bool:
    around = scope(layer.members[-1].name)
    together = around != "" and around in (scope(operation.name), scope(scope(operation.name)))
    free = layer.kind in BIASED and "activation" not in layer.given
    return together and free and keras_name is not None


def leaky_relu(shop: Workshop, operation: Operation) -> bool:
    """`LeakyRelu`."""
    given = {"negative_slope": real(operation, "alpha", 0.2)}
    shop.add("LeakyReLU", given, operation.inputs, operation)
    return True


def silu(shop: Workshop, operation: Operation) -> bool:
    """`x * sigmoid(x)`, also with `beta * x` where beta is 1."""
    for data, gate in (operation.inputs, operation.inputs[::-1]):
        draft = shop.made(gate)
        if draft is None or draft.kind != "Sigmoid":
            continue
        inner = draft.inputs[0]
        scaled = shop.made(inner)
        is_scaled = scaled is not None and _is_unit(scaled)
        if is_scaled and scaled is not None:
            inner = scaled.inputs[0]
        if source(inner) != source(data):
            continue
        shop.drop(draft)
        members = [*draft.members]
        if is_scaled and scaled is not None:
            shop.drop(scaled)
            members = [*scaled.members, *members]
        return as_activation(shop, operation, "SiLU", "silu", inner, members)
    return False


def _is_unit(draft: Draft) -> bool:
    return draft.kind == "Rescaling" and draft.given == {"scale": 1.0, "offset": 0.0}


def hard_sigmoid(shop: Workshop, operation: Operation) -> bool:
    """`relu6(x + 3) / 6`."""
    if number(operation.inputs[1]) is None:
        return False
    by = number(operation.inputs[1]) or 0.0
    factor = 1 / by if operation.op in ("RealDiv", "Div") and by else by
    bounded = shop.made(operation.inputs[0])
    if bounded is None or bounded.kind != "ReLU6" or abs(factor - 1 / 6) > 1e-6:
        return False
    shifted = shop.made(bounded.inputs[0])
    if shifted is None:
        return False
    is_in_scope = scope(bounded.members[0].name) == scope(operation.name)
    if shifted.given != {"scale": 1.0, "offset": 3.0} or not is_in_scope:
        return False
    shop.drop(bounded)
    shop.drop(shifted)
    members = [*shifted.members, *bounded.members]
    data = shifted.inputs[0]
    return as_activation(shop, operation, "HardSigmoid", "hard_sigmoid", data, members)


def hard_silu(shop: Workshop, operation: Operation) -> bool:
    """`x * hard_sigmoid(x)`, where both stand in one scope."""
    for data, gate in (operation.inputs, operation.inputs[::-1]):
        draft = shop.made(gate)
        if draft is None or draft.kind != "HardSigmoid" or draft.inputs[0] != source(data):
            continue
        if scope(draft.members[0].name) != scope(operation.name):
            continue
        shop.drop(draft)
        return as_activation(shop, operation, "HardSiLU", "hard_silu", data, draft.members)
    return False


def as_activation(
    shop: Workshop,
    operation: Operation,
    kind: str,
    keras_name: str,
    data: Value,
    members: Sequence[Operation],
) -> bool:
    """A function written as several operations; part of the layer before it if it can be."""
    layer = shop.made(data, alone=False)
    own = (*members, operation)
    if (
        layer is not None
        and _can_take(layer, operation, keras_name)
        and all(reader in own for reader in readers(layer.members[-1]))
    ):
        layer.given["activation"] = keras_name
        shop.grow(layer, *own)
        return True
    shop.add(kind, {}, [data], *own)
    return True


def pool(shop: Workshop, operation: Operation) -> bool:
    """`MaxPool` and its like."""
    pad = padding(operation)
    if pad is None or len(operation.inputs) != 1:
        return False
    given: dict[str, Any] = {
        "pool_size": spatial(operation, "ksize"),
        "strides": spatial(operation, "strides"),
        "padding": pad,
    }
    if data_format(operation) == "channels_first":
        given["data_format"] = "channels_first"
    shop.add(POOLS[operation.op], given, operation.inputs, operation)
    return True


def global_pool(shop: Workshop, operation: Operation) -> bool:
    """`Mean` or `Max` over all axes of space."""
    axes = numbers(operation.inputs[1])
    last: dict[tuple[int, ...], int] = {(1,): 1, (1, 2): 2, (1, 2, 3): 3}
    first: dict[tuple[int, ...], int] = {(2, 3): 2, (2, 3, 4): 3}
    key = tuple(sorted(axes or ()))
    if key not in last and key not in first:
        return False
    name = {"Mean": "GlobalAveragePooling", "Max": "GlobalMaxPooling"}[operation.op]
    given: dict[str, Any] = {}
    if operation.attr["keep_dims"].b:
        given["keepdims"] = True
    if key in first:
        given["data_format"] = "channels_first"
    rank = last[key] if key in last else first[key]
    shop.add(f"{name}{rank}D", given, operation.inputs[:1], operation)
    return True


def merge(shop: Workshop, operation: Operation) -> bool:
    """Arithmetic of two arrays that both depend on data."""
    if len(operation.inputs) < 2 or any(map(shop.is_static, operation.inputs)):
        return False
    shop.add(MERGES[operation.op], {}, operation.inputs, operation)
    return True


def rescale(shop: Workshop, operation: Operation) -> bool:
    """Arithmetic of an array and a number."""
    first, second = operation.inputs
    data, fixed = (first, second) if shop.is_static(second) else (second, first)
    found = number(fixed)
    if found is None or shop.is_static(data):
        return False
    scaled = _scaled(operation.op, found, data is first)
    if scaled is None:
        return False
    draft = shop.made(data)
    if draft is not None and scaled[0] == 1.0 and _lacks_offset(draft, operation):
        draft.given["offset"] = scaled[1]
        shop.grow(draft, operation)
        return True
    given = {"scale": scaled[0], "offset": scaled[1]}
    shop.add("Rescaling", given, [data], operation)
    return True


def _lacks_offset(draft: Draft, operation: Operation) -> bool:
    together = scope(draft.members[0].name) == scope(operation.name)
    return draft.kind == "Rescaling" and draft.given["offset"] == 0.0 and together


def _scaled(op: str, by: float, data_first: bool) -> tuple[float, float] | None:
    if op in ("AddV2", "Add"):
        return 1.0, by
    if op == "Sub":
        return (1.0, -by) if data_first else (-1.0, by)
    if op == "Mul":
        return by, 0.0
    return (1 / by, 0.0) if op in ("RealDiv", "Div") and data_first and by else None


def concatenate(shop: Workshop, operation: Operation) -> bool:
    """`ConcatV2`."""
    axis = numbers(operation.inputs[-1])
    if axis is None or len(axis) != 1 or axis[0] == 0 or len(operation.inputs) < 3:
        return False
    shop.add("Concatenate", {"axis": axis[0]}, operation.inputs[:-1], operation)
    return True


def reshape(shop: Workshop, operation: Operation) -> bool:
    """`Reshape`, whose first size is the batch: -1, or computed."""
    wanted = _target(operation.inputs[1])
    if wanted is None or wanted.count(-1) > 1 or 0 in wanted:
        return False
    if len(wanted) == 1:
        shop.add("Flatten", {}, operation.inputs[:1], operation)
    else:
        shop.add("Reshape", {"target_shape": tuple(wanted)}, operation.inputs[:1], operation)
    return True


def _target(value: Value) -> list[int] | None:
    """Sizes behind the batch."""
    found = numbers(value)
    if found is not None:
        batch, *rest = found or [0]
        return rest if batch == -1 and rest and -1 not in rest else None
    packed = source(value).of
    if packed.op != "Pack" or len(packed.inputs) < 2:
        return None
    sizes = [numbers(item) for item in packed.inputs[1:]]
    known = [size[0] for size in sizes if size is not None and len(size) == 1]
    return known if len(known) == len(sizes) else None


def pad(shop: Workshop, operation: Operation) -> bool:
    """`Pad` with zeros around an image."""
    sides = small(operation.inputs[1])
    if sides is None or sides.shape not in ((3, 2), (4, 2), (5, 2)):
        return False
    ends = [(int(before), int(after)) for before, after in sides]
    if ends[0] != (0, 0) or ends[-1] != (0, 0):
        return False
    given = {"padding": tuple(ends[1:-1])}
    shop.add(f"ZeroPadding{len(ends) - 2}D", given, operation.inputs[:1], operation)
    return True


def transpose(shop: Workshop, operation: Operation) -> bool:
    """`Transpose` that leaves the batch where it is."""
    order = numbers(operation.inputs[1])
    if not order or order[0] != 0 or sorted(order) != list(range(len(order))) or len(order) < 2:
        return False
    shop.add("Permute", {"dims": tuple(order[1:])}, operation.inputs[:1], operation)
    return True


def resize(shop: Workshop, operation: Operation) -> bool:
    """`ResizeNearestNeighbor` and `ResizeBilinear` to a fixed size."""
    size = numbers(operation.inputs[1])
    if size is None or len(size) != 2 or operation.attr["align_corners"].b:
        return False
    ways = {"ResizeNearestNeighbor": "nearest", "ResizeBilinear": "bilinear"}
    given = {"height": size[0], "width": size[1], "interpolation": ways[operation.op]}
    shop.add("Resizing", given, operation.inputs[:1], operation)
    return True


def placeholder(shop: Workshop, operation: Operation) -> bool:
    """Where data enter."""
    proto = operation.attr["shape"].shape
    given: dict[str, Any] = {}
    if not proto.unknown_rank and proto.dim:
        given["shape"] = tuple(int(d.size) if d.size >= 0 else None for d in proto.dim)[1:]
    dtype = dtype_of(operation)
    if dtype not in (None, "float32"):
        given["dtype"] = dtype
    shop.add("Input", given, [], operation)
    return True


def cropped(shop: Workshop, operation: Operation) -> bool:
    """`StridedSlice` that cuts off the first or last rows and columns of an image."""
    begin, end, step = (numbers(read) for read in operation.inputs[1:4])
    if begin is None or end is None or step is None or set(step) != {1}:
        return False
    if len(begin) not in (3, 4) or operation.attr["shrink_axis_mask"].i:
        return False
    open_begin, open_end = operation.attr["begin_mask"].i, operation.attr["end_mask"].i
    ends: list[tuple[int, int]] = []
    for axis, (first, last) in enumerate(zip(begin, end, strict=True)):
        start = 0 if open_begin >> axis & 1 else first
        stop = 0 if open_end >> axis & 1 else last
        ends.append((start, -stop))
    if any(start < 0 or stop < 0 for start, stop in ends) or ends[0] != (0, 0):
        return False
    if ends[-1] != (0, 0):
        return False
    given = {"cropping": tuple(ends[1:-1])}
    shop.add(f"Cropping{len(ends) - 2}D", given, operation.inputs[:1], operation)
    return True


def cast(shop: Workshop, operation: Operation) -> bool:
    """`Cast`: the same numbers, of another type."""
    dtype = dtype_of(operation)
    if dtype is None or not dtype.startswith(("float", "bfloat")):
        return False
    shop.add("Identity", {"dtype": dtype}, operation.inputs, operation)
    return True


def squeeze(shop: Workshop, operation: Operation) -> bool:
    """`Squeeze` behind a convolution over one axis, which TensorFlow does in two."""
    axes = [int(axis) for axis in operation.attr["squeeze_dims"].list.i]
    draft = shop.made(operation.inputs[0])
    if draft is None or draft.kind != "Conv2D" or len(axes) != 1:
        return False
    widened = source(draft.inputs[0]).of
    kernel = array_shape(draft.weights["kernel"])
    is_narrow = kernel is not None and len(kernel) == 3
    if widened.op != "ExpandDims" or not is_narrow or not shop.is_alone(widened):
        return False
    before = shop.maker.get(widened)
    if before is not None and before in shop.drafts:
        shop.drop(before)
    draft.kind = "Conv1D"
    for key in {"kernel_size", "strides", "dilation_rate"} & draft.given.keys():
        draft.given[key] = draft.given[key][1:]
    draft.inputs = [source(widened.inputs[0])]
    shop.grow(draft, operation)
    return True
