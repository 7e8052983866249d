"""A live Keras model as what `build` would have made of its graph."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

keras = pytest.importorskip("keras")
pytestmark = pytest.mark.tf

import opgraph  # noqa: E402
from opgraph.errors import BuildError, TraceError  # noqa: E402
from opgraph.formats import to_json  # noqa: E402
from opgraph.graph import Endpoint, OpGraph  # noqa: E402
from opgraph.runtime import build, restore, trace  # noqa: E402
from opgraph.runtime.compiled import compiled_settings  # noqa: E402
from opgraph.runtime.data import Data, Split  # noqa: E402
from opgraph.runtime.live import built_of, opaque_built  # noqa: E402
from opgraph.runtime.state import named_variables  # noqa: E402

L = keras.layers
RANDOM = np.random.default_rng(0)


def sequential() -> Any:
    layers = [L.Input((6,)), L.Dense(5, activation="relu"), L.BatchNormalization()]
    return keras.Sequential([*layers, L.Dropout(0.2), L.Dense(3, activation="softmax")])


def shared() -> Any:
    """A layer with two calls, and two inputs."""
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    dense, norm = L.Dense(5, name="fc"), L.BatchNormalization(name="norm")
    joined = L.Concatenate(name="both")([norm(dense(a)), norm(dense(b))])
    return keras.Model([a, b], L.Dense(3, activation="softmax", name="out")(joined))


def piece(name: str) -> Any:
    x = keras.Input((4,), name="piece")
    h = L.Dropout(0.3, name="drop")(L.BatchNormalization(name="norm")(L.Dense(5, name="fc")(x)))
    return keras.Model(x, h, name=name)


def nested() -> Any:
    """Models inside, of which two have layers of the same names; one of them is called twice."""
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    first, second = piece("first"), piece("second")
    tail = keras.Sequential([L.Input((15,)), L.Dense(6, name="fc"), L.ReLU()], name="tail")
    joined = keras.ops.concatenate([first(a), first(b), second(a)], axis=-1)
    answer = L.Dense(3, activation="softmax", name="out")(tail(keras.ops.tanh(joined) * 2.0))
    return keras.Model([a, b], answer)


def several() -> Any:
    """An output that is read inside as well, and one that is handed back twice."""
    x = keras.Input((6,), name="x")
    h = L.Dense(4, name="h")(x)
    return keras.Model(x, [h, L.Dense(3, name="out")(h), h])


def recurrent() -> Any:
    x = keras.Input((None,), dtype="int32", name="tokens")
    h = L.Embedding(20, 4, mask_zero=True)(x)
    h = L.Bidirectional(L.LSTM(3, dropout=0.1, return_sequences=True))(h)
    h = L.MultiHeadAttention(2, 3, dropout=0.1)(h, h)
    return keras.Model(x, L.Dense(3)(L.GlobalAveragePooling1D()(h)))


MODELS = [sequential, shared, nested, several, recurrent]


def graph_of(model: Any) -> OpGraph:
    return opgraph.read(model).analyze().require().graph


def batch(model: Any, size: int = 5) -> list[np.ndarray]:
    return [
        RANDOM.integers(0, 20, (size, 7)).astype("int32")
        if "int" in x.dtype
        else RANDOM.normal(size=(size, *x.shape[1:])).astype("float32")
        for x in model.inputs
    ]


def answers(model: Any, inputs: list[np.ndarray]) -> list[np.ndarray]:
    found = model(inputs if len(inputs) > 1 else inputs[0])
    return [np.array(x) for x in keras.tree.flatten(found)]


@pytest.mark.parametrize("make", MODELS)
def test_layers_and_weights_are_the_users_own_and_the_answers_the_same(make):
    model = make()
    config, inputs = json.dumps(model.get_config()), batch(model)
    before = answers(model, inputs)
    built = built_of(model, graph_of(model))
    assert {id(v) for v in built.model.variables} == {id(v) for v in model.variables}
    for own, wanted in zip(answers(built.model, inputs), before, strict=True):
        np.testing.assert_array_equal(own, wanted)
    for own, wanted in zip(answers(model, inputs), before, strict=True):
        np.testing.assert_array_equal(own, wanted)
    assert json.dumps(model.get_config()) == config
    assert opgraph.read(model).nodes == opgraph.read(type(model).from_config(
        model.get_config())).nodes  # fmt: skip


@pytest.mark.parametrize("make", MODELS)
def test_the_state_has_the_names_of_a_model_that_is_built_from_the_graph(make):
    model = make()
    graph = graph_of(model)
    live, anew = (named_variables(b) for b in (built_of(model, graph), build(graph, seed=0)))
    assert list(live) == list(anew)
    assert [v.shape for v in live.values()] == [v.shape for v in anew.values()]
    assert [v.trainable for v in live.values()] == [v.trainable for v in anew.values()]


def test_each_call_of_a_shared_layer_has_an_output_of_its_own():
    model = shared()
    built = built_of(model, graph_of(model))
    assert built.layers["fc"] is built.layers["fc@2"] is model.get_layer("fc")
    whole, ends = built.all_outputs_model()
    inputs = batch(model)
    found = dict(zip(ends, answers(whole, inputs), strict=True))
    for name, x in zip(("fc", "fc@2"), inputs, strict=True):
        np.testing.assert_array_equal(found[Endpoint(name)], model.get_layer("fc")(x))


def test_names_of_layers_are_theirs_again_afterwards():
    model = nested()
    built = built_of(model, graph_of(model))
    built.all_outputs_model()
    assert {built.layers[n].name for n in ("first/fc", "second/fc", "tail/fc")} == {"fc"}
    assert {"first/fc/kernel", "second/fc/kernel", "tail/fc/bias"} <= set(built.weight_names)
    assert built.layers["first@2/drop"] is built.layers["first/drop"]


def test_a_subclassed_model_is_refused():
    class Mine(keras.Model):
        def call(self, x: Any) -> Any:
            return x

    graph = graph_of(sequential())
    with pytest.raises(BuildError) as caught:
        built_of(Mine(name="mine"), graph)
    assert str(caught.value) == (
        "mine: a Mine keeps its graph in Python code, which cannot be traced\n"
        "   make it functional: keras.Model(inputs, outputs); or keep model.fit and use"
        " opgraph.attach, which measures its weights"
    )


def test_a_node_without_a_layer_is_named():
    x = keras.Input((4,), name="x")
    model = keras.Model(x, L.Dense(3, name="fc")(x))
    other = keras.Model(x, L.Dense(3, name="fc2")(x))
    with pytest.raises(BuildError) as caught:
        built_of(model, graph_of(other))
    assert str(caught.value) == (
        "fc2: the model has no layer for this node\n   was the model changed after its graph was"
        " read?"
    )


def test_two_parts_of_one_name_are_refused():
    x = keras.Input((4,), name="x")
    twice = L.Dense(4, name="b")
    model = keras.Model(x, L.Dense(3, name="b@2")(twice(twice(x))), name="twice")
    with pytest.raises(BuildError) as caught:
        built_of(model, graph_of(model))
    assert str(caught.value) == (
        "twice: two parts of the model are called 'b@2'\n   give one of the layers another name"
    )


def data_for(model: Any, size: int = 40) -> Data:
    inputs = tuple(batch(model, size))
    labels = RANDOM.integers(0, 3, size).astype("int32")
    split = Split(inputs, (labels,))
    return Data(split, split, 3, ("a", "b", "c"), {"spec": "arrays"})


@pytest.mark.parametrize("make", [sequential, shared, nested])
def test_tracing_trains_the_model_itself_from_the_weights_it_has(make, tmp_path):
    model = make()
    start = {v.path: v.numpy() for v in model.variables}
    graph = graph_of(model)
    built = built_of(model, graph)
    trace(
        built, data_for(model), run_dir=tmp_path / "run", graph_json=to_json(graph),
        steps=6, batch_size=16, optimizer="sgd", learning_rate=0.1,
    )  # fmt: skip
    record = opgraph.open_run(tmp_path / "run").record
    names = {name: f"model/{name}" for name in built.weight_names}
    first, last = record.keyframe(0).arrays, record.keyframe(6).arrays
    for name, variable in built.weight_names.items():
        np.testing.assert_array_equal(last[names[name]], variable.numpy())
        if [v.path for v in model.variables].count(variable.path) == 1:
            np.testing.assert_array_equal(first[names[name]], start[variable.path])
    assert any(not np.array_equal(first[n], last[n]) for n in names.values())
    inputs = batch(model)
    again = restore(tmp_path / "run", graph)
    for own, wanted in zip(answers(again, inputs), answers(model, inputs), strict=True):
        np.testing.assert_allclose(own, wanted, rtol=1e-6, atol=1e-7)


def test_averages_of_nested_weights_are_found_again(tmp_path):
    """Layers of the model that is built again have other names than those that were trained."""
    inner = keras.Sequential([L.Input((6,)), L.Dense(5, name="fc")], name="encoder")
    x = keras.Input((6,))
    model = keras.Model(x, L.Dense(2, name="out")(inner(x)))
    model.compile(keras.optimizers.SGD(0.5, use_ema=True, ema_momentum=0.9), "mse")
    random = np.random.default_rng(0)
    data = (random.normal(size=(40, n)).astype("float32") for n in (6, 2))
    run = opgraph.trace(model, tuple(data), output=tmp_path / "run", steps=4, measure=["norms"])
    found, raw = run.model(), run.model(4)
    for ours, theirs in zip(found.trainable_variables, model.trainable_variables, strict=True):
        assert np.array_equal(ours, theirs)
    assert not np.array_equal(raw.trainable_variables[0], model.trainable_variables[0])


def test_an_opaque_model_names_its_weights():
    class Mine(keras.Model):
        def __init__(self) -> None:
            super().__init__(name="mine")
            self.inner = L.Dense(2, name="inner")

        def call(self, x: Any) -> Any:
            return self.inner(x)

    from opgraph.api.attaching import _one_node  # pyright: ignore[reportPrivateUsage]

    model = Mine()
    model(np.ones((1, 3), np.float32))
    graph = _one_node(model)
    built = opaque_built(model, graph)
    assert list(built.weight_names) == ["mine/inner/kernel", "mine/inner/bias"]
    assert list(graph["mine"].op.weights()) == ["inner/kernel", "inner/bias"]
    assert to_json(graph)["nodes"]


@pytest.mark.parametrize(
    ("arguments", "settings"),
    [
        (
            {"optimizer": "adam", "loss": "sparse_categorical_crossentropy", "metrics": ["acc"]},
            {"optimizer": "adam", "learning_rate": 0.0010000000474974513, "schedule": None,
             "loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"]},
        ),
        (
            {"optimizer": keras.optimizers.SGD(0.5, momentum=0.9, nesterov=True, clipnorm=2.0),
             "loss": keras.losses.Huber(delta=2.0), "metrics": [keras.metrics.MeanSquaredError()]},
            {"optimizer": "sgd(momentum=0.9, nesterov=true)", "learning_rate": 0.5,
             "schedule": None, "clip_norm": 2.0, "loss": "huber(delta=2.0)", "metrics": ["mse"]},
        ),
        (
            {"optimizer": keras.optimizers.AdamW(0.5, beta_1=0.8, use_ema=True, ema_momentum=0.5),
             "loss": keras.losses.mean_squared_error},
            {"optimizer": "adamw(beta_1=0.8)", "learning_rate": 0.5, "schedule": None, "ema": 0.5,
             "loss": "mse"},
        ),
        ({"optimizer": None, "loss": "ce"}, {}),
    ],
    ids=["words", "objects", "ema", "nothing"],
)  # fmt: skip
def test_what_a_model_was_compiled_with_becomes_settings(arguments, settings):
    model = sequential()
    model.compile(**arguments)
    assert compiled_settings(model, graph_of(model)).settings == settings
    from opgraph.runtime.recipe import Recipe

    optimizer = Recipe(**settings).make_optimizer(10)
    if arguments["optimizer"] is not None:
        wanted = keras.optimizers.get(arguments["optimizer"]).get_config()
        found = optimizer.get_config()
        assert {k: v for k, v in found.items() if k != "name"} == pytest.approx(
            {k: v for k, v in wanted.items() if k != "name"}
        )


def test_the_number_of_the_top_classes_is_kept():
    model = sequential()
    kinds = keras.metrics
    metrics = [kinds.SparseTopKCategoricalAccuracy(k=3), kinds.TopKCategoricalAccuracy(k=2)]
    model.compile("sgd", "mse", metrics=[*metrics, "sparse_top_k_categorical_accuracy", "auc"])
    found = compiled_settings(model, graph_of(model))
    assert sorted(found.settings["metrics"]) == [f"top_{k}_accuracy" for k in (2, 3, 5)]
    assert found.left_out == ("auc",)


def test_losses_of_several_outputs_belong_to_their_nodes():
    x = keras.Input((6,), name="x")
    a, b = L.Dense(3, name="a")(x), L.Dense(2, name="b")(x)
    model = keras.Model(x, [a, b])
    logits = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", [logits, "mae"], loss_weights=[1.0, 0.5], metrics=[["accuracy"], ["mae"]])
    found = compiled_settings(model, graph_of(model), given=("optimizer",)).settings
    assert found == {
        "loss": {"a": "sparse_categorical_crossentropy(from_logits=true)", "b": "mae"},
        "loss_weights": {"a": 1.0, "b": 0.5},
        "metrics": ["accuracy", "mae"],
    }


def test_what_the_user_gives_is_not_asked_of_the_model():
    model = sequential()
    schedule = keras.optimizers.schedules.CosineDecay(0.1, 100)
    model.compile(keras.optimizers.SGD(schedule), "mse", metrics=["auc"])
    graph = graph_of(model)
    assert compiled_settings(model, graph, ("optimizer", "loss")).left_out == ("auc",)
    assert compiled_settings(model, graph, ("learning_rate",)).settings["optimizer"] == "sgd"
    with pytest.raises(TraceError) as caught:
        compiled_settings(model, graph)
    assert str(caught.value) == (
        "learning_rate: the learning rate of the model is a CosineDecay of Keras's\n"
        "   say learning_rate= and schedule= to trace, as in schedule='cosine(warmup=50)'"
    )


def test_accumulation_in_the_optimizer_has_other_words_here():
    model = sequential()
    model.compile(keras.optimizers.SGD(0.1, gradient_accumulation_steps=4), "mse")
    with pytest.raises(TraceError) as caught:
        compiled_settings(model, graph_of(model))
    assert str(caught.value) == (
        "optimizer: gradient_accumulation_steps=4 counts batches, opgraph divides one\n"
        "   say batch_size= and accumulate= to trace"
    )


def test_an_optimizer_of_the_users_own_is_refused_by_name():
    class Mine(keras.optimizers.SGD):
        """Another."""

    model = sequential()
    model.compile(Mine(0.1), "mse")
    with pytest.raises(TraceError) as caught:
        compiled_settings(model, graph_of(model))
    assert str(caught.value) == (
        "optimizer: Mine is none of opgraph's optimizers\n"
        "   say another: optimizer=sgd | momentum | nesterov | rmsprop | adam | adamw | ..."
    )
