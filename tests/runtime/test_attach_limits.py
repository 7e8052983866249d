"""`attach`: how it begins and ends, what it reduces to weights, and what it refuses."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

keras = pytest.importorskip("keras")
tf = pytest.importorskip("tensorflow")
pytestmark = pytest.mark.tf

from opgraph.api.attaching import attach  # noqa: E402
from opgraph.errors import RunError, TraceError  # noqa: E402
from opgraph.runtime.environment import prepare_grappler  # noqa: E402

L = keras.layers
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(40, 6)).astype("float32")
Y = RANDOM.normal(size=(40, 2)).astype("float32")


def make(**options: Any) -> Any:
    keras.utils.set_random_seed(1)
    layers = [L.Input((6,)), L.Dense(5, activation="relu", name="fc"), L.Dropout(0.2)]
    model = keras.Sequential([*layers, L.Dense(2, name="out")], name="small")
    model.compile(**{"optimizer": "adam", "loss": "mse", **options})
    keras.utils.set_random_seed(2)
    return model


def fit(model: Any, **more: Any) -> Any:
    return model.fit(X, Y, **{"batch_size": 10, "epochs": 1, "verbose": 0, **more})


class Custom(keras.Model):
    """A step of the user's own."""

    def train_step(self, data: Any) -> Any:
        x, y = data
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.abs(self(x, training=True) - y))
        grads = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(grads, self.trainable_variables, strict=True))
        return {"mine": loss}


class Subclassed(keras.Model):
    """A graph in Python code."""

    def __init__(self) -> None:
        super().__init__(name="mine")
        self.first, self.second = L.Dense(5, name="first"), L.Dense(2, name="second")

    def call(self, x: Any) -> Any:
        return self.second(keras.ops.relu(self.first(x)))


class Silent(keras.Model):
    """A step that does not use the optimizer it was compiled with."""

    def train_step(self, data: Any) -> Any:
        return {"loss": tf.reduce_mean(self(data[0]))}


def custom(kind: Any = Custom) -> Any:
    keras.utils.set_random_seed(1)
    x = keras.Input((6,), name="x")
    model = kind(x, L.Dense(2, name="out")(L.Dense(5, name="fc")(x)), name="own")
    model.compile("adam", "mse")
    return model


def state(model: Any) -> list[np.ndarray]:
    return [v.numpy() for v in (*model.variables, *model.optimizer.variables)]


def test_a_step_of_the_users_own_is_measured_at_its_weights(tmp_path):
    prepare_grappler()
    plain, seen, told = custom(), custom(), list[str]()
    fit(plain)
    attached = attach(seen, tmp_path / "run", notify=told.append)
    fit(seen)
    for before, after in zip(state(plain), state(seen), strict=True):
        np.testing.assert_array_equal(before, after)
    assert "only weights are measured: Custom has a train_step of its own" in told
    run = attached.run
    assert run.config["config"]["level"] == "weights"
    assert run.config["config"]["level_reason"] == "Custom has a train_step of its own"
    assert run.table("output").num_rows == 0
    assert run.table("weight", steps=1)["node"].to_pylist() == ["fc", "fc", "out", "out"]
    assert all(row["grad_norm"] > 0 for row in run.table("weight").to_pylist())
    assert run.steps["loss"].to_pylist() == [None] * 4
    assert all(row["grad_norm"] > 0 for row in run.steps.to_pylist())


def test_the_gradients_of_a_step_of_the_users_own_are_those_it_applies(tmp_path):
    model = custom()
    model.compile(keras.optimizers.SGD(0.5), "mse")
    attached = attach(model, tmp_path / "run", keyframe_every=1)
    fit(model)
    arrays = [attached.run.record.keyframe(step).arrays["model/fc/kernel"] for step in (0, 1)]
    row = attached.run.table("weight", nodes="fc", steps=1).to_pylist()[0]
    expected = np.linalg.norm((arrays[0] - arrays[1]).astype(np.float64)) / 0.5
    np.testing.assert_allclose(row["grad_norm"], expected, rtol=1e-5)


@pytest.mark.parametrize("built", [False, True])
def test_a_subclassed_model_is_one_node_with_weights(tmp_path, built):
    keras.utils.set_random_seed(1)
    model = Subclassed()
    if built:
        model(X[:1])
    told: list[str] = []
    attached = attach(model, tmp_path / "run", notify=told.append)
    model.compile("sgd", "mse", metrics=["mae"])  # after the attachment
    history = fit(model)
    assert "only weights are measured: Subclassed keeps its graph in Python code" in told
    run = attached.run
    names = [f"{r['node']}/{r['weight']}" for r in run.table("weight", steps=1).to_pylist()]
    parts = [f"{layer}/{weight}" for layer in ("first", "second") for weight in ("kernel", "bias")]
    assert names == [f"mine/{part}" for part in parts]
    assert run.config["config"]["level_reason"] == "Subclassed keeps its graph in Python code"
    np.testing.assert_allclose(np.mean(run.steps["mae"].to_pylist()), history.history["mae"][0])
    np.testing.assert_allclose(np.mean(run.steps["loss"].to_pylist()), history.history["loss"][0])


def test_a_step_without_the_optimizer_is_refused_and_nothing_is_written(tmp_path):
    model = custom(Silent)
    attach(model, tmp_path / "run")
    with pytest.raises(TraceError) as caught:
        fit(model)
    assert str(caught.value) == (
        "own: the train step hands no gradients to the optimizer that the model was compiled"
        " with, so no update can be measured\n"
        "   opgraph.attach measures what model.optimizer is given"
    )
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"jit_compile": True},
            "small: is compiled by XLA, in which no node can be seen without other bits\n"
            "   compile(..., jit_compile=False); or opgraph.trace(model, data, jit=True)",
        ),
        (
            {"steps_per_execution": 4},
            "small: takes 4 steps in one call, of which only the last is seen\n"
            "   compile(..., steps_per_execution=1)",
        ),
        (
            {"optimizer": None},
            "small: has no optimizer\n   compile(optimizer=..., loss=...) it",
        ),
    ],
)
def test_what_cannot_be_measured_is_refused_in_one_line(tmp_path, options, message):
    model = make(**options)
    attach(model, tmp_path / "run")
    with pytest.raises(TraceError) as caught:
        fit(model)
    assert str(caught.value) == message
    assert not (tmp_path / "run").exists()


def test_xla_that_keras_chooses_by_itself_is_refused_too(tmp_path, monkeypatch):
    monkeypatch.setattr(keras.Model, "_resolve_auto_jit_compile", lambda self: True)
    model = make(jit_compile="auto")
    attach(model, tmp_path / "run")
    with pytest.raises(TraceError) as caught:
        fit(model)
    assert str(caught.value) == (
        "small: is compiled by XLA, in which no node can be seen without other bits\n"
        "   compile(..., jit_compile=False); or opgraph.trace(model, data, jit=True)"
    )
    assert not (tmp_path / "run").exists()


def test_a_model_under_a_strategy_is_refused(tmp_path):
    with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
        model = make()
    attach(model, tmp_path / "run")
    with pytest.raises(TraceError) as caught:
        fit(model)
    assert str(caught.value) == (
        "small: was made under MirroredStrategy, whose replicas take their steps apart\n"
        "   make the model outside of a distribution strategy"
    )


def test_sites_that_there_are_not_are_refused_when_fit_begins(tmp_path):
    attach(model := make(), tmp_path / "run", sites="fcc*")
    with pytest.raises(TraceError) as caught:
        fit(model)
    assert str(caught.value) == ("sites: no node or weight is called 'fcc*'\n   did you mean 'fc'?")
    assert not (tmp_path / "run").exists()


def test_a_model_is_attached_once(tmp_path):
    model = make()
    attach(model, tmp_path / "run")
    with pytest.raises(TraceError) as caught:
        attach(model, tmp_path / "other")
    assert str(caught.value) == "small: the model is attached already\n   detach() it first"


def test_a_directory_that_holds_a_run_is_refused_before_anything_is_trained(tmp_path):
    with attach(model := make(), tmp_path / "run"):
        fit(model)
    with pytest.raises(RunError, match="holds a run already"):
        attach(make(), tmp_path / "run")
    with attach(model := make(), tmp_path / "run", overwrite=True) as attached:
        fit(model, epochs=2)
    assert len(attached.run.steps) == 8


def test_a_detached_model_is_as_it_was(tmp_path):
    model = make()
    before = set(vars(model))
    with attach(model, tmp_path / "run") as attached:
        fit(model)
    assert set(vars(model)) - before == {"_eval_epoch_iterator", "history"}  # by fit itself
    assert model.fit.__func__ is keras.Model.fit
    fit(model)
    assert len(attached.run.steps) == 4
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again(X), model(X))


def test_an_attached_model_can_be_saved_and_copied(tmp_path):
    model = make()
    attach(model, tmp_path / "run")
    fit(model)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again(X), model(X))
    assert [layer.name for layer in keras.models.clone_model(model).layers] == [
        layer.name for layer in model.layers
    ]


def test_rows_go_on_in_another_fit(tmp_path):
    prepare_grappler()
    plain, seen = make(), make()
    attached = attach(seen, tmp_path / "run")
    for model in (plain, seen):
        fit(model, epochs=2)
        fit(model, epochs=5, initial_epoch=2, validation_split=0.5)
    for before, after in zip(state(plain), state(seen), strict=True):
        np.testing.assert_array_equal(before, after)
    run = attached.run
    assert run.steps["step"].to_pylist() == list(range(1, 15))
    assert run.steps["epoch"].to_pylist() == [0] * 4 + [1] * 4 + [2, 2, 3, 3, 4, 4]
    assert run.config["status"] == "finished"
    assert [entry["from_step"] for entry in run.config["resumptions"]] == [8]
    assert {8, 14} <= set(run.keyframes)


def test_another_optimizer_is_another_run(tmp_path):
    model = make()
    attach(model, tmp_path / "run")
    fit(model)
    model.compile("sgd", "mse")
    with pytest.raises(TraceError) as caught:
        fit(model)
    assert str(caught.value) == (
        "small: was compiled with another optimizer since the run began\n"
        "   detach, and attach to another directory"
    )


class At(keras.callbacks.Callback):
    """Does something after a number of batches."""

    def __init__(self, count: int, action: Any) -> None:
        super().__init__()
        self.count, self.action = count, action

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.count -= 1
        if not self.count:
            self.action()


def test_an_error_in_a_callback_leaves_a_run_that_can_be_read(tmp_path):
    model = make()
    attached = attach(model, tmp_path / "run", keyframe_every=100)

    def break_() -> None:
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        fit(model, callbacks=[At(3, break_)])
    config = attached.run.config
    assert config["status"] == "failed"
    assert config["outcome"]["error"] == "ValueError: no more"
    assert len(attached.run.steps) == 3
    with pytest.raises(RunError, match="the run failed after step 3, and the model has changed"):
        fit(model)


def send(number: int) -> None:
    signal.raise_signal(number)


ENDINGS = pytest.mark.parametrize(
    ("number", "raised"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)]
)


@ENDINGS
def test_a_signal_ends_the_run_at_a_step_whose_state_is_kept(tmp_path, number, raised):
    model = make()
    attached = attach(model, tmp_path / "run", keyframe_every=100)
    before = signal.getsignal(number)
    with pytest.raises(raised) as caught:
        fit(model, epochs=3, callbacks=[At(6, lambda: send(number))])
    assert number != signal.SIGTERM or caught.value.code == 143
    run = attached.run
    assert run.config["status"] == "interrupted"
    assert run.steps["step"].to_pylist() == [1, 2, 3, 4, 5, 6]
    assert run.keyframes == [0, 6]
    kept = run.record.keyframe(6).arrays
    np.testing.assert_array_equal(kept["model/fc/kernel"], model.get_layer("fc").kernel.numpy())
    assert signal.getsignal(number) is before


def within_step(model: Any, count: int, act: Callable[[], None]) -> None:
    """Do something in the middle of the step after so many."""
    layer = model.get_layer("fc")
    call = layer.call

    def called(x: Any, training: Any = None) -> Any:
        if model.optimizer.built and int(model.optimizer.iterations) == count:
            act()
        return call(x)

    object.__setattr__(layer, "call", called)


@ENDINGS
def test_a_signal_within_a_step_waits_for_its_end(tmp_path, number, raised):
    model = make(run_eagerly=True)
    within_step(model, 2, lambda: send(number))
    attached = attach(model, tmp_path / "run")
    with pytest.raises(raised):
        fit(model)
    assert attached.run.steps["step"].to_pylist() == [1, 2, 3]
    assert attached.run.keyframes[-1] == 3


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_handler_of_ones_own_is_called_at_the_end_of_the_step(tmp_path, number):
    model = make(run_eagerly=True)
    told = []
    before = signal.signal(number, lambda *_: told.append(int(model.optimizer.iterations)))
    try:
        within_step(model, 2, lambda: send(number))
        attached = attach(model, tmp_path / "run")
        fit(model)
    finally:
        signal.signal(number, before)
    assert told == [3]
    assert attached.run.config["status"] == "finished"
    assert len(attached.run.steps) > 3


def test_a_signal_that_is_ignored_stays_so(tmp_path):
    model = make()
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        attached = attach(model, tmp_path / "run")
        fit(model, callbacks=[At(2, lambda: send(signal.SIGTERM))])
    finally:
        signal.signal(signal.SIGTERM, before)
    assert attached.run.config["status"] == "finished"


def test_batches_by_hand_are_recorded_until_the_model_is_detached(tmp_path):
    prepare_grappler()
    plain, seen = make(), make()
    attached = attach(seen, tmp_path / "run")
    for model in (plain, seen):
        for place in range(0, 40, 10):
            model.train_on_batch(X[place : place + 10], Y[place : place + 10])
    for before, after in zip(state(plain), state(seen), strict=True):
        np.testing.assert_array_equal(before, after)
    attached.detach()
    assert attached.run.config["status"] == "finished"
    assert attached.run.steps["epoch"].to_pylist() == [None] * 4


class Pieces(keras.utils.PyDataset):
    """A data set in Python."""

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> Any:
        place = slice(10 * index, 10 * index + 10)
        return X[place], Y[place], np.full(10, 0.5)


def endless() -> Any:
    while True:
        yield X[:10], Y[:10]
        yield X[10:15], Y[10:15]


@pytest.mark.parametrize(
    ("data", "more", "sizes"),
    [
        (lambda: Pieces(workers=2, use_multiprocessing=False), {}, [10, 10, 10]),
        (lambda: tf.data.Dataset.from_tensor_slices((X, Y)).batch(16), {}, [16, 16, 8]),
        (endless, {"steps_per_epoch": 2}, [10, 5]),
    ],
    ids=["PyDataset", "tf.data", "generator"],
)
def test_data_of_any_kind_arrive(tmp_path, data, more, sizes):
    prepare_grappler()
    plain, seen = make(), make()
    attached = attach(seen, tmp_path / "run")
    for model in (plain, seen):
        model.fit(data(), epochs=2, verbose=0, shuffle=False, **more)
    for before, after in zip(state(plain), state(seen), strict=True):
        np.testing.assert_array_equal(before, after)
    assert attached.run.steps["batch_size"].to_pylist() == sizes * 2


def test_keras_runs_its_parts_as_we_know_it():
    """The private names of Keras that `attach` and live models rely on."""
    model = make()
    function = model._functional
    for name in ("_run_through_graph", "_nodes_by_depth", "_inputs"):
        assert hasattr(function, name), name
    node = next(iter(model.get_layer("fc")._inbound_nodes))
    assert node.operation is model.get_layer("fc")
    for name in ("_make_function", "_symbolic_build", "_compute_loss", "_loss_tracker"):
        assert hasattr(model, name), name
    assert {"_compile_loss", "_compile_metrics", "_distribute_strategy"} <= set(vars(model))
    assert {"_iterations", "_trainable_variables"} <= set(vars(model.optimizer)) | set(
        dir(model.optimizer)
    )
