"""The nodes around one, drawn in text: a row a node, a column an edge, as `git log --graph` does.

Owns which nodes are near and how edges run between their rows; knows neither steps nor sessions.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, zip_longest

from opgraph.graph import OpGraph

MOST_NODES, FARTHEST = 9, 3
MOST_NAMES = 3
WIDTH = 80


def sketch_lines(graph: OpGraph, node: str) -> list[str]:
    r"""A node with those near it, in the order of the network; what is left out is named.

    Args:
        graph: the network.
        node: the node in the middle; `=>` marks it.

    >>> from opgraph.text import parse
    >>> print("\n".join(sketch_lines(parse("x -> relu -> add\nx -> add"), "relu")))
         o    x (Input)
         +-.
      => o |  relu (ReLU)
         +-'
         o    add (Add)
    """
    near = _near(graph, node)
    drawing = _Drawing()
    for name in near:
        readers = targets_of(graph, name)
        title = f"{name} ({graph[name].kind.kind})" + _left_out(graph, name, near)
        drawing.add(name, [x for x in near if x in readers], title, "=>" if name == node else "")
    return drawing.lines()


def sources_of(graph: OpGraph, node: str) -> list[str]:
    """The nodes that a node reads, each once."""
    return list(dict.fromkeys(end.node for end in graph.inputs(node)))


def targets_of(graph: OpGraph, node: str) -> list[str]:
    """The nodes that read a node, each once."""
    return list(dict.fromkeys(edge.target for edge in graph.edges_from(node)))


class _Drawing:
    """Rows from the top to the bottom.

    `goes_to` is where the edge in each column goes; `ended` is the column in which the last node
    stands if no edge goes on from it: the next node would seem to read it there.
    """

    def __init__(self) -> None:
        self.goes_to: list[str | None] = []
        self.rows: list[tuple[str, str, str]] = []
        self.ended: int | None = None

    def add(self, node: str, readers: Sequence[str], title: str, mark: str) -> None:
        """The row of a node, after the edges to it came together, before those from it part."""
        arriving = [column for column, to in enumerate(self.goes_to) if to == node]
        own = arriving[0] if arriving else self.take_column(node, self.ended)
        self.connect(own, arriving[1:], "'")
        for column in arriving[1:]:
            self.goes_to[column] = None
        cells = ["o" if n == own else "|" if to else " " for n, to in enumerate(self.goes_to)]
        self.rows.append((mark, " ".join(cells), title))
        self.goes_to[own], self.ended = (readers[0], None) if readers else (None, own)
        self.connect(own, [self.take_column(reader) for reader in readers[1:]], ".")

    def take_column(self, node: str, but: int | None = None) -> int:
        """The first column that is free, from now on that of an edge to a node."""
        self.goes_to += [None, None]
        free = (n for n, to in enumerate(self.goes_to) if to is None and n != but)
        column = next(free)
        self.goes_to[column] = node
        while self.goes_to[-1] is None:
            self.goes_to.pop()
        return column

    def connect(self, own: int, others: Sequence[int], corner: str) -> None:
        """A row in which other columns part from one, or end in it."""
        if not others:
            return
        first, last = min(own, *others), max(own, *others)
        text = ""
        for column, to in enumerate(self.goes_to):
            inside = first <= column <= last
            if column == own or (column in others and first < column < last):
                text += "+"
            elif column in others:
                text += corner
            else:
                text += "|" if to else "-" if inside else " "
            text += "-" if first <= column < last else " "
        self.rows.append(("", text.rstrip(), ""))

    def lines(self) -> list[str]:
        """All rows, the titles one below the other, no wider than a terminal."""
        width = max(len(cells) for _, cells, _ in self.rows)
        rows = (f"  {mark:>2} {cells:<{width}}  {title}" for mark, cells, title in self.rows)
        return [_cut(row.rstrip()) for row in rows]


def _near(graph: OpGraph, node: str) -> list[str]:
    """The nodes that are fewest edges away, in the order of the network."""
    found = {node: 0}
    queue = [node]
    for name in queue:
        pairs = zip_longest(sources_of(graph, name), targets_of(graph, name))
        for other in chain.from_iterable(pairs):
            if other is None or other in found or len(found) == MOST_NODES:
                continue
            found[other] = found[name] + 1
            if found[other] < FARTHEST:
                queue.append(other)
    return [name for name in graph.order if name in found]


def _left_out(graph: OpGraph, node: str, near: Sequence[str]) -> str:
    """What a node reads, and what reads it, that is not drawn."""
    read = [x for x in sources_of(graph, node) if x not in near]
    readers = [x for x in targets_of(graph, node) if x not in near]
    ways = ("<-", read), ("->", readers)
    return "".join(f"  {arrow} {_listed(names)}" for arrow, names in ways if names)


def _listed(nodes: Sequence[str]) -> str:
    more = f" and {len(nodes) - MOST_NAMES} more" if len(nodes) > MOST_NAMES else ""
    return ", ".join(nodes[:MOST_NAMES]) + more


def _cut(line: str) -> str:
    return line if len(line) <= WIDTH else f"{line[: WIDTH - 3]}..."
