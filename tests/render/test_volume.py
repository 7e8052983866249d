"""Volumes: every node once, sides by size, labels at their places, connections over the top."""

from itertools import combinations, pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest

from opgraph.analysis import analyze
from opgraph.errors import GraphError, OpgraphError
from opgraph.formats import read
from opgraph.graph import Edge, Node, OpGraph
from opgraph.ops import require
from opgraph.render import draw_volume_svg
from opgraph.render.scene import Group, Rect, Text
from opgraph.render.volume import size_of, volume_scene, volumes_of
from opgraph.text import parse

SAMPLES = sorted((Path(__file__).parents[2] / "sample_graphs").glob("*.*"))
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(params=SAMPLES, ids=lambda file: file.stem)
def any_sample(request):
    return analyze(read(request.param))


def groups(scene, kind):
    graph = next(
        item for item in scene.children if isinstance(item, Group) and item.kind == "graph"
    )
    return graph, [item for item in graph.children if item.kind == kind]


def test_every_node_is_in_one_volume(any_sample):
    names = [facts.node.name for volume in volumes_of(any_sample) for facts in volume.nodes]
    assert sorted(names) == sorted(any_sample.graph.nodes)


def test_slabs_neither_change_a_shape_nor_are_read_past(any_sample):
    graph = any_sample.graph
    for volume in volumes_of(any_sample):
        for before, after in pairwise(volume.nodes):
            assert after.outputs == before.outputs
            assert [edge.target for edge in graph.edges_from(before.node.name)] == [after.node.name]


def test_each_doubling_is_as_much():
    sizes = [size_of((side, 2 * side, side)) for side in (1, 2, 4, 8)]
    assert {b.height - a.height for a, b in pairwise(sizes)} == {13.0}
    assert {b.width - a.width for a, b in pairwise(sizes)} == {4.0}
    assert [size.depth for size in sizes[:3]] == [size.height for size in sizes[1:]]


def test_nothing_overlaps_and_nothing_leaves(any_sample):
    scene = volume_scene(any_sample)
    graph, volumes = groups(scene, "volume")
    columns = []
    for group in volumes:
        left = graph.at.x + group.at.x
        rects = [item for item in group.children if isinstance(item, Rect)]
        texts = [item for item in group.children if isinstance(item, Text)]
        ends = [(left + item.x, left + item.x + item.width) for item in (*rects, *texts)]
        columns.append((min(a for a, _ in ends), max(b for _, b in ends)))
        front = max(rect.y + rect.height for rect in rects)
        assert all(
            text.y - text_height > front for text, text_height in zip(texts, (9, 9, 8), strict=True)
        )
    assert all(a >= 0 and b <= scene.width for a, b in columns)
    for one, other in combinations(columns, 2):
        assert one[1] < other[0] or other[1] < one[0]
    _, lines = groups(scene, "line")
    for line in lines:
        for point in line.children[0].points:
            assert 0 <= point.x + graph.at.x <= scene.width
            assert 0 <= point.y + graph.at.y <= scene.height


def test_every_connection_between_volumes_is_there(any_sample):
    home = {
        facts.node.name: index
        for index, volume in enumerate(volumes_of(any_sample))
        for facts in volume.nodes
    }
    pairs = {(home[edge.source], home[edge.target]) for edge in any_sample.graph.edges}
    _, lines = groups(volume_scene(any_sample), "line")
    assert len(lines) == len({pair for pair in pairs if pair[0] != pair[1]})


def test_arcs_that_meet_have_levels_of_their_own(network):
    text = "x: Input(shape=(8, 8, 3))\n" + "\n".join(
        f"{a} -> {b}: Conv2D(filters=3)" for a, b in pairwise("xabcdef")
    )
    analysis = network(text + "\nx, b, d, f -> sum: Add()")
    _, lines = groups(volume_scene(analysis), "line")
    heights = [line.children[0].points[1].y for line in lines if len(line.children[0].points) == 4]
    assert len(heights) == 3
    assert len(set(heights)) == 3


@pytest.mark.parametrize("theme", ["light", "dark", "print"])
def test_valid_unique_the_same_again(any_sample, theme):
    svg = draw_volume_svg(any_sample, theme=theme)
    root = ElementTree.fromstring(svg)
    ids = [element.get("id") for element in root.iter() if element.get("id")]
    assert len(ids) == len(set(ids))
    assert svg == draw_volume_svg(any_sample, theme=theme)
    for rect in root.iter(f"{SVG}rect"):
        if rect.get("class") != "background":
            assert f".{rect.get('class').replace(' ', '.')}{{fill:#" in svg


def test_too_many(generate):
    analysis = analyze(parse(generate.resnet50()))
    with pytest.raises(GraphError) as caught:
        draw_volume_svg(analysis)
    assert str(caught.value) == (
        "--style volume: 73 volumes are too many for a figure, expected at most 48\n"
        "   draw it as boxes, which fold"
    )


def test_shapes_that_do_not_fit_are_an_error(network):
    with pytest.raises(OpgraphError, match="do not fit"):
        draw_volume_svg(network("misfit"))


def test_numbers_have_no_room():
    import opgraph

    graph = opgraph.read("x: Input(shape=(4,)) -> a: ReLU")
    with pytest.raises(OpgraphError) as caught:
        graph.draw(style="volume", color_by="flops")
    assert str(caught.value) == (
        "--style volume: volumes have no room for numbers\n"
        "   leave out --annotate, --color-by and --run"
    )


HOSTILE = [
    "<script>alert(1)</script>",
    "]]>",
    "a\u202egnp.exe",
    "\x00\x1b[31m",
    "x" * 10_000,
    "卷积",
]


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_names_are_text(name):
    nodes = [
        Node(name, require("Input"), {"shape": (8, 8, 3)}),
        Node(f"{name} 2", require("Conv2D"), {"filters": 3}),
    ]
    graph = OpGraph(nodes, [Edge(name, f"{name} 2", 0)], name)
    svg = draw_volume_svg(analyze(graph))
    tags = {element.tag.removeprefix(SVG) for element in ElementTree.fromstring(svg).iter()}
    assert tags <= {"svg", "title", "desc", "style", "g", "rect", "text", "path"}
