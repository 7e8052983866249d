"""Normalisation in its forms: batch normalisation written out or fused, fixed statistics, factors.

Each function looks at one operation and says whether it took it in. Must not know how nodes are
named.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from opgraph.formats.graphdef.draft import Workshop, readers
from opgraph.formats.graphdef.flat import Operation, Value
from opgraph.formats.graphdef.layers import arrays, data_and_static, data_format, real
from opgraph.formats.graphdef.statics import array_shape, number, small, source, weight


def batch_norm(shop: Workshop, operation: Operation) -> bool:
    """Batch normalisation as `x * inv + (beta - mean * inv)`, with `inv = gamma / sqrt(var + eps)`.

    That is how `tf.nn.batch_normalization` writes it; it is told by the `Rsqrt` in the factor.
    """
    data, factor = data_and_static(shop, operation)
    following = [reader for reader in readers(operation) if reader.op in ("AddV2", "Add", "Sub")]
    if data is None or factor is None or len(following) != 1 or not shop.is_alone(operation):
        return False
    _, offset = data_and_static(shop, following[0])
    found = None if offset is None else _statistics(factor, offset)
    if found is None:
        return False
    epsilon, weights = found
    given = {"epsilon": epsilon, "center": "beta" in weights, "scale": "gamma" in weights}
    shop.add("BatchNormalization", given, [data], operation, following[0], weights=weights)
    return True


def _statistics(factor: Value, offset: Value) -> tuple[float, dict[str, Operation]] | None:
    """Epsilon and the four arrays of a batch normalisation."""
    root = _find(factor, "Rsqrt")
    if root is None:
        return None
    variance, epsilon = _sum(root.inputs[0])
    scales = [leaf for leaf in arrays(factor) if leaf is not variance]
    shifts = [leaf for leaf in arrays(offset) if leaf is not variance and leaf not in scales]
    if variance is None or epsilon is None or len(scales) > 1 or not 1 <= len(shifts) <= 2:
        return None
    beta = _beta(offset) if len(shifts) == 2 else None
    mean = [leaf for leaf in shifts if leaf is not beta]
    if len(mean) != 1:
        return None
    named: Mapping[str, Operation | None] = {
        "gamma": scales[0] if scales else None,
        "beta": beta,
        "moving_mean": mean[0],
        "moving_variance": variance,
    }
    return epsilon, {name: leaf for name, leaf in named.items() if leaf is not None}


def _find(value: Value, op: str) -> Operation | None:
    """The first operation of a type that a static value is computed by."""
    waiting, seen = [value.of], set[Operation]()
    while waiting:
        operation = waiting.pop()
        if operation.op == op:
            return operation
        if operation not in seen:
            seen.add(operation)
            waiting += [read.of for read in operation.inputs]
    return None


def _sum(value: Value) -> tuple[Operation | None, float | None]:
    """The array and the number that are added."""
    operation = source(value).of
    if operation.op not in ("Add", "AddV2") or len(operation.inputs) != 2:
        return None, None
    for array, added in (operation.inputs, operation.inputs[::-1]):
        found = number(added)
        leaves = arrays(array)
        if found is not None and len(leaves) == 1:
            return leaves[0], found
    return None, None


def _beta(offset: Value) -> Operation | None:
    """What `mean * inv` is taken from."""
    operation = source(offset).of
    if operation.op != "Sub":
        return None
    found = arrays(operation.inputs[0])
    return found[0] if len(found) == 1 else None


def fused_batch_norm(shop: Workshop, operation: Operation) -> bool:
    """`FusedBatchNormV3` with fixed statistics."""
    names = ("gamma", "beta", "moving_mean", "moving_variance")
    found = {name: weight(read) for name, read in zip(names, operation.inputs[1:], strict=False)}
    is_training = operation.attr["is_training"].b or "is_training" not in operation.attr
    if is_training or None in found.values() or len(found) != 4:
        return False
    given: dict[str, Any] = {"epsilon": real(operation, "epsilon", 1e-4)}
    if data_format(operation) == "channels_first":
        given["axis"] = 1
    weights = {name: leaf for name, leaf in found.items() if leaf is not None}
    shop.add("BatchNormalization", given, operation.inputs[:1], operation, weights=weights)
    return True


def normalization(shop: Workshop, operation: Operation) -> bool:
    """`(x - mean) / max(sqrt(variance), epsilon)`, as Keras's layer `Normalization` has it."""
    data, divisor = data_and_static(shop, operation)
    shifted = None if data is None else source(data).of
    if shifted is None or divisor is None or shifted.op != "Sub" or not shop.is_alone(shifted):
        return False
    data, shift = data_and_static(shop, shifted)
    root = _find(divisor, "Sqrt")
    if data is None or shift is None or root is None or shift is not shifted.inputs[1]:
        return False
    mean, variance = arrays(shift), arrays(root.inputs[0])
    if len(mean) != 1 or len(variance) != 1 or not _is_last_axis(mean[0], variance[0]):
        return False
    weights = {"mean": mean[0], "variance": variance[0]}
    fixed = {name: small(Value(leaf)) for name, leaf in weights.items()}
    given = {name: row.reshape(-1).tolist() for name, row in fixed.items() if row is not None}
    if len(given) == 2:  # numbers of the graph, not weights
        weights = {}
    shop.add("Normalization", {} if weights else given, [data], shifted, operation, weights=weights)
    return True


def _is_last_axis(*given: Operation) -> bool:
    """Whether arrays have one number for each step along the last axis, and no others."""
    shapes = [array_shape(array) or (0,) for array in given]
    return all(math.prod(shape) == shape[-1] for shape in shapes)


def layer_scale(shop: Workshop, operation: Operation) -> bool:
    """A factor for each channel that is a weight by itself."""
    data, factor = data_and_static(shop, operation)
    gamma = None if factor is None else weight(factor)
    shape = None if gamma is None else array_shape(gamma)
    if data is None or gamma is None or shape is None or len(shape) != 1 or shape[0] < 2:
        return False
    shop.add(
        "LayerScale", {"projection_dim": shape[0]}, [data], operation, weights={"gamma": gamma}
    )
    return True
