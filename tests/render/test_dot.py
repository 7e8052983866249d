"""Layout by Graphviz: both ways to reach it, its limits and its absence."""

from __future__ import annotations

import stat
import sys
from collections.abc import Callable
from pathlib import Path as File

import pytest

from opgraph.analysis import Analysis
from opgraph.errors import MissingDependencyError, OpgraphError
from opgraph.render import dot as engine
from opgraph.render import draw_svg, to_graphviz
from opgraph.render.layout import Box, Sketch, Wire

Network = Callable[[str], Analysis]


@pytest.fixture
def fake_path(tmp_path: File, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Put a program called dot on the PATH, and nothing else."""

    def place(script: str) -> None:
        program = tmp_path / "dot"
        program.write_text(f"#!{sys.executable}\n{script}")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", str(tmp_path))

    return place


def test_pygraphviz_lays_out_in_a_child_process(
    network: Network, tmp_path: File, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delitem(sys.modules, "pygraphviz", raising=False)
    svg = draw_svg(network("residual"), engine="dot")
    assert 'data-node="conv1"' in svg
    assert "C" in svg.split('class="edge" d="')[1].split('"')[0]
    assert "pygraphviz" not in sys.modules


def test_dot_draws_downwards_and_sideways() -> None:
    sketch = Sketch((Box(100, 30),) * 3, (Wire(0, 1), Wire(1, 2)))
    down = engine.arrange_by_dot(sketch)
    assert down.corners[0].y < down.corners[1].y < down.corners[2].y
    right = engine.arrange_by_dot(sketch, "LR")
    assert right.corners[0].x < right.corners[1].x < right.corners[2].x
    for line in down.lines:
        start, end = line.points[0], line.points[-1]
        assert start.y == pytest.approx(down.corners[line.wire.source].y + 30, abs=1)
        assert end.y == pytest.approx(down.corners[line.wire.target].y, abs=1)


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for dot is a script")
def test_dot_on_the_path_is_preferred(network: Network, fake_path: Callable[[str], None]) -> None:
    by_child = draw_svg(network("inception"), engine="dot")
    fake_path(
        "import sys, pygraphviz\n"
        "assert sys.argv[1:] == ['-Tplain']\n"
        "graph = pygraphviz.AGraph(string=sys.stdin.read())\n"
        "drawn = graph.draw(format='plain', prog='dot')\n"
        "sys.stdout.write(drawn.decode() if isinstance(drawn, bytes) else drawn)\n"
    )
    assert draw_svg(network("inception"), engine="dot") == by_child


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for dot is a script")
def test_a_layout_that_takes_too_long_is_stopped(fake_path: Callable[[str], None]) -> None:
    fake_path("import time\ntime.sleep(60)\n")
    with pytest.raises(OpgraphError) as caught:
        engine.run_dot("digraph {}", 0.2)
    assert str(caught.value) == (
        "dot: no layout within 0.2 seconds\n"
        "   the built-in layout takes seconds: leave out --engine dot"
    )


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for dot is a script")
def test_a_failure_is_told_in_one_line(fake_path: Callable[[str], None]) -> None:
    fake_path("import sys\nsys.exit('Error: out of memory')\n")
    with pytest.raises(OpgraphError) as caught:
        engine.run_dot("digraph {}", 5)
    assert str(caught.value) == (
        "dot: failed with exit code 1: Error: out of memory\n"
        "   the built-in layout needs no Graphviz: leave out --engine dot"
    )


def test_without_graphviz_the_error_says_what_to_install(
    network: Network, tmp_path: File, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "pygraphviz", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError) as caught:
        draw_svg(network("residual"), engine="dot")
    assert str(caught.value) == (
        "the layout by dot needs Graphviz, which is not installed\n"
        "   pip install 'opgraph[dot]', or use the built-in layout"
    )


def test_a_digraph_has_every_node_and_edge(network: Network) -> None:
    source = to_graphviz(network("residual")).source
    assert source.count(" -> ") == 8
    assert "conv1\\nConv2D 3×3 · 16 · same · no bias\\n32×32×16\\n2,304 params" in source
    assert "n0 -> n1" in source


def test_a_digraph_takes_names_literally(network: Network) -> None:
    from opgraph.analysis import analyze
    from opgraph.graph import Node, OpGraph
    from opgraph.ops import require

    name = 'a:b\\n"<b>x</b>"'
    digraph = to_graphviz(analyze(OpGraph([Node(name, require("Input"), {"shape": (2,)})], [])))
    assert 'label="a:b\\\\n\\"<b>x</b>\\"' in digraph.source


def test_a_digraph_without_the_package_says_what_to_install(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "graphviz", None)
    monkeypatch.delitem(sys.modules, "opgraph.render.digraph", raising=False)
    with pytest.raises(MissingDependencyError) as caught:
        to_graphviz(network("residual"))
    assert str(caught.value) == (
        "a Digraph needs the package graphviz, which is not installed\n"
        "   pip install 'opgraph[dot]'"
    )
