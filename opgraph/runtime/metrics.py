"""Metrics that add up: each is a total over a count, so that batches can be put together.

Owns their names, what they are for, and how the quotient is finished; must not know graphs or
losses.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import tensorflow as tf

if TYPE_CHECKING:
    from opgraph.runtime.objective import Head

Tensor = Any
Pair = tuple[Tensor, Tensor]
_TOP = re.compile(r"top_([1-9]\d{0,5})_accuracy")


@dataclass(frozen=True)
class Metric:
    """One metric that can be asked for by name.

    Attributes:
        name: as the user writes it.
        fits: whether it means something for a head.
        pair: its total and its count for a batch, from head, labels and output.
        finish: what makes the value of the quotient.
        higher_is_better: which way is up, for early stopping and the like.
    """

    name: str
    fits: Callable[[Head], bool]
    pair: Callable[[Head, Tensor, Tensor], Pair]
    finish: Literal["as it is", "square root"] = "as it is"
    higher_is_better: bool = True

    def value(self, total: float, count: float) -> float:
        """The metric, from sums over any number of batches; NaN where nothing was counted.

        >>> METRICS["rmse"].value(18.0, 2)
        3.0
        """
        quotient = float(total) / float(count) if count else math.nan
        return math.sqrt(quotient) if self.finish == "square root" else quotient


def _right(head: Head, labels: Tensor, output: Tensor) -> Pair:
    found = head.predictions(output)
    labels = _like(labels, found)
    right = tf.math.count_nonzero(tf.equal(found, labels))
    return right, tf.size(labels, out_type=tf.int64)


def _right_of_top(count: int) -> Callable[..., Pair]:
    """Whether the right class is among the likeliest ones."""

    def pair(head: Head, labels: Tensor, output: Tensor) -> Pair:
        labels = tf.cast(labels, tf.int32)
        classes = output.shape[-1]
        ranked = tf.math.top_k(tf.cast(output, tf.float32), k=min(count, classes)).indices
        right = tf.reduce_any(tf.equal(ranked, labels[..., tf.newaxis]), axis=-1)
        return tf.math.count_nonzero(right), tf.size(labels, out_type=tf.int64)

    return pair


def _flag_counts(head: Head, labels: Tensor, output: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """How many flags were told, how many were there, and how many of both."""
    told = tf.equal(head.predictions(output), 1)
    there = tf.equal(_like(labels, head.predictions(output)), 1)
    return tuple(tf.math.count_nonzero(x) for x in (told, there, told & there))  # pyright: ignore[reportReturnType]


def _precision(head: Head, labels: Tensor, output: Tensor) -> Pair:
    told, _, both = _flag_counts(head, labels, output)
    return both, told


def _recall(head: Head, labels: Tensor, output: Tensor) -> Pair:
    _, there, both = _flag_counts(head, labels, output)
    return both, there


def _f1(head: Head, labels: Tensor, output: Tensor) -> Pair:
    told, there, both = _flag_counts(head, labels, output)
    return 2 * both, told + there


def _mean_of(function: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Pair]:
    """A metric of numbers: the mean of a function of labels and output."""

    def pair(head: Head, labels: Tensor, output: Tensor) -> Pair:
        dtype = tf.float64 if output.dtype == tf.float64 else tf.float32
        output = tf.cast(output, dtype)
        values = function(tf.reshape(tf.cast(labels, dtype), tf.shape(output)), output)
        return tf.reduce_sum(values), tf.size(values, out_type=tf.int64)

    return pair


def _cosine(labels: Tensor, output: Tensor) -> Tensor:
    return tf.reduce_sum(
        tf.math.l2_normalize(labels, axis=-1) * tf.math.l2_normalize(output, axis=-1), axis=-1
    )


def _relative(labels: Tensor, output: Tensor) -> Tensor:
    least = tf.constant(1e-7, labels.dtype)
    return 100 * tf.abs(labels - output) / tf.maximum(tf.abs(labels), least)


def _like(labels: Tensor, found: Tensor) -> Tensor:
    return tf.reshape(tf.cast(labels, found.dtype), tf.shape(found))


def _many_classes(head: Head) -> bool:
    return head.kind == "classes" and not head.is_binary


def _flags(head: Head) -> bool:
    return head.kind == "flags" or head.is_binary


def _discrete(head: Head) -> bool:
    return head.kind != "numbers"


def _numbers(head: Head) -> bool:
    return head.kind == "numbers"


METRICS = {
    metric.name: metric
    for metric in (
        Metric("accuracy", _discrete, _right),
        Metric("binary_accuracy", _flags, _right),
        Metric("categorical_accuracy", _many_classes, _right),
        Metric("top_5_accuracy", _many_classes, _right_of_top(5)),
        Metric("precision", _flags, _precision),
        Metric("recall", _flags, _recall),
        Metric("f1", _flags, _f1),
        Metric("mse", _numbers, _mean_of(lambda y, x: tf.square(y - x)), higher_is_better=False),
        Metric("rmse", _numbers, _mean_of(lambda y, x: tf.square(y - x)), "square root", False),
        Metric("mae", _numbers, _mean_of(lambda y, x: tf.abs(y - x)), higher_is_better=False),
        Metric("mape", _numbers, _mean_of(_relative), higher_is_better=False),
        Metric("cosine_similarity", _numbers, _mean_of(_cosine)),
    )
}


def metric_named(name: str) -> Metric:
    """A metric by its name: one of `METRICS`, or `top_3_accuracy` and the like.

    Raises:
        KeyError: there is no such metric.

    >>> metric_named("top_12_accuracy").name
    'top_12_accuracy'
    """
    top = _TOP.fullmatch(name)
    if name in METRICS or top is None:
        return METRICS[name]
    return Metric(name, _many_classes, _right_of_top(int(top[1])))


def usual_metric(kind: str) -> str:
    """The metric that is shown when none is asked for.

    >>> usual_metric("classes"), usual_metric("numbers")
    ('accuracy', 'mae')
    """
    return "mae" if kind == "numbers" else "accuracy"
