"""Testing a network: figures against plain NumPy on its answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from opgraph.errors import DataError, TraceError
from opgraph.graph import OpGraph
from opgraph.runtime import build, evaluate, predict
from opgraph.runtime.data import Split

pytestmark = pytest.mark.tf
Networks = Callable[[str], OpGraph]


@pytest.mark.parametrize("batch_size", [7, 50, 128])
def test_figures_equal_plain_numpy_for_any_batch_size(
    networks: Networks, making: SimpleNamespace, batch_size: int
) -> None:
    built = build(networks("tiny"), seed=3)
    split = making.blobs(50).train
    tested = evaluate(built, split, batch_size=batch_size)
    chances = built.model.predict(split.inputs[0], verbose=0).astype(np.float64)
    found = chances.argmax(axis=1)
    confusion = np.zeros((4, 4), int)
    for label, answer in zip(split.labels[0], found, strict=True):
        confusion[label, answer] += 1
    assert tested.confusion.tolist() == confusion.tolist()
    assert tested.accuracy == np.mean(found == split.labels[0])
    assert tested.size == 50
    loss = -np.log(chances[np.arange(50), split.labels[0]]).mean()
    assert tested.loss == pytest.approx(loss, rel=1e-5)
    for label, share in enumerate(tested.class_accuracy):
        assert share == np.mean(found[split.labels[0] == label] == label)


def test_class_that_does_not_occur_has_no_accuracy(
    networks: Networks, making: SimpleNamespace
) -> None:
    built = build(networks("tiny"), seed=3)
    whole = making.blobs(50).train
    chosen = whole.labels[0] < 3
    tested = evaluate(built, Split((whole.inputs[0][chosen],), (whole.labels[0][chosen],)))
    assert tested.class_accuracy[3] is None
    assert None not in tested.class_accuracy[:3]
    assert json.loads(json.dumps(tested.as_dict()))["class_accuracy"][3] is None


def test_binary_network_tells_two_classes(networks: Networks, making: SimpleNamespace) -> None:
    built = build(networks("binary"), seed=0)
    inputs, labels = making.batch(built, 30, 0)
    tested = evaluate(built, Split(tuple(inputs), labels))
    chance = built.model.predict(inputs[0], verbose=0)[:, 0]
    assert tested.accuracy == np.mean((chance > 0.5) == labels[0])
    assert tested.confusion.shape == (2, 2)
    answer = predict(built, inputs)
    assert np.allclose(answer.probabilities[:, 1], chance)


def test_prediction_is_what_keras_predicts(networks: Networks, making: SimpleNamespace) -> None:
    built = build(networks("shared"), seed=0)
    inputs, _ = making.batch(built, 9, 0)
    scores = built.model.predict(inputs, verbose=0).astype(np.float64)
    chances = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    answer = predict(built, inputs, batch_size=4)
    assert answer.classes.tolist() == scores.argmax(axis=1).tolist()
    assert np.allclose(answer.probabilities, chances, atol=1e-6)


def test_testing_changes_no_state(networks: Networks, making: SimpleNamespace) -> None:
    built = build(networks("cnn"), seed=0)
    inputs, labels = making.batch(built, 10, 0)
    before = [v.numpy().tobytes() for v in built.model.variables]
    evaluate(built, Split(tuple(inputs), labels))
    assert [v.numpy().tobytes() for v in built.model.variables] == before


def test_arrays_that_do_not_fit_are_refused(networks: Networks) -> None:
    built = build(networks("tiny"), seed=0)
    with pytest.raises(DataError) as caught:
        predict(built, [np.zeros((2, 5), np.float32)])
    assert str(caught.value) == "expected examples of shape [(4,)], received [(5,)]"


def test_model_that_opgraph_did_not_make_is_refused(making: SimpleNamespace) -> None:
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4)])
    with pytest.raises(TraceError) as caught:
        evaluate(model, making.blobs(8).train)
    assert str(caught.value) == (
        "it is not known what this model was trained for\n"
        "   hand over what opgraph's build() or run.model() gave"
    )
