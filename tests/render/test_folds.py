"""Folds in pictures: nothing is lost, nothing overlaps, what is said of them is true."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opgraph.analysis import Analysis, analyze, fold
from opgraph.errors import GraphError
from opgraph.graph import Edge, Node, OpGraph
from opgraph.ops import require
from opgraph.render import draw_scene, draw_svg
from opgraph.render.scene import Group, Item, Scene, Text

CHECKS = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
KINDS = [("resnet50", 0), ("mobilenet_v3", 0), ("transformer", 12), ("hub", 200), ("dense", 50),
         ("resnet_like", 300)]  # fmt: skip


@pytest.fixture(scope="module")
def large(generate: Any) -> dict[str, Analysis]:
    from opgraph.text import parse

    return {kind: analyze(parse(getattr(generate, kind)(size), kind)) for kind, size in KINDS}


def boxes(scene: Scene) -> dict[str, Group]:
    graph = next(i for i in scene.children if isinstance(i, Group) and i.kind == "graph")
    groups = [cast("Group", item) for item in graph.children]
    return {group.data["node"]: group for group in groups if group.kind == "node"}


def said(item: Item) -> list[str]:
    if isinstance(item, Text):
        return [item.content]
    return [t for child in item.children for t in said(child)] if isinstance(item, Group) else []


@pytest.mark.parametrize("kind", ["resnet50", "mobilenet_v3", "transformer"])
def test_known_networks_fit_on_a_page(kind: str, large: dict[str, Analysis]) -> None:
    assert len(large[kind].graph) > 100
    assert len(boxes(draw_scene(large[kind]))) <= 40


@pytest.mark.parametrize("kind", [kind for kind, _ in KINDS])
@pytest.mark.parametrize("how", ["auto", "3", "12"])
@pytest.mark.parametrize("direction", ["TB", "LR"])
def test_folded_graphs_pass_the_audit(
    kind: str, how: str, direction: Any, large: dict[str, Analysis], audit: Any
) -> None:
    scene = draw_scene(large[kind], fold=how, direction=direction)
    audit(scene).check()


@st.composite
def layered(draw: st.DrawFn) -> OpGraph:
    """Blocks in a row, some alike, some with a skip, some that read a hub; names in Chinese too."""
    nodes, edges = [Node("x", require("Input"), {"shape": (8, 8, 4)})], list[Edge]()

    def put(name: str, kind: str, sources: list[str], **attrs: Any) -> str:
        nodes.append(Node(name, require(kind), attrs))
        edges.extend(Edge(source, name, slot) for slot, source in enumerate(sources))
        return name

    last = hub = "x"
    for number in range(draw(st.integers(1, 12))):
        name = (
            draw(st.sampled_from(["块", "block", "a_rather_long_name_of_a_block"])) + f"_{number}"
        )
        conv = put(f"{name}_conv", "Conv2D", [last], filters=draw(st.sampled_from([4, 4, 8])))
        inner = put(f"{name}_relu", "ReLU", [conv])
        for extra in range(draw(st.integers(0, 2))):
            other = draw(st.sampled_from([last, hub, conv, nodes[-1].name]))
            inner = put(f"{name}_cat{extra}", "Concatenate", [inner, other])
        last = inner
    return OpGraph(nodes, edges)


@settings(deadline=None, max_examples=60, suppress_health_check=CHECKS)
@given(graph=layered(), how=st.sampled_from([1, 2, 4, 8, "*lock*", "块*"]), sideways=st.booleans())
def test_random_folds_pass_the_audit(graph: OpGraph, how: Any, sideways: bool, audit: Any) -> None:
    analysis = analyze(graph)
    try:
        folded = fold(analysis, how)
    except GraphError:
        return  # nothing is called so
    hidden = [name for facts in folded.folds.values() for name in facts.fold.nodes]
    kept = [name for name in folded.view.graph.nodes if name not in folded.folds]
    assert sorted([*hidden, *kept]) == sorted(graph.nodes)
    assert folded.view.graph.order
    scene = draw_scene(analysis, fold=how, direction="LR" if sideways else "TB")
    audit(scene).check()


def test_totals_of_folds_and_nodes_add_up_to_the_whole(large: dict[str, Analysis]) -> None:
    for analysis in large.values():
        folded = fold(analysis, 10)
        assert folded.folds
        params = sum(facts.totals.params.value for facts in folded.folds.values())
        flops = sum(facts.totals.flops.value for facts in folded.folds.values())
        for name in set(folded.view.graph.nodes) - set(folded.folds):
            params += analysis[name].total_params or 0
            flops += analysis[name].flops or 0
        assert params == analysis.totals.params.value
        assert flops == analysis.totals.flops.value


def test_a_fold_says_what_it_hides(large: dict[str, Analysis]) -> None:
    found = boxes(draw_scene(large["transformer"]))
    block = found["block_2"]
    by_hand = 11 * (2 * 512 + 263_168 + (256 * 1024 + 1024) + (1024 * 256 + 256))
    words = said(block)
    assert words[:4] == ["block_2 +10 more", "110 nodes", "each as block_1", "128×256 → 128×256"]
    assert f"{by_hand:,} params" in words
    assert block.title is not None
    assert "11 blocks alike, each with weights of its own" in block.title
    assert "inside: block_2_norm1, " in block.title
    assert "110 of 125 nodes folded into 1 box" in draw_svg(large["transformer"])


def test_only_the_same_weights_are_counted_as_times(network: Callable[[str], Analysis]) -> None:
    lines = ["x: Input(shape=(8,)) -> a: Dense(units=8) -> ra: Tanh()", "ra -> b = a -> rb: Tanh()",
             "rb -> c = a -> rc: Tanh()", "rc -> y: Dense(units=2)"]  # fmt: skip
    shared = network("\n".join(lines))
    own = network("\n".join(lines).replace("= a", ": Dense(units=8)"))
    (used,) = fold(shared, 3).folds.values()
    (apart,) = fold(own, 3).folds.values()
    assert (len(used.fold.units), used.shares, used.totals.params.value) == (3, True, 72)
    assert (len(apart.fold.units), apart.shares, apart.totals.params.value) == (3, False, 216)
    assert "a … ra (×3)" in said(boxes(draw_scene(shared, fold=3))["a … ra"])
    assert "a … ra +2 more" in said(boxes(draw_scene(own, fold=3))["a … ra"])


def test_what_cannot_be_counted_is_marked() -> None:
    given = {"class_name": "Own", "output": (4,)}
    nodes = [Node("x", require("Input"), {"shape": (4,)}),
             Node("a_1", require("Dense"), {"units": 4}),
             Node("a_2", require("Opaque"), given), Node("y", require("ReLU"))]  # fmt: skip
    edges = [Edge("x", "a_1", 0), Edge("a_1", "a_2", 0), Edge("a_2", "y", 0)]
    words = said(boxes(draw_scene(analyze(OpGraph(nodes, edges)), fold="a"))["a"])
    assert ">= 20 params" in words
    assert any(word.startswith(">= ") and word.endswith("FLOP") for word in words)


def test_folds_are_opened_by_their_names_and_by_nodes(large: dict[str, Analysis]) -> None:
    analysis = large["transformer"]
    by_fold = boxes(draw_scene(analysis, opened=["block_2"]))
    assert "block_2_gelu" in by_fold
    assert "block_3" in by_fold
    assert "block_9_gelu" in boxes(draw_scene(analysis, opened=["block_9_gelu"]))
    assert "block_9_gelu" in boxes(draw_scene(analysis, mark="block_9_gelu"))


def test_a_node_that_does_not_fit_is_never_hidden(
    large: dict[str, Analysis], generate: Any
) -> None:
    from opgraph.text import parse

    wrong = generate.transformer(12).replace("block_7_down: Dense(units=256)",
                                             "block_7_down: Dense(units=255)")  # fmt: skip
    analysis = analyze(parse(wrong))
    assert analysis.errors
    assert {error.node for error in analysis.errors} <= set(boxes(draw_scene(analysis)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fold": "blok*"}, "--fold 'blok*': no region is called so or has only nodes that are\n"
                            "   a region has two nodes or more"),
        ({"fold": 0}, "--fold: 0 boxes\n   a number of boxes from 1 on, auto, none or a glob"),
        ({"opened": ["blok_2"]}, "--open 'blok_2': no fold or node is called so\n"
                                 "   did you mean 'block_2'?"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_said(options: Any, message: str, large: dict[str, Analysis]) -> None:
    with pytest.raises(GraphError) as caught:
        draw_svg(large["transformer"], **options)
    assert str(caught.value) == message


def test_the_same_bytes_every_time(large: dict[str, Analysis]) -> None:
    assert draw_svg(large["resnet50"]) == draw_svg(large["resnet50"])
