"""Which op a `keras.ops` operation inside a functional model is.

Arithmetic with a number is a `Rescaling`, a mean over the spatial axes a global pooling; what has
no exact counterpart is None. Must not know how the layers of a model hang together.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, cast

from opgraph.formats.keras_calls import Call, Entry, Tensor, tensors_in
from opgraph.ops import Op, Shape, find

Found = tuple[type[Op], Mapping[str, Any], tuple[Tensor, ...]]

MERGES = {
    "Add": "Add",
    "Subtract": "Subtract",
    "Multiply": "Multiply",
    "Maximum": "Maximum",
    "Minimum": "Minimum",
}
ACTIVATIONS = {
    "Relu": "relu",
    "Relu6": "relu6",
    "Sigmoid": "sigmoid",
    "HardSigmoid": "hard_sigmoid",
    "Silu": "silu",
    "HardSilu": "hard_silu",
    "Tanh": "tanh",
    "Softplus": "softplus",
    "Softsign": "softsign",
    "Selu": "selu",
    "Exp": "exponential",
}
POOLS = {"Mean": "GlobalAveragePooling", "Max": "GlobalMaxPooling"}


def translate_operation(entry: Entry, call: Call) -> Found | None:
    """Op, attributes and tensors by slot of an operation; None if no op does exactly this."""
    tensors = call.tensors()
    if any(value is not None for value in call.kwargs.values()) or not tensors:
        return None
    name = entry.class_name
    if name in MERGES or name in ("TrueDivide", "Divide"):
        return _arithmetic(name, call.args)
    if len(call.args) != 1:
        return None
    if name == "Concatenate":
        return _concatenate(entry, call.args[0])
    return _unary(entry, tensors[0]) if isinstance(call.args[0], Tensor) else None


def _op(kind: str, given: Mapping[str, Any], *tensors: Tensor) -> Found | None:
    found = find(kind)
    return None if found is None else (found, given, tensors)


def _arithmetic(name: str, args: tuple[Any, ...]) -> Found | None:
    if len(args) != 2:
        return None
    first, second = args
    if isinstance(first, Tensor) and isinstance(second, Tensor):
        same_rank = first.shape is not None and len(first.shape) == len(second.shape or ())
        return _op(MERGES[name], {}, first, second) if name in MERGES and same_rank else None
    tensor, number = (first, second) if isinstance(first, Tensor) else (second, first)
    if not isinstance(tensor, Tensor) or not _is_number(number):
        return None
    if not str(tensor.dtype).startswith(("float", "bfloat")):
        return None
    scaled = _scaled(name, float(number), tensor is first)
    return None if scaled is None else _op("Rescaling", scaled, tensor)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _scaled(name: str, number: float, tensor_first: bool) -> dict[str, float] | None:
    """Arithmetic of a tensor and a number as a scale and an offset."""
    if name == "Add":
        return {"scale": 1.0, "offset": number}
    if name == "Subtract":
        return (
            {"scale": 1.0, "offset": -number} if tensor_first else {"scale": -1.0, "offset": number}
        )
    if name == "Multiply":
        return {"scale": number, "offset": 0.0}
    if name in ("TrueDivide", "Divide") and tensor_first and number:
        return {"scale": 1 / number, "offset": 0.0}
    return None


def _concatenate(entry: Entry, argument: Any) -> Found | None:
    tensors = list(tensors_in(argument))
    axis = entry.config.get("axis", 0)
    if axis == 0 or len(tensors) < 2 or len(tensors) != len(cast("list[Any]", argument)):
        return None
    return _op("Concatenate", {"axis": axis}, *tensors)


def _unary(entry: Entry, x: Tensor) -> Found | None:
    name, config = entry.class_name, entry.config
    if name in ACTIVATIONS:
        return _op("Activation", {"activation": ACTIVATIONS[name]}, x)
    if name == "Negative":
        return _op("Rescaling", {"scale": -1.0, "offset": 0.0}, x)
    shaped = _WITH_SHAPE.get(name)
    if name in POOLS:
        shaped = _pooled
    return None if shaped is None or x.shape is None else shaped(name, config, x, x.shape)


def _pooled(name: str, config: Mapping[str, Any], x: Tensor, shape: Shape) -> Found | None:
    """A mean or maximum over all axes between the batch and the channels."""
    rank = len(shape) - 1
    axes = _axes(config.get("axis"), len(shape) + 1)
    if config.get("initial") is not None:
        return None
    if not 1 <= rank <= 3 or axes != list(range(1, rank + 1)):
        return None
    return _op(f"{POOLS[name]}{rank}D", {"keepdims": bool(config.get("keepdims"))}, x)


def _axes(axis: Any, rank: int) -> list[int] | None:
    """Axis numbers counted from the front, sorted; None if they are not numbers."""
    axes = cast("list[Any]", axis) if isinstance(axis, list | tuple) else [axis]
    if not all(type(item) is int for item in axes):
        return None
    return sorted(item % rank for item in axes)


def _gelu(name: str, config: Mapping[str, Any], x: Tensor, shape: Shape) -> Found | None:
    exact = config.get("approximate") is False
    return _op("Activation", {"activation": "gelu"}, x) if exact else None


def _softmax(name: str, config: Mapping[str, Any], x: Tensor, shape: Shape) -> Found | None:
    axis = config.get("axis")
    return _op("Softmax", {"axis": axis}, x) if type(axis) is int and axis != 0 else None


def _transpose(name: str, config: Mapping[str, Any], x: Tensor, shape: Shape) -> Found | None:
    axes = config.get("axes")
    if not isinstance(axes, list) or cast("list[Any]", axes)[:1] != [0]:
        return None
    return _op("Permute", {"dims": tuple(cast("list[Any]", axes)[1:])}, x)


def _reshape(name: str, config: Mapping[str, Any], x: Tensor, shape: Shape) -> Found | None:
    """A new shape of each example; a batch written as -1 must be the batch."""
    wanted = config.get("newshape")
    if not isinstance(wanted, list) or not wanted:
        return None
    batch, *target = cast("list[Any]", wanted)
    numbers = [dim for dim in shape if dim is not None]
    whole = len(numbers) == len(shape) and all(type(dim) is int for dim in target)
    if batch not in (-1, None) or not whole:
        return None
    if -1 not in target and math.prod(target) != math.prod(numbers):
        return None
    if batch == -1 and -1 in target:
        return None
    return _op("Reshape", {"target_shape": tuple(target)}, x)


def _squeeze(name: str, config: Mapping[str, Any], x: Tensor, shape: Shape) -> Found | None:
    axes = _axes(config.get("axis"), len(shape) + 1)
    if axes is None or 0 in axes or None in shape:
        return None
    target = tuple(dim for at, dim in enumerate(shape, start=1) if at not in axes)
    return _op("Reshape", {"target_shape": target}, x)


def _expand(name: str, config: Mapping[str, Any], x: Tensor, shape: Shape) -> Found | None:
    axes = _axes(config.get("axis"), len(shape) + 2)
    if axes is None or len(axes) != 1 or axes[0] == 0 or None in shape:
        return None
    target = (*shape[: axes[0] - 1], 1, *shape[axes[0] - 1 :])
    return _op("Reshape", {"target_shape": target}, x)


_WITH_SHAPE: dict[str, Callable[[str, Mapping[str, Any], Tensor, Shape], Found | None]] = {
    "Gelu": _gelu,
    "Softmax": _softmax,
    "Transpose": _transpose,
    "Reshape": _reshape,
    "Squeeze": _squeeze,
    "ExpandDims": _expand,
}
