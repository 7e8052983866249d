"""The form of a set of nodes: what they do and how they are wired, whatever they are called."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from opgraph.graph.model import OpGraph
from opgraph.ops import freeze


class Forms:
    """Numbers forms; equal ones get the same number."""

    def __init__(self, graph: OpGraph) -> None:
        self.graph = graph
        self.known: dict[Hashable, int] = {}
        self.keys: dict[str, int] = {}

    def of(self, names: Sequence[str]) -> int:
        """The number of the form of some nodes, given in the order of the flow.

        Where a node reads from another one of them, the form says which; arrays from outside are
        numbered as they are first met.
        """
        place = {name: index for index, name in enumerate(names)}
        doors: dict[tuple[str, int], int] = {}
        form: list[Hashable] = []
        for name in names:
            ends = self.graph.inputs(name)
            reads = tuple(
                (place[node], port) if node in place else (-1 - doors.setdefault(
                    (node, port), len(doors)), 0)
                for node, port in ends
            )  # fmt: skip
            form.append((self._key(name), reads))
        return self.known.setdefault(tuple(form), len(self.known))

    def _key(self, name: str) -> int:
        """Op and attributes of a node; one that shares weights is what their owner is."""
        if name not in self.keys:
            node = self.graph[self.graph.owner(name)]
            schema = node.kind.schema()
            told = {k: v for k, v in node.explicit().items() if v != schema[k].default}
            key = node.kind, freeze(dict(sorted(told.items())))
            self.keys[name] = self.known.setdefault(key, len(self.known))
        return self.keys[name]
