"""Testing a trained network, and asking it for an answer.

Owns metrics and predictions; changes no state of the model.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from opgraph.errors import DataError, TraceError
from opgraph.graph import OpGraph
from opgraph.record import Array, open_run
from opgraph.runtime.builder import Built, build
from opgraph.runtime.data import Split, in_order
from opgraph.runtime.environment import prepare_grappler
from opgraph.runtime.objective import Objective, choose_objective
from opgraph.runtime.state import restore_state

BATCH_SIZE = 128
OBJECTIVE_ATTRIBUTE = "opgraph_objective"


@dataclass(frozen=True, eq=False)
class Evaluation:
    """How well a network does on examples.

    Attributes:
        loss: mean over all labels, without regularisation.
        accuracy: share of labels that were told rightly.
        confusion: how often class `row` was taken for class `column`.
        size: number of labels.
    """

    loss: float
    accuracy: float
    confusion: Array
    size: int

    @property
    def class_accuracy(self) -> tuple[float | None, ...]:
        """Share told rightly of each class; None for a class that does not occur."""
        occurs = self.confusion.sum(axis=1)
        right = self.confusion.diagonal()
        return tuple(float(r) / float(n) if n else None for r, n in zip(right, occurs, strict=True))

    def as_dict(self) -> dict[str, Any]:
        """The same as plain data."""
        plain = {**asdict(self), "confusion": self.confusion.tolist()}
        return {**plain, "class_accuracy": list(self.class_accuracy)}


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a network answers.

    Attributes:
        classes: class ids, one for each example.
        probabilities: (examples, classes).
    """

    classes: Array
    probabilities: Array


def evaluate(network: Any, split: Split, *, batch_size: int = BATCH_SIZE) -> Evaluation:
    """Loss, accuracy and confusion matrix of a network on examples.

    Args:
        network: what `build` or `restore` gave, or its Keras model.
        split: examples with labels.
        batch_size: how many at once; the figures do not depend on it but for rounding.
    """
    objective = objective_of(network)
    answers = _answers(network, objective, split, batch_size)
    answer, labels = tf.constant(answers), tf.constant(split.labels)
    found = objective.predictions(answer).numpy().reshape(-1)
    classes = max(objective.probabilities(answer).shape[-1], int(split.labels.max()) + 1)
    confusion = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(confusion, (split.labels.reshape(-1), found), 1)
    right = int(confusion.trace())
    loss = float(objective.value(labels, answer))
    return Evaluation(loss, right / split.labels.size, confusion, int(split.labels.size))


def predict(network: Any, inputs: Sequence[Array], *, batch_size: int = BATCH_SIZE) -> Prediction:
    """The classes of examples, and how sure the network is.

    Args:
        network: what `build` or `restore` gave, or its Keras model.
        inputs: one array for each Input node, examples along the first axis.
        batch_size: how many at once.

    Raises:
        DataError: the arrays do not fit the inputs.
    """
    objective = objective_of(network)
    model = _model(network)
    _check_inputs(model, inputs)
    nothing = np.zeros(len(inputs[0]), np.int32)
    answers = _answers(network, objective, Split(tuple(inputs), nothing), batch_size)
    classes = objective.predictions(tf.constant(answers)).numpy()
    return Prediction(classes, objective.probabilities(tf.constant(answers)).numpy())


def restore(run: str | Path, graph: OpGraph, step: int | None = None) -> Any:
    """The Keras model as it was after a step of a run.

    Args:
        run: the run directory.
        graph: the graph that stands in it.
        step: a step that has a keyframe; the last one when left out.

    Raises:
        RunError: the step has no keyframe (the message lists those that have), or it does not fit.
    """
    keyframe = open_run(run).keyframe(step)
    built = build(graph, seed=0)
    restore_state(built, keyframe.arrays)
    mark_objective(built)
    return built.model


def mark_objective(built: Built) -> Objective:
    """Note on the model what it is trained for, so that it can be tested without its graph."""
    objective = choose_objective(built.graph)
    wanted = built.outputs[objective.endpoint]
    number = next(i for i, tensor in enumerate(built.model.outputs) if tensor is wanted)
    setattr(built.model, OBJECTIVE_ATTRIBUTE, (objective, number))
    return objective


def objective_of(network: Any) -> Objective:
    """What a network is trained for.

    Raises:
        TraceError: it is a model that opgraph did not make.
    """
    if isinstance(network, Built):
        return mark_objective(network)
    marked = getattr(network, OBJECTIVE_ATTRIBUTE, None)
    if marked is None:
        raise TraceError(
            "it is not known what this model was trained for",
            hint="hand over what opgraph's build() or run.model() gave",
        )
    return marked[0]


def _answers(network: Any, objective: Objective, split: Split, batch_size: int) -> Array:
    """The output that the labels belong to, for all examples."""
    prepare_grappler()
    model = _model(network)
    _, number = getattr(model, OBJECTIVE_ATTRIBUTE)
    size = min(batch_size, split.size)

    def answer(*inputs: Any) -> Any:
        outputs = model(inputs[0] if len(inputs) == 1 else list(inputs), training=False)
        return outputs[number] if isinstance(outputs, list | tuple) else outputs

    specs = [tf.TensorSpec((size, *x.shape[1:]), x.dtype) for x in split.inputs]
    program = tf.function(answer, autograph=False).get_concrete_function(*specs)
    found = [program(*map(tf.constant, inputs)).numpy() for inputs in _full(split, size)]
    return np.concatenate(found)[: split.size]


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
