"""The SVG: well formed, the same bytes every time, and harmless whatever the names are."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any
from xml.etree.ElementTree import Element

import pytest
from defusedxml import ElementTree
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opgraph.analysis import Analysis, analyze
from opgraph.graph import Edge, Node, OpGraph
from opgraph.ops import require
from opgraph.render import draw_scene, draw_svg

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = [
    "<script>alert(1)</script>",
    "]]>",
    "<![CDATA[",
    "javascript:alert(1)",
    '" onload="alert(1)',
    "' onclick='x",
    "&lt;&#0;&xxe;",
    "a\u202egnp.exe",
    "\u2066hidden\u2069",
    "\x00\x07\x1b[31mred",
    "\ufffe\uffff",
    "\ud800",
    "</title><image href='http://x/'/>",
    "a\nb\tc",
    "x" * 10_000,
    "卷积" * 2_000,
    "e" + "\u0301" * 300,
]
ALLOWED = {"svg", "title", "desc", "style", "g", "rect", "text", "path", "a"}


def one_node(name: str, label: str | None = None) -> Analysis:
    nodes = [
        Node(name, require("Input"), {"shape": (4,)}, label=label),
        Node(f"{name} 2", require("Dense"), {"units": 3}, label=label),
    ]
    return analyze(OpGraph(nodes, [Edge(name, f"{name} 2", 0)], name))


def parsed(svg: str) -> Element:
    return ElementTree.fromstring(svg, forbid_dtd=True)


def elements(svg: str, tag: str) -> list[Element]:
    return list(parsed(svg).iter(SVG + tag))


def test_networks_are_well_formed_with_unique_ids(any_network: Analysis) -> None:
    root = parsed(draw_svg(any_network))
    assert {element.tag.removeprefix(SVG) for element in root.iter()} <= ALLOWED
    ids = [element.get("id") for element in root.iter() if element.get("id")]
    assert len(ids) == len(set(ids))
    assert root.get("role") == "img"
    assert root.get("aria-labelledby") == f"{ids[0]}-title {ids[0]}-desc"
    assert [root[0].tag, root[1].tag] == [SVG + "title", SVG + "desc"]


def test_every_text_says_how_wide_it_is(any_network: Analysis) -> None:
    texts = elements(draw_svg(any_network), "text")
    assert texts
    for text in texts:
        assert float(text.get("textLength", "0")) > 0
        assert text.get("lengthAdjust") == "spacingAndGlyphs"


def test_every_class_has_a_style(any_network: Analysis) -> None:
    svg = draw_svg(any_network)
    style = elements(svg, "style")[0].text or ""
    for element in parsed(svg).iter():
        for name in (element.get("class") or "").split():
            if element.tag not in (SVG + "g", SVG + "a"):
                assert f".{name}{{" in style or f".{name}." in style, name


@pytest.mark.parametrize("options", [{}, {"theme": "dark"}, {"direction": "LR"}])
def test_the_same_bytes_every_time(any_network: Analysis, options: dict[str, Any]) -> None:
    assert draw_svg(any_network, **options) == draw_svg(any_network, **options)


def test_the_same_bytes_in_another_process_with_another_hash_seed() -> None:
    code = (
        "from opgraph.analysis import analyze; from opgraph.render import draw_svg;"
        "from opgraph.text import parse; import hashlib;"
        "g = parse('x: Input(shape=(8, 8, 3))\\nx -> a: Conv2D()\\nx -> b: Conv2D()\\n"
        "a, b -> add: Add()'); print(hashlib.sha256(draw_svg(analyze(g)).encode()).hexdigest())"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PATH": ""},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(seen) == 1


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_names_and_labels_are_shown_as_text(text: str, audit: Any) -> None:
    analysis = one_node(text, label=text)
    svg = draw_svg(analysis, title=text)
    root = parsed(svg)
    assert {element.tag.removeprefix(SVG) for element in root.iter()} <= ALLOWED
    for element in root.iter():
        assert not any(name.startswith("on") for name in element.attrib)
        assert all(ref.startswith("#opgraph-") for ref in [element.get("href")] if ref)
    for char in svg:
        assert char == "\n" or (ord(char) >= 32 and char not in "\u202e\u2066\u2069\ufffe\uffff")
    svg.encode("utf-8")
    audit(draw_scene(analysis)).check()


def test_the_whole_of_a_shortened_name_stands_in_the_title() -> None:
    name = "a_very_long_name_" * 20
    svg = draw_svg(one_node(name))
    texts = [text.text or "" for text in elements(svg, "text")]
    assert name not in texts
    assert any("…" in text for text in texts)
    assert any((title.text or "").startswith(f"{name}: Input") for title in elements(svg, "title"))


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(name=st.text(min_size=1, max_size=60))
def test_any_name_gives_well_formed_svg_without_overflow(name: str, audit: Any) -> None:
    analysis = one_node(name, label=name[::-1])
    parsed(draw_svg(analysis))
    audit(draw_scene(analysis)).check()


def test_two_pictures_in_one_page_do_not_share_ids(network: Callable[[str], Analysis]) -> None:
    pictures = [draw_svg(network(name)) for name in ("residual", "parts")]
    pictures.append(draw_svg(network("residual"), theme="dark"))
    ids = [e.get("id") for svg in pictures for e in parsed(svg).iter() if e.get("id")]
    assert len(ids) == len(set(ids))


def test_golden_scene_of_two_inputs(
    network: Callable[[str], Analysis], golden: Callable[[str, str], None]
) -> None:
    golden("two_inputs.svg", draw_svg(network("two_inputs"), foot=False))


def test_golden_svg_of_an_error(
    network: Callable[[str], Analysis], golden: Callable[[str, str], None]
) -> None:
    golden("misfit_dark.svg", draw_svg(network("misfit"), theme="dark", foot=False))
