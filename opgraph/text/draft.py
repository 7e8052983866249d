"""What a text says, before it is known which words are names: mentions of nodes and links.

Only data, passed from the parser to `names` and `assemble`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from opgraph.text.values import Setting


class Span(NamedTuple):
    """A word and where it stands."""

    text: str
    start: int
    end: int


@dataclass(slots=True, eq=False)
class Item:
    """One mention of a node.

    Attributes:
        text: its name, as far as the parser can tell.
        start: offset where the mention begins.
        end: offset behind it.
        quoted: whether the name was in quotes, and is to be taken literally.
        label: the second name.
        op: the op that was written.
        settings: the attributes that were written.
        owner: the node whose weights it uses.
        port: the output that is meant, written behind a quoted name.
        slot: the input that is meant, written behind a quoted name.
        is_call: whether it is an op that has no name, such as `ReLU()`.
        words: how many words a bare name has.
        otherwise: what the item is if `text` turns out to be a heading.
    """

    text: str
    start: int
    end: int
    quoted: bool = False
    label: str | None = None
    op: Span | None = None
    settings: list[Setting] | None = None
    owner: Item | None = None
    port: int | None = None
    slot: str | None = None
    is_call: bool = False
    words: int = 1
    otherwise: Item | None = None

    @property
    def is_plain(self) -> bool:
        """Whether nothing but a name was written."""
        return not (self.op or self.settings is not None or self.owner or self.is_call)


class Link(NamedTuple):
    """An arrow from one mention to another; `statement` numbers the statement it stands in."""

    source: Item
    target: Item
    statement: int


@dataclass(slots=True)
class Draft:
    """All that a text says.

    Attributes:
        items: all mentions, in order.
        links: all arrows, in order.
        lists: names separated by commas that no arrow leads from or to, one list a statement.
        headings: names before a colon that nothing follows.
        lost: words of statements that could not be read.
    """

    items: list[Item] = field(default_factory=list[Item])
    links: list[Link] = field(default_factory=list[Link])
    lists: list[list[Item]] = field(default_factory=list[list[Item]])
    headings: list[Item] = field(default_factory=list[Item])
    lost: set[str] = field(default_factory=set[str])
