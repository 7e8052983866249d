"""Time the built-in layout and the SVG on generated graphs, beside Graphviz's dot and dagre.

    python benchmarks/layout.py

Times: processor seconds, best of three (one for 50k nodes), analysis not counted; nothing is
folded, all labels and lines are drawn. `dot` and dagre place the same boxes and wires and draw
nothing: wall seconds in a child process with a limit of 60. dagre runs where Node.js and the npm
package are (set NODE_PATH); it is never installed from here. Quality: places beside those of `dot`,
crossings counted alike for both, on the lines as drawn. Ends with exit code 1 when a bar is missed.
"""

from __future__ import annotations

import gc
import json
import platform
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parent))

from generate import dense, hub, resnet50, resnet_like, transformer

from opgraph.analysis import Analysis, analyze
from opgraph.errors import OpgraphError
from opgraph.render import draw_svg, text_table
from opgraph.render.dot import arrange_by_dot
from opgraph.render.layout import Box, Layout, Point, Sketch, Wire, arrange
from opgraph.text import parse

ROUNDS, LIMIT, HUGE = 3, 60.0, 20_000
STEPS = 12


class Case(NamedTuple):
    """A graph to time, its bar in seconds, and whether others are asked too."""

    kind: str
    make: Callable[[int], str]
    size: int
    bar: float | None = None
    others: bool = False


CASES = (
    Case("ResNet-like", resnet_like, 1_000, None, True),
    Case("ResNet-like", resnet_like, 5_000),
    Case("ResNet-like", resnet_like, 10_000, 2.0),
    Case("ResNet-like", resnet_like, 50_000, 15.0),
    Case("hub", hub, 1_000, None, True),
    Case("hub", hub, 5_000),
    Case("hub", hub, 10_000, 2.0),
    Case("hub", hub, 50_000, 15.0),
    Case("DenseNet-like", dense, 289, 0.5, True),
    Case("DenseNet-like", dense, 1_000),
)
QUALITY = (
    ("ResNet-like 50", resnet_like, 50),
    ("ResNet-like 150", resnet_like, 150),
    ("ResNet-like 300", resnet_like, 300),
    ("ResNet-50", resnet50, 0),
    ("transformer 12", transformer, 12),
    ("hub 50", hub, 50),
    ("hub 150", hub, 150),
    ("DenseNet-like 50", dense, 50),
)
TANGLES = (50, 100, 200, 300)
SEEDS, REACHES = range(3), (6, 12)
DAGRE = """
const dagre = require("dagre"), data = JSON.parse(require("fs").readFileSync(0, "utf8"));
const g = new dagre.graphlib.Graph({multigraph: true});
g.setGraph({}); g.setDefaultEdgeLabel(() => ({}));
data.boxes.forEach(([width, height], i) => g.setNode(String(i), {width, height}));
data.wires.forEach(([a, b], i) => g.setEdge(String(a), String(b), {}, String(i)));
dagre.layout(g);
"""


def best(work: Callable[[], Any], rounds: int = ROUNDS) -> float:
    """Least processor seconds of a few rounds."""
    times: list[float] = []
    for _ in range(rounds):
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
    main = tuple(names[name] for name in analysis.critical_path)
    return Sketch((Box(200, 50),) * len(names), wires, main)


def dot_seconds(sketch: Sketch) -> str:
    """Wall seconds of dot, or that it was stopped."""
    start = time.perf_counter()
    try:
        arrange_by_dot(sketch, time_limit=LIMIT)
    except OpgraphError as error:
        if "no layout within" not in error.problem:
            return "not there"
        return f"> {LIMIT:.0f}"
    return f"{time.perf_counter() - start:.2f}"


def has_dagre() -> bool:
    """Whether Node.js and dagre are there; says so when they are not."""
    node = shutil.which("node")
    found = (
        node
        and not subprocess.run(
            [node, "-e", 'require("dagre")'], capture_output=True, check=False
        ).returncode
    )
    if not found:
        print("SKIPPED: dagre (needs Node.js and NODE_PATH to a folder with the npm package dagre)")
    return bool(found)


def dagre_seconds(sketch: Sketch) -> str:
    """Wall seconds of dagre, or that it failed or was stopped."""
    data = json.dumps({"boxes": sketch.boxes, "wires": [wire[:2] for wire in sketch.wires]})
    start = time.perf_counter()
    try:
        done = subprocess.run(
            ["node", "-e", DAGRE], input=data.encode(), capture_output=True, timeout=LIMIT,
            check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"> {LIMIT:.0f}"
    return "failed" if done.returncode else f"{time.perf_counter() - start:.2f}"


def time_row(case: Case, dagre: bool) -> tuple[list[str], bool]:
    """One row of the table of times, and whether its bar is met."""
    analysis = analyze(parse(case.make(case.size)))
    rounds = 1 if case.size > HUGE else ROUNDS
    made = ""

    def draw() -> None:
        nonlocal made
        made = draw_svg(analysis, fold="none")

    whole = best(draw, rounds)
    edges = len(analysis.graph.edges)
    sizes = [f"{len(analysis.graph):,}", f"{edges:,}", f"{len(made.encode()) / 1e6:.1f}"]
    met = case.bar is None or whole <= case.bar
    bar = "" if case.bar is None else f"{case.bar:g}" + ("" if met else " MISSED")
    cells = [case.kind, *sizes, f"{whole:.2f}", bar]
    folded = best(lambda: draw_svg(analysis, fold=40), 1)
    cells.append(f"{folded:.2f}")
    if not case.others:
        return [*cells, "", ""], met
    sketch = plain_sketch(analysis)
    return [*cells, dot_seconds(sketch), dagre_seconds(sketch) if dagre else "skipped"], met


# Quality -----------------------------------------------------------------------------------------


def drawn(layout: Layout) -> list[tuple[Wire, list[Point]]]:
    """Every line as straight pieces; curves are followed in small steps."""
    return [(line.wire, _straight(line.points, line.curved)) for line in layout.lines]


def _straight(points: tuple[Point, ...], curved: bool) -> list[Point]:
    if not curved:
        return list(points)
    found = [points[0]]
    for i in range(0, len(points) - 1, 3):
        a, b, c, d = points[i : i + 4]
        for step in range(1, STEPS + 1):
            t = step / STEPS
            w = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3)
            found.append(Point(*(w[0] * p + w[1] * q + w[2] * r + w[3] * s
                                 for p, q, r, s in zip(a, b, c, d, strict=True))))  # fmt: skip
    return found


def crossings(layout: Layout) -> int:
    """Pairs of pieces of lines of different arrays that cross, not counting where they touch."""
    pieces = [
        ((wire.source, wire.port), wire.target, a, b)
        for wire, points in drawn(layout)
        for a, b in pairwise(points)
    ]
    pieces.sort(key=lambda piece: min(piece[2].y, piece[3].y))
    found: set[Any] = set()
    for i, (net, target, a, b) in enumerate(pieces):
        bottom = max(a.y, b.y)
        for other, goal, c, d in pieces[i + 1 :]:
            if min(c.y, d.y) > bottom:
                break
            if net != other and target != goal and _cross(a, b, c, d):
                found.add((*sorted((net, other)), round(a.x / 4), round(c.x / 4), round(a.y / 4)))
    return len(found)


def _cross(a: Point, b: Point, c: Point, d: Point) -> bool:
    return _side(a, b, c) * _side(a, b, d) < 0 and _side(c, d, a) * _side(c, d, b) < 0


def _side(a: Point, b: Point, p: Point) -> float:
    return (b.x - a.x) * (p.y - a.y) - (b.y - a.y) * (p.x - a.x)


def length(layout: Layout) -> float:
    """Length of all lines, in thousands of pixels."""
    lines = (pairwise(points) for _, points in drawn(layout))
    return sum(((b.x - a.x) ** 2 + (b.y - a.y) ** 2) ** 0.5 for p in lines for a, b in p) / 1000


def bends(layout: Layout) -> int:
    """Corners, or places where one curve goes over into the next."""
    return sum(
        (len(line.points) - 4) // 3 if line.curved else len(line.points) - 2
        for line in layout.lines
    )


def quality_row(name: str, make: Callable[[int], str], size: int) -> tuple[list[str], bool]:
    """One row of the table of quality, and whether the crossings stay within 1.2 times dot's."""
    sketch = plain_sketch(analyze(parse(make(size))))
    ours = arrange(sketch, wrap=False)
    wrapped = arrange(sketch)
    seconds = best(lambda: arrange(sketch))
    start = time.perf_counter()
    try:
        theirs = arrange_by_dot(sketch, time_limit=LIMIT)
    except OpgraphError as error:
        print(f"SKIPPED: {name} by dot: {error.problem}")
        return [name, str(len(sketch.boxes)), str(crossings(ours)), *[""] * 8], True
    by_dot = time.perf_counter() - start
    here, there = crossings(ours), crossings(theirs)
    met = here <= 1.2 * there
    cells = [name, str(len(sketch.boxes)), f"{here}{'' if met else ' MISSED'}", str(there)]
    cells += [f"{length(layout):.0f}" for layout in (ours, theirs)]
    cells += [str(bends(layout)) for layout in (ours, theirs)]
    return [*cells, str(crossings(wrapped)), f"{seconds:.3f}", f"{by_dot:.2f}"], met


def tangle(nodes: int, seed: int, reach: int) -> Sketch:
    """A random graph: each box reads one to three of the few before it."""
    chance = random.Random(seed)
    wires: list[Wire] = []
    for box in range(1, nodes):
        near = range(max(0, box - reach), box)
        count = min(len(near), chance.choice((1, 1, 1, 2, 2, 3)))
        chosen = sorted(chance.sample(near, count))
        wires += [Wire(source, box, 0, slot) for slot, source in enumerate(chosen)]
    return Sketch((Box(200, 50),) * nodes, tuple(wires))


def tangle_row(nodes: int) -> tuple[list[str], bool]:
    """Sums over random graphs of one size, and whether their crossings are within the bar."""
    sketches = [tangle(nodes, seed, reach) for seed in SEEDS for reach in REACHES]
    seconds = best(lambda: [arrange(sketch, wrap=False) for sketch in sketches], 1)
    ours = sum(crossings(arrange(sketch, wrap=False)) for sketch in sketches)
    name = f"random, {len(sketches)} graphs"
    start = time.perf_counter()
    try:
        theirs = sum(crossings(arrange_by_dot(sketch, time_limit=LIMIT)) for sketch in sketches)
    except OpgraphError as error:
        print(f"SKIPPED: {name} by dot: {error.problem}")
        return [name, str(nodes), str(ours), *[""] * 8], True
    by_dot = time.perf_counter() - start
    met = ours <= 1.2 * theirs
    cells = [name, str(nodes), f"{ours}{'' if met else ' MISSED'}", str(theirs), *[""] * 5]
    return [*cells, f"{seconds:.3f}", f"{by_dot:.2f}"], met


def main() -> int:
    """Print both tables; 1 if a bar is missed."""
    from rich.console import Console

    console = Console(width=110)
    console.print(f"Python {platform.python_version()}, {platform.machine()}, {platform.system()}")
    dagre = has_dagre()
    timed = [time_row(case, dagre) for case in CASES]
    headers = ["graph", "nodes", "edges", "SVG MB", "all s", "bar", "folded s", "dot s", "dagre s"]
    console.print(text_table(headers, [row for row, _ in timed], right=headers[1:]))
    judged = [quality_row(*case) for case in QUALITY] + [tangle_row(nodes) for nodes in TANGLES]
    console.print("\ncrossings, length of lines (1000 px), bends; wrapped: crossings in columns")
    headers = ["graph", "nodes", "cross", "dot", "length", "dot", "bends", "dot", "wrapped", "s",
               "dot s"]  # fmt: skip
    console.print(text_table(headers, [row for row, _ in judged], right=headers[1:]))
    return 0 if all(met for _, met in (*timed, *judged)) else 1


if __name__ == "__main__":
    sys.exit(main())
