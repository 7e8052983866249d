"""Flowcharts of Mermaid, read: nodes of any shape, arrows, chains, `&`, labels, subgraphs.

A subgraph becomes the first part of the names in it (`encoder/conv`), unless a label has the name
of its node, as those that `mermaid` writes do. Styles, classes, links and comments are passed over.
Must not know what a box stands for.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import NamedTuple

from opgraph.errors import ParseError, Place, Source
from opgraph.formats.drawn import Arrow, Box, graph_of, unescaper
from opgraph.graph import OpGraph
from opgraph.ops import find

LONGEST_CHAIN = 100_000
_SHAPES = (
    ("(((", (")))",)),
    ("((", ("))",)),
    ("([", ("])",)),
    ("[[", ("]]",)),
    ("[(", (")]",)),
    ("{{", ("}}",)),
    ("[/", ("/]", "\\]")),
    ("[\\", ("\\]", "/]")),
    ("(", (")",)),
    ("[", ("]",)),
    ("{", ("}",)),
    (">", ("]",)),
)
_BLANK = re.compile(r"(?:[ \t]|%%[^\n]*)*+")
_GAP = re.compile(r"(?:[\s;]|%%[^\n]*)*+")
_TITLE = re.compile(r'^\s*title:\s*("(?:[^"\\\n]|\\.)*"|[^\n]*?)\s*$', re.M)
_FRONT = re.compile(r"\s*---[ \t]*\n(.*?)\n---[ \t]*(?:\n|\Z)", re.S)
_HEADER = re.compile(r"(?:flowchart|graph)(?:-elk)?(?:[ \t]+(?:TB|TD|BT|RL|LR)\b)?(?!\w)")
_PASSED = re.compile(
    r"(?:style|linkStyle|classDef|class|click|accTitle|accDescr)[ \t:][^\n;]*|direction[ \t]+\w+"
)
_SUBGRAPH = re.compile(r"subgraph\b[ \t]*")
_END = re.compile(r"end\b(?![-.\w])")
_ID = re.compile(r"[\w/+*?!$'@]+(?:[-.][\w/+*?!$'@]+)*(?<!@)")
_CLASS = re.compile(r"[ \t]*:::[\w-]+")
_NEW_SHAPE = re.compile(r"@\{([^{}]*)\}")
_NEW_LABEL = re.compile(r'\blabel:\s*(?:"([^"]*)"|([^,"]*))')
_QUOTED = re.compile(r'\s*"([^"]*)"\s*')
_ARROW = re.compile(r"(?:-{2,}|={2,}|-\.+-)(?:>|[xo](?=\s))")
_ARROW_TEXT = re.compile(r'\s*\|\s*(?:"([^"\n]*)"|([^|"\n]*))\s*\|')
_TEXT_ARROW = re.compile(
    r'(?:--|==|-\.)(?![->=.])[ \t]*("[^"\n]*"|[^\n;]*?)[ \t]*(?:-{2,}>|={2,}>|\.+->)'
)
_LINE = re.compile(r"-{3,}|={3,}|-\.+-|~{3,}|<-+>?|<=+>?|<-\.+->?")
_WORD = re.compile(r"\S[^\s;]{0,40}")
_BREAK = re.compile(r"<br\s*/?>|\n|\\n", re.I)
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>")
_NOTATION = re.compile(r'([A-Z]\w*)(\(.*\))?(?: = ("(?:[^"\\]|\\.)*"))?', re.S)
_SAID = re.compile(r"(?:port (\d{1,6}))?(?:, )?(?:slot (\d{1,6}))?")
_unescaped = unescaper("#", "#")


def from_mermaid(source: Source, name: str) -> OpGraph:
    """The graph of a flowchart.

    Args:
        source: the text.
        name: of the graph, where the text has no title.

    Raises:
        ParseError: it is no flowchart, or a statement cannot be read; the place is in the text.
        FormatError: two nodes have one name, or an attribute is wrong.
        GraphError: arrows lead round in a cycle.
    """
    reader = _Reader(source)
    title = reader.read()
    boxes = {
        ident: _box(ident, seen.label, seen.groups, seen.place)
        for ident, seen in reader.seen.items()
    }
    return graph_of(boxes, reader.arrows, title or name)


@dataclass
class _Seen:
    """What the text says about a node."""

    place: Place
    label: str | None = None
    groups: tuple[str, ...] = ()


class _Said(NamedTuple):
    port: int = 0
    slot: int | None = None


class _Reader:
    """A cursor over a flowchart, and what was found so far."""

    def __init__(self, source: Source) -> None:
        self.source, self.text, self.at = source, source.text, 0
        self.seen: dict[str, _Seen] = {}
        self.arrows: list[Arrow] = []
        self.groups: list[tuple[str, str, int]] = []  # id, title, offset
        self.group_ids: set[str] = set()

    def read(self) -> str | None:
        """Read all statements and hand back the title."""
        title = self._front_matter()
        self._take(_GAP)
        if self._take(_HEADER) is None:
            raise self._error("expected 'flowchart TD'", "other diagrams have no graph of ops")
        self._take(_GAP)
        while self.at < len(self.text):
            self._statement()
            self._take(_GAP)
        if self.groups:
            at = self.groups[-1][2]
            raise ParseError(
                "the subgraph has no end",
                place=Place(self.source, at, at + len("subgraph")),
                hint="close it with a line 'end'",
            )
        return title

    def _front_matter(self) -> str | None:
        front = self._take(_FRONT)
        title = _TITLE.search(front[1]) if front else None
        if title is None:
            return None
        try:
            return str(json.loads(title[1])) if title[1].startswith('"') else title[1]
        except ValueError:
            return title[1]

    def _statement(self) -> None:
        start = self.at
        if self._take(_PASSED):
            return
        if self._take(_SUBGRAPH):
            self._open_group(start)
        elif self._take(_END):
            if not self.groups:
                raise self._error("no subgraph is open here", at=start, length=3)
            self.groups.pop()
        else:
            self._chain()
        self._take(_BLANK)
        if self.at < len(self.text) and self.text[self.at] not in "\n;":
            raise self._unexpected()

    def _open_group(self, start: int) -> None:
        named = self._take(_QUOTED)
        ident = named[1] if named else self._bare_title()
        title = self._shape_text() or ident
        self.groups.append((ident, _plain(title), start))
        self.group_ids.add(ident)

    def _bare_title(self) -> str:
        """The words up to a bracket or the end of the line."""
        match = re.compile(r"[^\n;\[({]*").match(self.text, self.at)
        assert match
        self.at = match.end()
        return match[0].strip() or f"subgraph {len(self.group_ids) + 1}"

    # Chains ------------------------------------------------------------------------------------

    def _chain(self) -> None:
        before = self._nodes()
        while (said := self._arrow()) is not None:
            self._take(_BLANK)
            start = self.at
            after = self._nodes()
            if len(before) * len(after) > LONGEST_CHAIN:
                raise self._error(f"more than {LONGEST_CHAIN:,} arrows at once", at=start, length=1)
            for source in before:
                for target in after:
                    place = self.seen[target].place if len(after) > 1 else self._here(start)
                    self.arrows.append(Arrow(source, target, said.port, said.slot, place))
            before = after

    def _nodes(self) -> list[str]:
        """Nodes that `&` joins."""
        found = [self._node()]
        while True:
            self._take(_BLANK)
            if not self.text.startswith("&", self.at):
                return found
            self.at += 1
            found.append(self._node())

    def _node(self) -> str:
        self._take(_BLANK)
        match = self._take(_ID)
        if match is None:
            raise self._unexpected("a node")
        ident = match[0]
        if ident in self.group_ids:
            raise self._error(
                f"{ident!r} is a subgraph",
                "lead the arrow to a node in it",
                match.start(),
                len(ident),
            )
        seen = self.seen.get(ident)
        if seen is None:
            seen = self.seen[ident] = _Seen(Place(self.source, *match.span()))
        label = self._shape_text()
        seen.label = label if label is not None else seen.label
        seen.groups = seen.groups or tuple(title for _, title, _ in self.groups)
        self._take(_CLASS)
        return ident

    def _shape_text(self) -> str | None:
        """The text in the shape at the cursor, if there is one."""
        if new := self._take(_NEW_SHAPE):
            label = _NEW_LABEL.search(new[1])
            return None if label is None else (label[1] if label[1] is not None else label[2])
        for opener, closers in _SHAPES:
            if self.text.startswith(opener, self.at):
                return self._until(opener, closers)
        return None

    def _until(self, opener: str, closers: tuple[str, ...]) -> str:
        start = self.at
        self.at += len(opener)
        if quoted := self._take(_QUOTED):
            text = quoted[1]
        else:
            line = self.text.find("\n", self.at)
            line = len(self.text) if line < 0 else line
            ends = [end for c in closers if (end := self.text.find(c, self.at, line)) >= 0]
            text = self.text[self.at : min(ends)] if ends else ""
            self.at = min(ends) if ends else start
        closer = next((c for c in closers if self.text.startswith(c, self.at)), None)
        if closer is None:
            hint = f'close it with {closers[0]!r}; a text with marks goes into quotes: ["a (b)"]'
            raise self._error(f"{opener!r} is not closed", hint, start, len(opener))
        self.at += len(closer)
        return text

    def _arrow(self) -> _Said | None:
        self._take(_BLANK)
        if self._take(_ARROW):
            text = self._take(_ARROW_TEXT)
            return _said(text[1] or text[2] or "") if text else _Said()
        if text := self._take(_TEXT_ARROW):
            return _said(text[1].strip('"'))
        if line := _LINE.match(self.text, self.at):
            both = line[0].startswith("<")
            what = "an arrow backwards" if both else "a line without an arrow head"
            hint = "data flows one way: write -->"
            raise self._error(f"expected -->, received {what}", hint, line.start(), len(line[0]))
        return None

    # Places ------------------------------------------------------------------------------------

    def _take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        match = pattern.match(self.text, self.at)
        if match:
            self.at = match.end()
        return match

    def _here(self, start: int) -> Place:
        return Place(self.source, start, max(self.at, start + 1))

    def _unexpected(self, wanted: str = "an arrow or the end of the line") -> ParseError:
        word = _WORD.match(self.text, self.at)
        received = repr(word[0]) if word else "the end of the line"
        return self._error(
            f"expected {wanted}, received {received}", length=len(word[0]) if word else 1
        )

    def _error(
        self,
        problem: str,
        hint: str | None = None,
        at: int | None = None,
        length: int | None = None,
    ) -> ParseError:
        at = self.at if at is None else at
        if length is None:
            word = _WORD.match(self.text, at)
            length = len(word[0]) if word else 1
        return ParseError(problem, place=Place(self.source, at, at + length), hint=hint)


def _said(text: str) -> _Said:
    """Output and input that an arrow's label names; any other label is for people."""
    match = _SAID.fullmatch(text)
    if match is None:
        return _Said()
    return _Said(int(match[1] or 0), None if match[2] is None else int(match[2]))


def _box(ident: str, label: str | None, groups: tuple[str, ...], place: Place) -> Box:
    lines = [_unescaped(_TAG.sub("", part).strip(" \t")) for part in _BREAK.split(label or "")]
    match = _NOTATION.fullmatch(lines[-1]) if len(lines) > 1 else None
    kind = find(match[1]) if match else None
    if match and kind is not None and kind.kind == match[1]:
        shares = None if match[3] is None else str(json.loads(match[3]))
        second = " ".join(lines[1:-1]) if len(lines) > 2 else None
        return Box(lines[0], match[1] + (match[2] or ""), second, shares, place=place)
    shown = " ".join(" ".join(lines).strip("`").split())
    name = "/".join([*groups, ident])
    return Box(name, label=None if shown in ("", ident) else shown, place=place)


def _plain(title: str) -> str:
    return " ".join(_unescaped(_TAG.sub(" ", _BREAK.sub(" ", title))).split())
