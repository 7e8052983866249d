"""The audit over sample graphs and over random ones, in both directions and with both engines."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path as File
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opgraph.analysis import Analysis, analyze
from opgraph.errors import OpgraphError
from opgraph.graph import Edge, Node, OpGraph
from opgraph.ops import require
from opgraph.render import draw_scene
from opgraph.render.layout import Box, Layout, Point, Sketch, Wire, arrange
from opgraph.render.scene import Group, Path, Scene
from opgraph.text import parse, read_source

SAMPLES = sorted((File(__file__).parents[2] / "sample_graphs").glob("**/*.txt"))


def can_be_read(file: File) -> bool:
    """Whether a sample has a graph at all; those that are broken on purpose may have none."""
    try:
        parse(read_source(file))
    except OpgraphError:
        return False
    return True


DRAWN = [file for file in SAMPLES if can_be_read(file)]
DIRECTIONS = ["TB", "LR"]


def lines_of(scene: Scene) -> list[Path]:
    graph = next(i for i in scene.children if isinstance(i, Group) and i.kind == "graph")
    groups = [g for g in graph.children if isinstance(g, Group) and g.kind == "line"]
    return [item for group in groups for item in group.children if isinstance(item, Path)]


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("file", DRAWN, ids=lambda file: file.stem)
def test_sample_graphs_pass_the_audit(file: File, direction: Any, audit: Any) -> None:
    analysis = analyze(parse(read_source(file)))
    scene = draw_scene(analysis, direction=direction)
    audit(scene).check()
    assert len(lines_of(scene)) == analysis.graph.nx.number_of_edges()


def test_most_samples_can_be_drawn() -> None:
    assert len(DRAWN) >= len(SAMPLES) / 2
    assert "cnn" in {file.stem for file in DRAWN}


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("wrap", [True, False])
def test_networks_pass_the_audit(
    any_network: Analysis, direction: Any, wrap: bool, audit: Any
) -> None:
    scene = draw_scene(any_network, direction=direction, wrap=wrap, edge_shapes="all")
    audit(scene).check()
    assert len(lines_of(scene)) == any_network.graph.nx.number_of_edges()


def test_dot_places_pass_the_audit_of_boxes(any_network: Analysis, audit: Any) -> None:
    scene = draw_scene(any_network, engine="dot")
    checked = audit(scene)
    checked.check_boxes()
    checked.check_texts()
    assert len(lines_of(scene)) == any_network.graph.nx.number_of_edges()


@st.composite
def graphs(draw: st.DrawFn, most: int = 16) -> OpGraph:
    """Random wirings of ops; shapes may not fit, parts may not be connected."""
    count = draw(st.integers(1, most))
    nodes: list[Node] = []
    edges: list[Edge] = []
    for index in range(count):
        places = st.integers(0, index - 1) if index else st.nothing()
        sources = draw(st.lists(places, max_size=4)) if index else []
        kinds = {0: ["Input"], 1: ["Conv2D", "ReLU", "BatchNormalization", "MaxPooling2D"]}
        kind = draw(st.sampled_from(kinds.get(len(sources), ["Add", "Concatenate"])))
        name = f"{draw(st.sampled_from(['n', 'a_rather_long_name_of_a_node_', '节点']))}{index}"
        given_attrs = {"filters": 8} if kind == "Conv2D" else {}
        given_attrs = {"shape": (16, 16, 8)} if kind == "Input" else given_attrs
        nodes.append(Node(name, require(kind), given_attrs))
        edges += [Edge(nodes[s].name, name, slot) for slot, s in enumerate(sources)]
    return OpGraph(nodes, edges)


@settings(deadline=None, max_examples=120, suppress_health_check=list(HealthCheck))
@given(graph=graphs(), direction=st.sampled_from(DIRECTIONS), wrap=st.booleans())
def test_random_graphs_pass_the_audit(
    graph: OpGraph, direction: Any, wrap: bool, audit: Any
) -> None:
    scene = draw_scene(analyze(graph), direction=direction, wrap=wrap, edge_shapes="all")
    audit(scene).check()
    assert len(lines_of(scene)) == graph.nx.number_of_edges()


@settings(deadline=None, max_examples=80, suppress_health_check=list(HealthCheck))
@given(graph=graphs())
def test_every_line_ends_at_its_target(graph: OpGraph) -> None:
    names = {name: index for index, name in enumerate(graph.nodes)}
    boxes = tuple(Box(100, 30 + 10 * (index % 3)) for index in range(len(names)))
    wires = tuple(Wire(names[e.source], names[e.target], e.port, e.slot) for e in graph.edges)
    layout = arrange(Sketch(boxes, wires))
    assert sorted(line.wire for line in layout.lines) == sorted(wires)
    for line in layout.lines:
        assert on_border(line.points[-1], layout, boxes, line.wire.target)
        assert all(a.x == b.x or a.y == b.y for a, b in pairwise(line.points))
    starts = {
        (line.wire.source, line.wire.port)
        for line in layout.lines
        if on_border(line.points[0], layout, boxes, line.wire.source)
    }
    assert starts == {(wire.source, wire.port) for wire in wires}


def on_border(point: Point, layout: Layout, boxes: tuple[Box, ...], index: int) -> bool:
    corner, box = layout.corners[index], boxes[index]
    x, y = point.x - corner.x, point.y - corner.y
    inside = 0 <= x <= box.width and 0 <= y <= box.height
    return inside and (x in (0, box.width) or y in (0, box.height))


def test_the_main_path_stands_on_one_column(network: Callable[[str], Analysis]) -> None:
    analysis = network("residual")
    centres = [Box(200, 30)] * len(analysis.graph)
    names = {name: index for index, name in enumerate(analysis.graph.nodes)}
    wires = tuple(Wire(names[e.source], names[e.target], 0, e.slot) for e in analysis.graph.edges)
    main = tuple(names[name] for name in analysis.critical_path)
    layout = arrange(Sketch(tuple(centres), wires, main), wrap=False)
    assert len({layout.corners[index].x for index in main}) == 1


def test_a_skip_connection_leaves_and_returns_at_the_side() -> None:
    boxes = (Box(100, 40),) * 4
    layout = arrange(Sketch(boxes, (Wire(0, 1), Wire(1, 2), Wire(2, 3), Wire(0, 3, 0, 1))))
    skip = next(line for line in layout.lines if line.wire == Wire(0, 3, 0, 1))
    assert skip.points[0] == Point(100, 20)
    assert skip.points[-1].x == 100
    assert len(skip.points) == 4


def test_a_long_chain_wraps_into_columns_of_near_equal_height() -> None:
    boxes = (Box(200, 60),) * 40
    layout = arrange(Sketch(boxes, tuple(Wire(i, i + 1) for i in range(39))))
    columns: dict[float, int] = {}
    for corner in layout.corners:
        columns[corner.x] = columns.get(corner.x, 0) + 1
    assert len(columns) > 2
    assert max(columns.values()) - min(columns.values()) <= 1
    assert layout.height < 3 * layout.width
    assert len({layout.corners[0].y, min(corner.y for corner in layout.corners)}) == 1


def test_a_chain_three_times_as_long_as_wide_does_not_wrap() -> None:
    boxes = (Box(200, 60),) * 6
    layout = arrange(Sketch(boxes, tuple(Wire(i, i + 1) for i in range(5))))
    assert {corner.x for corner in layout.corners} == {0.0}


def test_the_same_node_twice_as_an_input_gives_two_lines() -> None:
    layout = arrange(Sketch((Box(100, 30),) * 2, (Wire(0, 1, 0, 0), Wire(0, 1, 0, 1))))
    ends = [line.points[-1].x for line in layout.lines]
    assert len(set(ends)) == 2


def test_a_hub_costs_one_lane() -> None:
    wires = [Wire(i, i + 1) for i in range(20)] + [Wire(0, i, 0, 1) for i in range(3, 20)]
    layout = arrange(Sketch((Box(100, 30),) * 21, tuple(wires)), wrap=False)
    assert layout.width < 100 + 40


def test_nothing_to_draw_is_an_empty_layout() -> None:
    layout = arrange(Sketch((), ()))
    assert (layout.width, layout.height, layout.lines) == (0, 0, ())


def test_a_cycle_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^the wires form a cycle$"):
        arrange(Sketch((Box(1, 1),) * 2, (Wire(0, 1), Wire(1, 0))))


def test_a_very_tall_graph_wraps_even_where_many_lines_pass(generate: Any, audit: Any) -> None:
    scene = draw_scene(analyze(parse(generate.dense(50))), fold="none")
    assert scene.height < 2 * scene.width
    audit(scene).check()


def gap_above(sources: int) -> float:
    """The room above a box that reads so many others."""
    wires = tuple(Wire(index, sources, 0, index) for index in range(sources))
    return arrange(Sketch((Box(60, 20),) * (sources + 1), wires)).height - 40


def test_many_lines_that_turn_in_one_gap_move_together() -> None:
    assert gap_above(6) == 10 + 5 * 10 + 10  # one comes straight down
    assert gap_above(32) == 10 + 31 * 4 + 10
