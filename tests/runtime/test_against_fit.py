"""One update of ours is one of `model.fit`: optimizers, clips, precisions, losses, weights.

Keras takes the step with its own code from the same weights, with the same graph rewrites off.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest

from opgraph.graph import OpGraph
from opgraph.runtime import Step, build
from opgraph.runtime.builder import Built
from opgraph.runtime.objective import choose_objective
from opgraph.runtime.optimizer import OPTIMIZERS, make_optimizer
from opgraph.runtime.state import state_arrays

pytestmark = pytest.mark.tf
slow = pytest.mark.slow
Networks = Callable[[str], OpGraph]

CLIPS: dict[str, dict[str, float]] = {
    "none": {},
    "value": {"clip_value": 0.02},
    "norm": {"clip_norm": 0.1},
    "global": {"clip_global_norm": 0.1},
}
QUICK = {
    ("adam", "global"),
    ("sgd", "value"),
    ("rmsprop", "norm"),
    ("adamw", "none"),
    ("nadam", "none"),
}
CELLS = [
    pytest.param(name, clip, marks=() if (name, clip) in QUICK else slow)
    for name in OPTIMIZERS
    for clip in CLIPS
]


def ours(built: Built, optimizer: Any, batches: Any, **options: Any) -> dict[str, np.ndarray]:
    step = Step(built, optimizer, objective=choose_objective(built.graph, **options))
    for inputs, labels in batches:
        step.measured(inputs, labels, step=1)
    return state_arrays(built, optimizer)


def keras_own(
    built: Built, optimizer: Any, batches: Any, compiled: dict[str, Any], **fit: Any
) -> dict[str, np.ndarray]:
    # `fit` makes the slots while it traces, where those of schedule_free_adamw, which begin as the
    # weights, are left at zero; the loop that Keras documents makes them before
    optimizer.build(built.model.trainable_variables)
    built.model.compile(optimizer, jit_compile=False, **compiled)
    for inputs, labels in batches:
        given = inputs[0] if len(inputs) == 1 else inputs
        built.model.train_on_batch(given, labels[0] if len(labels) == 1 else list(labels), **fit)
    return state_arrays(built, optimizer)


def assert_same(found: dict[str, np.ndarray], wanted: dict[str, np.ndarray]) -> None:
    assert found.keys() == wanted.keys()
    for name, array in wanted.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)


def cross_entropy(**options: Any) -> dict[str, Any]:
    return {"loss": keras.losses.SparseCategoricalCrossentropy(**options)}


@pytest.mark.parametrize(("name", "clip"), CELLS)
def test_each_optimizer_with_each_clip(
    networks: Networks, making: SimpleNamespace, name: str, clip: str
) -> None:
    found: list[dict[str, np.ndarray]] = []
    for take in (ours, keras_own):
        built = build(networks("tiny"), seed=3)
        batches = [making.batch(built, 8, number) for number in (1, 2)]
        optimizer = make_optimizer(name, 0.05, clip=CLIPS[clip])
        more = () if take is ours else (cross_entropy(),)
        found.append(take(built, optimizer, batches, *more))  # pyright: ignore
    assert_same(*found)


@slow
@pytest.mark.parametrize("clip", CLIPS)
@pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
def test_each_clip_in_half_precision(
    networks: Networks, making: SimpleNamespace, precision: Any, clip: str
) -> None:
    """Clips are of the gradients without the loss scale."""
    found: list[dict[str, np.ndarray]] = []
    for take in (ours, keras_own):
        built = build(networks("tiny"), seed=3, precision=precision)
        batches = [making.batch(built, 8, number) for number in (1, 2)]
        optimizer = make_optimizer("adam", 0.05, clip=CLIPS[clip])
        if precision == "mixed_float16":
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
        more = () if take is ours else (cross_entropy(),)
        found.append(take(built, optimizer, batches, *more))  # pyright: ignore
    assert_same(*found)


def test_schedule_decay_and_moving_average_together(
    networks: Networks, making: SimpleNamespace
) -> None:
    found: list[dict[str, np.ndarray]] = []
    for take in (ours, keras_own):
        built = build(networks("tiny"), seed=3)
        batches = [making.batch(built, 8, number) for number in range(4)]
        optimizer = make_optimizer(
            *("adam", 0.05, "cosine(warmup=2)", 5), weight_decay=0.1, ema=0.9
        )
        more = () if take is ours else (cross_entropy(),)
        found.append(take(built, optimizer, batches, *more))  # pyright: ignore
    assert_same(*found)


def test_class_weights(networks: Networks, making: SimpleNamespace) -> None:
    weights = {0: 2.0, 1: 1.0, 2: 0.5, 3: 3.0}
    found: list[dict[str, np.ndarray]] = []
    for own in (True, False):
        built = build(networks("tiny"), seed=3)
        batches = [making.batch(built, 8, number) for number in (1, 2)]
        optimizer = make_optimizer("momentum", 0.05)
        found.append(
            ours(built, optimizer, batches, class_weights=weights)
            if own
            else keras_own(built, optimizer, batches, cross_entropy(), class_weight=weights)
        )
    assert_same(*found)


def test_label_smoothing(networks: Networks, making: SimpleNamespace) -> None:
    found: list[dict[str, np.ndarray]] = []
    for own in (True, False):
        built = build(networks("tiny"), seed=3)
        batches = [making.batch(built, 8, number) for number in (1, 2)]
        optimizer = make_optimizer("momentum", 0.05)
        if own:
            found.append(ours(built, optimizer, batches, label_smoothing=0.1))
            continue
        rows = [(inputs, (np.eye(4, dtype=np.float32)[ids],)) for inputs, (ids,) in batches]
        loss = keras.losses.CategoricalCrossentropy(label_smoothing=0.1)
        found.append(keras_own(built, optimizer, rows, {"loss": loss}))
    assert_same(*found)


def test_several_outputs_with_weights_and_a_regulariser(
    networks: Networks, making: SimpleNamespace
) -> None:
    found: list[dict[str, np.ndarray]] = []
    for own in (True, False):
        built = build(networks("heads"), seed=3)
        batches = [making.batch(built, 8, number) for number in (1, 2)]
        optimizer = make_optimizer("momentum", 0.05)
        if own:
            losses = {"chances": "sparse_categorical_crossentropy", "price": "mse"}
            options = {"losses": losses, "loss_weights": {"price": 0.25}}
            found.append(ours(built, optimizer, batches, **options))
            continue
        compiled = {"loss": [cross_entropy()["loss"], "mse"], "loss_weights": [1.0, 0.25]}
        found.append(keras_own(built, optimizer, batches, compiled))
    assert_same(*found)
