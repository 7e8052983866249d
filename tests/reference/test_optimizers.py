"""Updates against keras.optimizers over several steps, with clipping, decay and schedules."""

from __future__ import annotations

import numpy as np
import pytest

from opgraph.errors import ReferenceMissingError
from opgraph.reference import clip_by_global_norm, clip_by_norm, clip_by_value, optimizers, update

STEPS, RATE = 6, 0.05
CHOSEN = [
    ("sgd", "SGD", {}),
    ("sgd", "SGD", {"momentum": 0.8}),
    ("momentum", "SGD", {"momentum": 0.9}),
    ("nesterov", "SGD", {"momentum": 0.9, "nesterov": True}),
    ("rmsprop", "RMSprop", {}),
    ("rmsprop", "RMSprop", {"rho": 0.8, "momentum": 0.5, "centered": True, "epsilon": 1e-3}),
    ("adam", "Adam", {}),
    ("adam", "Adam", {"beta_1": 0.8, "beta_2": 0.9, "epsilon": 1e-2, "amsgrad": True}),
    ("adam", "Adam", {"weight_decay": 0.1}),
    ("adamw", "AdamW", {}),
    ("adamw", "AdamW", {"weight_decay": 0.2}),
    ("sgd", "SGD", {"momentum": 0.5, "weight_decay": 0.01}),
    ("adagrad", "Adagrad", {}),
    ("adamax", "Adamax", {"beta_2": 0.9}),
    ("lion", "Lion", {}),
]


def gradients(seed=0, sizes=((3, 4), (4,))):
    """Some steps of gradients, the later ones smaller."""
    rng = np.random.default_rng(seed)
    return [[rng.normal(size=size) / (1 + step) for size in sizes] for step in range(STEPS)]


def clipped(arrays, clip):
    (kind, limit) = next(iter(clip.items()), (None, None))
    if kind == "clipvalue":
        return [clip_by_value(array, limit) for array in arrays]
    if kind == "clipnorm":
        return [clip_by_norm(array, limit) for array in arrays]
    return clip_by_global_norm(arrays, limit) if kind else arrays


def ours(name, settings, clip, rates):
    rng = np.random.default_rng(9)
    weights = [rng.normal(size=(3, 4)), rng.normal(size=(4,))]
    slots = [{}, {}]
    for step, arrays in enumerate(gradients(), start=1):
        for at, gradient in enumerate(clipped(arrays, clip)):
            made = update(name, settings, weights[at], gradient, slots[at], step, rates(step - 1))
            weights[at], slots[at] = made.new_weight, made.new_slots
    return weights, slots


def theirs(keras, name, settings, clip, rate):
    rng = np.random.default_rng(9)
    first = [rng.normal(size=(3, 4)), rng.normal(size=(4,))]
    variables = [
        keras.Variable(array, dtype="float64", name=f"w{i}") for i, array in enumerate(first)
    ]
    optimizer = getattr(keras.optimizers, name)(learning_rate=rate, **settings, **clip)
    for arrays in gradients():
        optimizer.apply([keras.ops.convert_to_tensor(a, "float64") for a in arrays], variables)
    slots = {v.name: np.asarray(v) for v in optimizer.variables}
    return [np.asarray(v) for v in variables], slots


@pytest.mark.tf
@pytest.mark.parametrize(("name", "keras_name", "settings"), CHOSEN)
@pytest.mark.parametrize(
    "clip", [{}, {"clipvalue": 0.3}, {"clipnorm": 0.5}, {"global_clipnorm": 0.7}]
)
def test_several_steps_are_those_of_keras(name, keras_name, settings, clip):
    keras = pytest.importorskip("keras")
    schedule = keras.optimizers.schedules.CosineDecay(RATE, STEPS + 2)
    weights, slots = ours(name, settings, clip, lambda step: float(schedule(step)))
    expected, their_slots = theirs(keras, keras_name, settings, clip, schedule)
    for array, other in zip(weights, expected, strict=True):
        np.testing.assert_allclose(array, other, rtol=1e-6, atol=1e-8)
    for at, known in enumerate(slots):
        for slot, array in known.items():
            other = their_slots[f"w{at}_{slot}"]
            np.testing.assert_allclose(array, other, rtol=1e-6, atol=1e-8)


def test_the_first_step_of_adam_by_hand():
    made = update("adam", {}, np.array([1.0]), np.array([0.5]), {}, 1, 0.1)
    assert made.parts["m_hat"] == pytest.approx(0.5)
    assert made.parts["v_hat"] == pytest.approx(0.25)
    assert made.new_weight == pytest.approx(0.9, abs=1e-6)  # a step as large as the rate
    assert sorted(made.new_slots) == ["momentum", "velocity"]


def test_decay_is_taken_off_the_weight_before_the_step():
    made = update("adamw", {"weight_decay": 0.5}, np.array([2.0]), np.array([0.0]), {}, 1, 0.1)
    assert made.parts["decay"] == pytest.approx(0.1)
    assert made.new_weight == pytest.approx(1.9)


def test_a_gradient_of_zero_is_not_clipped():
    assert clip_by_norm(np.zeros(2), 1.0).tolist() == [0, 0]


def test_an_unknown_optimizer_is_named():
    with pytest.raises(ReferenceMissingError) as caught:
        update("muon", {}, np.ones(1), np.ones(1), {}, 1, 0.1)
    assert str(caught.value) == (
        "there is no independent computation of the optimizer 'muon'\n"
        f"   there is one of: {', '.join(optimizers.OPTIMIZERS)}"
    )
