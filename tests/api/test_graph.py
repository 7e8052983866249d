"""The handle of a graph in Python."""

import json
import xml.etree.ElementTree as ET

import networkx as nx
import pytest

import opgraph
from opgraph.errors import AttributeValueError, FormatError, GraphError, OpgraphError

TEXT = "image: Input(shape=(8,8,1)) -> conv[filters=4] -> flatten -> fc[units=3] -> softmax"


@pytest.fixture
def graph():
    return opgraph.read(TEXT)


def test_read_takes_text_path_and_graph(graph, tmp_path):
    path = tmp_path / "net.txt"
    path.write_text(TEXT, encoding="utf-8")
    assert opgraph.read(path) == graph
    assert opgraph.read(str(path)) == graph
    assert opgraph.read(graph) is graph
    assert opgraph.read(path).name == "net"
    assert opgraph.read(path, name="mine").name == "mine"


def test_read_of_a_missing_file_names_it(tmp_path):
    with pytest.raises(OpgraphError) as caught:
        opgraph.read(str(tmp_path / "absent.txt"))
    assert "absent.txt" in str(caught.value)
    assert "No such file" in str(caught.value)


def test_nx_is_a_networkx_graph_of_the_callers_own(graph):
    assert isinstance(graph.nx, nx.MultiDiGraph)
    assert list(nx.topological_sort(graph.nx)) == graph.nodes
    assert graph.nx.nodes["conv"]["node"].kind.kind == "Conv2D"
    assert graph.nx.edges["conv", "flatten", 0]["port"] == 0


def test_set_returns_another_graph(graph):
    other = graph.set("conv*.filters=9", "fc.units=2")
    assert other.analyze()["conv"].output == (8, 8, 9)
    assert graph.analyze()["conv"].output == (8, 8, 4)


@pytest.mark.parametrize(
    ("setting", "kind", "message"),
    [
        ("conf.filters=9", GraphError, "conf.filters: no node is called 'conf'"),
        ("conf.filters=9", GraphError, "did you mean 'conv'?"),
        ("conv.filter=9", AttributeValueError, "conv.filter: Conv2D has no attribute 'filter'"),
        ("conv.filters=0", AttributeValueError, "expected a whole number of at least 1"),
    ],
)  # fmt: skip
def test_set_refuses_what_does_not_fit(graph, setting, kind, message):
    with pytest.raises(kind) as caught:
        graph.set(setting)
    assert message in str(caught.value)


def test_draw_writes_the_same_bytes_each_time(graph, tmp_path):
    svg = graph.draw(tmp_path / "a.svg")
    assert (tmp_path / "a.svg").read_text(encoding="utf-8") == svg == graph.draw()
    assert ET.fromstring(svg).tag.endswith("svg")
    assert graph._repr_svg_() == svg


def test_plot_is_a_drop_in_for_keras(tmp_path):
    target = tmp_path / "m.svg"
    svg = opgraph.plot(TEXT, target, show_shapes=True, rankdir="LR", dpi=200, expand_nested=True)
    assert target.read_text(encoding="utf-8") == svg
    assert svg != opgraph.plot(TEXT, target, rankdir="TB")


def test_to_text_reads_back(graph):
    assert opgraph.read(graph.to_text()) == graph
    assert opgraph.read(graph.to_text(defaults=True)) == graph


@pytest.mark.parametrize("suffix", ["txt", "json"])
def test_save_reads_back(graph, tmp_path, suffix):
    graph.save(tmp_path / f"g.{suffix}")
    assert opgraph.read(tmp_path / f"g.{suffix}").analyze().graph == graph.analyze().graph


def test_save_refuses_an_unknown_suffix(graph, tmp_path):
    with pytest.raises(FormatError, match=r"no format to write has the suffix '\.xyz'"):
        graph.save(tmp_path / "g.xyz")
    assert not list(tmp_path.iterdir())


def test_save_writes_keras_source(graph, tmp_path):
    graph.save(tmp_path / "model.py")
    source = (tmp_path / "model.py").read_text(encoding="utf-8")
    compile(source, "model.py", "exec")
    assert "def build_model" in source


def test_repr(graph):
    assert repr(graph) == "<opgraph.Graph 'graph': 5 nodes, 4 edges>"


def test_from_keras_refuses_what_has_no_configuration():
    class Strange:
        pass

    with pytest.raises(FormatError, match="a Strange has no configuration to read a graph from"):
        opgraph.from_keras(Strange())


def test_json_round_trip_keeps_provenance(graph, tmp_path):
    completed = graph.analyze().graph
    graph.save(tmp_path / "g.json")
    again = opgraph.read(tmp_path / "g.json").inner
    assert json.loads((tmp_path / "g.json").read_text(encoding="utf-8"))
    for node in completed:
        for name in node.kind.schema():
            assert again[node.name].provenance(name) == node.provenance(name)
