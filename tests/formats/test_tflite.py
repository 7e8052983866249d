"""TFLite files: what their operators are, functions taken apart, and what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest

tflite = pytest.importorskip("tflite")
flatbuffers = pytest.importorskip("flatbuffers")

from opgraph.analysis import analyze  # noqa: E402
from opgraph.errors import FormatError  # noqa: E402
from opgraph.formats import read  # noqa: E402

TYPES = {
    "float32": tflite.TensorType.FLOAT32,
    "float16": tflite.TensorType.FLOAT16,
    "int32": tflite.TensorType.INT32,
    "int8": tflite.TensorType.INT8,
}


class Writer:
    """Writes a model of one graph, whose batch is not known."""

    def __init__(self):
        self.builder = flatbuffers.Builder(1024)
        self.tensors, self.buffers = [], [None]
        self.operators, self.codes = [], []

    def table(self, name, **fields):
        """A table of the schema, from the offsets and numbers of its fields."""
        b = self.builder
        module = __import__(f"tflite.{name}", fromlist=["x"])
        getattr(module, f"{name}Start")(b)
        for field, value in fields.items():
            getattr(module, f"{name}Add{field}")(b, value)
        return getattr(module, f"{name}End")(b)

    def vector(self, numbers, size=4):
        b = self.builder
        if size == 1:
            return b.CreateByteVector(bytes(numbers))
        return b.CreateNumpyVector(np.asarray(numbers, "int32"))

    def offsets(self, items):
        b = self.builder
        b.StartVector(4, len(items), 4)
        for item in reversed(items):
            b.PrependUOffsetTRelative(item)
        return b.EndVector()

    def tensor(self, name, shape, array=None, dtype="float32", **quantization):
        self.buffers.append(None if array is None else np.ascontiguousarray(array).tobytes())
        shown = [1 if dim is None else dim for dim in shape]
        fields = {
            "Shape": self.vector(shown),
            "Type": TYPES[dtype],
            "Buffer": len(self.buffers) - 1,
        }
        if None in shape:
            fields["ShapeSignature"] = self.vector([-1 if dim is None else dim for dim in shape])
        if quantization:
            vectors = {n: self.builder.CreateNumpyVector(x) for n, x in quantization.items()
                       if n != "QuantizedDimension"}  # fmt: skip
            axis = {k: v for k, v in quantization.items() if k not in vectors}
            fields["Quantization"] = self.table("QuantizationParameters", **vectors, **axis)
        fields["Name"] = self.builder.CreateString(name)
        self.tensors.append(self.table("Tensor", **fields))
        return len(self.tensors) - 1

    def operator(self, kind, inputs, outputs, options=None, **fields):
        self.codes.append(getattr(tflite.BuiltinOperator, kind))
        made = {"OpcodeIndex": len(self.codes) - 1, "Inputs": self.vector(inputs),
                "Outputs": self.vector(outputs)}  # fmt: skip
        if options:
            made["BuiltinOptions"] = self.table(options, **fields)
            made["BuiltinOptionsType"] = getattr(tflite.BuiltinOptions, options)
        self.operators.append(self.table("Operator", **made))

    def content(self, inputs, outputs):
        graph = self.table(
            "SubGraph", Tensors=self.offsets(self.tensors), Inputs=self.vector(inputs),
            Outputs=self.vector(outputs), Operators=self.offsets(self.operators),
            Name=self.builder.CreateString("net"),
        )  # fmt: skip
        codes = [
            self.table("OperatorCode", BuiltinCode=c, DeprecatedBuiltinCode=min(c, 127))
            for c in self.codes
        ]
        buffers = [
            self.table("Buffer", **({} if x is None else {"Data": self.vector(x, 1)}))
            for x in self.buffers
        ]
        model = self.table(
            "Model",
            Version=3,
            OperatorCodes=self.offsets(codes),
            Subgraphs=self.offsets([graph]),
            Buffers=self.offsets(buffers),
        )
        self.builder.Finish(model, file_identifier=b"TFL3")
        return bytes(self.builder.Output())


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def one(kind, shape, out, arrays=(), name="layer/op", options=None, **fields):
    """A model of one operator on `x` and constants; `options` and its fields are the schema's."""
    writer = Writer()
    inputs = [writer.tensor("x", shape)]
    for at, array in enumerate(arrays):
        inputs.append(writer.tensor(f"layer/w{at}", array.shape, array, array.dtype.name))
    last = writer.tensor(name, out)
    writer.operator(kind, inputs, [last], options, **fields)
    return writer.content([0], [last])


def graph_of(tmp_path, content, raw=False):
    path = tmp_path / "m.tflite"
    path.write_bytes(content)
    return read(path, raw)


def layers(graph):
    return [(n.kind.kind, dict(n.given)) for n in graph if n.kind.category != "input"]


CONV = {"options": "Conv2DOptions", "StrideH": 2, "StrideW": 1}
POOL = {"options": "Pool2DOptions", "FilterHeight": 2, "FilterWidth": 3, "StrideH": 2, "StrideW": 3}
IMAGE = (None, 8, 9, 3)
CASES = {
    "conv": ("CONV_2D", IMAGE, (None, 4, 9, 5), [numbers(5, 3, 3, 3), numbers(5)], CONV,
             "Conv2D", {"filters": 5, "kernel_size": (3, 3), "strides": (2, 1), "padding": "same"}),
    "conv 3d": ("CONV_3D", (None, 4, 4, 4, 2), (None, 3, 3, 3, 5), [numbers(2, 2, 2, 2, 5)],
                {"options": "Conv3DOptions", "StrideD": 1, "StrideH": 1, "StrideW": 1,
                 "Padding": 1, "DilationDFactor": 1}, "Conv3D",
                {"filters": 5, "kernel_size": (2, 2, 2), "padding": "valid", "use_bias": False}),
    "depthwise": ("DEPTHWISE_CONV_2D", IMAGE, (None, 8, 9, 6), [numbers(1, 3, 3, 6), numbers(6)],
                  {"options": "DepthwiseConv2DOptions", "StrideH": 1, "StrideW": 1},
                  "DepthwiseConv2D", {"kernel_size": (3, 3), "depth_multiplier": 2}),
    "dense": ("FULLY_CONNECTED", (None, 7), (None, 5), [numbers(5, 7)], {}, "Dense",
              {"units": 5, "use_bias": False}),
    "pool": ("MAX_POOL_2D", IMAGE, (None, 4, 3, 3), [], {**POOL, "Padding": 1}, "MaxPooling2D",
             {"pool_size": (2, 3), "strides": (2, 3), "padding": "valid"}),
    "mean": ("MEAN", IMAGE, (None, 3), [np.array([1, 2], "int32")], {}, "GlobalAveragePooling2D",
             {}),
    "pad": ("PAD", IMAGE, (None, 11, 9, 3),
            [np.array([[0, 0], [1, 2], [0, 0], [0, 0]], "int32")], {}, "ZeroPadding2D",
            {"padding": ((1, 2), (0, 0))}),
    "crop": ("STRIDED_SLICE", IMAGE, (None, 5, 9, 3), [np.array([0, 1, 0, 0], "int32"),
             np.array([0, 6, 0, 0], "int32"), np.array([1, 1, 1, 1], "int32")],
             {"options": "StridedSliceOptions", "BeginMask": 13, "EndMask": 13}, "Cropping2D",
             {"cropping": ((1, 2), (0, 0))}),
    "softmax": ("SOFTMAX", (None, 5), (None, 5), [], {"options": "SoftmaxOptions", "Beta": 1.0},
                "Softmax", {"axis": -1}),
    "leaky": ("LEAKY_RELU", (None, 5), (None, 5), [], {"options": "LeakyReluOptions", "Alpha": 0.2},
              "LeakyReLU", {"negative_slope": 0.2}),
    "table": ("GATHER", (None, 6), (None, 6, 4), [], {}, None, {}),
    "reshape": ("RESHAPE", (None, 6), (None, 3, 2), [np.array([-1, 3, 2], "int32")], {}, "Reshape",
                {"target_shape": (3, 2)}),
    "permute": ("TRANSPOSE", (None, 6, 4), (None, 4, 6), [np.array([0, 2, 1], "int32")], {},
                "Permute", {"dims": (2, 1)}),
    "scaled": ("MUL", (None, 5), (None, 5), [np.array(2, "float32")], {}, "Rescaling",
               {"scale": 2.0}),
    "no op": ("CUMSUM", (None, 5), (None, 5), [np.array(1, "int32")], {}, None, {}),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_an_operator_is_an_op(case, tmp_path):
    kind, shape, out, arrays, options, expected, given = CASES[case]
    graph = graph_of(tmp_path, one(kind, shape, out, arrays, **options))
    ((found, values),) = layers(graph)
    if expected is None:
        assert (found, values["class_name"]) == ("Opaque", kind)
    else:
        assert found == expected
        assert {name: values[name] for name in given} == given
    facts = analyze(graph)
    assert not facts.errors
    kept = [a for a in arrays if a.dtype == np.float32 and a.size > 1]
    assert facts.totals.params.value == sum(math.prod(a.shape) for a in kept)


def test_kernels_are_handed_over_as_keras_has_them(tmp_path):
    kernel, depthwise = numbers(5, 3, 2, 4), numbers(1, 3, 2, 8)
    content = one("CONV_2D", (None, 8, 9, 4), (None, 4, 9, 5), [kernel, numbers(5)], **CONV)
    weights = graph_of(tmp_path, content)["w0"].origin.weights
    np.testing.assert_array_equal(weights["kernel"].read(), np.moveaxis(kernel, 0, -1))
    content = one("DEPTHWISE_CONV_2D", (None, 8, 9, 4), (None, 8, 9, 8), [depthwise],
                  options="DepthwiseConv2DOptions", StrideH=1, StrideW=1)  # fmt: skip
    weights = graph_of(tmp_path, content)["w0"].origin.weights
    np.testing.assert_array_equal(weights["kernel"].read(), depthwise.reshape(3, 2, 4, 2))


FUSED = "net/relu/Relu;net/bn/batchnorm/add_1;net/conv/Conv2D;net/bn/batchnorm/sub"


@pytest.mark.parametrize(
    ("name", "raw", "expected"),
    [
        (FUSED, False, ["Conv2D", "ReLU"]),
        (FUSED, True, ["Conv2D relu"]),
        ("net/conv/Conv2D", False, ["Conv2D relu"]),
    ],
)
def test_a_function_that_was_a_layer_is_one_again(tmp_path, name, raw, expected):
    content = one("CONV_2D", IMAGE, (None, 4, 9, 5), [numbers(5, 3, 3, 3), numbers(5)], name,
                  FusedActivationFunction=1, **CONV)  # fmt: skip
    graph = graph_of(tmp_path, content, raw)
    shown = [f"{kind} {given.get('activation') or ''}".strip() for kind, given in layers(graph)]
    assert shown == expected
    if not raw and name == FUSED:
        first, last = (node for node in graph if node.kind.category != "input")
        assert first.origin.names == tuple(FUSED.split(";")[1:])
        assert last.origin.names == ("net/relu/Relu", FUSED)


def test_an_op_without_functions_has_them_behind_it(tmp_path):
    content = one("MUL", (None, 5), (None, 5), [np.array(2, "float32")], options="MulOptions",
                  FusedActivationFunction=3)  # fmt: skip
    assert [kind for kind, _ in layers(graph_of(tmp_path, content))] == ["Rescaling", "ReLU"]


def test_what_is_left_of_a_batch_normalisation(tmp_path):
    writer = Writer()
    x, scale = writer.tensor("x", IMAGE), writer.tensor("s", (3,), numbers(3))
    shift = writer.tensor("t", (3,), numbers(3, seed=1))
    between, last = writer.tensor("bn/mul", IMAGE), writer.tensor("bn/add", IMAGE)
    writer.operator("MUL", [x, scale], [between])
    writer.operator("ADD", [between, shift], [last])
    graph = graph_of(tmp_path, writer.content([x], [last]))
    ((kind, given),) = layers(graph)
    assert (kind, given) == ("BatchNormalization", {"axis": -1, "epsilon": 0.0})
    weights = next(n for n in graph if n.kind.kind == kind).origin.weights
    assert weights["moving_mean"].read().tolist() == [0, 0, 0]
    assert weights["moving_variance"].read().tolist() == [1, 1, 1]
    np.testing.assert_array_equal(weights["beta"].read(), numbers(3, seed=1))


# Quantised numbers -------------------------------------------------------------------------------


def test_quantised_weights_are_what_they_stand_for(tmp_path):
    """By hand: (q - zero) * scale, a scale for each unit."""
    writer = Writer()
    x, y = writer.tensor("x", (None, 2)), writer.tensor("fc/out", (None, 3))
    whole = np.array([[1, 2], [3, 4], [-5, 6]], "int8")
    w = writer.tensor("fc/w", (3, 2), whole, "int8", Scale=np.array([0.5, 2, 1], "float32"),
                      ZeroPoint=np.array([0, 1, 0], "int64"), QuantizedDimension=0)  # fmt: skip
    writer.operator("FULLY_CONNECTED", [x, w], [y])
    weight = graph_of(tmp_path, writer.content([x], [y]))["w"].origin.weights["kernel"]
    assert weight.dtype == "float32"
    assert weight.read().tolist() == [[0.5, 4, -5], [1, 6, 6]]


def test_scales_that_do_not_fit_are_refused(tmp_path):
    writer = Writer()
    x, y = writer.tensor("x", (None, 2)), writer.tensor("fc/out", (None, 3))
    w = writer.tensor("fc/w", (3, 2), np.zeros((3, 2), "int8"), "int8",
                      Scale=np.array([0.5, 2], "float32"))  # fmt: skip
    writer.operator("FULLY_CONNECTED", [x, w], [y])
    assert refused(tmp_path / "m.tflite", writer.content([x], [y])) == (
        "m.tflite: a damaged TFLite file: array 'fc/w' has 2 scales"
    )


@pytest.mark.parametrize("raw", [False, True])
def test_weights_in_half_precision(tmp_path, raw):
    half = numbers(3, 2).astype("float16")
    writer = Writer()
    x, y = writer.tensor("x", (None, 2)), writer.tensor("net/relu/Relu;net/fc/MatMul", (None, 3))
    w = writer.tensor("net/fc/MatMul1", (3, 2), half, "float16")
    d = writer.tensor("net/fc/MatMul2", (3, 2))
    writer.operator("DEQUANTIZE", [w], [d])
    writer.operator("FULLY_CONNECTED", [x, d], [y], "FullyConnectedOptions",
                    FusedActivationFunction=1)  # fmt: skip
    graph = graph_of(tmp_path, writer.content([x], [y]), raw)
    if raw:
        assert [kind for kind, _ in layers(graph)] == ["Opaque", "Opaque"]
        return
    assert list(graph.nodes) == ["x", "fc", "relu"]
    weight = graph["fc"].origin.weights["kernel"]
    np.testing.assert_array_equal(weight.read(), half.T.astype("float32"))


def test_a_file_is_known_by_its_first_bytes(tmp_path):
    path = tmp_path / "model"
    path.write_bytes(one("RELU", (None, 5), (None, 5)))
    assert [kind for kind, _ in layers(read(path))] == ["ReLU"]


# Damage ------------------------------------------------------------------------------------------


def refused(path, content):
    path.write_bytes(content)
    with pytest.raises(FormatError) as caught:
        read(path)
    return str(caught.value).replace(str(path.parent) + "/", "")


def test_what_is_no_tflite_file(tmp_path):
    path = tmp_path / "m.tflite"
    assert refused(path, b"") == "m.tflite: not a TFLite file"
    assert refused(path, b"no TFLite file") == "m.tflite: not a TFLite file"
    assert refused(path, b"\xff\xff\xff\x7fTFL3" + b"\0" * 8) == (
        "m.tflite: a damaged TFLite file: an offset leads out of it"
    )


def test_too_much_to_look_at(tmp_path, monkeypatch):
    monkeypatch.setattr("opgraph.formats.tflite.MOST_ITEMS", 5)
    content = one("CUMSUM", (None, 5), (None, 5))
    assert refused(tmp_path / "m.tflite", content) == (
        "m.tflite: a damaged TFLite file: more than 5 items in its lists"
    )


def test_a_tensor_that_is_not_there(tmp_path):
    writer = Writer()
    x, y = writer.tensor("x", (None, 5)), writer.tensor("y", (None, 5))
    writer.operator("RELU", [7], [y])
    assert refused(tmp_path / "m.tflite", writer.content([x], [y])) == (
        "m.tflite: a damaged TFLite file: there is no tensor 7"
    )


def test_an_array_of_another_size(tmp_path):
    writer = Writer()
    x, y = writer.tensor("x", (None, 7)), writer.tensor("y", (None, 5))
    w = writer.tensor("w", (5, 7), numbers(5, 6))
    writer.operator("FULLY_CONNECTED", [x, w], [y])
    graph = graph_of(tmp_path, writer.content([x], [y]))
    with pytest.raises(FormatError, match=r"array 'w' of float32 \(5, 7\) has 120 bytes"):
        graph["y"].origin.weights["kernel"].read()
