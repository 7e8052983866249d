"""How tensors of a step follow from each other, read off the operations that make them.

A tensor may hold the very numbers of another one in another shape, or numbers that can be had while
another one is read. Owns what is known of single operations; must not know what is measured. Where
nothing is known (a tensor that XLA hands over, a layer of another build) the answer is None, and
the tensor is read for itself.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

import tensorflow as tf

Tensor = Any
Operation = Any
SAME_NUMBERS = frozenset(["Reshape", "Identity", "Squeeze", "ExpandDims"])
POOL_GRADS = frozenset(["MaxPoolGrad", "MaxPool3DGrad"])
WIDE = ("float32", "float64")


class Affine(NamedTuple):
    """`source * scale + shift`, a product and a sum that are rounded one after the other.

    `scale` and `shift` have one number for each index of the last axis.
    """

    source: Tensor
    scale: Tensor
    shift: Tensor


class Gated(NamedTuple):
    """`grad` where `gate` is above zero, `grad` times zero elsewhere: the gradient of relu."""

    grad: Tensor
    gate: Tensor


class Scattered(NamedTuple):
    """The numbers of `grad` among zeros: the gradient of a max pooling that does not overlap.

    Each of them stands where its window is greatest, so that the source there is `pooled`.
    """

    grad: Tensor
    pooled: Tensor
    zeros: int


def _kind(tensor: Tensor) -> str:
    """The operation that makes a tensor; none is known of one that is there already."""
    return tensor.op.type if tf.is_symbolic_tensor(tensor) else ""


def same_numbers(tensor: Tensor, known: Collection[Any]) -> Tensor | None:
    """A known tensor, by reference, with the same numbers in another shape; None if there is none.

    Args:
        tensor: where to begin.
        known: references of tensors (`tensor.ref()`).
    """
    while _kind(tensor) in SAME_NUMBERS:
        tensor = tensor.op.inputs[0]
        if tensor.ref() in known:
            return tensor
    return None


def rectified(tensor: Tensor) -> Tensor | None:
    """What a relu reads."""
    return tensor.op.inputs[0] if _kind(tensor) == "Relu" else None


def affine(tensor: Tensor) -> Affine | None:
    """What a batch normalisation makes its output of."""
    if _kind(tensor) != "AddV2" or tensor.dtype.name not in WIDE:
        return None
    product, shift = tensor.op.inputs
    if _kind(product) != "Mul":
        return None
    source, scale = product.op.inputs
    channels = tensor.shape[-1:]
    known = tensor.shape.is_fully_defined() and tensor.shape.rank > 1
    if not known or source.shape != tensor.shape or {scale.shape, shift.shape} != {channels}:
        return None
    return Affine(source, scale, shift)


def gated(tensor: Tensor) -> Gated | None:
    """What the gradient of a relu is made of."""
    return Gated(*tensor.op.inputs) if _kind(tensor) == "ReluGrad" else None


def scattered(tensor: Tensor) -> Scattered | None:
    """What the gradient of a max pooling is made of, if no two of its windows overlap."""
    if _kind(tensor) not in POOL_GRADS:
        return None
    operation = tensor.op
    if operation.get_attr("padding") == b"EXPLICIT":
        return None
    sizes, strides = operation.get_attr("ksize"), operation.get_attr("strides")
    if any(size > stride for size, stride in zip(sizes, strides, strict=True)):
        return None
    _, pooled, grad = operation.inputs
    whole, part = tensor.shape.num_elements(), grad.shape.num_elements()
    return None if None in (whole, part) else Scattered(grad, pooled, whole - part)


def pooled_gate(found: Gated) -> Scattered | None:
    """The pooling that hands a relu its gradient, if what it pools is that relu's own result.

    Where it is not, a sum for instance, what is pooled does not tell where the relu was open.
    """
    pool = scattered(found.grad)
    if pool is None:
        return None
    source = found.grad.op.inputs[0]
    own = source is found.gate or same_numbers(source, {found.gate.ref()}) is not None
    return pool if own else None


def subtraction(before: Tensor) -> Operation | None:
    """The operation that takes something from a variable, where that is all that is done to it.

    What it takes is its second input.

    Args:
        before: the variable's value as it was read in the same program.
    """
    if _kind(before) != "ReadVariableOp":
        return None
    users = before.op.inputs[0].consumers()
    changes = [user for user in users if user.type != "ReadVariableOp"]
    alone = len(changes) == 1 and changes[0].type == "AssignSubVariableOp"
    return changes[0] if alone else None


def let_read_first(change: Operation, reader: Tensor) -> None:
    """Let a change of a variable wait for somebody who reads its value.

    A variable whose value is in use is copied when it changes; once it was read it is not. The
    reader must not need the changed value, and one in a program of its own is not waited for.
    """
    if reader.op.graph is change.graph:
        change._add_control_input(reader.op)  # pyright: ignore[reportPrivateUsage]
