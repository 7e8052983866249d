"""The paragraph that people really paste: one line, Chinese labels, blanks between the edges."""

from itertools import pairwise
from pathlib import Path

import pytest

from opgraph.analysis import analyze
from opgraph.text import parse, read_source, to_text

SAMPLE = Path(__file__).parents[2] / "sample_graphs" / "cnn.txt"

# id, label, op: read off the paragraph by hand.
NODES = [
    ("input_layer", "输入层", "Input"),
    ("conv2d_1", "卷积层 1", "Conv2D"),
    ("batch_norm_1", "批归一化 1", "BatchNormalization"),
    ("relu_1", "ReLU 激活 1", "ReLU"),
    ("max_pool_1", "最大池化 1", "MaxPooling2D"),
    ("conv2d_2", "卷积层 2", "Conv2D"),
    ("batch_norm_2", "批归一化 2", "BatchNormalization"),
    ("relu_2", "ReLU 激活 2", "ReLU"),
    ("max_pool_2", "最大池化 2", "MaxPooling2D"),
    ("conv2d_3", "卷积层 3", "Conv2D"),
    ("batch_norm_3", "批归一化 3", "BatchNormalization"),
    ("relu_3", "ReLU 激活 3", "ReLU"),
    ("global_avg_pool", "全局平均池化", "GlobalAveragePooling2D"),
    ("dense_1", "全连接层 1", "Dense"),
    ("relu_4", "ReLU 激活 4", "ReLU"),
    ("dropout", "Dropout 层", "Dropout"),
    ("logits", "输出层", "Dense"),
    ("softmax_output", "Softmax 激活", "Softmax"),
]
IDS = [name for name, _, _ in NODES]


@pytest.fixture(scope="module")
def graph():
    return parse(read_source(SAMPLE))


def test_nodes_labels_and_ops(graph):
    assert [(node.name, node.label, node.kind.kind) for node in graph] == NODES
    assert all(node.guessed for node in graph)
    assert graph.name == "cnn"


def test_edges_are_one_chain(graph):
    assert [(edge.source, edge.target) for edge in graph.edges] == list(pairwise(IDS))


def test_places_point_into_the_paragraph(graph):
    place = graph["conv2d_1"].place
    assert (place.line, place.column) == (1, 1 + place.source.text.index("卷积层 1"))
    text = place.source.text
    assert text[place.start : place.end] == "卷积层 1 (conv2d_1)"
    edge = graph.edges[0].place
    assert text[edge.start : edge.end] == "输入层 (input_layer) → 卷积层 1 (conv2d_1)"


def test_figures(graph):
    """The counts of the issue; by hand: 864+32, 32*9*64+64, 64*9*128+128, 4*(32+64+128), ..."""
    totals = analyze(graph).totals
    by_hand = (864 + 32) + (18432 + 64) + (73728 + 128) + 2 * 224 + (128 * 128 + 128) + 1290
    assert totals.trainable.value == by_hand == 111_498
    assert totals.params.value == by_hand + 2 * 224 == 111_946


LINES = [f"{label} ({name})" if label else name for name, label, _ in NODES]


def edges_of(mentions: list[str], arrow: str, between: str) -> str:
    pairs = pairwise(mentions)
    return between.join(f"{left}{arrow}{right}" for left, right in pairs)


VARIANTS = {
    "line by line": edges_of(LINES, " → ", "\n"),
    "ASCII arrows": edges_of(LINES, " -> ", "\n"),
    "glued arrows": edges_of(LINES, "->", "\n"),
    "long arrows": edges_of(LINES, " --> ", "\n"),
    "double arrows": edges_of(LINES, " => ", " "),
    "wide arrows": edges_of(LINES, "⟶", " "),
    "full-width": edges_of(LINES, " → ", "；").replace("(", "（").replace(")", "）"),
    "numbered": "\n".join(
        f"{i}. {line}" for i, line in enumerate(edges_of(LINES, " → ", "\n").splitlines(), 1)
    ),
    "Chinese numbers": "\n".join(
        f"{i}、{line}" for i, line in enumerate(edges_of(LINES, " → ", "\n").splitlines(), 1)
    ),
    "bullets": "- " + edges_of(LINES, " → ", "\n- "),
    "stars": "* " + edges_of(LINES, " → ", "\n* "),
    "bold": "**" + edges_of(LINES, "** → **", "**\n**") + "**",
    "fence": "Here:\n\n```text\n" + edges_of(LINES, " → ", "\n") + "\n```\nThat is all.",
    "sentence after": edges_of(LINES, " → ", "\n") + "\n以上就是全部 17 条边, 一共 18 个节点。",
    "sentence in English": "It (a CNN) is connected like this: "
    + edges_of(LINES, " → ", " "),
    "full-width colon": "连接关系如下：" + edges_of(LINES, " → ", "，\n").replace("，\n", "\n"),
    "one chain": " → ".join(LINES),
    "a chain down the page": "\n  ↓\n".join(LINES),
    "a chain over lines": "\n  -> ".join(LINES),
    "arrows at line ends": " ->\n".join(LINES),
    "commas between edges": edges_of(LINES, " → ", ", "),
    "backwards": " <- ".join(reversed(LINES)),
    "CRLF": edges_of(LINES, " → ", "\r\n"),
    "byte order mark": "\ufeff" + edges_of(LINES, " → ", "\n"),
    "comments": "# the net\n" + edges_of(LINES, " → ", "  // next\n") + " # end",
    "table": edges_of(LINES, ",", "\n"),
    "table with header": "source,target\n" + edges_of(LINES, ",", "\n"),
    "tabs": "源\t目标\n" + edges_of(LINES, "\t", "\n"),
    "semicolons": edges_of(LINES, ";", "\n"),
    "id first": edges_of([f"{name} ({label})" for name, label, _ in NODES], " -> ", "\n"),
    "quotes": edges_of([f'"{label}" ("{name}")' for name, label, _ in NODES], " -> ", "\n"),
    "labels alone, but for one line of definitions": edges_of(
        [label for _, label, _ in NODES], " → ", "\n"
    ) + "\n" + "; ".join(f"{label} ({name}): {op}" for name, label, op in NODES),
}  # fmt: skip


@pytest.mark.parametrize("name", VARIANTS)
def test_the_same_network_in_other_forms(graph, name, tmp_path):
    path = tmp_path / "cnn.txt"
    path.write_bytes(VARIANTS[name].encode())
    again = parse(read_source(path))
    expected = sorted(graph.nodes) if name == "backwards" else list(graph.nodes)
    found = sorted(again.nodes) if name == "backwards" else list(again.nodes)
    assert found == expected
    assert again == graph


def test_labels_may_stand_alone():
    text = edges_of([label for _, label, _ in NODES], " → ", "\n")
    graph = parse(text)
    assert [(node.name, node.kind.kind) for node in graph] == [
        (label, op) for _, label, op in NODES
    ]
    assert parse(edges_of([label for _, label, _ in NODES], " → ", " ")) == graph


def test_printing():
    graph = parse(read_source(SAMPLE))
    assert to_text(graph).splitlines()[:3] == [
        "输入层 (input_layer): Input",
        "input_layer -> 卷积层 1 (conv2d_1): Conv2D",
        "conv2d_1 -> 批归一化 1 (batch_norm_1): BatchNormalization",
    ]
    completed = analyze(graph).graph
    assert "输出层 (logits): Dense(units=10)" in to_text(completed)
    assert parse(to_text(completed)) == completed
    assert parse(to_text(completed, defaults=True)) == completed
