"""Long lines of big graphs, replaced by tags that name the other end.

Lines over many ranks are what makes a big picture unreadable and slow. Each becomes a tag below its
source, shared by all that read it, and one above its reader; both are counted in the legend.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from opgraph.render.layout import Box, Sketch, Wire, spans

BIG_GRAPH = 300
LONG = 12
CROWDED = 12
MOST_APART = 2
TAG_HEIGHT = 18.0


@dataclass(frozen=True, slots=True)
class Tag:
    """A stand-in for long lines.

    Attributes:
        box: its index in the sketch.
        sources: the boxes whose arrays it carries.
        readers: the boxes that read them.
        is_start: whether it stands below its source; else above its reader.
    """

    box: int
    sources: tuple[int, ...]
    readers: tuple[int, ...]
    is_start: bool


def with_tags(sketch: Sketch, tag_width: float) -> tuple[Sketch, tuple[Tag, ...], int]:
    """Cut the long lines of a big or crowded graph.

    Returns:
        The sketch with tags as further boxes, the tags, and how many lines were cut.
    """
    count = len(sketch.boxes)
    lengths = spans(count, sketch.wires)
    if count <= BIG_GRAPH and _lanes(sketch.wires, lengths) <= CROWDED * count:
        return sketch, (), 0
    main = set(zip(sketch.main, sketch.main[1:], strict=False))
    is_cut = [
        span > LONG and (wire.source, wire.target) not in main
        for wire, span in zip(sketch.wires, lengths, strict=True)
    ]
    whole = [wire for wire, cut in zip(sketch.wires, is_cut, strict=True) if not cut]
    long = [wire for wire, cut in zip(sketch.wires, is_cut, strict=True) if cut]
    tags = [*_end_tags(long, count)]
    tags += _start_tags(long, count + len(tags))
    wires = [*whole, *(wire for _, wire in tags)]
    boxes = (*sketch.boxes, *(Box(tag_width, TAG_HEIGHT) for _ in tags))
    cut_sketch = replace(sketch, boxes=boxes, wires=tuple(wires))
    return cut_sketch, tuple(tag for tag, _ in tags), len(long)


def _lanes(wires: Sequence[Wire], lengths: Sequence[int]) -> int:
    """How many places beside boxes the long lines take."""
    longest: dict[tuple[int, int], int] = {}
    for wire, span in zip(wires, lengths, strict=True):
        key = (wire.source, wire.port)
        longest[key] = max(longest.get(key, 0), span - 1)
    return sum(longest.values())


def _end_tags(long: Sequence[Wire], box: int) -> list[tuple[Tag, Wire]]:
    """Tags above the readers; a reader of many gets one for all of them."""
    by_reader: dict[int, list[Wire]] = {}
    for wire in long:
        by_reader.setdefault(wire.target, []).append(wire)
    found: list[tuple[Tag, Wire]] = []
    for reader, wires in by_reader.items():
        sources = tuple(dict.fromkeys(wire.source for wire in wires))
        groups = [(s,) for s in sources] if len(sources) <= MOST_APART else [sources]
        for group in groups:
            slot = min(wire.slot for wire in wires if wire.source in group)
            tag = Tag(box + len(found), group, (reader,), False)
            found.append((tag, Wire(tag.box, reader, 0, slot)))
    return found


def _start_tags(long: Sequence[Wire], box: int) -> list[tuple[Tag, Wire]]:
    """Tags below the sources, one for each array."""
    by_array: dict[tuple[int, int], list[int]] = {}
    for wire in long:
        by_array.setdefault((wire.source, wire.port), []).append(wire.target)
    found: list[tuple[Tag, Wire]] = []
    for (source, port), readers in by_array.items():
        tag = Tag(box + len(found), (source,), tuple(dict.fromkeys(readers)), True)
        found.append((tag, Wire(source, tag.box, port)))
    return found
