"""What is known of a tensor without running anything: constants, variables, what depends on data.

Must not know what an operation does, but for the few that hand a value on as it is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from opgraph.errors import FormatError
from opgraph.formats.graphdef.flat import Operation, Value

MOST_SMALL = 4096
MOST_JOINED = 64
MOST_NUMBERS = 1 << 30
PASSES = frozenset(
    {"Identity", "IdentityN", "StopGradient", "PreventGradient", "CheckNumerics", "Snapshot"}
)
INPUTS = frozenset({"Placeholder", "PlaceholderWithDefault", "PlaceholderV2"})
VARIABLES = frozenset({"VarHandleOp", "VariableV2", "Variable"})
# Values of these are the same whenever the graph runs, if what they read is.
_RANDOM = ("Random", "Multinomial", "TruncatedNormal", "StatefulStandard", "Iterator", "ReadFile")
NUMPY_DTYPES: dict[int, Any] = {
    1: np.float32,
    2: np.float64,
    3: np.int32,
    4: np.uint8,
    5: np.int16,
    6: np.int8,
    9: np.int64,
    10: np.bool_,
    17: np.uint16,
    19: np.float16,
    22: np.uint32,
    23: np.uint64,
}
DTYPE_NAMES = {
    **{number: np.dtype(kind).name for number, kind in NUMPY_DTYPES.items()},
    7: "string",
    8: "complex64",
    14: "bfloat16",
    18: "complex128",
    20: "resource",
    21: "variant",
}
_FIELDS = {1: "float_val", 2: "double_val", 9: "int64_val", 10: "bool_val", 23: "uint64_val"}


def source(value: Value) -> Value:
    """Where a value comes from, behind operations that hand it on as it is."""
    while value.of.op in PASSES and value.of.inputs:
        port = value.port if value.of.op == "IdentityN" else 0
        value = value.of.inputs[min(port, len(value.of.inputs) - 1)]
    return value


def static_operations(operations: Sequence[Operation]) -> set[Operation]:
    """Operations whose value depends on no input of the graph; each stands after what it reads."""
    static: set[Operation] = set()
    for operation in operations:
        if operation.op in INPUTS or operation.op.startswith(_RANDOM):
            continue
        starts = bool(operation.inputs) or operation.op == "Const" or operation.op in VARIABLES
        if starts and all(value.of in static for value in operation.inputs):
            static.add(operation)
    return static


def leaves(value: Value) -> list[Operation]:
    """The variables and constants that a static value is made of, from left to right."""
    found: list[Operation] = []
    waiting, seen = [value.of], set[Operation]()
    while waiting:
        operation = waiting.pop()
        if operation in seen:
            continue
        seen.add(operation)
        if not operation.inputs:
            found.append(operation)
        waiting += [read.of for read in reversed(operation.inputs)]
    return found


def weight(value: Value) -> Operation | None:
    """The one array behind a static value, if it is handed on as it is."""
    operation = source(value).of
    while operation.op in ("ReadVariableOp", "Cast") and operation.inputs:
        operation = source(operation.inputs[0]).of
    return operation if operation.op == "Const" or operation.op in VARIABLES else None


def array_shape(operation: Operation) -> tuple[int, ...] | None:
    """Shape of a constant or variable; None if the file does not say it."""
    proto = operation.attr["value"].tensor.tensor_shape if operation.op == "Const" else None
    return shape_of(operation.attr["shape"].shape if proto is None else proto)


def shape_of(proto: Any) -> tuple[int, ...] | None:
    """A shape that is known in full, or None."""
    if proto.unknown_rank or any(dim.size < 0 for dim in proto.dim):
        return None
    return tuple(int(dim.size) for dim in proto.dim)


def dtype_of(operation: Operation) -> str | None:
    """Name of the type of the numbers that an operation holds or hands out."""
    key = next((k for k in ("dtype", "T", "DstT") if k in operation.attr), None)
    return None if key is None else DTYPE_NAMES.get(operation.attr[key].type)


def small(value: Value) -> NDArray[Any] | None:
    """The numbers of a small constant; None for anything else."""
    operation = source(value).of
    if operation.op == "Cast" and operation.inputs:
        operation = source(operation.inputs[0]).of
    if operation.op in ("Pack", "ConcatV2"):
        return _joined(operation)
    if operation.op != "Const":
        return None
    shape = array_shape(operation)
    if shape is None or math.prod(shape) > MOST_SMALL:
        return None
    return array(operation.attr["value"].tensor, shape)


def _joined(operation: Operation) -> NDArray[Any] | None:
    """A row that is put together of constants."""
    parts = operation.inputs if operation.op == "Pack" else operation.inputs[:-1]
    if not 0 < len(parts) <= MOST_JOINED:
        return None
    found = [small(part) for part in parts if source(part).of.op == "Const"]
    rows = [item.reshape(-1) for item in found if item is not None and item.ndim <= 1]
    return np.concatenate(rows) if len(rows) == len(parts) else None


def number(value: Value) -> float | None:
    """The number that a constant is, of whatever shape with one element; None otherwise."""
    found = small(value)
    return None if found is None or found.size != 1 else short(found.reshape(-1)[0])


def short(value: Any) -> float:
    """A number of single precision as people write it: 0.001, not 0.0010000000474974513.

    >>> short(np.float32(0.001))
    0.001
    """
    exact = float(value)
    is_single = math.isfinite(exact) and float(np.float32(exact)) == exact
    return float(str(np.float32(exact))) if is_single else exact


def numbers(value: Value) -> list[int] | None:
    """The whole numbers of a small constant, in a row; None for anything else."""
    found = small(value)
    if found is None or found.dtype.kind not in "iu":
        return None
    return [int(item) for item in found.reshape(-1)]


def array(tensor: Any, shape: Sequence[int]) -> NDArray[Any]:
    """The numbers of a `TensorProto`.

    Raises:
        FormatError: they are of a type without numbers, or fewer or more than the shape says.
    """
    kind = NUMPY_DTYPES.get(tensor.dtype)
    if kind is None:
        name = DTYPE_NAMES.get(tensor.dtype, str(tensor.dtype))
        raise FormatError(f"a constant of type {name} has no numbers")
    size = math.prod(shape)
    if size > MOST_NUMBERS:
        raise FormatError(f"a constant of {size:,} numbers")
    if tensor.tensor_content:
        dtype = np.dtype(kind).newbyteorder("<")
        whole = len(tensor.tensor_content) // dtype.itemsize
        found = np.frombuffer(tensor.tensor_content, dtype, whole)
    elif tensor.dtype == 19:
        found = np.asarray(tensor.half_val, np.uint16).view(np.float16)
    else:
        found = np.asarray(getattr(tensor, _FIELDS.get(tensor.dtype, "int_val")), kind)
        if 0 < found.size < size:  # the last number stands for all that follow
            found = np.concatenate([found, np.full(size - found.size, found[-1], kind)])
    if found.size == 0 and size:
        found = np.zeros(size, kind)
    if found.size != size:
        raise FormatError(f"a constant of {found.size:,} numbers with the shape {tuple(shape)}")
    return found.reshape(shape)
