"""What Keras exports, read back without TensorFlow and recognised, built again with its weights."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

keras = pytest.importorskip("keras")
pytestmark = pytest.mark.tf

from keras import layers  # noqa: E402

from opgraph.analysis import analyze  # noqa: E402
from opgraph.errors import FormatError  # noqa: E402
from opgraph.formats import read  # noqa: E402
from opgraph.runtime import build, start  # noqa: E402

APPLICATIONS = (
    "MobileNetV3Small",
    "MobileNet",
    "MobileNetV2",
    "NASNetMobile",
    "EfficientNetB0",
    "MobileNetV3Large",
    "ConvNeXtTiny",  # layer normalisation, GELU, LayerScale
)


def images() -> Any:
    """Of every layer that a network of images is made of, one."""
    x = keras.Input((16, 16, 3), name="image")
    y = layers.Rescaling(1 / 127.5, offset=-1, name="rescale")(x)
    y = layers.ZeroPadding2D(1, name="pad")(y)
    y = layers.Conv2D(8, 3, name="conv_1")(y)
    y = layers.BatchNormalization(name="bn_1", epsilon=1e-4)(y)
    y = layers.ReLU(name="relu_1")(y)
    y = layers.DepthwiseConv2D(3, padding="same", name="depth")(y)
    y = layers.BatchNormalization(name="bn_2", scale=False)(y)
    y = layers.ReLU(6, name="relu6")(y)
    y = layers.MaxPooling2D(2, name="pool")(y)
    a = layers.Conv2D(8, 3, padding="same", activation="relu", name="conv_2")(y)
    b = layers.Conv2D(8, 3, padding="same", activation="silu", groups=2, name="conv_3")(y)
    y = layers.Add(name="add")([a, b])
    y = layers.Concatenate(name="cat")([y, a])
    y = layers.SeparableConv2D(12, 3, strides=2, padding="same", name="sep")(y)
    y = layers.Activation("hard_silu", name="hard")(y)
    z = layers.GlobalAveragePooling2D(name="gap")(y)
    z = layers.Reshape((1, 1, 12), name="reshape")(z)
    z = layers.Conv2D(12, 1, activation="sigmoid", name="excite")(z)
    y = layers.Multiply(name="mul")([y, z])
    y = layers.LeakyReLU(negative_slope=0.2, name="leaky")(y)
    y = layers.Conv2DTranspose(4, 3, strides=2, padding="same", name="up")(y)
    y = layers.AveragePooling2D(2, name="average")(y)
    y = layers.Dropout(0.5, name="drop")(y)
    y = layers.Flatten(name="flat")(y)
    return keras.Model(x, layers.Dense(10, activation="softmax", name="fc")(y), name="net")


def tokens() -> Any:
    x = keras.Input((5,), dtype="int32", name="tokens")
    y = layers.Embedding(20, 8, name="embed")(x)
    y = layers.LayerNormalization(name="norm")(y)
    y = layers.Dense(6, activation="gelu", name="rows")(y)
    y = layers.Conv1D(4, 3, padding="same", name="narrow")(y)
    return keras.Model(x, layers.Dense(2, name="head")(y), name="seq")


def stir(model: Any) -> None:
    chance = np.random.default_rng(7)
    for variable in model.variables:
        if variable.dtype != "float32":
            continue
        low, high = (0.5, 1.5) if variable.name in ("moving_variance", "gamma") else (-0.3, 0.3)
        variable.assign(chance.uniform(low, high, variable.shape))


def frozen(model: Any, folder: Path) -> Path:
    """The model as one GraphDef with its weights as constants."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    signature = tf.TensorSpec(model.inputs[0].shape, model.inputs[0].dtype, name="x")
    function = tf.function(lambda x: model(x, training=False)).get_concrete_function(signature)
    graph = convert_variables_to_constants_v2(function).graph.as_graph_def()
    path = folder / f"{model.name}.pb"
    path.write_bytes(graph.SerializeToString())
    return path


@pytest.fixture(scope="module")
def exports(tmp_path_factory):
    """Each model with the files that hold it."""
    folder = tmp_path_factory.mktemp("exports")
    found = {}
    for make in (images, tokens):
        model = make()
        stir(model)
        model.export(folder / model.name, verbose=False)
        model.save(folder / f"{model.name}.keras")
        found[make.__name__] = SimpleNamespace(
            model=model,
            keras=folder / f"{model.name}.keras",
            saved_model=folder / model.name,
            frozen=frozen(model, folder),
        )
    return found


def data(model: Any) -> np.ndarray:
    shape = (3, *model.inputs[0].shape[1:])
    chance = np.random.default_rng(0)
    if model.inputs[0].dtype == "int32":
        return chance.integers(0, 20, shape).astype("int32")
    return chance.uniform(0, 255, shape).astype("float32")


@pytest.mark.parametrize("form", ["saved_model", "frozen"])
@pytest.mark.parametrize("make", ["images", "tokens"])
def test_every_layer_is_recognised_by_name(exports, make, form):
    source, graph = read(exports[make].keras), read(getattr(exports[make], form))
    inputs = {node.name for node in source if node.kind.kind == "Input"}
    wanted = {
        node.name: node.kind.kind
        for node in source
        if node.kind.kind != "Dropout" and node.name not in inputs
    }
    found = {n.name: n.kind.kind for n in graph if n.kind.kind != "Input"}
    same = {"relu6": "ReLU6", "hard": "HardSiLU"}  # another name for what the layer does
    assert found == {**wanted, **{name: same[name] for name in same if name in wanted}}
    facts, theirs = analyze(graph).require(), analyze(source).require()
    assert facts.totals.params == theirs.totals.params
    for name in found:
        assert facts[name].outputs == theirs[name].outputs, name


@pytest.mark.parametrize("form", ["saved_model", "frozen"])
@pytest.mark.parametrize("make", ["images", "tokens"])
def test_weights_are_those_of_the_model_and_outputs_too(exports, make, form):
    case = exports[make]
    graph = read(getattr(case, form))
    for node in graph:
        layer = None if node.kind.kind == "Input" else case.model.get_layer(node.name)
        known = [] if layer is None else [np.asarray(value) for value in layer.weights]
        found = [source.read() for source in node.origin.weights.values()]
        assert len(found) == len(known), node.name
        for one, other in zip(found, known, strict=True):
            np.testing.assert_array_equal(one, other)
    built = build(graph)
    started = start(built, True)
    assert (started.kept, started.unused) == ((), ())
    batch = data(case.model)
    wanted = np.asarray(case.model(batch, training=False))
    np.testing.assert_allclose(built.model(batch, training=False), wanted, atol=1e-5)


def test_raw_shows_what_batch_normalisation_is_written_as(exports):
    graph = read(exports["images"].saved_model, raw=True)
    kinds = [node.given.get("class_name") for node in graph if "bn_1" in node.name]
    assert {"Rsqrt", "Mul", "Sub", "AddV2", "ReadVariableOp", "VarHandleOp"} <= set(kinds)
    assert analyze(graph).errors == ()


def test_recurrent_layers_stay_as_they_are_written(tmp_path):
    x = keras.Input((5, 3), name="x")
    model = keras.Model(x, layers.Dense(2, name="fc")(layers.LSTM(4, name="lstm")(x)))
    model.export(tmp_path / "m", verbose=False)
    graph = read(tmp_path / "m")
    assert "While" in {node.given.get("class_name") for node in graph}
    assert graph["fc"].op.units == 2
    assert analyze(graph).errors == ()


def test_a_layer_that_is_used_twice_is_shared(tmp_path):
    a, b = keras.Input((6,), name="a"), keras.Input((6,), name="b")
    encode = layers.Dense(4, activation="tanh", name="encode")
    far = layers.Subtract(name="far")([encode(a), encode(b)])
    model = keras.Model([a, b], layers.Dense(1, name="head")(far))
    model.export(tmp_path / "m", verbose=False)
    graph = read(tmp_path / "m")
    assert {node.name: node.shares for node in graph if node.shares} == {"encode@2": "encode"}
    assert analyze(graph).require().totals.params.value == model.count_params()
    built = build(graph)
    start(built, True)
    batch = [np.random.default_rng(i).normal(size=(3, 6)).astype("float32") for i in (0, 1)]
    np.testing.assert_allclose(built.model(batch), model(batch), atol=1e-6)


def test_a_damaged_index_of_variables(exports, tmp_path):
    """200 mutations: the weights, or one clear error."""
    folder = tmp_path / "net"
    shutil.copytree(exports["images"].saved_model, folder)
    index, chance = folder / "variables" / "variables.index", random.Random(3)
    whole, errors = index.read_bytes(), 0
    for number in range(200):
        at = chance.randrange(len(whole))
        bad = bytes([chance.randrange(256)])
        index.write_bytes(whole[:at] if number % 4 == 0 else whole[:at] + bad + whole[at + 1 :])
        try:
            for node in read(folder):
                for source in node.origin.weights.values():
                    source.read()
        except FormatError as error:
            errors += str(error).startswith(str(tmp_path))
    assert errors > 50


@pytest.mark.slow
@pytest.mark.parametrize("name", APPLICATIONS)
def test_applications_are_recognised_and_the_same(name, tmp_path):
    keras.backend.clear_session()
    size = {"input_shape": (224, 224, 3)} if "V3" in name else {}
    model = getattr(keras.applications, name)(weights=None, classifier_activation=None, **size)
    stir_statistics(model)
    model.export(tmp_path / name, verbose=False)
    graph = read(tmp_path / name)
    assert [node.name for node in graph if node.kind.category == "opaque"] == []
    fixed = [one for one in model.layers if isinstance(one, keras.layers.Normalization)]
    written = model.count_params() - sum(one.count_params() for one in fixed)
    assert analyze(graph).require().totals.params.value == written
    built = build(graph)
    started = start(built, True)
    assert (started.kept, started.unused) == ((), ())
    batch = np.random.default_rng(0).uniform(0, 255, (1, *model.input_shape[1:])).astype("float32")
    wanted = np.asarray(model(batch, training=False))
    found = np.asarray(built.model(batch, training=False))
    assert np.abs(found - wanted).max() <= 1e-5 * np.abs(wanted).max()


def stir_statistics(model: Any) -> None:
    chance = np.random.default_rng(7)
    for variable in model.variables:
        if variable.name in ("moving_variance", "gamma", "variance"):
            variable.assign(chance.uniform(0.5, 1.5, variable.shape))
    for layer in model.layers:
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()  # it keeps copies of its statistics
