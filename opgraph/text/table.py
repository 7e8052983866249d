"""Tables of edges: a header that names a source and a target column, then one edge a row.

Other columns are passed over. Tables without a header are the parser's, which reads their two cells
as names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from opgraph.errors import ParseError, Place, Source
from opgraph.text.draft import Draft, Item, Link
from opgraph.text.findings import Findings
from opgraph.text.lexer import Lexer
from opgraph.text.mention import read_item

SOURCES = frozenset(("source", "src", "from", "start", "tail", "源", "源节点", "起点", "上游"))
TARGETS = frozenset(("target", "dst", "to", "end", "head", "目标", "目标节点", "终点", "下游"))
MOST_ROWS = 500_000

_HEADER = re.compile(r"(?:[^\S\n]*(?:(?:#|//)[^\n]*)?\n)*+([^\n]*)")
_COMMENT = re.compile(r"[^\S\n]*(?:#|//|\n|\Z)")


@dataclass(frozen=True)
class Table:
    """Where the edges stand: the separator, the two columns, the offset behind the header."""

    separator: str
    source: int
    target: int
    start: int


def find_table(source: Source) -> Table | None:
    """The table that a text is, if its first line is a header.

    >>> find_table(Source("x.csv", "Source,Target,Weight"))
    Table(separator=',', source=0, target=1, start=20)
    """
    header = _HEADER.match(source.text)
    assert header
    for separator in ",\t;":
        cells = [cell.strip(' "\r').casefold() for cell in header[1].split(separator, 100)]
        sources = [i for i, cell in enumerate(cells) if cell in SOURCES]
        targets = [i for i, cell in enumerate(cells) if cell in TARGETS]
        if sources and targets:
            return Table(separator, sources[0], targets[0], header.end())
    return None


def read_table(source: Source, table: Table, findings: Findings) -> Draft:
    """Read the rows of a table; what is wrong is added to the findings.

    Raises:
        TooManyFindings: the text is garbage.
        ParseError: it has more rows than any network edges.
    """
    draft, lexer = Draft(), Lexer(source, "" if table.separator == "," else table.separator)
    for number, cells in enumerate(_rows(source.text, table)):
        if number >= MOST_ROWS:
            raise ParseError(f"more than {MOST_ROWS:,} rows", where=source.name)
        try:
            pair = [_read_cell(lexer, cells, i) for i in (table.source, table.target)]
        except ParseError as error:
            noted = error
            findings.add(lambda noted=noted: noted)
            continue
        draft.items.extend(pair)
        draft.links.append(Link(pair[0], pair[1], number))
    return draft


def _rows(text: str, table: Table) -> Iterator[list[tuple[int, int]]]:
    """The offsets of the cells of each row."""
    cell = re.compile(rf'[^\S\n{table.separator}]*("(?:[^"\n]|"")*"|[^{table.separator}\n]*)')
    at, last = table.start, max(table.source, table.target)
    while at < len(text):
        at += 1
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        if not _COMMENT.match(text, at):
            yield _cells(cell, text, at, end, last)
        at = end


def _cells(cell: re.Pattern[str], text: str, at: int, end: int, last: int) -> list[tuple[int, int]]:
    cells: list[tuple[int, int]] = []
    while at <= end and len(cells) <= last:
        match = cell.match(text, at, end)
        assert match
        cells.append((match.start(1), match.end(1)))
        at = text.find(text[match.end()], match.end()) + 1 if match.end() < end else end + 1
    return cells


def _read_cell(lexer: Lexer, cells: list[tuple[int, int]], column: int) -> Item:
    start, end = cells[column] if column < len(cells) else (cells[-1][1], cells[-1][1])
    if not lexer.text[start:end].strip():
        raise ParseError(
            f"expected a name in column {column + 1}",
            place=Place(lexer.source, start, start + 1),
            hint="each row has a source and a target",
        )
    lexer.seek(start)
    if lexer.kind in ("word", "string"):
        item = read_item(lexer, may_head=False, is_chain=False)
        if lexer.start >= end:
            return item
    raise ParseError(
        f"expected one name, received {lexer.text[start:end][:60]!r}",
        place=Place(lexer.source, start, end),
        hint='a name with marks in it is written in quotes: "a:b"',
    )
