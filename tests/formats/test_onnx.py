"""ONNX files: what their operations are, where their arrays stand, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

from onnx import helper  # noqa: E402

from opgraph.analysis import analyze  # noqa: E402
from opgraph.errors import FormatError  # noqa: E402
from opgraph.formats import read, wire  # noqa: E402
from tests.formats.onnx_models import model, numbers, saved  # noqa: E402


@pytest.fixture
def graph_of(tmp_path):
    """Read what a model becomes."""

    def read_it(*args, raw=False, **kwargs):
        return read(saved(tmp_path / "m.onnx", *args, **kwargs), raw)

    return read_it


def ops(graph):
    return [node.kind.kind for node in graph if node.kind.category != "input"]


def only(graph):
    """The one node beside the inputs: op and attributes."""
    (node,) = (node for node in graph if node.kind.category != "input")
    return node.kind.kind, dict(node.given)


CASES = {
    # case: (op, attributes, arrays, input, expected op, expected attributes)
    "conv": (
        "Conv",
        {"pads": [1, 1, 1, 1]},
        {"w": numbers(4, 3, 3, 3), "b": numbers(4)},
        (None, 3, 8, 8),
        "Conv2D",
        {"filters": 4, "kernel_size": (3, 3), "padding": "same", "data_format": "channels_first"},
    ),
    "conv, strides, no bias": (
        "Conv",
        {"strides": [2]},
        {"w": numbers(4, 3, 5)},
        (None, 3, 9),
        "Conv1D",
        {"filters": 4, "kernel_size": (5,), "strides": (2,), "padding": "valid", "use_bias": False},
    ),
    "depthwise": (
        "Conv",
        {"group": 3},
        {"w": numbers(6, 1, 3, 3)},
        (None, 3, 8, 8),
        "DepthwiseConv2D",
        {"kernel_size": (3, 3), "depth_multiplier": 2, "use_bias": False},
    ),
    "grouped": (
        "Conv",
        {"group": 2},
        {"w": numbers(6, 2, 1, 1)},
        (None, 4, 8, 8),
        "Conv2D",
        {"filters": 6, "groups": 2},
    ),
    "transposed": (
        "ConvTranspose",
        {"strides": [2, 2]},
        {"w": numbers(3, 5, 2, 2)},
        (None, 3, 8, 8),
        "Conv2DTranspose",
        {"filters": 5, "strides": (2, 2), "padding": "valid"},
    ),
    "gemm": (
        "Gemm",
        {"transB": 1},
        {"w": numbers(5, 7), "b": numbers(5)},
        (None, 7),
        "Dense",
        {"units": 5, "use_bias": True},
    ),
    "matmul": ("MatMul", {}, {"w": numbers(7, 5)}, (None, 4, 7), "Dense", {"units": 5}),
    "batch norm": (
        "BatchNormalization",
        {"epsilon": 1e-3},
        {"g": numbers(3), "b": numbers(3), "m": numbers(3), "v": np.abs(numbers(3))},
        (None, 3, 8, 8),
        "BatchNormalization",
        {"axis": 1, "epsilon": 1e-3, "momentum": 0.9},
    ),
    "layer norm": (
        "LayerNormalization",
        {},
        {"g": numbers(7), "b": numbers(7)},
        (None, 4, 7),
        "LayerNormalization",
        {"axis": -1, "epsilon": 1e-5},
    ),
    "group norm": (
        "InstanceNormalization",
        {},
        {"g": numbers(3), "b": numbers(3)},
        (None, 3, 8, 8),
        "GroupNormalization",
        {"groups": -1, "axis": 1},
    ),
    "max pool": (
        "MaxPool",
        {"kernel_shape": [2, 2], "strides": [2, 2]},
        {},
        (None, 3, 8, 8),
        "MaxPooling2D",
        {"pool_size": (2, 2), "strides": (2, 2), "padding": "valid"},
    ),
    "mean pool, same": (
        "AveragePool",
        {"kernel_shape": [3, 3], "auto_pad": "SAME_UPPER"},
        {},
        (None, 3, 8, 8),
        "AveragePooling2D",
        {"pool_size": (3, 3), "strides": (1, 1), "padding": "same"},
    ),
    "global": ("GlobalAveragePool", {}, {}, (None, 3, 8), "GlobalAveragePooling1D",
               {"keepdims": True, "data_format": "channels_first"}),
    "mean of the axes": ("ReduceMean", {"keepdims": 0}, {"axes": np.array([2, 3])},
                         (None, 3, 8, 8), "GlobalAveragePooling2D",
                         {"data_format": "channels_first"}),
    "pad": ("Pad", {}, {"pads": np.array([0, 0, 1, 2, 0, 0, 3, 4])}, (None, 3, 8, 8),
            "ZeroPadding2D", {"padding": ((1, 3), (2, 4)), "data_format": "channels_first"}),
    "crop": ("Slice", {}, {"s": np.array([1, 0, 0]), "e": np.array([-2, 99, 1 << 62]),
             "a": np.array([2, 3, 0])},
             (None, 3, 8, 8), "Cropping2D",
             {"cropping": ((1, 2), (0, 0)), "data_format": "channels_first"}),
    "resize": ("Resize", {"mode": "nearest"}, {"roi": numbers(0),
               "s": np.array([1, 1, 2, 3], "float32")}, (None, 3, 8, 8), "UpSampling2D",
               {"size": (2, 3), "interpolation": "nearest"}),
    "leaky": ("LeakyRelu", {"alpha": 0.2}, {}, (None, 5), "LeakyReLU", {"negative_slope": 0.2}),
    "clip": ("Clip", {}, {"low": np.float32(0), "high": np.float32(6)}, (None, 5), "ReLU",
             {"max_value": 6.0}),
    "prelu": ("PRelu", {}, {"slope": numbers(3, 1, 1)}, (None, 3, 8, 8), "PReLU",
              {"shared_axes": (2, 3)}),
    "softmax": ("Softmax", {"axis": 1}, {}, (None, 3, 8), "Softmax", {"axis": 1}),
    "scaled": ("Mul", {}, {"by": np.float32(0.5)}, (None, 5), "Rescaling", {"scale": 0.5}),
    "moved": ("Sub", {}, {"by": np.float32(2)}, (None, 5), "Rescaling", {"offset": -2.0}),
    "flatten": ("Flatten", {}, {}, (None, 3, 8), "Flatten", {}),
    "reshape": ("Reshape", {}, {"shape": np.array([0, 4, 6])}, (None, 3, 8), "Reshape",
                {"target_shape": (4, 6)}),
    "permute": ("Transpose", {"perm": [0, 2, 1]}, {}, (None, 3, 8), "Permute", {"dims": (2, 1)}),
    "einsum": ("Einsum", {"equation": "nab,bc->nac"}, {"w": numbers(7, 5)}, (None, 4, 7),
               "EinsumDense", {"equation": "nab,bc->nac", "output_shape": (4, 5)}),
    "dropout": ("Dropout", {}, {"ratio": np.float32(0.25)}, (None, 5), "Dropout", {"rate": 0.25}),
    "gelu": ("Gelu", {}, {}, (None, 5), "GELU", {}),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_an_operation_is_an_op(case, graph_of):
    kind, attrs, arrays, shape, expected, given = CASES[case]
    opset = 20 if kind == "Gelu" else 18
    graph = graph_of([(kind, ("x", *arrays), "y", attrs)], shape, opset=opset, **arrays)
    found, values = only(graph)
    assert found == expected
    assert {name: values.get(name) for name in given} == given
    facts = analyze(graph)
    assert not facts.errors
    counted = [
        a for a in arrays.values() if a.dtype == np.float32 and a.size > 1 and kind != "Resize"
    ]
    assert facts.totals.params.value == sum(array.size for array in counted)


OPAQUE = {
    "an approximate gelu": ("Gelu", {"approximate": "tanh"}, {}, (None, 5), 20),
    "a pool with gaps": ("MaxPool", {"kernel_shape": [2, 2], "dilations": [2, 2]}, {}, None, 18),
    "zeros around a pool": ("MaxPool", {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1],
                            "strides": [2, 2]}, {}, None, 18),
    "a scaled gemm": ("Gemm", {"alpha": 0.5}, {"w": numbers(5, 4)}, (None, 5), 18),
    "softmax over the batch": ("Softmax", {"axis": 0}, {}, (None, 5), 18),
    "softmax of old, over two axes": ("Softmax", {"axis": 1}, {}, (None, 5, 3), 11),
    "a scale for each channel": ("Mul", {}, {"by": numbers(3, 1, 1)}, None, 18),
    "strides and gaps": ("Conv", {"strides": [2, 2], "dilations": [2, 2]},
                         {"w": numbers(4, 3, 3, 3)}, None, 18),
    "windows that Keras leaves out": ("MaxPool", {"kernel_shape": [2, 2], "strides": [2, 2],
                                      "ceil_mode": 1}, {}, (None, 3, 7, 7), 18),
    "every other row": ("Slice", {}, {"s": np.array([0]), "e": np.array([8]), "a": np.array([2]),
                        "by": np.array([2])}, None, 18),
    "no op at all": ("Erf", {}, {}, (None, 5), 18),
}  # fmt: skip


@pytest.mark.parametrize("case", OPAQUE)
def test_what_no_op_does_is_carried_opaque(case, graph_of):
    kind, attrs, arrays, shape, opset = OPAQUE[case]
    graph = graph_of(
        [(kind, ("x", *arrays), "y", attrs)], shape or (None, 3, 8, 8), opset=opset, **arrays
    )
    found, given = only(graph)
    assert (found, given["class_name"]) == ("Opaque", kind)
    assert given["settings"]["module"] == "onnx"
    assert {n: given["settings"]["config"][n] for n in attrs} == attrs
    kept = [array for array in arrays.values() if array.dtype == np.float32]
    assert analyze(graph).totals.params.value == sum(array.size for array in kept)


# Layout ------------------------------------------------------------------------------------------

IMAGE = [
    ("Transpose", ["x"], ["t"], {"perm": [0, 3, 1, 2]}),
    ("Conv", ["t", "w"], ["c"], {"pads": [1, 1, 1, 1]}),
    ("BatchNormalization", ["c", "g", "b", "m", "v"], ["n"], {}),
    ("Relu", ["n"], ["r"], {}),
    ("MaxPool", ["r"], ["p"], {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1] * 4}),
    ("Concat", ["p", "p"], ["k"], {"axis": 1}),
    ("Transpose", ["k"], ["y"], {"perm": [0, 2, 3, 1]}),
]
ARRAYS = {
    "w": numbers(4, 3, 3, 3),
    "g": numbers(4),
    "b": numbers(4),
    "m": numbers(4),
    "v": np.abs(numbers(4)),
}


def test_transposes_of_a_converter_are_folded_away(graph_of):
    graph = graph_of(IMAGE, (None, 8, 8, 3), **ARRAYS)
    assert ops(graph) == [
        "Conv2D",
        "BatchNormalization",
        "ReLU",
        "ZeroPadding2D",
        "MaxPooling2D",
        "Concatenate",
    ]
    facts = analyze(graph)
    assert not facts.errors
    assert facts["concat_5"].output == (4, 4, 8)
    assert all("data_format" not in node.given for node in graph)
    assert graph["batchnormalization_2"].given["axis"] == -1
    assert graph["concat_5"].given["axis"] == -1
    assert graph["relu_3"].origin.axes == (0, 3, 1, 2)
    assert graph["relu_3"].origin.names == ("r",)


def test_raw_shows_the_file_as_it_is(graph_of):
    graph = graph_of(IMAGE, (None, 8, 8, 3), raw=True, **ARRAYS)
    assert ops(graph)[:2] == ["Permute", "Conv2D"]
    assert ops(graph)[-1] == "Permute"
    assert graph["conv_1"].given["data_format"] == "channels_first"
    assert analyze(graph)["transpose_6"].output == (4, 4, 8)
    assert graph["relu_3"].origin.axes is None


def test_a_tensor_that_is_needed_as_the_file_has_it_is_turned(graph_of):
    nodes = [*IMAGE[:2], ("Flatten", ["c"], ["y"], {})]
    graph = graph_of(nodes, (None, 8, 8, 3), w=ARRAYS["w"])
    assert ops(graph) == ["Conv2D", "Permute", "Flatten"]
    assert graph["c turned"].given["dims"] == (3, 1, 2)


def test_others_go_on_with_the_channels_last(graph_of):
    nodes = [
        *IMAGE[:2],
        ("Flatten", ["c"], ["f"], {}),
        ("Relu", ["c"], ["r"], {}),
        ("Transpose", ["r"], ["y"], {"perm": [0, 2, 3, 1]}),
    ]
    graph = graph_of(nodes, (None, 8, 8, 3), outputs=("f", "y"), w=ARRAYS["w"])
    assert ops(graph) == ["Conv2D", "Permute", "Flatten", "ReLU"]
    assert graph.inputs("relu_3")[0].node == "conv_1"


def test_a_bias_is_not_taken_along_another_axis(graph_of):
    """All sides are 8, so that only the order of the axes tells them apart."""
    nodes = [*IMAGE[:2], ("Add", ["c", "b"], ["y"], {})]
    arrays = {"w": numbers(8, 8, 3, 3), "b": numbers(8)}  # along the width of the file's tensor
    graph = graph_of(nodes, (None, 8, 8, 8), **arrays)
    assert ops(graph) == ["Conv2D", "Permute", "Opaque"]


# Pieces put together -----------------------------------------------------------------------------


def test_a_bias_behind_a_kernel(graph_of):
    nodes = [("MatMul", ["x", "w"], ["m"], {}), ("Add", ["b", "m"], ["y"], {})]
    graph = graph_of(nodes, (None, 7), w=numbers(7, 5), b=numbers(5))
    assert only(graph) == ("Dense", {"units": 5, "use_bias": True})
    assert graph["matmul_0"].origin.names == ("m", "y")
    np.testing.assert_array_equal(graph["matmul_0"].origin.weights["bias"].read(), numbers(5))


def test_a_second_bias_is_not_lost(graph_of):
    nodes = [("Gemm", ["x", "w", "b"], ["g"], {}), ("Add", ["g", "b"], ["y"], {})]
    graph = graph_of(nodes, (None, 7), w=numbers(7, 5), b=numbers(5))
    assert ops(graph) == ["Dense", "Opaque"]


@pytest.mark.parametrize("read_twice", [False, True])
def test_a_bias_is_only_taken_from_what_nobody_else_reads(graph_of, read_twice):
    nodes = [("Conv", ["x", "w"], ["c"], {}), ("Add", ["c", "b"], ["y"], {})]
    outputs = ("y", "c") if read_twice else ("y",)
    graph = graph_of(nodes, outputs=outputs, w=numbers(4, 3, 1, 1), b=numbers(4, 1, 1))
    assert ("Opaque" in ops(graph)) == read_twice


def test_quantised_weights_are_what_they_stand_for(graph_of):
    nodes = [
        ("DequantizeLinear", ["q", "scale", "zero"], ["w"], {"axis": 1}),
        ("MatMul", ["x", "w"], ["y"], {}),
    ]
    whole = np.array([[1, 3, -5], [2, 4, 6]], "int8")
    arrays = {"q": whole, "scale": np.array([0.5, 2, 1], "float32"), "zero": np.int8([0, 1, 0])}
    graph = graph_of(nodes, (None, 2), **arrays)
    assert ops(graph) == ["Dense"]
    weight = graph["matmul_1"].origin.weights["kernel"]
    assert weight.read().tolist() == [[0.5, 4, -5], [1, 6, 6]]


def test_silu(graph_of):
    nodes = [("Sigmoid", ["x"], ["s"], {}), ("Mul", ["x", "s"], ["y"], {})]
    assert only(graph_of(nodes, (None, 5)))[0] == "SiLU"


@pytest.mark.parametrize("others", [[-1], [1, 2]])
def test_layer_normalisation_written_out(graph_of, others):
    """Variance over other axes than the mean is something else."""
    arrays = {
        "axes": np.array([-1]),
        "others": np.array(others),
        "two": np.float32(2),
        "e": np.float32(1e-3),
    }
    nodes = [
        ("ReduceMean", ["x", "axes"], ["mean"], {}),
        ("Sub", ["x", "mean"], ["d"], {}),
        ("Pow", ["d", "two"], ["square"], {}),
        ("ReduceMean", ["square", "others"], ["variance"], {}),
        ("Add", ["variance", "e"], ["more"], {}),
        ("Sqrt", ["more"], ["root"], {}),
        ("Div", ["d", "root"], ["q"], {}),
        ("Mul", ["q", "g"], ["s"], {}),
        ("Add", ["s", "b"], ["y"], {}),
    ]
    graph = graph_of(nodes, (None, 4, 7), g=numbers(7), b=numbers(7), **arrays)
    if others != [-1]:
        assert "LayerNormalization" not in ops(graph)
        return
    assert only(graph) == ("LayerNormalization", {"axis": -1, "epsilon": 1e-3})
    assert list(graph["add_8"].origin.weights) == ["gamma", "beta"]


def test_shapes_that_are_computed_leave_with_what_needs_them(graph_of):
    nodes = [
        ("Shape", ["x"], ["s"], {"start": 0, "end": 1}),
        ("Concat", ["s", "rest"], ["shape"], {"axis": 0}),
        ("Reshape", ["x", "shape"], ["y"], {}),
    ]
    graph = graph_of(nodes, (None, 4, 6), rest=np.array([8, 3]))
    assert ops(graph) == ["Reshape"]


def test_an_lstm_hands_over_keras_weights(graph_of):
    """The order of gates by arithmetic: input, output, forget, cell becomes i, f, c, o."""
    w = np.arange(4.0, dtype="float32").repeat(2).reshape(1, 8, 1)
    nodes = [
        ("Transpose", ["x"], ["t"], {"perm": [1, 0, 2]}),
        ("LSTM", ["t", "w", "r", "b"], ["l", "", ""], {"hidden_size": 2}),
        ("Squeeze", ["l", "one"], ["q"], {}),
        ("Transpose", ["q"], ["y"], {"perm": [1, 0, 2]}),
    ]
    bias = np.arange(16.0, dtype="float32").reshape(1, 16)
    arrays = {"w": w, "r": numbers(1, 8, 2), "b": bias, "one": np.array([1])}
    graph = graph_of(nodes, (None, 6, 1), **arrays)
    kind, given = only(graph)
    assert (kind, given["units"], given["return_sequences"]) == ("LSTM", 2, True)
    weights = graph["lstm_1"].origin.weights
    assert weights["lstm_cell/kernel"].read().tolist() == [[0, 0, 2, 2, 3, 3, 1, 1]]
    assert weights["lstm_cell/bias"].read().tolist() == [8, 10, 16, 18, 20, 22, 12, 14]


# Ports, outputs, sharing -------------------------------------------------------------------------


def test_several_outputs_have_shapes(graph_of):
    nodes = [
        ("Split", ["x", "at"], ["a", "b"], {"axis": 1}),
        ("Relu", ["b"], ["y"], {}),
    ]
    graph = graph_of(nodes, (None, 5), outputs=("a", "y"), at=np.array([2, 3]))
    facts = analyze(graph)
    assert facts["split_0"].outputs == ((2,), (3,))
    assert facts["relu_1"].output == (3,)
    assert graph.inputs("relu_1")[0].port == 1


def test_outputs_that_are_read_inside_are_marked(graph_of):
    nodes = [("Relu", ["x"], ["r"], {}), ("Tanh", ["r"], ["y"], {})]
    graph = graph_of(nodes, (None, 5), outputs=("r", "y"))
    assert ops(graph) == ["ReLU", "Tanh", "Identity"]
    assert set(graph.sinks) == {"tanh_1", "r"}


def test_one_array_used_twice_is_shared(graph_of):
    nodes = [("MatMul", ["x", "w"], ["m"], {}), ("MatMul", ["m", "w"], ["y"], {})]
    graph = graph_of(nodes, (None, 4), w=numbers(4, 4))
    assert graph["matmul_1"].shares == "matmul_0"
    assert analyze(graph).totals.params.value == 16


def test_a_graph_inside_a_node_is_told_with_what_it_reads(graph_of):
    def branch(name, op):
        out = helper.make_tensor_value_info(name, 1, None)
        return helper.make_graph([helper.make_node(op, ["r"], [name])], name, [], [out])

    inside = {"then_branch": branch("a", "Tanh"), "else_branch": branch("b", "Relu")}
    nodes = [("Relu", ["x"], ["r"], {}), ("If", ["which"], ["y"], inside)]
    graph = graph_of(nodes, (None, 5), which=np.array(True))
    assert graph.inputs("if_1")[0].node == "relu_0"
    config = graph["if_1"].given["settings"]["config"]
    assert config["then_branch"] == {"graph": "a", "operations": ["Tanh"]}


# Arrays ------------------------------------------------------------------------------------------


def test_large_arrays_stay_in_the_file(tmp_path):
    kernel = numbers(64, 96)
    path = saved(tmp_path / "m.onnx", [("MatMul", ["x", "w"], ["y"], {})], (None, 64), w=kernel)
    weight = read(path)["matmul_0"].origin.weights["kernel"]
    assert isinstance(weight.read(), np.memmap)
    np.testing.assert_array_equal(weight.read(), kernel)
    path.write_bytes(path.read_bytes()[:-20000])
    with pytest.raises(FormatError, match="array 'w' cannot be read"):
        weight.read()


@pytest.mark.parametrize("dtype", ["bfloat16", "float8_e4m3fn", "int4", "float16", "float64"])
def test_arrays_of_other_types(tmp_path, dtype):
    import ml_dtypes

    kind = np.dtype(getattr(ml_dtypes, dtype, dtype))
    array = np.arange(-7, 8).repeat(1000).reshape(60, 250).astype(kind)
    path = saved(tmp_path / "m.onnx", [("Cast", ["w"], ["y"], {"to": 1})], (None, 2), w=array)
    (weight,) = read(path, raw=True)["cast_0"].origin.weights.values()
    assert weight.read().dtype == kind
    np.testing.assert_array_equal(weight.read().astype("float32"), array.astype("float32"))


def external(path, location, offset="0"):
    made = model([("MatMul", ["x", "w"], ["y"], {})], (None, 4), w=numbers(4, 5))
    tensor = made.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", offset), ("length", "80")):
        tensor.external_data.add(key=key, value=value)
    onnx.save(made, path)
    return path


def test_arrays_in_a_file_beside_the_model(tmp_path):
    folder = tmp_path / "weights"
    folder.mkdir()
    (folder / "w.bin").write_bytes(b"\0" * 8 + numbers(4, 5).tobytes())
    graph = read(external(tmp_path / "m.onnx", "weights/w.bin", "8"))
    weight = graph["matmul_0"].origin.weights["kernel"]
    np.testing.assert_array_equal(weight.read(), numbers(4, 5))


@pytest.mark.parametrize(
    "location", ["/etc/passwd", "../w.bin", "a/../../w.bin", "C:\\w.bin", "..\\w.bin", ""]
)
def test_arrays_outside_the_folder_of_the_model_are_refused(tmp_path, location):
    with pytest.raises(FormatError) as caught:
        read(external(tmp_path / "m.onnx", location))
    expected = f"m.onnx: array 'w' stands in {location!r}, which is not beside the model"
    assert str(caught.value).endswith(expected)


def test_a_link_out_of_the_folder_is_refused(tmp_path):
    inside = tmp_path / "model"
    inside.mkdir()
    (tmp_path / "w.bin").write_bytes(numbers(4, 5).tobytes())
    (inside / "w.bin").symlink_to(tmp_path / "w.bin")
    with pytest.raises(FormatError, match=r"'w.bin', a link out of the model's folder"):
        read(external(inside / "m.onnx", "w.bin"))


# Damage ------------------------------------------------------------------------------------------


def refused(path):
    with pytest.raises(FormatError) as caught:
        read(path)
    return str(caught.value).replace(str(path.parent) + "/", "")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "m.onnx: an empty file"),
        (b"\x0a\x09x", "m.onnx: not an ONNX file, or damaged: byte 0: a field leads out of its"
                      " message"),
        (b"\x08\x0a", "m.onnx: not an ONNX file: it holds no graph"),
        (b"\x0f" * 9, "m.onnx: not an ONNX file, or damaged: byte 0: wire type 7 is none"),
        (b"\xff" * 40, "m.onnx: not an ONNX file, or damaged: byte 0: a number without end"),
    ],
)  # fmt: skip
def test_what_is_no_model(tmp_path, content, message):
    path = tmp_path / "m.onnx"
    path.write_bytes(content)
    assert refused(path) == message


def test_too_much_beside_the_arrays(tmp_path, monkeypatch):
    monkeypatch.setattr("opgraph.formats.onnx.MOST_BYTES", 50)
    path = saved(tmp_path / "m.onnx", [("Relu", ["x"], ["y"], {})])
    assert refused(path) == (
        "m.onnx: not an ONNX file, or damaged: more is left beside its arrays than may be read"
    )


def test_faults_of_wiring_are_named(tmp_path):
    path = saved(tmp_path / "m.onnx", [("Relu", ["z"], ["y"], {})])
    assert refused(path) == "m.onnx: 'relu_0' reads 'z', which nothing before it makes"
    path = saved(tmp_path / "m.onnx", [("Relu", ["x"], ["x"], {})], outputs=("x",))
    assert refused(path) == "m.onnx: 'relu_0' makes 'x' again"
    path = saved(tmp_path / "m.onnx", [("Relu", ["x"], ["y"], {})], outputs=("q",))
    assert refused(path) == "m.onnx: the graph reads 'q', which nothing before it makes"


def test_an_attribute_of_another_type_is_refused(tmp_path):
    path = saved(tmp_path / "m.onnx", [("Softmax", ["x"], ["y"], {"axis": "last"})])
    assert refused(path) == ("m.onnx: 'softmax_0': axis is of another type than Softmax takes")


def test_marks_in_a_file_lead_nowhere_else(tmp_path):
    made = model([("MatMul", ["x", "w"], ["y"], {})], (None, 4), w=numbers(4, 5))
    made.graph.initializer[0].raw_data = wire.MARK + (7).to_bytes(8, "little")
    path = tmp_path / "m.onnx"
    onnx.save(made, path)
    assert refused(path) == "m.onnx: array 'w' stands nowhere"
