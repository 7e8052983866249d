"""What the nodes of an exported graph are called: by their scopes, as far as that is unique."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from opgraph.graph import WeightSource


class Name(NamedTuple):
    """The name of a node, and the scope in which its operation stands."""

    short: str
    scope: str | None


class Unique:
    """Gives out each name once: a number stands behind one that is taken.

    >>> unique = Unique()
    >>> unique("a"), unique("a"), unique("a")
    ('a', 'a (2)', 'a (3)')
    """

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}

    def __call__(self, name: str) -> str:
        """The name, or what it becomes."""
        found = name
        while found in self.counts:
            self.counts[name] += 1
            found = f"{name} ({self.counts[name]})"
        self.counts[found] = 1
        return found

    def release(self, name: str) -> None:
        """Let a name be given out again."""
        self.counts.pop(name, None)


def name_nodes(nodes: Mapping[str, WeightSource | None]) -> dict[str, Name]:
    """A unique name for each node.

    The scope that all share is left out, and the operation where it is alone in its scope. A step
    that the file's maker has numbered is called after the scope of its weight.

    Args:
        nodes: names of steps, each with the first weight it has.

    >>> named = name_nodes({"net/conv/Conv": None, "net/fc/MatMul": None, "net/fc/Add": None})
    >>> [name.short for name in named.values()]
    ['conv', 'fc/MatMul', 'fc/Add']
    """
    paths = {name: _path(name, weight) for name, weight in nodes.items()}
    shared = len(_shared([path[:-1] for path in paths.values() if len(path) > 1]))
    paths = {n: path[shared:] if len(path) > shared + 1 else path[-1:] for n, path in paths.items()}
    inside = Counter(tuple(path[:end]) for path in paths.values() for end in range(1, len(path)))
    whole = {tuple(path) for path in paths.values()}
    taken = Unique()
    return {name: _named(path, inside, whole, taken) for name, path in paths.items()}


def _named(
    path: Sequence[str],
    inside: Counter[tuple[str, ...]],
    whole: set[tuple[str, ...]],
    taken: Unique,
) -> Name:
    end = len(path)
    while end > 1 and inside[tuple(path[: end - 1])] == 1 and tuple(path[: end - 1]) not in whole:
        end -= 1
    short = "/".join(path[:end]).strip() or "node"
    return Name(taken(short), "/".join(path[:-1]) or None)


def _path(name: str, weight: WeightSource | None) -> list[str]:
    said = weight.name.rpartition("/")[0] if weight is not None and "/" not in name else ""
    return [part for part in (said or name).split("/") if part] or ["node"]


def _shared(scopes: list[list[str]]) -> list[str]:
    """The scope that all names begin with."""
    if not scopes:
        return []
    shortest = min(scopes, key=len)
    for depth, part in enumerate(shortest):
        if any(scope[depth] != part for scope in scopes):
            return shortest[:depth]
    return shortest
