"""Losses: one value an example, their mean, and its gradient at what the network put out.

As keras.losses computes them, from scores (logits) or from probabilities. Knows no op.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from opgraph.errors import ReferenceMissingError, ShapeError
from opgraph.reference.computed import Array
from opgraph.reference.functions import log_softmax, sigmoid, softmax, softplus

EPSILON = 1e-7  # keras.config.epsilon(): probabilities are kept this far from 0 and 1


@dataclass(frozen=True)
class Loss:
    """What a loss computes.

    Attributes:
        examples: its value for each example (and each position, where there are several).
        weights: how much each of them counts.
        mean: sum of weights * values, divided by their number.
        gradient: of the mean, at the output that was given: logits or probabilities.
        parts: numbers on the way, such as `targets` and `probabilities`.
    """

    examples: Array
    weights: Array
    mean: float
    gradient: Array
    parts: Mapping[str, Array] = field(default_factory=dict[str, Array])


def _loss(
    examples: Array, slopes: Array, weights: Array | None, parts: Mapping[str, Array] | None = None
) -> Loss:
    """The loss with its mean; `slopes` are the gradients of each example's own value."""
    factors = np.ones_like(examples) if weights is None else np.asarray(weights, np.float64)
    factors = factors.reshape(*factors.shape, *(1,) * (examples.ndim - factors.ndim))
    factors = np.broadcast_to(factors, examples.shape)
    shares = factors / examples.size
    mean = float((shares * examples).sum())
    return Loss(examples, factors, mean, slopes * shares[..., None], parts or {})


def cross_entropy(
    labels: Array,
    output: Array,
    *,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    weights: Array | None = None,
    class_weights: Sequence[float] | None = None,
) -> Loss:
    """-sum over classes of target * log(probability); at the logits its gradient is p - y.

    With a softmax before it, Keras goes back to the logits, so this is asked from them: log(p) by
    way of p loses digits where p is small. From probabilities Keras keeps them within
    [1e-7, 1 - 1e-7], before it brings their sum to 1 for class ids, afterwards for one-hot labels.

    Args:
        labels: class ids, or one row of probabilities for each example (one-hot).
        output: scores or probabilities, classes last.
        from_logits: whether the output is scores.
        label_smoothing: share of each target that is spread over all classes.
        weights: how much each example counts.
        class_weights: how much each class counts; multiplies `weights`.

    Raises:
        ShapeError: labels and output do not fit.

    >>> loss = cross_entropy(np.array([0]), np.array([[0.0, 0.0]]), from_logits=True)
    >>> loss.mean, loss.gradient
    (0.6931471805599453, array([[-0.5,  0.5]]))
    """
    output = np.asarray(output, np.float64)
    ids = np.asarray(labels).ndim == output.ndim - 1
    targets = _targets(np.asarray(labels), output)
    if class_weights is not None:
        factors = np.asarray(class_weights, np.float64)[targets.argmax(axis=-1)]
        weights = factors if weights is None else factors * np.asarray(weights)
    if label_smoothing:
        targets = targets * (1 - label_smoothing) + label_smoothing / output.shape[-1]
    if from_logits:
        log_p, (p, _) = log_softmax(output)[0], softmax(output)
        slopes = p * targets.sum(axis=-1, keepdims=True) - targets
    else:
        clip_first = ids and not label_smoothing
        p, log_p, slopes = (_clipped_first if clip_first else _summed_first)(output, targets)
    examples = -(targets * log_p).sum(axis=-1)
    return _loss(examples, slopes, weights, {"targets": targets, "probabilities": p})


def _targets(labels: Array, output: Array) -> Array:
    classes = output.shape[-1]
    if labels.shape == output.shape:
        return labels.astype(np.float64)
    if labels.shape != output.shape[:-1]:
        raise ShapeError(f"labels of shape {labels.shape} do not fit an output of {output.shape}")
    return np.eye(classes)[labels.astype(np.int64)]


def _summed_first(p: Array, targets: Array) -> tuple[Array, Array, Array]:
    """Probabilities, their logarithms, and the slopes, for one-hot labels."""
    total = p.sum(axis=-1, keepdims=True)
    share = p / total
    kept = np.clip(share, EPSILON, 1 - EPSILON)
    at_share = np.where(kept == share, -targets / kept, 0)
    slopes = (at_share - (at_share * share).sum(axis=-1, keepdims=True)) / total
    return kept, np.log(kept), slopes


def _clipped_first(p: Array, targets: Array) -> tuple[Array, Array, Array]:
    """The same for class ids."""
    kept = np.clip(p, EPSILON, 1 - EPSILON)
    total = kept.sum(axis=-1, keepdims=True)
    slopes = np.where(kept == p, 1 / total - targets / kept, 0)
    return kept / total, np.log(kept / total), slopes


def binary_cross_entropy(
    labels: Array,
    output: Array,
    *,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    weights: Array | None = None,
) -> Loss:
    """-(y log p + (1 - y) log(1 - p)), the mean over the outputs of an example.

    >>> binary_cross_entropy(np.array([1]), np.array([[0.0]]), from_logits=True).gradient
    array([[-0.5]])
    """
    output = np.asarray(output, np.float64)
    y = _like(labels, output)
    y = y * (1 - label_smoothing) + 0.5 * label_smoothing
    if from_logits:
        p = sigmoid(output)
        values, slopes = y * softplus(-output) + (1 - y) * softplus(output), p - y
    else:
        p = np.clip(output, EPSILON, 1 - EPSILON)
        values = -(y * np.log(p) + (1 - y) * np.log(1 - p))
        slopes = np.where(p == output, (p - y) / (p * (1 - p)), 0)
    return _averaged(values, slopes, weights, {"targets": y, "probabilities": p})


def mean_squared_error(labels: Array, output: Array, *, weights: Array | None = None) -> Loss:
    """(output - label)^2, the mean over the outputs of an example.

    >>> mean_squared_error(np.array([[1.0]]), np.array([[3.0]])).gradient
    array([[4.]])
    """
    error = np.asarray(output, np.float64) - _like(labels, output)
    return _averaged(error**2, 2 * error, weights, {"errors": error})


def mean_absolute_error(labels: Array, output: Array, *, weights: Array | None = None) -> Loss:
    """|output - label|, the mean over the outputs of an example.

    >>> mean_absolute_error(np.array([[1.0]]), np.array([[3.0]])).mean
    2.0
    """
    error = np.asarray(output, np.float64) - _like(labels, output)
    return _averaged(np.abs(error), np.sign(error), weights, {"errors": error})


def huber(
    labels: Array, output: Array, *, delta: float = 1.0, weights: Array | None = None
) -> Loss:
    """error^2 / 2 up to delta, a straight line beyond (Huber 1964).

    >>> huber(np.array([[1.0]]), np.array([[3.0]])).mean
    1.5
    """
    error = np.asarray(output, np.float64) - _like(labels, output)
    near = np.abs(error) <= delta
    values = np.where(near, error**2 / 2, delta * np.abs(error) - delta**2 / 2)
    return _averaged(values, np.clip(error, -delta, delta), weights, {"errors": error})


def _like(labels: Array, output: Array) -> Array:
    """Labels in the shape of the output; the only output of an example may be left unwrapped."""
    labels, shape = np.asarray(labels, np.float64), np.shape(output)
    if labels.shape == shape[:-1] and shape[-1] == 1:
        return labels[..., None]
    if labels.shape != shape:
        raise ShapeError(f"labels of shape {labels.shape} do not fit an output of {shape}")
    return labels


def _averaged(
    values: Array, slopes: Array, weights: Array | None, parts: Mapping[str, Array]
) -> Loss:
    return _loss(values.mean(axis=-1), slopes / values.shape[-1], weights, parts)


LOSSES: dict[str, Callable[..., Loss]] = {
    "sparse_categorical_crossentropy": cross_entropy,
    "categorical_crossentropy": cross_entropy,
    "binary_crossentropy": binary_cross_entropy,
    "mse": mean_squared_error,
    "mae": mean_absolute_error,
    "huber": huber,
}


def compute_loss(name: str, labels: Array, output: Array, **settings: Any) -> Loss:
    """A loss by the name it has in a recipe.

    Raises:
        ReferenceMissingError: there is no formula for it.
        ShapeError: labels and output do not fit.

    >>> compute_loss("mse", np.array([[1.0]]), np.array([[3.0]])).mean
    4.0
    """
    if name not in LOSSES:
        raise ReferenceMissingError(
            f"there is no independent computation of the loss {name!r}",
            hint=f"there is one of: {', '.join(LOSSES)}",
        )
    return LOSSES[name](labels, output, **settings)


def penalty(array: Array, l1: float = 0.0, l2: float = 0.0) -> tuple[float, Array]:
    """What an L1 or L2 regulariser adds to the loss, and its gradient (keras.regularizers).

    l1 * sum |w| + l2 * sum w^2, without the half that some books put before it.

    >>> penalty(np.array([3.0, -1.0]), l2=0.5)
    (5.0, array([ 3., -1.]))
    """
    array = np.asarray(array, np.float64)
    value = l1 * np.abs(array).sum() + l2 * (array**2).sum()
    return float(value), l1 * np.sign(array) + 2 * l2 * array
