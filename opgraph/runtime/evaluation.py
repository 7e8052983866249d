"""Testing a trained network, and asking it for an answer.

Owns the forward program, figures over many examples, and predictions; changes no state of the
model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tensorflow as tf

from opgraph.errors import DataError, TraceError
from opgraph.graph import Endpoint, OpGraph
from opgraph.record import Array, RunInfo, open_run
from opgraph.runtime.builder import Built, build
from opgraph.runtime.data import Split, in_order
from opgraph.runtime.environment import prepare_grappler
from opgraph.runtime.heads import Head, Objective, read_objective
from opgraph.runtime.objective import choose_objective
from opgraph.runtime.state import restore_state, take_averages

BATCH_SIZE = 128
OBJECTIVE_ATTRIBUTE = "opgraph_objective"


@dataclass(frozen=True, eq=False)
class Evaluation:
    """How well a network does on examples.

    Attributes:
        loss: mean over all labels, without regularisation.
        metrics: the other figures, by name.
        confusion: how often class `row` was taken for class `column`; None where there are no
            classes.
        size: number of examples.
    """

    loss: float
    metrics: Mapping[str, float]
    confusion: Array | None
    size: int

    @property
    def accuracy(self) -> float | None:
        """Share of labels that were told rightly; None where there are no classes."""
        if self.confusion is None:
            return None
        return float(self.confusion.trace()) / float(self.confusion.sum())

    @property
    def class_accuracy(self) -> tuple[float | None, ...]:
        """Share told rightly of each class; None for a class that does not occur."""
        if self.confusion is None:
            return ()
        occurs = self.confusion.sum(axis=1)
        right = self.confusion.diagonal()
        return tuple(float(r) / float(n) if n else None for r, n in zip(right, occurs, strict=True))

    def as_dict(self) -> dict[str, Any]:
        """The same as plain data."""
        confusion = None if self.confusion is None else self.confusion.tolist()
        plain = {**asdict(self), "metrics": dict(self.metrics), "confusion": confusion}
        return {**plain, "accuracy": self.accuracy, "class_accuracy": list(self.class_accuracy)}


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a network answers.

    Attributes:
        classes: class ids, one for each example.
        probabilities: (examples, classes).
    """

    classes: Array
    probabilities: Array


class Evaluator:
    """A network with its forward program, which is made once for each size of batch."""

    def __init__(self, model: Any, objective: Objective, outputs: Mapping[Endpoint, int]) -> None:
        """Prepare; nothing is traced yet.

        Args:
            model: a Keras model.
            objective: what it was trained for.
            outputs: which of the model's outputs each head is.
        """
        prepare_grappler()
        self._model = model
        self.objective = objective.without_class_weights()
        self._outputs = outputs
        self._programs: dict[Any, Any] = {}

    def prepare(self, split: Split, batch_size: int = BATCH_SIZE) -> None:
        """Make the program for examples like these."""
        if split.size:
            self._program(split.inputs, min(batch_size, split.size))

    def answers(
        self, inputs: Sequence[Array], batch_size: int = BATCH_SIZE
    ) -> dict[Endpoint, Array]:
        """The trained outputs for all examples."""
        nothing = (np.zeros(len(inputs[0]), np.int32),)
        split = Split(tuple(inputs), nothing)
        size = min(batch_size, split.size)
        program = self._program(split.inputs, size)
        found = [program(*map(tf.constant, batch)) for batch in _full(split, size)]
        return {
            head.endpoint: np.concatenate([row[i].numpy() for row in found])[: split.size]
            for i, head in enumerate(self.objective.heads)
        }

    def figures(
        self, split: Split, answers: Mapping[Endpoint, Array] | None = None
    ) -> dict[str, float]:
        """The loss and the metrics over all examples; without regularisation."""
        given = self.answers(split.inputs) if answers is None else answers
        outputs = {end: tf.constant(array) for end, array in given.items()}
        judged = self.objective.judge([tf.constant(x) for x in split.labels], outputs)
        found = {"loss": float(judged.loss)}
        if len(self.objective.heads) > 1:
            found |= {f"loss_{name}": float(part) for name, part in judged.parts.items()}
        for name, (total, count) in judged.metrics.items():
            found[name] = self.objective.metric_value(name, float(total), float(count))
        return found

    def _program(self, inputs: Sequence[Array], size: int) -> Any:
        specs = tuple(tf.TensorSpec((size, *x.shape[1:]), x.dtype) for x in inputs)
        if specs not in self._programs:
            function = tf.function(self._answer, autograph=False)
            self._programs[specs] = function.get_concrete_function(*specs)
        return self._programs[specs]

    def _answer(self, *inputs: Any) -> Any:
        outputs = self._model(inputs[0] if len(inputs) == 1 else list(inputs), training=False)
        outputs = outputs if isinstance(outputs, list | tuple) else [outputs]
        return [outputs[self._outputs[head.endpoint]] for head in self.objective.heads]


def evaluate(network: Any, split: Split, *, batch_size: int = BATCH_SIZE) -> Evaluation:
    """Loss, metrics and confusion matrix of a network on examples.

    Args:
        network: what `build` or `restore` gave, or its Keras model.
        split: examples with labels.
        batch_size: how many at once; the figures do not depend on it but for rounding.
    """
    evaluator = evaluator_of(network)
    answers = evaluator.answers(split.inputs, batch_size)
    figures = evaluator.figures(split, answers)
    loss = figures.pop("loss")
    return Evaluation(loss, figures, _confusion(evaluator.objective, answers, split), split.size)


def predict(network: Any, inputs: Sequence[Array], *, batch_size: int = BATCH_SIZE) -> Prediction:
    """The classes of examples, and how sure the network is.

    Args:
        network: what `build` or `restore` gave, or its Keras model.
        inputs: one array for each Input node, examples along the first axis.
        batch_size: how many at once.

    Raises:
        DataError: the arrays do not fit the inputs.
        TraceError: the network tells no classes apart.
    """
    evaluator = evaluator_of(network)
    _check_inputs(_model(network), inputs)
    head = _class_head(evaluator.objective)
    if head is None:
        raise TraceError("the network answers numbers, not classes")
    output = tf.constant(evaluator.answers(inputs, batch_size)[head.endpoint])
    return Prediction(head.predictions(output).numpy(), head.probabilities(output).numpy())


def restore(
    run: str | Path,
    graph: OpGraph,
    step: int | Literal["best"] | None = None,
    objective: Objective | None = None,
) -> Any:
    """The Keras model as it was after a step of a run.

    Args:
        run: the run directory.
        graph: the graph that stands in it.
        step: a step that has a keyframe, or `best`. When left out, the network that the run ended
            with and was tested: that of the last step, or of the best one if that was restored,
            with the moving averages of the weights if those were kept.
        objective: what it was trained for; what suits the graph when left out.

    Raises:
        RunError: the step has no keyframe (the message lists those that have), no best state was
            kept, or it does not fit.
    """
    record = open_run(run)
    ended = record.info.outcome.get("network", {}) if step is None else {}
    built = build(graph, seed=0, precision=record.info.config.get("precision"))
    arrays = record.keyframe("best" if ended.get("best") else step).arrays
    restore_state(built, arrays)
    take_averages(built, arrays, ended.get("averages", {}))
    mark_objective(built, objective or objective_of_run(record.info))
    return built.model


def objective_of_run(info: RunInfo) -> Objective | None:
    """What a run was trained for; None if it does not say, or says something that is not kept."""
    return read_objective(info.config.get("objective") or ())


def mark_objective(built: Built, objective: Objective | None = None) -> Objective:
    """Note on the model what it is trained for, so that it can be tested without its graph."""
    chosen = objective or choose_objective(built.graph)
    numbers = {
        head.endpoint: next(
            i for i, x in enumerate(built.model.outputs) if x is built.outputs[head.endpoint]
        )
        for head in chosen.heads
    }
    setattr(built.model, OBJECTIVE_ATTRIBUTE, (chosen, numbers))
    return chosen


def evaluator_of(network: Any) -> Evaluator:
    """What tests a network.

    Raises:
        TraceError: it is a model that opgraph did not make.
    """
    if isinstance(network, Built) and not hasattr(network.model, OBJECTIVE_ATTRIBUTE):
        mark_objective(network)
    marked = getattr(_model(network), OBJECTIVE_ATTRIBUTE, None)
    if marked is None:
        raise TraceError(
            "it is not known what this model was trained for",
            hint="hand over what opgraph's build() or run.model() gave",
        )
    return Evaluator(_model(network), *marked)


def _class_head(objective: Objective) -> Head | None:
    """The first output that tells classes apart."""
    return next((head for head in objective.heads if head.kind == "classes"), None)


def _confusion(
    objective: Objective, answers: Mapping[Endpoint, Array], split: Split
) -> Array | None:
    """How often which class was taken for which, at the first output that tells classes apart."""
    head = _class_head(objective)
    if head is None:
        return None
    labels = split.labels[objective.heads.index(head)]
    output = tf.constant(answers[head.endpoint])
    found = head.predictions(output).numpy().reshape(-1)
    classes = max(head.probabilities(output).shape[-1], int(labels.max()) + 1)
    confusion = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(confusion, (labels.reshape(-1), found), 1)
    return confusion


def _full(split: Split, size: int) -> Iterator[tuple[Array, ...]]:
    """Inputs in batches of one size, the last one filled up with its own first example."""
    for batch in in_order(split, size):
        lacking = size - batch.size
        yield tuple(np.concatenate([x, np.repeat(x[:1], lacking, axis=0)]) for x in batch.inputs)


def _check_inputs(model: Any, inputs: Sequence[Array]) -> None:
    expected = [tuple(x.shape[1:]) for x in model.inputs]
    received = [array.shape[1:] for array in inputs]
    fits = len(expected) == len(received) and all(
        len(e) == len(r) and all(a in (None, b) for a, b in zip(e, r, strict=True))
        for e, r in zip(expected, received, strict=True)
    )
    if not fits:
        raise DataError(f"expected examples of shape {expected}, received {received}")


def _model(network: Any) -> Any:
    return network.model if isinstance(network, Built) else network
