"""`attach`: `model.fit` writes a run, and not one bit of the training changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

keras = pytest.importorskip("keras")
pytestmark = pytest.mark.tf

from opgraph.api.attaching import attach  # noqa: E402
from opgraph.runtime.environment import prepare_grappler  # noqa: E402

slow = pytest.mark.slow
L = keras.layers
RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.normal(size=(44, 10, 10, 3)).astype("float32")
TOKENS = RANDOM.integers(0, 20, (44, 7)).astype("int32")
ROWS = RANDOM.normal(size=(44, 6)).astype("float32")
CLASSES = RANDOM.integers(0, 4, 44)


def cross_entropy() -> Any:
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def cnn() -> Any:
    x = keras.Input((10, 10, 3), name="x")
    h = L.Conv2D(6, 3, kernel_regularizer="l2", name="conv")(x)
    h = L.ReLU(name="relu")(L.BatchNormalization(name="norm")(h))
    h = L.Dropout(0.3, name="drop")(L.MaxPooling2D(name="pool")(h))
    h = L.Dense(8, activation="gelu", name="hidden")(L.Flatten(name="flat")(h))
    return keras.Model(x, L.Dense(4, name="logits")(h), name="cnn")


def lstm() -> Any:
    layers = [L.Input((7,), dtype="int32"), L.Embedding(20, 6, mask_zero=True)]
    return keras.Sequential([*layers, L.LSTM(5, dropout=0.1), L.Dense(4)], name="lstm")


def nested() -> Any:
    """A model inside that is called twice, one inside a Sequential, functions of keras.ops."""
    x = keras.Input((3,), name="piece")
    h = L.Dropout(0.3)(L.BatchNormalization(name="norm")(L.Dense(5, name="fc")(x)))
    encoder = keras.Model(x, h, name="encoder")
    tail = keras.Sequential([L.Input((10,)), L.Dense(6, name="fc"), L.ReLU()], name="tail")
    a, b = keras.Input((3,), name="a"), keras.Input((3,), name="b")
    joined = keras.ops.concatenate([encoder(a), encoder(b)], axis=-1)
    h = tail(keras.ops.relu(joined) * 2.0)
    first, second = L.Dense(4, name="first")(h), L.Dense(2, name="second")(h)
    return keras.Model([a, b], [first, second], name="nested")


def handing_on() -> Any:
    """Layers that hand their input on as it is, some of them read by several others."""
    x = keras.Input((6,), name="x")
    d = L.Dense(6, name="d")(x)
    same = L.Identity(name="same")(d)
    parts = [L.ReLU()(same), L.Activation("tanh")(same), L.Activation("gelu")(d)]
    total = L.Add(name="sum")([*parts, L.Dropout(0.0, name="none")(d)])
    alone = L.Identity(name="alone")(L.Dense(5, name="e")(total))
    return keras.Model(x, L.Dense(4, name="logits")(alone), name="handing_on")


def rows() -> Any:
    layers = [L.Input((6,)), L.Dense(8, activation="relu", name="fc"), L.Dropout(0.2)]
    return keras.Sequential([*layers, L.Dense(4, name="logits")], name="rows")


def half() -> Any:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        layers = [L.Input((6,)), L.Dense(8, name="fc"), L.BatchNormalization(name="norm")]
        layers += [L.Dropout(0.2), L.BatchNormalization(dtype="float32", name="wide")]
        return keras.Sequential([*layers, L.Dense(4, dtype="float32")], name="half")
    finally:
        keras.config.set_dtype_policy(before)


def gelu() -> Any:
    layers = [L.Input((10, 10, 3)), L.Conv2D(6, 5), L.Activation("gelu"), L.AveragePooling2D(2)]
    layers += [L.Flatten(), L.Dense(24), L.Activation("gelu"), L.Dropout(0.3), L.Dense(4)]
    return keras.Sequential(layers)


def fit_on(x: Any, y: Any = CLASSES, **more: Any) -> Callable[[Any], Any]:
    options = {"batch_size": 16, "epochs": 2, "verbose": 0, **more}
    return lambda model: model.fit(x, y, **options)


def compiled(optimizer: Callable[[], Any], **more: Any) -> Callable[[Any], Any]:
    def compile_(model: Any) -> Any:
        chosen = {"loss": cross_entropy(), "metrics": ["accuracy"], **more}
        model.compile(optimizer(), **chosen)

    return compile_


def both(
    make: Callable[[], Any], compile_: Callable[[Any], Any], fit: Callable[[Any], Any], path: Any
) -> tuple[Any, Any, Any, Any]:
    """The same training plain and attached, from the same seed."""
    prepare_grappler()
    found: list[Any] = []
    for where in (None, path):
        keras.utils.set_random_seed(1)
        model = make()
        compile_(model)
        keras.utils.set_random_seed(2)
        attached = None if where is None else attach(model, where, measure="full")
        found += [model, fit(model)]
        if attached is not None:
            return (*found, attached)  # pyright: ignore[reportReturnType]
    raise AssertionError


def state(model: Any) -> list[np.ndarray]:
    return [v.numpy() for v in (*model.variables, *model.optimizer.variables)]


def assert_same(plain: Any, seen: Any) -> None:
    for before, after in zip(state(plain), state(seen), strict=True):
        np.testing.assert_array_equal(before, after)


SGD = lambda: keras.optimizers.SGD(0.05, momentum=0.9)  # noqa: E731
ADAM = lambda: keras.optimizers.Adam(0.01, global_clipnorm=0.5)  # noqa: E731
PAIR = ((ROWS[:, :3], ROWS[:, 3:]), (CLASSES, ROWS[:, :2]))
TWO_LOSSES = {"loss": {"first": cross_entropy(), "second": "mse"}, "metrics": None}


@pytest.mark.parametrize(
    ("make", "compile_", "fit"),
    [
        pytest.param(cnn, compiled(SGD), fit_on(IMAGES), id="cnn-sgd"),
        pytest.param(cnn, compiled(ADAM), fit_on(IMAGES, class_weight={0: 2.0, 1: 1, 2: 1, 3: 0.5}),
                     id="cnn-adam-class-weight", marks=slow),
        pytest.param(lstm, compiled(SGD), fit_on(TOKENS), id="lstm-sgd", marks=slow),
        pytest.param(lstm, compiled(lambda: keras.optimizers.SGD(0.9, global_clipnorm=0.01)),
                     fit_on(TOKENS, epochs=2), id="lstm-clipped", marks=slow),
        pytest.param(lstm, compiled(ADAM), fit_on(TOKENS), id="lstm-adam", marks=slow),
        pytest.param(nested, compiled(ADAM, **TWO_LOSSES), fit_on(*PAIR), id="nested", marks=slow),
        pytest.param(handing_on, compiled(SGD), fit_on(ROWS), id="handing-on", marks=slow),
        pytest.param(half, compiled(ADAM), fit_on(ROWS), id="mixed_float16", marks=slow),
        pytest.param(rows, compiled(lambda: keras.optimizers.Adam(gradient_accumulation_steps=2)),
                     fit_on(ROWS, sample_weight=np.linspace(0, 2, 44)), id="accumulation",
                     marks=slow),
        pytest.param(rows, compiled(lambda: keras.optimizers.SGD(0.1, loss_scale_factor=8.0)),
                     fit_on(ROWS), id="loss-scale-factor", marks=slow),
        pytest.param(rows, compiled(lambda: keras.optimizers.AdamW(use_ema=True)), fit_on(ROWS),
                     id="ema", marks=slow),
        pytest.param(rows, compiled(SGD, run_eagerly=True), fit_on(ROWS), id="eager", marks=slow),
    ],
)  # fmt: skip
def test_the_training_is_that_of_plain_fit_bit_for_bit(make, compile_, fit, tmp_path):
    plain, history, seen, own_history, attached = both(make, compile_, fit, tmp_path / "run")
    assert_same(plain, seen)
    assert history.history == own_history.history
    assert attached.run.config["config"]["level"] == "nodes"
    assert len(attached.run.steps) == 6


def test_every_node_of_nested_models_has_rows_under_the_name_that_its_graph_has(tmp_path):
    keras.utils.set_random_seed(1)
    model = nested()
    compiled(SGD, **TWO_LOSSES)(model)
    with attach(model, tmp_path / "run") as attached:
        fit_on(*PAIR, epochs=1)(model)
    run = attached.run
    nodes = set(run.table("output", steps=1)["node"].to_pylist())
    assert nodes == set(run.graph.nodes)
    assert {"encoder/fc", "encoder@2/fc", "tail/fc", "first"} <= nodes
    weights = {f"{r['node']}/{r['weight']}" for r in run.table("weight", steps=1).to_pylist()}
    assert {"encoder/fc/kernel", "encoder/norm/gamma", "tail/fc/bias"} <= weights
    assert not any("@2" in name for name in weights)


def test_one_program_is_traced_for_each_schedule_and_none_later(tmp_path):
    model = rows()
    compiled(SGD)(model)
    attached = attach(model, tmp_path / "run", measure=["norms", "output.mean:every=3"])
    fit_on(ROWS, epochs=1, validation_data=(ROWS[:9], CLASSES[:9]))(model)
    step = attached._inner._step  # pyright: ignore[reportPrivateUsage]
    assert step.traces == 2
    fit_on(ROWS[:35], CLASSES[:35], epochs=1)(model)  # another last batch
    assert step.traces <= 4  # Keras makes its function anew for another iterator


def test_validation_stands_with_the_last_step_of_its_epoch(tmp_path):
    model = rows()
    compiled(SGD)(model)
    attached = attach(model, tmp_path / "run")
    history = fit_on(ROWS, validation_split=0.25)(model)
    table = attached.run.steps.to_pylist()
    assert [row["val_loss"] is None for row in table] == [True, True, False] * 2
    assert [row["val_loss"] for row in table[2::3]] == history.history["val_loss"]
    assert [row["val_accuracy"] for row in table[2::3]] == history.history["val_accuracy"]
    assert [row["epoch"] for row in table] == [0, 0, 0, 1, 1, 1]
    assert [row["index"] for row in table] == [0, 1, 2] * 2
    assert [row["batch_size"] for row in table] == [16, 16, 1] * 2
    assert {row["input_time"] for row in table} == {None}


def test_the_loss_of_each_batch_adds_up_to_what_fit_shows(tmp_path):
    model = cnn()
    compiled(SGD)(model)
    attached = attach(model, tmp_path / "run")
    history = fit_on(IMAGES, epochs=1)(model)
    table = attached.run.steps.to_pylist()
    sizes = np.array([row["batch_size"] for row in table])
    for name in ("loss", "accuracy"):
        values = np.array([row[name] for row in table])
        shown = history.history[name][0]
        np.testing.assert_allclose((values * sizes).sum() / sizes.sum(), shown, rtol=1e-6)
    assert all(row["regularization"] > 0 for row in table)
    for row in table:
        np.testing.assert_allclose(row["data_loss"] + row["regularization"], row["loss"], rtol=1e-6)


def test_the_run_says_where_it_comes_from_and_that_it_cannot_be_replayed(tmp_path):
    model = rows()
    compiled(ADAM)(model)
    attached = attach(model, tmp_path / "run")
    fit_on(ROWS, epochs=1)(model)
    config = attached.run.config
    assert config["status"] == "finished"
    assert config["replayable"] is False
    assert config["replayable_reason"] == "its batches came from model.fit, which keeps no data"
    assert config["config"]["optimizer_config"]["config"]["global_clipnorm"] == 0.5
    assert config["config"]["compile"]["loss"]["class_name"] == "SparseCategoricalCrossentropy"
    assert config["flags"]["grappler"]["remapping"] is False
    assert config["batch_signature"][0][0] == {"shape": [None, 6], "dtype": "float32"}


def test_the_model_of_any_keyframe_can_be_had_again(tmp_path):
    model = nested()
    compiled(SGD, **TWO_LOSSES)(model)
    before = model.predict(list(PAIR[0]), verbose=0)
    attached = attach(model, tmp_path / "run", keyframe_every=2)
    fit_on(*PAIR)(model)
    run = attached.run
    assert run.keyframes == [0, 2, 4, 6]
    after = model.predict(list(PAIR[0]), verbose=0)
    record = run.record
    names = set(record.keyframe(0).arrays)
    assert {"model/encoder/fc/kernel", "model/tail/fc/bias"} <= names
    from opgraph.runtime.builder import build
    from opgraph.runtime.state import restore_state

    built = build(run.graph.inner, seed=9)
    for step, expected in ((0, before), (6, after)):
        restore_state(built, record.keyframe(step).arrays)
        found = built.model.predict(list(PAIR[0]), verbose=0)
        for own, wanted in zip(found, expected, strict=True):
            np.testing.assert_allclose(own, wanted, rtol=1e-6, atol=1e-6)


def test_the_model_of_the_run_has_the_averages_that_fit_leaves(tmp_path):
    model = rows()
    compiled(lambda: keras.optimizers.SGD(0.5, use_ema=True, ema_momentum=0.9))(model)
    with attach(model, tmp_path / "run", measure="norms") as attached:
        fit_on(ROWS)(model)
    ended, raw = attached.run.model(), attached.run.model(6)
    for found, wanted in zip(ended.variables, model.variables, strict=True):
        np.testing.assert_array_equal(found, wanted)
    assert not np.array_equal(raw.weights[0], ended.weights[0])


def test_the_fingerprint_is_that_of_what_arrives(tmp_path):
    prints: list[list[str]] = []
    other = ROWS.copy()
    other[[9, 25, 43], 5] += np.float32(1e-3)  # one number in each batch
    for number, values in enumerate((ROWS, ROWS, other)):
        model = rows()
        compiled(SGD)(model)
        attached = attach(model, tmp_path / f"run-{number}")
        fit_on(values, shuffle=False, epochs=2)(model)
        prints.append(attached.run.steps["fingerprint"].to_pylist())
    assert prints[0] == prints[1]
    assert prints[0][:3] == prints[0][3:]
    assert len(set(prints[0])) == 3
    assert not set(prints[0]) & set(prints[2])


@pytest.fixture
def rewriting():
    """TensorFlow's graph optimizer as it is by default."""
    tf = pytest.importorskip("tensorflow")
    from opgraph.runtime.environment import GRAPPLER

    before = tf.config.optimizer.get_experimental_options()
    tf.config.optimizer.set_experimental_options({**before, **dict.fromkeys(GRAPPLER, True)})
    yield
    prepare_grappler()


def test_default_fit_differs_in_the_last_digits_alone(rewriting, tmp_path):
    """The difference that the how-to page tells of is there, and no larger."""

    def trained(path: Any) -> list[np.ndarray]:
        keras.utils.set_random_seed(1)
        model = gelu()
        compiled(lambda: keras.optimizers.SGD(0.1))(model)
        keras.utils.set_random_seed(2)
        if path is not None:
            attach(model, path)
        fit_on(IMAGES, epochs=1)(model)
        return state(model)

    default, seen = trained(None), trained(tmp_path / "run")
    assert any(not np.array_equal(a, b) for a, b in zip(default, seen, strict=True))
    for a, b in zip(default, seen, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
