"""Layout by Graphviz's `dot`: its places and curves, our boxes.

The pictures of both engines are drawn by the same code, so they look alike and keep their figures,
tooltips and themes. `dot` from the PATH is used where there is one, else the one in the wheel of
`pygraphviz`, in a child process: both can take minutes on a big graph, and a child can be stopped.
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from math import ceil

from opgraph.errors import MissingDependencyError, OpgraphError
from opgraph.render.layout import Layout, Line, Point, Sketch, Wire

TIME_LIMIT = 60.0
INCH = 72.0
LETTER = 5.0


def arrange_by_dot(sketch: Sketch, direction: str = "TB", time_limit: float = TIME_LIMIT) -> Layout:
    """Place boxes and lines with Graphviz.

    Raises:
        MissingDependencyError: neither `dot` nor `pygraphviz` is there.
        OpgraphError: `dot` failed or took longer than the limit, in seconds.
    """
    return read_plain(sketch, run_dot(dot_text(sketch, direction), time_limit))


def dot_text(sketch: Sketch, direction: str) -> str:
    """The sketch in DOT: boxes of fixed size, named by their indices."""
    return "\n".join(_dot_lines(sketch, direction)) + "\n"


def _dot_lines(sketch: Sketch, direction: str) -> Iterator[str]:
    yield f"digraph {{ rankdir={direction}; nodesep=0.35; ranksep=0.4;"
    yield 'node [shape=box, fixedsize=true, label=""]; edge [dir=none, fontsize=10];'
    for index, box in enumerate(sketch.boxes):
        yield f"n{index} [width={box.width / INCH:.4f}, height={box.height / INCH:.4f}];"
    main = set(zip(sketch.main, sketch.main[1:], strict=False))
    labelled: set[tuple[int, int]] = set()
    for wire in sketch.wires:
        key = (wire.source, wire.port)
        attributes = ["weight=8"] if (wire.source, wire.target) in main else []
        if key in sketch.labels and key not in labelled:
            labelled.add(key)
            attributes.append(f"label={'x' * ceil(sketch.labels[key].width / LETTER)}")
        yield f"n{wire.source} -> n{wire.target} [{', '.join(attributes)}];"
    yield "}"


def run_dot(text: str, time_limit: float) -> str:
    """What `dot -Tplain` says.

    Raises:
        MissingDependencyError: there is no Graphviz.
        OpgraphError: it failed, or took longer than the limit.
    """
    command = _command()
    try:
        done = subprocess.run(
            command, input=text.encode(), capture_output=True, timeout=time_limit, check=False
        )
    except subprocess.TimeoutExpired:
        raise OpgraphError(
            f"no layout within {time_limit:g} seconds",
            where="dot",
            hint="the built-in layout takes seconds: leave out --engine dot",
        ) from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise OpgraphError(
            f"failed with exit code {done.returncode}" + (f": {said[-1]}" if said else ""),
            where="dot",
            hint="the built-in layout needs no Graphviz: leave out --engine dot",
        )
    return done.stdout.decode()


def _command() -> Sequence[str]:
    if found := shutil.which("dot"):
        return found, "-Tplain"
    if importlib.util.find_spec("pygraphviz"):
        return sys.executable, "-P", "-m", "opgraph.render.dot_child"
    raise MissingDependencyError(
        "the layout by dot needs Graphviz, which is not installed",
        hint="pip install 'opgraph[dot]', or use the built-in layout",
    )


def read_plain(sketch: Sketch, text: str) -> Layout:
    """The layout from Graphviz's plain format, whose y axis points upwards."""
    corners = [Point(0.0, 0.0)] * len(sketch.boxes)
    wires: dict[tuple[int, int], list[Wire]] = {}
    for wire in sketch.wires:
        wires.setdefault((wire.source, wire.target), []).append(wire)
    lines: list[Line] = []
    labels: dict[tuple[int, int], Point] = {}
    width = height = 0.0
    for words in map(str.split, text.splitlines()):
        if words[0] == "graph":
            width, height = float(words[2]) * INCH, float(words[3]) * INCH
        elif words[0] == "node":
            box = int(words[1][1:])
            size, centre = sketch.boxes[box], _point(words[2:4], height)
            corners[box] = Point(centre.x - size.width / 2, centre.y - size.height / 2)
        elif words[0] == "edge":
            line, rest = _edge(words, wires, height)
            lines.append(line)
            if len(rest) > 2:
                key = (line.wire.source, line.wire.port)
                middle = _point(rest[1:3], height)
                room = sketch.labels[key]
                labels[key] = Point(middle.x - room.width / 2, middle.y - room.height / 2)
    return Layout(tuple(corners), tuple(lines), labels, width, height)


def _edge(
    words: list[str], wires: dict[tuple[int, int], list[Wire]], height: float
) -> tuple[Line, list[str]]:
    wire = wires[int(words[1][1:]), int(words[2][1:])].pop(0)
    count = int(words[3])
    numbers, rest = words[4 : 4 + 2 * count], words[4 + 2 * count :]
    points = [_point(numbers[i : i + 2], height) for i in range(0, 2 * count, 2)]
    return Line(wire, tuple(points), curved=True), rest


def _point(words: Sequence[str], height: float) -> Point:
    return Point(round(float(words[0]) * INCH, 1), round(height - float(words[1]) * INCH, 1))
