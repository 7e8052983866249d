"""DOT and Mermaid: there and back, drawings of other people, and what is wrong with a text."""

from __future__ import annotations

import contextlib
import random
import string
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from opgraph.errors import FormatError, MissingDependencyError, OpgraphError, Source
from opgraph.formats import dot, drawn, read, write
from opgraph.formats.mermaid import to_mermaid
from opgraph.formats.mermaid_reader import from_mermaid
from opgraph.graph import Edge, Node, OpGraph
from opgraph.ops import require

ROOT = Path(__file__).parents[2] / "sample_graphs"
SAMPLES = sorted([*ROOT.glob("*.txt"), *ROOT.glob("*.csv")])
SUFFIXES = (".dot", ".mmd")
NAMES = st.lists(st.text(min_size=1, max_size=8), min_size=2, max_size=6, unique=True)
SETTINGS = st.dictionaries(st.text(), st.none() | st.integers() | st.text(), max_size=3)


def kinds(graph):
    return {node.name: node.kind.kind for node in graph}


def ends(graph):
    return [(edge.source, edge.target) for edge in graph.edges]


def put(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def mermaid(text):
    return from_mermaid(Source("m.mmd", text), "m")


def message(path):
    with pytest.raises(OpgraphError) as caught:
        read(path)
    return str(caught.value).replace(str(path), path.name)


# There and back --------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_samples_read_back_equal(tmp_path, path, suffix):
    graph = read(path)
    write(graph, tmp_path / f"g{suffix}")
    again = read(tmp_path / f"g{suffix}")
    assert again == graph
    assert (list(again.nodes), again.name) == (list(graph.nodes), graph.name)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_nothing_is_lost(tmp_path, everything, suffix):
    write(everything, tmp_path / f"g{suffix}")
    again = read(tmp_path / f"g{suffix}")
    assert again == everything
    assert again.name == everything.name


def odd_graph(names, settings):
    first, *rest = names
    odd = {"class_name": "Odd", "settings": settings}
    nodes = [Node(first, require("Input"), {"shape": (3, None)}, label=names[-1])]
    nodes += [Node(name, require("Opaque"), odd, shares=first) for name in rest]
    edges = [Edge(first, name, slot + len(name) % 2, slot % 3) for name in rest for slot in (0, 1)]
    return OpGraph(nodes, edges, names[-1])


@given(names=NAMES, settings=SETTINGS)
def test_any_names_and_settings_survive_mermaid(names, settings):
    graph = odd_graph(names, settings)
    assert mermaid(to_mermaid(graph)) == graph


@settings(max_examples=15, deadline=None)  # each starts a process
@given(names=NAMES, said=SETTINGS)
@example(names=["0", "%"], said={"%": 'a\\"'})
def test_any_names_and_settings_survive_dot(names, said):
    graph = odd_graph(names, said)
    again = dot.from_dot(Source("g.dot", dot.to_dot(graph)), "g")
    assert (again, again.name) == (graph, graph.name)


def test_what_is_written(tmp_path, make):
    graph = make.chain(
        make.node("x", "Input", shape=(4,)), make.node("fc", "Dense", label="全连接", units=2)
    )
    assert dot.to_dot(graph) == (
        'digraph "net" {\n'
        "  node [shape=box];\n"
        '  "x" [label="x\\nInput(shape=(4,))", op="Input(shape=(4,))"];\n'
        '  "fc" [label="fc\\nDense(units=2)", op="Dense(units=2)", title="全连接"];\n'
        '  "x" -> "fc";\n'
        "}\n"
    )
    assert to_mermaid(graph) == (
        '---\ntitle: "net"\n---\nflowchart TD\n'
        '  n0(["x<br/>Input(shape=(4,))"])\n'
        '  n1["fc<br/>全连接<br/>Dense(units=2)"]\n'
        "  n0 --> n1\n"
    )


# Drawings of other people ----------------------------------------------------------------------


def test_dot_of_other_people(tmp_path):
    graph = read(
        put(
            tmp_path / "g.dot",
            """
            // attributes by default, chains, subgraphs, ports, concatenated and HTML strings
            strict digraph "my net" { node [shape=record]; rankdir=LR
              data -> c1 -> {r1; p1} -> cat:in0
              c1 [label="{Conv2D|3x3, 64}"]; r1 [label=<<b>ReLU</b>>]
              p1 [label="max" + " pool"]; cat [label="\\N\\nconcatenate"]; cat -> mystery
              subgraph cluster_e { label=encoder; d1 [label="Dense 10"] } mystery -> d1 }
            """,
        )
    )
    assert graph.name == "my net"
    assert kinds(graph) == {
        "data": "Input",
        "c1": "Conv2D",
        "r1": "ReLU",
        "p1": "MaxPooling2D",
        "cat": "Concatenate",
        "mystery": "Opaque",
        "encoder/d1": "Dense",
    }
    assert [(e.source, e.slot) for e in graph.edges_into("cat")] == [("r1", 0), ("p1", 1)]
    assert graph["p1"].label == "max pool"


def test_mermaid_of_other_people():
    graph = mermaid(
        """
        %%{init: {"theme": "dark"}}%%
        graph LR
          A([input image]) --> B{{"Conv2D (3x3)"}}:::hot -->|features| C(ReLU) & D[/max pool/]
          C & D ==> E[Concatenate]; E -. skip .-> F[[mystery]]  %% why not
          subgraph enc [The encoder]
            direction TB
            G@{ shape: rect, label: "Dense 10" } -- then --> H>softmax]
          end
          F --> G
          classDef hot fill:#f00
          style A fill:#bbf,stroke:#333
          click A "https://example.org"
        """
    )
    assert kinds(graph) == {
        "A": "Input",
        "B": "Conv2D",
        "C": "ReLU",
        "D": "MaxPooling2D",
        "E": "Concatenate",
        "F": "Opaque",
        "The encoder/G": "Dense",
        "The encoder/H": "Softmax",
    }
    assert ends(graph) == [
        ("A", "B"),
        ("B", "C"),
        ("B", "D"),
        ("C", "E"),
        ("D", "E"),
        ("E", "F"),
        ("F", "The encoder/G"),
        ("The encoder/G", "The encoder/H"),
    ]
    assert (graph["B"].label, graph["B"].guessed) == ("Conv2D (3x3)", True)


def test_ops_may_be_written_into_boxes():
    graph = mermaid('flowchart TD\n a["x<br/>Input(shape=(4,))"] --> b[fc<br>Dense(units=3)]')
    assert graph["fc"].given == {"units": 3}
    assert not graph["fc"].guessed
    assert ends(graph) == [("x", "fc")]


def test_the_same_arrow_twice_is_two_inputs():
    graph = mermaid("flowchart TD\n x --> add\n x --> add")
    assert [edge.slot for edge in graph.edges] == [0, 1]


def test_inputs_without_a_slot_take_the_free_ones(tmp_path):
    graph = read(put(tmp_path / "g.dot", "digraph { x -> a; y -> a [slot=0]; z -> a; a [op=Add] }"))
    assert [(e.source, e.slot) for e in graph.edges_into("a")] == [("y", 0), ("x", 1), ("z", 2)]


# What is wrong ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "sequenceDiagram\n A->>B: hi",
            "g.mmd:1:1  expected 'flowchart TD'\n"
            "   1 │ sequenceDiagram\n       ^^^^^^^^^^^^^^^\n"
            "   other diagrams have no graph of ops",
        ),
        (
            "flowchart TD\n  a --> b -->\n",
            "g.mmd:2:14  expected a node, received the end of the line\n"
            "   2 │   a --> b -->\n                    ^",
        ),
        (
            "flowchart TD\n  a --- b",
            "g.mmd:2:5  expected -->, received a line without an arrow head\n"
            "   2 │   a --- b\n           ^^^\n   data flows one way: write -->",
        ),
        (
            "flowchart TD\n  a <--> b",
            "g.mmd:2:5  expected -->, received an arrow backwards\n"
            "   2 │   a <--> b\n           ^^^^\n   data flows one way: write -->",
        ),
        (
            "flowchart TD\n  a[conv --> b",
            "g.mmd:2:4  '[' is not closed\n   2 │   a[conv --> b\n          ^\n"
            "   close it with ']'; a text with marks goes into quotes: [\"a (b)\"]",
        ),
        (
            "flowchart TD\n  a --> b c\n",
            "g.mmd:2:11  expected an arrow or the end of the line, received 'c'\n"
            "   2 │   a --> b c\n                 ^",
        ),
        (
            "flowchart TD\n subgraph s\n a --> b\n",
            "g.mmd:2:2  the subgraph has no end\n   2 │  subgraph s\n        ^^^^^^^^\n"
            "   close it with a line 'end'",
        ),
        (
            "flowchart TD\n end",
            "g.mmd:2:2  no subgraph is open here\n   2 │  end\n        ^^^",
        ),
        (
            "flowchart TD\n subgraph s\n a\n end\n b --> s",
            "g.mmd:5:8  's' is a subgraph\n   5 │  b --> s\n              ^\n"
            "   lead the arrow to a node in it",
        ),
        (
            "flowchart TD\n a --> b\n b --> a",
            "g.mmd:3:8  the graph has a cycle: a → b → a\n   3 │  b --> a\n              ^\n"
            "   an opgraph network is acyclic: take one of these edges out",
        ),
        (
            'flowchart TD\n x --> b["fc<br/>Dense(unit=3)"]',
            "g.mmd:2:8  fc: Dense has no attribute 'unit'\n"
            '   2 │  x --> b["fc<br/>Dense(unit=3)"]\n              ^\n'
            "   did you mean 'units'?",
        ),
        (
            'flowchart TD\n a["x<br/>ReLU"] --> b["x<br/>ReLU"]',
            "g.mmd:2:22  a second node 'x'\n"
            '   2 │  a["x<br/>ReLU"] --> b["x<br/>ReLU"]\n                            ^',
        ),
    ],
)
def test_errors_of_mermaid_have_a_place(tmp_path, text, expected):
    assert message(put(tmp_path / "g.mmd", text)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "digraph {\n  a -> -> b\n}",
            "g.dot:2:3  not DOT: unexpected '->'\n   2 │   a -> -> b\n         ^^^^^^^^^\n"
            "   DOT is written digraph { a -> b }",
        ),
        (
            "graph { a -- b }",
            "g.dot: expected arrows, received an undirected graph\n   digraph { a -> b }",
        ),
        (
            'digraph { x -> fc; fc [op="Dense(unit=3)"] }',
            "g.dot: fc: Dense has no attribute 'unit'\n   did you mean 'units'?",
        ),
        (
            "digraph { a -> b; b -> a }",
            "g.dot: the graph has a cycle: a → b → a\n"
            "   an opgraph network is acyclic: take one of these edges out",
        ),
        (
            "digraph { x -> a [slot=0]; y -> a [slot=0]; a [op=Add] }",
            "g.dot: slot 0 of 'a' is taken already",
        ),
    ],
)
def test_errors_of_dot(tmp_path, text, expected):
    assert message(put(tmp_path / "g.dot", text)) == expected


def test_dot_that_takes_too_long(tmp_path, monkeypatch):
    monkeypatch.setattr(dot, "TIME_LIMIT", 0.001)
    path = put(tmp_path / "g.dot", "digraph { a -> b }")
    assert message(path) == "g.dot: Graphviz did not read it within 0.001 seconds"


def test_dot_without_graphviz(tmp_path, monkeypatch):
    monkeypatch.setattr(dot.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError) as caught:
        read(put(tmp_path / "g.dot", "digraph { a -> b }"))
    assert str(caught.value).replace(str(tmp_path), "") == (
        "/g.dot: reading DOT needs Graphviz's parser, which is not installed\n"
        "   pip install 'opgraph[dot]'"
    )


def test_damaged_flowcharts_are_refused_or_read(tmp_path, everything):
    """300 mutations: one clear error or a graph, never anything else."""
    whole, chance = to_mermaid(everything), random.Random(7)
    errors: list[OpgraphError] = []
    for number in range(300):
        at = chance.randrange(len(whole))
        bad = chance.choice(string.printable)
        text = whole[:at] if number % 3 == 0 else whole[:at] + bad + whole[at + 1 :]
        try:
            mermaid(text)
        except OpgraphError as error:
            errors.append(error)
    assert len(errors) > 20
    assert all(str(error).strip() for error in errors)


@given(text=st.text(alphabet="ab-->[](){}|&;<>\"'%=.x\n #subgraphend", max_size=60))
def test_any_text_is_refused_or_read(text):
    with contextlib.suppress(OpgraphError):
        mermaid(f"flowchart TD\n{text}")


def test_large_flowcharts(monkeypatch):
    lines = "\n".join(f"a{i} -- text --> a{i + 1}[ReLU]" for i in range(5000))
    assert len(mermaid(f"flowchart TD\n{lines}")) == 5001
    monkeypatch.setattr(drawn, "MOST_NODES", 5000)
    with pytest.raises(FormatError, match="more than 5,000 nodes"):
        mermaid(f"flowchart TD\n{lines}")


TEXTS = (".txt", ".json", ".nx.json", ".graphml", ".dot", ".mmd")


@pytest.mark.parametrize("first", TEXTS)
@pytest.mark.parametrize("second", TEXTS)
def test_any_format_to_any_other(tmp_path, first, second):
    graph = read(ROOT / "siamese.txt")
    write(graph, tmp_path / f"a{first}")
    write(read(tmp_path / f"a{first}"), tmp_path / f"b{second}")
    assert read(tmp_path / f"b{second}") == graph
