"""Which positions of the inputs one position of a node sees.

Owns the way back through windows, strides and padding; how large a receptive field is without its
place is `receptive`'s to know.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from opgraph.analysis.result import Analysis, NodeFacts
from opgraph.ops import Reach

Box = tuple[tuple[int, int], ...]


def seen_inputs(analysis: Analysis, node: str, place: Sequence[int]) -> dict[str, Box | None]:
    """The part of each Input node that one position of a node is made from.

    Windows are followed back one node at a time: with stride s and b positions of padding before
    the first, positions p to q read s p - b to s q - b + window - 1. Channels come last.

    Args:
        analysis: of the graph.
        node: its name.
        place: the position, without example and channel.

    Returns:
        By the name of the input first and last position on each axis; None where that is the
        whole input, or cannot be said more closely.

    >>> from opgraph.analysis import analyze
    >>> from opgraph.text import parse
    >>> line = "x: Input(shape=(8, 8, 1)) -> c: Conv2D(filters=2, kernel_size=3, padding=same)"
    >>> seen_inputs(analyze(parse(line)), "c", (0, 4))
    {'x': ((0, 1), (3, 5))}
    """
    graph = analysis.graph
    is_first = any(getattr(n.op, "data_format", "") == "channels_first" for n in graph)
    boxes: dict[str, Box | None] = {node: None if is_first else tuple((at, at) for at in place)}
    found: dict[str, Box | None] = {}
    for name in reversed(graph.order):
        if name not in boxes:
            continue
        ends = graph.inputs(name)
        if not ends:
            found[name] = boxes[name]
        for slot, end in enumerate(ends):
            box = _read(analysis[name], slot, boxes[name])
            boxes[end.node] = _joined(boxes[end.node], box) if end.node in boxes else box
    return found


def _read(facts: NodeFacts, slot: int, box: Box | None) -> Box | None:
    """The part of an input that a part of the output is made from."""
    shape, made = facts.inputs[slot], facts.output
    reach = None if None in facts.inputs else facts.node.op.reach(*facts.inputs)
    if box is None or shape is None or made is None or reach is None or reach.window is None:
        return None
    sizes = [size for size in shape[:-1] if size is not None]
    counts = [size for size in made[:-1] if size is not None]
    if not len(box) == len(sizes) == len(counts) == len(shape) - 1:
        return None
    if not reach.window:
        moved = _shifts(facts.node.op, len(box))
        return tuple(
            _clipped(low + by, high + by, size)
            for (low, high), by, size in zip(box, moved, sizes, strict=True)
        )
    if len(reach.window) != len(box) or any(stride != int(stride) for stride in reach.stride):
        return None
    return _windows(facts.node.op, reach, box, sizes, counts)


def _windows(op: Any, reach: Reach, box: Box, sizes: Sequence[int], counts: Sequence[int]) -> Box:
    found: list[tuple[int, int]] = []
    padding = getattr(op, "padding", "valid")
    rows = zip(box, reach.window or (), map(int, reach.stride), sizes, counts, strict=True)
    for (low, high), window, stride, size, count in rows:
        before = 0
        if padding == "same":
            before = max((count - 1) * stride + window - size, 0) // 2
        elif padding == "causal":
            before = window - 1
        found.append(_clipped(low * stride - before, high * stride - before + window - 1, size))
    return tuple(found)


def _shifts(op: Any, rank: int) -> list[int]:
    """How far positions are moved by what pads or crops."""
    for name, sign in (("padding", -1), ("cropping", 1)):
        sides = getattr(op, name, None)
        if isinstance(sides, tuple) and len(sides) == rank:
            return [sign * side[0] for side in sides]
    return [0] * rank


def _clipped(low: int, high: int, size: int) -> tuple[int, int]:
    return min(max(0, low), size - 1), max(min(size - 1, high), 0)


def _joined(one: Box | None, other: Box | None) -> Box | None:
    """The smallest part that contains both."""
    if one is None or other is None or len(one) != len(other):
        return None
    return tuple((min(a, c), max(b, d)) for (a, b), (c, d) in zip(one, other, strict=True))
