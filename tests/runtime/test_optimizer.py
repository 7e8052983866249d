"""Optimizers by name and argument; some updates worked out by hand in float64."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from opgraph.errors import TraceError
from opgraph.runtime.optimizer import OPTIMIZERS, make_optimizer

pytestmark = pytest.mark.tf

START = np.array([[1.0, -2.0], [0.5, 4.0]])
GRADS = [np.array([[0.3, -0.1], [2.0, 0.0]]), np.array([[-0.2, 0.4], [1.0, 3.0]])]


def updated(optimizer: Any, grads: list[np.ndarray] | None = None) -> np.ndarray:
    """A weight after updates with given gradients."""
    weight = keras.Variable(START, dtype="float32")
    optimizer.build([weight])

    @tf.function(autograph=False)
    def update(grad: Any) -> None:
        optimizer.apply([grad], [weight])

    for grad in GRADS if grads is None else grads:
        update(tf.constant(grad, tf.float32))
    return weight.numpy()


def adam(lr: float, b1: float, b2: float, decay: float = 0.0) -> np.ndarray:
    weight, m, v = START.copy(), 0 * START, 0 * START
    for t, grad in enumerate(GRADS, 1):
        weight -= lr * decay * weight
        m, v = b1 * m + (1 - b1) * grad, b2 * v + (1 - b2) * grad**2
        rate = lr * np.sqrt(1 - b2**t) / (1 - b1**t)
        weight -= rate * m / (np.sqrt(v) + 1e-7)
    return weight


def test_sgd_by_hand() -> None:
    assert np.allclose(updated(make_optimizer("sgd", 0.1)), START - 0.1 * sum(GRADS))


def test_momentum_by_hand() -> None:
    weight, speed = START.copy(), 0 * START
    for grad in GRADS:
        speed = 0.9 * speed - 0.1 * grad
        weight += speed
    assert np.allclose(updated(make_optimizer("momentum", 0.1)), weight)


def test_nesterov_by_hand() -> None:
    weight, speed = START.copy(), 0 * START
    for grad in GRADS:
        speed = 0.9 * speed - 0.1 * grad
        weight += 0.9 * speed - 0.1 * grad
    assert np.allclose(updated(make_optimizer("nesterov", 0.1)), weight)


def test_arguments_reach_keras() -> None:
    found = updated(make_optimizer("adamw(weight_decay=0.02, beta_1=0.8, beta_2=0.95)", 0.1))
    assert np.allclose(found, adam(0.1, 0.8, 0.95, 0.02), rtol=1e-5)


def test_weight_decay_works_for_all_and_is_not_part_of_the_gradient() -> None:
    found = updated(make_optimizer("adam", 0.1, weight_decay=0.05))
    assert np.allclose(found, adam(0.1, 0.9, 0.999, 0.05), rtol=1e-5)


@pytest.mark.parametrize(
    ("clip", "clipped"),
    [
        ({"clip_value": 0.25}, lambda g: np.clip(g, -0.25, 0.25)),
        ({"clip_norm": 0.5}, lambda g: g * min(1, 0.5 / np.linalg.norm(g))),
        ({"clip_global_norm": 0.5}, lambda g: g * min(1, 0.5 / np.linalg.norm(g))),
    ],
)
def test_clipping_by_hand(clip: dict[str, float], clipped: Any) -> None:
    found = updated(make_optimizer("sgd", 0.1, clip=clip))
    assert np.allclose(found, START - 0.1 * sum(clipped(grad) for grad in GRADS))


def test_global_norm_is_of_all_weights_together() -> None:
    weights = [keras.Variable([3.0]), keras.Variable([4.0])]
    optimizer = make_optimizer("sgd", 1.0, clip={"clip_global_norm": 1.0, "clip_norm": None})
    optimizer.build(weights)
    optimizer.apply([tf.constant([3.0]), tf.constant([4.0])], weights)
    assert [float(w.numpy()[0]) for w in weights] == pytest.approx([3 - 0.6, 4 - 0.8])


def test_ema_is_kept_beside_the_weights() -> None:
    optimizer = make_optimizer("sgd", 0.1, ema=0.75)
    found = updated(optimizer)
    averages = [v for v in optimizer.variables if "average" in v.path]
    first = START - 0.1 * GRADS[0]
    second = first - 0.1 * GRADS[1]
    # the average begins as the weight after the first update
    assert np.allclose(found, second, rtol=1e-6)
    assert np.allclose(averages[0].numpy(), 0.75 * first + 0.25 * second, rtol=1e-5)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_moves_downhill_and_can_be_written_down(name: str) -> None:
    optimizer = make_optimizer(name.upper(), 0.05, "cosine", 20)
    assert keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    weight = keras.Variable(START, dtype="float32")
    optimizer.build([weight])
    for _ in range(10):
        optimizer.apply([2 * weight.value], [weight])
    assert np.isfinite(weight.numpy()).all()
    assert np.sum(weight.numpy() ** 2) < np.sum(START**2)


def test_every_optimizer_of_keras_is_there() -> None:
    others = {"Optimizer", "LossScaleOptimizer", "MultiOptimizer", "OptimizerMap"}
    known = {
        name
        for name, found in vars(keras.optimizers).items()
        if isinstance(found, type) and issubclass(found, keras.optimizers.Optimizer)
    }
    assert known - others == {kind for kind, _ in OPTIMIZERS.values()}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "adan",
            f"optimizer: expected one of {', '.join(OPTIMIZERS)}, received 'adan'\n"
            "   did you mean 'adam'?",
        ),
        (
            "adam(beta1=0.8)",
            "optimizer: adam has no argument 'beta1'\n   did you mean 'beta_1'?",
        ),
        (
            "sgd(zzz=1)",
            "optimizer: sgd has no argument 'zzz'\n"
            "   sgd takes: momentum, nesterov, weight_decay, ema_overwrite_frequency",
        ),
        (
            "adam(beta_1=fast)",
            "optimizer, adam: beta_1: expected a number, received 'fast'",
        ),
        (
            "adam(amsgrad=1)",
            "optimizer, adam: amsgrad: expected true or false, received 1",
        ),
        (
            "sgd(momentum=2)",
            "optimizer: Keras refuses sgd: `momentum` must be a float between [0, 1].",
        ),
        (
            "adam(learning_rate=0.1)",
            "optimizer: learning_rate is said by 'learning_rate', not inside adam(...)\n"
            "   learning_rate=... in Python and in a config file, --learning-rate on the command"
            " line",
        ),
        (
            "adam(clipnorm=1)",
            "optimizer: clipnorm is said by 'clip_norm', not inside adam(...)\n"
            "   clip_norm=... in Python and in a config file, --clip-norm on the command line",
        ),
    ],
)
def test_what_an_optimizer_cannot_be(text: str, message: str) -> None:
    with pytest.raises(TraceError) as caught:
        make_optimizer(text, 0.1)
    assert str(caught.value) == message


def test_weight_decay_is_said_once() -> None:
    with pytest.raises(TraceError) as caught:
        make_optimizer("adamw(weight_decay=0.1)", 0.1, weight_decay=0.2)
    assert str(caught.value) == (
        "weight_decay: is given twice, once inside adamw(...)\n   leave one out"
    )
