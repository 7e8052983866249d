"""The comparison of two graphs in words, as a table, and as one picture of both."""

import io
import itertools
import re
from xml.etree import ElementTree

import pytest
from rich.console import Console

from opgraph.analysis import analyze, diff_graphs, unite
from opgraph.graph import Edge, Node, OpGraph
from opgraph.ops import require
from opgraph.render import diff_table, draw_diff_scene, draw_diff_svg, summary
from opgraph.render.heat import luminance
from opgraph.render.marks import COLOURS, PATTERN_TINT, PATTERNS, TINT
from opgraph.render.theme import THEMES, mix

NAMES = ("residual", "two_inputs", "inception", "misfit", "ports", "parts")
RESIDUAL = """
    x: Input(shape=(32, 32, 16))
    x -> conv1: Conv2D(filters=16, use_bias=false) -> bn1: BatchNormalization() -> relu1: ReLU()
    relu1 -> conv2: Conv2D(filters=16) -> bn2: BatchNormalization()
    bn2, x -> add: Add() -> relu2: ReLU()
"""
WIDER = (
    RESIDUAL.replace("conv2: Conv2D(filters=16)", "second: Conv2D(filters=16, kernel_size=5)")
    .replace("bn2: BatchNormalization()", "drop: Dropout(rate=0.1)")
    .replace("bn2, x -> add", "drop, relu1 -> add")
    + "    relu2 -> gap: GlobalAveragePooling2D()\n"
)


@pytest.fixture
def wider(network):
    return diff_graphs(network(RESIDUAL), network(WIDER))


def printed(diff, width=100, every=False):
    out = io.StringIO()
    Console(file=out, width=width, highlight=False).print(diff_table(diff, every=every))
    return [line.rstrip() for line in out.getvalue().splitlines()]


def test_in_one_line(wider):
    assert summary(wider) == "2 added, 1 removed, 2 changed (1 renamed), 5 the same"


def test_as_a_table(wider):
    assert printed(wider) == [
        "   node            op                      what         A      B",
        "─" * 68,
        "~  conv2 → second  Conv2D                  kernel size  3×3    5×5",
        "                                           params       2,320  6,416",
        "−  bn2             BatchNormalization      removed",
        "+  drop            Dropout                 added",
        "~  add             Add                     reads 1      bn2    drop",
        "                                           reads 2      x      relu1",
        "+  gap             GlobalAveragePooling2D  added",
    ]


def test_consequences_are_listed_on_request(network):
    text = RESIDUAL.replace("shape=(32, 32, 16)", "shape=(16, 16, 16)")
    found = diff_graphs(network(RESIDUAL), network(text))
    assert len([line for line in printed(found) if line.startswith("~")]) == 1
    assert any("relu2" in line and "16×16×16" in line for line in printed(found, every=True))


@pytest.mark.parametrize("name", NAMES)
def test_nothing_overlaps(network, audit, name):
    for other in NAMES:
        audit(draw_diff_scene(diff_graphs(network(name), network(other)))).check()


def test_nothing_overlaps_in_a_detailed_one(wider, audit):
    audit(draw_diff_scene(wider)).check()


def test_every_mark_is_sign_and_look(wider):
    svg = draw_diff_svg(wider)
    root = ElementTree.fromstring(svg)
    ids = [element.get("id") for element in root.iter() if element.get("id")]
    assert len(ids) == len(set(ids))
    boxes = {}
    for group in root.iter("{http://www.w3.org/2000/svg}g"):
        if group.get("class") == "node":
            texts = [text.text for text in group.findall("{http://www.w3.org/2000/svg}text")]
            rect = group.find("{http://www.w3.org/2000/svg}rect")
            boxes[group.get("data-node")] = rect.get("class").split("d-")[1], texts[0]
    assert boxes["gap"] == ("added", "+")
    assert boxes["bn2"] == ("removed", "−")
    assert boxes["second"] == ("changed", "~")
    assert boxes["conv1"] == ("same", "conv1")
    for name in ("removed", "changed"):
        assert f'<pattern id="{root.get("id")}-{name}"' in svg
        assert f"fill:url(#{root.get('id')}-{name})" in svg
    assert len(re.findall(r'class="edge d-removed"', svg)) == 3
    assert len(re.findall(r'class="edge d-added"', svg)) == 4
    assert svg == draw_diff_svg(wider)


def test_red_is_left_to_errors(wider):
    for theme in ("light", "dark"):
        svg = draw_diff_svg(wider, theme=theme)
        used = set(re.findall(r"d-\w+\{[^}]*(#[0-9A-F]{6})", svg))
        assert THEMES[theme].error not in used


@pytest.mark.parametrize("theme", THEMES)
def test_text_can_be_read_on_marks(theme):
    chosen = THEMES[theme]
    for status, colour in COLOURS[theme].items():
        shares = (TINT, PATTERN_TINT) if status in PATTERNS else (TINT,)
        for share in shares:
            ground = luminance(mix(colour, chosen.surface, share))
            for ink in (chosen.text, chosen.muted):
                low, high = sorted((ground, luminance(ink)))
                least = 4.5 if share == TINT else 3.0  # lines of a pattern are thin
                assert (high + 0.05) / (low + 0.05) >= least, (status, share, ink)


def test_a_large_graph_is_folded_around_its_differences(generate, network):
    text = generate.resnet50(0)
    name = re.findall(r"(\w+): Conv2D", text)[20]
    changed = re.sub(rf"({name}: Conv2D\([^)]*)\)", r"\1, use_bias=true)", text, count=1)
    found = diff_graphs(network(text), network(changed))
    assert found.counts["changed"] >= 0
    scene = draw_diff_scene(found, fold=40)
    assert name in repr(scene)


def test_an_edge_that_would_close_a_circle_is_counted(network):
    one = "x: Input(shape=(4,))\nx -> a: ReLU -> b: ELU"
    other = "x: Input(shape=(4,))\nx -> b: ELU -> a: ReLU"
    found = diff_graphs(network(one), network(other))
    united = unite(found)
    assert united.undrawn == 1
    assert "1 removed connection is not drawn" in draw_diff_svg(found)


def test_a_removed_node_may_be_called_as_one_that_is_there(network):
    one = "x: Input(shape=(4,))\nx -> a: ReLU -> b: Dense(units=2)"
    other = "x: Input(shape=(4,))\nx -> b: ReLU"
    united = unite(diff_graphs(network(one), network(other)))
    assert list(united.nodes) == ["x", "b", "b (1)"]
    assert united.nodes["b"].left == "a"


def test_hostile_names_are_text():
    names = ["<script>alert(1)</script>", "]]>", "a\u202egnp.exe", "\x00\x1b[31m", "x" * 10_000]
    graphs = []
    for shift in (0, 1):
        used = names[shift:]
        nodes = [Node(used[0], require("Input"), {"shape": (4,)})]
        nodes += [Node(name, require("Dense"), {"units": 3 + shift}) for name in used[1:]]
        edges = [Edge(a, b, 0) for a, b in itertools.pairwise(used)]
        graphs.append(analyze(OpGraph(nodes, edges, names[shift])))
    found = diff_graphs(*graphs)
    root = ElementTree.fromstring(draw_diff_svg(found))
    tags = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert not tags & {"script", "image", "foreignObject"}
    assert "\x1b" not in "\n".join(printed(found))
