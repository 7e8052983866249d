"""Sums of squares alone, by TensorFlow's own operations and with no compiler.

What is known already is not read again: the moments of a batch normalisation tell the squares of
what it reads and of what it gives, and a max pooling hands back the squares that it was given.
Owns how a norm is had at the least price; must not know where its number stands.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import tensorflow as tf

from opgraph.record import Site
from opgraph.runtime.core import BnTensors
from opgraph.runtime.relations import (
    SAME_NUMBERS,
    Affine,
    affine,
    gated,
    let_read_first,
    pooled_gate,
    scattered,
    subtraction,
)

Tensor = Any


class Squares(NamedTuple):
    """A sum of squares, or the half of it: each operation in the step has its price.

    Attributes:
        value: a number.
        halved: whether it is the half.
    """

    value: Tensor
    halved: bool


def half_sumsq(tensor: Tensor) -> Tensor:
    """Half the sum of squares by TensorFlow's fastest way; not finite if a square is not."""
    x = densify(tensor)
    wide = x if x.dtype in (tf.float32, tf.float64) else tf.cast(x, tf.float32)
    return tf.nn.l2_loss(wide)


def sumsq(tensor: Tensor) -> Tensor:
    """Sum of squares in float64."""
    return 2 * tf.cast(half_sumsq(tensor), tf.float64)


def densify(tensor: Tensor) -> Tensor:
    """A gradient as a whole array; rows that occur several times are summed."""
    if not isinstance(tensor, tf.IndexedSlices):
        return tensor
    rows = tensor.dense_shape[0] if tensor.dense_shape is not None else None
    if rows is None:
        return tf.convert_to_tensor(tensor)
    return tf.math.unsorted_segment_sum(tensor.values, tensor.indices, rows)


def sums_of_squares(
    tensors: Mapping[Site, Tensor], normalisations: Mapping[str, BnTensors]
) -> dict[Site, Squares]:
    """The sum of squares of each tensor.

    Args:
        tensors: outputs and gradients at them.
        normalisations: statistics of batch normalisations, by node.
    """
    known: dict[Any, Squares] = {}
    for site, tensor in tensors.items():
        found = affine(tensor)
        statistics = normalisations.get(site.node)
        if site.kind != "output" or found is None or statistics is None:
            continue
        if _are_of_all(found, statistics):
            known[tensor.ref()] = Squares(_of_result(found, statistics), halved=False)
            known[found.source.ref()] = Squares(_of_source(found, statistics), halved=False)
    result: dict[Site, Squares] = {}
    for site, tensor in tensors.items():
        ref = tensor.ref()
        if ref not in known:
            known[ref] = _read(tensor, known)
        result[site] = known[ref]
    return result


def weight_squares(before: Tensor, grad: Tensor | None, after: Tensor) -> dict[str, Tensor]:
    """Half the sums of squares of a weight, of its gradient and of its update.

    The update is what is taken from the weight, where that is known; else after - before, which
    differs by the rounding of the weight.
    """
    change = subtraction(before)
    squares = {"value": half_sumsq(before)}
    if grad is not None:
        squares["grad"] = half_sumsq(grad)
    if change is None:
        return {**squares, "update": half_sumsq(after - before)}
    let_read_first(change, squares["value"])
    return {**squares, "update": half_sumsq(change.inputs[1])}


def _read(tensor: Tensor, known: dict[Any, Squares]) -> Squares:
    """The squares of the smallest tensor that has them all."""
    pool = scattered(tensor)
    if pool is not None:
        return known.setdefault(pool.grad.ref(), _halved(pool.grad))
    gate = gated(tensor)
    pool = None if gate is None else pooled_gate(gate)
    if pool is None:
        return _halved(tensor)
    return _halved(pool.grad * tf.cast(pool.pooled > 0, pool.grad.dtype))


def _halved(tensor: Tensor) -> Squares:
    return Squares(half_sumsq(tensor), halved=True)


def _are_of_all(found: Affine, bn: BnTensors) -> bool:
    """Whether the moments are of all that is read: not moving ones, nor of what a mask keeps."""
    mean = bn.batch_mean
    if mean is None:
        return False
    while mean.op.type in SAME_NUMBERS:
        mean = mean.op.inputs[0]
    return mean.op.type == "Mean" and mean.op.inputs[0] is found.source


def _of_source(found: Affine, bn: BnTensors) -> Tensor:
    """N * (variance + mean^2), added up over the channels."""
    mean, variance = _wide(bn.batch_mean), _wide(bn.batch_variance)
    return _each(found) * tf.reduce_sum(variance + mean * mean)


def _of_result(found: Affine, bn: BnTensors) -> Tensor:
    """The same of the result, whose mean and variance follow from scale and shift."""
    mean, variance = _wide(bn.batch_mean), _wide(bn.batch_variance)
    scale, shift = _wide(found.scale), _wide(found.shift)
    mean = mean * scale + shift
    return _each(found) * tf.reduce_sum(scale * scale * variance + mean * mean)


def _each(found: Affine) -> float:
    """Elements of a channel."""
    shape = found.source.shape
    return shape.num_elements() / shape[-1]


def _wide(tensor: Tensor) -> Tensor:
    return tf.reshape(tf.cast(tensor, tf.float64), (-1,))
