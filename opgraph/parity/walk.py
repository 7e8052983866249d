"""Ways back through the first model, from a node to what it was made from.

Knows rows and reads; runs nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

from opgraph.parity.model import Row, Runner


def sources_of(row: Row, left: Runner, rows: Mapping[str, Row]) -> list[Row]:
    """The nearest rows before a node that have a counterpart."""
    found: dict[str, Row] = {}
    todo = list(row.node.reads)
    seen: set[str] = set()
    while todo:
        name = todo.pop(0)
        if name in seen or name not in rows:
            continue
        seen.add(name)
        before = rows[name]
        if before.measures is not None:
            found[name] = before
        else:
            todo += left.tensors[name].reads
    return list(found.values())


def between(first: Row, left: Runner, rows: Mapping[str, Row]) -> tuple[str, ...]:
    """Nodes without a counterpart between a row and the nearest ones that have one."""
    found: list[str] = []
    todo = list(first.node.reads)
    while todo:
        name = todo.pop(0)
        row = rows.get(name)
        if row is None or row.measures is not None or name in found:
            continue
        found.append(name)
        todo += left.tensors[name].reads
    return tuple(reversed(found))
