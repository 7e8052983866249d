"""Keras models read through their configuration, built again, and compared number by number."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from opgraph.analysis import analyze
from opgraph.errors import BuildError
from opgraph.formats import read, read_config, read_keras_file, to_source

keras = pytest.importorskip("keras")

from keras import layers, ops  # noqa: E402

from opgraph.runtime import build  # noqa: E402

pytestmark = pytest.mark.tf


def sequential():
    return keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(4, 3, padding="same", kernel_initializer="he_normal"),
            layers.BatchNormalization(axis=3),
            layers.Activation("swish"),
            layers.MaxPooling2D(),
            layers.Conv2D(6, 3, strides=2, kernel_regularizer="l2", use_bias=False),
            layers.Flatten(),
            layers.Dropout(0.3),
            layers.Dense(5, activation="softmax"),
        ],
        name="seq",
    )


def residual():
    x = keras.Input((8, 8, 4), name="x")
    y = layers.Conv2D(4, 3, padding="same", name="c_1")(x)
    y = layers.BatchNormalization(name="bn_1")(y)
    y = layers.ReLU(name="relu_1")(y)
    y = layers.Add(name="add_1")([y, x])
    return keras.Model(x, layers.GlobalAveragePooling2D(name="gap")(y), name="residual")


def shared():
    a, b = keras.Input((6,), name="a"), keras.Input((6,), name="b")
    encode = layers.Dense(4, activation="tanh", name="encode")
    left, right = encode(a), encode(b)
    distance = layers.Subtract(name="distance")([left, right])
    return keras.Model([a, b], layers.Dense(1, name="head")(distance))


def several_outputs():
    """In another order than they are made, one of them read inside, one twice."""
    x = keras.Input((6,), name="x")
    trunk = layers.Dense(5, name="trunk")(x)
    one, two = layers.Dense(2, name="one")(trunk), layers.Dense(3, name="two")(trunk)
    return keras.Model(x, [two, one, trunk, one])


def two_outputs():
    x = keras.Input((6,), name="x")
    trunk = layers.Dense(5, name="trunk")(x)
    return keras.Model(x, [layers.Dense(k, name=f"head{k}")(trunk) for k in (3, 2)])


def dictionaries():
    inputs = {"b": keras.Input((3,), name="second"), "a": keras.Input((4,), name="first")}
    joined = layers.Concatenate()([inputs["b"], inputs["a"]])
    outputs = {"z": layers.Dense(2)(joined), "y": layers.Dense(1)(joined)}
    return keras.Model(inputs, outputs)


def nested():
    x = keras.Input((6,))
    inner = keras.Model(x, [layers.Dense(4, name="q")(x), layers.Dense(2, name="r")(x)], name="in")
    outer_in = keras.Input((6,), name="x")
    q, r = inner(outer_in)
    stack = keras.Sequential([keras.Input((4,)), layers.Dense(3, name="d")], name="stack")
    return keras.Model(outer_in, layers.Concatenate()([stack(q), r]))


def nested_twice():
    x = keras.Input((6,))
    inner = keras.Model(x, [layers.Dense(4, name="q")(x), layers.Dense(4, name="r")(x)], name="in")
    a, b = keras.Input((6,), name="a"), keras.Input((6,), name="b")
    (qa, ra), (qb, rb) = inner(a), inner(b)
    return keras.Model([a, b], [layers.Add()([qa, rb]), qb, ra])


def deeply_nested():
    core = keras.Sequential([keras.Input((4,)), layers.Dense(4, name="d"), layers.ReLU()], name="k")
    x = keras.Input((4,))
    middle = keras.Model(x, core(core(x)), name="middle")
    y = keras.Input((4,), name="y")
    return keras.Model(y, middle(middle(y)))


def attention():
    x = keras.Input((5, 8), name="x")
    y = keras.Input((7, 8), name="y")
    mixed = layers.MultiHeadAttention(2, 4, dropout=0.1, name="cross")(query=x, value=y, key=y)
    mixed = layers.LayerNormalization(name="norm")(mixed + x)
    own = layers.MultiHeadAttention(2, 4, name="own")(mixed, mixed, use_causal_mask=True)
    _, scores = layers.MultiHeadAttention(2, 4, name="seen")(own, own, return_attention_scores=True)
    return keras.Model([x, y], [own, scores])


def dot_attention():
    x, y = keras.Input((5, 8), name="x"), keras.Input((7, 8), name="y")
    return keras.Model(
        [x, y],
        [
            layers.Attention(use_scale=True, name="a")([x, y]),
            layers.AdditiveAttention(name="b")([x, y, y]),
        ],
    )


def states():
    x = keras.Input((5, 8), name="x")
    sequence, h, c = layers.LSTM(4, return_state=True, return_sequences=True, name="enc")(x)
    out = layers.LSTM(4, name="dec")(sequence, initial_state=[h, c])
    last, state = layers.GRU(3, return_state=True, name="gru")(x)
    return keras.Model(x, [out, last, state])


def wrappers():
    x = keras.Input((5, 8), name="x")
    y = layers.Bidirectional(layers.LSTM(3, return_sequences=True), name="bi")(x)
    y = layers.TimeDistributed(layers.Dense(4, activation="relu"), name="td")(y)
    return keras.Model(x, layers.Bidirectional(layers.GRU(2), merge_mode="sum", name="sum")(y))


def masked():
    x = keras.Input((5,), dtype="int32", name="tokens")
    y = layers.Embedding(10, 4, mask_zero=True, name="e")(x)
    y = layers.LSTM(4, return_sequences=True, name="l1")(y)
    y = layers.MultiHeadAttention(2, 2, name="m")(y, y)
    y = layers.LSTM(4, name="l2")(y)
    y = layers.Masking(name="mask")(layers.Reshape((4, 1), name="r")(y))
    return keras.Model(x, layers.GRU(3, name="g")(y))


def arithmetic():
    x = keras.Input((4, 6), name="x")
    y = keras.Input((4, 6), name="y")
    z = ops.relu((x - y) * 2.0 + 3.0) / 4.0
    z = 1.0 - ops.maximum(z, x * y)
    z = ops.concatenate([z, -z], axis=-1)
    z = ops.reshape(z, (-1, 6, 8))[:, 1:4]
    mean = ops.mean(z, axis=1, keepdims=True)
    z = ops.softmax(ops.transpose(z - mean, (0, 2, 1)))
    return keras.Model([x, y], [z, ops.squeeze(ops.expand_dims(mean, -1), 1), ops.max(z, axis=1)])


def unknown_arithmetic():
    """Operations that are no op of opgraph: carried with their arguments."""
    x = keras.Input((4, 6), name="x")
    y = ops.sqrt(ops.abs(x)) ** 2.0
    return keras.Model(x, ops.einsum("bij,bkj->bik", y, ops.cumsum(y, axis=1)))


def frozen():
    model = sequential()
    model.trainable = False
    x = keras.Input((8, 8, 3), name="x")
    return keras.Model(x, layers.Dense(2, name="head")(model(x, training=False)))


def precise():
    x = keras.Input((4,), name="x", dtype="float64")
    return keras.Model(x, layers.Dense(3, dtype="float64", name="d")(x))


def channels_first():
    x = keras.Input((3, 8, 8), name="x")
    y = layers.ZeroPadding2D(1, data_format="channels_first")(x)
    return keras.Model(x, layers.GlobalMaxPooling2D(data_format="channels_first")(y))


def random_layers():
    x = keras.Input((6, 4), name="x")
    y = layers.GaussianNoise(0.2, name="noise")(layers.SpatialDropout1D(0.1, name="drop")(x))
    return keras.Model(x, layers.PReLU(shared_axes=[1], name="p")(y))


MODELS = [
    sequential,
    residual,
    shared,
    several_outputs,
    two_outputs,
    dictionaries,
    nested,
    nested_twice,
    deeply_nested,
    attention,
    dot_attention,
    states,
    wrappers,
    masked,
    arithmetic,
    unknown_arithmetic,
    frozen,
    precise,
    channels_first,
    random_layers,
]


@pytest.fixture(scope="module")
def models():
    """Each model with its graph, made once."""
    made = {}

    def get(make):
        if make not in made:
            keras.utils.set_random_seed(1)
            model = make()
            graph = read_config(json.loads(model.to_json()))
            made[make] = model, graph, build(graph)
        return made[make]

    return get


def counts(model):
    return (
        sum(weight.numpy().size for weight in model.trainable_weights),
        sum(weight.numpy().size for weight in model.non_trainable_weights),
    )


def layer_of(model, node):
    """The layer, and which of its calls, that a node's name speaks of."""
    call = 0
    for part in node.split("/"):
        inside = {item.name: item for item in [*model.layers, *getattr(model, "operations", [])]}
        name, _, number = part.partition("@")
        call = int(number or 1) - 1
        model = inside[name]
    return model, call


@pytest.mark.parametrize("make", MODELS)
def test_the_live_configuration_reads_as_its_json_does(make, models):
    model, graph, _ = models(make)
    assert read_config(model.get_config()) == graph
    assert read_config({"class_name": "Model", "config": model.get_config()}) == graph


@pytest.mark.parametrize("make", MODELS)
def test_parameters_are_those_of_keras(make, models):
    model, graph, built = models(make)
    totals = analyze(graph).require().totals
    assert (totals.trainable.value, totals.non_trainable.value) == counts(model)
    assert counts(built.model) == counts(model)


@pytest.mark.parametrize("make", MODELS)
def test_shapes_are_those_of_keras(make, models):
    model, graph, built = models(make)
    analysis = analyze(graph).require()
    assert [t.shape for t in built.model.inputs] == [t.shape for t in model.inputs]
    assert [t.shape for t in built.model.outputs] == [t.shape for t in model.outputs]
    for end, tensor in built.outputs.items():
        shape = analysis[end.node].outputs[end.port]
        assert shape is None or shape == tuple(tensor.shape[1:]), end
    for name in graph.nodes:
        if re.fullmatch(r"output_\d+", name) or "/" in name or graph[name].kind.kind == "Input":
            continue  # put there by the reader; calls inside nested models are not Keras's own
        layer, call = layer_of(model, name)
        theirs = layer._inbound_nodes[call].output_tensors
        assert [tuple(t.shape[1:]) for t in theirs] == [
            tuple(t.shape[1:]) for end, t in built.outputs.items() if end.node == name
        ]


@pytest.mark.parametrize("make", MODELS)
def test_outputs_are_those_of_keras(make, models):
    model, graph, built = models(make)
    copy_weights(model, graph, built)
    rng = np.random.default_rng(0)
    arrays = [random_input(rng, tensor) for tensor in model.inputs]
    ours = built.model(arrays if len(arrays) > 1 else arrays[0])
    theirs = keras.tree.flatten(call(model, arrays))
    ours = keras.tree.flatten(ours)
    assert len(ours) == len(theirs) > 0
    for a, b in zip(ours, theirs, strict=True):
        assert np.isfinite(b).all()
        np.testing.assert_allclose(a, b, atol=1e-5, rtol=1e-5)


def copy_weights(model, graph, built):
    for name in graph.nodes:
        if graph.owner(name) != name or not getattr(built.layers[name], "weights", ()):
            continue
        layer, _ = layer_of(model, name)
        built.layers[name].set_weights(layer.get_weights())


def random_input(rng, tensor):
    shape = (3, *tensor.shape[1:])
    if "int" in tensor.dtype:
        return rng.integers(0, 4, shape).astype(tensor.dtype)
    return rng.normal(size=shape).astype(tensor.dtype)


def call(model, arrays):
    struct = None if isinstance(model, keras.Sequential) else model.input
    if isinstance(struct, dict):
        return model(dict(zip(sorted(struct), arrays, strict=True)))
    return model(arrays if len(arrays) > 1 else arrays[0])


@pytest.mark.parametrize("make", MODELS)
def test_the_source_builds_the_same_model(make, models):
    _, graph, built = models(make)
    text = to_source(graph)
    space: dict[str, object] = {"__name__": "written"}
    exec(compile(text, "model.py", "exec"), space)
    model = space["build_model"]()
    assert counts(model) == counts(built.model)
    assert [t.shape for t in model.outputs] == [t.shape for t in built.model.outputs]
    model.set_weights(built.model.get_weights())
    rng = np.random.default_rng(0)
    arrays = [random_input(rng, tensor) for tensor in model.inputs]
    ours, theirs = (keras.tree.flatten(call(m, arrays)) for m in (model, built.model))
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("make", [sequential, nested_twice, attention, masked])
def test_a_keras_file_holds_the_same_graph(make, models, tmp_path):
    model, graph, _ = models(make)
    model.save(tmp_path / "m.keras")
    assert read_keras_file(tmp_path / "m.keras") == graph


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("make", [residual, shared, nested_twice, attention, states, wrappers])
def test_a_file_hands_over_every_weight(make, suffix, models, tmp_path):
    model, _, built = models(make)
    path = tmp_path / f"m{suffix}"
    model.save(path)
    graph = read(path)
    copy_weights(model, graph, built)
    for name, variable in built.weight_names.items():
        node = next(n for n in graph.nodes if name.startswith(f"{n}/"))
        weights = graph[node].origin.weights
        np.testing.assert_array_equal(weights[name.removeprefix(f"{node}/")].read(), variable)


def test_shared_layers_become_nodes_that_share(models):
    _, graph, _ = models(shared)
    assert {node.name: node.shares for node in graph if node.shares} == {"encode@2": "encode"}


def test_nested_models_are_put_in_place(models):
    _, graph, _ = models(nested_twice)
    assert {node.name: node.shares for node in graph if "/" in node.name} == {
        "in/q": None,
        "in/r": None,
        "in@2/q": "in/q",
        "in@2/r": "in/r",
    }


def test_a_model_called_twice_in_one_that_is_called_twice_has_one_set_of_weights(models):
    _, graph, _ = models(deeply_nested)
    owners = {graph.owner(name) for name in graph.nodes if name.endswith(("/d", "/d@2"))}
    assert owners == {"middle/k/d"}
    assert [n for n in graph.nodes if n.endswith("d")] == [
        "middle/k/d",
        "middle/k@2/d",
        "middle@2/k/d",
        "middle@2/k@2/d",
    ]


def test_masks_that_keras_computes_are_left_out(models):
    _, graph, _ = models(masked)
    assert list(graph.nodes) == ["tokens", "e", "l1", "m", "l2", "r", "mask", "g"]


def test_arithmetic_needs_only_one_opaque_node(models):
    _, graph, _ = models(arithmetic)
    assert [n.op.class_name for n in graph if n.kind.kind == "Opaque"] == ["GetItem"]


def test_an_explicit_mask_is_kept():
    x = keras.Input((5, 3), name="x")
    mask = keras.Input((5,), dtype="bool", name="mask")
    model = keras.Model([x, mask], layers.LSTM(2, name="l")(x, mask=mask))
    graph = read_config(model.get_config())
    built = build(graph)
    copy_weights(model, graph, built)
    data = [np.ones((1, 5, 3), "float32"), np.array([[True, True, False, False, False]])]
    np.testing.assert_allclose(built.model(data), model(data), rtol=1e-6)
    everything = [data[0], np.ones((1, 5), bool)]
    assert not np.allclose(built.model(data), built.model(everything))


def test_an_unread_part_of_a_nested_model_is_left_out():
    x = keras.Input((6,))
    inner = keras.Model(x, [layers.Dense(4, name="q")(x), layers.Dense(2, name="r")(x)], name="in")
    y = keras.Input((6,), name="y")
    graph = read_config(keras.Model(y, inner(y)[0]).get_config())
    assert list(graph.nodes) == ["y", "in/q"]


def test_a_lambda_is_carried_but_never_run():
    x = keras.Input((4,), name="x")
    model = keras.Model(x, layers.Lambda(lambda t: t * 2, name="twice")(x))
    graph = read_config(json.loads(model.to_json()))
    assert graph["twice"].op.class_name == "Lambda"
    with pytest.raises(BuildError) as caught:
        build(graph)
    assert caught.value.headline == (
        "twice: Lambda runs code of the file that it comes from; opgraph never does"
    )


def test_a_class_of_the_user_is_not_taken_for_keras_own():
    @keras.saving.register_keras_serializable("opgraph_tests")
    class Dense(keras.layers.Layer):
        def call(self, x):
            return x + 1

    x = keras.Input((4,), name="x")
    graph = read_config(keras.Model(x, Dense(name="d")(x)).get_config())
    assert graph["d"].kind.kind == "Opaque"
    np.testing.assert_array_equal(build(graph).model(np.zeros((1, 4), "float32")), np.ones((1, 4)))


APPLICATIONS = [
    ("MobileNetV3Small", 224),
    ("EfficientNetB0", 64),
    ("ResNet50", 64),
    ("DenseNet121", 64),
    ("ConvNeXtTiny", 64),
    ("InceptionResNetV2", 96),
    ("NASNetMobile", 96),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "size"), APPLICATIONS)
def test_applications_are_read_and_built_again(name, size):
    keras.backend.clear_session()
    model = getattr(keras.applications, name)(
        weights=None, input_shape=(size, size, 3), include_top=False, pooling="avg"
    )
    graph = read_config(model.get_config())
    analysis = analyze(graph).require()
    totals = analysis.totals
    assert (totals.trainable.value, totals.non_trainable.value) == counts(model)
    built = build(graph)
    assert counts(built.model) == counts(model)
    for node in graph:
        if "/" in node.name or analysis[node.name].output is None:
            continue
        layer, _ = layer_of(model, node.name)
        assert analysis[node.name].outputs == (tuple(layer.output.shape[1:]),), node.name
    copy_weights(model, graph, built)
    x = np.random.default_rng(0).normal(size=(1, size, size, 3)).astype("float32")
    np.testing.assert_allclose(built.model(x), model(x), atol=1e-5, rtol=1e-4)
