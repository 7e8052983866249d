"""What an attached `fit` writes down, against the same step computed by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

keras = pytest.importorskip("keras")
tf = pytest.importorskip("tensorflow")
pytestmark = pytest.mark.tf

from opgraph.api.attaching import attach  # noqa: E402
from opgraph.runtime.builder import build  # noqa: E402
from opgraph.runtime.state import restore_state  # noqa: E402

L = keras.layers
RANDOM = np.random.default_rng(5)
X = RANDOM.normal(size=(40, 8, 8, 2)).astype("float32")
Y = RANDOM.integers(0, 3, 40)
WEIGHTS = np.linspace(0.5, 2, 40).astype("float32")
STEP, SIZE = 3, 10  # the step that is looked at, and the size of its batch
RATE = 0.1


def network() -> Any:
    keras.utils.set_random_seed(4)
    x = keras.Input((8, 8, 2), name="x")
    decay = keras.regularizers.L2(0.01)
    h = L.Conv2D(4, 3, use_bias=False, kernel_regularizer=decay, name="conv")(x)
    h = L.ReLU(name="relu")(L.BatchNormalization(momentum=0.8, name="norm")(h))
    h = L.GlobalAveragePooling2D(name="gap")(h)
    return keras.Model(x, L.Dense(3, name="logits")(h), name="net")


def loss_of() -> Any:
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Any:
    model = network()
    metrics = [keras.metrics.SparseTopKCategoricalAccuracy(2, name="top2"), "accuracy"]
    model.compile(keras.optimizers.SGD(RATE), loss_of(), metrics=metrics)
    path = tmp_path_factory.mktemp("figures") / "run"
    with attach(model, path, measure="full", keyframe_every=1) as attached:
        model.fit(X, Y, sample_weight=WEIGHTS, batch_size=SIZE, epochs=2, verbose=0, shuffle=False)
    return attached.run


@pytest.fixture(scope="module")
def by_hand(run) -> dict[str, Any]:
    """The step once more, eagerly, from the keyframe before it."""
    built = build(run.graph.inner, seed=0)
    restore_state(built, run.record.keyframe(STEP - 1).arrays)
    place = slice((STEP - 1) * SIZE, STEP * SIZE)
    x, y, weight = X[place], Y[place], WEIGHTS[place]
    network_, ends = built.all_outputs_model()
    with tf.GradientTape() as tape:
        outputs = dict(zip([end.node for end in ends], network_(x, training=True), strict=True))
        values = tf.nn.sparse_softmax_cross_entropy_with_logits(y, outputs["logits"])
        data = tf.reduce_mean(values * weight)
        regularization = tf.add_n(network_.losses)
        loss = data + regularization
    variables = {n: v for n, v in built.weight_names.items() if v.trainable}
    nodes = [name for name in outputs if name != "x"]
    sources = [*(outputs[n] for n in nodes), *(v.value for v in variables.values())]
    grads = tape.gradient(loss, sources)
    return {
        "outputs": {name: tensor.numpy() for name, tensor in outputs.items()},
        "output_grads": {n: g.numpy() for n, g in zip(nodes, grads[: len(nodes)], strict=True)},
        "grads": {n: g.numpy() for n, g in zip(variables, grads[len(nodes) :], strict=True)},
        "losses": {"loss": loss, "data_loss": data, "regularization": regularization},
        "labels": y,
    }


def rows(run: Any, kind: str) -> dict[str, dict[str, Any]]:
    found = run.table(kind, steps=STEP).to_pylist()
    return {f"{r['node']}/{r['weight']}" if "weight" in r else r["node"]: r for r in found}


def assert_tells(row: dict[str, Any], tensor: np.ndarray, prefix: str = "") -> None:
    wide = tensor.astype(np.float64)
    expected = {"mean": wide.mean(), "rms": np.sqrt((wide**2).mean()), "min": wide.min()}
    expected |= {"max": wide.max(), "norm": np.sqrt((wide**2).sum())}
    scale = np.abs(wide).max()
    for name, value in expected.items():
        np.testing.assert_allclose(row[prefix + name], value, rtol=2e-5, atol=2e-6 * scale)
    assert row[f"{prefix}nonfinite"] == 0


def test_outputs_are_those_of_the_step(run, by_hand):
    found = rows(run, "output")
    assert found.keys() == by_hand["outputs"].keys()
    for node, tensor in by_hand["outputs"].items():
        assert_tells(found[node], tensor)
        assert found[node]["count"] == tensor.size


def test_gradients_at_outputs_are_those_of_the_step(run, by_hand):
    found = rows(run, "output_grad")
    assert found.keys() == by_hand["output_grads"].keys()
    for node, tensor in by_hand["output_grads"].items():
        assert_tells(found[node], tensor)


def test_weights_gradients_and_updates_are_those_of_the_step(run, by_hand):
    found = rows(run, "weight")
    before = run.record.keyframe(STEP - 1).arrays
    after = run.record.keyframe(STEP).arrays
    assert found.keys() == by_hand["grads"].keys()
    for name, grad in by_hand["grads"].items():
        value, update = before[f"model/{name}"], after[f"model/{name}"] - before[f"model/{name}"]
        assert_tells(found[name], value, "value_")
        assert_tells(found[name], grad, "grad_")
        assert_tells(found[name], update, "update_")
        np.testing.assert_allclose(update, -RATE * grad, rtol=1e-3, atol=1e-6)


def test_losses_and_metrics_are_those_of_the_batch(run, by_hand):
    row = run.steps.to_pylist()[STEP - 1]
    for name, value in by_hand["losses"].items():
        np.testing.assert_allclose(row[name], float(value), rtol=1e-5)
    logits, labels = by_hand["outputs"]["logits"], by_hand["labels"]
    assert row["accuracy"] == (logits.argmax(-1) == labels).mean()
    best = np.argsort(-logits, axis=-1)[:, :2]
    assert row["top2"] == (best == labels[:, None]).any(-1).mean()
    total = np.sqrt(sum((g.astype(np.float64) ** 2).sum() for g in by_hand["grads"].values()))
    np.testing.assert_allclose(row["grad_norm"], total, rtol=1e-5)
    assert row["learning_rate"] == np.float32(RATE)


def test_batch_statistics_are_those_of_the_step(run, by_hand):
    row = rows(run, "bn")["norm"]
    read = by_hand["outputs"]["conv"].astype(np.float64)
    np.testing.assert_allclose(row["batch_mean"], read.mean(), rtol=1e-5)
    np.testing.assert_allclose(row["batch_variance"], read.var((0, 1, 2)).mean(), rtol=1e-5)
    for step, suffix in ((STEP - 1, "_before"), (STEP, "")):
        arrays = run.record.keyframe(step).arrays
        for name in ("moving_mean", "moving_variance"):
            kept = arrays[f"model/norm/{name}"].astype(np.float64).mean()
            np.testing.assert_allclose(row[name + suffix], kept, rtol=1e-6)
    np.testing.assert_allclose(row["initial_weight"], 0.8**STEP)


def accumulating(metric: Any, tmp_path: Any) -> list[float]:
    """What a metric is for each batch, where it cannot be taken apart by a sum and a count."""
    keras.utils.set_random_seed(4)
    model = keras.Sequential([L.Input((5,)), L.Dense(1, activation="sigmoid", name="out")])
    model.compile("sgd", "binary_crossentropy", metrics=[metric])
    x = RANDOM.normal(size=(24, 5)).astype("float32")
    y = (x[:, 0] > 0).astype("float32")[:, None]
    with attach(model, tmp_path / "run", keyframe_every=1) as attached:
        history = model.fit(x, y, batch_size=8, epochs=1, verbose=0, shuffle=False)
    run = attached.run
    values: list[float] = []
    plain = type(metric).from_config(metric.get_config())
    whole = type(metric).from_config(metric.get_config())
    for step in range(3):
        restore_state(built := build(run.graph.inner, seed=0), run.record.keyframe(step).arrays)
        place = slice(8 * step, 8 * step + 8)
        answer = built.model(x[place]).numpy()
        plain.reset_state()
        plain.update_state(y[place], answer)
        whole.update_state(y[place], answer)
        values.append(float(plain.result()))
    np.testing.assert_allclose(history.history[metric.name][0], float(whole.result()), rtol=1e-6)
    np.testing.assert_allclose(run.steps[metric.name].to_pylist(), values, rtol=1e-6)
    return values


@pytest.mark.parametrize("name", ["AUC", "Precision", "RootMeanSquaredError", "F1Score"])
def test_a_metric_is_that_of_the_batch_alone(name, tmp_path):
    options = {"F1Score": {"threshold": 0.5, "average": "micro"}}.get(name, {})
    named = {"RootMeanSquaredError": "rmse"}.get(name, name.lower())
    values = accumulating(getattr(keras.metrics, name)(name=named, **options), tmp_path)
    assert len(set(values)) > 1


def test_dropout_tells_what_its_mask_kept(tmp_path):
    keras.utils.set_random_seed(4)
    layers = [L.Input((50,)), L.Dropout(0.4, name="drop"), L.Dense(1, name="out")]
    model = keras.Sequential(layers)
    model.compile("sgd", "mse")
    x = np.ones((8, 50), np.float32)
    with attach(model, tmp_path / "run") as attached:
        model.fit(x, np.ones((8, 1)), epochs=3, verbose=0)
    kept = attached.run.table("dropout").to_pylist()
    zeros = attached.run.table("output", nodes="drop").to_pylist()
    for mask, output in zip(kept, zeros, strict=True):
        assert mask["drawn"] == 400
        np.testing.assert_allclose(mask["kept_fraction"], 1 - output["zero_fraction"])
        assert 0.4 < mask["kept_fraction"] < 0.8


def test_a_gradient_that_cannot_be_told_from_another_is_no_site(tmp_path):
    x = keras.Input((4,), name="x")
    d = L.Dense(4, name="d")(x)
    same = L.Identity(name="same")(d)
    joined = L.Add(name="sum")([L.ReLU(name="r")(same), L.Activation("tanh", name="t")(d)])
    alone = L.Identity(name="alone")(joined)
    model = keras.Model(x, L.Dense(1, name="out")(alone))
    model.compile("sgd", "mse")
    with attach(model, tmp_path / "run") as attached:
        model.fit(np.ones((8, 4), np.float32), np.ones((8, 1)), verbose=0)
    norms = {r["node"]: r["norm"] for r in attached.run.table("output_grad").to_pylist()}
    assert norms.keys() == {"d", "r", "t", "sum", "alone", "out"}
    assert norms["alone"] == norms["sum"]
    assert {"same", "alone"} <= set(attached.run.table("output")["node"].to_pylist())


def test_gradients_under_loss_scaling_are_those_of_the_loss_itself(tmp_path):
    keras.utils.set_random_seed(4)
    layers = [L.Input((5,)), L.Dense(4, dtype="mixed_float16", name="fc"), L.Dense(1, name="out")]
    model = keras.Sequential(layers)
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1), initial_scale=1024.0)
    model.compile(optimizer, "mse", auto_scale_loss=False)
    x = RANDOM.normal(size=(8, 5)).astype("float32")
    answer = model.predict(x, verbose=0).astype(np.float64)
    with attach(model, tmp_path / "run", keyframe_every=1) as attached:
        model.fit(x, np.ones((8, 1)), batch_size=8, verbose=0)
    run = attached.run
    grad = run.table("output_grad", nodes="out").to_pylist()[0]
    np.testing.assert_allclose(grad["norm"], np.linalg.norm(2 * (answer - 1) / 8), rtol=1e-5)
    bias = next(r for r in run.table("weight", nodes="out").to_pylist() if r["weight"] == "bias")
    np.testing.assert_allclose(bias["grad_norm"], abs((2 * (answer - 1) / 8).sum()), rtol=1e-4)
    np.testing.assert_allclose(bias["update_norm"], 0.1 * bias["grad_norm"], rtol=1e-4)
    row = run.steps.to_pylist()[0]
    np.testing.assert_allclose(row["loss"], ((answer - 1) ** 2).mean(), rtol=1e-5)
    assert (row["loss_scale"], row["skipped"]) == (1024.0, 0.0)
