"""Long lines of big graphs become tags at both ends: counted, linked, never dropped."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import pytest

from opgraph.analysis import Analysis
from opgraph.render import draw_scene, draw_svg
from opgraph.render.layout import Box, Sketch, Wire
from opgraph.render.scene import Group
from opgraph.render.stubs import LONG, with_tags

Network = Callable[[str], Analysis]


def chain(count: int, *extra: Wire) -> Sketch:
    wires = [Wire(i, i + 1) for i in range(count - 1)]
    return Sketch((Box(100, 30),) * count, (*wires, *extra))


def test_a_small_graph_keeps_its_long_lines() -> None:
    sketch = chain(40, Wire(0, 30, 0, 1))
    assert with_tags(sketch, 50) == (sketch, (), 0)


def test_long_lines_of_a_big_graph_become_tags_at_both_ends() -> None:
    sketch, tags, cut = with_tags(chain(400, Wire(0, 30, 0, 1), Wire(0, 90, 0, 1)), 50)
    assert cut == 2
    assert [(tag.sources, tag.readers, tag.is_start) for tag in tags] == [
        ((0,), (30,), False),
        ((0,), (90,), False),
        ((0,), (30, 90), True),
    ]
    assert len(sketch.boxes) == 403
    assert {Wire(400, 30, 0, 1), Wire(401, 90, 0, 1), Wire(0, 402)} <= set(sketch.wires)


def test_lines_up_to_the_limit_stay_and_the_main_path_always_does() -> None:
    short = chain(400, Wire(0, LONG, 0, 1))
    assert with_tags(short, 50)[2] == 0
    long = chain(400, Wire(0, 50, 0, 1))
    main = Sketch(long.boxes, long.wires, (0, 50))
    assert with_tags(main, 50)[2] == 0


def test_a_reader_of_many_gets_one_tag_for_all_of_them() -> None:
    extra = [Wire(i, 200, 0, 1 + i) for i in range(5)]
    _, tags, cut = with_tags(chain(400, *extra), 50)
    ends = [tag for tag in tags if not tag.is_start]
    assert cut == 5
    assert [tag.sources for tag in ends] == [(0, 1, 2, 3, 4)]


def test_the_legend_counts_them_and_each_links_to_the_other_end(
    network: Network, generate: ModuleType
) -> None:
    analysis = network(generate.hub(320))
    scene = draw_scene(analysis, fold="none")
    graph = next(i for i in scene.children if isinstance(i, Group) and i.kind == "graph")
    stubs = [i for i in graph.children if isinstance(i, Group) and i.kind == "stub"]
    idents = {i.ident for i in graph.children if isinstance(i, Group)}
    assert stubs
    assert {stub.href for stub in stubs} <= idents
    assert f"{len(stubs) - 1:,} long lines drawn as tags" in draw_svg(analysis, fold="none")


@pytest.mark.parametrize("kind", ["resnet_like", "hub", "dense"])
def test_generated_graphs_pass_the_audit(
    kind: str, network: Network, generate: ModuleType, audit: Callable[..., object]
) -> None:
    analysis = network(getattr(generate, kind)(60))
    assert not analysis.errors
    assert 50 <= len(analysis.graph) <= 70
    checked = audit(draw_scene(analysis))
    checked.check()  # type: ignore[attr-defined]
