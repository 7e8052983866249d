"""A sequence of regions: blocks that repeat in it, and what belongs together between them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from opgraph.graph.forms import Forms
from opgraph.graph.model import OpGraph

LONGEST_BLOCK, TRIES = 512, 12
HEADS = frozenset({"convolution", "dense", "recurrent", "attention"})


@dataclass(frozen=True, eq=False)
class Region:
    """Nodes with one way in and one way out (and hubs that they read).

    Attributes:
        nodes: their names, in the order of the flow.
        parts: the regions that it consists of; none for a single node.
        kind: `node`, `chain`, `fork` (branches and where they join), `repeat` (parts that are
            alike), `knot` (what cannot be told apart) or `stretch` (a part of a long chain).
        form: equal for regions with equal ops, attributes and wiring.
    """

    nodes: Sequence[str]
    parts: tuple[Region, ...] = ()
    kind: str = "node"
    form: int = -1


def leaf(name: str, form: int) -> Region:
    """A single node."""
    return Region((name,), (), "node", form)


def gathered(
    found: Sequence[Region], graph: OpGraph, forms: Forms, ends: frozenset[str]
) -> list[Region]:
    """The sequence with blocks that repeat in one region, and the rest in blocks.

    A block begins where weights or a fork begin; inputs and outputs stay by themselves.
    """
    parts: list[Region] = []
    rest: list[Region] = []
    place, later = 0, _later(found)
    while place < len(found):
        start, size, count = _repeat(found, place, later, graph, ends)
        if not count:
            rest.append(found[place])
            place += 1
            continue
        rest += found[place:start]
        parts += _blocks(rest, graph, forms, ends)
        rest = []
        units = [
            _joined(found[start + i * size : start + (i + 1) * size], forms) for i in range(count)
        ]
        names = tuple(name for unit in units for name in unit.nodes)
        parts.append(Region(names, tuple(units), "repeat", units[0].form))
        place = start + count * size
    return [*parts, *_blocks(rest, graph, forms, ends)]


def _joined(parts: Sequence[Region], forms: Forms) -> Region:
    if len(parts) == 1:
        return parts[0]
    nodes = tuple(name for part in parts for name in part.nodes)
    return Region(nodes, tuple(parts), "chain", forms.of(nodes))


def _repeat(
    found: Sequence[Region], place: int, later: Sequence[int], graph: OpGraph, ends: frozenset[str]
) -> tuple[int, int, int]:
    """Where the repeats that begin here start, how long a block is and how many there are."""
    best = (place, 0, 0)
    for size in islice(_sizes(place, later), TRIES):
        length = size
        while place + length < len(found) and _alike(found, place + length, size, ends):
            length += 1
        count = length // size
        if count < 2 or (size == 1 and found[place].kind == "node" and count < 3):
            continue
        if ends.intersection(found[place].nodes) or count * size <= best[1] * best[2]:
            continue
        starts = range(place, place + length % size + 1)
        start = next((s for s in starts if begins(found[s], graph)), place)
        best = start, size, count
    return best


def _alike(found: Sequence[Region], place: int, size: int, ends: frozenset[str]) -> bool:
    same = found[place].form == found[place - size].form
    return same and not ends.intersection(found[place].nodes)


def _sizes(place: int, later: Sequence[int]) -> Iterator[int]:
    """How far on the same form comes again."""
    following = later[place]
    while following and following - place <= LONGEST_BLOCK:
        yield following - place
        following = later[following]


def _later(found: Sequence[Region]) -> list[int]:
    """For each region where its form comes next; 0 if nowhere."""
    last: dict[int, int] = {}
    later = [0] * len(found)
    for place in range(len(found) - 1, -1, -1):
        later[place] = last.get(found[place].form, 0)
        last[found[place].form] = place
    return later


def begins(region: Region, graph: OpGraph) -> bool:
    """Whether a block begins with it: weights, or a fork."""
    return len(region.nodes) > 1 or graph[region.nodes[0]].kind.category in HEADS


def _blocks(
    rest: Sequence[Region], graph: OpGraph, forms: Forms, ends: frozenset[str]
) -> Iterator[Region]:
    run: list[Region] = []
    for region in rest:
        is_end = bool(ends.intersection(region.nodes))
        if run and (is_end or begins(region, graph)):
            yield _joined(run, forms)
            run = []
        if is_end:
            yield region
        else:
            run.append(region)
    if run:
        yield _joined(run, forms)
