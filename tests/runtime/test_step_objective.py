"""Which loss a network is trained for, and why."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf

from opgraph.analysis import analyze
from opgraph.errors import Source, TraceError
from opgraph.graph import OpGraph
from opgraph.runtime import Objective, choose_objective
from opgraph.text import parse

pytestmark = pytest.mark.tf


def read(*lines: str) -> OpGraph:
    text = "\n".join(("x: Input(shape=(4,))", *lines))
    return analyze(parse(Source("net", text), "net")).require().graph


@pytest.mark.parametrize(
    ("lines", "loss", "from_logits", "reason"),
    [
        (
            ("x -> d -> softmax", "d: Dense(units=3)"),
            "sparse_categorical_crossentropy",
            False,
            "'softmax' ends in a softmax: cross-entropy of its probabilities",
        ),
        (
            ("x -> d", "d: Dense(units=3, activation=softmax)"),
            "sparse_categorical_crossentropy",
            False,
            "'d' ends in a softmax: cross-entropy of its probabilities",
        ),
        (
            ("x -> d", "d: Dense(units=3)"),
            "sparse_categorical_crossentropy",
            True,
            "'d' is taken as scores: cross-entropy from logits",
        ),
        (
            ("x -> d -> s", "d: Dense(units=1)", "s: Activation(activation=sigmoid)"),
            "binary_crossentropy",
            False,
            "'s' is a single probability: binary cross-entropy",
        ),
        (
            ("x -> d", "d: Dense(units=1)"),
            "binary_crossentropy",
            True,
            "'d' is a single score: binary cross-entropy",
        ),
    ],
)
def test_loss_follows_from_the_last_node(
    lines: tuple[str, ...], loss: str, from_logits: bool, reason: str
) -> None:
    found = choose_objective(read(*lines))
    assert (found.loss, found.from_logits, found.reason) == (loss, from_logits, reason)


def test_of_several_outputs_the_one_that_ends_in_a_softmax_is_taken(
    networks: Callable[[str], OpGraph],
) -> None:
    assert choose_objective(networks("lost")).endpoint.node == "softmax"


def test_several_outputs_without_a_softmax_are_refused() -> None:
    with pytest.raises(TraceError) as caught:
        choose_objective(read("x -> a", "x -> b", "a: Dense(units=2)", "b: Dense(units=3)"))
    assert str(caught.value) == (
        "net: there are 2 outputs ('a', 'b') and it is not clear which one the labels belong to\n"
        "   end exactly one branch in a Softmax, or cut the others off"
    )


def test_sigmoid_with_several_units_is_refused() -> None:
    with pytest.raises(TraceError) as caught:
        choose_objective(read("x -> d", "d: Dense(units=3, activation=sigmoid)"))
    assert str(caught.value) == (
        "d: ends in a sigmoid with several units, which answers several questions at once; class"
        " labels answer one\n   end it in a Softmax, or give it one unit"
    )


def test_probabilities_and_predictions_agree() -> None:
    graph = read("x -> d", "d: Dense(units=3)")
    objective = choose_objective(graph)
    scores = np.array([[0.0, 2.0, 1.0], [5.0, 0.0, 0.0]])
    assert objective.predictions(tf.constant(scores)).numpy().tolist() == [1, 0]
    wanted = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    assert np.allclose(objective.probabilities(tf.constant(scores)), wanted)


@pytest.mark.parametrize(("from_logits", "values"), [(True, [-1.0, 1.0]), (False, [0.2, 0.8])])
def test_binary_probabilities_are_of_both_classes(from_logits: bool, values: list[float]) -> None:
    end = choose_objective(read("x -> d", "d: Dense(units=1)")).endpoint
    objective = Objective(end, "binary_crossentropy", from_logits, "")
    output = tf.constant([[value] for value in values])
    assert objective.predictions(output).numpy().tolist() == [0, 1]
    chances = objective.probabilities(output).numpy()
    assert np.allclose(chances.sum(axis=1), 1)
    assert chances.argmax(axis=1).tolist() == [0, 1]
