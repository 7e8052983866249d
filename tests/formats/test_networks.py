"""GraphML, node-link JSON and legacy `.h5`: there and back, foreign files, damaged files."""

from __future__ import annotations

import json
import random
import string

import h5py
import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opgraph.errors import FormatError, OpgraphError
from opgraph.formats import read, write
from opgraph.formats.networks import from_graphml, from_node_link, to_graphml, to_node_link
from opgraph.graph import Edge, Node, OpGraph
from opgraph.ops import require

NAMES = st.lists(st.text(min_size=1, max_size=8), min_size=2, max_size=6, unique=True)
SETTINGS = st.dictionaries(st.text(), st.none() | st.integers() | st.text(), max_size=3)
SUFFIXES = (".graphml", ".nx.json")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_nothing_is_lost(tmp_path, everything, suffix):
    write(everything, tmp_path / f"g{suffix}")
    again = read(tmp_path / f"g{suffix}")
    assert again == everything
    assert again.name == everything.name
    assert again["enc"].inferred == everything["enc"].inferred


@given(names=NAMES, settings=SETTINGS)
def test_any_names_and_settings_survive(names, settings):
    first, *rest = names
    odd = {"class_name": "Odd", "settings": settings}
    nodes = [Node(first, require("Input"), {"shape": (3, None)})]
    nodes += [Node(name, require("Opaque"), odd) for name in rest]
    edges = [Edge(first, name, slot, slot % 3) for name in rest for slot in (0, 1)]
    graph = OpGraph(nodes, edges)
    assert from_graphml(to_graphml(graph)) == graph
    assert from_node_link(json.loads(to_node_link(graph))) == graph


def test_networkx_reads_what_is_written(tmp_path, everything):
    write(everything, tmp_path / "g.graphml")
    plain = nx.read_graphml(tmp_path / "g.graphml", force_multigraph=True)
    assert plain.number_of_edges() == len(everything.edges)
    assert plain.nodes["n1"]["op"] == "LSTM"


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_files_of_other_programs(tmp_path, suffix):
    plain = nx.DiGraph([("input", "conv_1"), ("conv_1", "mystery")])
    path = tmp_path / f"g{suffix}"
    if suffix == ".graphml":
        nx.write_graphml(plain, path)
    else:
        path.write_text(json.dumps(nx.node_link_data(plain, edges="links")))
    graph = read(path)
    assert [node.kind.kind for node in graph] == ["Input", "Conv2D", "Opaque"]
    assert graph["mystery"].given["class_name"] == "mystery"


def test_entities_are_refused(tmp_path):
    path = tmp_path / "g.graphml"
    path.write_text('<!DOCTYPE g [<!ENTITY a "aaaa">]><graphml>&a;</graphml>')
    with pytest.raises(FormatError) as caught:
        read(path)
    assert str(caught.value).replace(str(path), path.name) == (
        "g.graphml: XML with a document type is not read, for its entities can grow without bound"
        "\n   take the <!DOCTYPE ...> declaration out"
    )


def h5(path, make):
    dense = make.layer("y", "Dense", ("x", 0, 0, [4]), units=3)
    config = make.functional(make.entry("x", 4), dense)
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps({"class_name": "Functional", "config": config})
    return path


@pytest.mark.parametrize("name", ["m.h5", "m.bin"])
def test_legacy_models(tmp_path, make, name):
    graph = read(h5(tmp_path / name, make))
    assert [node.kind.kind for node in graph] == ["Input", "Dense"]
    assert graph["y"].given["units"] == 3


def test_a_file_of_weights_has_no_graph(tmp_path):
    path = tmp_path / "w.h5"
    h5py.File(path, "w").close()
    with pytest.raises(FormatError) as caught:
        read(path)
    assert str(caught.value).replace(str(path), path.name) == (
        "w.h5: an HDF5 file without the attribute 'model_config'\n"
        "   a file of weights alone has no graph: save the whole model"
    )
    path.write_bytes(b"nothing")
    with pytest.raises(FormatError, match="not an HDF5 file"):
        read(path)


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".h5"])
def test_damaged_files_are_refused_or_read(tmp_path, everything, make, suffix):
    """120 mutations of each format: one clear error or a graph, never anything else."""
    path, chance = tmp_path / f"g{suffix}", random.Random(7)
    if suffix == ".h5":
        h5(path, make)
    else:
        write(everything, path)
    whole = path.read_bytes()
    errors: list[OpgraphError] = []
    for number in range(120):
        at = chance.randrange(len(whole))
        bad = chance.choice(string.printable).encode()
        path.write_bytes(whole[:at] if number % 3 == 0 else whole[:at] + bad + whole[at + 1 :])
        try:
            read(path)
        except OpgraphError as error:
            errors.append(error)
    assert len(errors) > 20
    assert all(str(error).strip() for error in errors)
