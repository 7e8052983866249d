"""The rank of each box: how far down the flow it stands."""

from __future__ import annotations

from collections.abc import Sequence

from opgraph.render.layout.model import Wire


def assign_ranks(count: int, wires: Sequence[Wire]) -> list[int]:
    """Longest-path ranks; a tree that only leads to one place is pulled down to it.

    >>> assign_ranks(4, [Wire(0, 1), Wire(1, 2), Wire(3, 2)])
    [0, 1, 2, 1]
    """
    sources: list[list[int]] = [[] for _ in range(count)]
    targets: list[list[int]] = [[] for _ in range(count)]
    for wire in wires:
        sources[wire.target].append(wire.source)
        targets[wire.source].append(wire.target)
    order = topological(sources, targets)
    ranks = [0] * count
    loose = [False] * count
    for box in order:
        ranks[box] = max((ranks[source] + 1 for source in sources[box]), default=0)
        loose[box] = all(loose[s] and len(targets[s]) == 1 for s in sources[box])
    for box in reversed(order):
        if loose[box] and targets[box]:
            ranks[box] = min(ranks[target] for target in targets[box]) - 1
    return ranks


def topological(sources: list[list[int]], targets: list[list[int]]) -> list[int]:
    """Indices in the order of the flow.

    Raises:
        ValueError: there is a cycle.
    """
    waiting = [len(into) for into in sources]
    order = [box for box, number in enumerate(waiting) if not number]
    for box in order:
        for target in targets[box]:
            waiting[target] -= 1
            if not waiting[target]:
                order.append(target)
    if len(order) < len(sources):
        raise ValueError("the wires form a cycle")
    return order


def spans(count: int, wires: Sequence[Wire]) -> list[int]:
    """How many ranks each wire goes down.

    >>> spans(3, [Wire(0, 1), Wire(1, 2), Wire(0, 2)])
    [1, 1, 2]
    """
    ranks = assign_ranks(count, wires)
    return [ranks[wire.target] - ranks[wire.source] for wire in wires]
