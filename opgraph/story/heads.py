"""What the loss is made of at each output: labels, probabilities, the loss of each example.

Owns the meaning of labels for the losses that are told in full, and asks `reference` for the
independent opinion on them; tells nothing itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from opgraph.errors import OpgraphError
from opgraph.record import Array
from opgraph.reference import Loss, compute_loss
from opgraph.story.view import Index, NodeView, StepView, wide

CATEGORICAL = ("sparse_categorical_crossentropy", "categorical_crossentropy")
BINARY = ("binary_crossentropy",)
SQUARED = ("mse",)
KNOWN = (*CATEGORICAL, *BINARY, *SQUARED)
ENDS = (("logits", "softmax"), ("logits", "sigmoid"))
TINY = 1e-300


@dataclass(frozen=True, eq=False)
class HeadView:
    """An output that is compared with labels.

    Attributes:
        step: the step.
        about: what the run says of it.
        labels: what should have come out.
    """

    step: StepView
    about: Mapping[str, Any]
    labels: Array

    @property
    def loss(self) -> str:
        """Name of the loss."""
        return str(self.about["name"])

    @property
    def weight(self) -> float:
        """What its loss is multiplied by."""
        return float(self.about["weight"])

    @cached_property
    def view(self) -> NodeView:
        """The node whose output it is."""
        name = str(self.about["output"])
        known = self.step.nodes
        return known[name if name in known else name.rpartition(".")[0]]

    @property
    def is_told(self) -> bool:
        """Whether its loss can be worked out here."""
        first_port = str(self.about["output"]) in self.step.nodes
        fits = self.loss in SQUARED or self.ends_in in ENDS[self.loss in BINARY]
        return self.loss in KNOWN and first_port and fits and not self._arguments_beside_smoothing

    @property
    def _arguments_beside_smoothing(self) -> bool:
        return any(name != "label_smoothing" for name in self.about["arguments"])

    @property
    def smoothing(self) -> float:
        """Share of certainty taken from the right class."""
        return float(self.about["arguments"].get("label_smoothing", 0.0))

    @property
    def ends_in(self) -> str:
        """The function that made probabilities of scores, or `logits` where none did."""
        if self.about["from_logits"]:
            return "logits"
        if self.view.kind in ("Softmax", "Sigmoid"):
            return self.view.kind.lower()
        return str(
            getattr(self.view.op, "activation", None) or getattr(self.view.op, "function", "")
        )

    @cached_property
    def scores(self) -> Array | None:
        """The numbers before softmax or sigmoid, where they are recorded."""
        if self.ends_in == "logits":
            return wide(self.view.output)
        return (
            wide(self.view.read())
            if self.view.kind in ("Softmax", "Sigmoid", "Activation")
            else None
        )

    @cached_property
    def chances(self) -> Array:
        """Probabilities, from the scores where they are known."""
        if self.scores is None or self.loss in SQUARED:
            return wide(self.view.output)
        if self.loss in BINARY:
            return 1 / (1 + np.exp(-self.scores))
        powers = np.exp(self.scores - self.scores.max(axis=-1, keepdims=True))
        return powers / powers.sum(axis=-1, keepdims=True)

    @cached_property
    def targets(self) -> Array:
        """What the chances should be, smoothing included."""
        shape = self.view.output.shape
        if self.loss in CATEGORICAL and self.labels.ndim == len(shape) - 1:
            target = np.eye(shape[-1])[self.labels.astype(int)]
        else:
            target = self.labels.astype(np.float64).reshape(shape)
        if self.loss in BINARY:
            return target * (1 - self.smoothing) + self.smoothing / 2
        return target * (1 - self.smoothing) + self.smoothing / shape[-1]

    @cached_property
    def factors(self) -> Array:
        """How much each place of the output counts, by the class that should be there."""
        weights = self.about["class_weights"]
        shape = self.view.output.shape[:-1]
        if weights is None:
            return np.ones(shape)
        return np.asarray(weights, np.float64)[self.labels.astype(int).reshape(shape)]

    @cached_property
    def losses(self) -> Array:
        """The loss of each place of the output, batch first."""
        p, t = self.chances, self.targets
        if self.loss in SQUARED:
            return ((p - t) ** 2).mean(axis=-1)
        if self.loss in BINARY:
            each = -(t * np.log(p + TINY) + (1 - t) * np.log(1 - p + TINY))
            return each.mean(axis=-1) * self.factors
        return -(t * np.log(p + TINY)).sum(axis=-1) * self.factors

    @cached_property
    def opinion(self) -> Loss | None:
        """What `reference` makes of labels and scores; None where it knows no formula.

        Where a layer makes probabilities without keeping the scores, their logarithms serve as
        scores: those differ from them by a number that is the same for all classes.
        """
        settings: dict[str, Any] = {}
        output = wide(self.view.output)
        if self.loss not in SQUARED:
            settings = {"from_logits": True, "label_smoothing": self.smoothing}
            output = _scores_of(output, self.loss in BINARY) if self.scores is None else self.scores
        if self.about["class_weights"] is not None:
            settings["weights"] = self.factors
        try:
            return compute_loss(self.loss, self.labels, output, **settings)
        except OpgraphError:
            return None

    def opinion_of_loss(self, at: Index) -> float | None:
        """The independent loss of one place of the output."""
        found = self.opinion
        return None if found is None else float(found.examples[at] * found.weights[at])

    def opinion_of_gradient(self, at: Index) -> float | None:
        """The independent gradient at a score; at the output for a squared error."""
        return None if self.opinion is None else float(self.opinion.gradient[at]) * self.weight

    @property
    def divisor(self) -> int:
        """What the difference of chances and targets is divided by."""
        units = 1 if self.loss in CATEGORICAL else self.view.output.shape[-1]
        return self.losses.size * units

    @cached_property
    def gradient(self) -> Array:
        """Gradient at the scores; at the output for a squared error."""
        difference = (self.chances - self.targets) * self.factors[..., None] * self.weight
        return difference * (2 if self.loss in SQUARED else 1) / self.divisor


def _scores_of(chances: Array, binary: bool) -> Array:
    """Scores that softmax or sigmoid makes these probabilities of."""
    kept = np.log(chances + TINY)
    return kept - np.log1p(-np.minimum(chances, 1 - 2.0**-53)) if binary else kept


def head_views(step: StepView) -> list[HeadView]:
    """The outputs that have a loss."""
    pairs = zip(step.facts.heads, step.tensors.labels, strict=True)
    return [HeadView(step, about, labels) for about, labels in pairs]


def logit_gradient(view: NodeView) -> Array | None:
    """The gradient behind a fused softmax or sigmoid that is part of a loss; None otherwise."""
    for head in head_views(view.step):
        if head.is_told and head.view is view and head.loss not in SQUARED:
            return head.gradient
    return None
