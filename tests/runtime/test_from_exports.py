"""Keras models exported to ONNX and TFLite, read back, built again from that, and compared."""

from __future__ import annotations

import math

import numpy as np
import pytest

keras = pytest.importorskip("keras")
onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("tf2onnx")
pytest.importorskip("tflite")
litert = pytest.importorskip("ai_edge_litert.interpreter")

from keras import layers  # noqa: E402

from opgraph.analysis import analyze  # noqa: E402
from opgraph.formats import read  # noqa: E402
from opgraph.runtime import build  # noqa: E402
from tests.formats.onnx_models import numbers, saved  # noqa: E402
from tests.formats.test_onnx import CASES  # noqa: E402
from tests.formats.test_tflite import CASES as OPERATORS  # noqa: E402
from tests.formats.test_tflite import one  # noqa: E402

pytestmark = pytest.mark.tf


def image():
    """Everything that a converter turns to and fro; batch norm that it folds into kernels."""
    x = inputs = keras.Input((12, 12, 3), name="image")
    x = layers.Conv2D(4, 3, padding="same", name="conv_a", bias_initializer="normal")(x)
    x = layers.BatchNormalization(name="bn_a", beta_initializer="normal")(x)
    x = layers.ReLU(name="relu_a")(x)
    x = layers.MaxPooling2D(3, strides=2, padding="same", name="pool_a")(x)
    x = layers.DepthwiseConv2D(3, padding="same", bias_initializer="normal", name="dw")(x)
    x = layers.Activation("swish", name="act_b")(x)
    y = layers.Conv2D(4, 1, use_bias=False, name="conv_c")(x)
    x = layers.Concatenate(name="cat")([layers.Add(name="add")([x, y]), y])
    x = layers.Conv2DTranspose(5, 2, strides=2, bias_initializer="normal", name="up")(x)
    x = layers.ZeroPadding2D(((1, 2), (3, 0)), name="zeros")(x)
    x = layers.AveragePooling2D(2, name="pool_b")(layers.LeakyReLU(name="leaky")(x))
    z = layers.Flatten(name="flat")(x)
    x = layers.GlobalAveragePooling2D(name="gap")(x)
    x = layers.Concatenate(name="both")([layers.Dropout(0.3, name="drop")(x), z])
    x = layers.Dense(7, activation="relu", bias_initializer="normal", name="fc")(x)
    return keras.Model(inputs, layers.Dense(4, activation="softmax", name="probs")(x))


def sequence():
    """A table that is read from both ends, an LSTM, a norm written out, products by rows."""
    inputs = keras.Input((9,), dtype="int32", name="tokens")
    x = layers.Embedding(20, 6, name="table")(inputs)
    x = layers.LSTM(5, return_sequences=True, bias_initializer="normal", name="lstm")(x)
    x = layers.Dense(6, activation="tanh", bias_initializer="normal", name="fc")(x)
    x = layers.LayerNormalization(
        gamma_initializer="normal", beta_initializer="normal", name="norm"
    )(x)
    x = layers.GlobalAveragePooling1D(name="mean")(x)
    return keras.Model(inputs, layers.Dense(2, activation="sigmoid", name="out")(x))


def line():
    """One axis, for which formats and converters use two."""
    x = inputs = keras.Input((14, 3), name="x")
    x = layers.Conv1D(5, 3, padding="same", activation="relu", name="conv_a")(x)
    x = layers.LeakyReLU(name="between")(layers.MaxPooling1D(2, name="pool_a")(x))
    x = layers.DepthwiseConv1D(3, depth_multiplier=2, bias_initializer="normal", name="dw")(x)
    x = layers.Conv1D(4, 2, strides=2, bias_initializer="normal", name="conv_b")(x)
    x = layers.GlobalMaxPooling1D(name="last")(x)
    return keras.Model(inputs, layers.Dense(2, name="out")(x))


EXPECTED = {
    line: {"Conv1D": 2, "DepthwiseConv1D": 1, "MaxPooling1D": 1, "GlobalMaxPooling1D": 1},
    image: {"Conv2D": 2, "DepthwiseConv2D": 1, "SiLU": 1, "Conv2DTranspose": 1, "Dense": 2,
            "MaxPooling2D": 1, "AveragePooling2D": 1, "GlobalAveragePooling2D": 1,
            "ZeroPadding2D": 1, "LeakyReLU": 1, "Concatenate": 2, "Add": 1, "Softmax": 1},
    sequence: {"Embedding": 1, "LSTM": 1, "Dense": 2, "LayerNormalization": 1, "Tanh": 1,
               "GlobalAveragePooling1D": 1, "Sigmoid": 1},
}  # fmt: skip


EXPORTS = [
    (image, "onnx"),
    (sequence, "onnx"),
    (line, "onnx"),
    (image, "litert"),
    (line, "litert"),
]


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """The path of a model's export, made once."""
    made = {}

    def get(make, form="onnx"):
        if (make, form) not in made:
            keras.utils.set_random_seed(3)
            model = make()
            model(example(model))
            suffix = {"onnx": "onnx", "litert": "tflite"}[form]
            made[make, form] = tmp_path_factory.mktemp(form) / f"{make.__name__}.{suffix}"
            model.export(made[make, form], format=form, verbose=False)
        return made[make, form]

    return get


def run(path, x):
    """What the format's own runtime computes."""
    if path.suffix == ".onnx":
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        return session.run(None, {session.get_inputs()[0].name: x})[0]
    interpreter = litert.Interpreter(str(path))
    (taken,), (given,) = interpreter.get_input_details(), interpreter.get_output_details()
    interpreter.resize_tensor_input(taken["index"], x.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(taken["index"], x)
    interpreter.invoke()
    return interpreter.get_tensor(given["index"])


def example(model):
    rng = np.random.default_rng(0)
    (tensor,) = model.inputs
    shape = (2, *tensor.shape[1:])
    if "int" in tensor.dtype:
        return rng.integers(0, 20, shape).astype(tensor.dtype)
    return rng.normal(size=shape).astype(tensor.dtype)


def rebuild(graph):
    """The Keras model of what was read, with the weights that it holds."""
    built = build(analyze(graph).require().graph)
    for name, variable in built.weight_names.items():
        node = max((n for n in graph.nodes if name.startswith(f"{n}/")), key=len)
        variable.assign(graph[node].origin.weights[name.removeprefix(f"{node}/")].read())
    return built.model


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize(("make", "form"), EXPORTS)
def test_what_is_read_computes_the_same(make, form, exported):
    path = exported(make, form)
    model = rebuild(read(path))
    x = example(model)
    np.testing.assert_allclose(model(x, training=False), run(path, x), atol=1e-5)


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize(("make", "form"), EXPORTS)
def test_everything_is_recognised(make, form, exported):
    path = exported(make, form)
    kinds = [node.kind.kind for node in read(path)]
    assert "Opaque" not in kinds
    assert {kind: kinds.count(kind) for kind in EXPECTED[make]} == EXPECTED[make]


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_parameters_are_the_arrays_of_the_file(exported):
    path = exported(image)
    arrays = [onnx.numpy_helper.to_array(t) for t in onnx.load(path).graph.initializer]
    counted = sum(math.prod(a.shape) for a in arrays if a.dtype == np.float32 and a.ndim)
    assert analyze(read(path, raw=True)).totals.params.value == counted
    totals = analyze(read(path)).totals
    assert totals.trainable.value == counted
    assert totals.non_trainable.value == 2 * 4  # mean 0 and variance 1, which no file holds


@pytest.mark.parametrize("case", CASES)
def test_each_operation_computes_the_same(case, tmp_path):
    kind, attrs, arrays, shape, *_ = CASES[case]
    nodes = [(kind, ("x", *arrays), "y", attrs)]
    path = saved(tmp_path / "m.onnx", nodes, shape, opset=20 if kind == "Gelu" else 18, **arrays)
    model = rebuild(read(path))
    x = example(model)
    np.testing.assert_allclose(model(x, training=False), run(path, x), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("case", [case for case in OPERATORS if OPERATORS[case][5]])
def test_each_operator_of_tflite_computes_the_same(case, tmp_path):
    kind, shape, out, arrays, options, *_ = OPERATORS[case]
    path = tmp_path / "m.tflite"
    path.write_bytes(one(kind, shape, out, arrays, **options))
    model = rebuild(read(path))
    x = example(model)[:1]
    np.testing.assert_allclose(model(x, training=False), run(path, x), atol=1e-5, rtol=1e-5)


GELUS = {
    "x first": [("Mul", ["x", "more"], ["m"], {}), ("Mul", ["m", "half"], ["y"], {})],
    "half first": [("Mul", ["half", "more"], ["m"], {}), ("Mul", ["m", "x"], ["y"], {})],
    "half of x": [("Mul", ["x", "half"], ["m"], {}), ("Mul", ["m", "more"], ["y"], {})],
}


@pytest.mark.parametrize("case", GELUS)
@pytest.mark.parametrize("half", [0.5, 0.4])
def test_gelu_written_out(case, half, tmp_path):
    arrays = {"root": np.float32(2**0.5), "one": np.float32(1), "half": np.float32(half)}
    nodes = [
        ("Div", ["x", "root"], ["d"], {}),
        ("Erf", ["d"], ["e"], {}),
        ("Add", ["e", "one"], ["more"], {}),
        *GELUS[case],
    ]
    path = saved(tmp_path / "m.onnx", nodes, (None, 5), **arrays)
    graph = read(path)
    assert ([node.kind.kind for node in graph] == ["Input", "GELU"]) == (half == 0.5)
    if half == 0.5:
        model = rebuild(graph)
        x = example(model)
        np.testing.assert_allclose(model(x, training=False), run(path, x), atol=1e-5)


RECURRENT = {
    # case: (op, gates, port that is read, attributes)
    "lstm, all steps": ("LSTM", 4, 0, {}),
    "lstm, last step": ("LSTM", 4, 1, {}),
    "lstm, from its end": ("LSTM", 4, 1, {"direction": "reverse"}),
    "gru, reset before": ("GRU", 3, 0, {}),
    "gru, reset behind": ("GRU", 3, 0, {"linear_before_reset": 1}),
    "rnn": ("RNN", 1, 0, {"activations": ["Relu"]}),
}


@pytest.mark.parametrize("case", RECURRENT)
def test_recurrent_operators_of_others_compute_the_same(case, tmp_path):
    kind, gates, port, attrs = RECURRENT[case]
    arrays = {"w": numbers(1, 3 * gates, 4), "r": numbers(1, 3 * gates, 3, seed=1) / 2}
    arrays |= {"b": numbers(1, 6 * gates, seed=2), "axis": np.array([1 - port])}
    nodes = [
        ("Transpose", ["x"], ["t"], {"perm": [1, 0, 2]}),
        (kind, ["t", "w", "r", "b"], ["all", ""] if port == 0 else ["", "last"],
         {"hidden_size": 3, **attrs}),
        ("Squeeze", [("all", "last")[port], "axis"], ["s"], {}),
        ("Transpose", ["s"], ["y"], {"perm": [1, 0, 2]}) if port == 0
        else ("Identity", ["s"], ["y"], {}),
    ]  # fmt: skip
    path = saved(tmp_path / "m.onnx", nodes, (None, 5, 4), **arrays)
    graph = read(path)
    assert not [node for node in graph if node.kind.category == "opaque"]
    model = rebuild(graph)
    x = example(model)
    np.testing.assert_allclose(model(x, training=False), run(path, x), atol=1e-5)


def test_all_steps_from_the_end_are_no_layer_of_keras(tmp_path):
    nodes = [
        ("Transpose", ["x"], ["t"], {"perm": [1, 0, 2]}),
        ("RNN", ["t", "w", "r"], ["l", ""], {"hidden_size": 3, "direction": "reverse"}),
        ("Squeeze", ["l", "axis"], ["y"], {}),
    ]
    arrays = {"w": numbers(1, 3, 4), "r": numbers(1, 3, 3), "axis": np.array([1])}
    graph = read(saved(tmp_path / "m.onnx", nodes, (None, 5, 4), **arrays))
    assert [n.given["class_name"] for n in graph if n.kind.category == "opaque"] == [
        "Transpose",
        "RNN",
    ]


APPLICATIONS = [
    ("MobileNet", 96),
    ("MobileNetV2", 96),
    ("MobileNetV3Small", 96),
    ("DenseNet121", 64),
    ("ResNet50", 64),
    ("NASNetMobile", 96),
]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("form", ["onnx", "litert"])
@pytest.mark.parametrize(("name", "size"), APPLICATIONS)
def test_applications_are_recognised_and_compute_the_same(name, size, form, exported):
    def make():
        cls = getattr(keras.applications, name)
        return cls(weights=None, input_shape=(size, size, 3), include_top=False, pooling="avg")

    make.__name__ = name
    path = exported(make, form)
    graph = read(path)
    assert [n.given["class_name"] for n in graph if n.kind.category == "opaque"] == []
    rebuilt = rebuild(graph)
    x = example(rebuilt)
    expected = run(path, x)
    np.testing.assert_allclose(rebuilt(x, training=False), expected, atol=1e-5, rtol=1e-4)
