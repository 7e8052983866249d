"""`parse(to_text(g)) == g`, for graphs that nobody would write; and no text breaks the reader."""

import math

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from opgraph.errors import FormatError, OpgraphError, Place, Source
from opgraph.graph import Edge, Inferred, Node, OpGraph
from opgraph.ops import kinds, require
from opgraph.text import parse, parse_setting, to_text
from opgraph.text.lexer import hidden_character, unquote
from opgraph.text.values import print_value, quote

SLOW = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))

ODD_NAMES = [
    "a", "conv2d_1", "a b", "a.1", "a@1", "1", "1.", "-1", "a-b", "a--b", "->", "a -> b", "x,y",
    "a;b", "a:b", "a=b", "#a", "a#", "//", "a//b", "a/b", "'", '"', "\\", "`", "(", ")", "a (b)",
    "卷积层 1", "层（1）", "，", "：", "→", "Conv2D", "relu", "ReLU", "true", "none", "3x3", "",
    "source", "target", "Model", "a\u200db", "é", "e\u0301", " a", "a ", "a  b", "\u3000",
    "**", "*", "_", "a_", ".a", "a.", "..", "…", "ﬁ", "１", "a.1.2", "a.b", "😀", "a|b", "<a>",
    "a\\b", "x" * 200, "- a", "1. a", "```", "---", "if", "a'b", "“a”", "a@key", "@", "如下",
    "a-.b", "a/.b", "a.-b", "a+b", "a./b", "a.+b", "a-/b", "a" * 60 + "!",
]  # fmt: skip

words = st.text(max_size=12) | st.sampled_from(ODD_NAMES)
names = words.filter(lambda text: text and not hidden_character(text))
labels = words.filter(lambda text: not hidden_character(text))
scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
)
values = st.recursive(
    scalars | st.sampled_from(["same", "true", "inf", "None", "3x3", "1e3", "-1", "LSTM"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=6) | st.integers(), inner, max_size=3)
        | st.builds(
            lambda name, config: {"class_name": name, "config": config},
            st.sampled_from(["LSTM", "HeNormal", "odd name", ""]),
            st.dictionaries(st.text(max_size=6), inner, max_size=3),
        )
    ),
    max_leaves=8,
)

KINDS = [require(name) for name in ("ReLU", "Dense", "Add", "Concatenate", "Opaque", "LSTM")]
INPUT = require("Input")


@st.composite
def attributes(draw, kind):
    """Values for some attributes: free ones where Keras alone understands them."""
    chosen = {}
    if kind.kind == "Dense":
        chosen = draw(st.fixed_dictionaries({}, optional={
            "units": st.integers(1, 10**9), "use_bias": st.booleans(),
            "kernel_initializer": values, "bias_constraint": values,
        }))  # fmt: skip
    elif kind.kind == "Opaque":
        settings_ = st.dictionaries(st.text(max_size=6), values, max_size=3)
        chosen = draw(
            st.fixed_dictionaries({"class_name": st.text(max_size=8), "settings": settings_})
        )
    elif kind.kind == "ReLU":
        chosen = draw(st.fixed_dictionaries({}, optional={"max_value": st.floats(allow_nan=False)}))
    elif kind.kind == "LSTM":
        chosen = {"units": draw(st.integers(1, 99)), "return_state": True}
    return chosen


@st.composite
def graphs(draw):
    """A random DAG: inputs, then nodes that read earlier ones, in a random order."""
    all_names = draw(st.lists(names, min_size=2, max_size=8, unique=True))
    nodes, edges = [], []
    for index, name in enumerate(all_names):
        label = draw(st.none() | labels)
        most = min(index, 3)
        if most == 0:
            nodes.append(
                Node(name, INPUT, {"shape": (4,)} if draw(st.booleans()) else {}, label=label)
            )
            continue
        kind = draw(st.sampled_from(KINDS))
        _, fewest, limit = kind.slots()
        fewest = max(1, fewest)
        count = draw(st.integers(fewest, max(fewest, min(limit or 4, 4))))
        for slot in range(count):
            source = draw(st.sampled_from(all_names[:index]))
            edges.append(Edge(source, name, slot, draw(st.integers(0, 2))))
        given_values = draw(attributes(kind))
        shared = [node.name for node in nodes if node.kind is kind and node.shares is None]
        shares = draw(st.sampled_from([None, *shared]))
        inferred = {}
        if given_values and draw(st.booleans()):
            key = next(iter(given_values))
            inferred = {key: Inferred(given_values.pop(key), "a rule")}
        nodes.append(Node(name, kind, given_values, inferred, label=label, shares=shares))
    read = {edge.source for edge in edges}
    kept = [node for node in nodes if node.name in read or node.kind is not INPUT]
    kept = draw(st.permutations(kept)) if draw(st.booleans()) else kept
    return OpGraph(kept, edges)


@SLOW
@given(graphs())
def test_a_graph_reads_back_as_it_was(graph):
    text = to_text(graph)
    again = parse(text)
    assert again == graph
    assert list(again.nodes) == list(graph.nodes)
    assert [edge[:4] for edge in again.edges] == [edge[:4] for edge in graph.edges]
    assert to_text(again) == text


@SLOW
@given(graphs())
def test_a_graph_with_all_defaults_reads_back_as_it_was(graph):
    assert parse(to_text(graph, defaults=True)) == graph


@SLOW
@given(values)
@example({"class_name": "LSTM", "config": {"units": 8}})
@example({"config": {}, "class_name": "LSTM"})
@example((1,))
@example(((),))
@example(math.inf)
@example(-0.0)
def test_a_value_reads_back_as_it_was(value):
    assert repr(parse_setting(f"n.a={print_value(value)}")[2]) == repr(value)


@SLOW
@given(st.text())
def test_a_quoted_text_reads_back_as_it_was(text):
    assert unquote(quote(text), Place(Source("", ""), 0, 0)) == text


PIECES = [
    "a",
    "b",
    "conv1",
    "->",
    "→",
    " ",
    "\n",
    ",",
    ";",
    ":",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "=",
    '"',
    "'",
    "`",
    "#",
    "//",
    "输入层",
    "（",
    "）",
    "Conv2D",
    "filters=3",
    "1",
    ".1",
    "@1",
    "<-",
    "--",
    "* ",
    "- ",
    "1. ",
    "```",
    "\t",
    "\r\n",
    "\\",
    "source,target\n",
    "\ufeff",
    "\x00",
]


@settings(max_examples=600, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.text(max_size=60) | st.lists(st.sampled_from(PIECES), max_size=25).map("".join))
def test_any_text_is_read_or_refused(text):
    try:
        graph = parse(text)
    except OpgraphError as refusal:
        problem = refusal
    else:
        problem = None
        assert parse(to_text(graph)) == graph
    assert problem is None or str(problem)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=30) | st.lists(st.sampled_from(PIECES), max_size=10).map("".join))
def test_any_setting_is_read_or_refused(text):
    try:
        glob, attribute, _ = parse_setting(text)
    except OpgraphError as refusal:
        glob = attribute = str(refusal)
    assert glob
    assert attribute


@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: kind.kind)
def test_the_defaults_of_every_op_can_be_written(kind):
    _, fewest, _ = kind.slots()
    required = {"shape": (4,)} if kind is INPUT else {}
    if kind.kind == "Opaque":
        required = {"class_name": "Foo"}
    nodes = [Node("x", INPUT, {"shape": (4,)}), Node("y", kind, required)]
    edges = [Edge("x", "y", slot) for slot in range(max(1, fewest))]
    if kind is INPUT:
        nodes, edges = nodes[:1], []
    graph = OpGraph(nodes, edges)
    assert parse(to_text(graph, defaults=True)) == graph


@pytest.mark.parametrize("name", ["a\nb", "a\u202eb", "\x07", "a\u200bb"])
def test_a_name_that_cannot_be_seen_is_not_written(name):
    graph = OpGraph([Node(name, INPUT)], [])
    with pytest.raises(FormatError) as caught:
        to_text(graph)
    assert str(caught.value).startswith(f"the name {name!r} contains U+")


def test_a_value_that_has_no_form_is_not_written():
    node = Node("fc", require("Dense"), {"kernel_initializer": object})
    with pytest.raises(FormatError) as caught:
        to_text(OpGraph([node], []))
    assert str(caught.value) == ("fc: a type cannot be written into an edge list: <class 'object'>")


def test_a_graph_out_of_order_keeps_its_order():
    nodes = [Node("b", require("ReLU"), label="second"), Node("a", INPUT, {"shape": (4,)})]
    graph = OpGraph(nodes, [Edge("a", "b", 0)])
    assert to_text(graph) == "second (b): ReLU\na: Input(shape=(4,))\na -> b\n"
    assert list(parse(to_text(graph)).nodes) == ["b", "a"]
