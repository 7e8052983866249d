"""What a picture says: names, shapes, parameters, provenance, errors, legend, totals."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path as File
from typing import Any

import pytest

from opgraph.analysis import Analysis, analyze
from opgraph.render import draw_scene
from opgraph.render.scene import Group, Item, Rect, Scene, Text
from opgraph.text import parse, read_source
from opgraph.version import __version__

Network = Callable[[str], Analysis]
SAMPLE = File(__file__).parents[2] / "sample_graphs" / "cnn.txt"


def texts_of(item: Item | Scene) -> Iterator[Text]:
    if isinstance(item, Text):
        yield item
    elif isinstance(item, Group | Scene):
        for child in item.children:
            yield from texts_of(child)


def groups_of(item: Item | Scene, kind: str) -> Iterator[Group]:
    if isinstance(item, Group) and item.kind == kind:
        yield item
    elif isinstance(item, Group | Scene):
        for child in item.children:
            yield from groups_of(child, kind)


def node(scene: Scene, name: str) -> Group:
    return next(g for g in groups_of(scene, "node") if g.data["node"] == name)


def said(item: Item | Scene) -> list[tuple[str, str]]:
    return [(text.content, text.kind) for text in texts_of(item)]


@pytest.fixture(scope="module")
def sample() -> Analysis:
    return analyze(parse(read_source(SAMPLE), "cnn"))


def test_a_convolution_of_the_sample_says_what_it_is(sample: Analysis) -> None:
    assert said(node(draw_scene(sample), "conv2d_1")) == [
        ("conv2d_1", "name"),
        ("Conv2D", "op"),
        ("卷积层 1", "label"),
        ("32×32×32", "given"),
        ("3×3", "default"),
        ("· 32", "inferred"),
        ("· same", "default"),
        ("896 params", "params"),
        ("864 + 32", "parts"),
    ]


def test_weights_that_are_not_trained_are_told_apart(sample: Analysis) -> None:
    assert ("32 + 32 + 64 not trained", "parts") in said(node(draw_scene(sample), "batch_norm_1"))


def test_a_weightless_op_that_keeps_the_shape_is_one_quiet_line(sample: Analysis) -> None:
    scene = draw_scene(sample)
    relu = node(scene, "relu_1")
    assert said(relu) == [
        ("relu_1", "quiet"),
        ("ReLU 激活 1", "label"),
        ("· 32×32×32", "label"),
        ("ReLU", "op"),
    ]
    heights = {g.data["node"]: g.children[0] for g in groups_of(scene, "node")}
    low, high = heights["relu_1"], heights["conv2d_1"]
    assert isinstance(low, Rect)
    assert isinstance(high, Rect)
    assert low.height < high.height / 2


def test_all_nodes_have_one_width(sample: Analysis) -> None:
    widths = {g.children[0].width for g in groups_of(draw_scene(sample), "node")}  # type: ignore[union-attr]
    assert len(widths) == 1


def test_an_inferred_input_shape_is_set_as_inferred(sample: Analysis) -> None:
    assert ("32×32×3", "inferred") in said(node(draw_scene(sample), "input_layer"))


def test_lines_of_the_sample_carry_each_new_shape_once(sample: Analysis) -> None:
    labels = [text.content for g in groups_of(draw_scene(sample), "line") for text in texts_of(g)]
    assert labels == [
        "32×32×3",
        "32×32×32",
        "16×16×32",
        "16×16×64",
        "8×8×64",
        "8×8×128",
        "128",
        "10",
    ]


@pytest.mark.parametrize(("edge_shapes", "count"), [("all", 17), ("none", 0)])
def test_shapes_at_lines_on_request(sample: Analysis, edge_shapes: Any, count: int) -> None:
    scene = draw_scene(sample, edge_shapes=edge_shapes)
    assert sum(len(list(texts_of(g))) for g in groups_of(scene, "line")) == count


def test_what_is_switched_off_is_not_there(sample: Analysis) -> None:
    scene = draw_scene(
        sample, show_shapes=False, show_params=False, show_attrs=False, title="", legend=False,
        foot=False,
    )  # fmt: skip
    assert said(node(scene, "conv2d_1")) == [
        ("conv2d_1", "name"),
        ("Conv2D", "op"),
        ("卷积层 1", "label"),
    ]
    kinds = {kind for _, kind in said(scene)}
    assert kinds <= {"name", "quiet", "op", "label"}


def test_title_legend_and_totals(sample: Analysis) -> None:
    words = [content for content, _ in said(draw_scene(sample))]
    assert words[0] == "cnn"
    foot = " · ".join(words[-2:]) if words[-1].startswith("opgraph") else words[-1]
    assert foot == (
        "18 nodes · 17 edges · 111,946 params (111,498 trainable) · 21.0 MFLOP · 448 kB of weights"
        f" · opgraph {__version__}"
    )
    assert {"convolution", "inferred by a rule", "default"} <= set(words)
    assert "given" not in words


def test_the_tooltip_says_everything(sample: Analysis) -> None:
    assert node(draw_scene(sample), "conv2d_1").title == "\n".join(
        [
            "conv2d_1: Conv2D (卷积层 1)",
            "in: 32×32×3",
            "out: 32×32×32",
            "filters 32 (inferred: the first resolution has 32 channels)",
            "kernel 3×3 (default)",
            "stride 1 (default)",
            "padding same (default)",
            "dilation 1 (default)",
            "groups 1 (default)",
            "bias (default)",
            "kernel: 3×3×3×32 = 864",
            "bias: 32 = 32",
            "1.80 MFLOP, output 131 kB",
            "sees 3×3 of the input",
        ]
    )


def test_a_node_that_does_not_fit_is_red_and_says_why(network: Network) -> None:
    scene = draw_scene(network("misfit"))
    bad = node(scene, "add")
    assert isinstance(bad.children[0], Rect)
    assert bad.children[0].kind == "box c-error"
    why = " ".join(content for content, kind in said(bad) if kind == "why")
    assert "(16, 16, 8)" in why
    assert "(8, 8, 8)" in why


def test_what_stands_behind_an_error_is_faint(network: Network) -> None:
    scene = draw_scene(network("misfit"))
    kinds = {g.data["node"]: g.children[0].kind for g in groups_of(scene, "node")}  # type: ignore[union-attr]
    assert {name for name, kind in kinds.items() if kind == "box c-ghost"} == {"relu", "gap"}
    assert kinds["a"] == "box c-convolution"
    words = {content for content, _ in said(scene)}
    assert {"does not fit", "behind an error"} <= words


def test_totals_are_marked_when_something_is_unknown(network: Network) -> None:
    words = " ".join(content for content, _ in said(draw_scene(network("misfit"))))
    assert ">= " in words


def test_shared_weights_are_said_to_be(network: Network) -> None:
    analysis = network("a: Input(shape=(4,))\nb: Input(shape=(4,))\na -> one: Dense(units=3)\n"
                       "b -> two = one\none, two -> add: Add()")  # fmt: skip
    assert ("shares one", "params") in said(node(draw_scene(analysis), "two"))


def test_an_empty_picture_is_still_a_picture() -> None:
    from opgraph.graph import OpGraph

    scene = draw_scene(analyze(OpGraph([], [])))
    assert scene.width > 0
    assert scene.height > 0


def test_the_legend_has_one_chip_for_each_colour(network: Network) -> None:
    scene = draw_scene(
        network("x: Input(shape=(8, 8, 3))\nx -> p: MaxPooling2D() -> f: Flatten() -> r: ReLU()")
    )
    words = [content for content, kind in said(scene) if kind == "foot"]
    assert words[:3] == ["input", "activation", "pooling, shape"]


def test_every_category_has_a_word_and_a_colour() -> None:
    from typing import get_args

    from opgraph.ops import Category
    from opgraph.render.legend import WORDS
    from opgraph.render.theme import THEMES

    for theme in THEMES.values():
        assert set(theme.categories) == set(get_args(Category))
    assert set(WORDS) == {*get_args(Category), "error", "ghost"}


def test_attributes_that_do_not_fit_beside_the_shape_go_on_below(network: Network) -> None:
    scene = draw_scene(
        network(
            "x: Input(shape=(20, 8))\n"
            "x -> lstm: LSTM(units=16, return_sequences=true, return_state=true)"
        )
    )
    lstm = node(scene, "lstm")
    words = [content for content, kind in said(lstm) if kind == "given"]
    assert words[-3:] == ["units 16", "· return sequences", "· return state"]
    assert len({text.y for text in texts_of(lstm) if text.kind == "given"}) == 2
