"""Time the built-in layout and the SVG on generated graphs, beside Graphviz's dot.

    python benchmarks/layout.py

Seconds of processor time, best of three; analysis is not counted. `dot` lays out the same boxes and
wires in a child process (wall time, one run, 60 s limit) and draws nothing. Bars: 10k ResNet-like
within 3 s, hub graphs within 3 s.
"""

from __future__ import annotations

import gc
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from generate import dense, hub, resnet_like

from opgraph.analysis import Analysis, analyze
from opgraph.errors import OpgraphError
from opgraph.render import draw_svg, text_table
from opgraph.render.dot import arrange_by_dot
from opgraph.render.layout import Box, Sketch, Wire, arrange
from opgraph.text import parse

ROUNDS = 3
DOT_LIMIT = 60.0
CASES: tuple[tuple[str, Callable[[int], str], int], ...] = (
    ("ResNet-like", resnet_like, 1_000),
    ("ResNet-like", resnet_like, 5_000),
    ("ResNet-like", resnet_like, 10_000),
    ("hub", hub, 1_000),
    ("hub", hub, 10_000),
    ("dense", dense, 289),
)
WITH_DOT = {("ResNet-like", 1_000), ("hub", 1_000), ("dense", 289)}


def best(work: Callable[[], Any]) -> float:
    """Least processor seconds of a few rounds."""
    times: list[float] = []
    for _ in range(ROUNDS):
        gc.collect()
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def plain_sketch(analysis: Analysis) -> Sketch:
    """The graph as boxes of one size."""
    names = {name: index for index, name in enumerate(analysis.graph.nodes)}
    wires = tuple(
        Wire(names[edge.source], names[edge.target], edge.port, edge.slot)
        for edge in analysis.graph.edges
    )
    return Sketch((Box(200, 50),) * len(names), wires)


def dot_seconds(sketch: Sketch) -> float | None:
    """Wall seconds of dot, or None when it was stopped."""
    start = time.perf_counter()
    try:
        arrange_by_dot(sketch, time_limit=DOT_LIMIT)
    except OpgraphError as error:
        if "no layout within" not in error.problem:
            raise
        return None
    return time.perf_counter() - start


def row(kind: str, make: Callable[[int], str], size: int) -> list[str]:
    analysis = analyze(parse(make(size)))
    sketch = plain_sketch(analysis)
    whole = best(lambda: draw_svg(analysis))
    placed = best(lambda: arrange(sketch))
    cells = [kind, f"{len(analysis.graph):,}", f"{len(sketch.wires):,}"]
    cells += [f"{placed:.2f}", f"{whole:.2f}", f"{len(draw_svg(analysis).encode()) / 1e6:.1f}"]
    if (kind, size) not in WITH_DOT:
        return [*cells, "", ""]
    by_dot = dot_seconds(sketch)
    if by_dot is None:
        return [*cells, f"> {DOT_LIMIT:.0f}", f"> {DOT_LIMIT / placed:.0f}"]
    return [*cells, f"{by_dot:.2f}", f"{by_dot / placed:.1f}"]


def main() -> None:
    from rich.console import Console

    headers = ["graph", "nodes", "edges", "layout s", "all s", "SVG MB", "dot s", "dot/layout"]
    rows = [row(*case) for case in CASES]
    console = Console()
    console.print(f"Python {platform.python_version()}, {platform.machine()}, {platform.system()}")
    console.print("layout: no tags, every line drawn; all: cards, tags, layout, SVG")
    console.print(text_table(headers, rows, right=headers[1:]))


if __name__ == "__main__":
    main()
