"""What a network is trained for: a loss for each trained output, added up, and its metrics.

Owns the sum and the way labels meet outputs; which loss suits an output is chosen in `objective`.
Must not know how gradients are taken.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple

import tensorflow as tf

from opgraph.errors import TraceError
from opgraph.graph import Endpoint
from opgraph.runtime.data import Kind
from opgraph.runtime.losses import LOSSES, Custom, Loss
from opgraph.runtime.metrics import METRICS, Metric

Tensor = Any


@dataclass(frozen=True)
class Head:
    """One output that is compared with labels.

    Attributes:
        endpoint: the output.
        loss: name of the loss, or the user's function from labels and output to values.
        from_logits: whether the output is scores, not probabilities.
        weight: what its loss is multiplied by before the sum.
        metrics: names of its metrics.
        kind: what its labels are: class ids, flags (several questions at once) or numbers.
        reason: why this loss, in words.
        arguments: further arguments of the Keras loss.
        class_weights: a factor for each class, where classes count differently.
        units: how many numbers it consists of, where that is known.
    """

    endpoint: Endpoint
    loss: str | Custom
    from_logits: bool = False
    weight: float = 1.0
    metrics: tuple[str, ...] = ()
    kind: Kind = "classes"
    reason: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict[str, Any])
    class_weights: tuple[float, ...] | None = None
    units: int | None = None

    @property
    def name(self) -> str:
        """The output, in the user's words."""
        return str(self.endpoint)

    @property
    def loss_name(self) -> str:
        """The loss in one word, also for a function."""
        return self._loss.name

    @property
    def is_binary(self) -> bool:
        """Whether one number tells two classes apart."""
        if self.kind != "classes":
            return False
        known = LOSSES.get(self.loss) if isinstance(self.loss, str) else None
        return self.units == 1 or (known is not None and known.form == "flags")

    @property
    def classes(self) -> int | None:
        """How many classes it tells apart; None where it is not known or tells none."""
        if self.kind != "classes":
            return None
        return 2 if self.is_binary else self.units

    @cached_property
    def _loss(self) -> Loss:
        if isinstance(self.loss, str):
            return Loss(self.loss, self.arguments, self.from_logits)
        name = getattr(self.loss, "__qualname__", type(self.loss).__name__)
        return Loss(f"custom:{name}", function=self.loss)

    def value(self, labels: Tensor, output: Tensor) -> Tensor:
        """Mean loss of a batch."""
        weights = None
        if self.class_weights is not None:
            weights = tf.gather(tf.constant(self.class_weights, tf.float32), labels)
        return self._loss.values(labels, output, weights)

    def each(self, labels: Tensor, output: Tensor) -> Tensor:
        """The loss of each example by itself, (examples,)."""
        rows = range(len(output))
        return tf.stack([self.value(labels[i : i + 1], output[i : i + 1]) for i in rows])

    def predictions(self, output: Tensor) -> Tensor:
        """What an output says: class ids, flags as 0 and 1, or the numbers themselves."""
        if self.kind == "numbers":
            return output
        if self.kind == "flags":
            return tf.cast(output > self._threshold, tf.int32)
        if self.is_binary:
            return tf.cast(tf.squeeze(output, -1) > self._threshold, tf.int32)
        return tf.argmax(output, axis=-1, output_type=tf.int32)

    def probabilities(self, output: Tensor) -> Tensor:
        """Probability of each class (..., classes), or of each flag.

        Raises:
            TraceError: the output is numbers, not chances.
        """
        if self.kind == "numbers":
            raise TraceError("answers numbers, not classes", where=self.name, node=self.name)
        if self.kind == "flags":
            return tf.sigmoid(output) if self.from_logits else output
        if self.is_binary:
            positive = tf.sigmoid(output) if self.from_logits else output
            return tf.concat([1.0 - positive, positive], axis=-1)
        return tf.nn.softmax(output) if self.from_logits else output

    @property
    def _threshold(self) -> float:
        return 0.0 if self.from_logits else 0.5

    def as_dict(self) -> dict[str, Any]:
        """The same as plain data."""
        return {
            "output": self.name,
            "name": self.loss_name,
            "from_logits": self.from_logits,
            "arguments": dict(self.arguments),
            "weight": self.weight,
            "class_weights": None if self.class_weights is None else list(self.class_weights),
            "metrics": list(self.metrics),
            "kind": self.kind,
            "reason": self.reason,
            "units": self.units,
        }


class Judged(NamedTuple):
    """What is thought of the answers to a batch.

    Attributes:
        loss: what is made smaller, without regularisation: the weighted sum of the parts.
        parts: mean loss of each head, by output.
        metrics: total and count of each metric, which add up over batches.
    """

    loss: Tensor
    parts: Mapping[str, Tensor]
    metrics: Mapping[str, tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Objective:
    """The loss of a network.

    Attributes:
        heads: the outputs that are compared with labels; labels come in the same order.
    """

    heads: tuple[Head, ...]

    def judge(self, labels: Sequence[Tensor], outputs: Mapping[Endpoint, Tensor]) -> Judged:
        """Loss, its parts and the metrics of a batch; can be traced.

        Args:
            labels: one tensor for each head.
            outputs: of the network; more than those of the heads may be there.
        """
        parts: dict[str, Tensor] = {}
        metrics: dict[str, tuple[Tensor, Tensor]] = {}
        for head, wanted in zip(self.heads, labels, strict=True):
            output = outputs[head.endpoint]
            parts[head.name] = head.value(wanted, output)
            for name in head.metrics:
                metrics[self._full(head, name)] = METRICS[name].pair(head, wanted, output)
        return Judged(self._sum(parts), parts, metrics)

    @property
    def part_names(self) -> tuple[str, ...]:
        """Names of the parts of the loss, in order."""
        return tuple(head.name for head in self.heads)

    @property
    def metric_names(self) -> tuple[str, ...]:
        """Names of the metrics, in order; led by the output where there are several heads."""
        return tuple(self._metrics)

    def metric_value(self, name: str, total: float, count: float) -> float:
        """A metric from its sums over any number of batches."""
        return self._metrics[name].value(total, count)

    def higher_is_better(self, name: str) -> bool:
        """Which way is up for a loss or metric, `val_` in front or not."""
        metric = self._metrics.get(name.removeprefix("val_"))
        return metric is not None and metric.higher_is_better

    def without_class_weights(self) -> Objective:
        """The same with every class counting alike, as a test does."""
        return Objective(tuple(replace(head, class_weights=None) for head in self.heads))

    @property
    def head(self) -> Head:
        """The only head.

        Raises:
            TraceError: there are several.
        """
        if len(self.heads) != 1:
            names = ", ".join(repr(head.name) for head in self.heads)
            raise TraceError(f"is trained on {len(self.heads)} outputs: {names}", where="objective")
        return self.heads[0]

    def as_dict(self) -> list[dict[str, Any]]:
        """The same as plain data."""
        return [head.as_dict() for head in self.heads]

    @property
    def _metrics(self) -> dict[str, Metric]:
        return {
            self._full(head, name): METRICS[name] for head in self.heads for name in head.metrics
        }

    def _full(self, head: Head, metric: str) -> str:
        return metric if len(self.heads) == 1 else f"{head.name}_{metric}"

    def _sum(self, parts: Mapping[str, Tensor]) -> Tensor:
        """The weighted sum; a single part of weight 1 is handed on as it is, bit for bit."""
        wide = any(part.dtype == tf.float64 for part in parts.values())
        terms = [
            tf.cast(parts[head.name], tf.float64 if wide else tf.float32) for head in self.heads
        ]
        weighted = [
            term if head.weight == 1 else term * head.weight
            for head, term in zip(self.heads, terms, strict=True)
        ]
        return weighted[0] if len(weighted) == 1 else tf.add_n(weighted)


def read_objective(heads: Sequence[Mapping[str, Any]]) -> Objective | None:
    """What `Objective.as_dict` said; None if a loss is a function, which is not kept."""
    if not heads or any(head["name"] not in LOSSES for head in heads):
        return None
    return Objective(tuple(_read_head(head) for head in heads))


def _read_head(data: Mapping[str, Any]) -> Head:
    node, _, port = data["output"].rpartition(".")
    end = Endpoint(node, int(port)) if node and port.isdecimal() else Endpoint(data["output"])
    weights = data["class_weights"]
    return Head(
        end,
        data["name"],
        data["from_logits"],
        data["weight"],
        tuple(data["metrics"]),
        data["kind"],
        data["reason"],
        data["arguments"],
        None if weights is None else tuple(weights),
        data["units"],
    )
