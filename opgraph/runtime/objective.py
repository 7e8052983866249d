"""What a network is trained for: the loss that suits its last node.

Owns the choice and says it in words; must not know how gradients are taken.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import keras
import tensorflow as tf

from opgraph.errors import TraceError
from opgraph.graph import Endpoint, Node, OpGraph

LossName = Literal["sparse_categorical_crossentropy", "binary_crossentropy"]
KEEPS_MEANING = frozenset({"Identity", "Flatten", "Reshape"})


@dataclass(frozen=True)
class Objective:
    """The loss of a network.

    Attributes:
        endpoint: the output that is compared with the labels.
        loss: name of the Keras loss.
        from_logits: whether that output is scores, not probabilities.
        reason: why, in words.
    """

    endpoint: Endpoint
    loss: LossName
    from_logits: bool
    reason: str

    @property
    def is_binary(self) -> bool:
        """Whether one number tells two classes apart."""
        return self.loss == "binary_crossentropy"

    def value(self, labels: Any, output: Any) -> Any:
        """Mean loss of a batch."""
        dtype = "float64" if output.dtype == tf.float64 else "float32"
        if self.is_binary:
            loss = keras.losses.BinaryCrossentropy(from_logits=self.from_logits, dtype=dtype)
            return loss(tf.reshape(tf.cast(labels, dtype), tf.shape(output)), output)
        loss = keras.losses.SparseCategoricalCrossentropy(self.from_logits, dtype=dtype)
        return loss(labels, output)

    def predictions(self, output: Any) -> Any:
        """Class ids that an output stands for."""
        if self.is_binary:
            threshold = 0.0 if self.from_logits else 0.5
            return tf.cast(tf.squeeze(output, -1) > threshold, tf.int32)
        return tf.argmax(output, axis=-1, output_type=tf.int32)

    def probabilities(self, output: Any) -> Any:
        """Probability of each class (..., classes)."""
        if self.is_binary:
            positive = tf.sigmoid(output) if self.from_logits else output
            return tf.concat([1.0 - positive, positive], axis=-1)
        return tf.nn.softmax(output) if self.from_logits else output


def choose_objective(graph: OpGraph) -> Objective:
    """The loss that suits the last node of a graph.

    Raises:
        TraceError: there is no output that class labels can be compared with, or several.
    """
    sinks = [name for name in graph.sinks if graph[name].kind.category != "input"]
    ends = {name: _last_function(graph, name) for name in sinks}
    chosen = sinks
    if len(sinks) > 1:
        chosen = [name for name in sinks if ends[name] in ("softmax", "sigmoid")]
    if len(chosen) != 1:
        raise TraceError(
            f"there are {len(sinks)} outputs ({', '.join(map(repr, sinks))}) and it is not clear"
            " which one the labels belong to",
            where=graph.name,
            hint="end exactly one branch in a Softmax, or cut the others off",
        )
    return _objective(graph, chosen[0], ends[chosen[0]])


def _objective(graph: OpGraph, name: str, function: str | None) -> Objective:
    end = Endpoint(name)
    units = _units(graph, name)
    if function == "softmax":
        reason = f"{name!r} ends in a softmax: cross-entropy of its probabilities"
        return Objective(end, "sparse_categorical_crossentropy", False, reason)
    if units == 1:
        function = function if function == "sigmoid" else None
        what = "probability" if function else "score"
        reason = f"{name!r} is a single {what}: binary cross-entropy"
        return Objective(end, "binary_crossentropy", function is None, reason)
    if function == "sigmoid":
        raise TraceError(
            "ends in a sigmoid with several units, which answers several questions at once;"
            " class labels answer one",
            where=name,
            node=name,
            hint="end it in a Softmax, or give it one unit",
        )
    reason = f"{name!r} is taken as scores: cross-entropy from logits"
    return Objective(end, "sparse_categorical_crossentropy", True, reason)


def _last_function(graph: OpGraph, name: str) -> str | None:
    """The activation that an output comes out of, in lower case; None if there is none."""
    node = _behind(graph, name)
    if node.kind.category != "activation":
        activation = node.op.values().get("activation")
        return activation if isinstance(activation, str) else None
    if node.kind.kind == "Activation":
        return str(node.op.values()["activation"])
    return node.kind.kind.lower()


def _units(graph: OpGraph, name: str) -> int | None:
    """Units of the dense layer that an output comes out of, where it can be told."""
    node = _behind(graph, name)
    while node.kind.category == "activation":
        node = _behind(graph, graph.inputs(node.name)[0].node)
    units = node.op.values().get("units")
    return units if isinstance(units, int) else None


def _behind(graph: OpGraph, name: str) -> Node:
    """The node that decides what an output means, looking through those that keep its meaning."""
    node = graph[name]
    while node.kind.kind in KEEPS_MEANING or node.kind.category == "regularization":
        node = graph[graph.inputs(node.name)[0].node]
    return node
