"""Each form of the language, and what it means: nodes, edges with slots and ports, attributes."""

import pytest

from opgraph.graph import Endpoint
from opgraph.ops import guess
from opgraph.text import parse, parse_setting


def shown(text: str) -> dict[str, tuple[str, ...]]:
    """The inputs of each node, by slot."""
    graph = parse(text)
    return {node.name: tuple(str(end) for end in graph.inputs(node.name)) for node in graph}


EDGES = {
    "image -> conv": {"image": (), "conv": ("image",)},
    "image -> conv -> relu": {"image": (), "conv": ("image",), "relu": ("conv",)},
    "relu <- conv <- image": {"relu": ("conv",), "conv": ("image",), "image": ()},
    "a, b -> add": {"a": (), "b": (), "add": ("a", "b")},
    "x -> relu_l, relu_r -> add": {
        "x": (), "relu_l": ("x",), "relu_r": ("x",), "add": ("relu_l", "relu_r"),
    },
    "a, b -> add, concat": {"a": (), "b": (), "add": ("a", "b"), "concat": ("a", "b")},
    "x, x -> add": {"x": (), "add": ("x", "x")},
    "b -> add\na -> add": {"b": (), "add": ("b", "a"), "a": ()},
    "a -> sub@1: Subtract\nb -> sub@0": {"a": (), "sub": ("b", "a"), "b": ()},
    "a -> sub@1: Subtract\nb -> sub": {"a": (), "sub": ("b", "a"), "b": ()},
    "v -> mha@value: MultiHeadAttention\nq -> mha@query": {"v": (), "mha": ("q", "v"), "q": ()},
    "x -> lstm\nlstm.1 -> dense": {"x": (), "lstm": ("x",), "dense": ("lstm.1",)},
    'x -> "my lstm"\n"my lstm".2 -> dense': {
        "x": (), "my lstm": ("x",), "dense": ("my lstm.2",),
    },
    'x -> "lstm.1" -> dense': {"x": (), "lstm.1": ("x",), "dense": ("lstm.1",)},
    "x -> conv.0 -> conv.1": {"x": (), "conv.0": ("x",), "conv.1": ("conv.0",)},
    "x -> conv/Relu": {"x": (), "conv/Relu": ("x",)},
    "x->conv-1->relu": {"x": (), "conv-1": ("x",), "relu": ("conv-1",)},
    "x -> conv conv -> relu": {"x": (), "conv": ("x",), "relu": ("conv",)},
    "x -> conv, conv -> relu": {"x": (), "conv": ("x",), "relu": ("conv",)},
    "x -> Max Pool -> Dense Layer": {
        "x": (), "Max Pool": ("x",), "Dense Layer": ("Max Pool",),
    },
    "x -> conv; conv -> relu": {"x": (), "conv": ("x",), "relu": ("conv",)},
    "x -> conv\nx -> conv": {"x": (), "conv": ("x",)},
    "x -> conv ->\n relu": {"x": (), "conv": ("x",), "relu": ("conv",)},
    "x -> conv\n\n  # then\n -> relu": {"x": (), "conv": ("x",), "relu": ("conv",)},
    "a,\nb -> add": {"a": (), "b": (), "add": ("a", "b")},
    "x >> conv": {"x": (), "conv": ("x",)},
    "x –> conv —> relu": {"x": (), "conv": ("x",), "relu": ("conv",)},
    "x ➡️ conv": {"x": (), "conv": ("x",)},
    "x，y → add。": {"x": (), "y": (), "add": ("x", "y")},
    "x、y → add": {"x": (), "y": (), "add": ("x", "y")},
    "“x” → `conv`": {"x": (), "conv": ("x",)},
    "x, conv\nconv, relu": {"x": (), "conv": ("x",), "relu": ("conv",)},
    "from\tto\nx\tconv": {"x": (), "conv": ("x",)},
    "id;target;source\n1;conv;x": {"conv": ("x",), "x": ()},
    'source,target,note\n"x","conv 1","a, b (c -> d"': {"x": (), "conv 1": ("x",)},
    "source,target\n\n# rest\nx,conv,": {"x": (), "conv": ("x",)},
    "Model: x -> conv": {"x": (), "conv": ("x",)},
    "模型如下：Input → Dense": {"Input": (), "Dense": ("Input",)},
    "Edges:\nx -> conv": {"x": (), "conv": ("x",)},
    "Step 1: x -> conv\nStep 2: conv -> relu": {"x": (), "conv": ("x",), "relu": ("conv",)},
    "x -> conv\n---\nconv -> relu\n====": {"x": (), "conv": ("x",), "relu": ("conv",)},
    "# Title\n> x -> conv": {"x": (), "conv": ("x",)},
    "(1) x -> conv\n（2）conv -> relu": {"x": (), "conv": ("x",), "relu": ("conv",)},
    "x -> ReLU() -> ReLU()": {"x": (), "relu": ("x",), "relu_2": ("relu",)},
    "x -> relu -> ReLU()": {"x": (), "relu": ("x",), "relu_2": ("relu",)},
    "x -> Dense -> ReLU -> Dense -> ReLU": {
        "x": (), "dense": ("x",), "relu": ("dense",), "dense_2": ("relu",), "relu_2": ("dense_2",),
    },
    "x -> ReLU\nReLU -> Dense": {"x": (), "ReLU": ("x",), "Dense": ("ReLU",)},
    "stem: Input -> Conv3D(filters=32)": {"stem": (), "conv3d": ("stem",)},
    "x -> Conv2DTranspose(filters=1)": {"x": (), "conv2d_transpose": ("x",)},
}  # fmt: skip


@pytest.mark.parametrize("text", EDGES)
def test_edges(text):
    assert shown(text) == EDGES[text]


ATTRIBUTES = {
    "x -> c: Conv2D(filters=32, kernel_size=3, padding=same)": {
        "filters": 32, "kernel_size": (3, 3), "padding": "same",
    },
    "x -> c: Conv2D\nc[filters=32]": {"filters": 32},
    "c: Conv2D(filters=32)\nx -> c": {"filters": 32},
    "x -> c: Conv2D[filters=32]": {"filters": 32},
    "x -> c = Conv2D(filters=32)": {"filters": 32},
    "x -> c: Conv2D(filters=32)[padding='valid']": {"filters": 32, "padding": "valid"},
    "x -> c: Conv2D(filters=32)\nc[filters=32, strides=2]": {"filters": 32, "strides": (2, 2)},
    "x -> c: Conv2D(\n  filters=32,  # many\n  kernel_size=(5,\n 5),\n)": {
        "filters": 32, "kernel_size": (5, 5),
    },
    "x -> c：Conv2D（filters＝32，kernel_size=3x5）": {"filters": 32, "kernel_size": (3, 5)},
    "x -> c: conv(use_bias=False)": {"use_bias": False},
    'x -> c: Conv2D(kernel_initializer="he_normal")': {"kernel_initializer": "he_normal"},
    "x -> c: Conv2D(kernel_initializer=HeNormal(seed=3))": {
        "kernel_initializer": {"class_name": "HeNormal", "config": {"seed": 3}},
    },
}  # fmt: skip


@pytest.mark.parametrize("text", ATTRIBUTES)
def test_attributes(text):
    assert dict(parse(text)["c"].given) == ATTRIBUTES[text]
    assert parse(text)["c"].kind.kind == "Conv2D"
    assert not parse(text)["c"].guessed


VALUES = {
    "3": 3, "-1": -1, "+2": 2, "0.5": 0.5, ".5": 0.5, "1e-3": 0.001, "-inf": float("-inf"),
    "true": True, "True": True, "false": False, "none": None, "None": None, "null": None,
    "same": "same", "'a b'": "a b", '"a\\n\\u4e2d"': "a\n中", "`x`": "x", "“y”": "y",
    "(3, 3)": (3, 3), "(3)": 3, "(3,)": (3,), "()": (), "[3, 3]": [3, 3], "[]": [],
    "3x3": (3, 3), "3×3×3": (3, 3, 3), "（3，3）": (3, 3), "(None, 8)": (None, 8),
    "{}": {}, "{a: 1, 'b c': [2]}": {"a": 1, "b c": [2]}, "{1: none}": {1: None},
    "LSTM(units=8)": {"class_name": "LSTM", "config": {"units": 8}},
    "A(b=B(c=C()))": {
        "class_name": "A",
        "config": {"b": {"class_name": "B", "config": {"c": {"class_name": "C", "config": {}}}}},
    },
}  # fmt: skip


@pytest.mark.parametrize("text", VALUES)
def test_values(text):
    glob, attribute, value = parse_setting(f"batch_norm*.momentum={text}")
    assert (glob, attribute) == ("batch_norm*", "momentum")
    assert repr(value) == repr(VALUES[text])


def test_a_setting_may_name_nodes_with_dots():
    assert parse_setting(" a.b*, c[0-9] . rate = 0.1 ") == ("a.b*, c[0-9]", "rate", 0.1)


LABELS = {
    "卷积层 1 (conv2d_1)": ("conv2d_1", "卷积层 1"),
    "conv2d_1 (卷积层 1)": ("conv2d_1", "卷积层 1"),
    "conv2d_1 (first convolution)": ("conv2d_1", "first convolution"),
    "First (conv2d_1)": ("conv2d_1", "First"),
    "卷积（第一层）": ("卷积", "第一层"),
    "conv2d_1 (Conv2D)": ("conv2d_1", None),
    "卷积 (Conv2D)": ("卷积", None),
    "Convolution (Conv2D)": ("Convolution", None),
    "Conv2D (conv2d_1)": ("conv2d_1", "Conv2D"),
    '"Conv2D" ("conv 1")': ("conv 1", "Conv2D"),
    '"" (conv1)': ("conv1", ""),
}


@pytest.mark.parametrize("mention", LABELS)
def test_names_and_labels(mention):
    node = list(parse(f"x -> {mention}"))[1]
    assert (node.name, node.label) == LABELS[mention]
    assert node.kind.kind == "Conv2D"


def test_a_label_alone_is_its_node():
    graph = parse("输入 (x) -> 卷积 1 (c)\n卷积 1 -> relu\nc: Conv2D")
    assert list(graph.nodes) == ["x", "c", "relu"]
    assert graph.inputs("relu") == (Endpoint("c"),)


@pytest.mark.parametrize(
    ("text", "name", "op", "guessed"),
    [
        ("x -> fc1", "fc1", "Dense", True),
        ("x -> fc1: ReLU", "fc1", "ReLU", False),
        ("x -> 展平层", "展平层", "Flatten", True),
        ("x -> 全连接层 (h)", "h", "Dense", True),
        ("x -> 输出层 (softmax_output)", "softmax_output", "Softmax", True),
        ("x -> 卷积层 的 归一化 (c1_bn)", "c1_bn", "BatchNormalization", True),
        ("x -> softmax层", "softmax层", "Softmax", True),
        ("x -> क्‍ष: ReLU", "क्‍ष", "ReLU", False),
        ("x -> c: Conv2D\nc: conv", "c", "Conv2D", False),
        ("anything -> relu", "anything", "Input", True),
        ("anything: Input -> relu", "anything", "Input", False),
    ],
)
def test_telling_ops(text, name, op, guessed):
    node = parse(text)[name]
    assert (node.kind.kind, node.guessed) == (op, guessed)


def test_long_numbers_do_not_change_what_is_told():
    names = ["s12_block345_conv2", "relu_123456", "conv2d_17", "block10_bn10", "conv1d_100"]
    graph = parse("\n".join(f"x -> {name}" for name in names))
    assert [graph[name].kind for name in names] == [guess(name) for name in names]


def test_shared_weights():
    graph = parse("a -> enc_a: Dense(units=3)\nb -> enc_b = enc_a\nc -> enc_c\nenc_c = enc_b")
    assert [graph[name].shares for name in ("enc_a", "enc_b", "enc_c")] == [None, "enc_a", "enc_b"]
    assert {graph[name].kind.kind for name in ("enc_a", "enc_b", "enc_c")} == {"Dense"}
    assert graph.owner("enc_c") == "enc_a"


def test_sharing_may_be_said_before_the_owner():
    graph = parse("b -> z_b\nz_b = z_a\na -> z_a: Dense(units=3)")
    assert graph["z_b"].kind.kind == "Dense"


def test_names_and_files():
    assert parse("x -> relu").name == "graph"
    assert parse("x -> relu", "mine").name == "mine"


def test_shuffled_edges_give_the_same_graph_where_order_does_not_matter():
    lines = ["x -> conv1", "conv1 -> relu1", "relu1 -> gap", "gap -> logits"]
    assert parse("\n".join(reversed(lines))) == parse("\n".join(lines))
