"""Layers that bring activations to a common scale.

All of them compute n = (x - mean) / sqrt(variance + epsilon) over some axes, or a part of that, and
then gamma * n + beta.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from opgraph.errors import ReferenceMissingError
from opgraph.reference.computed import Array, Computed, Given, Pulled, shrunk, single
from opgraph.reference.registry import reference


def _kept(axis: int | tuple[int, ...], rank: int) -> tuple[int, ...]:
    """Keras's axis numbers, counted from the front."""
    numbers = axis if isinstance(axis, tuple) else (axis,)
    return tuple(sorted(number % rank for number in numbers))


def _stretchable(array: Array, axes: tuple[int, ...], x: Array) -> Array:
    """A weight of these axes, in a shape that broadcasts over the input."""
    return array.reshape([x.shape[at] if at in axes else 1 for at in range(x.ndim)])


def _centred(x: Array, mean: Array, scale: Array, axes: tuple[int, ...]) -> Any:
    """The pull of n = (x - mean) * scale, where mean and scale follow from x over these axes.

    The three terms of Ioffe & Szegedy 2015, section 3: the gradient itself, its mean, and what goes
    through the variance.
    """
    normalized = (x - mean) * scale

    def back(g: Array) -> Array:
        means = g.mean(axis=axes, keepdims=True)
        along = (g * normalized).mean(axis=axes, keepdims=True)
        return scale * (g - means - normalized * along)

    return back


def _scaled(given: Given, normalized: Array, axes: tuple[int, ...], back: Any) -> Computed:
    """Gamma * n + beta, with gamma and beta where the layer has them."""
    shaped = {
        name: _stretchable(array, axes, given.x)
        for name, array in given.weights.items()
        if name in ("gamma", "beta", "scale")
    }
    gamma = shaped.get("gamma", shaped.get("scale", np.ones(1)))
    y = gamma * normalized + shaped.get("beta", np.zeros(1))

    def pull(g: Array) -> Pulled:
        at = {name: g if name == "beta" else g * normalized for name in shaped}
        weights = {
            name: shrunk(at[name], shape.shape).reshape(given.weights[name].shape)
            for name, shape in shaped.items()
        }
        return Pulled((back(g * gamma),), weights)

    return single(y, pull)


@reference("BatchNormalization")
def batch_normalization(given: Given) -> Computed:
    """Statistics of the batch in training, moving ones at inference (Ioffe & Szegedy 2015).

    The variance is the mean squared deviation, also in the moving one; the moving statistics become
    moving * momentum + batch * (1 - momentum), as in keras.layers.BatchNormalization. A frozen
    layer runs as at inference.

    Parts: `mean`, `variance`, `normalized`; in training also `centred`, and they are the batch's.
    """
    op, x = cast("Any", given.op), given.x
    if op.renorm:
        raise ReferenceMissingError(f"there is no independent computation of {op!r} with renorm")
    kept = _kept(op.axis, x.ndim)
    axes = tuple(at for at in range(x.ndim) if at not in kept)
    trained = given.training and op.trainable
    mean, variance = given.weights["moving_mean"], given.weights["moving_variance"]
    moved: dict[str, Array] = {}
    if trained:
        moving, mean, variance = (mean, variance), x.mean(axis=axes), x.var(axis=axes)
        rows = zip(("moving_mean", "moving_variance"), moving, (mean, variance), strict=True)
        share = op.momentum
        moved = {name: old * share + new * (1 - share) for name, old, new in rows}
    centre = _stretchable(mean, kept, x)
    scale = 1 / np.sqrt(_stretchable(variance, kept, x) + op.epsilon)
    normalized = (x - centre) * scale
    back = _centred(x, centre, scale, axes) if trained else lambda g: g * scale
    plain = _scaled(given, normalized, kept, back)
    parts = {"mean": mean, "variance": variance, "normalized": normalized}
    return Computed(plain.outputs, plain.pull, parts, moved)


def _within(given: Given, axes: tuple[int, ...], scaled_axes: tuple[int, ...]) -> Computed:
    """Each example by its own mean and variance over some axes."""
    x, epsilon = given.x, cast("Any", given.op).epsilon
    mean, variance = x.mean(axis=axes, keepdims=True), x.var(axis=axes, keepdims=True)
    scale = 1 / np.sqrt(variance + epsilon)
    normalized = (x - mean) * scale
    plain = _scaled(given, normalized, scaled_axes, _centred(x, mean, scale, axes))
    parts = {"mean": mean, "variance": variance, "normalized": normalized}
    return Computed(plain.outputs, plain.pull, parts)


@reference("LayerNormalization")
def layer_normalization(given: Given) -> Computed:
    """Mean and variance of each example over the given axes (Ba et al. 2016, arXiv:1607.06450).

    Parts: `mean`, `variance`, `normalized`.
    """
    op = cast("Any", given.op)
    if op.rms_scaling:
        raise ReferenceMissingError(
            f"there is no independent computation of {op!r} with rms_scaling"
        )
    axes = _kept(op.axis, given.x.ndim)
    return _within(given, axes, axes)


@reference("GroupNormalization")
def group_normalization(given: Given) -> Computed:
    """Mean and variance of each group of channels of an example (Wu & He 2018, arXiv:1803.08494).

    Parts: `mean`, `variance` for each example and group; `normalized`.
    """
    op, x = cast("Any", given.op), given.x
    (channels,) = _kept(op.axis, x.ndim)
    groups = x.shape[channels] if op.groups == -1 else op.groups
    shape = x.shape
    split = (*shape[:channels], groups, shape[channels] // groups, *shape[channels + 1 :])
    axes = tuple(at for at in range(1, len(split)) if at != channels)
    grouped = x.reshape(split)
    mean, variance = grouped.mean(axis=axes, keepdims=True), grouped.var(axis=axes, keepdims=True)
    scale = 1 / np.sqrt(variance + op.epsilon)
    normalized = ((grouped - mean) * scale).reshape(shape)
    inner = _centred(grouped, mean, scale, axes)
    plain = _scaled(
        given, normalized, (channels,), lambda g: inner(g.reshape(split)).reshape(shape)
    )
    rows = {"mean": mean.reshape(len(x), groups), "variance": variance.reshape(len(x), groups)}
    return Computed(plain.outputs, plain.pull, {**rows, "normalized": normalized})


@reference("RMSNormalization")
def rms_normalization(given: Given) -> Computed:
    """X / sqrt(mean(x^2) + epsilon) over the given axes (Zhang & Sennrich 2019, arXiv:1910.07467).

    Parts: `mean_square`, `normalized`.
    """
    op, x = cast("Any", given.op), given.x
    axes = _kept(op.axis, x.ndim)
    square = (x**2).mean(axis=axes, keepdims=True)
    scale = 1 / np.sqrt(square + op.epsilon)
    normalized = x * scale

    def back(g: Array) -> Array:
        return scale * (g - normalized * (g * normalized).mean(axis=axes, keepdims=True))

    plain = _scaled(given, normalized, axes, back)
    return Computed(plain.outputs, plain.pull, {"mean_square": square, "normalized": normalized})


@reference("UnitNormalization")
def unit_normalization(given: Given) -> Computed:
    """X / |x| over the given axes; |x|^2 is taken as 1e-12 where it is smaller, as Keras does.

    Parts: `length`.
    """
    y, length, back = unit(given.x, _kept(cast("Any", given.op).axis, given.x.ndim), 1e-12)
    return single(y, lambda g: Pulled((back(g),)), {"length": length})


def unit(x: Array, axes: tuple[int, ...], smallest: float) -> tuple[Array, Array, Any]:
    """An array brought to length 1, its length before, and the pull."""
    square = (x**2).sum(axis=axes, keepdims=True)
    length = np.sqrt(np.maximum(square, smallest))
    y = x / length

    def back(g: Array) -> Array:
        along = np.where(square > smallest, (g * y).sum(axis=axes, keepdims=True), 0)
        return (g - y * along) / length

    return y, length, back


@reference("LayerScale")
def layer_scale(given: Given) -> Computed:
    """Gamma * x for each channel (Touvron et al. 2021, arXiv:2103.17239)."""
    return _scaled(given, given.x, (given.x.ndim - 1,), lambda g: g)
