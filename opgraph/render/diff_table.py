"""The comparison of two graphs as a table for terminals."""

from __future__ import annotations

from collections.abc import Iterator

from rich.text import Text

from opgraph.analysis import GraphDiff, NodeDiff
from opgraph.render.cleaning import clean
from opgraph.render.columns import Column, TextTable
from opgraph.render.differences import told
from opgraph.render.marks import SIGNS

COLUMNS = (
    Column("", least=1),
    Column("node", least=10),
    Column("op", least=6, yields=1),
    Column("what", least=8),
    Column("A", least=8, wraps=True),
    Column("B", least=8, wraps=True),
)


def diff_table(diff: GraphDiff, *, every: bool = False) -> TextTable:
    """One row for each thing that differs, in the order of the flow.

    Args:
        diff: the comparison.
        every: whether nodes are listed, too, that differ only in consequence.
    """
    rows: list[list[Text]] = []
    for node in diff.nodes:
        if node.status in SIGNS or (every and node.status == "follows"):
            rows += _rows(node, _op(diff, node))
    return TextTable(COLUMNS, rows)


def _op(diff: GraphDiff, node: NodeDiff) -> str:
    side = diff.left if node.right is None else diff.right
    return side.graph[node.name].kind.kind


def _rows(node: NodeDiff, op: str) -> Iterator[list[Text]]:
    """The first row names the node; all of them say what, before and after."""
    left, right = clean(node.left or ""), clean(node.right or "")
    name = f"{left} → {right}" if node.is_renamed else left or right
    head = [SIGNS.get(node.status, ""), name, op]
    changes = [(told(change), "") for change in node.changes]
    changes += [(told(change), "dim") for change in node.effects]
    if not changes:
        word = "renamed" if node.is_renamed else node.status
        yield [Text(cell, "bold") for cell in head[:2]] + [Text(op), Text(word), Text(), Text()]
    for (what, before, after), style in changes:
        cells = [Text(head[0], "bold"), Text(head[1], "bold"), Text(head[2])]
        yield [*cells, *(Text(word, style) for word in (what, before, after))]
        head = ["", "", ""]
